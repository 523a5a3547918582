//! The disk watchdog of one workspace: when to measure what it has written, and what to do about the figure. Overlay
//! file systems have no quota, so it is looked at. No clock, no Docker: the caller says what time it is and measures.
//!
//! Measuring costs the Docker engine a walk over everything the container has written, so it is done when there can be
//! something to find: the container has used CPU, or this machine's free disk has shrunk. Without a change the pause
//! doubles.

use std::time::{Duration, Instant};

/// The first measurement: a deploy is more than its first seconds.
const FIRST: Duration = Duration::from_secs(10);
/// Between two at least, whatever happens.
const LEAST: Duration = Duration::from_secs(5);
/// Between two while somebody watches, and while nobody does.
const WATCHED: Duration = Duration::from_secs(30);
const ALONE: Duration = Duration::from_mins(1);
/// Between two when none has changed for long.
const LONGEST: Duration = Duration::from_mins(10);
/// A change smaller than this is none.
const CHANGE: u64 = 1 << 20;
/// Free disk of the machine that disappeared since: somebody writes a lot.
const SHRUNK: u64 = 1 << 30;
/// CPU that cannot have written much: microseconds, and as many for each reading, which itself takes a little.
const IDLE_US: u64 = 5000;
const READING_US: u64 = 1000;
/// CPU at which a program counts as busy: it may be writing, whatever earlier measurements said. Percent of one core.
const BUSY_PERCENT: u64 = 2;

/// What a measurement calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// A word: it is near its limit.
    Warn,
    /// The program is to be stopped.
    Stop,
    /// Stopping the program did not end the growth: the container is to be stopped.
    StopAll,
}

/// One workspace's.
pub(super) struct DiskWatch {
    began: Instant,
    measured: Option<Measured>,
    quiet: Duration,
    measuring: bool,
    warned: bool,
    stopped_at: Option<u64>,
}

#[derive(Clone, Copy)]
struct Measured {
    at: Instant,
    bytes: u64,
    cpu_us: u64,
    free: Option<u64>,
    readings: u64,
}

/// What is known without measuring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// CPU used since the container began, microseconds.
    pub(super) cpu_us: u64,
    /// Free disk of this machine where the engine keeps containers, if that is known.
    pub(super) free: Option<u64>,
    pub(super) watched: bool,
}

impl DiskWatch {
    /// For a container that was just connected to.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, measured: None, quiet: WATCHED, measuring: false, warned: false, stopped_at: None }
    }

    /// Whether to measure now. Counts as the beginning of a measurement when it says so.
    pub(super) fn begin(&mut self, now: Instant, signs: Signs) -> bool {
        let due = !self.measuring && self.due(now, signs);
        self.measuring |= due;
        due
    }

    fn due(&mut self, now: Instant, signs: Signs) -> bool {
        let Some(last) = &mut self.measured else { return now.duration_since(self.began) >= FIRST };
        last.readings += 1;
        let passed = now.duration_since(last.at);
        if passed < LEAST {
            return false;
        }
        if let (Some(before), Some(free)) = (last.free, signs.free)
            && before.saturating_sub(free) >= SHRUNK
        {
            return true;
        }
        let cpu_us = signs.cpu_us.saturating_sub(last.cpu_us);
        let idle = cpu_us <= IDLE_US + last.readings * READING_US;
        let busy = u128::from(cpu_us) * 100 >= passed.as_micros() * u128::from(BUSY_PERCENT);
        let usual = if signs.watched { WATCHED } else { ALONE };
        let pause = if self.stopped_at.is_some() {
            LEAST
        } else if busy {
            usual
        } else {
            self.quiet.max(usual)
        };
        !idle && passed >= pause
    }

    /// A measurement that could not be made.
    pub(super) fn failed(&mut self) {
        self.measuring = false;
    }

    /// Takes a measurement in. `limit`: bytes; none: anything goes.
    pub(super) fn measured(&mut self, now: Instant, signs: Signs, bytes: u64, limit: Option<u64>) -> Verdict {
        self.measuring = false;
        let before = self.measured.map(|last| last.bytes);
        let changed = before.is_none_or(|before| before.abs_diff(bytes) >= CHANGE);
        self.quiet = if changed { WATCHED } else { (self.quiet * 2).min(LONGEST) };
        self.measured =
            Some(Measured { at: now, bytes, cpu_us: signs.cpu_us, free: signs.free, readings: 0 });
        let Some(limit) = limit else {
            self.stopped_at = None;
            return Verdict::Fine;
        };
        if bytes >= limit {
            let grown = self.stopped_at.is_some_and(|then| bytes.saturating_sub(then) >= CHANGE);
            let verdict = match self.stopped_at {
                None => Verdict::Stop,
                Some(_) if grown => Verdict::StopAll,
                Some(_) => Verdict::Fine,
            };
            self.stopped_at = Some(bytes);
            self.warned = true;
            return verdict;
        }
        self.stopped_at = None;
        let percent = u128::from(bytes) * 100 / u128::from(limit.max(1));
        if percent >= 80 && !self.warned {
            self.warned = true;
            return Verdict::Warn;
        }
        // Said again only after it was well below for once.
        self.warned &= percent >= 70;
        Verdict::Fine
    }

    /// The program runs anew: what it writes from here on stops it again.
    pub(super) fn started_again(&mut self) {
        self.stopped_at = None;
    }

    /// Bytes, as last measured.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.measured.map(|last| last.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    struct Watch {
        watch: DiskWatch,
        begun: Instant,
    }

    impl Watch {
        fn new() -> Self {
            let begun = Instant::now();
            Self { watch: DiskWatch::new(begun), begun }
        }

        fn begins(&mut self, second: u64, cpu_ms: u64, free: Option<u64>) -> bool {
            let signs = Signs { cpu_us: cpu_ms * 1000, free, watched: true };
            self.watch.begin(self.begun + Duration::from_secs(second), signs)
        }

        fn finds(&mut self, second: u64, cpu_ms: u64, free: Option<u64>, bytes: u64) -> Verdict {
            let signs = Signs { cpu_us: cpu_ms * 1000, free, watched: true };
            self.watch.measured(self.begun + Duration::from_secs(second), signs, bytes, Some(10 * GIB))
        }
    }

    #[test]
    fn it_warns_once_stops_once_and_then_everything() {
        for (found, wanted) in [
            (&[5][..], &[Verdict::Fine][..]),
            (&[8, 9, 8], &[Verdict::Warn, Verdict::Fine, Verdict::Fine]),
            (&[8, 6, 8], &[Verdict::Warn, Verdict::Fine, Verdict::Warn]),
            (&[10, 10, 11, 5], &[Verdict::Stop, Verdict::Fine, Verdict::StopAll, Verdict::Fine]),
            (&[11, 5, 11], &[Verdict::Stop, Verdict::Fine, Verdict::Stop]),
        ] {
            let mut watch = Watch::new();
            let said: Vec<Verdict> =
                found.iter().zip(0..).map(|(gib, at)| watch.finds(at, 0, None, gib * GIB)).collect();
            assert_eq!(said, wanted, "{found:?}");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_said() {
        let signs = Signs { cpu_us: 0, free: None, watched: false };
        assert_eq!(
            DiskWatch::new(Instant::now()).measured(Instant::now(), signs, u64::MAX, None),
            Verdict::Fine
        );
    }

    #[test]
    fn what_uses_no_cpu_is_never_measured_again() {
        let mut watch = Watch::new();
        assert!(!watch.begins(5, 900, None));
        assert!(watch.begins(10, 900, None));
        assert!(!watch.begins(11, 900, None), "one at a time");
        watch.finds(12, 900, None, GIB);
        for turn in 1..100 {
            // The reading itself costs half a millisecond.
            assert!(!watch.begins(12 + turn * 15, 900 + turn / 2, None), "{turn}");
        }
    }

    #[test]
    fn a_busy_program_is_measured_twice_a_minute_and_a_quiet_one_ever_more_rarely() {
        let mut watch = Watch::new();
        watch.finds(0, 0, None, GIB);
        assert!(!watch.begins(29, 20_000, None));
        assert!(watch.begins(30, 20_000, None));
        watch.finds(30, 20_000, None, GIB);
        // A tenth of a percent: enough to have written something, not enough to be at it.
        assert!(!watch.begins(60, 20_030, None), "nothing had changed");
        assert!(watch.begins(90, 20_060, None));
        watch.finds(90, 20_060, None, GIB);
        assert!(!watch.begins(209, 20_179, None));
        assert!(watch.begins(210, 20_180, None));
        watch.finds(210, 20_180, None, 2 * GIB);
        assert!(watch.begins(240, 20_210, None), "it had changed");
    }

    #[test]
    fn a_disk_that_shrinks_is_looked_at_within_seconds() {
        let mut watch = Watch::new();
        watch.finds(0, 0, Some(100 * GIB), GIB);
        assert!(!watch.begins(4, 0, Some(90 * GIB)));
        assert!(!watch.begins(5, 0, Some(100 * GIB - 1)));
        assert!(watch.begins(6, 0, Some(98 * GIB)), "without any CPU");
    }
}
