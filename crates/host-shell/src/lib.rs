//! A shell of this machine in a terminal of its own: what the desktop's host tab shows. Only the desktop links this, so
//! that no command, socket or page can lead to it. Knows nothing of workspaces.
//!
//! Three threads per shell, because a terminal's reads and writes block: one reads, one writes, one waits for the end.
//! Output that nobody takes stops the reader, and with it the program. Whoever drops the [`HostShell`] ends the shell.

#[cfg(any(windows, test))]
mod cursor;
mod session;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub use session::{HostShell, open};

use bytes::Bytes;
use std::{ffi::OsString, path::PathBuf};

/// Largest piece of output, bytes.
pub const PIECE: usize = 64 << 10;
/// Pieces of output that wait to be taken: with the terminal's own buffer all that is ever held.
pub const PIECES: usize = 4;
/// Pieces of input that wait to be written.
pub const WAITING_INPUT: usize = 64;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// 1 to 1,000.
    pub columns: u16,
    /// 1 to 1,000.
    pub rows: u16,
}

impl Size {
    fn checked(self) -> Result<portable_pty::PtySize, HostShellError> {
        if (1..=1000).contains(&self.columns) && (1..=1000).contains(&self.rows) {
            let Self { columns: cols, rows } = self;
            return Ok(portable_pty::PtySize { rows, cols, pixel_width: 0, pixel_height: 0 });
        }
        Err(HostShellError::Size)
    }
}

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A program and its arguments; empty: the person's own shell, as at a login.
    pub argv: Vec<OsString>,
    /// Where; absent or no folder: their home.
    pub folder: Option<PathBuf>,
    /// Variables of this process that the shell is not to have.
    pub without: Vec<OsString>,
}

/// What comes out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// At most [`PIECE`] bytes.
    Bytes(Bytes),
    /// The last.
    Exit(Exit),
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum HostShellError {
    /// A size out of bounds.
    #[error("a terminal has 1 to 1,000 columns and rows")]
    Size,
    /// No terminal, or no program in it.
    #[error("the shell could not be started: {0}")]
    Start(String),
    /// It has ended.
    #[error("the shell has ended")]
    Ended,
    /// The program does not read.
    #[error("the program does not read its input")]
    Full,
    /// The system refused the new size.
    #[error("the size could not be changed: {0}")]
    Resize(String),
}
