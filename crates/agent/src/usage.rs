//! What the container uses, from its control group (version 2 or 1) and, where that cannot be read, from /proc.

use slipway_agent_api::v1::UsageReply;

use crate::procfs::{self, read_bounded};

const ROOT: &str = "/sys/fs/cgroup";
const FILE_BYTES: u64 = 64 * 1024;

/// Version 1 says "no limit" with a number just under 2^63.
const NO_LIMIT: u64 = 1 << 60;

/// Reads everything once. Blocking, but only on the kernel.
pub(crate) fn read() -> UsageReply {
    let unified_groups = read_bounded(format!("{ROOT}/cgroup.controllers"), FILE_BYTES).is_some();
    let read_at_us = monotonic_us();
    let reply = if unified_groups { unified() } else { legacy() };
    completed(UsageReply { read_at_us, ..reply })
}

fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)).unwrap_or(0)
}

fn unified() -> UsageReply {
    let cache = field("memory.stat", "inactive_file").unwrap_or(0);
    UsageReply {
        cpu_us: field("cpu.stat", "usage_usec").unwrap_or(0),
        memory_bytes: number("memory.current").unwrap_or(0).saturating_sub(cache),
        memory_limit: limit("memory.max"),
        processes: number("pids.current").unwrap_or(0) as u32,
        processes_limit: limit("pids.max") as u32,
        out_of_memory_kills: field("memory.events", "oom_kill").unwrap_or(0),
        read_at_us: 0,
    }
}

fn legacy() -> UsageReply {
    let cache = field("memory/memory.stat", "total_inactive_file").unwrap_or(0);
    UsageReply {
        cpu_us: number("cpuacct/cpuacct.usage").or_else(|| number("cpu,cpuacct/cpuacct.usage")).unwrap_or(0)
            / 1000,
        memory_bytes: number("memory/memory.usage_in_bytes").unwrap_or(0).saturating_sub(cache),
        memory_limit: limit("memory/memory.limit_in_bytes"),
        processes: number("pids/pids.current").unwrap_or(0) as u32,
        processes_limit: limit("pids/pids.max") as u32,
        out_of_memory_kills: field("memory/memory.oom_control", "oom_kill").unwrap_or(0),
        read_at_us: 0,
    }
}

/// Fills in from /proc what no control group told. The root group of a machine has no `memory.current`, for one.
fn completed(mut reply: UsageReply) -> UsageReply {
    if reply.cpu_us != 0 && reply.memory_bytes != 0 && reply.processes != 0 {
        return reply;
    }
    let everyone = procfs::all();
    if reply.cpu_us == 0 {
        let ticks: u64 = everyone.iter().map(|stat| stat.ticks).sum();
        reply.cpu_us = ticks.saturating_mul(1_000_000 / rustix::param::clock_ticks_per_second());
    }
    if reply.memory_bytes == 0 {
        let pages: u64 = everyone.iter().map(|stat| stat.resident_pages).sum();
        reply.memory_bytes = pages.saturating_mul(rustix::param::page_size() as u64);
    }
    if reply.processes == 0 {
        reply.processes = everyone.len() as u32;
    }
    reply
}

fn text(file: &str) -> Option<String> {
    String::from_utf8(read_bounded(format!("{ROOT}/{file}"), FILE_BYTES)?).ok()
}

fn number(file: &str) -> Option<u64> {
    text(file)?.trim().parse().ok()
}

/// 0 where there is none, or no telling.
fn limit(file: &str) -> u64 {
    number(file).filter(|limit| *limit < NO_LIMIT).unwrap_or(0)
}

fn field(file: &str, name: &str) -> Option<u64> {
    field_of(&text(file)?, name)
}

fn field_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let events = "low 0\nhigh 3\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(field_of(events, "oom_kill"), Some(1));
        assert_eq!(field_of(events, "oom"), Some(2));
        assert_eq!(field_of(events, "max"), None);
        assert_eq!(field_of("oom_kill many\n", "oom_kill"), None);
    }

    #[test]
    fn something_is_known_on_any_machine() {
        let usage = read();
        assert!(usage.cpu_us > 0 && usage.memory_bytes > 0 && usage.processes > 0, "{usage:?}");
        assert!(usage.read_at_us > 0 && read().read_at_us > usage.read_at_us, "each says when it was read");
    }
}
