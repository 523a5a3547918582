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

/// As much as a pipe can be made to hold without privileges: what comes beyond it after the end was printed by somebody
/// else. Of two streams together with a reader's lag it is less than what is kept of the end.
const LEFT_BEHIND: usize = 1024 * 1024;

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
            let ended = *self.ended.borrow_and_update();
            // What a process that has ended left behind is little: its end is known whether or not anybody reads.
            let most = if ended {
                buffer.len()
            } else {
                tokio::select! {
                    room = self.output.hold() => room.min(buffer.len()),
                    changed = self.ended.changed() => {
                        if changed.is_err() {
                            return false;
                        }
                        continue;
                    }
                }
            };
            let buffer = &mut buffer[..most];
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

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_agent_api::v1::Acknowledging;
    use std::io::Write as _;

    #[tokio::test]
    async fn a_process_has_ended_though_its_reader_takes_nothing() {
        const WINDOW: u64 = 4096;
        let (take, mut give) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&take, true).unwrap();
        let output = Arc::new(Output::new(0));
        let acknowledging = Acknowledging { reader: 1, window: WINDOW };
        let _reader = output.reader(0, true, Some(acknowledging), None);
        let (end, ended) = watch::channel(false);
        let source = Arc::new(crate::sys::watch(OwnedFd::from(take)).unwrap());
        let pump = Pump { source, stream: Stream::Stdout, output: Arc::clone(&output), ended };
        let (tell, told) = oneshot::channel();
        give.write_all(&vec![b'x'; 50_000]).unwrap();
        tokio::spawn(pump.run(tell));
        while output.standing().0 < WINDOW {
            tokio::task::yield_now().await;
        }
        assert_eq!(output.standing().0, WINDOW, "it was not held back");
        end.send_replace(true);
        tokio::time::timeout(Duration::from_secs(30), told).await.expect("its end is told").unwrap();
        assert_eq!(output.standing().0, 50_000);
    }
}
