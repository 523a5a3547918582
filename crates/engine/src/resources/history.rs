//! Readings of one workspace over time: a ring of the last quarter of an hour, and the minute that is being made of
//! them. No clock: the caller says what time it is.

use slipway_wire::Sample;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long single readings are kept.
pub(crate) const KEPT: Duration = Duration::from_mins(15);
/// Readings kept at most: one a second for as long, and some for askers in between.
const MOST: usize = 1000;
const MINUTE_MS: u64 = 60_000;

/// The readings of one workspace.
#[derive(Default)]
pub(crate) struct History {
    readings: VecDeque<(Instant, Sample)>,
    minute: Option<Minute>,
}

/// A minute of the wall clock, as far as it has gone.
struct Minute {
    index: u64,
    span_ms: u64,
    cpu: f64,
    memory: f64,
    so_far: Sample,
}

impl History {
    /// Adds a reading. Gives the minute before it, once that is over.
    pub(crate) fn push(&mut self, now: Instant, sample: Sample) -> Option<Sample> {
        while self.readings.len() >= MOST
            || self.readings.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT)
        {
            self.readings.pop_front();
        }
        self.readings.push_back((now, sample));
        let index = sample.at_ms / MINUTE_MS;
        match &mut self.minute {
            Some(minute) if minute.index == index => {
                minute.add(sample);
                None
            }
            other => {
                other.replace(Minute::new(index, sample)).map(|over| over.row((over.index + 1) * MINUTE_MS))
            }
        }
    }

    /// The readings of the last `span`, oldest first.
    pub(crate) fn since(&self, now: Instant, span: Duration) -> Vec<Sample> {
        let recent = self.readings.iter().filter(|(at, _)| now.duration_since(*at) <= span);
        recent.map(|(_, sample)| *sample).collect()
    }

    /// The latest reading and when it was taken.
    pub(crate) fn latest(&self) -> Option<(Instant, Sample)> {
        self.readings.back().copied()
    }

    /// The minute under way, as far as it has gone.
    pub(crate) fn minute(&self) -> Option<Sample> {
        self.minute.as_ref().map(|minute| minute.row(minute.so_far.at_ms))
    }
}

impl Minute {
    fn new(index: u64, sample: Sample) -> Self {
        let span = sample.span_ms as f64;
        Self {
            index,
            span_ms: sample.span_ms,
            cpu: sample.cpu_percent * span,
            memory: sample.memory_bytes as f64 * span,
            so_far: sample,
        }
    }

    fn add(&mut self, sample: Sample) {
        let span = sample.span_ms as f64;
        self.span_ms += sample.span_ms;
        self.cpu += sample.cpu_percent * span;
        self.memory += sample.memory_bytes as f64 * span;
        let row = &mut self.so_far;
        row.at_ms = sample.at_ms;
        row.cpu_max_percent = row.cpu_max_percent.max(sample.cpu_max_percent);
        row.memory_max_bytes = row.memory_max_bytes.max(sample.memory_max_bytes);
        row.processes = row.processes.max(sample.processes);
        row.received_bytes += sample.received_bytes;
        row.sent_bytes += sample.sent_bytes;
        row.disk_bytes = sample.disk_bytes.or(row.disk_bytes);
    }

    /// Averages are weighted by how long each reading stands for.
    fn row(&self, at_ms: u64) -> Sample {
        let span = self.span_ms.max(1) as f64;
        Sample {
            at_ms,
            span_ms: self.span_ms,
            cpu_percent: self.cpu / span,
            memory_bytes: (self.memory / span) as u64,
            ..self.so_far
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64, span_ms: u64, cpu: f64, memory: u64) -> Sample {
        Sample {
            at_ms,
            span_ms,
            cpu_percent: cpu,
            cpu_max_percent: cpu,
            memory_bytes: memory,
            memory_max_bytes: memory,
            processes: 2,
            received_bytes: 10,
            sent_bytes: 1,
            disk_bytes: None,
        }
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        let begun = Instant::now();
        for second in 0..2000_u64 {
            let now = begun + Duration::from_secs(second);
            history.push(now, sample(second * 1000, 1000, 1.0, 1));
        }
        let now = begun + Duration::from_secs(1999);
        assert_eq!(history.since(now, Duration::from_hours(1)).len(), 901);
        let last = history.since(now, Duration::from_secs(10));
        assert_eq!((last.len(), last[0].at_ms), (11, 1_989_000));
        // Quicker than once a second: bounded by number.
        for _ in 0..5000 {
            history.push(now, sample(1_999_000, 1, 1.0, 1));
        }
        assert_eq!(history.since(now, KEPT).len(), MOST);
    }

    #[test]
    fn a_minute_is_averaged_by_time_and_keeps_its_peaks() {
        let mut history = History::default();
        let now = Instant::now();
        assert_eq!(history.push(now, sample(61_000, 1000, 100.0, 400)), None);
        assert_eq!(
            history.push(now, Sample { disk_bytes: Some(5), ..sample(64_000, 3000, 20.0, 800) }),
            None
        );
        let so_far = history.minute().unwrap();
        assert_eq!((so_far.at_ms, so_far.span_ms), (64_000, 4000));
        let row = history.push(now, sample(120_000, 15_000, 0.0, 0)).unwrap();
        assert_eq!((row.at_ms, row.span_ms), (120_000, 4000));
        assert!((row.cpu_percent - 40.0).abs() < 0.001, "{row:?}");
        assert!((row.cpu_max_percent - 100.0).abs() < 0.001, "{row:?}");
        assert_eq!((row.memory_bytes, row.memory_max_bytes), (700, 800));
        assert_eq!((row.received_bytes, row.sent_bytes, row.disk_bytes), (20, 2, Some(5)));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_another_minute() {
        let mut history = History::default();
        let now = Instant::now();
        history.push(now, sample(600_000, 1000, 1.0, 1));
        let row = history.push(now, sample(5_000, 1000, 1.0, 1)).unwrap();
        assert_eq!(row.at_ms, 660_000);
        assert_eq!(history.minute().unwrap().at_ms, 5_000);
    }
}
