//! Signals to PID 1, as events: a child has ended, or somebody who may asks for the end. Who may is outside the
//! container's pid namespace; code inside can send TERM to PID 1, and nothing comes of it.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::unix::AsyncFd;

/// What a signal means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// One child or more have ended.
    ChildEnded,
    /// An orderly end is asked for.
    ShutDown,
}

/// The signals this program takes.
pub(crate) struct Signals {
    source: SignalFd,
    ready: AsyncFd<OwnedFd>,
    /// Whether anybody may ask for the end: outside of a container, where the agent is not PID 1.
    anybody: bool,
}

impl Signals {
    /// Takes the signals over. Must be called before any thread is started, since each inherits what is blocked.
    /// Programs started later would inherit it too: `sys::in_own_session` unblocks everything.
    pub(crate) fn block() -> io::Result<SigSet> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(set)
    }

    /// Listens for what [`Signals::block`] holds back.
    pub(crate) fn listen(set: &SigSet) -> io::Result<Self> {
        let source = SignalFd::with_flags(set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let ready = crate::sys::watch(rustix::io::dup(&source)?)?;
        Ok(Self { source, ready, anybody: !rustix::process::getpid().is_init() })
    }

    /// The next signal that means something.
    pub(crate) async fn next(&self) -> io::Result<Event> {
        loop {
            let mut ready = self.ready.readable().await?;
            match self.source.read_signal()? {
                None => ready.clear_ready(),
                Some(info) if info.ssi_signo == Signal::SIGCHLD as u32 => return Ok(Event::ChildEnded),
                // A sender outside our pid namespace has no number in it.
                Some(info) if self.anybody || info.ssi_pid == 0 => return Ok(Event::ShutDown),
                Some(_from_inside) => {}
            }
        }
    }
}
