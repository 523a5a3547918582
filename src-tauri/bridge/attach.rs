//! Moves a process's output to the interface and its input back. Output goes at once when the line was quiet and in
//! batches when it floods; the interface acknowledges what it has drawn, and without that nothing more is read.

use bytes::{Bytes, BytesMut};
use slipway_engine::AttachInput;
use slipway_wire::{Code, Frame, FrameKind, Problem};
use std::time::Duration;
use tauri::{
    Wry,
    ipc::{Channel, InvokeResolver, InvokeResponseBody},
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

/// Bytes of output that may be unacknowledged.
const WINDOW: usize = 1 << 20;
/// Output goes in pieces of at most this many bytes.
const PIECE: usize = 64 << 10;
/// A message to the interface holds about this many bytes, at most.
const BATCH: usize = 256 << 10;
/// Least time between two messages while output floods.
const QUIET: Duration = Duration::from_millis(8);

/// What the interface can still take.
pub(super) struct Credit(Semaphore);

impl Default for Credit {
    fn default() -> Self {
        Self(Semaphore::new(WINDOW))
    }
}

impl Credit {
    /// The interface has drawn `bytes`. More than was sent is not believed.
    pub(super) fn give(&self, bytes: usize) {
        self.0.add_permits(bytes.min(WINDOW - self.0.available_permits().min(WINDOW)));
    }

    fn take_now(&self, bytes: usize) -> bool {
        self.0.try_acquire_many(bytes as u32).map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    async fn take(&self, bytes: usize) -> bool {
        self.0.acquire_many(bytes as u32).await.map(tokio::sync::SemaphorePermit::forget).is_ok()
    }
}

/// A message that is being put together.
struct Message {
    bytes: BytesMut,
    channel: Channel<InvokeResponseBody>,
    last: Instant,
}

impl Message {
    fn add(&mut self, frame: &Frame<Bytes>) {
        let frame = frame.encode();
        self.bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&frame);
    }

    /// False when nobody listens any more.
    fn send(&mut self) -> bool {
        self.last = Instant::now();
        self.bytes.is_empty()
            || self.channel.send(InvokeResponseBody::Raw(self.bytes.split().to_vec())).is_ok()
    }

    /// Says that output ended although the process did not: the interface attaches again where it was.
    fn lose(&self) {
        let problem = Problem::new(Code::AgentLost, "The connection to the program was lost.");
        if let Ok(text) = super::json(&serde_json::json!({ "lost": problem })) {
            // Nobody listens any more when this fails.
            let _ = self.channel.send(InvokeResponseBody::Json(text));
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

/// Output, until the process ends or nobody listens.
pub(super) async fn pump_output(
    mut output: mpsc::Receiver<Frame<Bytes>>,
    credit: std::sync::Arc<Credit>,
    channel: Channel<InvokeResponseBody>,
) {
    let long_ago = Instant::now().checked_sub(QUIET).unwrap_or_else(Instant::now);
    let mut message = Message { bytes: BytesMut::new(), channel, last: long_ago };
    let mut ended = false;
    loop {
        let next = if message.bytes.is_empty() {
            output.recv().await
        } else {
            match tokio::time::timeout_at(message.last + QUIET, output.recv()).await {
                Ok(next) => next,
                Err(_) if message.send() => continue,
                Err(_) => return,
            }
        };
        let Some(frame) = next else {
            message.send();
            if !ended {
                message.lose();
            }
            return;
        };
        ended |= frame.kind == FrameKind::Exit;
        for piece in pieces(frame) {
            let drawn = matches!(piece.kind, FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr);
            if drawn && !credit.take_now(piece.payload.len()) {
                // The interface is behind: it must see what it has to acknowledge.
                if !message.send() || !credit.take(piece.payload.len()).await {
                    return;
                }
            }
            message.add(&piece);
            if message.bytes.len() >= BATCH && !message.send() {
                return;
            }
        }
        if message.last.elapsed() >= QUIET && output.is_empty() && !message.send() {
            return;
        }
    }
}

/// Input, in order, each piece answered when the process has taken it.
pub(super) async fn pump_input(
    input: AttachInput,
    mut waiting: mpsc::Receiver<(Bytes, InvokeResolver<Wry>)>,
) {
    while let Some((bytes, resolver)) = waiting.recv().await {
        match input.send(bytes).await {
            Ok(()) => resolver.resolve(()),
            Err(problem) => resolver.reject(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

    fn listening() -> (Channel<InvokeResponseBody>, Sent) {
        let sent = Sent::default();
        let kept = sent.clone();
        let channel = Channel::new(move |body| {
            if let InvokeResponseBody::Raw(bytes) = body {
                kept.lock().expect("no test panics while holding it").push(bytes);
            }
            Ok(())
        });
        (channel, sent)
    }

    fn payload(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut all = Vec::new();
        for mut rest in messages.iter().map(Vec::as_slice) {
            while let Some((length, tail)) = rest.split_first_chunk::<4>() {
                let (frame, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
                let frame = Frame::decode(frame).expect("a frame");
                assert_eq!(frame.offset, all.len() as u64);
                all.extend_from_slice(frame.payload);
                rest = tail;
            }
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_stops_at_the_window_and_goes_on_when_acknowledged() {
        let ((channel, sent), credit) = (listening(), Arc::new(Credit::default()));
        let (output, frames) = mpsc::channel(4);
        let pump = tokio::spawn(pump_output(frames, credit.clone(), channel));
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
        let shown = payload(&sent.lock().expect("not poisoned")).len();
        assert!(shown <= WINDOW && shown > WINDOW - 100_000, "{shown} bytes went unacknowledged");
        while !pump.is_finished() {
            credit.give(WINDOW);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        feed.await.expect("the feeder ends");
        assert!(payload(&sent.lock().expect("not poisoned")) == whole, "the bytes differ");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_goes_at_once_and_a_burst_goes_together() {
        let ((channel, sent), credit) = (listening(), Arc::new(Credit::default()));
        let (output, frames) = mpsc::channel(64);
        let _pump = tokio::spawn(pump_output(frames, credit, channel));
        let frame =
            |n: u64| Frame { kind: FrameKind::Terminal, offset: n, payload: Bytes::from_static(b"x") };
        output.send(frame(0)).await.expect("the pump listens");
        tokio::time::sleep(Duration::from_micros(1100)).await;
        assert_eq!(sent.lock().expect("not poisoned").len(), 1);
        for n in 1..40 {
            output.send(frame(n)).await.expect("the pump listens");
        }
        tokio::time::sleep(QUIET * 2).await;
        let messages = sent.lock().expect("not poisoned").clone();
        assert_eq!((messages.len(), payload(&messages).len()), (2, 40));
    }
}
