//! Words for people: sizes, times and messages.

use slipway_wire::{Level, Message};
use std::time::Duration;

/// `3.1 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `18 ms`, `0.94 s`, `6.2 s`, `3 min 5 s`, as the app and the command line say it; whole seconds without a decimal.
pub(crate) fn took(time: Duration) -> String {
    let ms = time.as_millis();
    let s = time.as_secs();
    if ms < 100 {
        format!("{ms} ms")
    } else if s == 0 {
        format!("{:.2} s", time.as_secs_f64())
    } else if s < 60 && time.subsec_millis() > 0 {
        format!("{:.1} s", time.as_secs_f64())
    } else if s < 120 {
        format!("{s} s")
    } else {
        format!("{} min {} s", s / 60, s % 60)
    }
}

/// Foreign text made fit for a sentence: one line, bounded, without the marks messages use.
pub(crate) fn sentence(text: &str) -> String {
    let clean: String =
        text.chars().filter(|c| !c.is_control() && *c != '`' && *c != '*').take(300).collect();
    clean.trim().to_owned()
}

/// A message with neither aside nor actions.
pub(crate) fn message(level: Level, text: impl Into<String>) -> Message {
    Message { level, text: text.into(), aside: None, hint: None, detail: None, actions: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(
            [bytes(0), bytes(999), bytes(1000), bytes(3_140_000), bytes(999_999)],
            ["0 B", "999 B", "1.0 kB", "3.1 MB", "1.0 MB"]
        );
        assert_eq!(took(Duration::from_millis(18)), "18 ms");
        assert_eq!(took(Duration::from_millis(940)), "0.94 s");
        assert_eq!(took(Duration::from_millis(12_680)), "12.7 s");
        assert_eq!(took(Duration::from_secs(90)), "90 s");
        assert_eq!(took(Duration::from_secs(185)), "3 min 5 s");
    }
}
