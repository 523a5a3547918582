//! What the agent reads of other processes in /proc. Everything read is written by or under the sway of hostile code:
//! names may hold any byte, processes vanish between two lines, and every read is bounded.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Name of the environment variable that ties a process to the Exec it descends from, for those that left its session
/// and were adopted by PID 1.
pub(crate) const PROCESS_VARIABLE: &str = "SLIPWAY_PROCESS";

const STAT_BYTES: u64 = 4096;
const ENVIRONMENT_BYTES: u64 = 2 * 1024 * 1024;

/// One line of the process tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// The kernel's letter.
    pub(crate) state: u8,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// Ended and not yet collected.
    pub(crate) zombie: bool,
    /// User and system time, in clock ticks.
    pub(crate) ticks: u64,
    pub(crate) threads: u32,
    /// When it began, in clock ticks since boot. With the number this names a process for good.
    pub(crate) born: u64,
    /// Resident set, in pages.
    pub(crate) resident_pages: u64,
}

/// Reads one process, or nothing when it is gone.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&read_bounded(format!("/proc/{pid}/stat"), STAT_BYTES)?)
}

/// Every process in the container, the agent included.
pub(crate) fn all() -> Vec<Stat> {
    pids().filter_map(stat).collect()
}

/// The ids in /proc at this moment.
pub(crate) fn pids() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The Exec id a process carries in its environment, if it can be read and carries one.
pub(crate) fn carried_process(pid: i32) -> Option<String> {
    let environment = read_bounded(format!("/proc/{pid}/environ"), ENVIRONMENT_BYTES)?;
    let prefix = [PROCESS_VARIABLE.as_bytes(), b"="].concat();
    let value = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(prefix.as_slice()))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Threads the agent itself has started; they take numbers like everything that forks.
static OWN_THREADS: AtomicU64 = AtomicU64::new(0);

/// Notes that the agent has started a thread.
pub(crate) fn own_thread_started() {
    OWN_THREADS.fetch_add(1, Ordering::Relaxed);
}

/// A number that moves whenever anything in this pid namespace forks or starts a thread, the agent excepted.
pub(crate) fn forks() -> Option<u64> {
    let load = read_bounded("/proc/loadavg", 256)?;
    let last_pid: u64 = std::str::from_utf8(&load).ok()?.split_ascii_whitespace().last()?.parse().ok()?;
    Some(last_pid.wrapping_sub(OWN_THREADS.load(Ordering::Relaxed)))
}

/// Whether a process ignores a signal, as interactive shells do with TERM.
pub(crate) fn ignores(pid: i32, signal: i32) -> bool {
    let status = read_bounded(format!("/proc/{pid}/status"), STAT_BYTES).unwrap_or_default();
    let mask = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(std::str::from_utf8(mask).ok()?.trim(), 16).ok());
    mask.is_some_and(|mask| (1..=64).contains(&signal) && mask & (1 << (signal - 1)) != 0)
}

/// `root` and all that descends from it, by parent, by session, or by the Exec id it carries; never PID 1 or the agent.
/// Once `root` has ended, its number may be somebody else's: then only what provably descends from it counts.
pub(crate) fn tree(root: i32, root_ended: bool, process: &str) -> Vec<Stat> {
    let everyone = all();
    let reused = root_ended && everyone.iter().any(|stat| stat.pid == root);
    let this = rustix::process::getpid().as_raw_nonzero().get();
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for stat in &everyone {
        children.entry(stat.parent).or_default().push(stat.pid);
    }
    let mut members: HashSet<i32> = HashSet::new();
    let mut open: Vec<i32> = everyone
        .iter()
        .filter(|stat| {
            !reused && (stat.pid == root || stat.session == root)
                || carried_process(stat.pid).is_some_and(|id| id == process)
        })
        .map(|stat| stat.pid)
        .collect();
    while let Some(pid) = open.pop() {
        if pid != 1 && pid != this && members.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    everyone.into_iter().filter(|stat| members.contains(&stat.pid)).collect()
}

fn parse_stat(line: &[u8]) -> Option<Stat> {
    // The name stands in parentheses and may hold any byte, parentheses and newlines included: the last one ends it.
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&line[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        ticks: number(11)?.saturating_add(number(12)?),
        threads: number(17)? as u32,
        born: number(19)?,
        resident_pages: number(21)?,
    })
}

/// At most `limit` bytes of a file, or nothing when it cannot be read: the process is gone or not ours to look at.
pub(crate) fn read_bounded(path: impl AsRef<Path>, limit: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_parentheses_does_not_shift_the_fields() {
        let line = b"42 (a) b) (R 1 \n) S 7 42 40 34816 42 4194304 100 0 0 0 5 6 0 0 20 0 1 0 500 1000000 250 184467440 0";
        let expected = Stat {
            pid: 42,
            state: b'S',
            parent: 7,
            group: 42,
            session: 40,
            zombie: false,
            ticks: 11,
            threads: 1,
            born: 500,
            resident_pages: 250,
        };
        assert_eq!(parse_stat(line), Some(expected));
    }

    #[test]
    fn cut_lines_are_no_process() {
        for line in [&b""[..], b"42", b"42 (name", b"42 (name) S 1", b"x (name) S 1 2 3"] {
            assert_eq!(parse_stat(line), None, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn this_process_reads_itself() {
        let own = std::process::id() as i32;
        let stat = stat(own).expect("own stat");
        assert_eq!(stat.pid, own);
        assert!(stat.resident_pages > 0 && !stat.zombie);
        assert!(pids().any(|pid| pid == own));
        assert!(forks().is_some());
    }
}
