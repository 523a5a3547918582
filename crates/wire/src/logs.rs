//! What a workspace's programs printed, line by line: numbered, with a level, kept on disk. Plain text: escape sequences
//! never come in here.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ProcessId, WorkspaceId};

/// How much a line matters, as far as its text tells. A line that does not tell is `info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For whoever works on the program.
    Debug,
    /// Worth knowing; also what says nothing of itself.
    #[default]
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
    /// The program cannot go on.
    Fatal,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LogStream {
    /// A program's terminal: standard output and standard error together.
    Terminal,
    /// Standard output of a program without a terminal.
    Stdout,
    /// Standard error of a program without a terminal.
    Stderr,
    /// Slipway itself: a program began, ended, or some of its output is missing.
    Slipway,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LogRecord {
    /// Counts up by one within a workspace, over restarts of Slipway too.
    pub seq: u64,
    /// When Slipway read it, Unix time in milliseconds.
    pub at_ms: u64,
    /// How much it matters.
    pub level: LogLevel,
    /// The program's short name: `dev`, `install`, `worker`.
    pub process: String,
    /// The program's id within the workspace.
    pub process_id: ProcessId,
    /// Where it came from.
    pub stream: LogStream,
    /// The line without colours and control characters, at most 16 KiB.
    pub message: String,
    /// The same with its colours (SGR sequences and nothing else), when it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub coloured: Option<String>,
    /// The line was longer: its rest is not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub cut: bool,
    /// So many bytes of the program's output are missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub missing_bytes: Option<u64>,
}

/// Ask for a part of a workspace's log, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LogQuery {
    /// The workspace; one that was deleted lately will do.
    pub id: WorkspaceId,
    /// Only lines numbered higher; a client that reconnects names `next` of its last page.
    #[serde(default)]
    #[ts(optional)]
    pub after: Option<u64>,
    /// Only lines numbered lower; with `tail` what is just before a line.
    #[serde(default)]
    #[ts(optional)]
    pub before: Option<u64>,
    /// The last so many lines that fit, at most 10,000, in place of the first ones after `after`.
    #[serde(default)]
    #[ts(optional)]
    pub tail: Option<u32>,
    /// Not older, Unix time in milliseconds.
    #[serde(default)]
    #[ts(optional)]
    pub since_ms: Option<u64>,
    /// Not newer, Unix time in milliseconds.
    #[serde(default)]
    #[ts(optional)]
    pub until_ms: Option<u64>,
    /// Of this level or above.
    #[serde(default)]
    #[ts(optional)]
    pub level: Option<LogLevel>,
    /// Only this program, by name or id.
    #[serde(default)]
    #[ts(optional)]
    pub process: Option<String>,
    /// Only lines in which this regular expression is found, at most 1,000 bytes.
    #[serde(default)]
    #[ts(optional)]
    pub grep: Option<String>,
    /// Lines wanted, 1 to 10,000; 1,000 without it. A page also ends after a megabyte.
    #[serde(default)]
    #[ts(optional)]
    pub limit: Option<u32>,
    /// When nothing is there yet, wait so long for it, milliseconds, at most 10,000.
    #[serde(default)]
    #[ts(optional)]
    pub wait_ms: Option<u64>,
}

/// Lines that are no longer kept, or never were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LogGap {
    /// The first number that is missing.
    pub from: u64,
    /// The first number that is there again.
    pub to: u64,
}

/// A part of a workspace's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LogPage {
    /// The lines that fit the question.
    pub records: Vec<LogRecord>,
    /// The number looked at last: ask again with `after` set to it.
    pub next: u64,
    /// Lines after `after` that the cap on disk has dropped.
    #[serde(default)]
    #[ts(optional)]
    pub gap: Option<LogGap>,
    /// There is more to look at right now. With `tail`: older lines may fit that were not looked for.
    pub more: bool,
    /// More may come: the workspace has not ended.
    pub live: bool,
}
