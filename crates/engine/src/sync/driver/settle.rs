//! Settling: comparing, carrying, remembering, until nothing is left to do.

use slipway_agent_api::MAX_CARRIED;
use slipway_mirror::RelPath;
use slipway_wire::{Code, Problem, SyncAct, SyncChange, SyncPreview, SyncState};
use std::collections::BTreeSet;
use tokio::time::Instant;

use super::{
    super::{
        books::{self, Step, Tree, Work},
        carry::{self, Outcome},
        fetch,
        here::Here,
        intent::{self, Intents, Notes},
        plan::{self, Agreed},
        tune::ROUNDS,
    },
    Driver, End, Sides, blocking,
    say::{ended, stamp, who},
};

/// Rows written where they are; more go to a thread.
const FEW: usize = 64;

impl Driver {
    /// Compares and carries until nothing is left to do at these paths, or it must wait a moment.
    pub(super) async fn settle(
        &mut self,
        sides: &mut Sides,
        mut touched: BTreeSet<RelPath>,
    ) -> Result<(), End> {
        for _ in 0..ROUNDS {
            let work = self.compare(&touched);
            if work.is_empty() {
                self.write_down(Intents::new()).await.map_err(ended)?;
                return Ok(());
            }
            self.board.count(self.books.agreed.len(), self.pending.len() + work.len());
            self.board.set(SyncState::Syncing, None);
            let again = self.carry(sides, work).await?;
            self.write_down(Intents::new()).await.map_err(ended)?;
            if again.is_empty() {
                return Ok(());
            }
            let paths = books::cover(&again);
            touched = self.refresh_here(sides, paths.clone()).await?;
            touched.extend(self.refresh_there(sides, &paths).await?);
        }
        // Somebody changes it all the time.
        self.try_later(touched);
        Ok(())
    }

    fn try_later(&mut self, paths: impl IntoIterator<Item = RelPath>) {
        if self.pending.is_empty() {
            self.again_at = Instant::now() + self.retry;
        }
        self.pending.extend(paths);
    }

    fn compare(&mut self, touched: &BTreeSet<RelPath>) -> Work {
        let all = self.books.all_of(touched);
        let now = self.shared.config.clock.now_ms();
        let (stamp, who) = (stamp(now), who(self.record.workspace.as_str()));
        let way = self.way();
        let mut name = |path: &RelPath| plan::conflict_name(path.name(), &stamp, &who);
        let work = self.books.compare(&all, way, &mut name);
        for path in &work.refused {
            if !self.board.is_left_out(path) {
                self.board.left_out(path, false, "what is synced is said on this machine alone");
            }
        }
        work
    }

    /// Carries both ways. Says what is to be looked at again.
    async fn carry(&mut self, sides: &mut Sides, work: Work) -> Result<BTreeSet<RelPath>, End> {
        let mut again = BTreeSet::new();
        let folder = sides.folder.clone();
        let notes = Notes { shared: self.shared.clone(), id: self.record.id.clone() };
        for (inward, steps) in work.batches(MAX_CARRIED) {
            let number = intent::batch();
            self.write_down(intent::of(steps, number, inward)).await.map_err(ended)?;
            let (folder, batch) = (folder.clone(), steps.to_vec());
            let done = if inward {
                carry::send(&sides.there, folder, batch, number).await
            } else {
                fetch::fetch(&sides.there, folder, batch, &notes).await
            };
            for (step, outcome) in steps.iter().zip(done.map_err(ended)?) {
                self.carried(step, outcome, inward, &mut again);
            }
            self.board.publish();
        }
        Ok(again)
    }

    fn carried(&mut self, step: &Step, outcome: Outcome, inward: bool, again: &mut BTreeSet<RelPath>) {
        let path = &step.path;
        match outcome {
            Outcome::Done(now) => {
                let side = if inward { &mut self.books.there } else { &mut self.books.here };
                let node = step.to.as_ref().map(|seen| seen.node.clone());
                match (&node, now) {
                    (Some(node), Some(found)) => {
                        drop(side.insert(path.clone(), books::Seen { found, node: node.clone() }));
                    }
                    (None, _) => drop(side.remove(path)),
                    // Gone again already.
                    (Some(_), None) => drop(again.insert(path.clone())),
                }
                self.books.stuck.remove(path);
                self.books.agree(path.clone(), node.map(Agreed::Same));
                let aside = step.aside.as_deref();
                if let Some(beside) = aside.and_then(|name| path.parent()?.join(name).ok()) {
                    self.board.carried(path, inward, SyncAct::Conflict, Some(beside.to_string()));
                    again.insert(beside);
                } else {
                    let act = if step.to.is_some() { SyncAct::Written } else { SyncAct::Removed };
                    self.board.carried(path, inward, act, None);
                }
            }
            Outcome::Changed => drop(again.insert(path.clone())),
            Outcome::NotEmpty if step.to.is_none() => self.books.agree(path.clone(), Some(Agreed::Kept)),
            Outcome::NotEmpty => {
                self.books.stuck.insert(path.clone());
                again.insert(path.clone());
            }
            Outcome::Failed(why) => {
                self.board.left_out(path, inward, &why);
                self.try_later([path.clone()]);
            }
        }
    }

    /// Writes what has been agreed on, and what is carried next.
    async fn write_down(&mut self, next: Intents) -> Result<(), Problem> {
        let changes = std::mem::take(&mut self.books.unsaved);
        let clears = std::mem::replace(&mut self.intended, !next.is_empty());
        if changes.is_empty() && next.is_empty() && !clears {
            return Ok(());
        }
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        if changes.len() + next.len() <= FEW {
            return shared.store.sync_agree(&id, &changes, &next);
        }
        blocking(move || shared.store.sync_agree(&id, &changes, &next)).await?
    }

    /// What would be done first. Nothing is changed.
    pub(in crate::sync) async fn preview(mut self) -> Result<SyncPreview, Problem> {
        const SHOWN: usize = 1000;
        self.books.agreed = self.shared.store.sync_agreed(&self.record.id)?;
        let link = self.handle.agent()?;
        if self.record.container.as_deref().is_some_and(|known| known != &*link.container) {
            self.books.agreed.clear();
            self.here_first = true;
        }
        let mut sides = self.sides(link, None).await?;
        let look = sides.look_here(Here::look).await?;
        self.books.here = look.tree;
        self.books.drop_left_out(&sides.rules);
        self.books.there = match sides.there.look(&[], &sides.rules).await {
            Err(problem) if problem.code == Code::NotFound => Tree::new(),
            other => other?.tree,
        };
        let all = self.books.everything();
        let work = self.compare(&all);
        let total = work.len() as u64;
        let planned = |step: &Step, inward: bool| -> SyncChange {
            let aside = step.aside.as_ref().map(|name| String::from_utf8_lossy(name).into_owned());
            let act = match (&aside, &step.to) {
                (Some(_), _) => SyncAct::Conflict,
                (None, Some(_)) => SyncAct::Written,
                (None, None) => SyncAct::Removed,
            };
            self.board.planned(&step.path, inward, act, aside)
        };
        let inward = work.send.iter().map(|step| planned(step, true));
        let changes = inward.chain(work.fetch.iter().map(|step| planned(step, false))).take(SHOWN).collect();
        Ok(SyncPreview { changes, total })
    }
}
