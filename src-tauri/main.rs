//! Slipway's desktop. Parses, opens the window and hands over to the engine; holds no product state of its own.
//! `app` puts the parts together, `bridge` answers the interface, `window` and `preview` place the webviews.

mod app;
mod arguments;
mod bridge;
mod drag;
#[cfg(target_os = "linux")]
mod leftovers;
mod notify;
mod outside;
mod preview;
#[cfg(target_os = "linux")]
mod run_mark;
mod shutdown;
mod tray;
mod window;

use arguments::Arguments;
use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

fn main() -> ExitCode {
    let started = Instant::now();
    match start(started) {
        Ok(code) => code,
        Err(error) => {
            say(&mut io::stderr(), &format!("Slipway could not start: {error}."));
            ExitCode::FAILURE
        }
    }
}

fn start(started: Instant) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let paths = match arguments::parse(env::args_os().skip(1), &env::current_dir()?) {
        Arguments::Open(paths) => paths,
        Arguments::Help => {
            say(&mut io::stdout(), arguments::HELP);
            return Ok(ExitCode::SUCCESS);
        }
        Arguments::Version => {
            say(&mut io::stdout(), concat!("slipway-desktop ", env!("CARGO_PKG_VERSION")));
            return Ok(ExitCode::SUCCESS);
        }
        Arguments::Unknown(switch) => {
            say(
                &mut io::stderr(),
                &format!("There is no switch {switch}. `slipway-desktop --help` lists them."),
            );
            return Ok(ExitCode::from(2));
        }
    };
    #[cfg(target_os = "linux")]
    let _watcher = leftovers::start(&run_mark::set()?)?;
    app::run(paths, started)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints for people. A closed pipe is no reason to fail.
fn say(to: &mut dyn Write, text: &str) {
    let _ = writeln!(to, "{}", text.trim_end());
}
