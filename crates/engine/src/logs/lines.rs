//! From a program's bytes to lines of plain text: a carriage return begins a line anew, as on a screen, escape sequences
//! go, and no line is longer than a bound. Bytes of hostile programs come in; nothing that could steer a terminal leaves.

/// Longest line kept, bytes as printed.
pub(crate) const LONGEST: usize = 16 * 1024;

/// One line, ready to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) message: String,
    pub(super) coloured: Option<String>,
    /// It was longer.
    pub(super) cut: bool,
    /// The output offset just behind what this line holds of it.
    pub(super) end: u64,
}

/// Splits one stream of output. What is not yet a line is kept, at most [`LONGEST`].
#[derive(Debug, Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
    /// The offset its first byte came from.
    begin: u64,
    /// A carriage return came last: what follows overwrites the line, unless it is the line's end.
    returned: bool,
    /// The line was cut: its rest is passed over.
    skipping: bool,
}

impl Splitter {
    /// One that goes on behind a line, in the middle of it when that was `cut`.
    pub(super) fn behind(cut: bool) -> Self {
        Self { skipping: cut, ..Self::default() }
    }

    /// The offset of what stands there without a line's end.
    pub(super) fn pending(&self) -> Option<u64> {
        (!self.line.is_empty()).then_some(self.begin)
    }

    /// In the middle of a line that was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.skipping
    }

    /// Takes output that begins at `offset` and gives each line that is complete.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8], give: &mut impl FnMut(Line)) {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let length = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
            if length > 0 {
                self.text(at, &rest[..length], give);
            }
            at += length as u64;
            rest = &rest[length..];
            if let Some((byte, more)) = rest.split_first() {
                at += 1;
                rest = more;
                if *byte == b'\n' {
                    self.finish(at, give);
                } else {
                    self.returned = true;
                }
            }
        }
    }

    /// Gives what stands there without a line's end: nothing more will come.
    pub(super) fn flush(&mut self, end: u64, give: &mut impl FnMut(Line)) {
        if !self.line.is_empty() && !self.skipping {
            self.finish(end, give);
        }
    }

    /// Forgets what stands there: bytes after it are missing.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn text(&mut self, at: u64, text: &[u8], give: &mut impl FnMut(Line)) {
        if self.skipping {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.line.clear();
        }
        if self.line.is_empty() {
            self.begin = at;
        }
        let room = LONGEST - self.line.len();
        let kept = &text[..text.len().min(room)];
        self.line.extend_from_slice(kept);
        if text.len() > room {
            give(line(&self.line, true, at + room as u64));
            self.line.clear();
            self.skipping = true;
        }
    }

    fn finish(&mut self, end: u64, give: &mut impl FnMut(Line)) {
        self.returned = false;
        if !std::mem::take(&mut self.skipping) {
            give(line(&self.line, false, end));
        }
        self.line.clear();
    }
}

fn line(bytes: &[u8], cut: bool, end: u64) -> Line {
    let (message, coloured) = plain(bytes);
    Line { message, coloured, cut, end }
}

/// The text of a line, and the same with its colours when it has any.
pub(super) fn plain(bytes: &[u8]) -> (String, Option<String>) {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(unwanted) {
        return (text.trim_end().to_owned(), None);
    }
    let mut message = String::with_capacity(text.len());
    let mut coloured = Some(String::new());
    let mut any = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if let Some(colour) = sequence(&mut chars) {
                    any = true;
                    if let Some(coloured) = &mut coloured {
                        coloured.push_str(&colour);
                    }
                }
            }
            // Overwriting with colours between is beyond a line of text.
            '\u{8}' => {
                message.pop();
                coloured = None;
            }
            c if unwanted(c) => {}
            c => {
                message.push(c);
                if let Some(coloured) = &mut coloured {
                    coloured.push(c);
                }
            }
        }
    }
    message.truncate(message.trim_end().len());
    let coloured = coloured.filter(|_| any).map(|text| format!("{}\u{1b}[0m", text.trim_end()));
    (message, coloured)
}

/// Control characters, and those that turn the direction of what follows.
fn unwanted(c: char) -> bool {
    c != '\t' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Passes over an escape sequence; gives it when it only sets a colour.
fn sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    match chars.next()? {
        '[' => {
            let mut colour = String::from("\u{1b}[");
            for c in chars.by_ref() {
                colour.push(c);
                if ('@'..='~').contains(&c) {
                    let only = |c: char| c.is_ascii_digit() || matches!(c, ';' | ':');
                    let inner = &colour[2..colour.len() - 1];
                    return (c == 'm' && inner.len() <= 64 && inner.chars().all(only)).then_some(colour);
                }
            }
            None
        }
        // Strings: up to BEL or ST.
        ']' | 'P' | '^' | '_' | 'X' => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\u{1b}' && chars.next_if_eq(&'\\').is_some() {
                    break;
                }
            }
            None
        }
        // Intermediate bytes, as of `ESC ( B`, then a final one.
        ' '..='/' => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next();
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<Line> {
        let (mut splitter, mut lines, mut at) = (Splitter::default(), Vec::new(), 0);
        for chunk in chunks {
            splitter.push(at, chunk, &mut |line| lines.push(line));
            at += chunk.len() as u64;
        }
        splitter.flush(at, &mut |line| lines.push(line));
        lines
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        split(chunks).into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn lines_spinners_and_colours() {
        assert_eq!(
            texts(&[b"one\r\ntwo\nthr", b"ee\r", b"\n", b"spin 1\rspin 2\rdone\n", b"last"]),
            ["one", "two", "three", "done", "last"]
        );
        let lines = split(&[b"\x1b]0;title\x07\x1b[31mred\x1b[0m \x1b[2K\x1b(Bplain\n"]);
        assert_eq!(lines[0].message, "red plain");
        assert_eq!(lines[0].coloured.as_deref(), Some("\x1b[31mred\x1b[0m plain\x1b[0m"));
    }

    #[test]
    fn what_steers_a_terminal_or_turns_text_is_gone() {
        let hostile =
            b"\x1b]52;c;AAAA\x07a\x1b[6nb\x1bP+q\x1b\\c\x07\x08C\x1b[5md\xe2\x80\xaee\x1b[999999999m\x1b]unterminated\n";
        let lines = split(&[hostile]);
        assert_eq!(lines[0].message, "abCde");
        assert!(lines[0].coloured.is_none(), "{lines:?}");
    }

    #[test]
    fn a_long_line_is_cut_once_and_the_next_is_whole() {
        let long = vec![b'x'; 3 * LONGEST];
        let lines = split(&[&long, b"more\nshort\n"]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].cut && lines[0].message.len() == LONGEST && lines[0].end == LONGEST as u64);
        assert!(!lines[1].cut && lines[1].message == "short");
    }

    proptest! {
        /// However the bytes arrive, the lines are the same; and who goes on behind any line gets exactly the rest.
        #[test]
        fn chunks_do_not_matter_and_every_line_can_be_gone_on_from(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0x1b), Just(b'['), any::<u8>()], 0..400),
            cuts in proptest::collection::vec(0..400_usize, 0..6),
        ) {
            let whole = split(&[&bytes]);
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&split(&chunks), &whole);
            for (index, line) in whole.iter().enumerate() {
                let (mut splitter, mut rest) = (Splitter::behind(line.cut), Vec::new());
                splitter.push(line.end, &bytes[line.end as usize..], &mut |line| rest.push(line));
                splitter.flush(bytes.len() as u64, &mut |line| rest.push(line));
                prop_assert_eq!(&rest[..], &whole[index + 1..]);
            }
        }

        #[test]
        fn nothing_that_steers_is_let_through(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (message, coloured) = plain(&bytes);
            prop_assert!(!message.contains(unwanted), "{message:?}");
            if let Some(coloured) = coloured {
                let without: String = coloured.split('\u{1b}').enumerate().map(|(n, part)| match n {
                    0 => part.to_owned(),
                    _ => part.split_once('m').map(|(code, rest)| {
                        assert!(code.starts_with('[') && code[1..].chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':')));
                        rest.to_owned()
                    }).expect("a colour"),
                }).collect();
                prop_assert_eq!(without.trim_end(), message);
            }
        }
    }
}
