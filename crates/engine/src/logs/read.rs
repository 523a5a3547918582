//! Reading a log: which lines fit a question, a bounded page at a time. The files may be written to and dropped meanwhile;
//! what is gone by then is a gap.

use regex::{Regex, RegexBuilder};
use slipway_wire::{Code, LogGap, LogLevel, LogPage, LogQuery, LogRecord, Problem};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{
    book::Book,
    segment::{self, Entry, Saved, Stored},
    writer::Standing,
};

/// Lines of a page, and where nothing is said.
const MOST_LINES: u32 = 10_000;
const USUAL_LINES: u32 = 1000;
/// Text of a page, bytes. As JSON it can be six times that.
const MOST_TEXT: usize = 1 << 20;
/// Bytes looked through for one page.
const MOST_LOOKED: u64 = 16 << 20;
/// The same for the last lines that fit, which lie anywhere.
const MOST_LOOKED_BACK: u64 = if cfg!(test) { 512 << 10 } else { 256 << 20 };
/// Longest pattern, bytes; what it may become, bytes.
const PATTERN: usize = 1000;
const COMPILED: usize = 1 << 20;

/// A question that was checked.
pub(super) struct Asked {
    after: Option<u64>,
    before: u64,
    tail: Option<usize>,
    since_ms: u64,
    until_ms: u64,
    level: LogLevel,
    process: Option<String>,
    grep: Option<Regex>,
    limit: usize,
}

impl Asked {
    pub(super) fn check(query: &LogQuery) -> Result<Self, Problem> {
        let lines = |what: &str, count: u32| {
            if (1..=MOST_LINES).contains(&count) {
                return Ok(count as usize);
            }
            Err(Problem::new(Code::Invalid, format!("{what} must be 1 to {MOST_LINES}, not {count}.")))
        };
        Ok(Self {
            after: query.after,
            before: query.before.unwrap_or(u64::MAX),
            tail: query
                .tail
                .map(|count| if count == 0 { Ok(0) } else { lines("tail", count) })
                .transpose()?,
            since_ms: query.since_ms.unwrap_or(0),
            until_ms: query.until_ms.unwrap_or(u64::MAX),
            level: query.level.unwrap_or(LogLevel::Trace),
            process: query.process.clone(),
            grep: query.grep.as_deref().map(pattern).transpose()?,
            limit: lines("limit", query.limit.unwrap_or(USUAL_LINES))?,
        })
    }

    /// The same question from behind a line on.
    pub(super) fn behind(&mut self, seq: u64) {
        self.after = Some(seq);
        self.tail = None;
    }

    fn fits(&self, record: &Stored<'_>, of: &Saved) -> bool {
        record.0 < self.before
            && (self.since_ms..=self.until_ms).contains(&record.1)
            && record.level() >= self.level
            && self.process.as_ref().is_none_or(|wanted| *wanted == of.name || wanted == of.id.as_str())
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&record.8))
    }
}

fn pattern(text: &str) -> Result<Regex, Problem> {
    let wrong = |why: String| {
        Problem::new(Code::Invalid, "The pattern is no regular expression that can be used.")
            .hint("Put a \\ before characters that are meant as they are: . * + ? ( ) [ ] { } | ^ $ \\")
            .detail(why)
    };
    if text.len() > PATTERN {
        return Err(wrong(format!("it is longer than {PATTERN} bytes")));
    }
    RegexBuilder::new(text).size_limit(COMPILED).build().map_err(|e| wrong(e.to_string()))
}

/// Whether a program of that name or id has left a line.
pub(super) fn knows(book: &Book, process: &str) -> Result<bool, Problem> {
    let (dir, standing) = book.standing().map_err(|e| unreadable(&e))?;
    let named =
        |voices: &[Saved]| voices.iter().any(|voice| voice.name == process || voice.id.as_str() == process);
    if named(&standing.voices) {
        return Ok(true);
    }
    for &(first, length) in standing.files.iter().rev() {
        let bytes = read(dir, first, 0, length).map_err(|e| unreadable(&e))?.unwrap_or_default();
        // Only the lines that name programs: records are passed over as they are.
        let mut lines = bytes.split(|b| *b == b'\n').filter(|line| line.first() == Some(&b'{'));
        let told = |line: &[u8]| match std::str::from_utf8(line).ok().and_then(segment::entry) {
            Some(Entry::Known(more)) => named(&more),
            _ => false,
        };
        if lines.any(told) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(Code::Storage, "The workspace's log cannot be read.")
        .hint("See that Slipway's data folder belongs to you; `slipway doctor` shows where it is.")
        .detail(error.to_string())
}

/// One page. Blocking.
pub(super) fn page(book: &Book, asked: &Asked) -> Result<LogPage, Problem> {
    let (dir, standing) = book.standing().map_err(|e| unreadable(&e))?;
    let result = match asked.tail {
        Some(count) => tail(dir, &standing, asked, count),
        None => forward(dir, &standing, asked),
    };
    result.map_err(|e| unreadable(&e))
}

fn forward(dir: &Path, standing: &Standing, asked: &Asked) -> io::Result<LogPage> {
    let first = standing.files.first().map_or(standing.next, |(first, _)| *first);
    let last = standing.next - 1;
    // A number from before a log was lost says nothing of this one.
    let after = asked.after.filter(|after| *after <= last).unwrap_or(0);
    let mut gap = (after + 1 < first).then_some(LogGap { from: after + 1, to: first });
    let mut page =
        LogPage { records: Vec::new(), next: after.max(first - 1), gap: None, more: false, live: false };
    let (mut text, mut looked) = (0, 0);
    for (index, &(begins, length)) in standing.files.iter().enumerate() {
        let ends = standing.files.get(index + 1).map_or(standing.next, |(next, _)| *next);
        if ends <= page.next + 1 {
            continue;
        }
        if looked > 0 && looked + length > MOST_LOOKED {
            break;
        }
        let newest = index + 1 == standing.files.len();
        let from =
            if newest { standing.marks.iter().rev().find(|(seq, _)| *seq <= page.next + 1) } else { None };
        let from = from.map_or(0, |(_, offset)| *offset);
        let Some(bytes) = read(dir, begins, from, length)? else {
            // Dropped while we read.
            gap = Some(LogGap { from: gap.map_or(page.next + 1, |gap| gap.from), to: ends });
            page.next = ends - 1;
            continue;
        };
        looked += bytes.len() as u64;
        let voices = if newest { Some(&standing.voices[..]) } else { None };
        let full = scan(&bytes, voices, page.next, |record, of| {
            page.next = record.0;
            if asked.fits(&record, of) {
                text += size(&record);
                page.records.push(record.view(of));
            }
            page.records.len() >= asked.limit || text >= MOST_TEXT
        });
        if full {
            break;
        }
        page.next = page.next.max(ends - 1);
    }
    page.gap = gap;
    page.more = page.next < last;
    Ok(page)
}

fn tail(dir: &Path, standing: &Standing, asked: &Asked, count: usize) -> io::Result<LogPage> {
    let last = standing.next - 1;
    let mut page = LogPage { records: Vec::new(), next: last, gap: None, more: false, live: false };
    let mut found: VecDeque<LogRecord> = VecDeque::new();
    let (mut text, mut looked) = (0, 0);
    for (index, &(begins, length)) in standing.files.iter().enumerate().rev() {
        if begins >= asked.before {
            continue;
        }
        let wanted = count - found.len();
        if wanted == 0 || text >= MOST_TEXT {
            break;
        }
        if looked > 0 && looked + length > MOST_LOOKED_BACK {
            // Older lines may fit, and are not looked for.
            page.more = true;
            break;
        }
        let Some(bytes) = read(dir, begins, 0, length)? else { break };
        looked += bytes.len() as u64;
        let newest = index + 1 == standing.files.len();
        let mut here: VecDeque<LogRecord> = VecDeque::new();
        let mut size_here = 0;
        scan(
            &bytes,
            if newest { Some(&standing.voices[..]) } else { None },
            asked.after.unwrap_or(0),
            |record, of| {
                if asked.fits(&record, of) {
                    size_here += size(&record);
                    here.push_back(record.view(of));
                    while here.len() > wanted || size_here > MOST_TEXT && here.len() > 1 {
                        let gone = here.pop_front();
                        size_here -= gone.map_or(0, |record| weight(&record));
                    }
                }
                false
            },
        );
        text += size_here;
        here.append(&mut found);
        found = here;
    }
    page.records = found.into();
    Ok(page)
}

fn size(record: &Stored<'_>) -> usize {
    record.8.len() + record.9.as_ref().map_or(0, |text| text.len()) + 64
}

fn weight(record: &LogRecord) -> usize {
    record.message.len() + record.coloured.as_ref().map_or(0, String::len) + 64
}

/// The bytes of a file from an offset to its end as it was known; `None`: it is gone.
fn read(dir: &Path, first: u64, from: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(segment::path(dir, first)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(length.saturating_sub(from)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Gives each record after a number to `see` until it has had enough. `known`: the programs by place, where the bytes do
/// not tell them from the beginning. True: it had enough.
fn scan(
    bytes: &[u8],
    known: Option<&[Saved]>,
    after: u64,
    mut see: impl FnMut(Stored<'_>, &Saved) -> bool,
) -> bool {
    let mut table: Vec<Saved> = known.map(<[Saved]>::to_vec).unwrap_or_default();
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        if segment::number(line).is_some_and(|seq| seq <= after) {
            continue;
        }
        match segment::entry(line) {
            Some(Entry::Known(more)) if known.is_none() => table.extend(more),
            Some(Entry::Record(record)) => {
                if let Some(of) = table.get(record.3)
                    && see(record, of)
                {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
