//! The program every Slipway container starts with: PID 1 (`init`), the bridge a `docker exec` runs (`connect`),
//! what carries a large file (`lane`), the container's names (`hosts`), and a static web server (`static`). Only argument parsing and dispatch live here; nothing below prints but the web server.

mod arguments;
mod connect;
mod dial;
mod egress;
mod files;
mod hosts;
mod init;
mod lane;
mod listener;
mod mirror;
mod ports;
mod process;
mod procfs;
mod reaper;
mod relay;
mod service;
mod signals;
mod stdio;
mod sys;
mod unpack;
mod usage;
mod website;

use std::io::Write as _;
use std::process::ExitCode;

use arguments::Invocation;

fn main() -> ExitCode {
    let outcome = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Init(options)) => init::run(&options),
        Ok(Invocation::Connect { socket }) => connect::run(&socket),
        Ok(Invocation::Lane { way, path }) => lane::run(way, &path),
        Ok(Invocation::Hosts) => hosts::ensure(std::path::Path::new(hosts::PATH)),
        Ok(Invocation::Static(options)) => website::run(&options),
        Ok(Invocation::Version) => say(concat!(env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Invocation::Help) => say(arguments::USAGE),
        Err(wrong) => {
            complain(&format!("{wrong}\n\n{}", arguments::USAGE));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            complain(&format!("slipway-agent: {failed}\n"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

/// Standard error is all there is to complain to; when that is closed as well, the exit code has to do.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
