//! The nouns that cross a boundary: the commands table, what commands take and give, events, problems and the
//! terminal frame. Plain data with serde and TypeScript bindings; no behaviour, no I/O, no Docker, no clock.

mod commands;
mod deploy;
mod engine;
mod event;
mod everyone;
mod files;
mod frame;
mod health;
mod ids;
mod listing;
mod logs;
mod network;
mod pool;
mod problem;
mod process;
mod resources;
mod settings;
mod snapshot;
mod sync;
mod terminals;
mod typescript;
mod workspace;

pub use commands::{Api, COMMANDS, Client, CommandInfo, Transport, dispatch};
pub use deploy::{
    DeployRequest, Inspection, Phase, PhaseName, PhaseState, Plan, PlanStep, RedeployRequest, Source,
};
pub use engine::{EngineState, EngineStatus, LookedAt, Warning};
pub use event::{Event, EventBody, Level, Message, MessageAction};
pub use everyone::{ContainerProcess, KillRequest, Killed, ProcessTree, TreeRequest};
pub use files::{
    DigestFile, DirectoryEntry, DirectoryListing, FileChange, FileChanges, FileDigest, FileEntry, FileKind,
    FileRef, FileText, Mkdir, RemoveFile, RemovedFile, RenameFile, WatchFiles, WriteText, shown_name,
};
pub use frame::{Frame, FrameError, FrameKind, MAX_FRAME};
pub use health::{Health, HealthState, RestartPolicy, RestartPolicyRequest};
pub use ids::{ProcessId, SnapshotId, SyncId, WorkspaceId};
pub use listing::{WorkspacePage, WorkspaceQuery, WorkspaceRow, WorkspaceSort};
pub use logs::{LogGap, LogLevel, LogPage, LogQuery, LogRecord, LogStream};
pub use network::{EgressEntry, EgressRule, EgressVerdict};
pub use pool::{PoolMember, PoolStatus};
pub use problem::{Code, Problem};
pub use process::{OpenProcess, Process, ProcessExit, ProcessRef, ProcessRole, Resize, Signal, WindowSize};
pub use resources::{Limits, LimitsRequest, Sample, Stats, StatsRequest, StatsResolution};
pub use settings::{IntakeLimits, Settings, Theme};
pub use snapshot::{
    Snapshot, SnapshotCreate, SnapshotEdit, SnapshotExport, SnapshotFile, SnapshotImport, SnapshotProgress,
    SnapshotRef, SnapshotStart, SnapshotState, SnapshotWork,
};
pub use sync::{LiveSync, SyncAct, SyncChange, SyncPreview, SyncRef, SyncStart, SyncState};
pub use terminals::{ArrangeTerminals, RestartProcess, TerminalLayout, TerminalTab};
pub use typescript::typescript;
pub use workspace::{
    Lease, LeaseChange, LeaseRequest, NetworkProfile, Port, Preset, Usage, Workspace, WorkspaceRef,
    WorkspaceRename, WorkspaceState,
};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The request or reply of a command that needs none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Nothing {}
