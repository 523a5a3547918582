//! Signals to a process, to what stands in its terminal's foreground, or to all that descends from it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::time::Instant;

use super::Process;
use crate::procfs::{self, Stat};

/// How long KILL goes on after processes that keep forking.
const KILL_DEADLINE: Duration = Duration::from_secs(3);
const KILL_ROUND: Duration = Duration::from_millis(2);

/// Of a command line, enough to tell what the agent's program was told to do.
const ARGUMENT_BYTES: u64 = 256;

/// How often everybody is looked at for the members of a tree that grows meanwhile.
const LOOKS: usize = 20;

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
    let root = process.pid.as_raw_nonzero().get();
    // Once it has ended its number may be somebody else's: then only what carries its id counts.
    let ours = process.is_running();
    let first = procfs::stat(root).filter(|_| ours);
    extinguish(|stat| ours && stat.session == root || carries(stat.pid, &process.id), first).await.killed
}

/// Signals a process and all that descends from it, whoever started it; KILL until none is left.
pub(super) async fn below(root: &Stat, signal: Signal) -> u32 {
    let (group, session) = (root.group == root.pid, root.session == root.pid);
    let (leader, born) = (root.pid, root.born);
    let belongs = move |stat: &Stat| {
        // A group outlives its leader under the leader's number, which nobody is given meanwhile.
        stat.born >= born && (group && stat.group == leader || session && stat.session == leader)
    };
    if signal == Signal::KILL {
        return extinguish(belongs, Some(*root)).await.killed;
    }
    let mut members = Members::of(Some(*root));
    // Until a look finds nobody new: parents may stand behind their children. A tree that never stops growing gets it too.
    for _ in 0..LOOKS {
        if members.look(belongs, |_| ()) == 0 {
            break;
        }
    }
    members.known.iter().filter(|(pid, born)| exactly_by(*pid, *born, signal)).count() as u32
}

/// Those a signal is for, by number and birth.
#[derive(Default)]
struct Members {
    known: HashSet<(i32, u64)>,
    /// Numbers of those that lived when they were last looked at: whose children belong to them.
    alive: HashSet<i32>,
}

impl Members {
    fn of(root: Option<Stat>) -> Self {
        let (known, alive) = root.map(|stat| ((stat.pid, stat.born), stat.pid)).into_iter().unzip();
        Self { known, alive }
    }

    /// Looks at everybody once, lowest number first, and does something with each member that is alive at the moment it
    /// is seen: a child it made before has a higher number and is seen later in the same look. How many are new.
    fn look(&mut self, belongs: impl Fn(&Stat) -> bool, mut with: impl FnMut(&Stat)) -> usize {
        let mut pids: Vec<i32> = procfs::pids().collect();
        pids.sort_unstable();
        let (mut new, mut seen) = (0, HashSet::new());
        for pid in pids {
            let Some(stat) = procfs::stat(pid).filter(|stat| !stat.zombie && !is_ours(stat.pid)) else {
                continue;
            };
            let name = (stat.pid, stat.born);
            if !self.known.contains(&name) {
                if !self.alive.contains(&stat.parent) && !belongs(&stat) {
                    continue;
                }
                self.known.insert(name);
                new += 1;
            }
            self.alive.insert(stat.pid);
            seen.insert(stat.pid);
            with(&stat);
        }
        self.alive = seen;
        new
    }
}

/// What came of killing.
struct Extinguished {
    killed: u32,
    /// Those that live on: not ours to signal, hanging in the kernel, or forking faster than they are killed.
    left: u32,
}

/// Stops all members, until a look finds no new one: what is stopped cannot fork. Then kills them, and looks again, until
/// none is left that can be killed or the deadline has passed.
async fn extinguish(belongs: impl Fn(&Stat) -> bool, root: Option<Stat>) -> Extinguished {
    let deadline = Instant::now() + KILL_DEADLINE;
    let mut members = Members::of(root);
    let mut hit: HashMap<(i32, u64), bool> = HashMap::new();
    loop {
        let mut new = 1;
        while new > 0 && Instant::now() < deadline {
            new = members.look(&belongs, |stat| {
                if stat.state != b'T' {
                    exactly(stat, Signal::STOP);
                }
            });
        }
        let (mut dying, mut spared) = (0, Vec::new());
        members.look(&belongs, |stat| {
            let killed = exactly(stat, Signal::KILL);
            *hit.entry((stat.pid, stat.born)).or_default() |= killed;
            if killed {
                dying += 1;
            } else {
                spared.push(*stat);
            }
        });
        if dying == 0 || Instant::now() >= deadline {
            let killed = hit.values().filter(|killed| **killed).count() as u32;
            // What was not signalled may just have ended.
            let spared = spared.iter().filter(|stat| lives(stat.pid, stat.born)).count() as u32;
            return Extinguished { killed, left: dying + spared };
        }
        // Not a wait for something that tells us: a killed process is gone when /proc says so.
        tokio::time::sleep(KILL_ROUND).await;
    }
}

/// Kills all that runs beside the agent and the connections to it, until none is left or the deadline has passed. Returns
/// how many are left. Only in a container, where the agent is PID 1 and sees nobody else's processes.
pub(super) async fn everybody() -> u32 {
    if rustix::process::getpid() != Pid::INIT {
        return 0;
    }
    extinguish(|stat| !is_connection(stat.pid), None).await.left
}

/// It is the agent's own program carrying bytes for `docker exec`: code of the project that calls it that can do no more.
fn is_connection(pid: i32) -> bool {
    let program = |pid: &str| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let Some(arguments) = procfs::read_bounded(format!("/proc/{pid}/cmdline"), ARGUMENT_BYTES) else {
        return false;
    };
    arguments.split(|byte| *byte == 0).nth(1) == Some(b"connect")
        && program(&pid.to_string()).is_some_and(|its| program("self") == Some(its))
}

fn carries(pid: i32, process: &str) -> bool {
    procfs::carried_process(pid).is_some_and(|id| id == process)
}

/// PID 1, or the agent where it is not that.
pub(super) fn is_ours(pid: i32) -> bool {
    pid == 1 || pid == rustix::process::getpid().as_raw_nonzero().get()
}

/// Signals exactly the process that was looked at, not one that was given its number since.
pub(super) fn exactly(stat: &Stat, signal: Signal) -> bool {
    exactly_by(stat.pid, stat.born, signal)
}

fn exactly_by(pid: i32, born: u64, signal: Signal) -> bool {
    let Some(number) = Pid::from_raw(pid).filter(|_| !is_ours(pid)) else { return false };
    let Ok(handle) = rustix::process::pidfd_open(number, PidfdFlags::empty()) else {
        // Gone; or a sandbox without handles, where the number has to do.
        return lives(pid, born) && rustix::process::kill_process(number, signal).is_ok();
    };
    // The handle was taken first, so what is read now is of the one it holds, if the number is still its.
    lives(pid, born) && rustix::process::pidfd_send_signal(handle, signal).is_ok()
}

fn lives(pid: i32, born: u64) -> bool {
    procfs::stat(pid).is_some_and(|now| now.born == born && !now.zombie)
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
