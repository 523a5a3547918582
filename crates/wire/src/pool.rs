//! The warm pool: containers that wait for a deploy.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{NetworkProfile, Preset, WorkspaceId};

/// The pool as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PoolStatus {
    /// Most members at one time; how many there are follows what was deployed lately.
    pub size: u32,
    /// Those that wait now.
    pub members: Vec<PoolMember>,
    /// Deploys that found one ready, since this engine began.
    pub claimed: u64,
    /// Deploys that did not.
    pub missed: u64,
}

/// A container that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PoolMember {
    /// Its own id, which is also its label `slipway.workspace`.
    pub id: WorkspaceId,
    /// The base image.
    pub image: String,
    /// Its limits.
    pub preset: Preset,
    /// What it may reach.
    pub network: NetworkProfile,
    /// When it was made, Unix time in milliseconds.
    pub made_at_ms: u64,
}
