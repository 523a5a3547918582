//! The one task that owns a sync: waits for both sides, compares them as a whole, carries, and then goes from hint to
//! hint. A side that goes away ends the round; when it is back everything is compared again.

use slipway_intake::IgnoreRules;
use slipway_mirror::{Bounds, Folder, RelPath};
use slipway_wire::{
    Code, PhaseName, PhaseState, Problem, SyncAct, SyncChange, SyncPreview, SyncState, WorkspaceState,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    SyncRecord,
    books::{self, Books, Step, Tree, Work},
    carry::{self, Outcome},
    here::Here,
    plan::{self, Agreed, Way},
    there::{Most, There},
    tune::{EMPTIED, PATIENCE, POLL, QUIET, RETRY, ROUNDS, RULES, WAIT},
    view::Board,
    watch::{Gathered, Hints},
};
use crate::{agent_link::AgentLink, deploy, shared::Shared, workspace::Handle};

/// Changes carried before it is told how far it is.
const BATCH: usize = 1000;
/// Agreements written where they are; more go to a thread.
const FEW: usize = 64;

/// Why a round ended.
enum End {
    /// It was to be done once and is.
    Done,
    /// Something is not there; it goes on when it is.
    Wait(Problem),
    /// A person must do something.
    Halt(Problem),
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    handle: Handle,
    record: SyncRecord,
    board: Arc<Board>,
    cancel: CancellationToken,
    books: Books,
    /// What did not work, to be tried again.
    pending: BTreeSet<RelPath>,
    retry: Duration,
    wait: Duration,
    here_first: bool,
}

/// Both sides of a round.
struct Sides {
    /// Only one look at a time: its lock is never waited for.
    here: Arc<Mutex<Here>>,
    /// What the last look left: the rules, the open folder, why it is not watched.
    rules: IgnoreRules,
    folder: Folder,
    trouble: Option<String>,
    there: There,
    link: AgentLink,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        handle: Handle,
        record: SyncRecord,
        board: Arc<Board>,
        cancel: CancellationToken,
    ) -> Self {
        let (books, pending, here_first) = (Books::default(), BTreeSet::new(), false);
        Self {
            shared,
            handle,
            record,
            board,
            cancel,
            books,
            pending,
            retry: RETRY.0,
            wait: WAIT.0,
            here_first,
        }
    }

    /// Until it is cancelled.
    pub(super) async fn run(mut self) {
        let cancel = self.cancel.clone();
        // Dropped in the middle, everything is either carried or not; the next comparison finds which.
        let _ = cancel.run_until_cancelled(self.rounds()).await;
    }

    async fn rounds(&mut self) {
        match self.shared.store.sync_agreed(&self.record.id) {
            Ok(agreed) => self.books.agreed = agreed,
            Err(problem) => return self.board.set(SyncState::Halted, Some(problem)),
        }
        loop {
            match self.round().await {
                End::Done => {
                    self.board.count(self.books.agreed.len(), 0);
                    let record = SyncRecord { under_way: false, ..self.record.clone() };
                    let saved = self.shared.store.sync_save(&record);
                    return self.board.set(SyncState::Stopped, saved.err());
                }
                End::Halt(problem) => return self.board.set(SyncState::Halted, Some(problem)),
                End::Wait(problem) => {
                    self.board.set(SyncState::Waiting, Some(problem));
                    sleep(self.wait).await;
                    self.wait = (self.wait * 2).min(WAIT.1);
                }
            }
        }
    }

    async fn round(&mut self) -> End {
        let link = self.connected().await;
        let hints = Gathered::default();
        let mut sides = match self.sides(link, Some(hints.clone())).await {
            Ok(sides) => sides,
            Err(problem) => return ended(problem),
        };
        if let Err(problem) = self.known_container(&sides.link) {
            return ended(problem);
        }
        self.board.set(SyncState::Scanning, None);
        let first = async {
            self.look_whole(&mut sides).await?;
            let all = self.books.everything();
            self.settle(&mut sides, all).await
        };
        if let Err(end) = first.await {
            return end;
        }
        self.here_first &= !self.pending.is_empty();
        if self.record.once && self.pending.is_empty() {
            return End::Done;
        }
        loop {
            self.rest(&sides);
            let next = tokio::select! {
                hints = gather(&hints) => self.follow(&mut sides, hints).await,
                () = sides.link.closed() => Err(End::Wait(lost())),
                () = self.deploying() => Err(End::Wait(deploying())),
                () = sleep(POLL), if self.record.both || sides.trouble.is_some() => {
                    self.poll(&mut sides).await
                }
                () = sleep_until(Instant::now() + self.retry), if !self.pending.is_empty() => {
                    self.try_again(&mut sides).await
                }
            };
            match next {
                Ok(()) if self.record.once && self.pending.is_empty() => return End::Done,
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Nothing is to be done: says so, and what still is.
    fn rest(&mut self, sides: &Sides) {
        self.wait = WAIT.0;
        self.board.count(self.books.agreed.len(), self.pending.len());
        let trouble = sides.trouble.as_ref().map(|why| {
            Problem::new(Code::Limit, format!("Changes are looked for every {} s: {why}.", POLL.as_secs())).hint(
                "Raise it with `sudo sysctl fs.inotify.max_user_watches=524288`, then start the sync again.",
            )
        });
        self.board.set(SyncState::Watching, trouble);
    }

    /// Waits for a workspace that runs and is not being deployed.
    async fn connected(&mut self) -> AgentLink {
        let (mut view, mut links) = (self.handle.watch(), self.handle.watch_link());
        loop {
            view.borrow_and_update();
            links.borrow_and_update();
            let busy = self.is_deploying();
            match self.handle.agent() {
                Ok(link) if !busy => return link,
                Ok(_) => self.board.set(SyncState::Waiting, Some(deploying())),
                Err(problem) => self.board.set(SyncState::Waiting, Some(problem)),
            }
            let ended = tokio::select! {
                changed = view.changed() => changed.is_err(),
                changed = links.changed() => changed.is_err(),
            };
            if ended {
                // The workspace is gone; whoever removes it ends this.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether a deploy is under way; one that brings files is remembered.
    fn is_deploying(&mut self) -> bool {
        let view = self.handle.view();
        let deploying = view.state == WorkspaceState::Creating;
        let uploads = |phase: &slipway_wire::Phase| {
            phase.name == PhaseName::Upload && !matches!(phase.state, PhaseState::Done | PhaseState::Skipped)
        };
        self.here_first |= deploying && view.phases.iter().any(uploads);
        deploying
    }

    async fn deploying(&self) {
        let mut view = self.handle.watch();
        // An error: the workspace is gone, and with it this.
        let _ = view.wait_for(|view| view.state == WorkspaceState::Creating).await;
    }

    async fn sides(&self, link: AgentLink, hints: Option<Gathered>) -> Result<Sides, Problem> {
        let limits = deploy::intake_limits(&self.shared.settings.get().intake)?;
        let bounds = Bounds { entries: limits.entries, file_bytes: limits.file_bytes, rules_bytes: RULES };
        let (dir, tag) = (self.record.dir.clone(), self.record.id.to_string());
        // A preview touches nothing: not even what an earlier run left.
        let tag = if hints.is_some() { tag } else { "preview".to_owned() };
        let named = tag.clone();
        let here = blocking(move || Here::open(&dir, &named, bounds, hints)).await??;
        let most =
            Most { entries: limits.entries, file_bytes: limits.file_bytes, bytes: limits.produced_bytes };
        let there = There { client: link.client.clone(), root: self.record.root.clone(), tag, most };
        let (rules, folder) = (here.rules.clone(), here.folder.clone());
        let trouble = here.trouble().map(str::to_owned);
        Ok(Sides { here: Arc::new(Mutex::new(here)), rules, folder, trouble, there, link })
    }

    /// Another container than last time holds files nobody has worked on: what was agreed on is void.
    fn known_container(&mut self, link: &AgentLink) -> Result<(), Problem> {
        if self.record.container.as_deref() == Some(&*link.container) {
            return Ok(());
        }
        if self.record.container.is_some() {
            self.forget_agreed()?;
            self.here_first = true;
        }
        self.record.container = Some(link.container.to_string());
        self.shared.store.sync_save(&self.record)
    }

    fn forget_agreed(&mut self) -> Result<(), Problem> {
        self.books.agreed.clear();
        self.books.unsaved.clear();
        self.shared.store.sync_disagree(&self.record.id)
    }

    fn way(&self) -> Way {
        match (self.record.both, self.here_first) {
            (false, _) => Way::Inward,
            (true, false) => Way::Both,
            (true, true) => Way::HereFirst,
        }
    }

    /// Both sides as a whole.
    async fn look_whole(&mut self, sides: &mut Sides) -> Result<(), End> {
        self.board.look_again();
        self.look_here(sides).await?;
        self.look_there(sides).await
    }

    async fn look_here(&mut self, sides: &mut Sides) -> Result<(), End> {
        let look = sides.look_here(Here::look).await.map_err(ended)?;
        self.books.here = look.tree;
        for (path, why) in &look.left_out {
            self.board.left_out(path, true, why);
        }
        self.not_emptied(&self.books.here, "The folder", "in the folder")?;
        self.books.drop_left_out(&sides.rules);
        Ok(())
    }

    async fn look_there(&mut self, sides: &mut Sides) -> Result<(), End> {
        let look = match sides.there.look(&[], &sides.rules).await {
            Err(problem) if problem.code == Code::NotFound => {
                if self.record.both && !self.books.agreed.is_empty() {
                    return Err(End::Halt(emptied("The workspace's folder", "in the workspace")));
                }
                self.forget_agreed().map_err(ended)?;
                sides.there.make().await.map_err(ended)?;
                books::Look::default()
            }
            other => other.map_err(ended)?,
        };
        self.books.there = look.tree;
        if self.record.both {
            self.not_emptied(&self.books.there, "The workspace's folder", "in the workspace")?;
            for (path, why) in &look.left_out {
                self.board.left_out(path, false, why);
            }
        }
        Ok(())
    }

    /// A side that held much and holds nothing was unmounted, or lost: that is not taken for a wish.
    fn not_emptied(&self, tree: &Tree, which: &str, place: &str) -> Result<(), End> {
        if tree.is_empty() && self.books.agreed.len() >= EMPTIED {
            return Err(End::Halt(emptied(which, place)));
        }
        Ok(())
    }

    /// Goes where the hints say.
    async fn follow(&mut self, sides: &mut Sides, hints: Hints) -> Result<(), End> {
        let rules = hints.paths.iter().any(plan::is_rule);
        if hints.whole || rules {
            let before = sides.rules.texts().to_vec();
            self.look_here(sides).await?;
            if sides.rules.texts() != before {
                self.look_there(sides).await?;
            }
            let all = self.books.everything();
            return self.settle(sides, all).await;
        }
        let paths: Vec<RelPath> = hints.paths.into_iter().collect();
        let touched = self.refresh_here(sides, paths).await?;
        self.settle(sides, touched).await
    }

    async fn refresh_here(
        &mut self,
        sides: &mut Sides,
        paths: Vec<RelPath>,
    ) -> Result<BTreeSet<RelPath>, End> {
        let asked = paths.clone();
        let look = sides.look_here(move |here| here.look_at(&asked)).await.map_err(ended)?;
        for (path, why) in &look.left_out {
            self.board.left_out(path, true, why);
        }
        let touched = books::refresh(&mut self.books.here, &paths, look.tree);
        self.not_emptied(&self.books.here, "The folder", "in the folder")?;
        Ok(touched)
    }

    async fn refresh_there(&mut self, sides: &Sides, paths: &[RelPath]) -> Result<BTreeSet<RelPath>, End> {
        let look = sides.there.look(paths, &sides.rules).await.map_err(ended)?;
        Ok(books::refresh(&mut self.books.there, paths, look.tree))
    }

    /// Looks at what does not tell by itself.
    async fn poll(&mut self, sides: &mut Sides) -> Result<(), End> {
        let (here, there) = (self.books.here.clone(), self.books.there.clone());
        if sides.trouble.is_some() {
            self.look_here(sides).await?;
        }
        if self.record.both {
            self.look_there(sides).await?;
        }
        let mut touched = differing(&here, &self.books.here);
        touched.extend(differing(&there, &self.books.there));
        self.settle(sides, touched).await
    }

    async fn try_again(&mut self, sides: &mut Sides) -> Result<(), End> {
        let paths: Vec<RelPath> = std::mem::take(&mut self.pending).into_iter().collect();
        let mut touched = self.refresh_here(sides, paths.clone()).await?;
        touched.extend(self.refresh_there(sides, &paths).await?);
        self.settle(sides, touched).await?;
        self.retry = if self.pending.is_empty() { RETRY.0 } else { (self.retry * 2).min(RETRY.1) };
        Ok(())
    }

    /// Compares and carries until nothing is left to do at these paths, or it must wait a moment.
    async fn settle(&mut self, sides: &mut Sides, mut touched: BTreeSet<RelPath>) -> Result<(), End> {
        for _ in 0..ROUNDS {
            let work = self.compare(&touched);
            if work.is_empty() {
                self.save().await.map_err(ended)?;
                return Ok(());
            }
            self.board.count(self.books.agreed.len(), self.pending.len() + work.len());
            self.board.set(SyncState::Syncing, None);
            let again = self.carry(sides, work).await?;
            self.save().await.map_err(ended)?;
            if again.is_empty() {
                return Ok(());
            }
            let paths: Vec<RelPath> = again.iter().cloned().collect();
            touched = self.refresh_here(sides, paths.clone()).await?;
            touched.extend(self.refresh_there(sides, &paths).await?);
        }
        // Somebody changes it all the time.
        self.pending.extend(touched);
        Ok(())
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
        for batch in work.send.chunks(BATCH) {
            let done = carry::send(&sides.there, folder.clone(), batch.to_vec()).await.map_err(ended)?;
            for (step, outcome) in batch.iter().zip(done) {
                self.carried(step, outcome, true, &mut again);
            }
            self.board.publish();
        }
        for batch in work.fetch.chunks(BATCH) {
            let done = carry::fetch(&sides.there, folder.clone(), batch.to_vec()).await.map_err(ended)?;
            for (step, outcome) in batch.iter().zip(done) {
                self.carried(step, outcome, false, &mut again);
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
                self.pending.insert(path.clone());
            }
        }
    }

    /// Writes what has been agreed on.
    async fn save(&mut self) -> Result<(), Problem> {
        let changes = std::mem::take(&mut self.books.unsaved);
        if changes.is_empty() {
            return Ok(());
        }
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        if changes.len() <= FEW {
            return shared.store.sync_agree(&id, &changes);
        }
        blocking(move || shared.store.sync_agree(&id, &changes)).await?
    }

    /// What would be done first. Nothing is changed.
    pub(super) async fn preview(mut self) -> Result<SyncPreview, Problem> {
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

/// Hints, once no more have come for a moment.
async fn gather(hints: &Gathered) -> Hints {
    hints.some().await;
    let latest = Instant::now() + PATIENCE;
    loop {
        let quiet = (Instant::now() + QUIET).min(latest);
        tokio::select! {
            () = hints.some() => if Instant::now() >= latest { return hints.take() },
            () = sleep_until(quiet) => return hints.take(),
        }
    }
}

fn differing(before: &Tree, now: &Tree) -> BTreeSet<RelPath> {
    before.keys().chain(now.keys()).filter(|path| before.get(*path) != now.get(*path)).cloned().collect()
}

/// Runs work on this machine's files where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        Problem::new(Code::Internal, format!("The sync's work on this machine's files broke: {e}."))
    })
}

impl Sides {
    /// Looks at this machine's side where that may block.
    async fn look_here(
        &mut self,
        look: impl FnOnce(&mut Here) -> Result<books::Look, Problem> + Send + 'static,
    ) -> Result<books::Look, Problem> {
        let here = self.here.clone();
        let (look, rules, folder, trouble) = blocking(move || {
            let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
            let look = look(&mut here);
            (look, here.rules.clone(), here.folder.clone(), here.trouble().map(str::to_owned))
        })
        .await?;
        (self.rules, self.folder, self.trouble) = (rules, folder, trouble);
        look
    }
}

fn lost() -> Problem {
    Problem::new(Code::AgentLost, "The workspace does not answer.")
        .hint("The sync goes on by itself when it does; nothing is lost meanwhile.")
}

fn deploying() -> Problem {
    Problem::new(Code::WrongState, "The workspace is being deployed.")
        .hint("The sync goes on by itself then.")
}

fn emptied(which: &str, place: &str) -> Problem {
    Problem::new(Code::WrongState, format!("{which} is empty all at once; nothing was removed on the other side."))
        .hint(format!("If it was lost, start the sync again: nothing is then taken for removed {place}. If it is meant, empty the other side too."))
}

/// What a problem means for a sync.
fn ended(problem: impl Into<Problem>) -> End {
    let problem = problem.into();
    match problem.code {
        Code::Limit | Code::Invalid => End::Halt(problem),
        _ => End::Wait(problem),
    }
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn stamp(now_ms: u64) -> String {
    let seconds = now_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-compatible low-level date algorithms": days since 1970 to a civil date.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Whose version was kept beside: seven characters, as Syncthing's short device ids, made of the workspace's id.
fn who(workspace: &str) -> String {
    use sha2::Digest as _;
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = sha2::Sha256::digest(workspace);
    hash.iter().take(7).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_syncthing_does() {
        for (ms, text) in [
            (0, "19700101-000000"),
            (951_782_400_000, "20000229-000000"),
            (1_709_251_199_999, "20240229-235959"),
            (1_795_284_240_000, "20261121-180400"),
        ] {
            assert_eq!(stamp(ms), text);
        }
        assert_eq!(who("shop-a1").len(), 7);
    }
}
