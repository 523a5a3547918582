//! What is in files: reading by range, digests, and writing all or nothing. Only regular files; a pipe or device would
//! block or worse.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use slipway_agent_api::v1::{
    DigestReply, DigestRequest, FileInfo, ReadReply, ReadRequest, WriteByLanesReply, WriteByLanesRequest,
    WriteRequest, write_by_lanes_reply, write_by_lanes_request, write_request,
};
use slipway_agent_api::{MAX_CHUNK, lane::arrived};
use tonic::{Status, Streaming};

use super::draft::{Draft, partial};
use super::leftovers::Leftovers;
use super::{absolute, blocking, status};

/// What may wait for the disk while a file is written, in bytes; more stays with the sender.
const WAITING: usize = 1024 * 1024;

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
    let reading = Reading { file, offset: request.offset, left, shown, buffers: Default::default() };
    let first = tokio::task::spawn_blocking(move || reading.step());
    Ok(futures_util::stream::unfold(Some(first), async |next| match next?.await {
        Ok(Ok((reading, data))) => {
            if data.is_empty() {
                return None;
            }
            // The next chunk is read while this one is sent. It ends by itself, whether anybody still waits or not.
            let next = tokio::task::spawn_blocking(move || reading.step());
            Some((Ok(ReadReply { data }), Some(next)))
        }
        Ok(Err(status)) => Some((Err(status), None)),
        Err(_) => Some((Err(Status::internal("the agent is shutting down")), None)),
    }))
}

/// How far a file was read.
struct Reading {
    file: File,
    offset: u64,
    left: u64,
    shown: String,
    /// Memory that is used again: when a chunk is read the one before may still be on its way, the one before that is not.
    buffers: [BytesMut; 2],
}

impl Reading {
    /// Reads one chunk, none at the end.
    fn step(mut self) -> Result<(Self, Bytes), Status> {
        let wanted = self.left.min(MAX_CHUNK as u64) as usize;
        self.buffers.swap(0, 1);
        let buffer = &mut self.buffers[0];
        buffer.resize(wanted, 0);
        let length = self.file.read_at(buffer, self.offset).map_err(|error| status(&self.shown, &error))?;
        let data = buffer.split_to(length).freeze();
        buffer.clear();
        self.offset = self.offset.saturating_add(length as u64);
        self.left -= length as u64;
        Ok((self, data))
    }
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
    let size = if request.partial { arrived(&file) } else { file.metadata().map(|meta| meta.len()) };
    let size = size.map_err(|error| status(&shown, &error))?;
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
    let mut writing = tokio::task::spawn_blocking(move || Ok(begun));
    let (mut arrived, mut waiting) = (Vec::new(), 0);
    loop {
        let part = match calls.message().await {
            Ok(message) => message.map(|message| message.part),
            Err(cut) => {
                // Whoever goes on later goes on from all that came.
                let draft = written(writing).await?;
                return blocking(move || draft.append(&arrived).map(drop)).await.and(Err(cut));
            }
        };
        let Some(part) = part else {
            let draft = written(writing).await?;
            return blocking(move || draft.append(&arrived)?.finish()).await;
        };
        let Some(write_request::Part::Data(data)) = part else {
            return Err(Status::invalid_argument(
                "a write brings its bytes after the opening, and nothing else",
            ));
        };
        waiting += data.len();
        arrived.push(data);
        // One step writes all that came while the one before was at work.
        if waiting >= WAITING || writing.is_finished() {
            let draft = written(writing).await?;
            let batch = std::mem::take(&mut arrived);
            waiting = 0;
            writing = tokio::task::spawn_blocking(move || draft.append(&batch));
        }
    }
}

/// Replaces a file by what lanes bring, or changes nothing.
pub(crate) async fn write_by_lanes(
    leftovers: &Leftovers,
    mut calls: Streaming<WriteByLanesRequest>,
) -> Result<impl Stream<Item = Result<WriteByLanesReply, Status>> + use<>, Status> {
    use write_by_lanes_request::Part;
    let Some(Part::Open(open)) = calls.message().await?.and_then(|message| message.part) else {
        return Err(Status::invalid_argument("a write begins with its path and size"));
    };
    let leftovers = leftovers.clone();
    let draft = blocking(move || Draft::begin(&leftovers, &open)).await?;
    let reply = |part| Ok(WriteByLanesReply { part: Some(part) });
    let begun = reply(write_by_lanes_reply::Part::Path(draft.path()));
    let written = async move {
        match calls.message().await?.and_then(|message| message.part) {
            Some(Part::Arrived(true)) => {
                let written = blocking(move || draft.arrived()?.finish()).await?;
                reply(write_by_lanes_reply::Part::Written(written))
            }
            Some(Part::Arrived(false)) => blocking(move || Err(draft.give_up())).await,
            _ => Err(Status::aborted("the file was cut short")),
        }
    };
    Ok(stream::iter([begun]).chain(stream::once(written)))
}

/// The draft, once what was given to it is written.
async fn written(writing: tokio::task::JoinHandle<Result<Draft, Status>>) -> Result<Draft, Status> {
    writing.await.map_err(|_| Status::internal("the agent is shutting down"))?
}
