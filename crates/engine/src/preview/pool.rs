//! Idle connections to programs, per workspace and port: each saves a round trip to the container. Bounded in number and
//! age; a connection its program has closed is never handed out knowingly, and the caller copes when one is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{body::Upload, host::Site};

/// A connection to a program, ready for one request after the other.
pub(super) type Sender = SendRequest<Upload>;

/// Idle connections kept per port.
const PER_SITE: usize = 8;
/// Idle connections kept in all.
const ALL: usize = 256;
/// How long an idle connection is kept. Many servers close theirs after 5 s, which takes it out of here as well.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Pool {
    idle: Arc<Mutex<Idle>>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

#[derive(Default)]
struct Idle {
    sites: HashMap<Site, Vec<Parked>>,
    all: usize,
    sweeping: bool,
}

struct Parked {
    sender: Sender,
    since: Instant,
}

impl Pool {
    pub(super) fn new(tracker: TaskTracker, cancel: CancellationToken) -> Self {
        Self { idle: Arc::default(), tracker, cancel }
    }

    /// The connection used last of those that still look open.
    pub(super) fn take(&self, site: &Site) -> Option<Sender> {
        let mut idle = self.lock();
        let parked = idle.sites.get_mut(site)?;
        let before = parked.len();
        let mut found = None;
        while found.is_none()
            && let Some(last) = parked.pop()
        {
            found = Some(last.sender).filter(Sender::is_ready);
        }
        let gone = before - parked.len();
        if parked.is_empty() {
            idle.sites.remove(site);
        }
        idle.all -= gone;
        found
    }

    /// Keeps a connection for the next request, once the response it is busy with has passed. One that never gets
    /// there (a stream of events, say) ends with its response.
    pub(super) fn give(&self, site: Site, mut sender: Sender) {
        let pool = self.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = pool.cancel.cancelled() => {}
                ready = sender.ready() => if ready.is_ok() {
                    pool.park(site, sender);
                }
            }
        });
    }

    /// Drops all connections to a workspace that can no longer be reached.
    pub(super) fn forget(&self, site: &Site) {
        let mut idle = self.lock();
        idle.sites.retain(|other, _| other.workspace != site.workspace);
        idle.all = idle.sites.values().map(Vec::len).sum();
    }

    fn park(&self, site: Site, sender: Sender) {
        let mut idle = self.lock();
        if idle.all == ALL {
            return;
        }
        let parked = idle.sites.entry(site).or_default();
        if parked.len() == PER_SITE {
            return;
        }
        parked.push(Parked { sender, since: Instant::now() });
        idle.all += 1;
        if !std::mem::replace(&mut idle.sweeping, true) {
            let pool = self.clone();
            self.tracker.spawn(async move { pool.sweep().await });
        }
    }

    /// Runs only while something is parked, so an idle gateway has no timers.
    async fn sweep(self) {
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return self.lock().sites.clear(),
                () = tokio::time::sleep(IDLE / 4) => {}
            }
            let mut idle = self.lock();
            idle.sites.retain(|_, parked| {
                parked.retain(|parked| parked.since.elapsed() < IDLE && parked.sender.is_ready());
                !parked.is_empty()
            });
            idle.all = idle.sites.values().map(Vec::len).sum();
            if idle.all == 0 {
                idle.sweeping = false;
                return;
            }
        }
    }

    /// Every critical section leaves the table whole, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
