//! What happened to time between two looks at the clock: it passed, the wall clock was set, the machine slept. Leases
//! ask here, so that neither a time server nor a closed lid ends one behind a person's back.

use crate::config::Clock;

/// Smaller differences are slewing and rounding, milliseconds.
const SET: i64 = 2_000;
/// A longer gap between time and time awake is a sleep, milliseconds.
const SLEPT: u64 = 30_000;
/// After a sleep nothing is ended by its lease for so long: whoever wakes the machine can extend it first.
const GRACE_MS: u64 = 60_000;

/// The clock as it was looked at last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    wall: u64,
    steady: u64,
    awake: u64,
    held_until: Option<u64>,
}

impl Timeline {
    pub(super) fn begin(clock: &dyn Clock) -> Self {
        Self { wall: clock.now_ms(), steady: clock.steady_ms(), awake: clock.awake_ms(), held_until: None }
    }

    /// Looks at the clock. Gives by how many milliseconds the wall clock was set since the last look: 0 almost always.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> i64 {
        let (wall, steady, awake) = (clock.now_ms(), clock.steady_ms(), clock.awake_ms());
        let passed = steady.saturating_sub(self.steady);
        if passed.saturating_sub(awake.saturating_sub(self.awake)) > SLEPT {
            self.held_until = Some(awake.saturating_add(GRACE_MS));
        }
        let set = wall.cast_signed() - self.wall.saturating_add(passed).cast_signed();
        let held_until = self.held_until.filter(|until| *until > awake);
        *self = Self { wall, steady, awake, held_until };
        if set.abs() > SET { set } else { 0 }
    }

    /// How long nothing may be ended by its lease, milliseconds; 0: it may.
    pub(super) fn held_ms(&self, clock: &dyn Clock) -> u64 {
        self.held_until.map_or(0, |until| until.saturating_sub(clock.awake_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Wall, steady, awake.
    struct Hands(Mutex<[u64; 3]>);

    impl Hands {
        fn turn(&self, by: [i64; 3]) {
            let mut hands = self.0.lock().unwrap();
            for (hand, by) in hands.iter_mut().zip(by) {
                *hand = hand.saturating_add_signed(by);
            }
        }
    }

    impl Clock for Hands {
        fn now_ms(&self) -> u64 {
            self.0.lock().unwrap()[0]
        }
        fn steady_ms(&self) -> u64 {
            self.0.lock().unwrap()[1]
        }
        fn awake_ms(&self) -> u64 {
            self.0.lock().unwrap()[2]
        }
    }

    #[test]
    fn passing_setting_and_sleeping_are_told_apart() {
        const HOUR: i64 = 3_600_000;
        let clock = Hands(Mutex::new([1_700_000_000_000, 5_000_000, 4_000_000]));
        let mut timeline = Timeline::begin(&clock);
        let mut after = |by: [i64; 3]| {
            clock.turn(by);
            (timeline.look(&clock), timeline.held_ms(&clock))
        };
        assert_eq!(after([HOUR, HOUR, HOUR]), (0, 0), "time passed");
        assert_eq!(after([HOUR + 500, HOUR, HOUR]), (0, 0), "a little slewing");
        assert_eq!(after([HOUR, 0, 0]), (HOUR, 0), "set forward");
        assert_eq!(after([-2 * HOUR, 1000, 1000]), (-2 * HOUR - 1000, 0), "set back");
        assert_eq!(after([HOUR, HOUR, 0]), (0, GRACE_MS), "slept");
        assert_eq!(after([20_000, 20_000, 20_000]), (0, GRACE_MS - 20_000));
        assert_eq!(after([50_000, 50_000, 50_000]), (0, 0), "the grace is over");
    }
}
