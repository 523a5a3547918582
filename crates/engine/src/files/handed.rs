//! A file of this machine that somebody hands over open: sent whole, or filled. Who opened it has decided where it lies;
//! here only its bytes are of interest.

use bytes::Bytes;
use futures_util::stream;
use slipway_agent_api::tree::MAX_BYTES;
use slipway_wire::{Code, FileEntry, Problem};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ByteStream, Upload, path_bytes, read,
    received::{QUEUE, received},
    write,
};
#[cfg(unix)]
use super::{lanes, written};
use crate::{agent_link::AgentLink, docker::Docker};

/// Read at once, bytes.
const PIECE: usize = 256 * 1024;

/// A file on its way, for whoever shows how far it is and may end it early.
#[derive(Debug, Default)]
pub struct Transfer {
    /// Bytes that went so far.
    pub moved: AtomicU64,
    /// Ends it. What answers then says what became of it: one whose last byte had gone is done, of another nothing is left
    /// that was not to be kept.
    pub cancel: CancellationToken,
}

impl Transfer {
    /// More of it went.
    pub fn add(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What becomes of the work, unless it is cancelled first.
    pub(super) async fn unless_cancelled<T, E: From<Problem>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(cancelled().into()),
            done = work => done,
        }
    }
}

pub(super) fn cancelled() -> Problem {
    Problem::new(Code::Cancelled, "The copying was cancelled.")
}

/// Sends what of a file comes after the upload's offset.
pub(crate) async fn send(
    docker: &Docker,
    link: &AgentLink,
    path: &str,
    upload: Upload,
    mut file: File,
    transfer: Arc<Transfer>,
) -> Result<FileEntry, Problem> {
    #[cfg(unix)]
    if upload.size.saturating_sub(upload.offset) >= lanes::WORTH && link.has_lanes(docker) {
        let doing = format!("writing {path}");
        let road = lanes::Road { docker, link, doing: &doing };
        let sent = Box::pin(lanes::send(road, upload.open(path)?, Arc::new(file), transfer)).await?;
        return written(path, upload, sent);
    }
    file.seek(SeekFrom::Start(upload.offset)).map_err(|e| cannot_read(&e))?;
    let left = upload.size.saturating_sub(upload.offset);
    write(link.client.clone(), path, upload, content(file.take(left), transfer)).await
}

/// Fills a file from `offset` to `end` with what the container's has there.
pub(crate) async fn fetch(
    docker: &Docker,
    link: &AgentLink,
    path: &str,
    (offset, end): (u64, u64),
    mut file: File,
    transfer: Arc<Transfer>,
) -> Result<(), Problem> {
    #[cfg(unix)]
    if end.saturating_sub(offset) >= lanes::WORTH && link.has_lanes(docker) {
        let doing = format!("reading {path}");
        let road = lanes::Road { docker, link, doing: &doing };
        let path = path_bytes(path)?;
        let filling =
            Box::pin(lanes::fetch(road, &path, (offset, end), Arc::new(file), Arc::clone(&transfer)));
        return transfer.unless_cancelled(filling).await;
    }
    file.seek(SeekFrom::Start(offset)).map_err(|e| cannot_write(&e))?;
    let bytes = read(link.client.clone(), path, offset).await?;
    let filling = poured(bytes, file, end.saturating_sub(offset), Arc::clone(&transfer));
    transfer.unless_cancelled(filling).await
}

/// A file's bytes, read on a thread of its own.
fn content(mut file: impl io::Read + Send + 'static, transfer: Arc<Transfer>) -> ByteStream {
    let (send, pieces) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            // The bytes end with that as their problem, and whoever takes them makes nothing of it.
            let read = if transfer.cancel.is_cancelled() {
                Err(cancelled())
            } else {
                file.read(&mut piece).map_err(|e| cannot_read(&e))
            };
            let last = !matches!(read, Ok(1..));
            let piece = read.map(|length| {
                transfer.add(length as u64);
                piece.truncate(length);
                Bytes::from(piece)
            });
            // Nobody takes it any more, or there is no more.
            if send.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    Box::pin(stream::unfold(
        pieces,
        |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) },
    ))
}

/// Writes what comes: all of what was expected, and no more than may ever come.
async fn poured(
    bytes: ByteStream,
    file: File,
    expected: u64,
    transfer: Arc<Transfer>,
) -> Result<(), Problem> {
    let write = move |(file, written): &mut (File, u64), piece: Bytes| {
        *written += piece.len() as u64;
        if *written > MAX_BYTES {
            return Err(Problem::new(Code::Limit, "The workspace sends more than 64 GiB for one file."));
        }
        file.write_all(&piece).map_err(|e| cannot_write(&e))?;
        transfer.add(piece.len() as u64);
        Ok(())
    };
    let end = move |(_, written)| {
        if written >= expected {
            return Ok(());
        }
        Err(Problem::new(
            Code::WrongState,
            format!("The file became shorter while it was copied: {written} of {expected} bytes came."),
        )
        .hint("Copy it again."))
    };
    received(bytes, (file, 0), write, end).await
}

pub(super) fn cannot_read(error: &io::Error) -> Problem {
    Problem::new(Code::Storage, format!("The file cannot be read: {error}."))
}

pub(super) fn cannot_write(error: &io::Error) -> Problem {
    Problem::new(Code::Storage, format!("The file cannot be written: {error}."))
        .hint("See that there is room where it goes, or choose another place.")
}
