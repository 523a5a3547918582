//! The arguments of the commands about a workspace's processes. Parsing only.

use super::duration;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// What `slipway exec --help` shows below the options.
pub(crate) const EXEC: &str = "Examples:
  slipway exec shop -- npm test
  slipway exec shop --cwd /workspace/api --env DEBUG=1 -- node check.js
  slipway exec shop --timeout 30s -- ./slow.sh      124 when it takes longer; all it started is ended
  tar c src | slipway exec shop -- tar x -C /tmp
  slipway exec shop --detach -- ./worker            goes on by itself; read it with: slipway logs shop --process worker

There is no terminal: bytes pass as they are both ways, standard error stays apart. For a shell or a program that wants a
terminal: slipway shell. On this terminal only text and colours of it are shown; redirect it for the bytes.

Exit codes: the command's own; 128 + n when signal n ended it; 124 after --timeout; 127 when there is no such command;
6 no such workspace";

/// What `slipway top --help` shows below the options.
pub(crate) const TOP: &str = "Examples:
  slipway top shop
  slipway top shop --watch
  slipway top shop --sort memory
  slipway top shop --json | jq '.processes[] | select(.ports | length > 0)'

Every process of the container, whoever started it. CPU is of one core over the last half second (with --watch the last
second); PORTS are TCP ports it listens on. Control characters in names and arguments are shown escaped.";

/// What `slipway kill --help` shows below the options.
pub(crate) const KILL: &str = "Examples:
  slipway top shop
  slipway kill shop 42
  slipway kill shop 42 --signal HUP
  slipway kill shop 42 --tree --signal KILL     it and all that descends from it, until none is left

The first process (1) keeps the workspace running and is never signalled: slipway stop.

Exit codes: 0 signalled; 1 not allowed, or failed; 6 no such workspace or process";

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Where to start; the project's folder without it
    #[arg(long, value_name = "PATH")]
    pub(crate) cwd: Option<String>,
    /// Add to the environment
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<String>,
    /// End it and all it started after this time: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "detach")]
    pub(crate) timeout: Option<Duration>,
    /// Return at once and print its id; it goes on, and what it prints is in the log
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Again each second, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Print JSON; with --watch a line each second
    #[arg(long)]
    pub(crate) json: bool,
    /// The most first, in place of the tree
    #[arg(long)]
    pub(crate) sort: Option<SortArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    Cpu,
    Memory,
}

#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Numbers that `slipway top` shows
    #[arg(value_name = "PID", required = true)]
    pub(crate) pids: Vec<u32>,
    /// The signal, by name or number
    #[arg(short, long, default_value = "TERM", value_parser = signal)]
    pub(crate) signal: i32,
    /// Each with all that descends from it
    #[arg(short, long)]
    pub(crate) tree: bool,
}

/// Signals by name, as Linux numbers them in every container.
const SIGNALS: [(&str, i32); 17] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("TRAP", 5),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("WINCH", 28),
];

fn signal(text: &str) -> Result<i32, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let number = number.or_else(|| name.parse().ok().filter(|number| (1..=64).contains(number)));
    number
        .ok_or_else(|| "write TERM, KILL, HUP, INT, USR1, USR2, STOP, CONT, or a number from 1 to 64".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [("TERM", 15), ("sigkill", 9), ("Hup", 1), ("64", 64), ("9", 9)] {
            assert_eq!(signal(text), Ok(number), "{text}");
        }
        for wrong in ["", "0", "65", "SIGSIG", "-9", "KILLL"] {
            assert!(signal(wrong).is_err(), "{wrong}");
        }
    }
}
