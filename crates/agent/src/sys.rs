//! The one room with `unsafe`: what has to happen between fork and exec, handing descriptors to the runtime, and one
//! setting of the allocator. All short enough to be judged line by line; nothing else may come in.
#![expect(unsafe_code, reason = "none of these has a safe form; each carries its SAFETY note")]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::SigSet;
use tokio::io::unix::AsyncFd;

/// Lets the runtime wait for a non-blocking descriptor.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open descriptor until it is dropped, and the `AsyncFd` owns it until then.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// Makes the child the leader of a session of its own with no signal blocked and, with `terminal`, gives it the terminal
/// that its standard input is as its controlling one.
pub(crate) fn in_own_session(command: &mut Command, terminal: bool) {
    let prepare = move || {
        SigSet::empty().thread_set_mask()?;
        rustix::process::setsid()?;
        if terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        Ok(())
    };
    // SAFETY: the closure runs in the forked child before exec. It makes three system calls (`pthread_sigmask`, which
    // POSIX names async-signal-safe, and two raw ones), touches no memory but its own, and neither allocates nor locks.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Lets every large block (histories, above all) be a mapping of its own, so that its memory goes back to the container
/// when it is freed. Left alone, glibc stops doing so after the first one and keeps up to 32 MiB blocks for itself.
pub(crate) fn return_large_memory() {
    #[cfg(target_env = "gnu")]
    {
        // Larger than one message: those come and go by the thousand.
        const LARGE: libc::c_int = 512 * 1024;
        // A few messages may stay with an arena, and there are two of these: otherwise each message's memory goes back to
        // the kernel and comes again, page by page.
        const KEPT: libc::c_int = 1024 * 1024;
        const ARENAS: libc::c_int = 2;
        // SAFETY: each call sets one number inside the allocator, before any other thread exists.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }
}
