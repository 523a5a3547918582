//! What is known of the Docker engine.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Problem, WorkspaceId};

/// Whether an engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EngineState {
    /// The first look is under way.
    Looking,
    /// One answers.
    Connected,
    /// None answers; the next look comes by itself.
    Absent,
}

/// A place that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LookedAt {
    /// Where it comes from, for people: `DOCKER_HOST`, `Docker context "desktop-linux"`, `Colima`.
    pub origin: String,
    /// Its address, such as `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// What came of it.
    pub outcome: String,
}

/// Something to know about an engine that works: an old version with a known hole, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Warning {
    /// What it is.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The workspace it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub workspace: Option<WorkspaceId>,
}

/// The Docker engine as Slipway sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct EngineStatus {
    /// Whether one answers.
    pub state: EngineState,
    /// Its address, once one answers.
    pub endpoint: Option<String>,
    /// What it calls itself: `Docker Engine`, `Podman Engine`.
    pub product: Option<String>,
    /// Its version, `29.1.0`.
    pub version: Option<String>,
    /// Operating system and architecture of the containers: `linux/amd64`.
    pub platform: Option<String>,
    /// Every place tried in the last look.
    pub looked_at: Vec<LookedAt>,
    /// Why none answers.
    pub problem: Option<Problem>,
    /// Known weaknesses of the one that does.
    pub warnings: Vec<Warning>,
}
