//! The arguments of `slipway logs`. Parsing only.

use crate::text;
use clap::{Args, ValueEnum};
use slipway_wire::LogLevel;
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// What `slipway logs --help` shows below the options.
pub(crate) const EXAMPLES: &str = "Examples:
  slipway logs shop                          everything that is kept
  slipway logs shop -f --tail 20             the last lines, and what comes
  slipway logs shop --level warn --since 10m
  slipway logs shop --process worker --grep 'timeout|refused'
  slipway logs shop --json | jq -r .message
  slipway logs shop --export shop.log        also of a workspace that was deleted lately, by its whole id

Install, build, the program, a Procfile's other programs and what exec --detach started are kept line by line, up to the
setting log_limit_mb for each workspace; terminals are not. A line's level is read from its text; one that does not tell
is info. Where lines are missing, a note on standard error says so.

Exit codes: 0 printed; 1 failed, or --grep found nothing; 6 no such workspace or program; 130 interrupted";

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The workspace: its id, the beginning of it, or its name; one that was deleted lately by its whole id
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Go on as more is printed
    #[arg(short, long, conflicts_with_all = ["export", "until"])]
    pub(crate) follow: bool,
    /// Only this program, by name or id: install, build, dev
    #[arg(long, value_name = "NAME")]
    pub(crate) process: Option<String>,
    /// Not older: 90s, 10m, 2h ago, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<u64>,
    /// Not newer, written the same way
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<u64>,
    /// Of this level or above
    #[arg(long)]
    pub(crate) level: Option<LevelArg>,
    /// Only lines in which this regular expression is found; (?i) at its start ignores case
    #[arg(long, value_name = "PATTERN")]
    pub(crate) grep: Option<String>,
    /// The last so many lines, at most 10000
    #[arg(short = 'n', long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) tail: Option<u32>,
    /// Say when each line was printed
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Write to this file instead, whole or not at all
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LevelArg {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl From<LevelArg> for LogLevel {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Trace => Self::Trace,
            LevelArg::Debug => Self::Debug,
            LevelArg::Info => Self::Info,
            LevelArg::Warn => Self::Warn,
            LevelArg::Error => Self::Error,
            LevelArg::Fatal => Self::Fatal,
        }
    }
}

/// Unix time in milliseconds: so long ago, or a moment.
fn moment(text: &str) -> Result<u64, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(text::now_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)));
    }
    let at: SystemTime = humantime::parse_rfc3339_weak(text)
        .map_err(|_| "write 90s, 10m or 2h for so long ago, or a time such as 2026-01-31T12:00:00Z")?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| "it is before 1970")?;
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let ago = moment("10m").unwrap();
        assert!((590_000..=610_000).contains(&(text::now_ms() - ago)));
        assert_eq!(moment("1970-01-01T00:00:05Z"), Ok(5000));
        assert_eq!(moment("1970-01-01 00:01:00"), Ok(60_000));
        assert!(moment("yesterday").is_err() && moment("1960-01-01T00:00:00Z").is_err());
    }
}
