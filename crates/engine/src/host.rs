//! The machine Slipway itself runs on, as far as decisions depend on it: memory, free disk, our own size. The one place
//! that asks the operating system for them; tests hand in another one.

use std::path::Path;

/// Memory of a machine, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// All there is.
    pub total: u64,
    /// What new programs could have without anything being pushed out.
    pub available: u64,
}

impl HostMemory {
    /// The share that is used, percent.
    pub fn used_percent(self) -> f64 {
        self.total.saturating_sub(self.available) as f64 / self.total.max(1) as f64 * 100.0
    }
}

/// What is asked of the machine. Every answer may be "not known here", and whoever asks goes on without it.
pub trait Host: Send + Sync {
    /// Its memory. Linux only so far: on macOS and Windows Docker runs in a machine of its own, whose memory this one's
    /// figures say little about.
    fn memory(&self) -> Option<HostMemory>;

    /// Bytes that may still be written where `path` lies; none when there is no such path here.
    fn free_disk(&self, path: &Path) -> Option<u64>;

    /// Memory of this process, bytes resident. Linux only so far.
    fn own_memory(&self) -> Option<u64>;
}

/// The machine as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn memory(&self) -> Option<HostMemory> {
        system::memory()
    }

    fn free_disk(&self, path: &Path) -> Option<u64> {
        system::free_disk(path)
    }

    fn own_memory(&self) -> Option<u64> {
        system::own_memory()
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::HostMemory;

    pub(super) use super::statvfs::free_disk;

    pub(super) fn memory() -> Option<HostMemory> {
        super::meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    pub(super) fn own_memory() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(rustix::param::page_size() as u64))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::HostMemory;

    #[cfg(unix)]
    pub(super) use super::statvfs::free_disk;

    #[cfg(not(unix))]
    pub(super) fn free_disk(_: &std::path::Path) -> Option<u64> {
        None
    }

    pub(super) fn memory() -> Option<HostMemory> {
        None
    }

    pub(super) fn own_memory() -> Option<u64> {
        None
    }
}

#[cfg(unix)]
mod statvfs {
    /// For a user without privileges, as Docker may be: what is kept for root does not count.
    pub(super) fn free_disk(path: &std::path::Path) -> Option<u64> {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Reads the two lines of `/proc/meminfo` that matter.
#[cfg(any(target_os = "linux", test))]
fn meminfo(text: &str) -> Option<HostMemory> {
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(HostMemory {
        total: field("MemTotal").filter(|total| *total > 0)?,
        available: field("MemAvailable")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_by_whole_names() {
        let text = "MemTotal:        8000 kB\nMemFree:  10 kB\nMemAvailable:    2000 kB\n";
        let memory = meminfo(text).unwrap();
        assert_eq!(memory, HostMemory { total: 8_192_000, available: 2_048_000 });
        assert!((memory.used_percent() - 75.0).abs() < 0.001);
        assert_eq!(meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
        assert_eq!(meminfo("MemTotalX: 5 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory_and_disk() {
        let memory = SystemHost.memory().unwrap();
        assert!(memory.available > 0 && memory.available < memory.total, "{memory:?}");
        assert!(SystemHost.own_memory().unwrap() > 1 << 20);
        assert!(SystemHost.free_disk(Path::new("/")).is_some());
        assert_eq!(SystemHost.free_disk(Path::new("/no/such/place")), None);
    }
}
