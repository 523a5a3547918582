//! What went wrong, as people and programs outside the engine see it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What somebody may branch on. A code exists only if a skin, a script or a test does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No Docker engine answered anywhere.
    DockerAbsent,
    /// A Docker engine is there but this user may not talk to it.
    DockerDenied,
    /// The engine went away during the work.
    DockerLost,
    /// The registry has no such image or tag.
    ImageNotFound,
    /// The registry cannot be reached.
    ImageUnreachable,
    /// The registry refuses us.
    ImageDenied,
    /// No space left, on the host or at the Docker engine.
    DiskFull,
    /// The zip or folder is refused; `detail` holds the intake code.
    Refused,
    /// Nothing in it looks like a project we can run.
    NoProject,
    /// The install command failed.
    InstallFailed,
    /// The build command failed.
    BuildFailed,
    /// The program ended before it listened.
    StartFailed,
    /// The program runs and listens on no port.
    NeverListened,
    /// The container or its agent does not answer.
    AgentLost,
    /// No such workspace, process, file or command.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// The request itself is wrong.
    Invalid,
    /// It cannot be done in the state things are in.
    WrongState,
    /// A stated limit was reached.
    Limit,
    /// Somebody cancelled it.
    Cancelled,
    /// The data directory belongs to another running Slipway that does not answer.
    OwnerBusy,
    /// Slipway's own data cannot be read or written.
    Storage,
    /// A mistake of ours.
    Internal,
}

/// A problem: what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// One plain sentence saying what happened.
    pub message: String,
    /// One plain sentence saying what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hint: Option<String>,
    /// Raw text for the curious: an engine's answer, the last lines of output. Bounded by whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub detail: Option<String>,
    /// The same request with `force` would be carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub forceable: bool,
    /// The setting that is wrong, by its name on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub field: Option<String>,
}

impl Problem {
    /// A problem with neither hint nor detail, that cannot be overruled.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, detail: None, forceable: false, field: None }
    }

    /// Says that the same request with `force` would be carried out.
    #[must_use]
    pub fn forceable(mut self) -> Self {
        self.forceable = true;
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the setting that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds raw text for the curious.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
