//! The one room with `unsafe`: what has to happen between fork and exec, and handing descriptors to the runtime. Both
//! are short enough to be judged line by line; nothing else may come in.
#![expect(unsafe_code, reason = "neither call has a safe form; each carries its SAFETY note")]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tokio::io::unix::AsyncFd;

/// Lets the runtime wait for a non-blocking descriptor.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open descriptor until it is dropped, and the `AsyncFd` owns it until then.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// Makes the child the leader of a session of its own and, with `terminal`, gives it the terminal that its standard
/// input is as its controlling one.
pub(crate) fn in_own_session(command: &mut Command, terminal: bool) {
    let prepare = move || {
        rustix::process::setsid()?;
        if terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        Ok(())
    };
    // SAFETY: the closure runs in the forked child before exec. It makes two raw system calls (rustix' linux_raw
    // backend), touches no memory but its own copied bool, and neither allocates nor locks.
    unsafe {
        command.pre_exec(prepare);
    }
}
