//! The question `ConPTY` asks when it is made to inherit a cursor: where does it stand. It prints nothing before the
//! answer, and the terminal on the page may not be there yet, so it is answered here and taken out of the output.

use bytes::{Bytes, BytesMut};

const QUESTION: &[u8] = b"\x1b[6n";
/// The top left: the terminal is empty.
const ANSWER: &[u8] = b"\x1b[1;1R";
/// It comes first of all; later ones are the programs' own.
const WITHIN: usize = 4096;

/// Looks for it at the beginning of the output.
#[derive(Default)]
pub(crate) struct Questions {
    seen: usize,
    held: BytesMut,
    done: bool,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What is left of a piece of output, and what is to be typed.
    pub(crate) fn answered(&mut self, bytes: Bytes) -> (Bytes, Option<Bytes>) {
        if self.done {
            return (bytes, None);
        }
        self.seen += bytes.len();
        self.held.extend_from_slice(&bytes);
        if let Some(at) = self.held.windows(QUESTION.len()).position(|four| four == QUESTION) {
            self.done = true;
            let after = self.held.split_off(at + QUESTION.len());
            self.held.truncate(at);
            self.held.extend_from_slice(&after);
            return (self.held.split().freeze(), Some(Bytes::from_static(ANSWER)));
        }
        self.done = self.seen > WITHIN;
        // A beginning of it may be cut in two.
        let cut = if self.done {
            0
        } else {
            (1..QUESTION.len()).rev().find(|&n| self.held.ends_with(&QUESTION[..n])).unwrap_or(0)
        };
        (self.held.split_to(self.held.len() - cut).freeze(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&'static [u8]]) -> (Vec<u8>, usize) {
        let (mut questions, mut shown, mut answers) = (Questions::new(), Vec::new(), 0);
        for piece in pieces {
            let (bytes, answer) = questions.answered(Bytes::from_static(piece));
            shown.extend_from_slice(&bytes);
            answers += usize::from(answer.is_some_and(|answer| answer == ANSWER));
        }
        (shown, answers)
    }

    #[test]
    fn the_first_question_is_answered_once_however_it_is_cut() {
        assert_eq!(fed(&[b"\x1b[6nC:\\>"]), (b"C:\\>".to_vec(), 1));
        assert_eq!(fed(&[b"\x1b[?25l\x1b", b"[", b"6", b"nC:\\>"]), (b"\x1b[?25lC:\\>".to_vec(), 1));
        assert_eq!(fed(&[b"\x1b[6n", b"\x1b[6n"]), (b"\x1b[6n".to_vec(), 1));
        assert_eq!(fed(&[b"a\x1b[", b"31mred"]), (b"a\x1b[31mred".to_vec(), 0));
    }

    #[test]
    fn a_question_of_a_program_later_on_is_the_terminals_to_answer() {
        static LONG: [u8; WITHIN + 1] = [b'x'; WITHIN + 1];
        let (shown, answers) = fed(&[&LONG, b"\x1b[6n"]);
        assert_eq!((shown.len(), answers), (LONG.len() + 4, 0));
    }
}
