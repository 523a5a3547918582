//! Processes as the kernel shows them: who descends from whom, what memory and processor time they take.

use anyhow::{Context, Result};
use std::{collections::HashMap, fs, path::Path, time::Duration};

/// A process and what `/proc` says of it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its short name, at most 15 characters.
    pub name: String,
    parent: u32,
    ticks: u64,
}

fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = after.split(' ').collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    Some(Process {
        pid,
        name: before.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        ticks: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
    })
}

/// Every process there is now, zombies left out.
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// A process and everything it started that is still under it.
pub fn family(root: u32) -> Vec<Process> {
    let all = all();
    let parents: HashMap<u32, u32> = all.iter().map(|p| (p.pid, p.parent)).collect();
    let descends = |mut pid: u32| {
        for _ in 0..64 {
            if pid == root {
                return true;
            }
            match parents.get(&pid) {
                Some(&parent) => pid = parent,
                None => return false,
            }
        }
        false
    };
    all.into_iter().filter(|p| descends(p.pid)).collect()
}

/// Processes that have this entry in the environment they were started with.
pub fn with_environment(entry: &str) -> Vec<Process> {
    let has = |pid: u32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|&b| b == 0).any(|one| one == entry.as_bytes()))
    };
    all().into_iter().filter(|p| has(p.pid)).collect()
}

/// Proportional set size, bytes: shared pages are counted once over all who share them.
pub fn proportional_memory(processes: &[Process]) -> Result<u64> {
    let mut sum = 0;
    for process in processes {
        let path = format!("/proc/{}/smaps_rollup", process.pid);
        // One that ended meanwhile takes no memory.
        let Ok(text) = fs::read_to_string(Path::new(&path)) else { continue };
        let line = text.lines().find(|line| line.starts_with("Pss:")).context("no Pss line")?;
        let kilobytes: u64 = line.split_whitespace().nth(1).context("no Pss figure")?.parse()?;
        sum += kilobytes * 1024;
    }
    Ok(sum)
}

/// Processor time these processes have used since they began.
pub fn processor_time(processes: &[Process]) -> Duration {
    // The kernel's unit towards programs is 1/100 s on every platform Linux runs on.
    Duration::from_millis(processes.iter().map(|p| p.ticks).sum::<u64>() * 10)
}
