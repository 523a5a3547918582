//! What is in files: reading by range, digests, and writing all or nothing. Only regular files; a pipe or device would
//! block or worse.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::v1::{
    DigestReply, DigestRequest, FileInfo, ReadReply, ReadRequest, WriteRequest, write_request,
};
use tonic::{Status, Streaming};

use super::draft::{Draft, partial};
use super::leftovers::Leftovers;
use super::{absolute, blocking, status};

/// Digested in one step, so that a digest whose caller is gone ends soon.
const DIGEST_STEP: u64 = 64 * 1024 * 1024;

/// A file's bytes from an offset, at most as many as asked for; a length of 0 means to the end.
pub(crate) async fn read(
    request: ReadRequest,
) -> Result<impl Stream<Item = Result<ReadReply, Status>> + use<>, Status> {
    let path = absolute(&request.path)?;
    let shown = path.display().to_string();
    let file = blocking(move || open(&path)).await?;
    let left = if request.length == 0 { u64::MAX } else { request.length };
    let first = ahead(file, request.offset, left, shown);
    Ok(futures_util::stream::unfold(Some(first), async |next| match next?.await {
        Ok(Ok((file, offset, left, shown, buffer))) => {
            if buffer.is_empty() {
                return None;
            }
            let length = buffer.len() as u64;
            let data = Bytes::from(buffer);
            let next = ahead(file, offset.saturating_add(length), left - length, shown);
            Some((Ok(ReadReply { data }), Some(next)))
        }
        Ok(Err(status)) => Some((Err(status), None)),
        Err(_) => Some((Err(Status::internal("the agent is shutting down")), None)),
    }))
}

/// A step of a reading: what it read, and what the next one begins with.
type Step = Result<(File, u64, u64, String, Vec<u8>), Status>;

/// Begins to read the next chunk while the one before is sent. It ends by itself, whether anybody still waits or not.
fn ahead(file: File, offset: u64, left: u64, shown: String) -> tokio::task::JoinHandle<Step> {
    tokio::task::spawn_blocking(move || {
        let mut buffer = Vec::with_capacity(left.min(MAX_CHUNK as u64) as usize);
        // A call without room for an answer is none.
        if left > 0 {
            rustix::io::pread(&file, spare_capacity(&mut buffer), offset)
                .map_err(|error| status(&shown, &error.into()))?;
        }
        Ok((file, offset, left, shown, buffer))
    })
}

fn open(path: &Path) -> Result<File, Status> {
    let shown = path.display().to_string();
    // Opening a pipe without NONBLOCK would wait for its other end.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)
        .map_err(|error| status(&shown, &error))?;
    let meta = file.metadata().map_err(|error| status(&shown, &error))?;
    if !meta.is_file() {
        return Err(Status::failed_precondition(format!("{shown}: not a regular file")));
    }
    Ok(file)
}

/// The digest of a file's beginning, or of what arrived of it.
pub(crate) async fn digest(request: DigestRequest) -> Result<DigestReply, Status> {
    let mut path = absolute(&request.path)?;
    if request.partial {
        path = partial(&path)?;
    }
    let shown = path.display().to_string();
    let file = blocking(move || open(&path)).await?;
    let size = file.metadata().map_err(|error| status(&shown, &error))?.len();
    let wanted = if request.length == 0 { size } else { request.length.min(size) };
    let mut state = (file, Sha256::new(), 0);
    loop {
        let (file, mut sum, mut digested) = state;
        if digested == wanted {
            return Ok(DigestReply { size, digested, sha256: sum.finalize().to_vec().into() });
        }
        let shown = shown.clone();
        let (next, more) = blocking(move || {
            let until = wanted.min(digested + DIGEST_STEP);
            let mut buffer = vec![0; MAX_CHUNK];
            while digested < until {
                let part = (until - digested).min(MAX_CHUNK as u64) as usize;
                let length =
                    file.read_at(&mut buffer[..part], digested).map_err(|error| status(&shown, &error))?;
                if length == 0 {
                    return Ok(((file, sum, digested), false));
                }
                sum.update(&buffer[..length]);
                digested += length as u64;
            }
            Ok(((file, sum, digested), true))
        })
        .await?;
        state = next;
        if !more {
            let (_, sum, digested) = state;
            return Ok(DigestReply { size: digested, digested, sha256: sum.finalize().to_vec().into() });
        }
    }
}

/// Replaces a file by what the stream brings, or changes nothing.
pub(crate) async fn write(
    leftovers: &Leftovers,
    mut calls: Streaming<WriteRequest>,
) -> Result<FileInfo, Status> {
    let Some(write_request::Part::Open(open)) = calls.message().await?.and_then(|message| message.part)
    else {
        return Err(Status::invalid_argument("a write begins with its path and size"));
    };
    let leftovers = leftovers.clone();
    let begun = blocking(move || Draft::begin(&leftovers, &open)).await?;
    // What came last is written while the next is on its way.
    let mut writing = tokio::task::spawn_blocking(move || Ok(begun));
    let shutting_down = |_| Status::internal("the agent is shutting down");
    loop {
        let message = calls.message().await;
        let draft: Draft = writing.await.map_err(shutting_down)??;
        let Some(message) = message? else { return blocking(move || draft.finish()).await };
        let Some(write_request::Part::Data(data)) = message.part else {
            return Err(Status::invalid_argument(
                "a write brings its bytes after the opening, and nothing else",
            ));
        };
        writing = tokio::task::spawn_blocking(move || draft.append(&data));
    }
}
