//! Out of a workspace, to where a person chose: a file as it is, a folder as a zip. It is complete or not there: it is
//! written beside its place and renamed.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use slipway_engine::{ByteStream, Engine, Odd, Zipped, received, tree};
use slipway_wire::{Api as _, Code, FileKind, FileRef, Problem, WorkspaceId};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tauri::{AppHandle, Manager as _};

use super::running::{Carried, Meter, Way, carry, until_cancelled};
use crate::{app::Desktop, bridge::unfinished::Unfinished};

/// What is wanted, and where.
#[derive(Deserialize)]
pub(crate) struct Fetch {
    id: WorkspaceId,
    path: String,
    to: PathBuf,
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Fetched {
    /// Links out of the folder and things that are no files, which are not in the zip.
    left_out: u64,
}

/// Writes a file as it is, or a folder as a zip, in sight of every window.
pub(crate) async fn download(app: &AppHandle, fetch: Fetch) -> Result<Fetched, Problem> {
    if !fetch.to.is_absolute() {
        return Err(Problem::new(Code::Invalid, "A file is written to a full path only."));
    }
    let engine = app.state::<Desktop>().owner.engine().await?;
    let name = fetch.to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let place = beside(&fetch.to).display().to_string();
    let meter =
        Arc::new(Meter::new(Carried { id: fetch.id.clone(), way: Way::Out, name, place, nth: 1, of: 1 }));
    let notes = app.state::<Desktop>().unfinished();
    let left_out = carry(app, &meter, Box::pin(get(&engine, fetch, &notes, &meter))).await?;
    Ok(Fetched { left_out })
}

fn beside(to: &Path) -> &Path {
    to.parent().unwrap_or(Path::new("/"))
}

async fn get(
    engine: &Engine,
    Fetch { id, path, to }: Fetch,
    notes: &Path,
    meter: &Arc<Meter>,
) -> Result<u64, Problem> {
    let source = FileRef { id, path };
    let found = engine.file_stat(source.clone()).await?;
    let file = Unfinished::begin(notes, beside(&to)).map_err(|e| cannot(&to, &e))?;
    let out = file.reopen().map_err(|e| cannot(&to, &e))?;
    let left_out = match found.kind {
        FileKind::Directory => zip(counted(engine.read_tree(&source).await?, meter), out).await?,
        FileKind::File => {
            meter.expect(found.size);
            if found.size > tree::MAX_BYTES {
                return Err(Problem::new(Code::Limit, "The file is larger than 64 GiB."));
            }
            engine.fetch_file(&source, 0, found.size, out, meter.transfer()).await?;
            0
        }
        FileKind::Symlink | FileKind::Other => {
            return Err(Problem::new(
                Code::Refused,
                format!("{} is neither a file nor a folder.", source.path),
            ));
        }
    };
    file.finish(&to).map_err(|e| cannot(&to, &e))?;
    Ok(left_out)
}

fn counted(bytes: ByteStream, meter: &Arc<Meter>) -> ByteStream {
    let counting = Arc::clone(meter);
    until_cancelled(meter, bytes.inspect_ok(move |piece| counting.add(piece.len() as u64)))
}

async fn zip(bytes: ByteStream, out: File) -> Result<u64, Problem> {
    struct Zipping {
        reader: tree::Reader,
        zip: Zipped<File>,
        left_out: u64,
    }
    let zipping = Zipping { reader: tree::Reader::default(), zip: Zipped::new(out), left_out: 0 };
    let take = |zipping: &mut Zipping, piece: Bytes| {
        zipping.reader.feed(&piece);
        while let Some(record) = zipping.reader.pull().map_err(broken)? {
            match record {
                tree::Record::Entry { path, kind, mode } => {
                    let odd = zipping.zip.entry(&path, kind, mode)?;
                    zipping.left_out += u64::from(matches!(odd, Some(Odd::LeftOut(_))));
                }
                tree::Record::Data(data) => zipping.zip.data(&data)?,
                tree::Record::Missing { .. } => zipping.left_out += 1,
                tree::Record::End => {}
            }
        }
        Ok(())
    };
    let end = |zipping: Zipping| {
        zipping.reader.finish().map_err(broken)?;
        zipping.zip.finish()?;
        Ok(zipping.left_out)
    };
    received(bytes, zipping, take, end).await
}

fn broken(broken: tree::Broken) -> Problem {
    Problem::new(Code::AgentLost, format!("The copying ended: {broken}."))
        .hint("Try again; the workspace may have been stopped.")
}

fn cannot(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::Storage, format!("{} could not be written.", path.display()))
        .hint("See that its folder is there, belongs to you and has room, or choose another.")
        .detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use futures_util::stream;
    use std::fs;
    use tempfile::NamedTempFile;

    fn tree_of(entries: &[(&str, tree::Kind, &[u8])], whole: bool) -> ByteStream {
        let mut out = BytesMut::new();
        for (path, kind, data) in entries {
            tree::put_entry(&mut out, path.as_bytes(), kind, 0o644);
            if !data.is_empty() {
                tree::put_data(&mut out, data);
            }
        }
        if whole {
            tree::put_end(&mut out);
        }
        // In pieces that split records.
        let pieces: Vec<Result<Bytes, Problem>> =
            out.freeze().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Box::pin(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_tree_becomes_a_zip_without_what_leads_out_of_it() {
        let file = NamedTempFile::new().unwrap();
        let link = tree::Kind::Symlink(Bytes::from_static(b"../../etc/passwd"));
        let entries: [(&str, tree::Kind, &[u8]); 3] = [
            ("a", tree::Kind::Directory, b""),
            ("a/b.txt", tree::Kind::File(5), b"hello"),
            ("out", link, b""),
        ];
        let left_out = zip(tree_of(&entries, true), file.reopen().unwrap()).await.unwrap();
        assert_eq!(left_out, 1);
        let written = fs::read(file.path()).unwrap();
        assert!(written.starts_with(b"PK"));
        let named = |name: &[u8]| written.windows(name.len()).any(|part| part == name);
        assert!(named(b"a/b.txt") && !named(b"passwd"));
    }

    #[tokio::test]
    async fn a_tree_that_is_cut_is_no_zip() {
        let file = NamedTempFile::new().unwrap();
        let entries: [(&str, tree::Kind, &[u8]); 1] = [("b.txt", tree::Kind::File(5), b"hel")];
        let cut = zip(tree_of(&entries, false), file.reopen().unwrap()).await.unwrap_err();
        assert_eq!(cut.code, Code::AgentLost);
        let lost = Problem::new(Code::AgentLost, "The workspace stopped.");
        let broken: ByteStream = Box::pin(stream::iter([Err(lost.clone())]));
        assert_eq!(zip(broken, file.reopen().unwrap()).await.unwrap_err(), lost);
    }
}
