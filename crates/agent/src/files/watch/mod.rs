//! The stream behind Watch: waits for the kernel's events, lets a burst come to its end, looks at what the paths are now
//! and tells that. It costs nothing while nothing changes, and reads only as fast as its caller.

mod watched;

use std::collections::{HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use rustix::fs::inotify;
use rustix::io::Errno;
use slipway_agent_api::MAX_WATCHED;
use slipway_agent_api::v1::{WatchReply, WatchRequest};
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::Status;

use self::watched::{More, Watched};
use super::{absolute, blocking, status};

/// Watchings at one time: the tree of an app, a sync, and room for the engine that replaces another. Each takes one of
/// the inotify instances of its user, of which a machine commonly has 128.
const AT_ONCE: usize = 8;

/// How long a burst is given to come to its end. The kernel itself merges repeated events meanwhile.
const SETTLE: Duration = Duration::from_millis(20);
const LONGEST_SETTLE: Duration = Duration::from_secs(1);

/// A pause is at least this many times what the last look took, so that a flood of changes costs a fifth of a core.
const REST: u32 = 4;

const MOST_FOLDED: usize = 256;
const MOST_NAME: usize = 255;

/// How many watchings there may be.
pub(crate) struct Watches {
    slots: Arc<Semaphore>,
}

/// One watching, between two replies.
struct Watching {
    events: Arc<AsyncFd<OwnedFd>>,
    watched: Watched,
    replies: VecDeque<WatchReply>,
    /// What the last look cost.
    cost: Duration,
    /// The kernel may hold more than was read.
    more: bool,
    _slot: OwnedSemaphorePermit,
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Begins one watching; it ends when its stream is dropped.
    pub(crate) async fn begin(
        &self,
        request: WatchRequest,
    ) -> Result<impl Stream<Item = Result<WatchReply, Status>> + use<>, Status> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{AT_ONCE} watchings of files are under way already"))
        })?;
        let root = absolute(&request.root)?;
        if request.folded.len() > MOST_FOLDED || request.folded.iter().any(|name| name.len() > MOST_NAME) {
            return Err(Status::invalid_argument("at most 256 folded names of 255 bytes"));
        }
        let folded: HashSet<Vec<u8>> = request.folded.iter().map(|name| name.to_vec()).collect();
        let limit = match request.directories as usize {
            0 => MAX_WATCHED,
            asked => asked.min(MAX_WATCHED),
        };
        let events = Arc::new(instance()?);
        let (watched, replies) = first_look(Arc::clone(&events), root, folded, limit).await?;
        let watching = Watching { events, watched, replies, cost: Duration::ZERO, more: false, _slot: slot };
        Ok(futures_util::stream::unfold(Some(watching), async |watching| match watching?.next().await {
            Ok((reply, watching)) => Some((Ok(reply), Some(watching))),
            Err(status) => Some((Err(status), None)),
        }))
    }
}

async fn first_look(
    events: Arc<AsyncFd<OwnedFd>>,
    root: PathBuf,
    folded: HashSet<Vec<u8>>,
    limit: usize,
) -> Result<(Watched, VecDeque<WatchReply>), Status> {
    blocking(move || {
        let mut watched = Watched::begin(events, root, folded, limit)?;
        let replies = watched.tell();
        Ok((watched, replies))
    })
    .await
}

fn instance() -> Result<AsyncFd<OwnedFd>, Status> {
    let made = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC);
    let made = made.map_err(|errno| match errno {
        Errno::MFILE => Status::resource_exhausted(
            "this machine has no inotify instance left for another watching (fs.inotify.max_user_instances)",
        ),
        errno => status("inotify", &errno.into()),
    })?;
    crate::sys::watch(made).map_err(|error| status("inotify", &error))
}

impl Watching {
    async fn next(mut self) -> Result<(WatchReply, Self), Status> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok((reply, self));
            }
            self.watched.still_there()?;
            if !self.more {
                let mut ready = self.events.readable().await.map_err(|error| status("inotify", &error))?;
                // Before reading: what comes from now on makes it ready again.
                ready.clear_ready();
            }
            tokio::time::sleep((self.cost * REST).clamp(SETTLE, LONGEST_SETTLE)).await;
            self = self.look().await?;
        }
    }

    async fn look(mut self) -> Result<Self, Status> {
        let began = Instant::now();
        let mut watched = self.watched;
        let (watched, replies, more) = blocking(move || {
            let more = watched.read().map_err(|error| status("inotify", &error))?;
            let replies = watched.tell();
            Ok((watched, replies, more))
        })
        .await?;
        self.watched = watched;
        self.replies = replies;
        self.more = more == More::Yes;
        self.cost = began.elapsed();
        Ok(self)
    }
}
