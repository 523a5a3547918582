//! A folder here as one stream for a workspace. Links that point out of it and special files are left out with a note;
//! names of any bytes go as they are.

use super::{
    pipe::{Bar, Broke, produce},
    upload::{mode, unreadable},
};
use crate::{exit::Failure, text};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use slipway_http::{
    safe_target,
    tree::{self, Kind, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES},
};
use slipway_wire::{Code as Why, Problem, shown_name};
use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

/// Sent at once.
const FULL: usize = 256 * 1024;

/// Everything below a folder.
pub(super) fn pack(
    folder: &Path,
    bar: Bar,
) -> (impl Stream<Item = Result<Bytes, Problem>> + Send + 'static, Broke) {
    let folder = folder.to_owned();
    produce(move |send| {
        let out = BytesMut::with_capacity(2 * FULL);
        let mut packer = Packer { send, out, path: Vec::new(), entries: 0, bytes: 0, bar };
        packer.folder(&folder, 0)?;
        tree::put_end(&mut packer.out);
        packer.flush(0);
        Ok(())
    })
}

struct Packer<'a> {
    send: &'a mut dyn FnMut(Bytes) -> bool,
    out: BytesMut,
    path: Vec<u8>,
    entries: u64,
    bytes: u64,
    bar: Bar,
}

impl Packer<'_> {
    /// Sends what there is once it is so much. When nobody takes it, the taker's reason is the one to tell.
    fn flush(&mut self, from: usize) -> bool {
        if self.out.len() < from.max(1) {
            return true;
        }
        let full = self.out.split().freeze();
        self.out.reserve(2 * FULL);
        (self.send)(full)
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Failure> {
        let mut inside = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
            inside.push(entry.map_err(|e| unreadable(folder, &e))?.file_name());
        }
        // The same folder gives the same stream.
        inside.sort();
        for name in inside {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                return Err(too_much(folder));
            }
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(bytes_of(&name));
            if self.path.len() > tree::PATH {
                return Err(too_much(folder));
            }
            self.entry(&folder.join(&name), depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let found = fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
        let kind = if found.is_dir() {
            Kind::Directory
        } else if found.is_file() {
            Kind::File(found.len())
        } else if found.is_symlink() {
            let target = fs::read_link(path).map_err(|e| unreadable(path, &e))?;
            let target = bytes_of(target.as_os_str());
            if !safe_target(target, depth) {
                self.left_out("a link out of the folder");
                return Ok(());
            }
            Kind::Symlink(Bytes::copy_from_slice(target))
        } else {
            self.left_out("not a file, folder or link");
            return Ok(());
        };
        let otherwise = if kind == Kind::Directory { 0o755 } else { 0o644 };
        tree::put_entry(&mut self.out, &self.path, &kind, mode(&found).unwrap_or(otherwise));
        match kind {
            Kind::Directory => self.folder(path, depth + 1),
            Kind::File(size) => self.content(path, size),
            Kind::Symlink(_) | Kind::Other => Ok(()),
        }
    }

    /// At most what it had when it was looked at: one that grows as fast as it is read has no end.
    fn content(&mut self, path: &Path, size: u64) -> Result<(), Failure> {
        self.bytes += size;
        if self.bytes > MAX_BYTES {
            return Err(too_much(path));
        }
        let mut file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let mut left = size;
        while left > 0 {
            let part = left.min(tree::CONTENT as u64) as usize;
            tree::put_data_head(&mut self.out, part);
            let from = self.out.len();
            self.out.resize(from + part, 0);
            file.read_exact(&mut self.out[from..]).map_err(|e| unreadable(path, &e))?;
            self.bar.add(part);
            left -= part as u64;
            if !self.flush(FULL) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn left_out(&self, why: &str) {
        self.bar.note(&format!("Left out: {} ({why})", text::clean(&shown_name(&self.path))));
    }
}

/// The bytes of a name: any on Unix, UTF-8 elsewhere.
pub(super) fn bytes_of(name: &std::ffi::OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

fn too_much(path: &Path) -> Failure {
    Problem::new(Why::Limit, format!("{} holds too much to copy at once.", path.display()))
        .hint("Copy a part of it: 1,000,000 entries, 64 GiB and 200 folders inside one another go at once.")
        .into()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use slipway_http::tree::{Reader, Record};
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
