//! Every process of the container as it stands: tree, user, memory, processor time, ports. Names and arguments are what
//! hostile code made them; they leave as bytes, bounded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slipway_agent_api::v1::{ContainerProcess, TreeReply};
use tokio::task::JoinError;

use super::Processes;
use crate::ports;
use crate::procfs::{self, Stat, read_bounded};

/// Processes told of.
const MOST: usize = 4096;
/// Arguments of one, and of all together, bytes: a reply fits one message.
const COMMAND: usize = 1024;
const COMMANDS: usize = 512 * 1024;
const STATUS_BYTES: u64 = 4096;
const PASSWD_BYTES: u64 = 256 * 1024;
/// The longest pause between the two looks that processor use is measured by.
const SAMPLE: Duration = Duration::from_secs(5);

/// A first look, to compare the second with.
struct Before {
    at: Instant,
    /// Processor time used by then, by number and birth.
    used: HashMap<(i32, u64), u64>,
}

impl Before {
    fn look() -> Self {
        let at = Instant::now();
        let used = procfs::all().into_iter().map(|stat| ((stat.pid, stat.born), stat.ticks)).collect();
        Self { at, used }
    }

    /// Thousandths of one processor that a process has used since, seen at `now`. Over the time that really passed: on a
    /// busy machine, or after a pause, that is much more than was asked for.
    fn permille(&self, stat: &Stat, now: Instant, tick_ms: u64) -> u32 {
        // What began meanwhile used all its time meanwhile.
        let before = self.used.get(&(stat.pid, stat.born)).copied().unwrap_or(0);
        let used_us = u128::from(stat.ticks.saturating_sub(before)) * u128::from(tick_ms) * 1000;
        let passed_us = now.duration_since(self.at).as_micros().max(1);
        u32::try_from(used_us * 1000 / passed_us).unwrap_or(u32::MAX)
    }
}

/// Lists them all. Thousands of processes take a while to read, so that is done where nobody waits.
pub(crate) async fn list(processes: Arc<Processes>, sample: Duration) -> Result<TreeReply, JoinError> {
    let sample = sample.min(SAMPLE);
    let mut before = None;
    if !sample.is_zero() {
        before = Some(tokio::task::spawn_blocking(Before::look).await?);
        tokio::time::sleep(sample).await;
    }
    tokio::task::spawn_blocking(move || look(&processes, before.as_ref())).await
}

fn look(processes: &Processes, before: Option<&Before>) -> TreeReply {
    let now = Instant::now();
    let mut everyone = procfs::all();
    everyone.sort_unstable_by_key(|stat| stat.pid);
    let cut = everyone.len() > MOST;
    everyone.truncate(MOST);
    let known = Known {
        users: users(&read_bounded("/etc/passwd", PASSWD_BYTES).unwrap_or_default()),
        ports: ports(),
        uptime_ms: uptime_ms(),
        tick_ms: 1000 / rustix::param::clock_ticks_per_second().max(1),
        page: rustix::param::page_size() as u64,
        room: (COMMANDS / everyone.len().max(1)).clamp(64, COMMAND),
    };
    let told = everyone.into_iter().map(|stat| ContainerProcess {
        cpu_permille: before.map_or(0, |before| before.permille(&stat, now, known.tick_ms)),
        process: processes.owner(stat.pid).unwrap_or_default(),
        ..known.view(&stat)
    });
    TreeReply { processes: told.collect(), cut }
}

/// What is the same for all.
struct Known {
    users: HashMap<u32, String>,
    ports: HashMap<i32, Vec<u32>>,
    uptime_ms: u64,
    tick_ms: u64,
    page: u64,
    room: usize,
}

impl Known {
    fn view(&self, stat: &Stat) -> ContainerProcess {
        let pid = stat.pid;
        let mut line = read_bounded(format!("/proc/{pid}/cmdline"), self.room as u64 + 1).unwrap_or_default();
        let command_cut = line.len() > self.room;
        line.truncate(self.room);
        let mut name = read_bounded(format!("/proc/{pid}/comm"), 64).unwrap_or_default();
        if name.last() == Some(&b'\n') {
            name.pop();
        }
        let uid = uid(&read_bounded(format!("/proc/{pid}/status"), STATUS_BYTES).unwrap_or_default());
        ContainerProcess {
            pid: pid.unsigned_abs(),
            parent: stat.parent.unsigned_abs(),
            name: name.into(),
            command_line: Bytes::from(line),
            command_cut,
            uid: uid.unwrap_or(u32::MAX),
            user: uid.and_then(|uid| self.users.get(&uid).cloned()).unwrap_or_default(),
            state: stat.state.into(),
            cpu_ms: stat.ticks.saturating_mul(self.tick_ms),
            memory_bytes: stat.resident_pages.saturating_mul(self.page),
            threads: stat.threads,
            started_ms_ago: self.uptime_ms.saturating_sub(stat.born.saturating_mul(self.tick_ms)),
            born: stat.born,
            ports: self.ports.get(&pid).cloned().unwrap_or_default(),
            ..ContainerProcess::default()
        }
    }
}

fn ports() -> HashMap<i32, Vec<u32>> {
    let listeners = ports::listeners();
    let inodes: HashSet<u64> = listeners.iter().map(|listener| listener.inode).collect();
    let owners = ports::owners(&inodes);
    let mut found: HashMap<i32, Vec<u32>> = HashMap::new();
    for listener in listeners {
        if let Some(pid) = owners.get(&listener.inode) {
            let ports = found.entry(*pid).or_default();
            // A server on both families has one port; a hostile one has thousands.
            if ports.len() < 64 && !ports.contains(&listener.port.into()) {
                ports.push(listener.port.into());
            }
        }
    }
    for ports in found.values_mut() {
        ports.sort_unstable();
    }
    found
}

fn uptime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)).unwrap_or(0)
}

/// The effective user in the text of /proc/PID/status.
fn uid(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Users by number; lines that are none are passed over. Names are bounded and plain.
fn users(passwd: &[u8]) -> HashMap<u32, String> {
    let mut found = HashMap::new();
    for line in passwd.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else { continue };
        let Some(uid) = std::str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok()) else { continue };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if !name.is_empty() && name.len() <= 32 && name.iter().all(plain) {
            found.entry(uid).or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_uids_are_read_and_nonsense_passed_over() {
        let passwd =
            b"root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home\n\x1b[31m:x:7:7\nsecond:x:0:0\n:x:5\nx\n";
        let users = users(passwd);
        assert_eq!((users.len(), users[&0].as_str(), users[&1000].as_str()), (2, "root", "node"));
        assert_eq!(uid(b"Name:\tx\nUid:\t1000\t1001\t1000\t1000\n"), Some(1001));
        assert_eq!(uid(b"Name:\tUid\n"), None);
    }
}
