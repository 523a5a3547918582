//! Live sync: a folder of this machine and one of a workspace, kept alike. A driver per sync owns it (`driver`): it looks
//! at both sides (`here`, `there`), has `plan` say what to do, does it (`carry`), and remembers what both then held.
//!
//! ```text
//!  notify ─► hints ─┐                        ┌─► carry: changes on one stream to the agent
//!                   ├─► look again ─► plan ──┤
//!  agent's scan ────┘   (the truth)          └─► carry: contents from the agent, written here by handles
//! ```
//!
//! Hints only say where to look: what is done follows from the comparison alone, so a hint that is lost, a cut and a
//! SIGKILL cost time and never an edit. Nothing the container says becomes a path here unchecked.

mod books;
mod carry;
mod check;
mod driver;
mod fetch;
mod here;
mod intent;
mod plan;
mod there;
mod told;
mod tune;
mod view;
mod watch;
mod words;

pub(crate) use intent::{Intent, Intents, Stage};
pub(crate) use plan::Agreed;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_wire::{
    Code, EventBody, LiveSync, Problem, SyncId, SyncPreview, SyncStart, SyncState, WorkspaceId,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

use crate::{shared::Shared, workspace::Handle};
use driver::Driver;
use view::Board;

/// Syncs under way at one time.
const MOST: usize = 32;

/// A sync as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncRecord {
    pub(crate) id: SyncId,
    pub(crate) workspace: WorkspaceId,
    /// Canonical, absolute.
    pub(crate) dir: String,
    pub(crate) root: String,
    pub(crate) both: bool,
    pub(crate) once: bool,
    /// It is to go on, also after a restart.
    pub(crate) under_way: bool,
    /// The container whose files were last seen: another one's are not a person's work.
    pub(crate) container: Option<String>,
}

/// The syncs of an engine.
#[derive(Default)]
pub(crate) struct Syncs {
    all: Mutex<BTreeMap<SyncId, Running>>,
    seq: Arc<std::sync::atomic::AtomicU64>,
}

struct Running {
    board: Arc<Board>,
    cancel: CancellationToken,
    ended: CancellationToken,
}

impl Syncs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<SyncId, Running>> {
        // Every change to it is one insertion or removal.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those under way, in the order of their ids.
    pub(crate) fn list(&self) -> Vec<LiveSync> {
        let all = self.all();
        all.values().map(|one| one.board.whole()).filter(|view| view.state != SyncState::Stopped).collect()
    }

    /// One that is under way, or was.
    pub(crate) fn status(&self, id: &SyncId) -> Result<LiveSync, Problem> {
        self.all().get(id).map(|one| one.board.whole()).ok_or_else(|| unknown(id))
    }

    /// Ends and forgets the syncs of a workspace that is deleted.
    pub(crate) fn forget(&self, shared: &Shared, workspace: &WorkspaceId) {
        let mut all = self.all();
        let gone: Vec<SyncId> = all
            .iter()
            .filter(|(_, one)| one.board.whole().workspace == *workspace)
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(one) = all.remove(&id) {
                one.cancel.cancel();
                one.board.set(SyncState::Stopped, None);
            }
        }
        drop(all);
        if let Err(problem) = shared.store.forget_syncs(workspace) {
            tracing::warn!(%workspace, %problem, "the rows of its syncs stay");
        }
    }
}

fn unknown(id: &SyncId) -> Problem {
    Problem::new(Code::NotFound, format!("There is no sync {id}."))
        .hint("`slipway sync --list` lists what there is.")
}

/// The same folders have the same id, so that what they last held is found again.
fn id_of(workspace: &WorkspaceId, dir: &str, root: &str) -> Result<SyncId, Problem> {
    let mut hash = Sha256::new();
    for part in [workspace.as_str(), dir, root] {
        hash.update(part);
        hash.update([0]);
    }
    let short = hash.finalize().iter().take(5).fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    format!("sync-{short:010x}").parse()
}

fn record_of(shared: &Shared, handle: &Handle, request: &SyncStart) -> Result<SyncRecord, Problem> {
    let dir = check::dir(&request.dir, &shared.config)?;
    let view = handle.view();
    let root = check::root(request.root.as_deref().unwrap_or(&view.root))?;
    let id = id_of(&request.workspace, &dir, &root)?;
    let container = shared.store.sync(&id)?.and_then(|before| before.container);
    let (workspace, both, once) = (request.workspace.clone(), request.both, request.once);
    Ok(SyncRecord { id, workspace, dir, root, both, once, under_way: true, container })
}

/// Begins a sync, or begins one anew that is under way with other wishes or is halted.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    handle: &Handle,
    request: SyncStart,
) -> Result<LiveSync, Problem> {
    let record = record_of(shared, handle, &request)?;
    // What stands still after somebody was asked to look goes on from what both sides hold now.
    if let Ok(view) = shared.syncs.status(&record.id) {
        if view.state != SyncState::Stopped
            && view.both == record.both
            && !record.once
            && view.problem.is_none()
        {
            return Ok(view);
        }
        let halted = view.state == SyncState::Halted;
        end(shared, &record.id).await;
        if halted {
            shared.store.sync_disagree(&record.id)?;
        }
    }
    if shared.syncs.list().len() >= MOST {
        return Err(Problem::new(Code::Limit, format!("There are {MOST} syncs already."))
            .hint("`slipway sync --stop` ends one."));
    }
    shared.store.sync_save(&record)?;
    Ok(spawn(shared, handle.clone(), record))
}

fn spawn(shared: &Arc<Shared>, handle: Handle, record: SyncRecord) -> LiveSync {
    let board = Arc::new(Board::new(
        &record,
        shared.bus.clone(),
        shared.syncs.seq.clone(),
        shared.config.clock.clone(),
    ));
    let (cancel, ended) = (shared.cancel.child_token(), CancellationToken::new());
    let running = Running { board: board.clone(), cancel: cancel.clone(), ended: ended.clone() };
    shared.syncs.all().insert(record.id.clone(), running);
    board.publish();
    let driver = Driver::new(shared.clone(), handle, record, board.clone(), cancel);
    shared.tracker.spawn(async move {
        driver.run().await;
        ended.cancel();
    });
    board.whole()
}

/// Ends a driver and waits until it has.
async fn end(shared: &Shared, id: &SyncId) -> Option<Arc<Board>> {
    let (board, ended) = {
        let all = shared.syncs.all();
        let one = all.get(id)?;
        one.cancel.cancel();
        (one.board.clone(), one.ended.clone())
    };
    ended.cancelled().await;
    Some(board)
}

/// Ends a sync for good. What both sides held last is kept, in case it is begun again.
pub(crate) async fn stop(shared: &Arc<Shared>, id: &SyncId) -> Result<LiveSync, Problem> {
    let board = end(shared, id).await.ok_or_else(|| unknown(id))?;
    if let Some(record) = shared.store.sync(id)? {
        shared.store.sync_save(&SyncRecord { under_way: false, ..record })?;
    }
    board.set(SyncState::Stopped, None);
    Ok(board.whole())
}

/// Goes on with the syncs that an earlier owner left under way.
pub(crate) fn resume(shared: &Arc<Shared>) -> Result<(), Problem> {
    for record in shared.store.syncs_under_way()? {
        match shared.registry.get(&record.workspace) {
            Some(handle) => drop(spawn(shared, handle, record)),
            None => shared.store.sync_save(&SyncRecord { under_way: false, ..record })?,
        }
    }
    Ok(())
}

/// What a sync would do first, changing nothing.
pub(crate) async fn preview(
    shared: &Arc<Shared>,
    handle: &Handle,
    request: SyncStart,
) -> Result<SyncPreview, Problem> {
    let record = record_of(shared, handle, &request)?;
    let board = Arc::new(Board::new(
        &record,
        shared.bus.clone(),
        shared.syncs.seq.clone(),
        shared.config.clock.clone(),
    ));
    Driver::new(shared.clone(), handle.clone(), record, board, shared.cancel.child_token()).preview().await
}

/// A sync's event.
fn event(view: LiveSync) -> EventBody {
    EventBody::Sync(Box::new(view))
}
