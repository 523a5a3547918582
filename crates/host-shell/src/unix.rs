//! Unix: process groups and signals. The shell leads a session of its own; what it runs in front has another group.

use bytes::Bytes;
use portable_pty::{Child, MasterPty, SlavePty};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::os::unix::process::ExitStatusExt;

use crate::Exit;

/// The terminal's other end, where it is kept.
pub(crate) type Kept = Option<Box<dyn SlavePty + Send>>;

/// Held open here it would hide the end of the output.
pub(crate) fn keep(slave: Box<dyn SlavePty + Send>) -> Kept {
    drop(slave);
    None
}

fn pid_of(child: &(dyn Child + Send + Sync)) -> Option<Pid> {
    child.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// Returns when the child has ended and still has its number.
pub(crate) fn ended(child: &(dyn Child + Send + Sync)) {
    let Some(pid) = pid_of(child) else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // Interrupted by a signal: again. Any other refusal means that it is no child of ours any more.
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

/// How it ended; it is collected.
pub(crate) fn collect(child: &mut (dyn Child + Send + Sync)) -> Exit {
    let child: &mut dyn Child = child;
    if let Some(process) = child.downcast_mut::<std::process::Child>() {
        return process
            .wait()
            .map(|status| Exit { code: status.code(), signal: status.signal() })
            .unwrap_or_default();
    }
    child
        .wait()
        .map(|status| Exit { code: Some(status.exit_code() as i32), signal: None })
        .unwrap_or_default()
}

/// The group that has the terminal.
pub(crate) type Foreground = Option<Pid>;

pub(crate) fn foreground(master: Option<&(dyn MasterPty + Send + 'static)>) -> Foreground {
    master.and_then(MasterPty::process_group_leader).and_then(Pid::from_raw)
}

/// The shell's group.
pub(crate) struct Target(Option<Pid>);

impl Target {
    pub(crate) fn of(child: &(dyn Child + Send + Sync)) -> Self {
        Self(pid_of(child))
    }

    fn signal(&self, foreground: Foreground, signal: Signal) {
        for group in [foreground, self.0].into_iter().flatten() {
            // Gone already when it fails.
            let _ = kill_process_group(group, signal);
        }
    }

    /// What a terminal that goes away does.
    pub(crate) fn hang_up(&mut self, foreground: Foreground) {
        self.signal(foreground, Signal::HUP);
        // What is stopped hears of it only when it goes on.
        self.signal(foreground, Signal::CONT);
    }

    pub(crate) fn kill(&mut self, foreground: Foreground) {
        self.signal(foreground, Signal::KILL);
    }
}

/// No terminal here asks anything before the program does.
pub(crate) struct Questions;

impl Questions {
    pub(crate) fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the same shape as on Windows")]
    pub(crate) fn answered(&mut self, bytes: Bytes) -> (Bytes, Option<Bytes>) {
        (bytes, None)
    }
}
