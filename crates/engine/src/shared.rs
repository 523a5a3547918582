//! What all of an engine's tasks have in common.

use slipway_wire::{EgressEntry, EgressVerdict, EventBody, Level, Message, MessageAction, WorkspaceId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agent_stream::StreamKey,
    config::Config,
    docker::Agents,
    docker_watch::DockerWatch,
    egress,
    events::Bus,
    files::FileWatches,
    logs::Logs,
    metrics::Metrics,
    pool::Pool,
    preview::Gateway,
    resources::Resources,
    settings::SettingsFile,
    snapshot::Snapshots,
    store::Store,
    sync::Syncs,
    workspace::{Handle, message, sentence},
};

/// Outgoing connections remembered per workspace.
const EGRESS_KEPT: usize = 500;

/// One per engine, shared by everything in it.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) instance: String,
    pub(crate) stream_key: StreamKey,
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) settings: Arc<SettingsFile>,
    pub(crate) docker: Arc<DockerWatch>,
    pub(crate) agents: Agents,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) policy: egress::Policy,
    pub(crate) dialer: egress::Dialer,
    pub(crate) registry: Arc<Registry>,
    pub(crate) pool: Pool,
    /// Containers being stopped by the clock at a time, and removed after their grace: those can wait, for what is to be
    /// stopped still runs.
    pub(crate) reaping: tokio::sync::Semaphore,
    pub(crate) deleting: tokio::sync::Semaphore,
    /// There may be a container that nobody intends any more: the sweep looks soon.
    pub(crate) leftover: tokio::sync::Notify,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
    pub(crate) resources: Resources,
    pub(crate) snapshots: Snapshots,
    pub(crate) syncs: Syncs,
    pub(crate) metrics: Metrics,
    pub(crate) logs: Logs,
    pub(crate) watches: FileWatches,
    pub(crate) egress: Mutex<BTreeMap<WorkspaceId, VecDeque<EgressEntry>>>,
}

impl Shared {
    /// Remembers and tells an outgoing connection.
    pub(crate) fn note_egress(&self, workspace: &WorkspaceId, entry: EgressEntry) {
        let mut all = self.egress.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = all.entry(workspace.clone()).or_default();
        let asked = |e: &EgressEntry| e.verdict == EgressVerdict::Asked && e.host == entry.host;
        let ask = asked(&entry) && !entries.iter().any(asked);
        if let Some(known) = entries.iter_mut().rev().find(|e| e.id == entry.id) {
            known.clone_from(&entry);
        } else {
            if entries.len() == EGRESS_KEPT {
                entries.pop_front();
            }
            entries.push_back(entry.clone());
        }
        drop(all);
        if ask {
            let host = sentence(&entry.host);
            let mut said = message(Level::Ask, format!("The app wants to reach **{host}**"));
            said.actions = vec![MessageAction::DecideHost { host: entry.host.clone() }];
            self.say(workspace, said);
        }
        self.bus.publish(Some(workspace), EventBody::Egress(entry));
    }

    /// Tells and keeps a message of a workspace.
    pub(crate) fn say(&self, workspace: &WorkspaceId, said: Message) {
        let event = self.bus.publish(Some(workspace), EventBody::Message(said));
        if let Err(problem) = self.store.add_message(workspace, &event) {
            tracing::error!(%workspace, %problem, "a message could not be saved");
        }
    }

    /// Forgets everything that is only in memory about a workspace.
    pub(crate) fn forget(&self, workspace: &WorkspaceId) {
        self.registry.remove(workspace);
        self.policy.forget(workspace);
        self.resources.forget(workspace);
        self.syncs.forget(self, workspace);
        if let Err(problem) = self.store.forget_usage(workspace) {
            tracing::warn!(%workspace, %problem, "its figures stay for a day");
        }
        if let Err(problem) = self.store.forget_terminals(workspace) {
            tracing::warn!(%workspace, %problem, "how its terminals stood stays remembered");
        }
        self.egress.lock().unwrap_or_else(PoisonError::into_inner).remove(workspace);
    }
}

/// The workspaces there are.
#[derive(Default)]
pub(crate) struct Registry {
    all: RwLock<BTreeMap<WorkspaceId, Handle>>,
}

impl Registry {
    pub(crate) fn get(&self, id: &WorkspaceId) -> Option<Handle> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn insert(&self, id: WorkspaceId, handle: Handle) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(id, handle);
    }

    pub(crate) fn remove(&self, id: &WorkspaceId) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn all(&self) -> Vec<Handle> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
