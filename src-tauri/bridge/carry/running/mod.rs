//! What is being carried over the window's edge just now: how far each is, told to every window, and how one is cancelled.
//! A carrying belongs to the app and not to the page that asked for it: that may be hidden, loaded anew or closed meanwhile.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use slipway_engine::{ByteStream, Transfer};
use slipway_wire::{Code, Problem, WorkspaceId};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tauri::{AppHandle, Manager};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    app::Desktop,
    bridge::events::{DesktopEvent, tell},
};

/// Nothing is said of what is done by then.
const QUIET: Duration = Duration::from_millis(300);
/// Between two times that is told how far one is.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long the other side may take to put away what it has of a cancelled one, before the connection is dropped.
const GRACE: Duration = Duration::from_secs(5);
/// How long the app waits at its end for those it cancelled.
const ENDING: Duration = Duration::from_secs(2);
/// At once, of one app, at most.
const MOST: usize = 32;

/// All that are being carried, by number.
pub(crate) struct Carries(watch::Sender<Running>);

#[derive(Default)]
struct Running {
    last: u32,
    ending: bool,
    tokens: HashMap<u32, CancellationToken>,
}

impl Default for Carries {
    fn default() -> Self {
        Self(watch::Sender::new(Running::default()))
    }
}

impl Carries {
    fn begin(&self, token: &CancellationToken) -> Result<u32, Problem> {
        let mut begun = Err(Problem::new(Code::Cancelled, "Slipway is ending."));
        self.0.send_if_modified(|running| {
            if running.ending {
                return false;
            }
            if running.tokens.len() >= MOST {
                begun = Err(Problem::new(Code::Limit, format!("{MOST} things are being copied already."))
                    .hint("Wait for some of them, or cancel one."));
                return false;
            }
            running.last = running.last.wrapping_add(1);
            running.tokens.insert(running.last, token.clone());
            begun = Ok(running.last);
            true
        });
        begun
    }

    /// Cancels one; whoever asked for it gets the answer. One that has ended meanwhile needs no cancelling.
    pub(crate) fn cancel(&self, carry: u32) {
        if let Some(token) = self.0.borrow().tokens.get(&carry) {
            token.cancel();
        }
    }

    /// Cancels all of them, lets none begin any more, and waits until what was half written is put away.
    pub(crate) async fn end(&self) {
        self.0.send_modify(|running| {
            running.ending = true;
            running.tokens.values().for_each(CancellationToken::cancel);
        });
        let mut running = self.0.subscribe();
        let ended = running.wait_for(|running| running.tokens.is_empty());
        if timeout(ENDING, ended).await.is_err() {
            tracing::warn!("a copying did not end in time; the agent puts away what it has of it");
        }
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    In,
    Out,
}

/// What is carried, as it is told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Carried {
    pub(super) id: WorkspaceId,
    pub(super) way: Way,
    /// What of it is on its way now.
    pub(super) name: String,
    /// The folder it goes to, in the workspace or on this machine.
    pub(super) place: String,
    /// Which of them it is, from 1 on, and how many go together.
    pub(super) nth: usize,
    pub(super) of: usize,
}

/// How far it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Far {
    pub(crate) carry: u32,
    #[serde(flatten)]
    pub(crate) carried: Carried,
    /// Bytes that went.
    pub(crate) done: u64,
    /// Bytes of all of it, once they are known.
    pub(crate) total: Option<u64>,
    /// It was cancelled and is about to end.
    pub(crate) cancelled: bool,
}

/// What a carrying counts, and where it hears that it is cancelled.
pub(super) struct Meter {
    carried: Mutex<Carried>,
    /// Of all of it together.
    transfer: Arc<Transfer>,
    total: AtomicU64,
    known: AtomicBool,
}

impl Meter {
    pub(super) fn new(carried: Carried) -> Self {
        Self {
            carried: Mutex::new(carried),
            transfer: Arc::default(),
            total: AtomicU64::default(),
            known: AtomicBool::default(),
        }
    }

    /// The next of them is on its way.
    pub(super) fn next(&self, name: &str, nth: usize) {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone_into(&mut carried.name);
        carried.nth = nth;
    }

    /// For a file that the engine carries by itself.
    pub(super) fn transfer(&self) -> Arc<Transfer> {
        Arc::clone(&self.transfer)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.transfer.add(bytes);
    }

    pub(super) fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
        self.known.store(true, Ordering::Release);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.transfer.cancel.is_cancelled()
    }

    fn far(&self, carry: u32) -> Far {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let total = self.known.load(Ordering::Acquire).then(|| self.total.load(Ordering::Relaxed));
        Far {
            carry,
            carried,
            done: self.transfer.moved.load(Ordering::Relaxed),
            total,
            cancelled: self.is_cancelled(),
        }
    }
}

/// The bytes, until it is cancelled: then they end with that as their problem, and whoever takes them makes nothing of it.
pub(super) fn until_cancelled(
    meter: &Meter,
    bytes: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
) -> ByteStream {
    let from = (Box::pin(bytes), meter.transfer.cancel.clone());
    Box::pin(stream::unfold(from, |(mut bytes, token)| async move {
        let piece = tokio::select! {
            biased;
            () = token.cancelled() => Some(Err(cancelled())),
            piece = bytes.next() => piece,
        };
        piece.map(|piece| (piece, (bytes, token)))
    }))
}

fn cancelled() -> Problem {
    Problem::new(Code::Cancelled, "The copying was cancelled.")
}

/// Tells the windows until it is over, also when its future is dropped.
struct Telling<'a> {
    app: &'a AppHandle,
    carry: u32,
    told: AtomicBool,
}

impl Telling<'_> {
    fn tell(&self, meter: &Meter) {
        self.told.store(true, Ordering::Relaxed);
        self.all(&DesktopEvent::Carry(meter.far(self.carry)));
    }

    fn all(&self, event: &DesktopEvent) {
        for window in self.app.windows().keys() {
            // A window whose interface does not listen yet hears it the next time.
            tell(self.app, window, event);
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if *self.told.get_mut() {
            self.all(&DesktopEvent::CarryEnded { carry: self.carry });
        }
        self.app.state::<Desktop>().carries.0.send_modify(|running| {
            running.tokens.remove(&self.carry);
        });
    }
}

/// Does the work of a carrying, which everybody sees meanwhile and may cancel.
pub(super) async fn carry<T>(
    app: &AppHandle,
    meter: &Meter,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let carry = app.state::<Desktop>().carries.begin(&meter.transfer.cancel)?;
    let telling = Telling { app, carry, told: AtomicBool::default() };
    watched(meter, || telling.tell(meter), work).await
}

/// A cancelled one ends by itself (`Transfer`, or its bytes: `until_cancelled`), so that what it answers is what became of it: one whose last
/// byte had gone is done. Where nothing moves any more, it is dropped.
async fn watched<T>(
    meter: &Meter,
    tell: impl Fn(),
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let mut ticks = interval_at(Instant::now() + QUIET, BETWEEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = meter.transfer.cancel.cancelled() => {
                tell();
                return timeout(GRACE, work).await.unwrap_or_else(|_| Err(cancelled()));
            }
            _ = ticks.tick() => tell(),
        }
    }
}

#[cfg(test)]
mod tests;
