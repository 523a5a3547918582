//! Bodies as they pass through the gateway, never collected. A response that comes from a program keeps its place in
//! the count of open requests until its last byte is on its way or the browser hangs up.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use slipway_wire::WorkspaceId;

/// What goes to a program: the browser's body, or none when a request is made again.
pub(super) type Upload = Either<Incoming, Empty<Bytes>>;

/// What goes to the browser.
pub(super) enum Download {
    /// A page of ours.
    Own(Full<Bytes>),
    /// A program's answer.
    Live { body: Incoming, _place: Place },
}

impl Download {
    pub(super) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(Full::new(text.into()))
    }

    pub(super) fn live(body: Incoming, place: Place) -> Self {
        Self::Live { body, _place: place }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Live { body, .. } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(full) => full.is_end_stream(),
            Self::Live { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(full) => full.size_hint(),
            Self::Live { body, .. } => body.size_hint(),
        }
    }
}

/// Counts requests that are open, per workspace, so that one cannot take the gateway from the others.
#[derive(Clone, Default)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<WorkspaceId, usize>>>,
}

/// Requests of one workspace that may be open at a time, upgraded ones included.
const PER_WORKSPACE: usize = 512;

/// One open request. Given back when dropped.
pub(super) struct Place {
    places: Places,
    workspace: WorkspaceId,
}

impl Places {
    /// Takes a place; none when the workspace has all of its own taken.
    pub(super) fn take(&self, workspace: &WorkspaceId) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(workspace.clone()).or_default();
        if *count == PER_WORKSPACE {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), workspace: workspace.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.workspace) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_takes_no_place_of_anothers() {
        let places = Places::default();
        let (greedy, other) = ("greedy".parse().unwrap(), "other".parse().unwrap());
        let mut held: Vec<_> = (0..PER_WORKSPACE).map(|_| places.take(&greedy).unwrap()).collect();
        assert!(places.take(&greedy).is_none());
        assert!(places.take(&other).is_some());
        held.pop();
        assert!(places.take(&greedy).is_some());
        held.clear();
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is kept of workspaces without requests");
    }
}
