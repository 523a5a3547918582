//! What a process has printed, by byte offset: the first [`HEAD_BYTES`] and the last [`RING_BYTES`] or more are kept, what lay
//! between is a gap. Plain memory; no waiting, no I/O.

use std::collections::VecDeque;

use bytes::Bytes;
use slipway_agent_api::v1::Stream;

/// How much of the beginning is kept for good: where a failed build says why.
pub(crate) const HEAD_BYTES: usize = 1024 * 1024;

/// How much of the end is kept, unless more is asked for.
pub(crate) const RING_BYTES: usize = 4 * 1024 * 1024;

/// The most that can be asked for.
const MOST_RING_BYTES: usize = 16 * 1024 * 1024;

/// How often standard output and standard error may take turns within each of the two. Beyond it the head ends early
/// and the ring begins later, rather than costing 16 bytes of book-keeping for every byte.
const MARKS: usize = 32 * 1024;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Limits {
    head: usize,
    ring: usize,
    marks: usize,
}

/// Output with its offsets.
#[derive(Debug)]
pub(crate) struct History {
    limits: Limits,
    head: Vec<u8>,
    /// Where each run of one stream begins in the head, ascending.
    head_marks: Vec<(u64, Stream)>,
    /// Set when the marks are used up before the bytes are.
    head_full: bool,
    ring: VecDeque<u8>,
    /// The same for the ring. The first begins at or before the ring does.
    ring_marks: VecDeque<(u64, Stream)>,
    /// All bytes ever pushed.
    total: u64,
}

/// What lies at an offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of one stream.
    Data { stream: Stream, data: Bytes },
    /// Nothing is kept before this offset.
    Gap { to: u64 },
}

impl Default for History {
    fn default() -> Self {
        Self::keeping(0)
    }
}

impl History {
    /// Keeps so many bytes of the end, within the bounds; 0: as many as usual.
    pub(crate) fn keeping(ring: u64) -> Self {
        let ring = usize::try_from(ring).unwrap_or(usize::MAX).clamp(RING_BYTES, MOST_RING_BYTES);
        Self::with(Limits { head: HEAD_BYTES, ring, marks: MARKS })
    }

    fn with(limits: Limits) -> Self {
        let (head, head_marks) = (Vec::new(), Vec::new());
        let (ring, ring_marks) = (VecDeque::new(), VecDeque::new());
        Self { limits, head, head_marks, head_full: false, ring, ring_marks, total: 0 }
    }

    /// All bytes ever pushed.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Memory held, in bytes.
    pub(crate) fn kept(&self) -> usize {
        let marks = self.head_marks.capacity() + self.ring_marks.capacity();
        self.head.capacity() + self.ring.capacity() + marks * size_of::<(u64, Stream)>()
    }

    /// Adds output, dropping the oldest that no longer fits between head and end.
    pub(crate) fn push(&mut self, stream: Stream, data: &[u8]) {
        let room = if self.head_full { 0 } else { self.limits.head - self.head.len() };
        let (first, rest) = data.split_at(room.min(data.len()));
        if !first.is_empty() {
            self.push_head(stream, first);
        }
        if !rest.is_empty() {
            self.push_ring(stream, rest);
        }
    }

    fn push_head(&mut self, stream: Stream, data: &[u8]) {
        if self.head_marks.last().is_none_or(|(_, last)| *last != stream) {
            self.head_marks.push((self.total, stream));
        }
        self.head.extend_from_slice(data);
        self.total += data.len() as u64;
        self.head_full = self.head.len() == self.limits.head || self.head_marks.len() >= self.limits.marks;
    }

    fn push_ring(&mut self, stream: Stream, data: &[u8]) {
        if self.ring_marks.back().is_none_or(|(_, last)| *last != stream) {
            self.ring_marks.push_back((self.total, stream));
        }
        self.total += data.len() as u64;
        // Only the last of a push that alone exceeds the ring can stay.
        let data = &data[data.len().saturating_sub(self.limits.ring)..];
        let excess = (self.ring.len() + data.len()).saturating_sub(self.limits.ring);
        self.ring.drain(..excess);
        self.ring.extend(data);
        if self.ring_marks.len() > self.limits.marks {
            self.ring_marks.pop_front();
            let from = self.ring_marks.front().map_or(self.total, |(start, _)| *start);
            self.ring.drain(..from.saturating_sub(self.ring_start()) as usize);
        }
        let ring_start = self.ring_start();
        while self.ring_marks.get(1).is_some_and(|(start, _)| *start <= ring_start) {
            self.ring_marks.pop_front();
        }
    }

    /// The bytes at `offset`, at most `limit` of them and all of one stream; `None` at or past the end.
    pub(crate) fn at(&self, offset: u64, limit: usize) -> Option<Piece> {
        if offset >= self.total {
            return None;
        }
        if offset < self.head.len() as u64 {
            let next = self.head_marks.partition_point(|(start, _)| *start <= offset);
            let stream = self.head_marks.get(next.checked_sub(1)?)?.1;
            let end = self.head_marks.get(next).map_or(self.head.len(), |(start, _)| *start as usize);
            let start = offset as usize;
            let data = Bytes::copy_from_slice(&self.head[start..end.min(start.saturating_add(limit))]);
            return Some(Piece::Data { stream, data });
        }
        let ring_start = self.ring_start();
        if offset < ring_start {
            return Some(Piece::Gap { to: ring_start });
        }
        let next = self.ring_marks.partition_point(|(start, _)| *start <= offset);
        let stream = self.ring_marks.get(next.checked_sub(1)?)?.1;
        let end = self.ring_marks.get(next).map_or(self.total, |(start, _)| *start);
        let limit = limit.min((end - offset) as usize);
        let start = (offset - ring_start) as usize;
        let (front, back) = self.ring.as_slices();
        let part = if start < front.len() { &front[start..] } else { &back[start - front.len()..] };
        Some(Piece::Data { stream, data: Bytes::copy_from_slice(&part[..limit.min(part.len())]) })
    }

    fn ring_start(&self) -> u64 {
        self.total - self.ring.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: Limits = Limits { head: 1000, ring: 4000, marks: 20 };

    /// One byte as read back: where it stands, what stream it came from, and itself.
    type Read = (u64, Stream, u8);

    /// Everything from `offset` on, and the gaps in it.
    fn read_all(history: &History, mut offset: u64, limit: usize) -> (Vec<Read>, Vec<(u64, u64)>) {
        let (mut bytes, mut gaps) = (Vec::new(), Vec::new());
        while let Some(piece) = history.at(offset, limit) {
            match piece {
                Piece::Data { stream, data } => {
                    assert!(!data.is_empty() && data.len() <= limit);
                    bytes.extend(data.iter().enumerate().map(|(i, b)| (offset + i as u64, stream, *b)));
                    offset += data.len() as u64;
                }
                Piece::Gap { to } => {
                    assert!(to > offset);
                    gaps.push((offset, to));
                    offset = to;
                }
            }
        }
        assert_eq!(offset, history.total());
        (bytes, gaps)
    }

    fn pattern(from: u64, length: usize) -> Vec<u8> {
        (from..from + length as u64).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn beginning_and_end_are_kept_and_the_middle_is_one_gap() {
        let mut history = History::with(SMALL);
        while history.total() < 15_000 {
            history.push(Stream::Terminal, &pattern(history.total(), 60));
        }
        let (bytes, gaps) = read_all(&history, 0, 77);
        assert_eq!(gaps, vec![(1000, 11_000)]);
        assert_eq!(bytes.len(), 5000);
        assert!(bytes.iter().all(|(offset, _, byte)| *byte == (offset % 251) as u8));
    }

    #[test]
    fn one_push_larger_than_all_that_is_kept() {
        let mut history = History::with(SMALL);
        history.push(Stream::Stdout, &pattern(0, 9000));
        let (bytes, gaps) = read_all(&history, 0, 1 << 20);
        assert_eq!(gaps, vec![(1000, 5000)]);
        let right =
            |(offset, stream, byte): &Read| *byte == (offset % 251) as u8 && *stream == Stream::Stdout;
        assert!(bytes.iter().all(right));
    }

    #[test]
    fn streams_that_alternate_by_the_byte_cost_bounded_memory() {
        let mut history = History::default();
        let take_turns = |i: u64| if i.is_multiple_of(2) { Stream::Stdout } else { Stream::Stderr };
        for i in 0..(4 * MARKS as u64) {
            history.push(take_turns(i), &[(i % 251) as u8]);
        }
        assert!(history.head_marks.len() <= MARKS && history.ring_marks.len() <= MARKS);
        assert!(history.kept() < 4 * 1024 * 1024, "{}", history.kept());
        let (bytes, gaps) = read_all(&history, 0, 4096);
        assert_eq!(gaps.len(), 1);
        assert_eq!(bytes.len(), 2 * MARKS);
        assert!(bytes.into_iter().all(|read| read == (read.0, take_turns(read.0), (read.0 % 251) as u8)));
    }

    proptest! {
        #[test]
        fn small_histories_read_back_exactly(
            pushes in proptest::collection::vec((0..3_i32, 0..400_usize), 0..20),
            from in 0..2_000_u64,
            limit in 1..500_usize,
        ) {
            let mut history = History::with(Limits { head: 100_000, ..SMALL });
            let mut expected = Vec::new();
            for (stream, length) in pushes {
                let stream = Stream::try_from(stream).expect("0..3");
                let chunk = pattern(expected.len() as u64, length);
                history.push(stream, &chunk);
                let start = expected.len() as u64;
                expected.extend(chunk.iter().enumerate().map(|(i, b)| (start + i as u64, stream, *b)));
            }
            let from = from.min(expected.len() as u64);
            let (bytes, gaps) = read_all(&history, from, limit);
            prop_assert!(gaps.is_empty());
            prop_assert_eq!(bytes, &expected[from as usize..]);
        }

        #[test]
        fn large_histories_never_lie(
            pushes in proptest::collection::vec((0..2_i32, 1..900_usize), 1..60),
            from in 0..12_000_u64,
        ) {
            let mut history = History::with(SMALL);
            let mut runs = Vec::new();
            for (stream, length) in pushes {
                let stream = Stream::try_from(stream).expect("0..2");
                runs.push((history.total(), stream));
                history.push(stream, &pattern(history.total(), length));
            }
            let (bytes, gaps) = read_all(&history, from.min(history.total()), 200);
            prop_assert!(gaps.len() <= 1);
            prop_assert!(history.ring.len() <= SMALL.ring && history.head.len() <= SMALL.head);
            for (offset, stream, byte) in bytes {
                let run = runs.partition_point(|(start, _)| *start <= offset) - 1;
                prop_assert_eq!((stream, byte), (runs[run].1, (offset % 251) as u8));
            }
        }
    }
}
