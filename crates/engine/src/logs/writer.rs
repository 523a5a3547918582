//! What a log's owner holds: programs and how far each was read, the newest file and where it stands. Bytes become
//! records here and records reach the disk, whole or not at all. Everything happens under the book's lock.

use slipway_wire::{LogLevel, LogStream, ProcessId};
use std::{
    borrow::Cow,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use super::{
    Tail, level,
    lines::{Line, Splitter, plain},
    segment::{self, CUT, ENDED, Known, Saved, Stored, WITHIN},
};

/// Programs a log knows before it forgets those that ended first, and how many ended ones it then keeps.
const KNOWN: usize = 64;
const REMEMBERED: usize = 32;
/// A log is kept in so many files, the oldest of which goes when a new one begins.
const FILES: u64 = 8;
/// Largest file, bytes: a reader holds one in memory. Smallest one that a cap makes.
const LARGEST: u64 = 8 << 20;
const SMALLEST: u64 = 64 << 10;
/// A mark into the newest file is made about so often, bytes.
const MARK_EVERY: u64 = 64 << 10;
/// Written at once, bytes; half a file where that is less, so that no write outgrows one.
const BATCH: u64 = 256 << 10;
/// So far behind the newest line one without an end may have begun to be read again by the next owner, bytes.
const BACK: u64 = 64 << 10;
/// Longest line of Slipway's own, characters.
const NOTE: usize = 1000;

/// A program whose output is kept.
pub(super) struct Voice {
    pub(super) saved: Saved,
    /// The how manieth this owner has begun; 0: an earlier one did.
    pub(super) number: u64,
    /// All output before this offset has been taken, also what is not yet a line.
    pub(super) read: u64,
    splitters: [Splitter; 3],
    /// Of the line before, for lines that go on.
    level: LogLevel,
    pub(super) tail: Tail,
    /// Its output from what is kept up to this offset could not be written.
    lost_to: Option<u64>,
}

impl Voice {
    pub(super) fn of(saved: Saved, number: u64) -> Self {
        let splitters = [0, 1, 2].map(|stream| Splitter::behind(saved.cuts >> stream & 1 != 0));
        let read = saved.kept;
        Self { saved, number, read, splitters, level: LogLevel::Info, tail: Tail::default(), lost_to: None }
    }
}

/// What a reader may look at.
pub(super) struct Standing {
    /// First numbers and lengths of the files, ascending; the last is the one being written.
    pub(super) files: Vec<(u64, u64)>,
    /// The number of the next record.
    pub(super) next: u64,
    /// Numbers and byte offsets in the newest file, ascending.
    pub(super) marks: Vec<(u64, u64)>,
    /// The programs of the newest file, by place.
    pub(super) voices: Vec<Saved>,
}

/// A record about to be written.
struct Draft<'a> {
    level: LogLevel,
    stream: LogStream,
    /// The output offset behind it.
    end: u64,
    /// [`CUT`], [`ENDED`].
    marks: u8,
    missing: u64,
    text: &'a str,
    coloured: Option<&'a str>,
}

/// From where a program is gone on with, and what of its streams is to be passed over then.
#[derive(Clone, Copy, Default)]
struct Reached {
    from: u64,
    ahead: [u64; 3],
    cuts: u8,
}

/// The writing half of a book.
#[derive(Default)]
pub(super) struct Writer {
    recovered: bool,
    /// What an earlier owner left could not be read: nothing is written over it.
    pub(super) broken: bool,
    pub(super) closed: bool,
    pub(super) voices: Vec<Voice>,
    pub(super) limit: u64,
    /// Records that are not yet on disk, and how far their program is read behind the last.
    pub(super) buffer: Vec<u8>,
    reached: Reached,
    /// The number of the next record, and of the first that is not on disk.
    next: u64,
    written: u64,
    files: Vec<(u64, u64)>,
    marks: Vec<(u64, u64)>,
    /// The programs the newest file knows, by place.
    table: Vec<Saved>,
    /// A new file is to be begun: places have changed.
    fresh: bool,
    /// The last write failed, and that has been told.
    failing: bool,
}

impl Writer {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, next: 1, written: 1, ..Self::default() }
    }

    pub(super) fn place(&self, id: &ProcessId) -> Option<usize> {
        self.voices.iter().position(|voice| voice.saved.id == *id && !self.closed)
    }

    pub(super) fn standing(&self) -> Standing {
        let Self { files, marks, table, .. } = self;
        Standing { files: files.clone(), next: self.written, marks: marks.clone(), voices: table.clone() }
    }

    /// The number of the last record on disk.
    pub(super) fn last(&self) -> u64 {
        self.written - 1
    }

    /// Finds out what an earlier owner has left. A torn or damaged end is cut off.
    pub(super) fn recover(&mut self, dir: &Path) {
        if std::mem::replace(&mut self.recovered, true) {
            return;
        }
        if let Err(error) = self.try_recover(dir) {
            tracing::warn!(dir = %dir.display(), %error, "a log cannot be read, and is not gone on with");
            self.broken = true;
        }
    }

    fn try_recover(&mut self, dir: &Path) -> io::Result<()> {
        let mut files = segment::list(dir)?;
        while let Some(&(first, length)) = files.last() {
            let mut tails: Vec<Tail> = Vec::new();
            let found = segment::recover(dir, first, |record| {
                if record.stream() != LogStream::Slipway {
                    tails.resize_with(tails.len().max(record.3 + 1), Tail::default);
                    tails[record.3].push(&record.8);
                }
            })?;
            if found.voices.is_empty() {
                // Not even its first line was written.
                fs::remove_file(segment::path(dir, first))?;
                files.pop();
                self.next = self.next.max(first);
                continue;
            }
            if found.good < length {
                tracing::warn!(dir = %dir.display(), bytes = length - found.good, "the end of a log was torn off");
                OpenOptions::new().write(true).open(segment::path(dir, first))?.set_len(found.good)?;
            }
            self.marks = vec![(first, 0)];
            self.next = found.next;
            self.table.clone_from(&found.voices);
            self.voices = found.voices.into_iter().map(|saved| Voice::of(saved, 0)).collect();
            for (voice, tail) in self.voices.iter_mut().zip(tails) {
                voice.tail = tail;
            }
            if let Some(newest) = files.last_mut() {
                newest.1 = found.good;
            }
            break;
        }
        self.files = files;
        self.written = self.next;
        Ok(())
    }

    /// Bytes of a file, beyond which another is begun.
    fn largest(&self) -> u64 {
        (self.limit / FILES).clamp(SMALLEST, LARGEST)
    }

    /// So much waits to be written that it should be.
    pub(super) fn is_due(&self) -> bool {
        self.buffer.len() as u64 >= BATCH.min(self.largest() / 2)
    }

    /// Forgets programs that ended long ago; only while nothing waits to be written.
    pub(super) fn forget_old(&mut self) {
        if self.voices.len() < KNOWN {
            return;
        }
        let mut ended = self.voices.iter().filter(|voice| voice.saved.ended).count();
        self.voices.retain(|voice| {
            let keep = !voice.saved.ended || ended <= REMEMBERED;
            ended -= usize::from(voice.saved.ended);
            keep
        });
        self.fresh = true;
    }

    /// Takes a piece of output.
    pub(super) fn take(&mut self, at_ms: u64, place: usize, stream: LogStream, at: u64, piece: &[u8]) {
        let mut lines: Vec<Line> = Vec::new();
        let voice = &mut self.voices[place];
        let of = (stream as usize).min(2);
        // What an earlier owner kept before another stream's line was finished.
        let known = usize::try_from(voice.saved.ahead[of].saturating_sub(at)).unwrap_or(usize::MAX);
        let (known, new) = piece.split_at(known.min(piece.len()));
        voice.splitters[of].push(at + known.len() as u64, new, &mut |line| lines.push(line));
        voice.read = at + piece.len() as u64;
        for line in lines {
            self.line(at_ms, place, stream, &line);
        }
    }

    /// What stands there without a line's end becomes a line.
    pub(super) fn rest(&mut self, at_ms: u64, place: usize) {
        for stream in [LogStream::Terminal, LogStream::Stdout, LogStream::Stderr] {
            let mut last = None;
            let voice = &mut self.voices[place];
            voice.splitters[stream as usize].flush(voice.read, &mut |line| last = Some(line));
            if let Some(line) = last {
                self.line(at_ms, place, stream, &line);
            }
        }
    }

    /// Notes that output up to `to` is no longer there to be read.
    pub(super) fn gap(&mut self, at_ms: u64, place: usize, to: u64) {
        let missing = to.saturating_sub(self.voices[place].read);
        if missing == 0 {
            return;
        }
        self.rest(at_ms, place);
        let voice = &mut self.voices[place];
        voice.read = to;
        voice.splitters.iter_mut().for_each(Splitter::forget);
        let text = missing_words(missing, "was no longer there to be read");
        self.note(at_ms, place, LogLevel::Warn, (0, missing), &text);
    }

    /// Notes that a program is no longer followed.
    pub(super) fn leave(&mut self, at_ms: u64, place: usize, why: &str) {
        self.rest(at_ms, place);
        let text = format!("what it may have printed after this is not kept: {why}");
        self.note(at_ms, place, LogLevel::Warn, (ENDED, 0), &text);
    }

    /// A line of Slipway's own about a program, with its marks and the bytes that are missing.
    pub(super) fn note(&mut self, at_ms: u64, place: usize, level: LogLevel, what: (u8, u64), text: &str) {
        let (text, _) = plain(text.as_bytes());
        let text: String = text.chars().take(NOTE).collect();
        let (marks, missing) = what;
        let end = self.voices[place].read;
        let stream = LogStream::Slipway;
        self.write(at_ms, place, &Draft { level, stream, end, marks, missing, text: &text, coloured: None });
        if marks & ENDED != 0 {
            self.voices[place].saved.ended = true;
        }
    }

    fn line(&mut self, at_ms: u64, place: usize, stream: LogStream, line: &Line) {
        let voice = &mut self.voices[place];
        let own = level::of(&line.message);
        let level = own.unwrap_or(if level::goes_on(&line.message) { voice.level } else { LogLevel::Info });
        voice.level = level;
        voice.tail.push(&line.message);
        let cut = if line.cut { format!("{} … (cut)", line.message) } else { String::new() };
        let text = if line.cut { &cut } else { &line.message };
        let marks = if line.cut { CUT } else { 0 };
        let coloured = line.coloured.as_deref();
        self.write(at_ms, place, &Draft { level, stream, end: line.end, marks, missing: 0, text, coloured });
    }

    fn write(&mut self, at_ms: u64, place: usize, draft: &Draft<'_>) {
        if self.buffer.is_empty()
            && let Some(to) = self.voices[place].lost_to
        {
            let missing = to.saturating_sub(self.voices[place].saved.kept);
            let text = missing_words(missing, "could not be written to this disk");
            let (level, stream) = (LogLevel::Warn, LogStream::Slipway);
            self.put(
                at_ms,
                place,
                &Draft { level, stream, end: to, marks: 0, missing, text: &text, coloured: None },
            );
        }
        self.put(at_ms, place, draft);
    }

    fn put(&mut self, at_ms: u64, place: usize, draft: &Draft<'_>) {
        let Draft { level, stream, end, marks, missing, text, coloured } = *draft;
        let voice = &self.voices[place];
        let of = stream as usize;
        let others = || voice.splitters.iter().enumerate().filter(|(other, _)| *other != of);
        // The lines of the other streams that are not finished are wanted again, unless they stand there for long.
        let from = others().filter_map(|(_, other)| other.pending()).filter(|begin| begin + BACK > end);
        let from = from.fold(end, u64::min);
        let cuts = others().fold(0, |cuts, (other, splitter)| cuts | u8::from(splitter.is_cut()) << other);
        let cuts = cuts | u8::from(marks & CUT != 0) << of.min(2);
        let mut reached = Reached { from, cuts, ..self.reached };
        if let Some(ahead) = reached.ahead.get_mut(of) {
            *ahead = end;
        }
        let record = Stored(
            self.next,
            at_ms,
            level as u8,
            place,
            stream as u8,
            from,
            marks | cuts << WITHIN,
            missing,
            Cow::Borrowed(text),
            coloured.map(Cow::Borrowed),
            (from < end).then_some(end),
        );
        // Numbers and text always become JSON, and a Vec takes it.
        if serde_json::to_writer(&mut self.buffer, &record).is_ok() {
            self.buffer.push(b'\n');
            self.next += 1;
            self.reached = reached;
        }
    }

    /// Brings to disk what waits, all of one program. What cannot be written is let go, and told later.
    pub(super) fn flush(&mut self, dir: &Path, place: usize) {
        if self.buffer.is_empty() {
            return;
        }
        let result = if self.broken || self.closed {
            Err(io::ErrorKind::Unsupported.into())
        } else {
            self.try_flush(dir)
        };
        self.buffer.clear();
        self.buffer.shrink_to(1 << 20);
        let voice = &mut self.voices[place];
        let reached = std::mem::take(&mut self.reached);
        match result {
            Ok(()) => {
                voice.saved.kept = reached.from;
                voice.saved.cuts = reached.cuts;
                for (kept, ahead) in voice.saved.ahead.iter_mut().zip(reached.ahead) {
                    *kept = ahead.max(*kept);
                }
                voice.lost_to = None;
                self.written = self.next;
                self.failing = false;
            }
            Err(error) => {
                voice.lost_to = Some(reached.from);
                self.next = self.written;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(dir = %dir.display(), %error, "output is not kept for now");
                }
            }
        }
    }

    fn try_flush(&mut self, dir: &Path) -> io::Result<()> {
        let largest = self.largest();
        let full = |&(_, length): &(u64, u64)| length + self.buffer.len() as u64 > largest;
        let mut new = self.fresh || self.files.last().is_none_or(full);
        if !new && let Some(&(first, length)) = self.files.last() {
            // Something else removed or shortened it: nothing is written behind a hole.
            let there = fs::metadata(segment::path(dir, first)).map(|meta| meta.len());
            new = there.is_err() || there.is_ok_and(|there| there < length);
        }
        let known = if new { 0 } else { self.table.len() };
        let mut bytes = Vec::with_capacity(self.buffer.len() + 256);
        if known < self.voices.len() {
            let more: Vec<Saved> = self.voices[known..].iter().map(|voice| voice.saved.clone()).collect();
            serde_json::to_writer(&mut bytes, &Known { known: more.into() })?;
            bytes.push(b'\n');
        }
        let head = bytes.len() as u64;
        bytes.extend_from_slice(&self.buffer);
        let (first, length) = match self.files.last() {
            Some(&newest) if !new => newest,
            _ => (self.written, 0),
        };
        append(dir, first, length, &bytes)?;
        if new {
            self.files.retain(|(other, _)| *other != first);
            self.files.push((first, 0));
            self.marks.clear();
            self.table.clear();
            self.fresh = false;
        }
        self.table.extend(self.voices[known..].iter().map(|voice| voice.saved.clone()));
        if self.marks.last().is_none_or(|(_, at)| length + head >= at + MARK_EVERY) {
            self.marks.push((self.written, length + head));
        }
        if let Some(newest) = self.files.last_mut() {
            newest.1 = length + bytes.len() as u64;
        }
        let most = self.limit.saturating_sub(if new { largest } else { 0 });
        while new && self.files.len() > 1 && self.files.iter().map(|(_, length)| length).sum::<u64>() > most {
            self.drop_oldest(dir);
        }
        Ok(())
    }

    /// Keeps the newest file only.
    pub(super) fn shrink(&mut self, dir: &Path) {
        while self.files.len() > 1 {
            self.drop_oldest(dir);
        }
    }

    fn drop_oldest(&mut self, dir: &Path) {
        let (first, _) = self.files.remove(0);
        match fs::remove_file(segment::path(dir, first)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "an old part of a log stays");
            }
            _ => {}
        }
    }
}

/// Writes behind the first `length` bytes of a file: all of it, or the file is as it was.
fn append(dir: &Path, first: u64, length: u64, bytes: &[u8]) -> io::Result<()> {
    let path = segment::path(dir, first);
    let mut options = OpenOptions::new();
    options.write(true).create(length == 0);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if length == 0 {
        fs::create_dir_all(dir)?;
    }
    let mut file = options.open(&path)?;
    // What a write that failed may have left behind its whole lines.
    file.set_len(length)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(length))?;
    let written = file.write_all(bytes);
    if written.is_err() {
        let undone = if length == 0 { fs::remove_file(&path) } else { file.set_len(length) };
        if let Err(error) = undone {
            tracing::debug!(%error, "a torn end stays in a log until the next write");
        }
    }
    written
}

fn missing_words(bytes: u64, why: &str) -> String {
    format!("{} of output are missing here: it {why}", crate::workspace::bytes(bytes))
}
