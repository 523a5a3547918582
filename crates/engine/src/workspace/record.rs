//! What is kept of a workspace on disk: the view skins see, and what only the engine needs.

use serde::{Deserialize, Serialize};
use slipway_intake::RunPlan;
use slipway_wire::{ProcessId, Workspace, WorkspaceState};
use std::collections::BTreeMap;

use super::ImageCheck;
use crate::docker::Changed;

/// A workspace as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What skins see.
    pub(crate) view: Workspace,
    /// The container, once made.
    pub(crate) container: Option<String>,
    /// The plan in full.
    pub(crate) run_plan: Option<RunPlan>,
    /// The user's own environment for every process. Never part of the container's configuration, where `docker
    /// inspect` would show it.
    pub(crate) env: BTreeMap<String, String>,
    /// The files are all in: a deploy cut short can go on from here.
    pub(crate) uploaded: bool,
    /// The program's process.
    pub(crate) app: Option<ProcessId>,
    /// When it was stopped by its lease, Unix time in milliseconds: the grace counts from here.
    pub(crate) expired_at_ms: Option<u64>,
    /// What a person changed of the preset.
    #[serde(default)]
    pub(crate) limits: Changed,
    /// The end of its lease ended its program, or began to: another lease starts it again.
    #[serde(default)]
    pub(crate) ran: bool,
    /// It is meant to be paused, and was in this state before.
    #[serde(default)]
    pub(crate) paused_from: Option<WorkspaceState>,
    /// It is paused because something other than Slipway paused it: what does that may also let it go on.
    #[serde(default)]
    pub(crate) paused_outside: bool,
    /// Its program ended and is about to be started again.
    #[serde(default)]
    pub(crate) restarting: bool,
    /// The image's own check.
    #[serde(default)]
    pub(crate) check: Option<ImageCheck>,
    /// When it was deleted, Unix time in milliseconds.
    #[serde(default)]
    pub(crate) deleted_at_ms: Option<u64>,
}

impl Record {
    /// Of a workspace that has only what skins see of it: no container, no plan, nothing of the user's own.
    pub(crate) fn new(view: Workspace) -> Self {
        Self {
            view,
            container: None,
            run_plan: None,
            env: BTreeMap::new(),
            uploaded: false,
            app: None,
            expired_at_ms: None,
            limits: Changed::default(),
            ran: false,
            paused_from: None,
            paused_outside: false,
            restarting: false,
            check: None,
            deleted_at_ms: None,
        }
    }

    /// It is in this state; when it is paused that is how it goes on, for it was told before and heard after.
    pub(crate) fn is_now(&mut self, state: WorkspaceState) {
        match &mut self.paused_from {
            Some(from) => *from = state,
            None => self.view.state = state,
        }
    }

    /// It is not meant to be paused any more. Gives the state it was in before.
    pub(crate) fn not_paused(&mut self) -> Option<WorkspaceState> {
        self.paused_outside = false;
        self.paused_from.take()
    }

    /// What to do when memory ran out.
    pub(crate) fn more_memory(&self) -> String {
        let limits = self.limits.in_force(self.view.preset);
        let more = crate::resources::more_memory(&self.view.id, limits.memory_mb);
        format!("{more} Then start it again.")
    }
}
