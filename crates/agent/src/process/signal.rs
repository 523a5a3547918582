//! Signals to a process, to what stands in its terminal's foreground, or to all that descends from it.

use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use super::Process;
use crate::procfs;

/// How long KILL goes on after processes that keep forking.
const KILL_DEADLINE: Duration = Duration::from_secs(3);
const KILL_ROUND: Duration = Duration::from_millis(2);

/// Signals the group in the terminal's foreground, or the process's own group without a terminal.
pub(super) fn foreground(process: &Process, signal: Signal) -> u32 {
    // Without a terminal the group's number is only ours while the process runs.
    let group = process.input.foreground().or(process.is_running().then_some(process.pid));
    u32::from(group.is_some_and(|group| rustix::process::kill_process_group(group, signal).is_ok()))
}

/// Signals the process alone.
pub(super) fn single(process: &Process, signal: Signal) -> u32 {
    u32::from(process.is_running() && rustix::process::kill_process(process.pid, signal).is_ok())
}

/// Signals the process and all its descendants; KILL again and again, until none is left or the deadline has passed.
/// Returns how many were signalled.
pub(super) async fn tree(process: &Process, signal: Signal) -> u32 {
    if signal != Signal::KILL {
        return once(process, signal);
    }
    let deadline = Instant::now() + KILL_DEADLINE;
    let mut signalled = 0;
    // Stopped first: what is stopped cannot fork past the walk.
    once(process, Signal::STOP);
    loop {
        let hit = once(process, Signal::KILL);
        signalled = signalled.max(hit);
        if hit == 0 || Instant::now() >= deadline {
            return signalled;
        }
        // Not a wait for something that tells us: a killed process is gone when /proc says so.
        tokio::time::sleep(KILL_ROUND).await;
    }
}

fn once(process: &Process, signal: Signal) -> u32 {
    let mut signalled = 0;
    for pid in living(process) {
        // Ended since the walk, or not ours to signal (root in an open container): nothing to do about either.
        signalled += u32::from(rustix::process::kill_process(pid, signal).is_ok());
    }
    signalled
}

/// The process and its descendants that have not ended.
pub(super) fn living(process: &Process) -> impl Iterator<Item = Pid> {
    let members = procfs::tree(process.pid.as_raw_nonzero().get(), !process.is_running(), &process.id);
    members.into_iter().filter(|stat| !stat.zombie).filter_map(|stat| Pid::from_raw(stat.pid))
}
