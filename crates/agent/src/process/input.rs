//! What goes into a process: keystrokes or piped bytes, its window size, the end of its input. Never waits for output.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::termios::{SpecialCodeIndex, Winsize};
use slipway_agent_api::v1::WindowSize;
use tokio::io::unix::AsyncFd;

/// A terminal has at least one cell and not more than this in either direction.
const CELLS: u32 = 10_000;

/// Where input goes.
pub(crate) enum Input {
    /// The PTY's controlling side, also read by the pump.
    Terminal(Arc<AsyncFd<OwnedFd>>),
    /// Standard input, until its end was asked for.
    Pipe(Mutex<Option<Arc<AsyncFd<OwnedFd>>>>),
    /// Reads as empty.
    None,
}

impl Input {
    /// Writes all of `data`, waiting as long as the process does not read. An error means that it never will.
    pub(crate) async fn write(&self, mut data: &[u8]) -> io::Result<()> {
        let Some(target) = self.target() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        while !data.is_empty() {
            let mut ready = target.writable().await?;
            match rustix::io::write(target.as_fd(), data) {
                Ok(length) => data = &data[length..],
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Ends standard input; with a terminal, types its end-of-file character.
    pub(crate) async fn end(&self) -> io::Result<()> {
        match self {
            Self::Terminal(terminal) => {
                let codes = rustix::termios::tcgetattr(terminal.as_fd())?.special_codes;
                self.write(&[codes[SpecialCodeIndex::VEOF]]).await
            }
            Self::Pipe(pipe) => {
                pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(())
            }
            Self::None => Ok(()),
        }
    }

    /// Tells the terminal its size; nothing without one.
    pub(crate) fn resize(&self, size: WindowSize) -> io::Result<()> {
        match self {
            Self::Terminal(terminal) => Ok(rustix::termios::tcsetwinsize(terminal.as_fd(), winsize(size))?),
            Self::Pipe(_) | Self::None => Ok(()),
        }
    }

    /// The group in the terminal's foreground.
    pub(crate) fn foreground(&self) -> Option<rustix::process::Pid> {
        match self {
            Self::Terminal(terminal) => rustix::termios::tcgetpgrp(terminal.as_fd()).ok(),
            Self::Pipe(_) | Self::None => None,
        }
    }

    fn target(&self) -> Option<Arc<AsyncFd<OwnedFd>>> {
        match self {
            Self::Terminal(terminal) => Some(Arc::clone(terminal)),
            Self::Pipe(pipe) => pipe.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::None => None,
        }
    }
}

/// The kernel's form of a size, held within bounds.
pub(super) fn winsize(size: WindowSize) -> Winsize {
    let cells = |count: u32| count.clamp(1, CELLS) as u16;
    Winsize { ws_row: cells(size.rows), ws_col: cells(size.columns), ws_xpixel: 0, ws_ypixel: 0 }
}
