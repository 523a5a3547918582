//! One workspace's log: its programs, what of their output has been read, and the files it is written to. Output comes
//! in by offset, so that what is brought twice is kept once. A disk that refuses never stops anybody: what could not be
//! kept is counted and told in the log as soon as it can be.

use slipway_wire::{LogLevel, LogStream, ProcessId};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

use super::{
    segment::{self, ENDED, Saved},
    writer::{Standing, Voice, Writer},
};

/// Output taken at once, bytes: bounds the lines that wait to be written.
const PIECE: usize = 2 * 1024;

/// A workspace's log.
pub(crate) struct Book {
    dir: PathBuf,
    /// Held while a disk is waited for: never taken where that would hold up anybody else.
    writer: Mutex<Writer>,
    /// The most it takes on disk, bytes.
    limit: AtomicU64,
    /// How many programs this owner has begun.
    begun: AtomicU64,
    /// The number of the last line on disk.
    last: watch::Sender<u64>,
}

impl Book {
    /// A log in `dir` of at most `limit` bytes. Nothing is read or made before it is needed.
    pub(super) fn new(dir: PathBuf, limit: u64) -> Self {
        Self {
            dir,
            writer: Mutex::new(Writer::new(limit)),
            limit: AtomicU64::new(limit),
            begun: AtomicU64::new(0),
            last: watch::Sender::new(0),
        }
    }

    /// May wait for a disk.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.limit = self.limit.load(Ordering::Relaxed);
        writer
    }

    /// Another cap, from the next file on. Waits for nothing.
    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many programs were begun so far, for [`Book::leave`]. Waits for nothing.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Begins a program, or goes on with one that is known: the offset from which its output is wanted. Those of an
    /// earlier life of the container are over.
    pub(super) fn begin(&self, at_ms: u64, id: &ProcessId, name: &str, command: &str) -> u64 {
        let mut writer = self.writer();
        writer.recover(&self.dir);
        if let Some(voice) = writer.voices.iter().find(|voice| voice.saved.id == *id) {
            return voice.read;
        }
        let boot = |id: &ProcessId| id.as_str().split('-').next().map(str::to_owned);
        let gone = |voice: &Voice| !voice.saved.ended && boot(&voice.saved.id) != boot(id);
        for place in 0..writer.voices.len() {
            if gone(&writer.voices[place]) {
                writer.leave(at_ms, place, "its container was started anew");
                writer.flush(&self.dir, place);
            }
        }
        writer.forget_old();
        let (id, name) = (id.clone(), name.to_owned());
        let saved = Saved { id, name, kept: 0, ahead: [0; 3], cuts: 0, ended: false };
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        writer.voices.push(Voice::of(saved, number));
        let place = writer.voices.len() - 1;
        writer.note(at_ms, place, LogLevel::Info, (0, 0), command);
        writer.flush(&self.dir, place);
        self.told(writer);
        0
    }

    /// Takes output at an offset. What was taken before is passed over.
    pub(super) fn feed(&self, at_ms: u64, id: &ProcessId, stream: LogStream, offset: u64, data: &[u8]) {
        let mut writer = self.writer();
        let Some(place) = writer.place(id) else { return };
        let known = writer.voices[place].read.saturating_sub(offset);
        let Some(data) = usize::try_from(known).ok().and_then(|known| data.get(known..)) else { return };
        let offset = offset + known;
        writer.gap(at_ms, place, offset);
        let mut at = offset;
        for piece in data.chunks(PIECE) {
            writer.take(at_ms, place, stream, at, piece);
            at += piece.len() as u64;
            if writer.is_due() {
                writer.flush(&self.dir, place);
            }
        }
        writer.flush(&self.dir, place);
        self.told(writer);
    }

    /// Output up to this offset is no longer there.
    pub(super) fn skip(&self, at_ms: u64, id: &ProcessId, to: u64) {
        let mut writer = self.writer();
        let Some(place) = writer.place(id) else { return };
        writer.gap(at_ms, place, to);
        writer.flush(&self.dir, place);
        self.told(writer);
    }

    /// The program has ended, `how` in words. Told once. The last lines it wrote.
    pub(super) fn end(&self, at_ms: u64, id: &ProcessId, well: bool, how: &str) -> String {
        let mut writer = self.writer();
        let Some(place) = writer.place(id) else { return String::new() };
        if !writer.voices[place].saved.ended {
            writer.rest(at_ms, place);
            let level = if well { LogLevel::Info } else { LogLevel::Error };
            writer.note(at_ms, place, level, (ENDED, 0), how);
            writer.flush(&self.dir, place);
        }
        let tail = writer.voices[place].tail.text();
        self.told(writer);
        tail
    }

    /// Nobody will say how the programs have ended that are left of the first so many, of `begun` or of an earlier owner.
    pub(super) fn leave(&self, at_ms: u64, begun: u64, why: &str) {
        let mut writer = self.writer();
        writer.recover(&self.dir);
        for place in 0..writer.voices.len() {
            let voice = &writer.voices[place];
            if !voice.saved.ended && voice.number <= begun {
                writer.leave(at_ms, place, why);
                writer.flush(&self.dir, place);
            }
        }
        self.told(writer);
    }

    /// Whether a program's end is in the log.
    pub(super) fn has_ended(&self, id: &ProcessId) -> bool {
        let mut writer = self.writer();
        writer.recover(&self.dir);
        writer.voices.iter().any(|voice| voice.saved.id == *id && voice.saved.ended)
    }

    /// Takes nothing more, and keeps the newest file only.
    pub(super) fn close(&self) {
        let mut writer = self.writer();
        writer.recover(&self.dir);
        writer.closed = true;
        writer.shrink(&self.dir);
    }

    /// Tells the number of the last line whenever there is one more.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Where the files are, and what is in them now. An error when what an earlier owner left cannot be read.
    pub(super) fn standing(&self) -> io::Result<(&Path, Standing)> {
        let mut writer = self.writer();
        writer.recover(&self.dir);
        if writer.broken {
            segment::list(&self.dir)?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((&self.dir, writer.standing()))
    }

    fn told(&self, writer: MutexGuard<'_, Writer>) {
        let last = writer.last();
        drop(writer);
        self.last.send_if_modified(|told| std::mem::replace(told, last) != last);
    }
}
