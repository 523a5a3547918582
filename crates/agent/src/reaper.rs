//! The one place that waits for children. Every exit of every child, ours or adopted, comes in here; exits of processes
//! somebody registered go out to them, the rest only stop being zombies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, WaitOptions, WaitStatus};
use tokio::sync::oneshot;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Exit code; 0 when a signal ended it.
    pub(crate) code: i32,
    /// The signal that ended it, or 0.
    pub(crate) signal: i32,
}

impl From<WaitStatus> for Ended {
    fn from(status: WaitStatus) -> Self {
        Self { code: status.exit_status().unwrap_or(0), signal: status.terminating_signal().unwrap_or(0) }
    }
}

/// Who waits for which child.
#[derive(Default)]
pub(crate) struct Reaper {
    waiting: Mutex<HashMap<Pid, oneshot::Sender<Ended>>>,
}

impl Reaper {
    /// Asks to be told when `pid`, a child just started, ends. Must be called before the runtime's thread next awaits:
    /// that no one reaps in between is what the single-threaded runtime gives.
    pub(crate) fn expect(&self, pid: Pid) -> oneshot::Receiver<Ended> {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, tell);
        told
    }

    /// Collects every child that has ended so far.
    pub(crate) fn reap(&self) {
        // Ends with `None` (children left, none ended) or ECHILD (no children).
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
            if let Some(tell) = waiting {
                // An ended process that nobody asks about any more is no one's loss.
                let _ = tell.send(status.into());
            }
        }
    }
}
