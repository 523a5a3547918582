//! Every process of a container, and signals by number.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ProcessId, WorkspaceId};

/// Ask for a container's processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TreeRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// Over how long processor time is measured, milliseconds, at most 5,000; half a second without it.
    #[serde(default)]
    #[ts(optional)]
    pub sample_ms: Option<u32>,
}

/// A process of a container, whoever started it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ContainerProcess {
    /// Its number in the container.
    pub pid: u32,
    /// Its parent's number; 0 for the first.
    pub parent: u32,
    /// Its user's name, or number where it has none.
    pub user: String,
    /// The kernel's letter: R running, S asleep, D waiting for a device, T stopped, Z ended.
    pub state: String,
    /// Of one processor, over the sample.
    pub cpu_percent: f64,
    /// Processor time used since it began, milliseconds.
    pub cpu_ms: u64,
    /// Memory it holds, bytes.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// How long ago it began, milliseconds.
    pub age_ms: u64,
    /// TCP ports it listens on.
    pub ports: Vec<u16>,
    /// Its short name.
    pub name: String,
    /// What it was started with, arguments parted by spaces, control characters escaped; at most 1,000 characters.
    pub command: String,
    /// The process with a transcript that it descends from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub process: Option<ProcessId>,
    /// With `pid` this names the process for good, also when its number is given to another.
    pub born: u64,
}

/// The processes of a container, ascending by number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ProcessTree {
    /// At most 4,096.
    pub processes: Vec<ContainerProcess>,
    /// There are more.
    pub cut: bool,
}

/// Signal a process by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct KillRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// The process; never the first one, which keeps the workspace running.
    pub pid: u32,
    /// The signal's number, 1 to 64.
    pub signal: i32,
    /// With all that descends from it; KILL goes on until none is left.
    #[serde(default)]
    pub tree: bool,
    /// Refuse when the number is another process's by now.
    #[serde(default)]
    #[ts(optional)]
    pub born: Option<u64>,
}

/// What came of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Killed {
    /// Processes that were signalled.
    pub signalled: u32,
}
