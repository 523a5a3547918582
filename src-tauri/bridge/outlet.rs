//! One way for all output of an interface. Many terminals that print a little would each make messages of their own, and
//! every message costs the webview as much as parsing kilobytes: so what they print goes together, at once after a pause
//! and when somebody has just typed, else in messages a span apart.

use bytes::{Bytes, BytesMut};
use slipway_wire::Frame;
use std::time::Duration;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

/// A message holds about this many bytes, at most.
const BATCH: usize = 256 << 10;
/// Least time between two messages while output comes without a pause.
pub(super) const QUIET: Duration = Duration::from_millis(8);
/// Pieces that wait to go together; what each stream may have on its way is bounded by what was acknowledged.
const WAITING: usize = 64;

/// Something of a stream.
pub(super) struct Piece {
    pub(super) stream: u32,
    /// Output; absent: it ended although the process did not.
    pub(super) frame: Option<Frame<Bytes>>,
    /// Somebody waits for it: it answers a key.
    pub(super) awaited: bool,
}

/// Where the streams of an interface put their output. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outlet(mpsc::Sender<Piece>);

impl Outlet {
    /// An outlet into a channel, and what carries it until every clone is gone or nobody listens.
    pub(super) fn new(channel: Channel<InvokeResponseBody>) -> (Self, impl Future<Output = ()> + Send) {
        let (to, pieces) = mpsc::channel(WAITING);
        (Self(to), carry(pieces, channel))
    }

    /// False when nobody listens any more.
    pub(super) async fn put(&self, piece: Piece) -> bool {
        self.0.send(piece).await.is_ok()
    }
}

/// A message that is being put together: for each piece its length, its stream and its frame.
struct Message {
    bytes: BytesMut,
    channel: Channel<InvokeResponseBody>,
    last: Instant,
}

impl Message {
    fn add(&mut self, piece: &Piece) {
        let frame = piece.frame.as_ref().map(Frame::encode).unwrap_or_default();
        self.bytes.extend_from_slice(&(frame.len() as u32 + 4).to_le_bytes());
        self.bytes.extend_from_slice(&piece.stream.to_le_bytes());
        self.bytes.extend_from_slice(&frame);
    }

    /// False when nobody listens any more.
    fn send(&mut self) -> bool {
        self.last = Instant::now();
        self.channel.send(InvokeResponseBody::Raw(self.bytes.split().to_vec())).is_ok()
    }
}

async fn carry(mut pieces: mpsc::Receiver<Piece>, channel: Channel<InvokeResponseBody>) {
    let long_ago = Instant::now().checked_sub(QUIET).unwrap_or_else(Instant::now);
    let mut message = Message { bytes: BytesMut::new(), channel, last: long_ago };
    while let Some(piece) = pieces.recv().await {
        let due = message.last + QUIET;
        let mut awaited = piece.awaited;
        message.add(&piece);
        while message.bytes.len() < BATCH {
            let next = if awaited || Instant::now() >= due {
                pieces.try_recv().ok()
            } else {
                timeout_at(due, pieces.recv()).await.ok().flatten()
            };
            let Some(piece) = next else { break };
            awaited |= piece.awaited;
            message.add(&piece);
        }
        if !message.send() {
            return;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use slipway_wire::FrameKind;
    use std::sync::{Arc, Mutex};

    pub(in super::super) type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

    /// A channel that keeps what is sent.
    pub(in super::super) fn listening() -> (Channel<InvokeResponseBody>, Sent) {
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

    /// The output of one stream, which must follow without a gap. That it is lost at the end is no output.
    pub(in super::super) fn payload(messages: &[Vec<u8>], stream: u32) -> Vec<u8> {
        let mut all = Vec::new();
        for mut rest in messages.iter().map(Vec::as_slice) {
            while let Some((length, tail)) = rest.split_first_chunk::<4>() {
                let (entry, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
                let (of, frame) = entry.split_first_chunk::<4>().expect("a stream");
                if u32::from_le_bytes(*of) == stream && !frame.is_empty() {
                    let frame = Frame::decode(frame).expect("a frame");
                    assert_eq!(frame.offset, all.len() as u64);
                    all.extend_from_slice(frame.payload);
                }
                rest = tail;
            }
        }
        all
    }

    fn piece(stream: u32, offset: u64, awaited: bool) -> Piece {
        let frame = Frame { kind: FrameKind::Terminal, offset, payload: Bytes::from_static(b"x") };
        Piece { stream, frame: Some(frame), awaited }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_at_once_and_a_burst_of_many_streams_goes_together() {
        let (channel, sent) = listening();
        let (outlet, carried) = Outlet::new(channel);
        tokio::spawn(carried);
        assert!(outlet.put(piece(1, 0, false)).await);
        tokio::time::sleep(Duration::from_micros(1100)).await;
        assert_eq!(sent.lock().expect("not poisoned").len(), 1);
        for offset in 0..20 {
            for stream in 2..22 {
                assert!(outlet.put(piece(stream, offset, false)).await);
            }
        }
        tokio::time::sleep(QUIET * 2).await;
        let messages = sent.lock().expect("not poisoned").clone();
        assert_eq!(messages.len(), 2);
        assert!((2..22).all(|stream| payload(&messages, stream).len() == 20));
    }

    #[tokio::test(start_paused = true)]
    async fn what_answers_a_key_waits_for_nothing_and_takes_the_others_along() {
        let (channel, sent) = listening();
        let (outlet, carried) = Outlet::new(channel);
        tokio::spawn(carried);
        assert!(outlet.put(piece(1, 0, false)).await);
        tokio::time::sleep(Duration::from_micros(1100)).await;
        assert!(outlet.put(piece(1, 1, false)).await && outlet.put(piece(2, 0, true)).await);
        tokio::time::sleep(Duration::from_micros(1100)).await;
        let messages = sent.lock().expect("not poisoned").clone();
        assert_eq!((messages.len(), payload(&messages, 1).len(), payload(&messages, 2).len()), (2, 2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ended_by_itself_is_an_entry_without_a_frame() {
        let (channel, sent) = listening();
        let (outlet, carried) = Outlet::new(channel);
        let carried = tokio::spawn(carried);
        assert!(outlet.put(Piece { stream: 7, frame: None, awaited: false }).await);
        drop(outlet);
        carried.await.expect("it ends with the last clone");
        assert_eq!(*sent.lock().expect("not poisoned"), [[4, 0, 0, 0, 7, 0, 0, 0]]);
    }
}
