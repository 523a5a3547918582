//! Snapshots: the file system of a workspace, kept as an image under a name, and as one file to take elsewhere.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

use crate::{NetworkProfile, Plan, Preset, RestartPolicy, SnapshotId, WorkspaceId};

/// Where a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// Being taken of a workspace, or read from a file. It is gone again when that fails.
    Making,
    /// Can be started, exported and deleted.
    Ready,
    /// Something other than Slipway removed its image. It can only be deleted.
    Gone,
}

/// What is under way with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotWork {
    /// It is taken of a workspace, which stands still meanwhile. Docker does not say how far it is.
    Take,
    /// It is written to a file.
    Export,
    /// The file is read and checked.
    Check,
    /// It is given to the Docker engine.
    Import,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotProgress {
    /// What is under way.
    pub work: SnapshotWork,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, about; absent: not known.
    pub total: Option<u64>,
    /// The file, for exports and imports.
    pub path: Option<String>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its name, for people; no two have the same.
    pub name: String,
    /// What a person wrote about it; may be empty.
    pub note: String,
    /// Where it stands.
    pub state: SnapshotState,
    /// What is under way with it, and how far that is.
    pub progress: Option<SnapshotProgress>,
    /// Unix time in milliseconds when it was taken; for an imported one, where it was taken.
    pub created_at_ms: u64,
    /// It came from a file.
    pub imported: bool,
    /// The workspace it was taken of, which may be gone; absent for an imported one.
    pub workspace: Option<WorkspaceId>,
    /// What that workspace was called.
    pub workspace_name: String,
    /// The base image of that workspace.
    pub image: String,
    /// How it is started.
    pub plan: Option<Plan>,
    /// Where the project's files are in it.
    pub root: String,
    /// Where it will probably listen.
    pub port: Option<u16>,
    /// Memory and CPU it is started with.
    pub preset: Preset,
    /// What it may reach when it is started.
    pub network: NetworkProfile,
    /// Size of the image in bytes, parts it shares with others included; 0: not known.
    pub bytes: u64,
    /// The workspaces that were started from it and are still there. It cannot be deleted before them.
    pub used_by: Vec<WorkspaceId>,
}

/// A snapshot by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotRef {
    /// The snapshot.
    pub id: SnapshotId,
}

/// Take a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotCreate {
    /// Of this workspace: running, paused or stopped.
    pub workspace: WorkspaceId,
    /// 1 to 80 characters; the workspace's name, perhaps with a number, without it.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// At most 2,000 characters.
    #[serde(default)]
    pub note: String,
    /// Take it although the Docker engine's disk is nearly full.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub force: bool,
}

/// Another name or note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotEdit {
    /// The snapshot.
    pub id: SnapshotId,
    /// 1 to 80 characters; as it is without it.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// At most 2,000 characters; as it is without it.
    #[serde(default)]
    #[ts(optional)]
    pub note: Option<String>,
}

/// Start a workspace from a snapshot. What is absent is as it was in the workspace it was taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotStart {
    /// The snapshot.
    pub id: SnapshotId,
    /// The new workspace's name; the snapshot's without it.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Seconds until it is stopped; 0 keeps it. The setting decides without it.
    #[serde(default)]
    #[ts(optional)]
    pub duration_s: Option<u64>,
    /// Added to the environment of every process.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Memory and CPU.
    #[serde(default)]
    #[ts(optional)]
    pub preset: Option<Preset>,
    /// What the container may reach; strict without it for one that was imported.
    #[serde(default)]
    #[ts(optional)]
    pub network: Option<NetworkProfile>,
    /// Whether its program is started again when it ends.
    #[serde(default)]
    #[ts(optional)]
    pub restart: Option<RestartPolicy>,
    /// Make it although this machine is short of memory or disk.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub force: bool,
}

/// Write a snapshot to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotExport {
    /// The snapshot.
    pub id: SnapshotId,
    /// The file on this machine, absolute; its folder must be there.
    pub path: String,
    /// Replace a file of that name.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub overwrite: bool,
}

/// What an export wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotFile {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// Read a snapshot from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SnapshotImport {
    /// The file on this machine, absolute.
    pub path: String,
    /// Another name than the file says; a number is added to a name that is taken.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Read it although the Docker engine's disk is nearly full.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub force: bool,
}
