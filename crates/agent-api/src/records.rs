//! What goes into a container's own standard input: records, so that an engine which comes later can begin a connection
//! anew there, wherever the one before was cut off. It attaches to the container, which costs no program as `docker exec`
//! does, and sends a *mark* that only engines of one data folder know, and a number; the agent gives up the old
//! connection, answers with the number, and after it the new connection begins. The first engine begins in the same
//! way: before anything of the project runs, what comes first is the mark.
//!
//! A record is its payload's length (4 bytes, big-endian), the payload, and the connection's number as its seal. One that
//! is not whole is never handed on: what a cut record would be filled up with is the mark, whose first byte is in no
//! seal, and then what another number seals.

use std::io::IoSlice;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use memchr::memmem::Finder;

/// Length of a mark, bytes: long enough that nobody guesses it and no file holds it by chance.
pub const MARK: usize = 32;

/// Length of the number that comes with it, bytes: what a connection before has on its way does not hold it either.
pub const NUMBER: usize = 16;

/// The bit of a mark's first byte by which it is known from a seal, from HTTP/2's preface, and from what a person types.
const HIGH: u8 = 0x80;

/// A mark of secret bytes.
#[must_use]
pub fn mark(mut secret: [u8; MARK]) -> [u8; MARK] {
    secret[0] |= HIGH;
    secret
}

/// A number of random bytes.
#[must_use]
pub fn number(random: [u8; NUMBER]) -> [u8; NUMBER] {
    random.map(|byte| byte & !HIGH)
}

/// Most payload of one record, bytes.
pub const MOST: usize = 64 * 1024;

/// The first byte of an engine that knows of no records, which sends HTTP/2's preface. No record begins so.
const PLAIN: u8 = b'P';

const HEAD: usize = 4;

/// Puts what these hold into a record of the connection of this number, as far as one goes. Gives how much that is, bytes.
pub fn seal(parts: &[IoSlice<'_>], number: &[u8; NUMBER], into: &mut BytesMut) -> usize {
    let length = parts.iter().map(|part| part.len()).sum::<usize>().min(MOST);
    if length == 0 {
        return 0;
    }
    into.reserve(HEAD + length + NUMBER);
    into.put_u32(length as u32);
    let mut left = length;
    for part in parts {
        let part = &part[..part.len().min(left)];
        into.put_slice(part);
        left -= part.len();
    }
    into.put_slice(number);
    length
}

/// Takes records apart as they come.
#[derive(Debug, Default)]
pub struct Opener {
    /// What the first engine began with.
    mark: Option<Finder<'static>>,
    /// It knows of no records: what comes are bytes as they are.
    plain: bool,
    /// Of the connection that is there.
    number: [u8; NUMBER],
    /// What came and was not handed on, from the beginning of a record.
    held: BytesMut,
    /// So far it holds no mark, bytes.
    searched: usize,
    /// What came is no record; only a mark leads out of this.
    lost: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// Bytes of the connection.
    Payload(Bytes),
    /// The mark, with its number: what comes after it is another connection.
    Anew([u8; NUMBER]),
    /// What is no record. Told once; nothing more comes of this connection.
    Lost,
    /// Not enough to say more.
    Part,
}

impl Opener {
    /// Where more is to be read to.
    pub fn room(&mut self) -> &mut BytesMut {
        self.held.reserve(HEAD + MOST + NUMBER);
        &mut self.held
    }

    /// The next of what came.
    pub fn open(&mut self) -> Came {
        if self.plain && !self.held.is_empty() {
            return Came::Payload(self.held.split().freeze());
        }
        if self.mark.is_none() {
            return self.begin();
        }
        let before = self.lost;
        if !self.lost
            && let Some(payload) = self.whole()
        {
            self.searched = 0;
            return Came::Payload(payload);
        }
        if self.lost && !before {
            return Came::Lost;
        }
        let from = self.searched.saturating_sub(MARK - 1);
        if let Some(mark) = &self.mark
            && let Some(found) = mark.find(&self.held[from..])
        {
            // Found again when the number has come too.
            self.searched = from + found;
            let number = &self.held[self.searched + MARK..];
            let Some(number) = number.first_chunk::<NUMBER>().copied() else { return Came::Part };
            self.held.advance(self.searched + MARK + NUMBER);
            (self.searched, self.lost, self.number) = (0, false, number);
            return Came::Anew(number);
        }
        self.searched = self.held.len();
        if self.lost {
            self.held.advance(self.searched.saturating_sub(MARK - 1));
            self.searched = self.held.len();
        }
        Came::Part
    }

    /// The first engine's mark and number, past what cannot be one.
    fn begin(&mut self) -> Came {
        if self.held.first() == Some(&PLAIN) {
            self.plain = true;
            return self.open();
        }
        let typed = self.held.iter().take_while(|byte| **byte & HIGH == 0).count();
        self.held.advance(typed);
        let Some((mark, number)) = self.held.split_first_chunk::<MARK>() else { return Came::Part };
        let Some(&number) = number.first_chunk::<NUMBER>() else { return Came::Part };
        self.mark = Some(Finder::new(mark).into_owned());
        self.number = number;
        self.held.advance(MARK + NUMBER);
        Came::Anew(number)
    }

    /// The payload of a record that has come whole.
    fn whole(&mut self) -> Option<Bytes> {
        let length = u32::from_be_bytes(*self.held.first_chunk()?) as usize;
        if !(1..=MOST).contains(&length) {
            self.lost = true;
            return None;
        }
        let seal = self.held[HEAD..].get(length..length + NUMBER)?;
        if seal != self.number {
            self.lost = true;
            return None;
        }
        self.held.advance(HEAD);
        let payload = self.held.split_to(length).freeze();
        self.held.advance(NUMBER);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [u8; MARK] = *b"\x80123456789abcdefghijklmnopqrstuv";
    const FIRST: [u8; NUMBER] = *b"of the first one";
    const GIVEN: [u8; NUMBER] = *b"sixteen numbers!";

    /// A record of the first connection.
    fn sealed(payload: &[u8]) -> Vec<u8> {
        sealed_by(&FIRST, payload)
    }

    fn sealed_by(number: &[u8; NUMBER], payload: &[u8]) -> Vec<u8> {
        let mut record = BytesMut::new();
        assert_eq!(seal(&[IoSlice::new(payload)], number, &mut record), payload.len());
        record.to_vec()
    }

    fn first() -> Vec<u8> {
        [&KNOWN[..], &FIRST].concat()
    }

    fn anew() -> Vec<u8> {
        [&KNOWN[..], &GIVEN].concat()
    }

    /// What comes of a stream that the first engine began and that arrives in pieces of this many bytes: each
    /// connection's payload, in order, and how often it was lost.
    fn opened(stream: &[u8], at_once: usize) -> (Vec<Vec<u8>>, usize) {
        let (mut opener, mut connections, mut lost) = (Opener::default(), Vec::<Vec<u8>>::new(), 0);
        for piece in [&first(), stream].concat().chunks(at_once) {
            opener.room().extend_from_slice(piece);
            loop {
                match opener.open() {
                    Came::Payload(bytes) => connections.last_mut().unwrap().extend_from_slice(&bytes),
                    Came::Anew(number) => {
                        assert_eq!(number, if connections.is_empty() { FIRST } else { GIVEN });
                        connections.push(Vec::new());
                    }
                    Came::Lost => lost += 1,
                    Came::Part => break,
                }
            }
        }
        (connections, lost)
    }

    #[test]
    fn what_is_put_into_records_comes_out_of_them() {
        let large = vec![7; 3 * MOST];
        let mut stream = BytesMut::new();
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two"), IoSlice::new(&large)];
        assert_eq!(seal(&parts, &FIRST, &mut stream), MOST, "no further than one record goes");
        assert_eq!(seal(&[IoSlice::new(b"end")], &FIRST, &mut stream), 3);
        assert_eq!(seal(&[IoSlice::new(b"")], &FIRST, &mut stream), 0, "nothing is no record");
        let expected = [&b"one two"[..], &large[..MOST - 7], b"end"].concat();
        for at_once in [1, 2, 3, 11, 1000, MOST, stream.len()] {
            assert_eq!(opened(&stream, at_once), (vec![expected.clone()], 0), "{at_once} at once");
        }
    }

    #[test]
    fn a_connection_begins_anew_wherever_the_one_before_was_cut() {
        let records = [sealed(b"whole"), sealed(&[b'x'; 200])].concat();
        for cut in 0..=records.len() {
            let stream = [&records[..cut], &anew(), &sealed_by(&GIVEN, b"new")].concat();
            // Nothing of a record that never came whole, and no byte of the mark.
            let whole: &[u8] = match cut {
                _ if cut == records.len() => &[&b"whole"[..], &[b'x'; 200]].concat(),
                _ if cut >= sealed(b"whole").len() => b"whole",
                _ => b"",
            };
            for at_once in [1, 7, 64, 1000] {
                let (connections, lost) = opened(&stream, at_once);
                assert_eq!(connections, [whole.to_vec(), b"new".to_vec()], "cut at {cut}, {at_once} at once");
                assert!(lost <= 1, "told once");
            }
        }
    }

    #[test]
    fn no_mark_begins_like_the_end_of_a_seal() {
        for byte in 0..=u8::MAX {
            assert!(!number([byte; NUMBER]).contains(&mark([!byte; MARK])[0]));
            assert_eq!(mark([byte; MARK])[1..], [byte; MARK - 1]);
        }
        assert_eq!((mark(KNOWN), number(GIVEN)), (KNOWN, GIVEN));
    }

    #[test]
    fn what_is_no_record_is_told_once_and_left_by_the_mark_alone() {
        let noise = [&b"ls -l\n"[..], &vec![0xA5; 4 * MOST]].concat();
        for (garbage, held) in [(&noise[..], MOST), (&[0, 0, 0, 0], 100), (&[0, 1, 0, 1], 100)] {
            let stream =
                [&sealed(b"good"), garbage, &sealed(b"unheard"), &anew(), &sealed_by(&GIVEN, b"new")]
                    .concat();
            for at_once in [1, 1000, stream.len()] {
                let expected = (vec![b"good".to_vec(), b"new".to_vec()], 1);
                assert_eq!(opened(&stream, at_once), expected, "{at_once} at once");
            }
            let mut opener = Opener::default();
            opener.room().extend_from_slice(&[first(), sealed(b"good")].concat());
            for piece in garbage.chunks(1000) {
                opener.room().extend_from_slice(piece);
                while opener.open() != Came::Part {}
            }
            assert!(opener.held.len() < held, "what nobody waits for is not kept");
        }
    }

    #[test]
    fn a_mark_within_a_whole_record_is_content() {
        let payload = [&b"before "[..], &anew(), b" after"].concat();
        let stream = [sealed(&payload), sealed(b"!")].concat();
        assert_eq!(opened(&stream, stream.len()), (vec![[&payload[..], b"!"].concat()], 0));
    }

    #[test]
    fn an_engine_that_knows_of_no_records_is_taken_as_it_speaks() {
        let stream = [&b"PRI * HTTP/2.0"[..], &sealed(b"x"), &first(), &anew()].concat();
        for at_once in [1, 5, stream.len()] {
            let (mut opener, mut taken) = (Opener::default(), Vec::new());
            for piece in stream.chunks(at_once) {
                opener.room().extend_from_slice(piece);
                while let Came::Payload(bytes) = opener.open() {
                    taken.extend_from_slice(&bytes);
                }
            }
            assert_eq!(taken, stream, "{at_once} at once");
        }
        assert_ne!(mark(*b"PRI * HTTP/2.0 and what follows.")[0], b'P');
    }

    #[test]
    fn what_somebody_typed_before_is_no_mark() {
        let stream = [&b"ls -l\n\x03"[..], &first(), &sealed(b"one")].concat();
        for at_once in [1, 9, 50, stream.len()] {
            let (mut opener, mut came) = (Opener::default(), Vec::new());
            for piece in stream.chunks(at_once) {
                opener.room().extend_from_slice(piece);
                came.extend(std::iter::from_fn(|| Some(opener.open()).filter(|came| *came != Came::Part)));
            }
            assert_eq!(came, [Came::Anew(FIRST), Came::Payload(Bytes::from_static(b"one"))]);
        }
        let mut opener = Opener::default();
        opener.room().extend_from_slice(&vec![b'y'; 4 * MOST]);
        assert_eq!((opener.open(), opener.held.len()), (Came::Part, 0), "what nobody waits for is not kept");
    }
}
