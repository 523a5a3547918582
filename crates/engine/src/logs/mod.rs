//! What workspaces' programs print, line by line, on this machine's disk: followed from the agent, numbered, kept up to
//! a cap, read when the container is long gone. Output that comes in is hostile; what leaves is plain text.

mod book;
mod follow;
mod level;
mod lines;
mod read;
mod segment;
mod writer;

use slipway_wire::{Code, LogPage, LogQuery, Problem, WorkspaceId, WorkspaceState};
use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::Semaphore;

pub(crate) use self::follow::Followed;
use self::{book::Book, follow::Pumps, read::Asked};
use crate::shared::Shared;

/// What logs of deleted workspaces may take together, bytes.
const DELETED: u64 = 512 << 20;
/// A folder that belongs to nobody known is left for so long: a lost database's workspaces come back by their labels.
const STRANGE: Duration = Duration::from_hours(24);
/// Longest wait for a line, milliseconds.
const MOST_WAIT_MS: u64 = 10_000;
/// Pages read at a time.
const READERS: usize = 4;

/// The end of a program's output as plain text, for reports.
#[derive(Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    const LINES: usize = 40;
    const BYTES: usize = 64 * 1024;

    pub(crate) fn push(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.lines.len() > Self::LINES || self.bytes > Self::BYTES && self.lines.len() > 1 {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    /// The last lines.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The last lines of output that is not kept.
#[derive(Default)]
pub(crate) struct Ending {
    splitter: lines::Splitter,
    tail: Tail,
    at: u64,
}

impl Ending {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let tail = &mut self.tail;
        self.splitter.push(self.at, bytes, &mut |line| tail.push(&line.message));
        self.at += bytes.len() as u64;
    }

    pub(crate) fn text(mut self) -> String {
        let tail = &mut self.tail;
        self.splitter.flush(self.at, &mut |line| tail.push(&line.message));
        tail.text()
    }
}

/// Every workspace's log.
pub(crate) struct Logs {
    dir: PathBuf,
    books: Mutex<BTreeMap<WorkspaceId, Arc<Book>>>,
    pumps: Pumps,
    /// A reader holds a file in memory: only so many read at a time.
    reads: Semaphore,
}

impl Logs {
    /// Logs below the data folder. Nothing is read or made yet.
    pub(crate) fn new(data_dir: &std::path::Path) -> Self {
        let reads = Semaphore::new(READERS);
        Self { dir: data_dir.join("logs"), books: Mutex::default(), pumps: Pumps::default(), reads }
    }

    /// Waits for no disk: the books of all workspaces are behind one lock.
    fn book(&self, id: &WorkspaceId, limit_mb: u64) -> Arc<Book> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let book = books
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Book::new(self.dir.join(id.as_str()), limit_mb << 20)));
        book.set_limit(limit_mb << 20);
        book.clone()
    }

    /// The log of a workspace that was deleted: its newest part stays as long as the workspace is remembered.
    fn close(&self, id: &WorkspaceId) -> Option<Arc<Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// A page of a workspace's log, waiting for one where that is asked for.
pub(crate) async fn page(shared: &Arc<Shared>, query: LogQuery) -> Result<LogPage, Problem> {
    let mut asked = Asked::check(&query)?;
    let handle = shared.registry.get(&query.id);
    let book = match &handle {
        Some(_) => shared.logs.book(&query.id, shared.settings.get().log_limit_mb),
        None if shared.store.deleted(&query.id)?.is_some() => {
            Arc::new(Book::new(shared.logs.dir.join(query.id.as_str()), 0))
        }
        None => {
            return Err(Problem::new(Code::NotFound, format!("There is no workspace {}.", query.id))
                .hint("`slipway ps --all` lists what there is, and what was deleted lately."));
        }
    };
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0).min(MOST_WAIT_MS));
    let deadline = tokio::time::Instant::now() + wait;
    let mut state = handle.as_ref().map(crate::workspace::Handle::watch);
    let mut last = book.watch();
    loop {
        last.mark_unchanged();
        // A workspace that is being stopped is so already by its state; what it prints until then is waited for too.
        let running = shared.logs.pumps.of(&query.id);
        let works = state.as_mut().is_some_and(|state| goes_on(state.borrow_and_update().state));
        let live = works || state.is_some() && running.any();
        let (reading, question) = (book.clone(), asked);
        let turn = shared.logs.reads.acquire().await;
        let work = tokio::task::spawn_blocking(move || (read::page(&reading, &question), question));
        let (page, question) =
            work.await.map_err(|e| Problem::new(Code::Internal, format!("Reading the log broke: {e}.")))?;
        drop(turn);
        asked = question;
        let page = LogPage { live, ..page? };
        let waits = page.records.is_empty() && page.gap.is_none() && !page.more && live;
        if !waits || tokio::time::Instant::now() >= deadline {
            // With a wait it may still come.
            let asks = query.wait_ms.is_none() && query.after.is_none() && page.records.is_empty();
            if let Some(process) = query.process.as_ref().filter(|_| asks) {
                let _turn = shared.logs.reads.acquire().await;
                known(&book, process, &query.id).await?;
            }
            return Ok(page);
        }
        asked.behind(page.next);
        let changed = async {
            if let Some(state) = &mut state
                && state.changed().await.is_ok()
            {
                return;
            }
            // Nobody will change it any more.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = last.changed() => {}
            () = changed => {}
            () = running.over(), if !works => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = shared.cancel.cancelled() => return Ok(LogPage { live: false, ..page }),
        }
    }
}

/// Refuses the name of a program that has left nothing.
async fn known(book: &Arc<Book>, process: &str, id: &WorkspaceId) -> Result<(), Problem> {
    let (book, name) = (book.clone(), process.to_owned());
    let known = tokio::task::spawn_blocking(move || read::knows(&book, &name)).await;
    let known = known.map_err(|e| Problem::new(Code::Internal, format!("Reading the log broke: {e}.")))??;
    if known {
        return Ok(());
    }
    Err(Problem::new(Code::NotFound, format!("The log of {id} knows no program {process:?}."))
        .hint(format!("`slipway logs {id}` shows all of them.")))
}

/// Whether more may come of a workspace in this state.
fn goes_on(state: WorkspaceState) -> bool {
    matches!(state, WorkspaceState::Creating | WorkspaceState::Running | WorkspaceState::Paused)
}

impl Shared {
    /// Keeps the last part of the log of a workspace that was deleted, and lets those go that nobody remembers.
    pub(crate) fn close_log(self: &Arc<Self>, id: &WorkspaceId) {
        let book =
            self.logs.close(id).unwrap_or_else(|| Arc::new(Book::new(self.logs.dir.join(id.as_str()), 0)));
        let shared = self.clone();
        self.tracker.spawn_blocking(move || {
            book.close();
            if let Err(error) = sweep(&shared) {
                tracing::warn!(%error, "old logs stay for now");
            }
        });
    }
}

/// Removes the logs of workspaces that are no longer remembered, and the oldest of deleted ones beyond their bound.
fn sweep(shared: &Shared) -> io::Result<()> {
    let mut deleted = Vec::new();
    for entry in fs::read_dir(&shared.logs.dir).into_iter().flatten() {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<WorkspaceId>().ok());
        let Some(id) = id.filter(|id| shared.registry.get(id).is_none()) else { continue };
        let size: u64 = segment::list(&entry.path())?.iter().map(|(_, length)| length).sum();
        let changed = entry.metadata()?.modified()?;
        let strange = matches!(shared.store.deleted(&id), Ok(None));
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(shared.config.clock.now_ms());
        let old = now.duration_since(changed).is_ok_and(|age| age > STRANGE);
        if strange && old {
            fs::remove_dir_all(entry.path())?;
        } else {
            deleted.push((changed, size, entry.path()));
        }
    }
    deleted.sort_unstable_by_key(|(changed, ..)| std::cmp::Reverse(*changed));
    let mut total = 0;
    for (_, size, path) in deleted {
        total += size;
        if total > DELETED {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
