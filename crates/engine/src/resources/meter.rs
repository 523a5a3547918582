//! One workspace's figures: what the sampler puts in, what askers take out. A lock and a few notes; no I/O but waiting
//! for the sampler.

use slipway_agent_api::v1::UsageReply;
use slipway_wire::{Code, Problem, Sample, Stats, Usage, WorkspaceId};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

use super::{
    disk::{DiskWatch, Signs, Verdict},
    history::History,
};
use crate::{agent_link::AgentLink, traffic::Traffic};

/// Who asks again within this time is watching, and still is for as long afterwards. One question is only a look.
const WATCHING: Duration = Duration::from_secs(5);
/// Between two readings while somebody watches, and while nobody does.
const WATCHED: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_secs(15);
/// After the very first reading, which has nothing to be compared with.
const SECOND: Duration = Duration::from_millis(250);
/// A reading of this age is the present.
const PRESENT: Duration = Duration::from_millis(1100);
/// Readings closer than this say nothing about CPU.
const CLOSEST: Duration = Duration::from_millis(100);
/// How long a kill for want of memory waits to be told by whoever follows the program that was killed.
const TOLD_BY_OTHERS: Duration = Duration::from_secs(2);
/// An asker does not wait longer for a reading.
const PATIENCE: Duration = Duration::from_secs(6);

/// One workspace's.
pub(crate) struct Meter {
    traffic: Arc<Traffic>,
    state: Mutex<State>,
    wake: Notify,
    taken: watch::Sender<u64>,
}

struct State {
    history: History,
    last: Option<Last>,
    usage: Option<Usage>,
    processes_limit: Option<u32>,
    asked: Option<Instant>,
    watched_until: Option<Instant>,
    disk: DiskWatch,
    /// Kills for want of memory that a person has been told of, and when others were first seen.
    kills_told: Option<u64>,
    kills_seen: Option<Instant>,
}

/// The sums of the reading before.
#[derive(Clone, Copy)]
struct Last {
    at: Instant,
    /// When the agent read it, by its own clock; 0 when it does not tell.
    read_at_us: u64,
    cpu_us: u64,
    received: u64,
    sent: u64,
}

impl Last {
    /// Per cent of a core used from here to `reply`, which arrived at `now`. Between the two readings themselves: on a busy
    /// machine answers come late, one more than the other, and would make 300 % of one loop. Where the agent does not tell
    /// when it read, the time between the answers has to do.
    fn cpu_percent(&self, now: Instant, reply: &UsageReply) -> f64 {
        let told = if self.read_at_us > 0 { reply.read_at_us.checked_sub(self.read_at_us) } else { None };
        let span_us = told.map_or_else(|| now.duration_since(self.at).as_micros() as f64, |us| us as f64);
        let used_us = reply.cpu_us.saturating_sub(self.cpu_us) as f64;
        (used_us / span_us.max(1.0) * 100.0).clamp(0.0, 100_000.0)
    }
}

/// What a reading has brought to light.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// A minute that is over, to be kept.
    pub(super) minute: Option<Sample>,
    /// Programs ended for want of memory that nobody has told of, and the limit they met.
    pub(super) killed: Option<(u64, Option<u64>)>,
    /// The disk is to be measured, with these signs.
    pub(super) measure: Option<Signs>,
}

impl Meter {
    /// Begins without any figure; its traffic counts towards `all`.
    pub(super) fn new(all: Arc<Traffic>) -> Self {
        let state = State {
            history: History::default(),
            last: None,
            usage: None,
            processes_limit: None,
            asked: None,
            watched_until: None,
            disk: DiskWatch::new(Instant::now()),
            kills_told: None,
            kills_seen: None,
        };
        Self {
            traffic: Arc::new(Traffic::part_of(all)),
            state: Mutex::new(state),
            wake: Notify::new(),
            taken: watch::Sender::new(0),
        }
    }
}

impl State {
    fn watched(&self, now: Instant) -> bool {
        self.watched_until.is_some_and(|until| now < until)
    }

    fn ask(&mut self, now: Instant) {
        let again = self.asked.is_some_and(|before| now.duration_since(before) < WATCHING);
        if again {
            self.watched_until = Some(now + WATCHING);
        }
        self.asked = Some(now);
    }
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held leaves figures that the next reading replaces.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where bytes are counted.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Another container, or the same one started again: its sums begin anew.
    pub(crate) fn connected(&self, now: Instant) {
        let mut state = self.state();
        state.last = None;
        state.usage = None;
        state.kills_told = None;
        state.kills_seen = None;
        state.disk = DiskWatch::new(now);
    }

    /// The workspace's program is started again.
    pub(crate) fn started_again(&self) {
        self.state().disk.started_again();
    }

    /// Somebody was told of this many kills for want of memory.
    pub(crate) fn kills_told(&self, kills: u64) {
        let mut state = self.state();
        state.kills_told = Some(state.kills_told.unwrap_or(0).max(kills));
    }

    /// Ends when somebody wants a reading.
    pub(super) async fn wanted(&self) {
        self.wake.notified().await;
    }

    /// How long until the next reading.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let state = self.state();
        let Some(last) = state.last else { return Duration::ZERO };
        let pause = if state.usage.is_none() {
            SECOND
        } else if state.kills_seen.is_some() {
            TOLD_BY_OTHERS
        } else if state.watched(now) {
            WATCHED
        } else {
            ALONE
        };
        pause.saturating_sub(now.duration_since(last.at))
    }

    /// Whether the last reading is so young that another one would say nothing.
    pub(super) fn too_soon(&self, now: Instant) -> bool {
        self.state().last.is_some_and(|last| now.duration_since(last.at) < CLOSEST)
    }

    /// The CPU time the last reading told, microseconds, unless it is older than `age`.
    pub(crate) fn cpu_us(&self, now: Instant, age: Duration) -> Option<u64> {
        self.state().last.filter(|last| now.duration_since(last.at) <= age).map(|last| last.cpu_us)
    }

    /// Takes a reading in.
    pub(super) fn put(&self, now: Instant, now_ms: u64, reply: UsageReply, free: Option<u64>) -> Found {
        let mut state = self.state();
        let (received, sent) = self.traffic.sums();
        let this = Last { at: now, read_at_us: reply.read_at_us, cpu_us: reply.cpu_us, received, sent };
        let last = state.last.replace(this);
        let killed = state.kills(now, &reply);
        let Some(last) = last else { return Found { killed, ..Found::default() } };
        let span = now.duration_since(last.at);
        let cpu_percent = last.cpu_percent(now, &reply);
        let sample = Sample {
            at_ms: now_ms,
            span_ms: span.as_millis() as u64,
            cpu_percent,
            cpu_max_percent: cpu_percent,
            memory_bytes: reply.memory_bytes,
            memory_max_bytes: reply.memory_bytes,
            processes: reply.processes,
            received_bytes: received.saturating_sub(last.received),
            sent_bytes: sent.saturating_sub(last.sent),
            disk_bytes: state.disk.bytes(),
        };
        let minute = state.history.push(now, sample);
        state.usage = Some(Usage {
            cpu_percent,
            memory_bytes: reply.memory_bytes,
            memory_limit: (reply.memory_limit > 0).then_some(reply.memory_limit),
            processes: reply.processes,
            out_of_memory_kills: reply.out_of_memory_kills,
        });
        state.processes_limit = (reply.processes_limit > 0).then_some(reply.processes_limit);
        let signs = Signs { cpu_us: reply.cpu_us, free, watched: state.watched(now) };
        let measure = state.disk.begin(now, signs).then_some(signs);
        drop(state);
        self.taken.send_modify(|n| *n += 1);
        Found { minute, killed, measure }
    }

    /// Takes in what a container has written.
    pub(super) fn put_disk(
        &self,
        now: Instant,
        signs: Signs,
        bytes: Option<u64>,
        limit: Option<u64>,
    ) -> Verdict {
        let mut state = self.state();
        let Some(bytes) = bytes else {
            state.disk.failed();
            return Verdict::Fine;
        };
        state.disk.measured(now, signs, bytes, limit)
    }

    /// What is used now. Counts as watching.
    pub(super) async fn now(&self, link: &AgentLink) -> Result<Usage, Problem> {
        let mut taken = self.taken.subscribe();
        let before = *taken.borrow_and_update();
        let now = Instant::now();
        {
            let mut state = self.state();
            state.ask(now);
            let fresh = state.last.is_some_and(|last| now.duration_since(last.at) < PRESENT);
            if let Some(usage) = state.usage.filter(|_| fresh) {
                return Ok(usage);
            }
        }
        self.wake.notify_one();
        let silent = || {
            Problem::new(Code::AgentLost, "The workspace does not answer (measuring).")
                .hint("It may have been stopped; start it again.")
        };
        tokio::select! {
            waited = tokio::time::timeout(PATIENCE, taken.wait_for(|n| *n > before)) => {
                waited.map_err(|_| silent())?.map_err(|_| silent())?;
            }
            () = link.closed() => return Err(silent()),
        }
        self.state().usage.ok_or_else(silent)
    }

    /// What the workspace had written when it was last measured.
    pub(crate) fn disk_bytes(&self) -> Option<u64> {
        self.state().disk.bytes()
    }

    /// What is known, with the readings of the last `span`; and the minute under way. `live`: it runs, so that what was
    /// read last is the present.
    pub(super) fn stats(
        &self,
        id: &WorkspaceId,
        now: Instant,
        span: Duration,
        live: bool,
    ) -> (Stats, Option<Sample>) {
        let state = self.state();
        let usage = state.usage.filter(|_| live);
        let latest = state.history.latest().filter(|_| live);
        let disk_bytes = state.disk.bytes();
        let (received_total, sent_total) = self.traffic.sums();
        let stats = Stats {
            id: id.clone(),
            now: latest.map(|(_, sample)| Sample { disk_bytes, ..sample }),
            memory_limit: usage.and_then(|usage| usage.memory_limit),
            processes_limit: state.processes_limit.filter(|_| live),
            disk_limit: None,
            received_total,
            sent_total,
            out_of_memory_kills: usage.map_or(0, |usage| usage.out_of_memory_kills),
            samples: if span.is_zero() { Vec::new() } else { state.history.since(now, span) },
        };
        (stats, state.history.minute())
    }
}

impl State {
    /// Kills nobody has told of. They wait a moment: whoever follows the program that was killed says more.
    fn kills(&mut self, now: Instant, reply: &UsageReply) -> Option<(u64, Option<u64>)> {
        let kills = reply.out_of_memory_kills;
        let told = *self.kills_told.get_or_insert(kills);
        if kills <= told {
            self.kills_seen = None;
            return None;
        }
        let seen = *self.kills_seen.get_or_insert(now);
        if now.duration_since(seen) < TOLD_BY_OTHERS {
            return None;
        }
        self.kills_told = Some(kills);
        self.kills_seen = None;
        Some((kills - told, (reply.memory_limit > 0).then_some(reply.memory_limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(cpu_us: u64, kills: u64) -> UsageReply {
        UsageReply {
            cpu_us,
            memory_bytes: 7,
            memory_limit: 512,
            processes: 3,
            processes_limit: 64,
            out_of_memory_kills: kills,
            read_at_us: 0,
        }
    }

    #[test]
    fn an_answer_that_comes_late_makes_no_labour() {
        let (meter, begun) = (Meter::new(Arc::default()), Instant::now());
        let put = |arrived_ms: u64, read_at_us: u64, cpu_us: u64| {
            let at = begun + Duration::from_millis(arrived_ms);
            meter.put(at, arrived_ms, UsageReply { read_at_us, ..reply(cpu_us, 0) }, None);
            meter.stats(&"a".parse().unwrap(), at, SECOND, true).0.now.map(|sample| sample.cpu_percent)
        };
        assert_eq!(put(2_900, 1_000_000, 0), None, "read long before it arrived");
        assert_eq!(
            put(3_000, 3_000_000, 1_000_000),
            Some(50.0),
            "a second's work in two seconds, told 100 ms apart"
        );
        assert_eq!(put(4_000, 0, 1_500_000), Some(50.0), "not told: what passed here");
        assert_eq!(put(5_000, 1, 1_750_000), Some(25.0));
        assert_eq!(put(6_000, 0, 2_000_000), Some(25.0), "a clock that went back is no clock");
    }

    #[test]
    fn readings_come_each_second_while_watched_and_rarely_otherwise() {
        let (meter, begun) = (Meter::new(Arc::default()), Instant::now());
        assert_eq!(meter.wait(begun), Duration::ZERO, "at once");
        meter.put(begun, 0, reply(0, 0), None);
        assert_eq!(meter.wait(begun), SECOND, "one reading makes no rate");
        meter.put(begun + SECOND, 250, reply(0, 0), None);
        assert_eq!(meter.wait(begun + SECOND), ALONE);
        meter.state().ask(begun);
        assert_eq!(meter.wait(begun + SECOND), ALONE, "one question is only a look");
        meter.state().ask(begun + SECOND);
        assert_eq!(meter.wait(begun + SECOND), WATCHED);
        assert_eq!(meter.wait(begun + SECOND + WATCHING), Duration::from_secs(10));
    }

    #[test]
    fn a_rate_is_what_was_used_in_between() {
        let (meter, begun) = (Meter::new(Arc::default()), Instant::now());
        meter.put(begun, 0, reply(5_000_000, 0), None);
        meter.traffic().received(100);
        meter.put(begun + Duration::from_secs(2), 2000, reply(6_000_000, 0), None);
        let (stats, _) = meter.stats(&"a".parse().unwrap(), begun + Duration::from_secs(2), SECOND, true);
        let now = stats.now.unwrap();
        assert!((now.cpu_percent - 50.0).abs() < 0.001, "{now:?}");
        assert_eq!((now.span_ms, now.received_bytes, stats.received_total), (2000, 100, 100));
        assert_eq!((stats.memory_limit, stats.processes_limit), (Some(512), Some(64)));
        let (resting, _) = meter.stats(&"a".parse().unwrap(), begun, SECOND, false);
        assert_eq!((resting.now, resting.memory_limit), (None, None));
    }

    #[test]
    fn a_kill_is_told_once_and_not_when_others_told_it() {
        let (meter, begun) = (Meter::new(Arc::default()), Instant::now());
        let put = |second: u64, kills| {
            let at = begun + Duration::from_secs(second);
            meter.put(at, second * 1000, reply(0, kills), None).killed.map(|(count, _)| count)
        };
        assert_eq!(
            [put(0, 3), put(1, 3), put(2, 5), put(3, 5), put(4, 5), put(5, 5)],
            [None, None, None, None, Some(2), None]
        );
        assert_eq!(put(6, 6), None);
        meter.kills_told(6);
        assert_eq!([put(8, 6), put(9, 7), put(11, 7)], [None, None, Some(1)]);
        // Started again: the kernel counts from nothing.
        meter.connected(begun);
        assert_eq!([put(20, 0), put(21, 1), put(23, 1)], [None, None, Some(1)]);
    }
}
