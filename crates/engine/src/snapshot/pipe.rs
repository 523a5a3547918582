//! Between tasks and threads: archives are read and written by blocking code, their bytes come and go as streams. A stream
//! that breaks off is an error on the other side, never an end.

use bytes::{Buf, Bytes};
use std::io::{self, Read, Write};
use tokio::sync::mpsc;

/// Chunks on their way.
const DEPTH: usize = 8;
/// Bytes gathered before they are sent.
const GATHERED: usize = 256 * 1024;

fn broke_off() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other side ended")
}

/// What goes through: a piece, or the proper end.
type Piece = Option<Bytes>;

/// For a task that feeds a thread.
pub(super) struct Feed(mpsc::Sender<Piece>);

impl Feed {
    /// Waits while the thread is behind. False: it has ended, and says itself why.
    pub(super) async fn send(&self, piece: Bytes) -> bool {
        self.0.send(Some(piece)).await.is_ok()
    }

    /// All was sent. Without this the thread is told that it broke off.
    pub(super) async fn end(self) -> bool {
        self.0.send(None).await.is_ok()
    }
}

/// The thread's end of it.
pub(super) struct FedReader {
    pieces: mpsc::Receiver<Piece>,
    here: Bytes,
    ended: bool,
}

pub(super) fn feed() -> (Feed, FedReader) {
    let (sender, pieces) = mpsc::channel(DEPTH);
    (Feed(sender), FedReader { pieces, here: Bytes::new(), ended: false })
}

impl Read for FedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.here.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.here = piece,
                Some(None) => self.ended = true,
                None => return Err(broke_off()),
            }
        }
        let count = self.here.len().min(buffer.len());
        self.here.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// For a thread that feeds a stream.
pub(super) struct StreamWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    gathered: Vec<u8>,
    failed: bool,
}

pub(super) fn stream() -> (StreamWriter, mpsc::Receiver<io::Result<Bytes>>) {
    let (sender, pieces) = mpsc::channel(DEPTH);
    (StreamWriter { sender, gathered: Vec::with_capacity(GATHERED), failed: false }, pieces)
}

impl StreamWriter {
    /// The stream ends with an error: whoever reads it must not take it for whole. Nothing can be written any more.
    pub(super) fn fail(&mut self, why: &str) {
        self.failed = true;
        self.gathered.clear();
        // Whoever is gone does not need to know.
        let _ = self.sender.blocking_send(Err(io::Error::other(why.to_owned())));
    }
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(broke_off());
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(broke_off());
        }
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, Vec::with_capacity(GATHERED));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| broke_off())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_failed_ends_with_its_error_and_nothing_after_it() {
        let (out, mut pieces) = stream();
        let written = tokio::task::spawn_blocking(move || {
            let mut tar = tar::Builder::new(out);
            tar.get_mut().write_all(&vec![1; GATHERED])?;
            tar.get_mut().write_all(b"gathered")?;
            tar.get_mut().fail("why");
            tar.into_inner().map(drop)
        });
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(pieces.recv().await.unwrap().unwrap().len(), GATHERED);
        assert_eq!(pieces.recv().await.unwrap().unwrap_err().to_string(), "why");
        assert!(pieces.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_feed_that_breaks_off_is_no_end() {
        for whole in [true, false] {
            let (feed, mut reader) = feed();
            let read = tokio::task::spawn_blocking(move || {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).map(|_| all)
            });
            assert!(feed.send(Bytes::from_static(b"ab")).await && feed.send(Bytes::from_static(b"c")).await);
            if whole {
                assert!(feed.end().await);
            } else {
                drop(feed);
            }
            assert_eq!(read.await.unwrap().ok(), whole.then(|| b"abc".to_vec()));
        }
    }
}
