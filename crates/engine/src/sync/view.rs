//! How a sync looks from outside: one board per sync, written by its driver, read by whoever asks. What is published
//! carries only what is new.

use slipway_mirror::RelPath;
use slipway_wire::{LiveSync, Problem, SyncAct, SyncChange, SyncState};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{SyncRecord, event};
use crate::{config::Clock, events::Bus};

/// Changes kept for who asks, and told in one event.
const RECENT: usize = 200;
const TOLD: usize = 50;
/// Paths left out that are kept, and told in one event.
const LEFT_OUT: usize = 100;
const LEFT_OUT_TOLD: usize = 20;

pub(super) struct Board {
    inner: Mutex<Inner>,
    bus: Bus,
    seq: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    view: LiveSync,
    left_out: BTreeMap<RelPath, SyncChange>,
    told: u64,
}

impl Board {
    pub(super) fn new(record: &SyncRecord, bus: Bus, seq: Arc<AtomicU64>, clock: Arc<dyn Clock>) -> Self {
        let view = LiveSync {
            id: record.id.clone(),
            workspace: record.workspace.clone(),
            dir: record.dir.clone(),
            root: record.root.clone(),
            both: record.both,
            state: SyncState::Scanning,
            entries: 0,
            sent: 0,
            received: 0,
            conflicts: 0,
            waiting: 0,
            left_out: Vec::new(),
            recent: Vec::new(),
            problem: None,
        };
        let told = seq.load(Ordering::Relaxed);
        Self { inner: Mutex::new(Inner { view, left_out: BTreeMap::new(), told }), bus, seq, clock }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Plain data: whole whatever happened to who held it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is kept.
    pub(super) fn whole(&self) -> LiveSync {
        let inner = self.inner();
        let left_out = inner.left_out.values().take(LEFT_OUT).cloned().collect();
        LiveSync { left_out, ..inner.view.clone() }
    }

    /// Tells where it stands, and what is new.
    pub(super) fn publish(&self) {
        let mut inner = self.inner();
        let told = inner.told;
        let mut recent: Vec<SyncChange> =
            inner.view.recent.iter().filter(|change| change.seq > told).cloned().collect();
        recent.drain(..recent.len().saturating_sub(TOLD));
        inner.told = inner.view.recent.last().map_or(told, |change| change.seq);
        let left_out = inner.left_out.values().take(LEFT_OUT_TOLD).cloned().collect();
        let view = LiveSync { recent, left_out, ..inner.view.clone() };
        drop(inner);
        let workspace = view.workspace.clone();
        self.bus.publish(Some(&workspace), event(view));
    }

    /// Changes where it stands and tells it, if it is news.
    pub(super) fn set(&self, state: SyncState, problem: Option<Problem>) {
        let mut inner = self.inner();
        let news = inner.view.state != state
            || inner.view.problem != problem
            || inner.view.recent.last().is_some_and(|change| change.seq > inner.told);
        inner.view.state = state;
        inner.view.problem = problem;
        drop(inner);
        if news {
            self.publish();
        }
    }

    pub(super) fn count(&self, entries: usize, waiting: usize) {
        let mut inner = self.inner();
        inner.view.entries = entries as u64;
        inner.view.waiting = waiting as u64;
    }

    fn change(&self, path: &RelPath, inward: bool, act: SyncAct, detail: Option<String>) -> SyncChange {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        SyncChange { seq, at_ms: self.clock.now_ms(), path: path.to_string(), inward, act, detail }
    }

    /// A change was carried.
    pub(super) fn carried(&self, path: &RelPath, inward: bool, act: SyncAct, detail: Option<String>) {
        let change = self.change(path, inward, act, detail);
        let mut inner = self.inner();
        inner.left_out.remove(path);
        match act {
            SyncAct::Conflict => {
                inner.view.conflicts += 1;
                inner.view.sent += 1;
            }
            _ if inward => inner.view.sent += 1,
            _ => inner.view.received += 1,
        }
        if inner.view.recent.len() == RECENT {
            inner.view.recent.remove(0);
        }
        inner.view.recent.push(change);
    }

    /// A path cannot be synced now.
    pub(super) fn left_out(&self, path: &RelPath, inward: bool, why: &str) {
        // The reason may be an agent's words.
        let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
        let change = self.change(path, inward, SyncAct::LeftOut, Some(why));
        let mut inner = self.inner();
        if inner.left_out.len() < LEFT_OUT || inner.left_out.contains_key(path) {
            inner.left_out.insert(path.clone(), change);
        }
    }

    /// Everything is looked at anew: what was left out may not be any more.
    pub(super) fn look_again(&self) {
        self.inner().left_out.clear();
    }

    /// One path is looked at anew.
    pub(super) fn not_left_out(&self, path: &RelPath) {
        self.inner().left_out.remove(path);
    }

    pub(super) fn is_left_out(&self, path: &RelPath) -> bool {
        self.inner().left_out.contains_key(path)
    }

    /// A change that is only planned.
    pub(super) fn planned(
        &self,
        path: &RelPath,
        inward: bool,
        act: SyncAct,
        detail: Option<String>,
    ) -> SyncChange {
        self.change(path, inward, act, detail)
    }
}
