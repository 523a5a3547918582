//! The one task that owns a sync: waits for both sides, compares them as a whole, carries, and then goes from hint to
//! hint. A side that goes away ends the round; when it is back everything is compared again.

mod look;
mod say;
mod settle;

use slipway_intake::IgnoreRules;
use slipway_mirror::{Bounds, Folder, RelPath};
use slipway_wire::{Code, PhaseName, PhaseState, Problem, SyncState, WorkspaceState};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    SyncRecord,
    books::{self, Books, Tree},
    here::Here,
    plan::{self, Way},
    there::{Most, There},
    told,
    tune::{POLL, RETRY, RULES, WAIT},
    view::Board,
    watch::{Gathered, Hints},
};
use say::{deploying, ended, lost};

use crate::{agent_link::AgentLink, deploy, shared::Shared, workspace::Handle};

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
    again_at: Instant,
    wait: Duration,
    here_first: bool,
    /// The store has rows of what was about to be carried.
    intended: bool,
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
            again_at: Instant::now(),
            wait: WAIT.0,
            here_first,
            intended: false,
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
            self.look_first(&mut sides).await?;
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
        let (told, complete) = (Gathered::default(), AtomicBool::new(false));
        let (there, both) = (sides.there.clone(), self.record.both);
        let telling = async {
            if both {
                told::follow(there, told.clone(), &complete).await;
            }
            std::future::pending::<()>().await;
        };
        let mut telling = std::pin::pin!(telling);
        let mut polled = Instant::now();
        loop {
            self.rest(&sides);
            let asking = both && !complete.load(Ordering::Relaxed);
            let polling = asking || sides.trouble.is_some();
            let next = tokio::select! {
                hints = hints.settled() => self.follow(&mut sides, hints).await,
                hints = told.settled() => self.follow_there(&mut sides, hints).await,
                // Never ends: it only gathers.
                () = &mut telling => Ok(()),
                () = sides.link.closed() => Err(End::Wait(lost())),
                () = self.deploying() => Err(End::Wait(deploying())),
                () = sleep_until(polled + POLL), if polling => {
                    let done = self.poll(&mut sides).await;
                    polled = Instant::now();
                    done
                }
                () = sleep_until(self.again_at), if !self.pending.is_empty() => {
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
        let paths = books::cover(&hints.paths);
        let touched = self.refresh_here(sides, paths).await?;
        self.settle(sides, touched).await
    }

    /// The same in the workspace.
    async fn follow_there(&mut self, sides: &mut Sides, hints: Hints) -> Result<(), End> {
        if hints.whole {
            let before = self.books.there.clone();
            self.look_there(sides).await?;
            let touched = differing(&before, &self.books.there);
            return self.settle(sides, touched).await;
        }
        let paths = books::cover(&hints.paths);
        let touched = self.refresh_there(sides, &paths).await?;
        if self.books.there.is_empty() {
            // Emptied, or gone: a whole look tells which, and what that means.
            self.look_there(sides).await?;
        }
        self.settle(sides, touched).await
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
        let paths = books::cover(&std::mem::take(&mut self.pending));
        let mut touched = self.refresh_here(sides, paths.clone()).await?;
        touched.extend(self.refresh_there(sides, &paths).await?);
        self.settle(sides, touched).await?;
        self.retry = if self.pending.is_empty() { RETRY.0 } else { (self.retry * 2).min(RETRY.1) };
        self.again_at = Instant::now() + self.retry;
        Ok(())
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
