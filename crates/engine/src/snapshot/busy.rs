//! What is under way with snapshots: one thing at a time with each, how far it is, and calling it off.

use slipway_wire::{Code, EventBody, Problem, SnapshotId, SnapshotProgress};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Progress is told at most so often.
const OFTEN: Duration = Duration::from_millis(100);

struct Work {
    cancel: CancellationToken,
    progress: Option<SnapshotProgress>,
    told: Instant,
}

/// All that is under way.
#[derive(Default)]
pub(crate) struct Snapshots {
    works: Mutex<BTreeMap<SnapshotId, Work>>,
    /// Rows without an image, and since when they were seen so.
    missing: Mutex<BTreeMap<SnapshotId, u64>>,
    /// Held between looking whether something may be started from a snapshot, or deleted, and beginning with it.
    gate: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Snapshots {
    pub(super) fn progress(&self, id: &SnapshotId) -> Option<SnapshotProgress> {
        lock(&self.works).get(id).and_then(|work| work.progress.clone())
    }

    pub(super) fn is_busy(&self, id: &SnapshotId) -> bool {
        lock(&self.works).contains_key(id)
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, ()> {
        lock(&self.gate)
    }

    /// Notes that a row has no image. Since when.
    pub(super) fn missing_since(&self, id: &SnapshotId, now_ms: u64) -> u64 {
        *lock(&self.missing).entry(id.clone()).or_insert(now_ms)
    }

    pub(super) fn found(&self, id: &SnapshotId) {
        lock(&self.missing).remove(id);
    }

    /// Calls off what is under way with a snapshot. Whoever does it tells how it ended.
    pub(crate) fn cancel(&self, id: &SnapshotId) -> Result<(), Problem> {
        let works = lock(&self.works);
        let Some(work) = works.get(id) else {
            return Err(Problem::new(Code::WrongState, "Nothing is under way with this snapshot."));
        };
        work.cancel.cancel();
        Ok(())
    }
}

/// Tells how a snapshot is now, or that it is gone.
pub(super) fn publish(shared: &Shared, id: &SnapshotId) {
    let body = match shared.store.snapshot(id) {
        Ok(Some(record)) => EventBody::Snapshot(Box::new(super::view(shared, &record))),
        Ok(None) => EventBody::SnapshotRemoved(id.clone()),
        Err(problem) => {
            tracing::warn!(snapshot = %id, %problem, "a snapshot's change could not be told");
            return;
        }
    };
    shared.bus.publish(None, body);
}

/// Something is under way with a snapshot, until this is dropped. Then it is told how the snapshot is.
pub(crate) struct Busy {
    shared: Arc<Shared>,
    pub(crate) id: SnapshotId,
    /// Somebody called it off, or the engine ends.
    pub(crate) cancel: CancellationToken,
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Busy").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Busy {
    /// Begins, unless something else is under way with it.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        id: &SnapshotId,
        progress: Option<SnapshotProgress>,
    ) -> Result<Self, Problem> {
        let cancel = shared.cancel.child_token();
        let mut works = lock(&shared.snapshots.works);
        if works.contains_key(id) {
            return Err(Problem::new(Code::WrongState, "Something else is under way with this snapshot.")
                .hint("Wait for it, or cancel it."));
        }
        let work = Work { cancel: cancel.clone(), progress, told: Instant::now() };
        works.insert(id.clone(), work);
        Ok(Self { shared: shared.clone(), id: id.clone(), cancel })
    }

    /// How far it is now.
    pub(super) fn tell(&self, progress: SnapshotProgress) {
        let mut works = lock(&self.shared.snapshots.works);
        let Some(work) = works.get_mut(&self.id) else { return };
        let other = work.progress.as_ref().map(|before| before.work) != Some(progress.work);
        work.progress = Some(progress);
        if other || work.told.elapsed() >= OFTEN {
            work.told = Instant::now();
            drop(works);
            self.publish();
        }
    }

    /// Tells how the snapshot is now.
    pub(super) fn publish(&self) {
        publish(&self.shared, &self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.shared.snapshots.works).remove(&self.id);
        self.publish();
    }
}
