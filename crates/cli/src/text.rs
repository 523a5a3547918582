//! Text for people: colours when they are wanted, durations, sizes, tables, and the cleaning of text that came out of
//! a container or an archive so that it cannot steer the terminal it is shown on.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::IsTerminal as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use unicode_width::UnicodeWidthChar as _;

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self(std::io::stdout().is_terminal() && wanted())
    }

    pub(crate) fn stderr() -> Self {
        Self(std::io::stderr().is_terminal() && wanted())
    }

    /// Colours are wanted.
    pub(crate) fn wanted(self) -> bool {
        self.0
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.with("31;1", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Text without anything that a terminal would obey. Line breaks and tabs become spaces.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| harmless(*c)).collect()
}

/// Controls steer the terminal, and direction marks make text look like another.
fn harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let skip = lines.len().saturating_sub(count);
    lines.into_iter().skip(skip)
}

/// `850 ms`, `4.2 s`, `3 min 5 s`.
pub(crate) fn elapsed(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// `in 12 min`, `in 3 h 5 min`, `5 min ago`, to the minute.
pub(crate) fn relative(at_ms: u64) -> String {
    let now = now_ms();
    if at_ms >= now { format!("in {}", span(at_ms - now)) } else { format!("{} ago", span(now - at_ms)) }
}

/// `12 min`, `3 h 5 min`, to the minute.
pub(crate) fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment as RFC 3339, to the millisecond.
pub(crate) fn rfc3339_ms(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_millis(at).to_string()
}

/// A moment as RFC 3339, to the second.
pub(crate) fn rfc3339(at_ms: u64) -> String {
    // humantime writes years up to 9999 and fails beyond.
    let at = UNIX_EPOCH + Duration::from_secs((at_ms / 1000).min(253_402_300_799));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// `512 B`, `1.5 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Rows in columns as wide as their longest cell. The last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let _ = write!(line, "{:pad$}", "", pad = widths[column] - width(cell) + 2);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Cells of a terminal, not counting our own colours.
pub(crate) fn width(cell: &str) -> usize {
    cells(cell).map(|(_, wide)| wide).sum()
}

/// Each character with the cells it takes; those of our own colours take none.
fn cells(text: &str) -> impl Iterator<Item = (char, usize)> {
    let mut escape = false;
    text.chars().map(move |c| {
        let wide = if escape { 0 } else { c.width().unwrap_or(0) };
        escape = if escape { c != 'm' } else { c == '\x1b' };
        (c, wide)
    })
}

/// A line in at most so many cells, with `…` where it was cut. Colours are kept whole, and ended.
pub(crate) fn cut(line: &str, columns: usize) -> Cow<'_, str> {
    if width(line) <= columns {
        return Cow::Borrowed(line);
    }
    let (mut shown, mut left) = (String::with_capacity(line.len()), columns.saturating_sub(1));
    for (c, wide) in cells(line) {
        if wide > left {
            break;
        }
        left -= wide;
        shown.push(c);
    }
    if columns > 0 {
        shown.push('…');
    }
    if shown.contains('\x1b') {
        shown.push_str("\x1b[0m");
    }
    Cow::Owned(shown)
}

/// Lets a program's output through to a terminal: text, line breaks, tabs and colours. Everything else that a
/// terminal would obey (titles, clipboard, cursor movement, questions that it answers on its input) is dropped.
#[derive(Debug, Default)]
pub(crate) struct OutputFilter {
    state: FilterState,
    sequence: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FilterState {
    #[default]
    Text,
    Escape,
    /// `ESC [`, kept until its last byte says what it is.
    Control,
    /// A string (`ESC ]`, `P`, `X`, `^`, `_`), dropped up to BEL or `ESC \`.
    Command,
    CommandEscape,
    /// After 0xC2, which may begin a control in its two-byte form (U+0080 to U+009F).
    Lead,
}

/// The longest colour sequence let through.
const MAX_SEQUENCE: usize = 64;

impl OutputFilter {
    /// What of `input` may be shown. Sequences may be split over calls.
    pub(crate) fn pass(&mut self, input: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(input.len());
        for &byte in input {
            self.state = self.step(byte, &mut shown);
        }
        shown
    }

    fn step(&mut self, byte: u8, shown: &mut Vec<u8>) -> FilterState {
        use FilterState::{Command, CommandEscape, Control, Escape, Lead, Text};
        match (self.state, byte) {
            // An escape begins anew, and so does what an escape's intermediate bytes (`ESC ( B`) lead to.
            (Text | Escape | Control | Lead, 0x1b) | (Escape, 0x20..=0x2f) => Escape,
            (Text, _) => Self::step_text(byte, shown),
            (Lead, _) => {
                // 0x80 to 0x9f make it a control in its two-byte form.
                if (0x80..=0x9f).contains(&byte) {
                    return Text;
                }
                shown.push(0xc2);
                Self::step_text(byte, shown)
            }
            (Escape, b'[') => {
                self.sequence.clear();
                Control
            }
            (Control, 0x20..=0x3f) => {
                if self.sequence.len() < MAX_SEQUENCE {
                    self.sequence.push(byte);
                }
                Control
            }
            (Control, _) => {
                let colour = self.sequence.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':'));
                if byte == b'm' && colour && self.sequence.len() < MAX_SEQUENCE {
                    shown.extend_from_slice(b"\x1b[");
                    shown.append(&mut self.sequence);
                    shown.push(b'm');
                }
                Text
            }
            (Command | CommandEscape, 0x1b) => CommandEscape,
            (Command | CommandEscape, 0x07) | (CommandEscape, b'\\') => Text,
            (Escape, b']' | b'P' | b'X' | b'^' | b'_') | (Command | CommandEscape, _) => Command,
            (Escape, _) => Text,
        }
    }

    fn step_text(byte: u8, shown: &mut Vec<u8>) -> FilterState {
        match byte {
            0xc2 => return FilterState::Lead,
            b'\n' | b'\r' | b'\t' | 0x20..=0x7e | 0x80.. => shown.push(byte),
            _ => {}
        }
        FilterState::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_cells_and_its_colours_are_left_whole() {
        let paint = Paint(true);
        let line = format!("{} {}", paint.bold("PID"), paint.red("stopped"));
        assert_eq!(width(&line), 11);
        assert_eq!(cut(&line, 11), line);
        assert_eq!(cut(&line, 6), "\x1b[1mPID\x1b[0m \x1b[31;1ms…\x1b[0m");
        assert_eq!(cut("日本語 wide", 6), "日本…");
        assert_eq!(
            (width("日本語"), cut("日本語", 6).as_ref(), cut("plain", 3).as_ref()),
            (6, "日本語", "pl…")
        );
        assert_eq!(cut("plain", 0), "");
        for columns in 0..20 {
            assert!(width(&cut(&format!("{line} 日本語 x"), columns)) <= columns);
        }
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b]0;title\x07b\nc"), "a]0;titleb c");
        assert_eq!(clean("exe\u{202e}gpj"), "exegpj");
    }

    #[test]
    fn only_text_and_colours_reach_a_terminal() {
        for (input, expected) in [
            ("plain\ttext\r\n", "plain\ttext\r\n"),
            ("\x1b[31;1mred\x1b[0m", "\x1b[31;1mred\x1b[0m"),
            ("\x1b[38:2:1:2:3mrgb", "\x1b[38:2:1:2:3mrgb"),
            ("a\x1b]52;c;aGk=\x07b", "ab"),
            ("a\x1b]0;title\x1b\\b", "ab"),
            ("a\x1b[2J\x1b[Hb", "ab"),
            ("a\x1b[6nb\x1b[cb", "abb"),
            ("a\x1b[>4;2mb", "ab"),
            ("a\x1bP$qm\x1b\\b", "ab"),
            ("a\x1b(Bb\x1bcd", "abd"),
            ("a\x08\x00b", "ab"),
            ("ä→ \u{a9}", "ä→ \u{a9}"),
            ("a\u{9b}2Jb", "a2Jb"),
        ] {
            let whole = OutputFilter::default().pass(input.as_bytes());
            assert_eq!(String::from_utf8_lossy(&whole), expected, "{input:?}");
            let mut filter = OutputFilter::default();
            let split: Vec<u8> = input.bytes().flat_map(|byte| filter.pass(&[byte])).collect();
            assert_eq!(split, whole, "{input:?} byte by byte");
        }
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([elapsed(850), elapsed(4250), elapsed(185_000)], ["850 ms", "4.2 s", "3 min 5 s"]);
        assert_eq!(
            [size(999), size(1500), size(999_960), size(3_000_000_000)],
            ["999 B", "1.5 kB", "1.0 MB", "3.0 GB"]
        );
        assert_eq!(rfc3339(1_700_000_000_999), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn columns_line_up_without_counting_colours() {
        let rows = [vec!["\x1b[32mab\x1b[0m".to_owned(), "c".into()], vec!["a".into(), "d".into()]];
        assert_eq!(table(&rows), "\x1b[32mab\x1b[0m  c\na   d\n");
    }
}
