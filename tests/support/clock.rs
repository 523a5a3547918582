//! A clock for engines in tests: real time goes on, and a test lets hours pass, sets the wall clock or sends the machine
//! to sleep.

use slipway_engine::{Clock, SystemClock};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// What was added to each of the three times, milliseconds.
#[derive(Debug, Default)]
pub struct TestClock {
    wall: AtomicI64,
    steady: AtomicI64,
    awake: AtomicI64,
}

impl TestClock {
    /// One that has not been touched yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Time passes.
    pub fn pass(&self, time: Duration) {
        self.suspend(time);
        add(&self.awake, millis(time));
    }

    /// The machine sleeps for so long.
    pub fn suspend(&self, time: Duration) {
        add(&self.wall, millis(time));
        add(&self.steady, millis(time));
    }

    /// Somebody sets the wall clock by so many seconds, forward or back.
    pub fn set(&self, seconds: i64) {
        add(&self.wall, seconds * 1000);
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn add(to: &AtomicI64, ms: i64) {
    to.fetch_add(ms, Ordering::SeqCst);
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms().saturating_add_signed(self.wall.load(Ordering::SeqCst))
    }

    fn steady_ms(&self) -> u64 {
        SystemClock.steady_ms().saturating_add_signed(self.steady.load(Ordering::SeqCst))
    }

    fn awake_ms(&self) -> u64 {
        SystemClock.awake_ms().saturating_add_signed(self.awake.load(Ordering::SeqCst))
    }
}
