//! Files over the window's edge: dropped from this machine into a folder of a workspace, and out of one to where a person
//! chose. Names that are there already are not replaced unasked; what comes out is complete or not there.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use slipway_engine::{ByteStream, Engine, Odd, Packed, Upload, Zipped, mode, pack, tree, unreadable};
use slipway_wire::{Api as _, Code, FileKind, FileRef, Problem, WorkspaceId, shown_name};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

/// Read of a file at once.
const PIECE: usize = 256 * 1024;
/// Pieces between a file, which blocks, and a connection, which does not.
const QUEUE: usize = 8;

/// What was dropped, and on which folder.
#[derive(Deserialize)]
pub(super) struct Dropping {
    id: WorkspaceId,
    paths: Vec<PathBuf>,
    into: String,
    /// Also where something has the name already.
    #[serde(default)]
    replace: bool,
}

/// What came of it.
#[derive(Default, Serialize)]
pub(super) struct Dropped {
    /// Paths in the container that are new.
    written: Vec<String>,
    /// Paths of this machine whose names are there already; they were not sent.
    there: Vec<PathBuf>,
    /// Links out of a folder and things that are no files, which were not sent.
    left_out: u64,
}

/// Sends them one after another.
pub(super) async fn put(
    engine: &Engine,
    Dropping { id, paths, into, replace }: Dropping,
) -> Result<Dropped, Problem> {
    let mut done = Dropped::default();
    let left_out = Arc::new(AtomicU64::new(0));
    for path in paths {
        if !path.is_absolute() {
            return Err(Problem::new(Code::Invalid, "A file is sent by its full path only."));
        }
        let name = path.file_name().map(|name| shown_name(name.as_encoded_bytes()));
        let Some(name) = name else {
            return Err(Problem::new(Code::Invalid, format!("{} has no name.", path.display())));
        };
        let target = FileRef { id: id.clone(), path: format!("{}/{name}", into.trim_end_matches('/')) };
        if !replace && is_there(engine, &target).await? {
            done.there.push(path);
            continue;
        }
        let found = fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        if found.is_dir() {
            let counted = Arc::clone(&left_out);
            let packed = pack(path, move |told| {
                if matches!(told, Packed::LeftOut(..)) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            engine.write_tree(&target, Box::pin(packed)).await?;
        } else if found.is_file() {
            let file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
            let upload = Upload { mode: mode(&found), size: found.len(), ..Upload::default() };
            engine.upload(&target, upload, Box::pin(content(file, path))).await?;
        } else {
            return Err(Problem::new(
                Code::Refused,
                format!("{} is neither a file nor a folder.", path.display()),
            ));
        }
        done.written.push(target.path);
    }
    done.left_out = left_out.load(Ordering::Relaxed);
    Ok(done)
}

async fn is_there(engine: &Engine, target: &FileRef) -> Result<bool, Problem> {
    match engine.file_stat(target.clone()).await {
        Ok(_) => Ok(true),
        Err(problem) if problem.code == Code::NotFound => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// A file's bytes, read on a thread of its own.
fn content(mut file: File, path: PathBuf) -> impl Stream<Item = Result<Bytes, Problem>> + Send + 'static {
    let (send, receive) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).map_err(|e| unreadable(&path, &e));
            let last = !matches!(read, Ok(1..));
            let piece = read.map(|length| {
                piece.truncate(length);
                Bytes::from(piece)
            });
            // Nobody takes it any more, or there is no more.
            if send.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|piece| (piece, receive)) })
}

/// What is wanted, and where.
#[derive(Deserialize)]
pub(super) struct Fetch {
    id: WorkspaceId,
    path: String,
    to: PathBuf,
}

/// Writes a file as it is, or a folder as a zip. Gives how much was left out.
pub(super) async fn get(engine: &Engine, Fetch { id, path, to }: Fetch) -> Result<u64, Problem> {
    if !to.is_absolute() {
        return Err(Problem::new(Code::Invalid, "A file is written to a full path only."));
    }
    let source = FileRef { id, path };
    let found = engine.file_stat(source.clone()).await?;
    let beside = to.parent().unwrap_or(Path::new("/")).to_owned();
    let file = NamedTempFile::new_in(beside).map_err(|e| cannot(&to, &e))?;
    let out = file.reopen().map_err(|e| cannot(&to, &e))?;
    let left_out = match found.kind {
        FileKind::Directory => zip(engine.read_tree(&source).await?, out).await?,
        FileKind::File => {
            let bytes = engine.read_file(&source, 0).await?;
            poured(bytes, out, to.clone()).await?;
            0
        }
        FileKind::Symlink | FileKind::Other => {
            return Err(Problem::new(
                Code::Refused,
                format!("{} is neither a file nor a folder.", source.path),
            ));
        }
    };
    file.persist(&to).map_err(|e| cannot(&to, &e.error))?;
    Ok(left_out)
}

async fn poured(bytes: ByteStream, out: File, to: PathBuf) -> Result<(), Problem> {
    let take = move |(out, written): &mut (File, u64), piece: Bytes| {
        *written += piece.len() as u64;
        if *written > tree::MAX_BYTES {
            return Err(Problem::new(Code::Limit, "The workspace sends more than 64 GiB for one file."));
        }
        out.write_all(&piece).map_err(|e| cannot(&to, &e))
    };
    received(bytes, (out, 0), take, |_| Ok(())).await
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

/// Hands what comes to `take` on a thread of its own, and at the end, if all of it came, to `end`.
async fn received<T: Send + 'static, R: Send + 'static>(
    mut bytes: ByteStream,
    mut sink: T,
    mut take: impl FnMut(&mut T, Bytes) -> Result<(), Problem> + Send + 'static,
    end: impl FnOnce(T) -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    let (send, mut pieces) = mpsc::channel::<Bytes>(QUEUE);
    let (whole, is_whole) = oneshot::channel::<()>();
    let worker = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            take(&mut sink, piece)?;
        }
        // The stream broke off, and its own problem is the one to tell.
        if is_whole.blocking_recv().is_err() {
            return Ok(None);
        }
        end(sink).map(Some)
    });
    let mut broke = None;
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => {
                // Without a receiver the thread has failed; it says why.
                if send.send(piece).await.is_err() {
                    break;
                }
            }
            Err(problem) => {
                broke = Some(problem);
                break;
            }
        }
    }
    match broke {
        Some(_) => drop(whole),
        // It may have failed by now.
        None => drop(whole.send(())),
    }
    drop(send);
    let done =
        worker.await.map_err(|e| Problem::new(Code::Internal, format!("The copying broke off: {e}.")))?;
    match (done?, broke) {
        (Some(done), _) => Ok(done),
        (None, Some(problem)) => Err(problem),
        (None, None) => Err(Problem::new(Code::Internal, "The copying broke off.")),
    }
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
