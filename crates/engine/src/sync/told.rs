//! What tells that something may have changed in the workspace: its agent's watching, as hints of where to look. Hints
//! only, and hostile ones: at worst they cost a look.

use bytes::Bytes;
use slipway_agent_api::v1::{WatchReply, WatchRequest, watch_event::Kind};
use slipway_mirror::{RelPath, is_ours};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{there::There, watch::Gathered};

/// Folders nobody looks into, by name: the rules leave them out, or nearly always do.
const FOLDED: [&str; 6] = [".git", "node_modules", ".venv", "venv", "__pycache__", ".next"];

/// Follows the agent's watching into `hints` until it ends; `complete` says whether every change is told meanwhile.
pub(super) async fn follow(there: There, hints: Gathered, complete: &AtomicBool) {
    let folded = FOLDED.iter().map(|name| Bytes::from_static(name.as_bytes())).collect();
    let request = WatchRequest { root: there.root(), folded, directories: 0 };
    let mut client = there.client.clone();
    let mut stream = match client.watch(request).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => {
            tracing::debug!(%status, "the agent does not watch; it is asked instead");
            return;
        }
    };
    let mut whole = true;
    while let Ok(Some(reply)) = stream.message().await {
        take(reply, &hints, complete, &mut whole);
    }
    complete.store(false, Ordering::Relaxed);
}

/// `whole`: nothing has been said to go untold.
fn take(reply: WatchReply, hints: &Gathered, complete: &AtomicBool, whole: &mut bool) {
    for event in reply.events {
        let Ok(path) = RelPath::new(&event.path) else {
            hints.whole();
            continue;
        };
        match event.kind() {
            // What changed before it could be told is seen by one more look.
            Kind::Watching => {
                complete.store(*whole, Ordering::Relaxed);
                hints.whole();
            }
            Kind::Unwatched => {
                *whole = false;
                complete.store(false, Ordering::Relaxed);
            }
            Kind::Changed | Kind::Gone | Kind::Rescan if path.is_root() => hints.whole(),
            Kind::Changed | Kind::Gone if is_ours(path.name()) => {}
            Kind::Changed | Kind::Gone | Kind::Rescan => hints.path(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_agent_api::v1::WatchEvent;

    #[test]
    fn what_is_told_becomes_places_to_look_at() {
        let (hints, complete, mut whole) = (Gathered::default(), AtomicBool::new(false), true);
        let event = |kind: Kind, path: &[u8]| {
            let path = Bytes::copy_from_slice(path);
            WatchReply { events: vec![WatchEvent { kind: kind.into(), path, ..WatchEvent::default() }] }
        };
        take(event(Kind::Watching, b""), &hints, &complete, &mut whole);
        assert!(complete.load(Ordering::Relaxed) && hints.take().whole);
        take(event(Kind::Changed, b"a/b"), &hints, &complete, &mut whole);
        take(event(Kind::Gone, b".slipway-sync-in-x.tmp"), &hints, &complete, &mut whole);
        assert_eq!(hints.take().paths, [RelPath::new(b"a/b").unwrap()].into());
        take(event(Kind::Changed, b"../../etc"), &hints, &complete, &mut whole);
        assert!(hints.take().whole);
        take(event(Kind::Unwatched, b"a"), &hints, &complete, &mut whole);
        assert!(!complete.load(Ordering::Relaxed));
    }
}
