//! Output between those who produce it (pumps) and those who read it (attached readers): the history, who has read how
//! far, when to wake whom, and when to hold a producer back. In memory only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use slipway_agent_api::v1::Stream;
use slipway_agent_api::{MAX_CHUNK, v1};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::history::{History, Piece};
use super::silence::{LOOK, Silence};
use crate::stdio::Link;

/// How far the slowest lossless reader may lag before the producer is held back, in bytes. Well under the ring, so
/// that nothing a held-back producer has yet to hand over can push out what that reader still needs.
const LOSSLESS_LAG: u64 = 1024 * 1024;

/// The window of an acknowledging reader is at least this, in bytes: less would stop at every line.
const LEAST_WINDOW: u64 = 4 * 1024;

/// So long a process that has printed more than that waits for its first reader: whoever started it is about to attach
/// and must find its output from the first byte on. After that it goes on without one.
const FIRST_READER: Duration = Duration::from_secs(10);

/// A message this large goes out without waiting for more, in bytes.
const BATCH: u64 = 64 * 1024;

/// Within one window of this length, so much goes out at once; beyond it output is gathered to the window's end.
/// Keystrokes and prompts never reach the bounds; a flood does in its first millisecond.
const WINDOW: Duration = Duration::from_millis(8);
const WINDOW_MESSAGES: u32 = 64;
const WINDOW_BYTES: u64 = 16 * 1024;

/// One process's output.
pub(crate) struct Output {
    state: Mutex<State>,
    started: Instant,
    /// Told whenever a reader advanced, came or left.
    room: Notify,
}

#[derive(Default)]
struct State {
    history: History,
    readers: Vec<Position>,
    next_reader: u64,
    ended: Option<v1::Exit>,
}

struct Position {
    reader: u64,
    offset: u64,
    lossless: bool,
    acknowledged: Option<Acknowledged>,
    silence: Option<Silence>,
    /// Wake this reader once so much was ever pushed.
    wake_at: Option<u64>,
    wake: Arc<Notify>,
}

fn bounded(window: u64) -> u64 {
    window.clamp(LEAST_WINDOW, LOSSLESS_LAG)
}

/// How far a reader that says so has come.
struct Acknowledged {
    name: u64,
    window: u64,
    taken: u64,
}

impl Position {
    /// How much may have been printed that this reader has not got, in bytes: more holds the producer back.
    fn room(&self, total: u64) -> u64 {
        match &self.acknowledged {
            Some(acknowledged) => {
                acknowledged.window.saturating_sub(total.saturating_sub(acknowledged.taken))
            }
            None => (LOSSLESS_LAG + 1).saturating_sub(total - self.offset),
        }
    }
}

/// What a reader gets next.
#[derive(Debug)]
pub(crate) enum Event {
    Data { offset: u64, stream: Stream, data: Bytes },
    Gap { from: u64, to: u64 },
    Exit(v1::Exit),
}

impl Output {
    /// Nothing yet, of a process that starts now. Keeps so many bytes of the end; 0: as many as usual.
    pub(crate) fn new(history: u64) -> Self {
        let state = State { history: History::keeping(history), ..State::default() };
        Self { state: Mutex::new(state), started: Instant::now(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a process printed and wakes the readers that wait for it.
    pub(crate) fn push(&self, stream: Stream, data: &[u8]) {
        let mut state = self.state();
        state.history.push(stream, data);
        let total = state.history.total();
        state.wake(|wake_at| wake_at <= total);
    }

    /// Waits while a lossless reader lags too far. Gives how much may be pushed at once, at least one byte.
    pub(crate) async fn hold(&self) -> usize {
        loop {
            let told = self.room.notified();
            let (room, awaits_first) = {
                let state = self.state();
                (state.room(), state.next_reader == 0 && state.history.total() > LOSSLESS_LAG)
            };
            if room == 0 {
                if tokio::time::timeout(LOOK, told).await.is_err() {
                    self.state().look();
                }
            } else if !awaits_first
                || tokio::time::timeout_at(self.started + FIRST_READER, told).await.is_err()
            {
                return usize::try_from(room).unwrap_or(usize::MAX);
            }
        }
    }

    /// An acknowledging reader has taken all output before `offset` and wants so much beyond it. Of a reader that is
    /// gone it says nothing.
    pub(crate) fn taken(&self, name: u64, offset: u64, window: u64) {
        let mut state = self.state();
        for position in &mut state.readers {
            if let Some(acknowledged) = position.acknowledged.as_mut().filter(|a| a.name == name) {
                // No further than it was sent, and never back.
                acknowledged.taken = acknowledged.taken.max(offset.min(position.offset));
                acknowledged.window = bounded(window);
                position.wake_at = None;
                position.wake.notify_one();
            }
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Nothing more will be pushed; readers get the exit after the last byte. Returns the memory kept.
    pub(crate) fn end(&self, code: i32, signal: i32) -> usize {
        let mut state = self.state();
        let bytes = state.history.total();
        state.ended = Some(v1::Exit { code, signal, bytes });
        state.wake(|_| true);
        state.history.kept()
    }

    /// All bytes ever pushed, and the exit once there was one.
    pub(crate) fn standing(&self) -> (u64, Option<v1::Exit>) {
        let state = self.state();
        (state.history.total(), state.ended)
    }

    /// A reader that begins at `offset`, or at the end where that lies past it.
    pub(crate) fn reader(
        self: &Arc<Self>,
        offset: u64,
        lossless: bool,
        acknowledging: Option<v1::Acknowledging>,
        link: Option<Arc<Link>>,
    ) -> Reader {
        let mut state = self.state();
        let id = state.next_reader;
        state.next_reader += 1;
        let wake = Arc::new(Notify::new());
        let offset = offset.min(state.history.total());
        let acknowledged =
            acknowledging.map(|a| Acknowledged { name: a.reader, window: bounded(a.window), taken: offset });
        let wake_to = Arc::clone(&wake);
        let silence = link.map(Silence::begins);
        state.readers.push(Position {
            reader: id,
            offset,
            lossless,
            acknowledged,
            silence,
            wake_at: None,
            wake: wake_to,
        });
        drop(state);
        self.room.notify_waiters();
        Reader { output: Arc::clone(self), id, wake, pace: Pace::new() }
    }
}

impl State {
    fn wake(&mut self, due: impl Fn(u64) -> bool) {
        for position in &mut self.readers {
            if position.wake_at.is_some_and(&due) {
                position.wake_at = None;
                position.wake.notify_one();
            }
        }
    }

    fn look(&mut self) {
        for silence in self.readers.iter_mut().filter_map(|position| position.silence.as_mut()) {
            silence.look();
        }
    }

    /// What the slowest lossless reader leaves room for, in bytes.
    fn room(&self) -> u64 {
        let total = self.history.total();
        let lossless = self.readers.iter().filter(|position| {
            position.lossless && !position.silence.as_ref().is_some_and(Silence::is_of_one_gone)
        });
        lossless.map(|position| position.room(total)).min().unwrap_or(u64::MAX)
    }
}

/// One attached reader. Dropping it lets a producer that was held back for it go on.
pub(crate) struct Reader {
    output: Arc<Output>,
    id: u64,
    wake: Arc<Notify>,
    pace: Pace,
}

impl Reader {
    /// The next piece of output, waiting for it. After [`Event::Exit`] there is nothing more to ask for.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let until = match self.step() {
                Step::Ready(event) => return event,
                Step::Wait(until) => until,
            };
            match until {
                None => self.wake.notified().await,
                Some(until) => {
                    // Either is reason enough to look again.
                    let _ = tokio::time::timeout_at(until, self.wake.notified()).await;
                }
            }
        }
    }

    fn step(&mut self) -> Step {
        let mut state = self.output.state();
        let State { history, readers, ended, .. } = &mut *state;
        let Some(position) = readers.iter_mut().find(|position| position.reader == self.id) else {
            return Step::Wait(None);
        };
        let left = history.total() - position.offset;
        // An acknowledging reader is sent what its window has room for, and woken by what it takes.
        let most = position.acknowledged.as_ref().map_or(u64::MAX, |acknowledged| {
            (acknowledged.taken + acknowledged.window).saturating_sub(position.offset)
        });
        let available = left.min(most);
        if available == 0 {
            if left > 0 {
                return Step::Wait(None);
            }
            if let Some(exit) = ended {
                return Step::Ready(Event::Exit(*exit));
            }
            position.wake_at = Some(position.offset + 1);
            return Step::Wait(None);
        }
        if ended.is_none()
            && available < BATCH.min(most)
            && let Some(until) = self.pace.not_before(Instant::now())
        {
            position.wake_at = Some(position.offset + BATCH);
            return Step::Wait(Some(until));
        }
        let offset = position.offset;
        let event = match history.at(offset, MAX_CHUNK.min(usize::try_from(available).unwrap_or(MAX_CHUNK))) {
            Some(Piece::Gap { to }) => {
                position.offset = to;
                Event::Gap { from: offset, to }
            }
            Some(Piece::Data { stream, data }) => {
                position.offset += data.len() as u64;
                self.pace.sent(Instant::now(), data.len() as u64);
                Event::Data { offset, stream, data }
            }
            None => return Step::Wait(None),
        };
        drop(state);
        self.output.room.notify_waiters();
        Step::Ready(event)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.output.state().readers.retain(|position| position.reader != self.id);
        self.output.room.notify_waiters();
    }
}

enum Step {
    Ready(Event),
    Wait(Option<Instant>),
}

/// Tells a trickle, which goes out at once, from a flood, which is gathered.
struct Pace {
    began: Instant,
    messages: u32,
    bytes: u64,
}

impl Pace {
    fn new() -> Self {
        Self { began: Instant::now(), messages: 0, bytes: 0 }
    }

    fn not_before(&self, now: Instant) -> Option<Instant> {
        let end = self.began + WINDOW;
        (now < end && (self.messages >= WINDOW_MESSAGES || self.bytes >= WINDOW_BYTES)).then_some(end)
    }

    fn sent(&mut self, now: Instant, bytes: u64) {
        if now >= self.began + WINDOW {
            *self = Self { began: now, messages: 0, bytes: 0 };
        }
        self.messages += 1;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::super::silence::LOOKS;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    async fn within<F: Future>(what: &str, future: F) -> F::Output {
        let Ok(value) = tokio::time::timeout(DEADLINE, future).await else {
            panic!("waited in vain for {what}")
        };
        value
    }

    #[tokio::test]
    async fn a_lossless_reader_holds_the_producer_and_its_leaving_frees_it() {
        let output = Arc::new(Output::new(0));
        let mut reader = output.reader(0, true, None, None);
        output.push(Stream::Terminal, &vec![b'x'; LOSSLESS_LAG as usize + 1]);
        assert!(tokio::time::timeout(Duration::from_millis(20), output.hold()).await.is_err());
        assert!(matches!(within("data", reader.next()).await, Event::Data { offset: 0, .. }));
        within("room after a read", output.hold()).await;
        output.push(Stream::Terminal, &vec![b'x'; 2 * LOSSLESS_LAG as usize]);
        drop(reader);
        within("room after the reader left", output.hold()).await;
    }

    #[tokio::test]
    async fn other_readers_hold_nothing_and_see_a_gap() {
        let output = Arc::new(Output::new(0));
        let mut reader = output.reader(0, false, None, None);
        for _ in 0..12 {
            within("room", output.hold()).await;
            output.push(Stream::Terminal, &vec![b'x'; 1024 * 1024]);
        }
        let mut gaps = Vec::new();
        output.end(3, 0);
        loop {
            match within("an event", reader.next()).await {
                Event::Data { .. } => {}
                Event::Gap { from, to } => gaps.push((from, to)),
                Event::Exit(exit) => {
                    assert_eq!((exit.code, exit.signal, exit.bytes), (3, 0, 12 << 20));
                    break;
                }
            }
        }
        assert_eq!(gaps, vec![(1 << 20, 8 << 20)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reader_is_waited_for_but_not_for_ever() {
        let output = Arc::new(Output::new(0));
        let start = Instant::now();
        output.push(Stream::Terminal, &vec![b'x'; LOSSLESS_LAG as usize]);
        output.hold().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        output.push(Stream::Terminal, b"x");
        output.hold().await;
        assert_eq!(start.elapsed(), FIRST_READER);
        output.hold().await;
        assert_eq!(start.elapsed(), FIRST_READER);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reader_ends_the_wait_and_finds_everything() {
        let output = Arc::new(Output::new(0));
        output.push(Stream::Stdout, &vec![b'x'; LOSSLESS_LAG as usize + 1]);
        assert!(tokio::time::timeout(FIRST_READER / 2, output.hold()).await.is_err());
        let mut reader = output.reader(0, true, None, None);
        assert!(matches!(reader.next().await, Event::Data { offset: 0, .. }));
        tokio::time::timeout(Duration::from_millis(1), output.hold()).await.expect("room");
    }

    #[tokio::test(start_paused = true)]
    async fn keystrokes_go_at_once_and_floods_are_gathered() {
        let output = Arc::new(Output::new(0));
        let mut reader = output.reader(0, true, None, None);
        let start = Instant::now();
        for _ in 0..10 {
            output.push(Stream::Terminal, b"k");
            assert!(matches!(reader.next().await, Event::Data { .. }));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        output.push(Stream::Terminal, &[b'f'; WINDOW_BYTES as usize]);
        assert!(matches!(reader.next().await, Event::Data { .. }));
        output.push(Stream::Terminal, b"small");
        assert!(matches!(reader.next().await, Event::Data { data, .. } if &data[..] == b"small"));
        assert!(start.elapsed() >= WINDOW, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn an_acknowledging_reader_is_sent_its_window_and_holds_the_producer_to_it() {
        const WINDOW: u64 = 8 * 1024;
        let output = Arc::new(Output::new(0));
        let acknowledging = v1::Acknowledging { reader: 7, window: WINDOW };
        let mut reader = output.reader(0, true, Some(acknowledging), None);
        assert_eq!(within("room", output.hold()).await as u64, WINDOW);
        output.push(Stream::Terminal, &vec![b'x'; 3 * WINDOW as usize]);
        let mut got = 0;
        for taken in [0, WINDOW / 2, WINDOW, 2 * WINDOW] {
            output.taken(7, taken, WINDOW);
            while got < taken + WINDOW {
                let Event::Data { offset, data, .. } = within("data", reader.next()).await else {
                    panic!("something else")
                };
                assert_eq!(offset, got);
                got += data.len() as u64;
            }
            assert_eq!(got, taken + WINDOW);
            assert!(tokio::time::timeout(Duration::from_millis(20), reader.next()).await.is_err(), "{taken}");
            assert!(tokio::time::timeout(Duration::from_millis(20), output.hold()).await.is_err(), "{taken}");
        }
        output.taken(7, u64::MAX, WINDOW);
        assert_eq!(within("room", output.hold()).await as u64, WINDOW, "no further than what was sent");
        output.end(0, 0);
        assert!(matches!(within("the end", reader.next()).await, Event::Exit(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_whose_engine_has_gone_silent_holds_nobody_back_until_it_is_heard_again() {
        let output = Arc::new(Output::new(0));
        let link = Arc::<Link>::default();
        let _reader = output.reader(0, true, None, Some(Arc::clone(&link)));
        output.push(Stream::Stdout, &vec![b'x'; LOSSLESS_LAG as usize + 1]);
        let held = async |looks: u32| tokio::time::timeout(LOOK * looks, output.hold()).await.is_err();
        for _ in 0..3 {
            link.hear();
            assert!(held(LOOKS).await, "an engine that lives is waited for");
        }
        link.hear();
        let start = Instant::now();
        output.hold().await;
        assert!(start.elapsed() >= LOOK * (LOOKS - 1), "{:?}", start.elapsed());
        output.hold().await;
        assert!(start.elapsed() <= LOOK * (LOOKS + 1), "once is enough: {:?}", start.elapsed());
        link.hear();
        assert!(held(1).await, "it was only asleep");
    }

    #[tokio::test]
    async fn an_offset_past_the_end_reads_only_what_is_new() {
        let output = Arc::new(Output::new(0));
        output.push(Stream::Stdout, b"old");
        let mut reader = output.reader(1_000_000, true, None, None);
        output.push(Stream::Stderr, b"new");
        match within("data", reader.next()).await {
            Event::Data { offset, stream, data } => {
                assert_eq!((offset, stream, &data[..]), (3, Stream::Stderr, &b"new"[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}
