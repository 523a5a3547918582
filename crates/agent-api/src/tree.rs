//! A tree of files as one stream of bytes, the same both ways: what there is, each followed by its content. Written by
//! whoever has the files, read by whoever makes them; the reader trusts nothing, and this room bounds every record.
//!
//! ```text
//!   record = kind (1 byte), length of what follows (4 bytes, little endian), what follows
//!   0 entry:   type (1), permission bits (4), bytes (8), length of the path (2), path, target of a symbolic link
//!   1 content: bytes of the regular file named last
//!   2 missing: length of the path (2), path, why, as text
//!   3 end:     nothing; without it the stream was cut short
//! ```

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Largest content record, bytes.
pub const CONTENT: usize = 128 * 1024;
/// Longest path below the root of a tree, and longest target, bytes.
pub const PATH: usize = 4096;
/// Entries and bytes of one tree.
pub const MAX_ENTRIES: u64 = 1_000_000;
/// Bytes of all files of one tree.
pub const MAX_BYTES: u64 = 64 << 30;
/// Folders inside one another.
pub const MAX_DEPTH: usize = 200;

const HEAD: usize = 5;
const ENTRY: u8 = 0;
const DATA: u8 = 1;
const MISSING: u8 = 2;
const END: u8 = 3;
/// Longest record: an entry with path and target, or content, with room.
const RECORD: usize = CONTENT + 1024;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of about so many bytes: it may change while it is read.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link and where it leads.
    Symlink(Bytes),
    /// Something that is not carried: a socket, device or pipe.
    Other,
}

/// One thing of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Something at a path below the root: its names, separated by slashes.
    Entry {
        /// The path; a directory comes before what is in it.
        path: Bytes,
        /// What it is.
        kind: Kind,
        /// Permission bits.
        mode: u32,
    },
    /// Content of the file named last.
    Data(Bytes),
    /// Something could not be read.
    Missing {
        /// Its path.
        path: Bytes,
        /// Why not.
        why: String,
    },
    /// All of it was sent.
    End,
}

/// A stream that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record is too long, too short or of no known kind.
    #[error("a record of the tree cannot be read")]
    Record,
    /// A path that does not lead down from the root by plain names.
    #[error("a path leads out of the tree")]
    Path,
    /// Content without a file.
    #[error("content without a file")]
    Stray,
    /// Too many entries, bytes, or folders inside one another.
    #[error("the tree holds more than is copied at once (1,000,000 entries, 64 GiB, 200 folders deep)")]
    TooLarge,
    /// Something after the end.
    #[error("something follows the end of the tree")]
    Trailing,
    /// No end.
    #[error("the tree was cut short")]
    Cut,
}

/// Appends an entry.
pub fn put_entry(out: &mut BytesMut, path: &[u8], kind: &Kind, mode: u32) {
    let (number, size, target): (u8, u64, &[u8]) = match kind {
        Kind::File(size) => (0, *size, b""),
        Kind::Directory => (1, 0, b""),
        Kind::Symlink(target) => (2, 0, target),
        Kind::Other => (3, 0, b""),
    };
    head(out, ENTRY, 15 + path.len() + target.len());
    out.put_u8(number);
    out.put_u32_le(mode);
    out.put_u64_le(size);
    put_path(out, path);
    out.put_slice(target);
}

/// Appends content of the file named last: at most [`CONTENT`] bytes.
pub fn put_data(out: &mut BytesMut, data: &[u8]) {
    put_data_head(out, data.len());
    out.put_slice(data);
}

/// Appends what comes before `length` bytes of content.
pub fn put_data_head(out: &mut BytesMut, length: usize) {
    head(out, DATA, length);
}

/// Appends that something could not be read.
pub fn put_missing(out: &mut BytesMut, path: &[u8], why: &str) {
    let why = why.as_bytes().get(..why.len().min(512)).unwrap_or_default();
    head(out, MISSING, 2 + path.len() + why.len());
    put_path(out, path);
    out.put_slice(why);
}

/// Appends the end.
pub fn put_end(out: &mut BytesMut) {
    head(out, END, 0);
}

fn head(out: &mut BytesMut, kind: u8, length: usize) {
    debug_assert!(length <= RECORD, "a record longer than its reader takes");
    out.put_u8(kind);
    out.put_u32_le(length as u32);
}

fn put_path(out: &mut BytesMut, path: &[u8]) {
    out.put_u16_le(path.len() as u16);
    out.put_slice(path);
}

/// Reads a stream piece by piece. After an error it is of no more use.
#[derive(Debug, Default)]
pub struct Reader {
    rest: BytesMut,
    entries: u64,
    bytes: u64,
    in_file: bool,
    ended: bool,
}

impl Reader {
    /// Hands it what came. Take every record before the next piece: nothing is kept but an unfinished record.
    pub fn feed(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
    }

    /// The next record; none when more must come first.
    pub fn pull(&mut self) -> Result<Option<Record>, Broken> {
        let Some((&kind, after)) = self.rest.split_first() else { return Ok(None) };
        if self.ended {
            return Err(Broken::Trailing);
        }
        let Some(length) = after.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > RECORD {
            return Err(Broken::Record);
        }
        if self.rest.len() < HEAD + length {
            return Ok(None);
        }
        self.rest.advance(HEAD);
        let record = self.rest.split_to(length).freeze();
        self.record(kind, record).map(Some)
    }

    /// Whether all of it came.
    pub fn finish(&self) -> Result<(), Broken> {
        if self.ended { Ok(()) } else { Err(Broken::Cut) }
    }

    fn record(&mut self, kind: u8, mut record: Bytes) -> Result<Record, Broken> {
        match kind {
            ENTRY => {
                self.entries += 1;
                if self.entries > MAX_ENTRIES {
                    return Err(Broken::TooLarge);
                }
                if record.len() < 15 {
                    return Err(Broken::Record);
                }
                let (number, mode, size) = (record.get_u8(), record.get_u32_le(), record.get_u64_le());
                let path = take_path(&mut record)?;
                let kind = match number {
                    0 => Kind::File(size),
                    1 => Kind::Directory,
                    2 if record.len() <= PATH => Kind::Symlink(record),
                    3 => Kind::Other,
                    _ => return Err(Broken::Record),
                };
                self.in_file = matches!(kind, Kind::File(_));
                Ok(Record::Entry { path, kind, mode: mode & 0o777 })
            }
            DATA => {
                if !self.in_file {
                    return Err(Broken::Stray);
                }
                self.bytes += record.len() as u64;
                if self.bytes > MAX_BYTES {
                    return Err(Broken::TooLarge);
                }
                Ok(Record::Data(record))
            }
            MISSING => {
                self.entries += 1;
                if self.entries > MAX_ENTRIES {
                    return Err(Broken::TooLarge);
                }
                let path = take_path(&mut record)?;
                Ok(Record::Missing { path, why: String::from_utf8_lossy(&record).into_owned() })
            }
            END => {
                self.ended = true;
                Ok(Record::End)
            }
            _ => Err(Broken::Record),
        }
    }
}

fn take_path(record: &mut Bytes) -> Result<Bytes, Broken> {
    if record.len() < 2 {
        return Err(Broken::Record);
    }
    let length = usize::from(record.get_u16_le());
    if length > record.len() || length > PATH {
        return Err(Broken::Record);
    }
    let path = record.split_to(length);
    let plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    if !path.split(|byte| *byte == b'/').all(plain) {
        return Err(Broken::Path);
    }
    if path.split(|byte| *byte == b'/').count() > MAX_DEPTH + 1 {
        return Err(Broken::TooLarge);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> (BytesMut, Vec<Record>) {
        let mut out = BytesMut::new();
        put_entry(&mut out, b"dir", &Kind::Directory, 0o755);
        put_entry(&mut out, b"dir/\xff\n", &Kind::File(3), 0o4600);
        put_data(&mut out, b"abc");
        put_entry(&mut out, b"link", &Kind::Symlink(Bytes::from_static(b"dir")), 0o777);
        put_missing(&mut out, b"pipe", "gone");
        put_end(&mut out);
        let entry = |path: &'static [u8], kind, mode| Record::Entry { path: path.into(), kind, mode };
        let records = vec![
            entry(b"dir", Kind::Directory, 0o755),
            entry(b"dir/\xff\n", Kind::File(3), 0o600),
            Record::Data(Bytes::from_static(b"abc")),
            entry(b"link", Kind::Symlink(Bytes::from_static(b"dir")), 0o777),
            Record::Missing { path: Bytes::from_static(b"pipe"), why: "gone".into() },
            Record::End,
        ];
        (out, records)
    }

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<Record>, Broken> {
        let mut reader = Reader::default();
        let mut records = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
            while let Some(record) = reader.pull()? {
                records.push(record);
            }
        }
        reader.finish().map(|()| records)
    }

    #[test]
    fn a_tree_is_read_as_it_was_written_however_it_is_cut_into_pieces() {
        let (bytes, records) = whole();
        for piece in [1, 2, 7, 1000] {
            assert_eq!(read(&bytes, piece), Ok(records.clone()), "in pieces of {piece}");
        }
        assert_eq!(read(&bytes[..bytes.len() - 1], 9), Err(Broken::Cut));
        assert_eq!(read(&[&bytes[..], b"x"].concat(), 9), Err(Broken::Trailing));
    }

    #[test]
    fn what_leads_out_or_makes_no_sense_is_refused() {
        for path in [&b"../x"[..], b"/etc", b"a/../b", b"", b"a//b", b"a/", b".", b"a\0"] {
            let mut out = BytesMut::new();
            put_entry(&mut out, path, &Kind::Directory, 0o755);
            assert_eq!(read(&out, 99), Err(Broken::Path), "{path:?}");
        }
        let mut stray = BytesMut::new();
        put_entry(&mut stray, b"dir", &Kind::Directory, 0o755);
        put_data(&mut stray, b"abc");
        assert_eq!(read(&stray, 99), Err(Broken::Stray));
        assert_eq!(read(&[9, 0, 0, 0, 0], 99), Err(Broken::Record));
        assert_eq!(read(&[DATA, 255, 255, 255, 255], 99), Err(Broken::Record));
        assert_eq!(read(&[ENTRY, 2, 0, 0, 0, 1, 1], 99), Err(Broken::Record));
        let mut deep = BytesMut::new();
        put_entry(&mut deep, "a/".repeat(300).trim_end_matches('/').as_bytes(), &Kind::Directory, 0o755);
        assert_eq!(read(&deep, 99), Err(Broken::TooLarge));
    }
}
