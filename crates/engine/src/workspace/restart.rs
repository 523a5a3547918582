//! Whether a program that ended is started again, and when: policy and arithmetic, no clock and no program.

use slipway_wire::RestartPolicy;
use std::{collections::VecDeque, time::Duration};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// Well for so long, it begins with the first wait again.
const WELL: Duration = Duration::from_mins(1);
/// More restarts than this within the window are a crash loop.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_mins(5);

/// What to do about a program that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: a person decides.
    Rest,
    /// Start it again after this.
    Again(Duration),
    /// It was started this often in five minutes and ended each time: no more.
    GiveUp(usize),
}

/// The restarts of one workspace. Times are milliseconds of time awake.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    at: VecDeque<u64>,
    in_a_row: u32,
}

impl Restarts {
    /// The program ended by itself, after having been well for `well`.
    pub(super) fn ended(
        &mut self,
        policy: RestartPolicy,
        failed: bool,
        well: Duration,
        now_ms: u64,
    ) -> Verdict {
        let wanted = match policy {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => failed,
            RestartPolicy::Always => true,
        };
        if !wanted {
            return Verdict::Rest;
        }
        let window_ms = WINDOW.as_millis() as u64;
        self.at.retain(|at| now_ms.saturating_sub(*at) < window_ms);
        if self.at.len() >= MOST {
            let restarts = self.at.len();
            *self = Self::default();
            return Verdict::GiveUp(restarts);
        }
        if well >= WELL {
            self.in_a_row = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.in_a_row.min(10)).min(LONGEST);
        self.in_a_row += 1;
        self.at.push_back(now_ms);
        Verdict::Again(wait)
    }

    /// A person started it: what was before does not count.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    #[test]
    fn the_policy_decides() {
        for (policy, failed, again) in [
            (RestartPolicy::Never, true, false),
            (RestartPolicy::OnFailure, true, true),
            (RestartPolicy::OnFailure, false, false),
            (RestartPolicy::Always, false, true),
        ] {
            let verdict = Restarts::default().ended(policy, failed, NO_TIME, 0);
            assert_eq!(matches!(verdict, Verdict::Again(_)), again, "{policy:?} {failed}");
        }
    }

    #[test]
    fn a_crash_loop_ends_and_waits_double() {
        let mut restarts = Restarts::default();
        let mut end = |at| restarts.ended(RestartPolicy::Always, true, NO_TIME, at);
        let waits: Vec<Verdict> = (0..5).map(|n| end(n * 1000)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16].map(|s| Verdict::Again(Duration::from_secs(s))));
        assert_eq!(end(6000), Verdict::GiveUp(5));
        assert_eq!(end(7000), Verdict::Again(FIRST), "begun anew by a person");
    }

    #[test]
    fn health_forgives_and_old_restarts_do_not_count() {
        let mut restarts = Restarts::default();
        for n in 0..20 {
            // Well for two minutes each time.
            let verdict = restarts.ended(RestartPolicy::OnFailure, true, 2 * WELL, n * 120_000);
            assert_eq!(verdict, Verdict::Again(FIRST), "{n}");
        }
        let mut slow = Restarts::default();
        let last = (0..8).map(|n| slow.ended(RestartPolicy::Always, true, NO_TIME, n * 100_000)).last();
        assert_eq!(last, Some(Verdict::Again(LONGEST)));
    }
}
