//! Events: everything that changes, numbered so that a client that reconnects can ask for what it missed.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    EgressEntry, EngineStatus, LiveSync, Process, Settings, Snapshot, SnapshotId, TerminalLayout, Workspace,
    WorkspaceId,
};

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Event {
    /// Counts up by one within the life of an owner.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// The workspace it is about, if one.
    pub workspace: Option<WorkspaceId>,
    /// What changed.
    pub body: EventBody,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum EventBody {
    /// Events before this one are no longer kept: read the state again.
    Gap,
    /// The Docker engine came, went or changed.
    Engine(EngineStatus),
    /// A workspace is new or changed.
    Workspace(Box<Workspace>),
    /// A workspace is gone from the list.
    Removed,
    /// Something to tell a person.
    Message(Message),
    /// An outgoing connection was tried, decided or ended.
    Egress(EgressEntry),
    /// A process started or ended.
    Process(Process),
    /// The terminals of a workspace were arranged anew, or named.
    Terminals(Box<TerminalLayout>),
    /// Settings were changed.
    Settings(Box<Settings>),
    /// A snapshot is new or changed, or what is under way with it has come further.
    Snapshot(Box<Snapshot>),
    /// A snapshot is gone from the list.
    SnapshotRemoved(SnapshotId),
    /// A sync is new, has come further, or has stopped.
    Sync(Box<LiveSync>),
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something went as it should.
    Ok,
    /// Worth knowing.
    Info,
    /// A question that waits for an answer.
    Ask,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

/// A human sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Message {
    /// How much it matters.
    pub level: Level,
    /// The sentence. `**bold**` and `` `code` `` are the only markup.
    pub text: String,
    /// A short aside: `18 ms`.
    pub aside: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// More, shown on request.
    pub detail: Option<String>,
    /// What can be done about it with one click.
    pub actions: Vec<MessageAction>,
}

/// What can be done about a message with one click.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MessageAction {
    /// Decide about a host the program wants to reach.
    DecideHost {
        /// The host.
        host: String,
    },
    /// Show why the plan was chosen.
    ShowPlan,
    /// Extend the lease.
    Extend,
    /// Show the transcript of a process.
    ShowProcess {
        /// The process.
        process: crate::ProcessId,
    },
}
