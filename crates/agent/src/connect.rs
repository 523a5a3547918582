//! `connect`: what `docker exec -i` runs. It carries bytes between its own standard streams and the agent's socket,
//! knows nothing of what they mean, and ends when the agent's side has ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

/// What one splice may move, and the pipe capacity asked for. The kernel's default limit for an unprivileged pipe.
const PIPE_BYTES: usize = 1024 * 1024;

/// Buffer for streams that cannot be spliced, in bytes.
const COPY_BYTES: usize = 256 * 1024;

/// Runs until the agent's side of the connection has ended or standard output is gone.
pub(crate) fn run(socket: &[u8]) -> io::Result<()> {
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(socket)?).map_err(|error| {
        io::Error::new(error.kind(), format!("the agent does not answer on its socket: {error}"))
    })?;
    let upward = stream.try_clone()?;
    let input = rustix::io::dup(rustix::stdio::stdin())?;
    let output = rustix::io::dup(rustix::stdio::stdout())?;
    // Not joined: blocked in a read of standard input it would keep a finished connection alive.
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        let copied = copy(input, OwnedFd::from(upward.try_clone()?));
        // The engine closed its side or is gone: let the agent see the end, then wait for it to end its own.
        upward.shutdown(std::net::Shutdown::Write)?;
        copied
    })?;
    match copy(OwnedFd::from(stream), output) {
        // Nobody reads any more: an end like any other.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Moves everything from `from` to `to`, inside the kernel where either is a pipe.
///
/// Never blocks inside a splice: the kernel holds the pipe's lock then, and whoever is at its other end would hang with
/// us (a reader of ours until the next byte comes, with the one before it in its hands).
fn copy(from: OwnedFd, to: OwnedFd) -> io::Result<()> {
    for end in [&from, &to] {
        // Only pipes have a size, and an administrator may have lowered the limit; it works with any.
        let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
    }
    loop {
        wait(&from, PollFlags::IN)?;
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        match rustix::pipe::splice(from.as_fd(), None, to.as_fd(), None, PIPE_BYTES, flags) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(&to, PollFlags::OUT)?,
            // Neither end is a pipe, or one is a kind of file that splice does not know.
            Err(Errno::INVAL | Errno::NOSYS) => return copy_through_memory(from.into(), to.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn wait(fd: &OwnedFd, event: PollFlags) -> io::Result<()> {
    match rustix::event::poll(&mut [PollFd::new(fd, event)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn copy_through_memory(mut from: File, mut to: File) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
