//! What the last stream of changes of each sync has put in place, remembered for a caller that did not live to hear of it.
//! Bounded; what does not fit is as if it had never come, which loses nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use slipway_agent_api::MAX_CARRIED;

/// Syncs of which it is remembered.
const SYNCS: usize = 8;

/// One stream's.
#[derive(Debug, Default)]
pub(super) struct Batch {
    number: u32,
    paths: Vec<Bytes>,
}

/// All there are, by tag. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Carried(Arc<Mutex<HashMap<String, Arc<Mutex<Batch>>>>>);

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Carried {
    /// Begins a stream and forgets the one before: a thread that still works for that one writes where nobody looks.
    pub(super) fn begin(&self, tag: &str, number: u32) -> Arc<Mutex<Batch>> {
        let mut all = held(&self.0);
        if all.len() >= SYNCS && !all.contains_key(tag) {
            all.clear();
        }
        let batch = Arc::new(Mutex::new(Batch { number, paths: Vec::new() }));
        if number == 0 {
            all.remove(tag);
        } else {
            all.insert(tag.to_owned(), Arc::clone(&batch));
        }
        batch
    }

    /// The last stream's number and paths.
    pub(super) fn last(&self, tag: &str) -> Option<(u32, Vec<Bytes>)> {
        let batch = held(&self.0).get(tag).cloned()?;
        let batch = held(&batch);
        Some((batch.number, batch.paths.clone()))
    }
}

/// A change has been made.
pub(super) fn made(batch: &Mutex<Batch>, path: &[u8]) {
    let mut batch = held(batch);
    if batch.number != 0 && batch.paths.len() < MAX_CARRIED {
        batch.paths.push(Bytes::copy_from_slice(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stream_is_remembered_and_an_older_one_cannot_speak_for_it() {
        let carried = Carried::default();
        let first = carried.begin("sync-a", 7);
        made(&first, b"x");
        assert_eq!(carried.last("sync-a"), Some((7, vec![Bytes::from_static(b"x")])));
        let second = carried.begin("sync-a", 8);
        made(&first, b"late");
        made(&second, b"y");
        assert_eq!(carried.last("sync-a"), Some((8, vec![Bytes::from_static(b"y")])));
        assert_eq!(carried.last("sync-b"), None);
        made(&carried.begin("sync-a", 0), b"z");
        assert_eq!(carried.last("sync-a"), None, "nobody will ask");
    }

    #[test]
    fn a_stream_without_end_is_remembered_up_to_the_bound() {
        let carried = Carried::default();
        let batch = carried.begin("sync-a", 1);
        for n in 0..=MAX_CARRIED {
            made(&batch, n.to_string().as_bytes());
        }
        assert_eq!(carried.last("sync-a").map(|(_, paths)| paths.len()), Some(MAX_CARRIED));
        for n in 0..100 {
            carried.begin(&format!("sync-{n}"), 1);
        }
        assert!(held(&carried.0).len() <= SYNCS);
    }
}
