//! From a socket's inode to the process that holds it, through /proc/*/fd. Blocking; bounded, since hostile code can open
//! many descriptors.

use std::collections::{HashMap, HashSet};

use crate::procfs;

/// Descriptors looked at in one walk.
const DESCRIPTORS: usize = 200_000;

/// The process with the lowest pid that holds each of `inodes`; those that no readable process holds are left out.
pub(crate) fn owners(inodes: &HashSet<u64>) -> HashMap<u64, i32> {
    let mut found = HashMap::new();
    let mut pids: Vec<i32> = procfs::pids().collect();
    pids.sort_unstable();
    let mut looked = 0;
    for pid in pids {
        // Another user's processes cannot be read (an open container with root in it); their ports have no owner.
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            looked += 1;
            if let Some(inode) = socket_inode(&entry.path()).filter(|inode| inodes.contains(inode)) {
                found.entry(inode).or_insert(pid);
            }
            if found.len() == inodes.len() || looked == DESCRIPTORS {
                return found;
            }
        }
    }
    found
}

fn socket_inode(link: &std::path::Path) -> Option<u64> {
    let target = std::fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
