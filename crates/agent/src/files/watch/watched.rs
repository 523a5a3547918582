//! Which directories are watched, and what the kernel's events make dirty. Paths are kept relative to the root. Names and
//! depths are the container's to choose: everything kept is bounded, and what does not fit is told as a rescan or as
//! unwatched, never left out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use slipway_agent_api::v1::watch_event::Kind;
use slipway_agent_api::v1::{FileInfo, WatchEvent, WatchReply};
use tokio::io::unix::AsyncFd;
use tonic::Status;

use crate::files::entry::info;
use crate::files::{on_its_way, status};

/// Paths that wait to be told. A burst beyond it is told as one rescan.
const MOST_DIRTY: usize = 20_000;
/// Directories told as unwatched; beyond it the root is.
const MOST_UNWATCHED: usize = 1000;
/// Events of the kernel taken in one look.
const MOST_EVENTS: usize = 65_536;
/// Bounds of one reply.
const REPLY_EVENTS: usize = 1000;
const REPLY_BYTES: usize = 256 * 1024;

const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// Whether the kernel may hold more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// Whether what a directory holds is told, or known to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Told,
    Known,
}

pub(super) struct Watched {
    events: Arc<AsyncFd<OwnedFd>>,
    root: PathBuf,
    folded: HashSet<Vec<u8>>,
    limit: usize,
    by_watch: HashMap<i32, Vec<u8>>,
    by_path: BTreeMap<Vec<u8>, i32>,
    dirty: BTreeSet<Vec<u8>>,
    unwatched: BTreeSet<Vec<u8>>,
    rescan: bool,
    /// Whether the first events, which say that it is watched, are still to come.
    new: bool,
    root_gone: bool,
}

impl Watched {
    /// Watches everything below `root`.
    pub(super) fn begin(
        events: Arc<AsyncFd<OwnedFd>>,
        root: PathBuf,
        folded: HashSet<Vec<u8>>,
        limit: usize,
    ) -> Result<Self, Status> {
        let meta = root.metadata().map_err(|error| status(&root.display().to_string(), &error))?;
        if !meta.is_dir() {
            return Err(Status::failed_precondition(format!("{}: not a directory", root.display())));
        }
        let mut watched = Self {
            events,
            root,
            folded,
            limit,
            by_watch: HashMap::new(),
            by_path: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unwatched: BTreeSet::new(),
            rescan: false,
            new: true,
            root_gone: false,
        };
        watched.add(Vec::new(), Content::Known);
        Ok(watched)
    }

    /// An error once the root has gone away.
    pub(super) fn still_there(&self) -> Result<(), Status> {
        if self.root_gone {
            return Err(Status::not_found(format!("{}: it was removed or moved away", self.root.display())));
        }
        Ok(())
    }

    /// Takes what the kernel has.
    pub(super) fn read(&mut self) -> io::Result<More> {
        let events = Arc::clone(&self.events);
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); 64 * 1024];
        let mut reader = inotify::Reader::new(events.get_ref(), &mut buffer);
        for _ in 0..MOST_EVENTS {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec());
                    self.happened(event.wd(), event.events(), name);
                }
                Err(Errno::WOULDBLOCK) => return Ok(More::No),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // What the buffer still holds would be lost with the reader.
        while !reader.is_buffer_empty() {
            if let Ok(event) = reader.next() {
                let name = event.file_name().map(|name| name.to_bytes().to_vec());
                self.happened(event.wd(), event.events(), name);
            }
        }
        Ok(More::Yes)
    }

    fn happened(&mut self, watch: i32, what: ReadFlags, name: Option<Vec<u8>>) {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.begin_again();
            return;
        }
        let Some(directory) = self.by_watch.get(&watch).cloned() else { return };
        if what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
            self.by_watch.remove(&watch);
            if self.by_path.get(&directory) == Some(&watch) {
                self.by_path.remove(&directory);
                self.root_gone |= directory.is_empty();
            }
            return;
        }
        if directory.is_empty() && what.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
            self.root_gone = true;
            return;
        }
        match name {
            Some(name) if on_its_way(&name) => {}
            Some(name) if !self.is_folded(&directory) => {
                let path = join(&directory, &name);
                if what.contains(ReadFlags::ISDIR) {
                    if what.contains(ReadFlags::MOVED_FROM) {
                        self.forget(&path);
                    } else if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                        self.add(path.clone(), Content::Told);
                    }
                }
                self.soil(path);
            }
            _ => self.soil(directory),
        }
    }

    /// After lost events nothing known about directories can be relied on.
    fn begin_again(&mut self) {
        self.by_watch.clear();
        self.by_path.clear();
        self.dirty.clear();
        self.rescan = true;
        self.add(Vec::new(), Content::Known);
    }

    fn soil(&mut self, path: Vec<u8>) {
        if self.rescan {
            return;
        }
        if self.dirty.len() == MOST_DIRTY {
            self.dirty.clear();
            self.rescan = true;
            return;
        }
        self.dirty.insert(path);
    }

    /// Watches a directory and all below it. Watched first and then read, so that what appears meanwhile is seen by one
    /// or the other.
    fn add(&mut self, path: Vec<u8>, content: Content) {
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            if !self.watch(&path) || self.is_folded(&path) {
                continue;
            }
            // Gone again, or not to be read: then there is nothing to tell of it.
            let Ok(entries) = std::fs::read_dir(self.full(&path)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                if on_its_way(name.as_bytes()) {
                    continue;
                }
                let inner = join(&path, name.as_bytes());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(inner.clone());
                }
                if content == Content::Told {
                    self.soil(inner);
                }
            }
        }
    }

    /// Whether the directory is watched now.
    fn watch(&mut self, path: &[u8]) -> bool {
        if self.by_watch.len() >= self.limit && !self.by_path.contains_key(path) {
            self.cannot_watch(path);
            return false;
        }
        // The root is the caller's own choice and may be reached through a symlink.
        let flags = if path.is_empty() {
            CHANGES | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF
        } else {
            CHANGES | WatchFlags::DONT_FOLLOW
        };
        match inotify::add_watch(self.events.get_ref(), self.full(path), flags) {
            Ok(watch) => {
                // The same directory under another name than before: a rename whose events are still to come.
                if let Some(before) = self.by_watch.insert(watch, path.to_vec())
                    && before != path
                    && self.by_path.get(&before) == Some(&watch)
                {
                    self.by_path.remove(&before);
                }
                self.by_path.insert(path.to_vec(), watch);
                true
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.root_gone |= path.is_empty();
                false
            }
            Err(_no_right_or_no_room) => {
                self.cannot_watch(path);
                false
            }
        }
    }

    fn cannot_watch(&mut self, path: &[u8]) {
        if self.unwatched.len() < MOST_UNWATCHED {
            self.unwatched.insert(path.to_vec());
        } else {
            self.unwatched.insert(Vec::new());
        }
    }

    /// No longer watches a directory that was moved away, nor what is below it.
    fn forget(&mut self, path: &[u8]) {
        let below = join(path, b"");
        let inside = self.by_path.range(below.clone()..).take_while(|(inner, _)| inner.starts_with(&below));
        let mut gone: Vec<Vec<u8>> = inside.map(|(inner, _)| inner.clone()).collect();
        gone.push(path.to_vec());
        for path in gone {
            if let Some(watch) = self.by_path.remove(&path) {
                self.by_watch.remove(&watch);
                // Removed by the kernel already when the directory is gone as well.
                let _ = inotify::remove_watch(self.events.get_ref(), watch);
            }
        }
    }

    fn is_folded(&self, path: &[u8]) -> bool {
        // The root may be a folded directory: then it is what somebody wants to see.
        !path.is_empty() && path.rsplit(|byte| *byte == b'/').next().is_some_and(|n| self.folded.contains(n))
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(OsStr::from_bytes(path)) }
    }

    /// What has changed since, as it is now.
    pub(super) fn tell(&mut self) -> VecDeque<WatchReply> {
        let mut replies = Replies::default();
        for path in std::mem::take(&mut self.unwatched) {
            replies.add(event(Kind::Unwatched, path, None));
        }
        if std::mem::take(&mut self.new) {
            replies.add(event(Kind::Watching, Vec::new(), None));
        }
        if std::mem::take(&mut self.rescan) {
            replies.add(event(Kind::Rescan, Vec::new(), None));
        }
        let mut gone: HashSet<Vec<u8>> = HashSet::new();
        for path in std::mem::take(&mut self.dirty) {
            let full = self.full(&path);
            match full.symlink_metadata() {
                Ok(meta) => replies.add(event(Kind::Changed, path, Some(info(Path::new(&full), &meta)))),
                Err(_) => {
                    if !parents(&path).any(|parent| gone.contains(parent)) {
                        gone.insert(path.clone());
                        replies.add(event(Kind::Gone, path, None));
                    }
                }
            }
        }
        replies.all
    }
}

fn event(kind: Kind, path: Vec<u8>, info: Option<FileInfo>) -> WatchEvent {
    WatchEvent { kind: kind.into(), path: Bytes::from(path), info }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The directories above, nearest last.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| path.get(..at))
}

/// Events gathered into replies of bounded size.
#[derive(Default)]
struct Replies {
    all: VecDeque<WatchReply>,
    bytes: usize,
}

impl Replies {
    fn add(&mut self, event: WatchEvent) {
        let size = 64 + event.path.len() + event.info.as_ref().map_or(0, |i| i.name.len() + i.target.len());
        self.bytes += size;
        match self.all.back_mut() {
            Some(last) if last.events.len() < REPLY_EVENTS && self.bytes <= REPLY_BYTES => {
                last.events.push(event);
            }
            _ => {
                self.bytes = size;
                self.all.push_back(WatchReply { events: vec![event] });
            }
        }
    }
}
