//! Live sync where folders have no handles that follow no link: it is refused with a sentence, and nothing else is here.

use serde::{Deserialize, Serialize};
use slipway_mirror::Node;
use slipway_wire::{Code, LiveSync, Problem, SyncId, SyncPreview, SyncStart, WorkspaceId};
use std::sync::Arc;

use crate::{shared::Shared, workspace::Handle};

/// As the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    Same(Node),
    Kept,
}

/// As the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncRecord {
    pub(crate) id: SyncId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) under_way: bool,
}

#[derive(Default)]
pub(crate) struct Syncs;

impl Syncs {
    pub(crate) fn list(&self) -> Vec<LiveSync> {
        Vec::new()
    }

    pub(crate) fn status(&self, _: &SyncId) -> Result<LiveSync, Problem> {
        Err(refused())
    }

    pub(crate) fn forget(&self, _: &Shared, _: &WorkspaceId) {}
}

fn refused() -> Problem {
    Problem::new(Code::WrongState, "Live sync is not available on this system.")
        .hint("Use it inside WSL, or copy with `slipway cp`.")
}

pub(crate) async fn start(_: &Arc<Shared>, _: &Handle, _: SyncStart) -> Result<LiveSync, Problem> {
    Err(refused())
}

pub(crate) async fn stop(_: &Arc<Shared>, _: &SyncId) -> Result<LiveSync, Problem> {
    Err(refused())
}

pub(crate) async fn preview(_: &Arc<Shared>, _: &Handle, _: SyncStart) -> Result<SyncPreview, Problem> {
    Err(refused())
}

pub(crate) fn resume(_: &Arc<Shared>) -> Result<(), Problem> {
    Ok(())
}
