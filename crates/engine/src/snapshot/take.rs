//! Taking a snapshot. The workspace's driver does it, so that nothing else happens to its container meanwhile.

use slipway_wire::{
    Code, Problem, Snapshot, SnapshotCreate, SnapshotId, SnapshotProgress, SnapshotWork, WorkspaceState,
};
use std::{collections::BTreeMap, sync::Arc};

use super::{
    Busy, Seed, SnapshotRecord, Stand, cancelled, finish, free_id, free_name, mark, seed, taken, undo,
};
use crate::{
    docker::Docker,
    resources,
    shared::Shared,
    workspace::{Handle, ImageCheck, Request},
};

/// What the driver is asked to take.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) busy: Busy,
    pub(crate) name: String,
    pub(crate) note: String,
}

/// Takes a snapshot of a workspace. When the asker goes away it is called off.
pub(crate) async fn create(
    shared: &Arc<Shared>,
    handle: &Handle,
    request: SnapshotCreate,
) -> Result<Snapshot, Problem> {
    shared.docker.first_look().await;
    let docker = shared.docker.current()?;
    super::room_for_another(shared)?;
    let note = seed::check_note(&request.note)?;
    let view = handle.view();
    if !request.force {
        // Measured at the last look; what was not measured yet is little.
        let written = shared.resources.meter(&view.id).disk_bytes().unwrap_or(0);
        resources::room_to_keep(shared, &docker, written, "slipway snapshot create").await?;
    }
    if matches!(view.state, WorkspaceState::Terminated | WorkspaceState::Deleted) {
        return Err(no_container());
    }
    let name = match &request.name {
        Some(name) => {
            let name = seed::check_name(name)?;
            if shared.store.snapshot_named(&name)? {
                return Err(taken(&name));
            }
            name
        }
        None => free_name(shared, &view.name)?,
    };
    let id = free_id(shared, &name)?;
    let progress = SnapshotProgress { work: SnapshotWork::Take, done: 0, total: None, path: None };
    let busy = Busy::begin(shared, &id, Some(progress))?;
    let _called_off_with_the_asker = busy.cancel.clone().drop_guard();
    handle.ask(Request::Snapshot(Order { busy, name, note })).await?;
    super::status(shared, &id)
}

pub(crate) fn no_container() -> Problem {
    Problem::new(Code::WrongState, "There is no container to take a snapshot of.")
        .hint("Deploy the project again.")
}

/// Takes it, by the driver: `seed` says how it is started, `env` and `check` are only for the row.
pub(crate) async fn take(
    shared: &Shared,
    docker: &Docker,
    container: &str,
    order: &Order,
    seed: Seed,
    env: BTreeMap<String, String>,
    check: Option<ImageCheck>,
) -> Result<(), Problem> {
    let id: SnapshotId = order.busy.id.clone();
    let volumes = docker.volumes(container).await?;
    if !volumes.is_empty() {
        let text = format!("Its image keeps {} outside of what a snapshot can hold.", volumes.join(", "));
        return Err(Problem::new(Code::WrongState, text).hint(
            "Copy what you need with `slipway cp`, or deploy the project with an image without VOLUME.",
        ));
    }
    // It may have waited until the driver came to it.
    if order.busy.cancel.is_cancelled() {
        return Err(cancelled());
    }
    // What could not be read back would be lost with the database.
    let text = seed.clone().checked()?.to_text()?;
    let record = SnapshotRecord { id: id.clone(), stand: Stand::Making, seed, bytes: 0, env, check };
    if !shared.store.snapshot_add(&record)? {
        return Err(taken(&record.seed.name));
    }
    order.busy.publish();
    if let Err(problem) = docker.commit(container, &mark(shared, &id), &text).await {
        undo(shared, docker, record).await;
        return Err(problem);
    }
    if order.busy.cancel.is_cancelled() {
        undo(shared, docker, record).await;
        return Err(cancelled());
    }
    finish(shared, docker, record).await
}
