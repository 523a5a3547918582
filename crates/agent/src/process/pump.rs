//! Moves what a process prints into its [`Output`]. A pump lives as long as anyone holds the other end: after the
//! process has ended and its readers were told, it goes on reading and drops what comes, so that background children
//! are not killed by a closed pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use slipway_agent_api::v1::Stream;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::output::Output;

/// One read-and-push round, in bytes.
const ROUND: usize = 64 * 1024;

/// After the process has ended, whoever else holds the other end may add to its output until there is so long a silence.
const QUIET: Duration = Duration::from_millis(100);

/// More than any pipe or terminal of ours can hold: so much after the end was printed by somebody else.
const LEFT_BEHIND: usize = 2 * 1024 * 1024;

/// Where a pump reads and whither it tells.
pub(super) struct Pump {
    pub(super) source: Arc<AsyncFd<OwnedFd>>,
    pub(super) stream: Stream,
    pub(super) output: Arc<Output>,
    /// Becomes true when the process has ended.
    pub(super) ended: watch::Receiver<bool>,
}

impl Pump {
    /// Runs until the other end is closed. `drained` is told as soon as all that the process itself printed is in the
    /// output.
    pub(super) async fn run(mut self, drained: oneshot::Sender<()>) {
        let mut buffer = vec![0; ROUND];
        let open = self.until_drained(&mut buffer).await;
        // The supervisor may be gone already, with the process forgotten.
        let _ = drained.send(());
        if open {
            while let Ok(1..) = self.read(&mut buffer).await {}
        }
    }

    /// Whether the other end is still open.
    async fn until_drained(&mut self, buffer: &mut [u8]) -> bool {
        let mut after_end = 0;
        loop {
            let most = self.output.hold().await.min(buffer.len());
            let buffer = &mut buffer[..most];
            let ended = *self.ended.borrow_and_update();
            let read = if ended {
                match tokio::time::timeout(QUIET, self.read(buffer)).await {
                    Ok(read) => read,
                    // Silence proves nothing on a busy machine: a terminal's bytes reach us through a kernel worker
                    // that may not have run yet. Reading makes the kernel hand over what it still has.
                    Err(_silence) => match rustix::io::read(self.source.as_fd(), &mut *buffer) {
                        Err(Errno::AGAIN) => return true,
                        Err(Errno::INTR) => continue,
                        read => read.map_err(io::Error::from),
                    },
                }
            } else {
                let source = Arc::clone(&self.source);
                tokio::select! {
                    read = read_round(&source, buffer) => read,
                    changed = self.ended.changed() => {
                        if changed.is_err() {
                            return false;
                        }
                        continue;
                    }
                }
            };
            match read {
                Ok(length @ 1..) => {
                    self.output.push(self.stream, &buffer[..length]);
                    after_end += if ended { length } else { 0 };
                    if after_end > LEFT_BEHIND {
                        return true;
                    }
                }
                // End of file, or a terminal nobody holds any more: the same to a reader.
                Ok(0) | Err(_) => return false,
            }
        }
    }

    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read_round(&self.source, buffer).await
    }
}

/// Reads what is there, at least one byte and at most the buffer; 0 at the end. Cancelling it loses nothing.
async fn read_round(source: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = source.readable().await?;
        let mut length = 0;
        while length < buffer.len() {
            match rustix::io::read(source.as_fd(), &mut buffer[length..]) {
                Ok(0) => return Ok(length),
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    break;
                }
                // What was read before is handed over first; the next round meets the error again.
                Err(_) if length > 0 => return Ok(length),
                Err(error) => return Err(error.into()),
            }
        }
        if length > 0 {
            return Ok(length);
        }
    }
}
