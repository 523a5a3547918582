//! When a workspace was last used: typed into, asked for a page, worked with. Noted from wherever bytes pass, so it
//! costs one atomic store; read by the driver, which decides what silence means.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::config::Clock;

/// Noting that a workspace is used. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Activity {
    last_ms: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Activity {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { last_ms: Arc::new(AtomicU64::new(clock.awake_ms())), clock }
    }

    /// It is used now.
    pub(crate) fn note(&self) {
        self.last_ms.store(self.clock.awake_ms(), Ordering::Relaxed);
    }

    /// When it was last used, in the clock's time awake, milliseconds.
    pub(crate) fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Activity").field("last_ms", &self.last_ms()).finish_non_exhaustive()
    }
}

/// A workspace that computes this much, percent of one core over a minute or so, is at work. Development servers that
/// watch files stay below; so do our own looks at it.
const BUSY_PERCENT: u64 = 3;

/// Whether a workspace computes, from the sums of processor time its agent tells.
#[derive(Debug, Default)]
pub(crate) struct Computing {
    /// When, in time awake, and the sum then, microseconds.
    before: Option<(u64, u64)>,
}

impl Computing {
    /// Takes a sum. True: it was at work since the last one that was compared, at least `least_ms` ago.
    pub(crate) fn busy(&mut self, awake_ms: u64, cpu_us: u64, least_ms: u64) -> bool {
        let Some((at, before)) = self.before else {
            self.before = Some((awake_ms, cpu_us));
            return false;
        };
        // A short span would take a moment's work for labour.
        let span_ms = awake_ms.saturating_sub(at);
        if span_ms < least_ms.max(1) {
            return false;
        }
        self.before = Some((awake_ms, cpu_us));
        // Microseconds per millisecond, times 10, is per cent; a sum that went back belongs to another start.
        cpu_us.saturating_sub(before) / span_ms >= BUSY_PERCENT * 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labour_is_told_from_a_heartbeat() {
        let mut computing = Computing::default();
        assert!(!computing.busy(0, 1_000_000, 45_000), "nothing to compare with");
        assert!(!computing.busy(15_000, 1_500_000, 45_000), "too short to tell");
        assert!(!computing.busy(60_000, 2_000_000, 45_000), "1.7 % of a core");
        assert!(computing.busy(120_000, 5_000_000, 45_000), "5 %");
        assert!(!computing.busy(180_000, 0, 45_000), "begun anew");
    }
}
