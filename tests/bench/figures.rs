//! Samples and how they are printed: median and spread, and the ratio of two medians.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::time::Duration;

/// What a run measured, in milliseconds.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }

    /// The value below which this part of the samples lies.
    pub(crate) fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 - 1.0) * part).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub(crate) fn print(&self, name: &str) {
        println!(
            "{name:<44} median {:>9.2} ms   min {:>9.2}   p99 {:>9.2}   max {:>9.2}   n {}",
            self.median(),
            self.at(0.0),
            self.at(0.99),
            self.at(1.0),
            self.count()
        );
    }
}

pub(crate) fn ratio(name: &str, ours: &Samples, theirs: &Samples, bar: f64) {
    println!("{name:<44} {:.2}  (bar: at most {bar})", ours.median() / theirs.median());
}

pub(crate) fn figure(name: &str, value: f64, unit: &str, bar: &str) {
    println!("{name:<44} {value:>9.2} {unit}  (bar: {bar})");
}

/// What it was measured on.
pub(crate) fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{cores} cores, load {load} at the beginning, {profile} build\n");
}
