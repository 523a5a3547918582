//! Snapshots: the file system of a workspace kept as an image with our labels and tag, and a row that says what it is
//! called and how it is started. Order of writing: row, image, row; what a crash leaves is put right by `reconcile`.

mod busy;
mod export;
mod file;
mod import;
mod layer;
mod pipe;
mod reconcile;
mod seed;
mod start;
mod take;
mod unfinished;

pub(crate) use busy::{Busy, Snapshots};
pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use reconcile::reconcile;
pub(crate) use seed::Seed;
pub(crate) use start::{begin, image};
pub(crate) use take::{Order, create, no_container, take};
pub(crate) use unfinished::clean;

use busy::publish;
use serde::{Deserialize, Serialize};
use slipway_wire::{
    Code, Problem, Snapshot, SnapshotEdit, SnapshotId, SnapshotState, WorkspaceId, WorkspaceState,
};
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    deploy::plan_view,
    docker::{Docker, SnapshotMark},
    shared::Shared,
    workspace::{ImageCheck, name},
};

/// Snapshots one owner keeps.
const MOST: u64 = 1000;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stand {
    /// Its image is about to come.
    Making,
    Ready,
    /// Its image was removed by something else.
    Gone,
    /// Its image is about to go, and then the row.
    Removing,
}

/// A snapshot as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub(crate) id: SnapshotId,
    pub(crate) stand: Stand,
    pub(crate) seed: Seed,
    /// Of the image, with what it shares.
    pub(crate) bytes: u64,
    /// The environment a person gave the workspace. Only here: no label and no file ever holds it.
    pub(crate) env: BTreeMap<String, String>,
    /// The base image's own check.
    pub(crate) check: Option<ImageCheck>,
}

fn mark<'a>(shared: &'a Shared, id: &'a SnapshotId) -> SnapshotMark<'a> {
    SnapshotMark { instance: &shared.instance, id }
}

fn unknown(id: &SnapshotId) -> Problem {
    Problem::new(Code::NotFound, format!("There is no snapshot {id}."))
        .hint("`slipway snapshot ls` lists what there is.")
}

fn cancelled() -> Problem {
    Problem::new(Code::Cancelled, "It was cancelled; nothing is left of it.")
}

/// The row of a snapshot that can be used.
pub(crate) fn usable(shared: &Shared, id: &SnapshotId) -> Result<SnapshotRecord, Problem> {
    let record = shared.store.snapshot(id)?.ok_or_else(|| unknown(id))?;
    let name = &record.seed.name;
    match record.stand {
        Stand::Ready => Ok(record),
        Stand::Making => {
            Err(Problem::new(Code::WrongState, format!("{name} is still being made.")).hint("Wait a moment."))
        }
        Stand::Gone => {
            Err(Problem::new(Code::NotFound, format!("The image of {name} was removed by something else."))
                .hint("Delete the snapshot; an export of it can be imported again."))
        }
        Stand::Removing => Err(Problem::new(Code::NotFound, format!("{name} is being deleted."))),
    }
}

/// The workspaces that stand on a snapshot.
fn users(shared: &Shared, id: &SnapshotId) -> Vec<WorkspaceId> {
    let views = shared.registry.all().into_iter().map(|handle| handle.view());
    views
        .filter(|view| {
            view.snapshot.as_ref() == Some(id)
                && !matches!(view.state, WorkspaceState::Terminated | WorkspaceState::Deleted)
        })
        .map(|view| view.id)
        .collect()
}

/// A snapshot as skins see it.
pub(crate) fn view(shared: &Shared, record: &SnapshotRecord) -> Snapshot {
    let seed = &record.seed;
    Snapshot {
        id: record.id.clone(),
        name: seed.name.clone(),
        note: seed.note.clone(),
        state: match record.stand {
            Stand::Making => SnapshotState::Making,
            Stand::Ready => SnapshotState::Ready,
            Stand::Gone | Stand::Removing => SnapshotState::Gone,
        },
        progress: shared.snapshots.progress(&record.id),
        created_at_ms: seed.created_at_ms,
        imported: seed.imported,
        workspace: seed.workspace.clone(),
        workspace_name: seed.workspace_name.clone(),
        image: seed.image.clone(),
        plan: seed.plan.as_ref().map(|plan| plan_view(plan, Some(&seed.image))),
        root: seed.root.clone(),
        port: seed.port,
        preset: seed.preset,
        network: seed.network,
        bytes: record.bytes,
        used_by: users(shared, &record.id),
    }
}

/// Every snapshot, newest first.
pub(crate) fn list(shared: &Shared) -> Result<Vec<Snapshot>, Problem> {
    Ok(shared.store.snapshots()?.iter().map(|record| view(shared, record)).collect())
}

/// One snapshot.
pub(crate) fn status(shared: &Shared, id: &SnapshotId) -> Result<Snapshot, Problem> {
    let record = shared.store.snapshot(id)?.ok_or_else(|| unknown(id))?;
    Ok(view(shared, &record))
}

/// Another name or note. The label of the image keeps the first ones: labels cannot be changed.
pub(crate) fn edit(shared: &Arc<Shared>, request: &SnapshotEdit) -> Result<Snapshot, Problem> {
    let busy = begin_with(shared, &request.id)?;
    let mut record = shared.store.snapshot(&request.id)?.ok_or_else(|| unknown(&request.id))?;
    if let Some(name) = &request.name {
        record.seed.name = seed::check_name(name)?;
    }
    if let Some(note) = &request.note {
        record.seed.note = seed::check_note(note)?;
    }
    if !shared.store.snapshot_save(&record)? {
        return Err(taken(&record.seed.name));
    }
    drop(busy);
    status(shared, &request.id)
}

/// Keeps everybody else from a snapshot that is there, before its row is read to be changed.
fn begin_with(shared: &Arc<Shared>, id: &SnapshotId) -> Result<Busy, Problem> {
    if !shared.store.snapshot_known(id)? {
        return Err(unknown(id));
    }
    Busy::begin(shared, id, None)
}

/// Deletes a snapshot that nothing uses.
pub(crate) async fn remove(shared: &Arc<Shared>, id: &SnapshotId) -> Result<(), Problem> {
    shared.docker.first_look().await;
    let _busy = begin_with(shared, id)?;
    let mut record = shared.store.snapshot(id)?.ok_or_else(|| unknown(id))?;
    let before = record.stand;
    let docker = match (before, shared.docker.current()) {
        // There is nothing at Docker's to remove.
        (Stand::Gone, docker) => docker.ok(),
        (_, docker) => Some(docker?),
    };
    {
        let _no_start = shared.snapshots.gate();
        let users = users(shared, id);
        if !users.is_empty() {
            return Err(used(&record.seed.name, &users));
        }
        record.stand = Stand::Removing;
        shared.store.snapshot_save(&record)?;
    }
    if let Some(docker) = docker
        && let Err(problem) = docker.remove_snapshot(&mark(shared, id)).await
    {
        record.stand = before;
        shared.store.snapshot_save(&record)?;
        return Err(problem);
    }
    shared.store.snapshot_remove(id)
}

fn used(name: &str, users: &[WorkspaceId]) -> Problem {
    let ids: Vec<&str> = users.iter().map(WorkspaceId::as_str).collect();
    let (who, verb) =
        if let [one] = ids.as_slice() { ((*one).to_owned(), "uses") } else { (ids.join(", "), "use") };
    Problem::new(Code::WrongState, format!("{who} still {verb} {name}, so it cannot be deleted."))
        .hint(format!("Delete what was started from it first: `slipway rm {}`.", ids.join(" ")))
}

fn taken(name: &str) -> Problem {
    Problem::new(Code::AlreadyExists, format!("There is a snapshot called {name:?} already."))
        .hint("Choose another name, or delete that one first.")
}

/// A name that is free: this one, or with a number.
fn free_name(shared: &Shared, wanted: &str) -> Result<String, Problem> {
    if !shared.store.snapshot_named(wanted)? {
        return Ok(wanted.to_owned());
    }
    let stem: String = wanted.chars().take(72).collect();
    for number in 2..=MOST + 2 {
        let name = format!("{} {number}", stem.trim_end());
        if !shared.store.snapshot_named(&name)? {
            return Ok(name);
        }
    }
    Err(taken(wanted))
}

/// An id that is free.
fn free_id(shared: &Shared, name: &str) -> Result<SnapshotId, Problem> {
    let taken = |id: &WorkspaceId| {
        SnapshotId::try_from(id.to_string())
            .is_ok_and(|id| shared.snapshots.is_busy(&id) || shared.store.snapshot_known(&id).unwrap_or(true))
    };
    SnapshotId::try_from(name::new_id(name, taken)?.to_string())
}

fn room_for_another(shared: &Shared) -> Result<(), Problem> {
    if shared.store.snapshot_count()? >= MOST {
        return Err(Problem::new(Code::Limit, format!("There are {MOST} snapshots already."))
            .hint("Delete some first with `slipway snapshot rm`."));
    }
    Ok(())
}

/// Takes back what was begun: the image, then the row. What Docker refuses now, the next comparison does.
async fn undo(shared: &Shared, docker: &Docker, mut record: SnapshotRecord) {
    record.stand = Stand::Removing;
    let id = record.id.clone();
    let undone = async {
        shared.store.snapshot_save(&record)?;
        docker.remove_snapshot(&mark(shared, &id)).await?;
        shared.store.snapshot_remove(&id)
    };
    if let Err(problem) = undone.await {
        tracing::warn!(snapshot = %id, %problem, "a snapshot that was not made is cleaned up later");
    }
}

/// The image is there: so is the snapshot.
async fn finish(shared: &Shared, docker: &Docker, mut record: SnapshotRecord) -> Result<(), Problem> {
    let made = docker.snapshot(&mark(shared, &record.id)).await;
    let saved = match made {
        Ok(Some(image)) => {
            record.stand = Stand::Ready;
            record.bytes = image.bytes;
            shared.store.snapshot_save(&record).map(|_| ())
        }
        Ok(None) => Err(Problem::new(Code::Internal, "Docker made the snapshot and does not have it.")),
        Err(problem) => Err(problem),
    };
    if let Err(problem) = saved {
        undo(shared, docker, record).await;
        return Err(problem);
    }
    Ok(())
}
