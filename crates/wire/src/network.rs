//! Outgoing connections of a workspace.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::WorkspaceId;

/// What was decided about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EgressVerdict {
    /// A person is being asked.
    Asked,
    /// Let through.
    Allowed,
    /// Refused.
    Blocked,
}

/// One outgoing connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct EgressEntry {
    /// Unique within the workspace.
    pub id: String,
    /// Unix time in milliseconds when it was tried.
    pub at_ms: u64,
    /// The host asked for.
    pub host: String,
    /// The port asked for.
    pub port: u16,
    /// What was decided.
    pub verdict: EgressVerdict,
    /// Why: `package registry`, `private address`, `not on the allowlist`.
    pub reason: String,
    /// Bytes sent out so far.
    pub sent: u64,
    /// Bytes received so far.
    pub received: u64,
    /// Milliseconds it lasted; absent while open.
    pub elapsed_ms: Option<u64>,
}

/// A decision about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct EgressRule {
    /// The workspace.
    pub id: WorkspaceId,
    /// The host, or `*.example.org` for all below it.
    pub host: String,
    /// Let it through.
    pub allow: bool,
    /// For the next connection only.
    #[serde(default)]
    pub once: bool,
}
