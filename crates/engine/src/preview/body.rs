//! Bodies as they pass through the gateway, never collected. A response that comes from a program keeps its place in
//! the count of open requests until its last byte is on its way or the browser hangs up.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use slipway_wire::WorkspaceId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Routes;

/// What goes to a program: the browser's body, or none when a request is made again.
pub(super) type Upload = Either<Incoming, Empty<Bytes>>;

/// What goes to the browser.
pub(super) enum Download {
    /// A page of ours.
    Own(Full<Bytes>),
    /// A program's answer.
    Live { body: Incoming, used: Used, _place: Place },
}

impl Download {
    pub(super) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(Full::new(text.into()))
    }

    pub(super) fn live(body: Incoming, place: Place, used: Used) -> Self {
        Self::Live { body, used, _place: place }
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
            Self::Live { body, used, .. } => {
                let frame = Pin::new(body).poll_frame(cx);
                if matches!(frame, Poll::Ready(Some(Ok(_)))) {
                    used.note();
                }
                frame
            }
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

/// Tells that bytes of a connection pass, at most once a second.
pub(super) struct Used {
    routes: Arc<dyn Routes>,
    workspace: WorkspaceId,
    told: Option<Instant>,
}

impl Used {
    pub(super) fn new(routes: Arc<dyn Routes>, workspace: WorkspaceId) -> Self {
        Self { routes, workspace, told: None }
    }

    fn note(&mut self) {
        if self.told.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            self.told = Some(Instant::now());
            self.routes.seen(&self.workspace);
        }
    }
}

/// One side of an upgraded connection, telling that it is used.
pub(super) struct Noting<T> {
    inner: T,
    used: Used,
}

impl<T> Noting<T> {
    pub(super) fn new(inner: T, used: Used) -> Self {
        Self { inner, used }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noting<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.used.note();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noting<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.used.note();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
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
