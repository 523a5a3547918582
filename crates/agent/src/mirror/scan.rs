//! Scans: the rules come with the call, what is found goes out in batches as it is found. Digests are remembered, so
//! that a second look reads only what has changed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use slipway_agent_api::v1::{
    SyncApplyReply, SyncApplyRequest, SyncEntry, SyncLeftOut, SyncScanReply, SyncScanRequest,
};
use slipway_intake::IgnoreRules;
use slipway_mirror::{Bounds, Cache, Node, RelPath, Scan, ScanError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::apply::apply;
use super::carried::Carried;
use super::{folder, refused, words};

/// Bytes of names and targets in one message, about.
const BATCH: usize = 32 << 10;
/// Folders whose digests are remembered.
const FOLDERS: usize = 4;

type Caches = HashMap<Vec<u8>, Arc<Mutex<Cache>>>;

/// The folders that have been scanned.
#[derive(Default)]
pub(crate) struct Mirrors {
    caches: Mutex<Caches>,
    carried: Carried,
}

impl Mirrors {
    /// Begins a stream of changes.
    pub(crate) fn apply(
        &self,
        calls: Streaming<SyncApplyRequest>,
    ) -> impl Stream<Item = Result<SyncApplyReply, Status>> + use<> {
        apply(calls, self.carried.clone())
    }

    /// Begins a scan.
    pub(crate) fn scan(
        &self,
        request: SyncScanRequest,
    ) -> Result<impl Stream<Item = Result<SyncScanReply, Status>> + use<>, Status> {
        let folder = folder(&request.root, &request.tag)?;
        let paths = request.paths.iter().map(|raw| words::path(raw)).collect::<Result<Vec<_>, _>>()?;
        let texts = request.rules.into_iter().map(|rule| {
            let path = PathBuf::from(OsString::from_vec(rule.path.to_vec()));
            (path, rule.text)
        });
        let mut rules =
            IgnoreRules::from_texts(texts).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let bounds =
            Bounds { entries: request.most_entries, file_bytes: request.most_file_bytes, rules_bytes: 0 };
        let cache = self.cache(&request.root);
        // Before it is looked: what comes meanwhile is found, or not remembered.
        let carried = if paths.is_empty() { self.carried.last(&request.tag) } else { None };
        let (replies, stream) = mpsc::channel(8);
        tokio::task::spawn_blocking(move || {
            // A scan that panicked leaves digests that were right.
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = std::cell::RefCell::new(Batch::new(replies));
            if let Some((number, paths)) = carried {
                batch.borrow_mut().carried(number, paths);
            }
            let mut tell = |path: RelPath, found, node: Node| {
                batch.borrow_mut().entry(&path, &found, &node);
            };
            let mut left_out = |path: RelPath, why| batch.borrow_mut().left_out(&path, why);
            let scan = Scan::new(&folder, bounds, &mut rules, &mut cache, &mut tell, &mut left_out);
            let done = if paths.is_empty() { scan.whole() } else { scan.doubting().of(&paths) };
            batch.into_inner().end(done);
        });
        Ok(ReceiverStream::new(stream))
    }

    fn cache(&self, root: &Bytes) -> Arc<Mutex<Cache>> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if caches.len() >= FOLDERS && !caches.contains_key(root.as_ref()) {
            caches.clear();
        }
        Arc::clone(caches.entry(root.to_vec()).or_default())
    }
}

struct Batch {
    replies: mpsc::Sender<Result<SyncScanReply, Status>>,
    reply: SyncScanReply,
    bytes: usize,
}

impl Batch {
    fn new(replies: mpsc::Sender<Result<SyncScanReply, Status>>) -> Self {
        Self { replies, reply: SyncScanReply::default(), bytes: 0 }
    }

    fn entry(&mut self, path: &RelPath, found: &slipway_mirror::Found, node: &Node) {
        let digest = match node {
            Node::File { digest, .. } => Bytes::copy_from_slice(digest),
            _ => Bytes::new(),
        };
        let link = if let Node::Link { target } = node { target.len() } else { 0 };
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.bytes += path.len() + link + 80;
        self.reply.entries.push(SyncEntry { path, found: Some(found.into()), digest });
        self.flush_when_full();
    }

    fn carried(&mut self, number: u32, paths: Vec<Bytes>) {
        self.bytes += paths.iter().map(Bytes::len).sum::<usize>();
        (self.reply.batch, self.reply.carried) = (number, paths);
        self.flush_when_full();
    }

    fn left_out(&mut self, path: &RelPath, why: &str) {
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.bytes += path.len() + why.len();
        self.reply.left_out.push(SyncLeftOut { path, why: why.to_owned() });
        self.flush_when_full();
    }

    fn flush_when_full(&mut self) {
        if self.bytes >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let reply = std::mem::take(&mut self.reply);
        if reply != SyncScanReply::default() {
            // Nobody listens any more: the rest of the scan is bounded and changes nothing.
            let _ = self.replies.blocking_send(Ok(reply));
        }
    }

    fn end(mut self, done: Result<(), ScanError>) {
        self.flush();
        let status = match done {
            Ok(()) => return,
            Err(ScanError::TooMany(_)) => {
                Status::resource_exhausted("the folder holds more entries than a sync may have")
            }
            Err(ScanError::Rules(refusal)) => Status::invalid_argument(refusal.to_string()),
            Err(ScanError::Io(path, error)) => refused(&path.to_string(), &error),
        };
        let _ = self.replies.blocking_send(Err(status));
    }
}
