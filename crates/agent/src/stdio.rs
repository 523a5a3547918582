//! The program's own standard input and output as one connection: how the engine that starts a container reaches the
//! agent without a `docker exec`. Whoever comes later uses the socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe::{Receiver, Sender};

/// The pipe capacity asked for, in bytes. The kernel's default limit for an unprivileged pipe.
const PIPE_BYTES: usize = 1024 * 1024;

/// Takes both over and leaves nothing in their place, so that no program started later holds the connection open.
///
/// # Errors
/// They are no pipes, or there is no `/dev/null`.
pub(crate) fn take() -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    let input = own(rustix::stdio::stdin())?;
    let output = own(rustix::stdio::stdout())?;
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(tokio::io::join(Receiver::from_owned_fd(input)?, Sender::from_owned_fd(output)?))
}

/// One of the program's own streams as a file, which is read and written without a buffer of its own.
///
/// # Errors
/// It is closed.
pub(crate) fn file(stream: impl AsFd) -> io::Result<File> {
    own(stream).map(File::from)
}

fn own(stream: impl AsFd) -> io::Result<OwnedFd> {
    // An administrator may have lowered the limit; it works with any size.
    let _ = rustix::pipe::fcntl_setpipe_size(&stream, PIPE_BYTES);
    Ok(rustix::io::fcntl_dupfd_cloexec(stream, 3)?)
}
