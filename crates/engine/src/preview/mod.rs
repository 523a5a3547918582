//! The preview gateway: one loopback listener that brings `http://<port>-<workspace>.localhost:<gateway>/` to that
//! workspace's program. In: HTTP/1.1 from this machine (hostile: any page in any browser can send it). Out: requests to
//! the one workspace the Host names, through its agent, or a page of ours. Nothing here knows Docker or the store.

mod body;
mod dial;
mod forward;
mod gateway;
mod headers;
mod host;
mod pages;
mod pool;
mod report;
mod target;

pub use dial::{DialError, DialStream};
pub use gateway::Gateway;
pub use report::{PageReport, PageReportKind};

pub use crate::traffic::Traffic;

use slipway_agent_api::v1::agent_client;
use slipway_wire::{Problem, WorkspaceId};

/// How the agent of a workspace is talked to.
pub type AgentClient = agent_client::AgentClient<tonic::transport::Channel>;

/// Where requests for a workspace go.
pub enum Route {
    /// To its agent.
    Live(AgentClient),
    /// Nowhere yet.
    Starting {
        /// The workspace's name.
        name: String,
        /// What it is doing, as a person would say it: `installing`.
        phase: String,
    },
    /// Nowhere: it could not be made to run.
    Failed {
        /// The workspace's name.
        name: String,
        /// Why.
        problem: Problem,
    },
    /// Nowhere for now: it stands still.
    Paused {
        /// The workspace's name.
        name: String,
    },
    /// Nowhere: it was stopped.
    Stopped {
        /// The workspace's name.
        name: String,
    },
    /// There is no such workspace.
    Unknown,
}

/// What the gateway asks of the rest of the engine. Called on every request: must answer at once.
pub trait Routes: Send + Sync + 'static {
    /// Where requests for a workspace go now.
    fn route(&self, workspace: &WorkspaceId) -> Route;

    /// The workspace's program answered a request, or more of a connection passed: somebody is using it. Told at most
    /// once a second and connection.
    fn seen(&self, workspace: &WorkspaceId);

    /// Where bytes to and from the workspace's program are counted; not at all without.
    fn traffic(&self, _workspace: &WorkspaceId) -> Option<std::sync::Arc<Traffic>> {
        None
    }

    /// A request was answered with this status, by a program or with a page of ours.
    fn answered(&self, _status: u16) {}

    /// The page shown has something to say about itself: an uncaught error, a failed request. Bounded and sanitised, at
    /// most twenty a second and workspace; not to be trusted.
    fn page_report(&self, workspace: &WorkspaceId, report: PageReport);
}
