//! A workspace as a skin sees it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Health, Phase, Plan, Problem, RestartPolicy, SnapshotId, WorkspaceId};

/// The life of a workspace.
///
/// ```text
///            deploy                    ready           pause
///  (none) ----------> creating ------------------> running <--> paused
///                        |  \                        |   ^  resume  | stop
///                 failure|   \cancel, failure        |stop\         |
///                        v    v                      v     \        v
///                     terminated  failed ---------> stopped (start, redeploy)
///                        |          |  stop            |
///                        +----------+------------------+----> deleted
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceState {
    /// Being deployed.
    Creating,
    /// Its program runs.
    Running,
    /// Everything in it stands still, in memory, and so does its lease's clock.
    Paused,
    /// A phase failed; the container is there for a look.
    Failed,
    /// Its container is stopped; files are kept.
    Stopped,
    /// Its container is gone (removed by somebody else, or never made).
    Terminated,
    /// Deleted by a person or at the end of its lease.
    Deleted,
}

/// Memory and CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// 512 MiB, 512 CPU shares.
    Small,
    /// 2 GiB, 1,024 CPU shares.
    #[default]
    Medium,
    /// 4 GiB, two cores.
    Large,
}

/// What a container may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkProfile {
    /// No network; outgoing connections pass Slipway's allowlist.
    #[default]
    Strict,
    /// Docker's bridge network, default capabilities, root allowed. A person's own choice.
    Open,
}

/// A port the workspace listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Bound to the container's own loopback only. That is fine here.
    pub loopback: bool,
    /// Where it can be seen on this machine.
    pub url: String,
}

/// How long it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Lease {
    /// Unix time in milliseconds when it is stopped; absent: kept, or its clock stands still.
    pub expires_at_ms: Option<u64>,
    /// Seconds it was given in all; absent: kept.
    pub duration_s: Option<u64>,
    /// Milliseconds it had left when its clock was stopped; absent: the clock runs, or it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub remaining_ms: Option<u64>,
    /// Unix time in milliseconds when it is deleted: its lease has ended, and until then it can be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub deleted_at_ms: Option<u64>,
}

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Workspace {
    /// Its id, part of its URLs.
    pub id: WorkspaceId,
    /// Its name, for people.
    pub name: String,
    /// Where it stands.
    pub state: WorkspaceState,
    /// The base image.
    pub image: String,
    /// The plan it runs, once known.
    pub plan: Option<Plan>,
    /// The deploy, phase by phase.
    pub phases: Vec<Phase>,
    /// Milliseconds from the drop to the first answer; absent until then.
    pub ready_ms: Option<u64>,
    /// Why it failed or ended.
    pub problem: Option<Problem>,
    /// Where its page is, once it listens.
    pub url: Option<String>,
    /// Everything it listens on.
    pub ports: Vec<Port>,
    /// How long it lives.
    pub lease: Lease,
    /// Where its files are in the container.
    pub root: String,
    /// Unix time in milliseconds.
    pub created_at_ms: u64,
    /// Memory and CPU.
    pub preset: Preset,
    /// What it may reach.
    pub network: NetworkProfile,
    /// How it is.
    #[serde(default)]
    pub health: Health,
    /// Whether its program is started again when it ends.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// The snapshot it was started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub snapshot: Option<SnapshotId>,
    /// The folder of this machine its files were last taken from, absolute: what a sync would keep in step with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub folder: Option<String>,
}

/// A workspace by id, or by the unambiguous beginning of an id, or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WorkspaceRef {
    /// The workspace.
    pub id: WorkspaceId,
}

/// Another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WorkspaceRename {
    /// The workspace.
    pub id: WorkspaceId,
    /// 1 to 80 characters.
    pub name: String,
}

/// Another lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LeaseRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// What to do with it.
    pub change: LeaseChange,
}

/// What to do with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LeaseChange {
    /// Move its end by this many seconds.
    Extend {
        /// 1 second to 30 days.
        seconds: u64,
    },
    /// End this many seconds from now.
    Set {
        /// 1 minute to 30 days.
        seconds: u64,
    },
    /// No end.
    Keep,
    /// Stop the clock and everything in the container; what is left of the lease is kept.
    Pause,
    /// Go on with what was left.
    Resume,
    /// End it now.
    Expire,
}

/// What a workspace uses, now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Usage {
    /// CPU over the last interval, percent of one core.
    pub cpu_percent: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of memory it may use; absent: no limit.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub processes: u32,
    /// Processes ended because memory ran out.
    pub out_of_memory_kills: u64,
}
