//! Live sync: a folder of this machine and a folder of a workspace, kept alike.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Problem, SyncId, WorkspaceId};

/// Where a sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// Both folders are compared as a whole.
    Scanning,
    /// Changes are on their way.
    Syncing,
    /// Both are alike so far as they are synced; changes are waited for.
    Watching,
    /// The workspace is not running, or the folder is not there: it goes on by itself when it is.
    Waiting,
    /// Something is in the way that a person must mend.
    Halted,
    /// It was stopped, or was to be done once and is. What both held last is remembered for the next time.
    Stopped,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SyncAct {
    /// A file, folder or link was written.
    Written,
    /// It was removed.
    Removed,
    /// Both sides had changed it: the workspace's version was kept beside it under another name.
    Conflict,
    /// It could not be done, or may not be.
    LeftOut,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SyncChange {
    /// Counts up by one within the life of an owner.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// The path below the folder, as people see it.
    pub path: String,
    /// It went into the workspace; else out of it.
    pub inward: bool,
    /// What happened.
    pub act: SyncAct,
    /// The other name of a conflict, or why it was left out.
    pub detail: Option<String>,
}

/// A sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LiveSync {
    /// Its id: the same for the same folder, workspace and place in it.
    pub id: SyncId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The folder of this machine, absolute.
    pub dir: String,
    /// The folder in the workspace, absolute.
    pub root: String,
    /// Changes in the workspace come here too.
    pub both: bool,
    /// Where it stands.
    pub state: SyncState,
    /// Files, folders and links that are the same on both sides.
    pub entries: u64,
    /// Changes that went into the workspace since the owner began with it.
    pub sent: u64,
    /// Changes that came out of it.
    pub received: u64,
    /// Versions kept beside the others.
    pub conflicts: u64,
    /// Changes that have not arrived yet.
    pub waiting: u64,
    /// Paths that cannot be synced now, at most 100, with the reason.
    pub left_out: Vec<SyncChange>,
    /// The latest changes, oldest first, at most 200.
    pub recent: Vec<SyncChange>,
    /// Why it waits or is halted.
    pub problem: Option<Problem>,
}

/// Which folders to keep alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SyncStart {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The folder of this machine, absolute.
    pub dir: String,
    /// The folder in the workspace, absolute; absent: the project's.
    #[serde(default)]
    pub root: Option<String>,
    /// Changes in the workspace come here too.
    #[serde(default)]
    pub both: bool,
    /// Stop when both are alike for the first time.
    #[serde(default)]
    pub once: bool,
}

/// A sync by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SyncRef {
    /// The sync.
    pub id: SyncId,
}

/// What a sync would do first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SyncPreview {
    /// At most 1,000 changes, in the order in which they would be made.
    pub changes: Vec<SyncChange>,
    /// Changes in all.
    pub total: u64,
}
