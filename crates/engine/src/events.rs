//! The event bus: everything that changes, numbered. A client that reconnects asks for what came since a number and
//! gets it, or a gap when it is no longer kept.

use futures_util::Stream;
use slipway_wire::{Event, EventBody, WorkspaceId};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

use crate::config::Clock;

/// Events kept for clients that reconnect.
const KEPT: usize = 4096;

/// A stream of events.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// Cheap to clone; all clones are one bus.
#[derive(Clone)]
pub(crate) struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    log: Mutex<Log>,
    more: Notify,
    clock: Arc<dyn Clock>,
}

struct Log {
    events: VecDeque<Event>,
    next: u64,
}

impl Bus {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let log = Mutex::new(Log { events: VecDeque::with_capacity(256), next: 1 });
        Self { inner: Arc::new(Inner { log, more: Notify::new(), clock }) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // A panic while holding the lock leaves the log whole: every change to it is one push.
        self.inner.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers and keeps an event, and wakes everybody who listens.
    pub(crate) fn publish(&self, workspace: Option<&WorkspaceId>, body: EventBody) -> Event {
        let mut log = self.log();
        let event =
            Event { seq: log.next, at_ms: self.inner.clock.now_ms(), workspace: workspace.cloned(), body };
        log.next += 1;
        if log.events.len() == KEPT {
            log.events.pop_front();
        }
        log.events.push_back(event.clone());
        drop(log);
        self.inner.more.notify_waiters();
        event
    }

    /// Events after `since`, then each as it comes. `None`: only new ones. A listener that falls behind what is kept
    /// gets a gap in place of what it missed.
    pub(crate) fn listen(&self, since: Option<u64>) -> EventStream {
        let next = match since {
            Some(seq) => seq.saturating_add(1),
            None => self.log().next,
        };
        Box::pin(futures_util::stream::unfold((self.clone(), next), |(bus, next)| async move {
            let (event, next) = bus.event(next).await;
            Some((event, (bus, next)))
        }))
    }

    /// The first event numbered `wanted` or later, waiting for it.
    async fn event(&self, wanted: u64) -> (Event, u64) {
        loop {
            let more = self.inner.more.notified();
            let mut more = std::pin::pin!(more);
            // Registered before looking, so that an event published in between still wakes us.
            more.as_mut().enable();
            {
                let log = self.log();
                let first = log.next - log.events.len() as u64;
                // From before what is kept, or from an owner that lived before this one.
                if wanted < first || wanted > log.next {
                    let body = EventBody::Gap;
                    let seq = log.next - 1;
                    return (
                        Event { seq, at_ms: self.inner.clock.now_ms(), workspace: None, body },
                        log.next,
                    );
                }
                if let Some(event) = log.events.get((wanted - first) as usize) {
                    return (event.clone(), wanted + 1);
                }
            }
            more.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SystemClock;
    use futures_util::StreamExt;

    fn bus(events: u64) -> Bus {
        let bus = Bus::new(Arc::new(SystemClock));
        for _ in 0..events {
            bus.publish(None, EventBody::Removed);
        }
        bus
    }

    #[tokio::test]
    async fn a_client_that_reconnects_gets_what_it_missed() {
        let missed: Vec<u64> = bus(5).listen(Some(2)).take(3).map(|e| e.seq).collect().await;
        assert_eq!(missed, [3, 4, 5]);
    }

    #[tokio::test]
    async fn what_is_no_longer_kept_is_a_gap() {
        let bus = bus(KEPT as u64 + 10);
        let first = bus.listen(Some(3)).next().await.unwrap();
        assert_eq!(first.body, EventBody::Gap);
        assert_eq!(bus.listen(Some(999_999_999)).next().await.unwrap().body, EventBody::Gap);
    }

    #[tokio::test]
    async fn a_listener_is_woken_by_the_next_event() {
        let bus = bus(1);
        let mut events = bus.listen(None);
        let waiting = tokio::spawn(async move { events.next().await.map(|e| e.seq) });
        tokio::task::yield_now().await;
        bus.publish(None, EventBody::Removed);
        assert_eq!(waiting.await.unwrap(), Some(2));
    }
}
