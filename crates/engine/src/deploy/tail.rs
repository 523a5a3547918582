//! The end of a program's output as plain text, for reports: bounded, without escape sequences.

/// Raw bytes kept; enough for 40 lines of plain text under heavy colouring.
const KEPT: usize = 64 * 1024;
const LINES: usize = 40;

/// Collects output and remembers its end.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default());
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
        }
    }

    /// The last lines.
    pub(super) fn text(&self) -> String {
        let raw = String::from_utf8_lossy(&self.bytes);
        let plain = strip(&raw);
        let lines: Vec<&str> = plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// Drops escape sequences and control characters; a carriage return begins its line anew, as on a screen.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // CSI: up to a final byte.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // OSC and other strings: up to BEL or ST.
                Some(']' | 'P' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\n' => {
                out.push_str(&line);
                out.push('\n');
                line.clear();
            }
            '\r' if chars.peek() != Some(&'\n') => line.clear(),
            '\t' => line.push(' '),
            c if c.is_control() => {}
            c => line.push(c),
        }
    }
    out.push_str(&line);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_spinners_are_gone() {
        let mut tail = Tail::default();
        tail.push(b"\x1b]0;title\x07\x1b[31mred\x1b[0m\r\nspin 1\rspin 2\rdone\r\n\r\nlast\x1b[K");
        assert_eq!(tail.text(), "red\ndone\nlast");
    }

    #[test]
    fn it_is_bounded() {
        let mut tail = Tail::default();
        for n in 0..200_000 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        assert!(tail.bytes.len() <= 2 * KEPT + 32);
        assert_eq!(tail.text().lines().count(), LINES);
        assert!(tail.text().ends_with("line 199999"));
    }
}
