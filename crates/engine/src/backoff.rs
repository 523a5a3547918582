//! When to try again what Docker refused: later each time, never all at once, and after a bounded number of tries a
//! person is told. Knows nothing of what is tried.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// After this many failures in a row (a minute or so) a person is told.
const ENOUGH: u32 = 6;

/// Failures in a row of one thing, and when it may be tried again.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// It failed. True: that was once too often, tell somebody; said once until it works again.
    pub(crate) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let wait = delay(self.failures, fastrand::f64());
        self.not_before = Some(Instant::now() + wait);
        self.failures == ENOUGH
    }

    /// It worked. True: somebody had been told that it does not.
    pub(crate) fn worked(&mut self) -> bool {
        let told = self.failures >= ENOUGH;
        *self = Self::default();
        told
    }

    /// How long until it may be tried; zero: now.
    pub(crate) fn wait(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }
}

/// Doubles with each failure; `chance` (0 to 1) spreads it from half to one and a half.
fn delay(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let middle: Vec<u64> = (1..=10).map(|n| delay(n, 0.5).as_secs()).collect();
        assert_eq!(middle, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(delay(3, 0.0), Duration::from_secs(2));
        assert_eq!(delay(3, 1.0), Duration::from_secs(6));
        assert_eq!(delay(u32::MAX, 0.5), LONGEST);
    }

    #[test]
    fn somebody_is_told_once_and_told_when_it_is_over() {
        let mut backoff = Backoff::default();
        let told: Vec<bool> = (0..9).map(|_| backoff.failed()).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(told[5] && backoff.wait() > Duration::from_mins(1));
        assert!(backoff.worked() && backoff.wait().is_zero());
        backoff.failed();
        assert!(!backoff.worked(), "nobody had been told");
    }
}
