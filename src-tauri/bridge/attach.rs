//! Moves a process's output to the interface and its input back. The interface acknowledges what it has drawn, and without
//! that nothing more is read. How output travels is `outlet`'s business.

use bytes::Bytes;
use slipway_engine::{AttachInput, Taken};
use slipway_host_shell::HostShell;
use slipway_wire::{Frame, FrameKind};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tauri::{Wry, ipc::InvokeResolver};
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    host,
    outlet::{Outlet, Piece},
};

/// Bytes of output that may be unacknowledged.
const WINDOW: usize = 1 << 20;
/// Output goes in pieces of at most this many bytes.
const PIECE: usize = 64 << 10;

/// On its way to the interface there is what it has time for in so many frames: an interrupt is seen after that. With
/// less, the next frame would find nothing to draw yet.
const FRAMES_AHEAD: f64 = 1.5;
/// Of that, in bytes, the least, and what is begun with.
const LEAST_AHEAD: u64 = 4 << 10;
pub(super) const FIRST_AHEAD: u64 = 64 << 10;

/// What the interface can still take, and what it has taken.
pub(super) struct Credit {
    room: Semaphore,
    taken: watch::Sender<Progress>,
}

/// How far the interface is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// All output before this was drawn.
    offset: u64,
    /// Bytes that may be on their way beyond it.
    ahead: u64,
}

impl Credit {
    /// Of an interface that has drawn everything before `offset`.
    pub(super) fn new(offset: u64) -> Self {
        Self {
            room: Semaphore::new(WINDOW),
            taken: watch::Sender::new(Progress { offset, ahead: FIRST_AHEAD }),
        }
    }

    /// The interface has drawn `bytes`, and has time for `fits` such bytes in one frame. More than was sent is not believed.
    pub(super) fn give(&self, bytes: usize, fits: u64) {
        let bytes = bytes.min(WINDOW - self.room.available_permits().min(WINDOW));
        self.room.add_permits(bytes);
        let ahead = ((fits as f64 * FRAMES_AHEAD) as u64).clamp(LEAST_AHEAD, WINDOW as u64);
        self.taken
            .send_modify(|progress| *progress = Progress { offset: progress.offset + bytes as u64, ahead });
    }

    /// Output that is no longer kept: nobody will draw it.
    fn skip(&self, bytes: u64) {
        self.taken.send_modify(|progress| progress.offset += bytes);
    }

    async fn take(&self, bytes: usize) -> bool {
        self.room.acquire_many(bytes as u32).await.map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Tells the agent how far the interface is, the newest only, until the connection ends.
    pub(super) async fn report(self: Arc<Self>, mut taken: Taken) {
        let mut progress = self.taken.subscribe();
        while progress.changed().await.is_ok() {
            let Progress { offset, ahead } = *progress.borrow_and_update();
            if let Err(problem) = taken.tell(offset, ahead).await {
                // The output ends with the same connection; the interface attaches again then.
                tracing::debug!(%problem, "not acknowledged");
                return;
            }
        }
    }
}

/// Cuts a frame into pieces that fit the window; the other kinds stay whole.
fn pieces(frame: Frame<Bytes>) -> impl Iterator<Item = Frame<Bytes>> {
    let cut = match frame.kind {
        FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr => PIECE,
        FrameKind::Gap | FrameKind::Exit => frame.payload.len().max(1),
    };
    let mut rest = Some(frame);
    std::iter::from_fn(move || {
        let mut frame = rest.take()?;
        if frame.payload.len() > cut {
            let tail = frame.payload.split_off(cut);
            rest = Some(Frame { kind: frame.kind, offset: frame.offset + cut as u64, payload: tail });
        }
        Some(frame)
    })
}

/// Where a stream's output goes.
pub(super) struct Way {
    pub(super) stream: u32,
    pub(super) outlet: Outlet,
    /// Somebody has typed into it since its last output.
    pub(super) typed: Arc<AtomicBool>,
}

impl Way {
    async fn put(&self, frame: Option<Frame<Bytes>>) -> bool {
        let awaited = self.typed.swap(false, Ordering::Relaxed);
        self.outlet.put(Piece { stream: self.stream, frame, awaited }).await
    }
}

/// Output, until the process ends or nobody listens.
pub(super) async fn pump_output(mut output: mpsc::Receiver<Frame<Bytes>>, credit: Arc<Credit>, way: Way) {
    let mut ended = false;
    while let Some(frame) = output.recv().await {
        ended |= frame.kind == FrameKind::Exit;
        if frame.kind == FrameKind::Gap
            && let Ok(from) = <[u8; 8]>::try_from(frame.payload.as_ref())
        {
            credit.skip(frame.offset.saturating_sub(u64::from_le_bytes(from)));
        }
        for piece in pieces(frame) {
            let drawn = matches!(piece.kind, FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr);
            if drawn && !credit.take(piece.payload.len()).await {
                return;
            }
            if !way.put(Some(piece)).await {
                return;
            }
        }
    }
    if !ended {
        // The interface attaches again where it was. Nobody listens any more when this fails.
        way.put(None).await;
    }
}

/// Where what is typed goes.
pub(super) enum Input {
    /// A process of a workspace.
    Process(AttachInput),
    /// The host tab.
    Host(Arc<HostShell>),
}

/// Input, in order, each piece answered when the process has taken it.
pub(super) async fn pump_input(input: Input, mut waiting: mpsc::Receiver<(Bytes, InvokeResolver<Wry>)>) {
    while let Some((bytes, resolver)) = waiting.recv().await {
        let taken = match &input {
            Input::Process(input) => input.send(bytes).await,
            Input::Host(shell) => host::write(shell, bytes).await,
        };
        match taken {
            Ok(()) => resolver.resolve(()),
            Err(problem) => resolver.reject(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::bridge::outlet::tests::{listening, payload};

    #[tokio::test(start_paused = true)]
    async fn a_flood_stops_at_the_window_and_goes_on_when_acknowledged() {
        let ((channel, sent), credit) = (listening(), Arc::new(Credit::new(0)));
        let (output, frames) = mpsc::channel(4);
        let (outlet, carried) = Outlet::new(channel);
        tokio::spawn(carried);
        let way = Way { stream: 3, outlet, typed: Arc::default() };
        let pump = tokio::spawn(pump_output(frames, credit.clone(), way));
        let whole: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        let fed = whole.clone();
        let feed = tokio::spawn(async move {
            for (n, chunk) in fed.chunks(100_000).enumerate() {
                let frame = Frame {
                    kind: FrameKind::Terminal,
                    offset: n as u64 * 100_000,
                    payload: Bytes::copy_from_slice(chunk),
                };
                if output.send(frame).await.is_err() {
                    return;
                }
            }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        let shown = payload(&sent.lock().expect("not poisoned"), 3).len();
        assert!(shown <= WINDOW && shown > WINDOW - 100_000, "{shown} bytes went unacknowledged");
        while !pump.is_finished() {
            credit.give(WINDOW, 0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        feed.await.expect("the feeder ends");
        assert!(payload(&sent.lock().expect("not poisoned"), 3) == whole, "the bytes differ");
    }

    #[test]
    fn what_may_be_on_its_way_is_a_frame_and_a_half_within_bounds() {
        let credit = Credit::new(10);
        let progress = credit.taken.subscribe();
        for (fits, ahead) in [(0, LEAST_AHEAD), (10_000, 15_000), (u64::MAX, WINDOW as u64)] {
            credit.give(1, fits);
            assert_eq!(progress.borrow().ahead, ahead);
        }
        assert_eq!(progress.borrow().offset, 10, "what was never sent is not drawn");
    }
}
