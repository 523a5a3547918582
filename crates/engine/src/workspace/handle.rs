//! How the rest of the engine speaks to a workspace's driver.

use slipway_wire::{
    Code, LeaseChange, Limits, LimitsRequest, PhaseName, Problem, RestartPolicy, Workspace, WorkspaceId,
    WorkspaceState,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

use super::Activity;
use crate::{agent_link::AgentLink, deploy::Intake, snapshot};

/// What can be asked of a driver.
#[derive(Debug)]
pub(crate) enum Request {
    Stop,
    Start,
    Cancel,
    Remove,
    Rename(String),
    Lease(LeaseChange),
    RestartPolicy(RestartPolicy),
    Redeploy {
        from: PhaseName,
        command: Option<String>,
    },
    Replace(Arc<Intake>),
    /// Take a snapshot of its files.
    Snapshot(snapshot::Order),
    /// Change what it may use; what it then may use goes to the sender.
    Limits(LimitsRequest, oneshot::Sender<Limits>),
    /// It has written all it may: `written` of `limit` bytes. With `everything` the container is stopped too.
    DiskFull {
        written: u64,
        limit: u64,
        everything: bool,
    },
}

/// Where the answer to a request goes.
pub(super) type Reply = oneshot::Sender<Result<Workspace, Problem>>;

/// A workspace, from outside its driver. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(super) requests: mpsc::Sender<(Request, Reply)>,
    pub(super) view: watch::Receiver<Workspace>,
    pub(super) link: watch::Receiver<Option<AgentLink>>,
    pub(super) activity: Activity,
}

impl Handle {
    /// The workspace as it stands.
    pub(crate) fn view(&self) -> Workspace {
        self.view.borrow().clone()
    }

    /// The agent's connection, if there is one that answers: that of a paused workspace stands still.
    pub(crate) fn link(&self) -> Option<AgentLink> {
        if self.paused() {
            return None;
        }
        self.link.borrow().clone().filter(|link| !link.is_closed())
    }

    /// The workspace whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Workspace> {
        self.view.clone()
    }

    /// The agent's connection whenever it changes.
    pub(crate) fn watch_link(&self) -> watch::Receiver<Option<AgentLink>> {
        self.link.clone()
    }

    pub(crate) fn paused(&self) -> bool {
        self.view.borrow().state == WorkspaceState::Paused
    }

    /// Where its use is noted.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// The agent's connection, or why there is none.
    pub(crate) fn agent(&self) -> Result<AgentLink, Problem> {
        self.link().ok_or_else(|| {
            let name = &self.view.borrow().name;
            if self.paused() {
                return Problem::new(Code::WrongState, format!("{name} is paused.")).hint("Resume it first.");
            }
            Problem::new(Code::WrongState, format!("{name} is not running.")).hint("Start it first.")
        })
    }

    /// Sends a request and waits for what came of it.
    pub(crate) async fn ask(&self, request: Request) -> Result<Workspace, Problem> {
        let gone =
            |id: &WorkspaceId| Problem::new(Code::NotFound, format!("There is no workspace {id} any more."));
        let (reply, answer) = oneshot::channel();
        let id = self.view.borrow().id.clone();
        self.requests.send((request, reply)).await.map_err(|_| gone(&id))?;
        answer.await.map_err(|_| gone(&id))?
    }
}
