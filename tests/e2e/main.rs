//! The app as a person uses it: the real window under a display of its own, driven by WebDriver, with the real Docker
//! daemon behind it. One module per subject; the harness is in `slipway_tests`.

#![expect(clippy::print_stdout, reason = "figures belong in the test log")]

mod carry;
mod drop;
mod ending;
mod frames;
mod hand;
mod host;
mod isolation;
mod keys;
mod kinds;
mod latency;
mod logs;
mod measures;
mod place;
mod second;
mod sync;
mod tabs;
mod terminals;
mod traffic;
mod tree;
