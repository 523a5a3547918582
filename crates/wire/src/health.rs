//! How a workspace is, and whether its program is started again when it ends.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::WorkspaceId;

/// How a workspace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Nothing runs, or nothing that could be asked.
    #[default]
    None,
    /// It has not answered yet.
    Starting,
    /// It answers.
    Healthy,
    /// The container does not answer; what runs in it may be well.
    Degraded,
    /// The container answers and the program does not, or says that it is not well.
    Unhealthy,
    /// The program ended by itself.
    Crashed,
}

/// How a workspace is, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct Health {
    /// In a word.
    pub state: HealthState,
    /// Unix time in milliseconds since when.
    pub since_ms: u64,
    /// In a sentence: `port 3000 refuses connections`.
    pub why: Option<String>,
    /// The last lines of a program that crashed, or of the image's own check that failed.
    pub output: Option<String>,
    /// How often the program was started again by itself.
    pub restarts: u32,
}

/// Whether a program that ends is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// A person decides.
    #[default]
    Never,
    /// When it failed: another code than 0, a signal, a container that was ended.
    OnFailure,
    /// However it ended.
    Always,
}

/// Another restart policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RestartPolicyRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// From now on.
    pub policy: RestartPolicy,
}
