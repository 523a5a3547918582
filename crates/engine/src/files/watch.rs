//! What changes in a workspace's files: the agent's stream, checked, and a bounded memory of it that clients read by
//! cursor. One stream for each directory somebody asks about; it ends when nobody asks any more.
//!
//! ```text
//!   agent ── Watch ──► Follow ──► Hub (a ring) ◄── changes(after, wait) ── any number of clients
//! ```

use bytes::Bytes;
use slipway_agent_api::{
    FOLDED,
    v1::{FileInfo, WatchReply, WatchRequest, watch_event::Kind},
};
use slipway_wire::{Code, FileChange, FileChanges, Problem, WatchFiles, WorkspaceId};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tonic::Streaming;

use super::{MOST_PATH, entry, path_bytes, shown, trees::older};
use crate::{
    agent_link::{AgentClient, agent_problem},
    shared::Shared,
    workspace::Handle,
};

/// Changes remembered for those who ask again, and the memory they may take, bytes.
const KEPT: usize = 8192;
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Bounds of one answer.
const PAGE: usize = 1000;
const PAGE_BYTES: usize = 1024 * 1024;
const MOST_UNWATCHED: usize = 100;
/// The longest one question waits. Each answer wakes the interface, which costs more than all that waits here.
const MOST_WAIT: Duration = Duration::from_mins(1);
/// A tree of thousands of directories takes the agent a while; more than this is no tree we watch.
const BEGINNING: Duration = Duration::from_secs(30);
/// After so long without a question nobody watches any more; longer than one question waits.
const FORGOTTEN: Duration = Duration::from_mins(2);
/// Directories of one workspace watched at a time. The agent takes no more than these and a sync's.
const MOST_ROOTS: usize = 4;

/// One thing the agent saw. Paths are below the root, checked to stay there; empty for the root itself.
#[derive(Debug)]
pub(crate) enum Seen {
    /// From here on nothing is missed.
    Watching,
    /// This is there now.
    Changed(Bytes, FileInfo),
    /// Nothing is there any more, nor below it.
    Gone(Bytes),
    /// Anything at or below it may have changed.
    Rescan,
    /// Changes at or below it are not seen.
    Unwatched(Bytes),
}

/// The agent's stream. Dropped, the agent watches no longer.
pub(crate) struct Follow {
    stream: Streaming<WatchReply>,
    doing: String,
}

impl Follow {
    /// Begins to watch a directory.
    pub(crate) async fn begin(mut client: AgentClient, root: &str) -> Result<Self, Problem> {
        let doing = format!("watching {root}");
        let folded = FOLDED.iter().map(|name| Bytes::from_static(name.as_bytes())).collect();
        let request = WatchRequest { root: path_bytes(root)?, folded, directories: 0 };
        let reply = client.watch(request).await.map_err(|status| {
            if status.code() == tonic::Code::Unimplemented {
                return older("watch files");
            }
            let problem = agent_problem(&doing, &status);
            if problem.code == Code::Limit {
                return problem.hint("Close programs that watch files, or raise the limit with sysctl.");
            }
            problem
        })?;
        Ok(Self { stream: reply.into_inner(), doing })
    }

    /// What was seen next, at most a thousand things at once.
    pub(crate) async fn next(&mut self) -> Result<Vec<Seen>, Problem> {
        let reply = self.stream.message().await.map_err(|s| agent_problem(&self.doing, &s))?;
        let Some(reply) = reply else {
            return Err(Problem::new(Code::AgentLost, format!("The workspace stopped {}.", self.doing)));
        };
        Ok(reply
            .events
            .into_iter()
            .map(|event| {
                let (kind, path) = (event.kind(), event.path);
                // An agent that names a place outside is lying; what it hides by that is looked for.
                if !below(&path) {
                    return Seen::Rescan;
                }
                match (kind, event.info) {
                    (Kind::Watching, _) => Seen::Watching,
                    (Kind::Changed, Some(info)) => Seen::Changed(path, info),
                    (Kind::Gone, _) => Seen::Gone(path),
                    (Kind::Unwatched, _) => Seen::Unwatched(path),
                    (Kind::Rescan | Kind::Changed, _) => Seen::Rescan,
                }
            })
            .collect())
    }
}

/// Whether a path leads down from a root, by names only.
fn below(path: &[u8]) -> bool {
    let plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    path.len() <= MOST_PATH && (path.is_empty() || path.split(|byte| *byte == b'/').all(plain))
}

/// The directories that are watched.
#[derive(Default)]
pub(crate) struct FileWatches {
    all: Mutex<HashMap<(WorkspaceId, String), Arc<Hub>>>,
}

impl FileWatches {
    fn lock(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, String), Arc<Hub>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watched directory: what changed there, numbered.
struct Hub {
    /// Makes cursors of another hub, or of an owner before this one, strangers here.
    name: String,
    root: String,
    state: Mutex<State>,
    /// The number of the last change, or that it ended: for those who wait.
    told: watch::Sender<u64>,
}

struct State {
    changes: VecDeque<FileChange>,
    bytes: usize,
    /// The number of the newest change; `changes` ends with it.
    last: u64,
    /// Everything up to here is to be looked at anew by whoever has not been told of it.
    lost: u64,
    watching: bool,
    unwatched: Vec<String>,
    ended: Option<Problem>,
    asked: Instant,
}

impl Hub {
    fn new(root: String) -> Self {
        let state = State {
            changes: VecDeque::new(),
            bytes: 0,
            last: 0,
            lost: 0,
            watching: false,
            unwatched: Vec::new(),
            ended: None,
            asked: Instant::now(),
        };
        let name = format!("{:016x}", fastrand::u64(..));
        Self { name, root, state: Mutex::new(state), told: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until it fails, nobody asks, or nobody can ask.
    async fn run(&self, client: AgentClient) {
        let problem = match Follow::begin(client, &self.root).await {
            Ok(follow) => self.follow(follow).await,
            Err(problem) => problem,
        };
        self.state().ended = Some(problem);
        self.told.send_modify(|told| *told += 1);
    }

    async fn follow(&self, mut follow: Follow) -> Problem {
        loop {
            match timeout(FORGOTTEN, follow.next()).await {
                Ok(Ok(seen)) => self.take(seen),
                Ok(Err(problem)) => return problem,
                Err(_) => {}
            }
            if self.state().asked.elapsed() > FORGOTTEN {
                return Problem::new(Code::Cancelled, format!("{} is no longer watched.", self.root));
            }
        }
    }

    fn take(&self, seen: Vec<Seen>) {
        let mut state = self.state();
        for seen in seen {
            match seen {
                Seen::Watching => state.watching = true,
                Seen::Rescan => state.lose(),
                Seen::Unwatched(path) if state.unwatched.len() < MOST_UNWATCHED => {
                    let path = self.full(&path);
                    if !state.unwatched.contains(&path) {
                        state.unwatched.push(path);
                    }
                }
                Seen::Unwatched(_) => {}
                Seen::Changed(path, info) => {
                    state.add(FileChange { path: self.full(&path), entry: Some(entry(&info)) });
                }
                Seen::Gone(path) => state.add(FileChange { path: self.full(&path), entry: None }),
            }
        }
        drop(state);
        self.told.send_modify(|told| *told += 1);
    }

    fn full(&self, path: &[u8]) -> String {
        let root = self.root.trim_end_matches('/');
        if path.is_empty() { self.root.clone() } else { format!("{root}/{}", shown(path)) }
    }

    fn cursor(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    /// What a client that has seen everything up to its cursor is told; none when there is nothing.
    fn page(&self, after: Option<&str>) -> Result<Option<FileChanges>, Problem> {
        let mut state = self.state();
        state.asked = Instant::now();
        if let Some(problem) = &state.ended {
            return Err(problem.clone());
        }
        if !state.watching {
            return Ok(None);
        }
        let known = after
            .and_then(|cursor| cursor.strip_prefix(&self.name)?.strip_prefix('-')?.parse::<u64>().ok())
            .filter(|number| (state.lost..=state.last).contains(number));
        let mut page = FileChanges {
            changes: Vec::new(),
            next: self.cursor(state.last),
            rescan: known.is_none(),
            unwatched: state.unwatched.clone(),
        };
        let Some(known) = known else { return Ok(Some(page)) };
        if known == state.last {
            return Ok(None);
        }
        let skip = state.changes.len().saturating_sub((state.last - known) as usize);
        let mut bytes = 0;
        for change in state.changes.iter().skip(skip).take(PAGE) {
            bytes += size(change);
            if bytes > PAGE_BYTES && !page.changes.is_empty() {
                break;
            }
            page.changes.push(change.clone());
        }
        page.next = self.cursor(known + page.changes.len() as u64);
        Ok(Some(page))
    }

    fn nothing(&self, after: Option<&str>) -> FileChanges {
        let state = self.state();
        let next = after.map_or_else(|| self.cursor(state.last), str::to_owned);
        FileChanges { changes: Vec::new(), next, rescan: false, unwatched: state.unwatched.clone() }
    }
}

impl State {
    fn add(&mut self, change: FileChange) {
        self.last += 1;
        self.bytes += size(&change);
        self.changes.push_back(change);
        while self.changes.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.bytes -= size(&oldest);
            self.lost = self.last - self.changes.len() as u64;
        }
    }

    fn lose(&mut self) {
        self.changes.clear();
        self.bytes = 0;
        // A number of its own: whoever has seen all before it must also be told.
        self.last += 1;
        self.lost = self.last;
    }
}

fn size(change: &FileChange) -> usize {
    let entry = change.entry.as_ref();
    128 + change.path.len() + entry.map_or(0, |e| e.name.len() + e.target.as_ref().map_or(0, String::len))
}

/// What changed below a directory, waiting for it if asked to.
pub(crate) async fn changes(
    shared: &Arc<Shared>,
    handle: &Handle,
    request: WatchFiles,
) -> Result<FileChanges, Problem> {
    let root = request.path.unwrap_or_else(|| handle.view().root.clone());
    path_bytes(&root)?;
    let hub = hub(shared, handle, (request.id, root))?;
    let after = request.after.as_deref();
    let mut told = hub.told.subscribe();
    let began = Instant::now();
    let wait = Duration::from_millis(request.wait_ms.unwrap_or(0)).min(MOST_WAIT);
    loop {
        told.mark_unchanged();
        if let Some(page) = hub.page(after)? {
            return Ok(page);
        }
        let watching = hub.state().watching;
        let left = if watching { wait } else { BEGINNING }.saturating_sub(began.elapsed());
        // The sender lives as long as the hub, which we hold.
        if left.is_zero() || timeout(left, told.changed()).await.is_err() {
            if watching {
                return Ok(hub.nothing(after));
            }
            return Err(Problem::new(Code::AgentLost, format!("{} could not be watched in time.", hub.root))
                .hint("Watch a smaller directory."));
        }
    }
}

/// The hub of a directory, begun if there is none.
fn hub(shared: &Arc<Shared>, handle: &Handle, key: (WorkspaceId, String)) -> Result<Arc<Hub>, Problem> {
    let client = handle.agent()?.client;
    let mut all = shared.watches.lock();
    if let Some(hub) = all.get(&key).filter(|hub| hub.state().ended.is_none()) {
        return Ok(Arc::clone(hub));
    }
    if all.keys().filter(|(id, _)| *id == key.0).count() >= MOST_ROOTS && !all.contains_key(&key) {
        return Err(Problem::new(
            Code::Limit,
            format!("{MOST_ROOTS} directories of this workspace are watched already."),
        )
        .hint("Watch one above them."));
    }
    let hub = Arc::new(Hub::new(key.1.clone()));
    all.insert(key.clone(), Arc::clone(&hub));
    drop(all);
    let (running, shared_too) = (Arc::clone(&hub), Arc::clone(shared));
    let cancel = shared.cancel.clone();
    shared.tracker.spawn(async move {
        cancel.run_until_cancelled(running.run(client)).await;
        let mut all = shared_too.watches.lock();
        if all.get(&key).is_some_and(|there| Arc::ptr_eq(there, &running)) {
            all.remove(&key);
        }
    });
    Ok(hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching() -> Hub {
        let hub = Hub::new("/w".to_owned());
        hub.take(vec![Seen::Watching]);
        hub
    }

    fn gone(name: &str) -> Seen {
        Seen::Gone(Bytes::copy_from_slice(name.as_bytes()))
    }

    fn told(page: &FileChanges) -> Vec<&str> {
        page.changes.iter().map(|change| change.path.as_str()).collect()
    }

    #[test]
    fn a_cursor_is_told_what_came_after_it_and_a_stranger_to_look_anew() {
        let hub = watching();
        let first = hub.page(None).unwrap().unwrap();
        assert!(first.rescan && first.changes.is_empty());
        assert_eq!(hub.page(Some(&first.next)).unwrap(), None);
        hub.take(vec![gone("a"), gone("b/c")]);
        let page = hub.page(Some(&first.next)).unwrap().unwrap();
        assert_eq!((told(&page), page.rescan), (vec!["/w/a", "/w/b/c"], false));
        assert_eq!(hub.page(Some(&page.next)).unwrap(), None);
        for strange in ["", "x-1", "1", &format!("{}-99", hub.name)] {
            assert!(hub.page(Some(strange)).unwrap().unwrap().rescan, "{strange}");
        }
    }

    #[test]
    fn what_was_lost_is_told_as_a_rescan_also_to_who_had_seen_all() {
        let hub = watching();
        let cursor = hub.page(None).unwrap().unwrap().next;
        hub.take(vec![Seen::Rescan, gone("after")]);
        let page = hub.page(Some(&cursor)).unwrap().unwrap();
        assert!(page.rescan && page.changes.is_empty());
        assert_eq!(hub.page(Some(&page.next)).unwrap(), None);
    }

    #[test]
    fn the_memory_is_bounded_and_its_end_is_no_gap() {
        let hub = watching();
        let cursor = hub.page(None).unwrap().unwrap().next;
        hub.take((0..KEPT).map(|n| gone(&n.to_string())).collect());
        let mut page = hub.page(Some(&cursor)).unwrap().unwrap();
        assert_eq!((page.changes.len(), page.rescan), (PAGE, false), "nothing is lost yet");
        let mut all = page.changes.len();
        while let Some(more) = hub.page(Some(&page.next)).unwrap() {
            all += more.changes.len();
            page = more;
        }
        assert_eq!(all, KEPT);
        hub.take(vec![gone("one more")]);
        assert!(hub.page(Some(&cursor)).unwrap().unwrap().rescan);
        assert_eq!(told(&hub.page(Some(&page.next)).unwrap().unwrap()), ["/w/one more"]);
    }

    #[test]
    fn a_path_outside_of_the_root_is_none() {
        for good in [&b""[..], b"a", b"a/b", b"..a/\xff"] {
            assert!(below(good), "{good:?}");
        }
        for bad in [&b"/a"[..], b"a//b", b"../a", b"a/..", b"a/", b"a\0b", &[b'x'; MOST_PATH + 1]] {
            assert!(!below(bad), "{bad:?}");
        }
    }
}
