//! Processes of a workspace that have a transcript: the plan's phases, the program, terminals.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

use crate::{ProcessId, WorkspaceId};

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessRole {
    /// Installs dependencies.
    Install,
    /// Builds.
    Build,
    /// The program itself, or another of its processes.
    App,
    /// A person's terminal.
    Terminal,
    /// A program a person ran without a terminal.
    Exec,
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WindowSize {
    /// 1 to 1,000.
    pub columns: u16,
    /// 1 to 1,000.
    pub rows: u16,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ProcessExit {
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Process {
    /// Its id within the workspace.
    pub id: ProcessId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// A short name: `dev`, `install`, `sh`.
    pub name: String,
    /// What it is for.
    pub role: ProcessRole,
    /// The command as a person would type it.
    pub command: String,
    /// It has a terminal.
    pub terminal: bool,
    /// Bytes it wrote so far.
    pub bytes: u64,
    /// How it ended; absent while it runs.
    pub exit: Option<ProcessExit>,
}

/// A process in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ProcessRef {
    /// The workspace.
    pub id: WorkspaceId,
    /// The process.
    pub process: ProcessId,
}

/// Start a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OpenProcess {
    /// The workspace.
    pub id: WorkspaceId,
    /// The command; empty for the image's shell.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Where it starts; the project's folder without it.
    #[serde(default)]
    #[ts(optional)]
    pub cwd: Option<String>,
    /// Added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A terminal of this size; without it pipes.
    #[serde(default)]
    #[ts(optional)]
    pub terminal: Option<WindowSize>,
    /// With pipes: standard input comes from whoever attaches.
    #[serde(default)]
    pub stdin: bool,
    /// A short name for people.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
}

/// Change a terminal's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resize {
    /// The workspace.
    pub id: WorkspaceId,
    /// The process.
    pub process: ProcessId,
    /// The new size.
    pub size: WindowSize,
}

/// Send a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Signal {
    /// The workspace.
    pub id: WorkspaceId,
    /// The process.
    pub process: ProcessId,
    /// Its number, 1 to 64.
    pub signal: i32,
    /// The process and everything it started.
    #[serde(default)]
    pub tree: bool,
}
