//! The figures of live sync: how long is waited, how much is taken at once.

use std::time::Duration;

/// A change is carried when nothing more has come for so long …
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// … or, when it never stops, after so long.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How often both sides are compared again because of what changed meanwhile, before it waits a moment.
pub(super) const ROUNDS: u32 = 8;
/// What did not work is tried again after the first, twice as long each time, up to the second.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// A side that went away is looked for after the first, twice as long each time, up to the second.
pub(super) const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often a side is looked at that tells nothing by itself.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// Hints kept before everything is looked at instead.
pub(super) const HINTS: usize = 10_000;
/// Files asked for in one call.
pub(super) const FETCH: usize = 500;
/// Messages on their way to or from a thread: at most as many chunks in memory.
pub(super) const AHEAD: usize = 16;
/// Bytes of all ignore files together.
pub(super) const RULES: u64 = 1 << 20;
/// A side that held at least so many entries and holds none was not emptied on purpose.
pub(super) const EMPTIED: usize = 10;
/// Files that lie here whole before they get their places: each holds two descriptors.
pub(super) const WHOLE: usize = 64;
