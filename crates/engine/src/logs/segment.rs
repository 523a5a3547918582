//! A log on disk: files named by their first line's number, each a line of JSON per record. A file begins with the
//! programs known so far, so that the newest file alone tells how far each was read. Nothing here waits or decides.

use serde::{Deserialize, Serialize};
use slipway_wire::{LogLevel, LogRecord, LogStream, ProcessId};
use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

/// Marks of a record.
pub(super) const CUT: u8 = 1;
pub(super) const ENDED: u8 = 2;
/// Streams that are in the middle of a line that was cut: so many bits from the left.
pub(super) const WITHIN: u8 = 2;

/// A program as a file keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) id: ProcessId,
    pub(super) name: String,
    /// Its output is in the log up to this offset.
    pub(super) kept: u64,
    /// That of a stream up to here, where that is further: another has a line that is not finished.
    #[serde(default)]
    pub(super) ahead: [u64; 3],
    /// The streams whose last line was cut, as bits: the rest of it is to be passed over.
    #[serde(default)]
    pub(super) cuts: u8,
    pub(super) ended: bool,
}

/// A line that adds programs to those known.
#[derive(Serialize, Deserialize)]
pub(super) struct Known<'a> {
    pub(super) known: Cow<'a, [Saved]>,
}

/// A record: number, time, level, program (by its place among those known), stream, offset behind it, marks, bytes
/// missing, text, text with colours; and the offset behind the line itself, where another stream's unfinished one begins
/// before that.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a>(
    pub(super) u64,
    pub(super) u64,
    pub(super) u8,
    pub(super) usize,
    pub(super) u8,
    pub(super) u64,
    pub(super) u8,
    pub(super) u64,
    #[serde(borrow)] pub(super) Cow<'a, str>,
    #[serde(borrow)] pub(super) Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")] pub(super) Option<u64>,
);

const LEVELS: [LogLevel; 6] =
    [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];
const STREAMS: [LogStream; 4] =
    [LogStream::Terminal, LogStream::Stdout, LogStream::Stderr, LogStream::Slipway];

impl Stored<'_> {
    pub(super) fn level(&self) -> LogLevel {
        LEVELS.get(usize::from(self.2)).copied().unwrap_or_default()
    }

    pub(super) fn stream(&self) -> LogStream {
        STREAMS.get(usize::from(self.4)).copied().unwrap_or(LogStream::Terminal)
    }

    pub(super) fn view(self, of: &Saved) -> LogRecord {
        LogRecord {
            seq: self.0,
            at_ms: self.1,
            level: self.level(),
            process: of.name.clone(),
            process_id: of.id.clone(),
            stream: self.stream(),
            cut: self.6 & CUT != 0,
            missing_bytes: Some(self.7).filter(|bytes| *bytes > 0),
            message: self.8.into_owned(),
            coloured: self.9.map(Cow::into_owned),
        }
    }
}

/// One line of a file.
pub(super) enum Entry<'a> {
    Known(Vec<Saved>),
    Record(Stored<'a>),
}

/// Reads one line; `None`: it is damaged.
pub(super) fn entry(line: &str) -> Option<Entry<'_>> {
    if line.starts_with('{') {
        let known: Known<'_> = serde_json::from_str(line).ok()?;
        return Some(Entry::Known(known.known.into_owned()));
    }
    serde_json::from_str(line).ok().map(Entry::Record)
}

/// The number of a record without reading all of it.
pub(super) fn number(line: &str) -> Option<u64> {
    line.strip_prefix('[')?.split(',').next()?.parse().ok()
}

pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// The files of a log: the number each begins with, and its length in bytes; ascending.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let first = entry.file_name().to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        if let Some(first) = first {
            found.push((first, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What a file tells when it is read from its beginning.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) voices: Vec<Saved>,
    /// The number after its last record.
    pub(super) next: u64,
    /// Bytes up to the end of its last whole line.
    pub(super) good: u64,
}

/// Reads a file up to the first line that is torn or damaged. `line` sees each record with the program's place.
pub(super) fn recover(dir: &Path, first: u64, mut line: impl FnMut(&Stored<'_>)) -> io::Result<Recovered> {
    let bytes = fs::read(path(dir, first))?;
    let mut found = Recovered { next: first, ..Recovered::default() };
    let mut rest = &bytes[..];
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let Some(entry) = std::str::from_utf8(&rest[..end]).ok().and_then(entry) else { break };
        match entry {
            Entry::Known(more) => found.voices.extend(more),
            Entry::Record(record) => {
                let Some(voice) = found.voices.get_mut(record.3) else { break };
                if record.0 != found.next {
                    break;
                }
                voice.kept = record.5;
                voice.cuts = record.6 >> WITHIN;
                match voice.ahead.get_mut(usize::from(record.4)) {
                    Some(ahead) => *ahead = record.10.unwrap_or(record.5),
                    None => voice.ended |= record.6 & ENDED != 0,
                }
                line(&record);
                found.next = record.0 + 1;
            }
        }
        found.good += end as u64 + 1;
        rest = &rest[end + 1..];
    }
    Ok(found)
}
