//! The app as a person uses it: the real window under a display of its own, driven by WebDriver, with the real Docker
//! daemon behind it. One module per subject; the harness is in `slipway_tests`.

#![expect(clippy::print_stdout, reason = "figures belong in the test log")]

mod drop;
mod ending;
mod hand;
mod isolation;
mod keys;
mod kinds;
mod logs;
mod measures;
mod place;
mod second;
mod sync;
mod tabs;
mod tree;
