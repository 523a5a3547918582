//! A folder here as one stream for a workspace, and what of it was left out.

use super::pipe::{Bar, Broke};
use crate::text;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use slipway_http::Packed;
use slipway_wire::{Problem, shown_name};
use std::path::Path;

/// Everything below a folder.
pub(super) fn pack(
    folder: &Path,
    bar: Bar,
) -> (impl Stream<Item = Result<Bytes, Problem>> + Send + 'static, Broke) {
    let broke = Broke::default();
    let kept = broke.clone();
    let chunks = slipway_http::pack(folder.to_owned(), move |packed| match packed {
        Packed::Bytes(count) => bar.add(count),
        Packed::LeftOut(path, why) => {
            bar.note(&format!("Left out: {} ({why})", text::clean(&shown_name(path))));
        }
    });
    (chunks.inspect_err(move |problem| kept.because(problem)), broke)
}

/// The bytes of a name: any on Unix, UTF-8 elsewhere.
pub(super) fn bytes_of(name: &std::ffi::OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use slipway_http::tree::{Reader, Record};
    use std::fs;
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
    };

    #[tokio::test]
    async fn a_folder_is_packed_with_its_modes_and_names_and_without_what_points_out_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("dir");
        fs::create_dir_all(dir.join("sub/empty")).unwrap();
        fs::write(dir.join("sub/run.sh"), b"#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.join("sub/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(dir.join(OsStr::from_bytes(b"\xff\n")), vec![7; 300_000]).unwrap();
        symlink("../top", dir.join("sub/up")).unwrap();
        symlink("/etc/passwd", dir.join("out")).unwrap();
        symlink("../../x", dir.join("sub/out")).unwrap();
        let (chunks, broke) = pack(&dir, Bar::new(None));
        let mut chunks = Box::pin(chunks);
        let (mut reader, mut found, mut bytes) = (Reader::default(), Vec::new(), 0);
        while let Some(chunk) = chunks.next().await {
            reader.feed(&chunk.unwrap());
            while let Some(record) = reader.pull().unwrap() {
                match record {
                    Record::Entry { path, mode, .. } => found.push((path.to_vec(), mode)),
                    Record::Data(data) => bytes += data.len(),
                    Record::Missing { .. } | Record::End => {}
                }
            }
        }
        reader.finish().unwrap();
        broke.over(Ok(())).unwrap();
        let names: Vec<&[u8]> = found.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [&b"sub"[..], b"sub/empty", b"sub/run.sh", b"sub/up", b"\xff\n"]);
        assert_eq!(found[2].1, 0o750);
        assert_eq!(bytes, 300_010);
    }
}
