//! Bytes that pass between a workspace and the rest of the world. Its container has no network of its own, so what the
//! gateway and the egress relay is all there is, and it is counted where it is relayed.

use slipway_wire::{EgressEntry, EgressVerdict};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Connections followed at a time by one tally; the egress has no more open.
const FOLLOWED: usize = 1024;

/// Running sums of one workspace, as it sees them; or of all.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    all: Option<Arc<Traffic>>,
}

impl Traffic {
    /// Sums that count towards those of all.
    pub(crate) fn part_of(all: Arc<Self>) -> Self {
        Self { all: Some(all), ..Self::default() }
    }

    /// Bytes that came in.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.received(bytes);
        }
    }

    /// Bytes that went out.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.sent(bytes);
        }
    }

    /// What came in and what went out, in all.
    pub fn sums(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// Turns the entries of outgoing connections, whose sums grow, into traffic and rulings.
pub(crate) struct EgressTally {
    traffic: Arc<Traffic>,
    open: Mutex<HashMap<String, (EgressVerdict, u64, u64)>>,
}

impl EgressTally {
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, open: Mutex::default() }
    }

    /// Counts what is new in an entry; gives its verdict when that is new.
    pub(crate) fn note(&self, entry: &EgressEntry) -> Option<EgressVerdict> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (entry.verdict, entry.sent, entry.received);
        let before = if entry.elapsed_ms.is_some() {
            open.remove(&entry.id)
        } else {
            if open.len() >= FOLLOWED {
                open.clear();
            }
            open.insert(entry.id.clone(), now)
        };
        let (ruling, sent, received) = before.map_or((None, 0, 0), |(v, s, r)| (Some(v), s, r));
        self.traffic.sent(entry.sent.saturating_sub(sent));
        self.traffic.received(entry.received.saturating_sub(received));
        (ruling != Some(entry.verdict)).then_some(entry.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_sums_of_a_connection_count_once() {
        let traffic = Arc::new(Traffic::default());
        let tally = EgressTally::new(traffic.clone());
        let mut entry = EgressEntry {
            id: "a".into(),
            at_ms: 0,
            host: "example.org".into(),
            port: 443,
            verdict: EgressVerdict::Asked,
            reason: String::new(),
            sent: 0,
            received: 0,
            elapsed_ms: None,
        };
        assert_eq!(tally.note(&entry), Some(EgressVerdict::Asked));
        entry.verdict = EgressVerdict::Allowed;
        assert_eq!(tally.note(&entry), Some(EgressVerdict::Allowed));
        (entry.sent, entry.received) = (10, 100);
        assert_eq!(tally.note(&entry), None);
        (entry.sent, entry.received, entry.elapsed_ms) = (15, 300, Some(7));
        assert_eq!(tally.note(&entry), None);
        assert_eq!(traffic.sums(), (300, 15));
        assert!(tally.open.lock().unwrap().is_empty());
        let blocked = EgressEntry { id: "b".into(), verdict: EgressVerdict::Blocked, ..entry };
        assert_eq!(tally.note(&blocked), Some(EgressVerdict::Blocked));
    }
}
