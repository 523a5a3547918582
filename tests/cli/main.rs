//! The command line as a person runs it, against the real Docker daemon. One module per subject; what they share is in
//! `house` and in `slipway_tests`.

mod deploy;
mod files;
mod house;
mod http;
mod life;
mod logs;
mod owner;
mod processes;
mod resources;
mod shell;
mod snapshot;
mod sync;
