//! An entry's data, bounded and verified: what comes out is at most what the header declared, and exactly that with
//! the right checksum once it has been read to its end. Buffers are fixed; nothing is allocated by a declared size.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::{Decompress, FlushDecompress, Status};

use super::Data;
use crate::refusal::Refusal;

const OUT: usize = 256 << 10;

/// Reusable decompression state and output buffer.
pub(super) struct Pourer {
    inflate: Decompress,
    out: Box<[u8]>,
}

/// What a sink wants after a piece.
#[derive(PartialEq, Eq)]
pub(super) enum Want {
    More,
    Enough,
}

impl Pourer {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new(false), out: vec![0; OUT].into_boxed_slice() }
    }

    /// The first `max` bytes of the entry; verified if that is all of it.
    pub(super) fn read<R: Read + Seek>(
        &mut self,
        reader: &mut BufReader<R>,
        name: &str,
        data: Data,
        max: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        self.pour(reader, name, data, &mut |piece| {
            let room = usize::try_from(max - bytes.len() as u64).unwrap_or(usize::MAX);
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            Ok(if piece.len() > room { Want::Enough } else { Want::More })
        })?;
        Ok(bytes)
    }

    /// Hands the entry's data to `sink` in pieces of at most 256 KiB. Stops early when the sink has enough.
    pub(super) fn pour<R: Read + Seek>(
        &mut self,
        reader: &mut BufReader<R>,
        name: &str,
        data: Data,
        sink: &mut dyn FnMut(&[u8]) -> Result<Want, Refusal>,
    ) -> Result<(), Refusal> {
        seek_to(reader, data.at).map_err(reading(name))?;
        let mut checked = Checked { crc: crc32fast::Hasher::new(), produced: 0, data, name };
        let done = if data.deflated {
            self.inflate(reader, &mut checked, sink)?
        } else {
            copy(reader, &mut checked, sink)?
        };
        if done == Want::Enough { Ok(()) } else { checked.finish() }
    }

    fn inflate<R: Read>(
        &mut self,
        reader: &mut BufReader<R>,
        checked: &mut Checked<'_>,
        sink: &mut dyn FnMut(&[u8]) -> Result<Want, Refusal>,
    ) -> Result<Want, Refusal> {
        self.inflate.reset(false);
        let name = checked.name;
        let mut left = checked.data.compressed;
        loop {
            let buffer = reader.fill_buf().map_err(reading(name))?;
            let input = &buffer[..buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, &mut self.out, FlushDecompress::None)
                .map_err(|_| Refusal::corrupt_at(name, "its data cannot be decompressed"))?;
            let consumed = self.inflate.total_in() - before_in;
            let produced = (self.inflate.total_out() - before_out) as usize;
            reader.consume(consumed as usize);
            left -= consumed;
            if checked.take(&self.out[..produced], sink)? == Want::Enough {
                return Ok(Want::Enough);
            }
            match status {
                Status::StreamEnd if left == 0 => return Ok(Want::More),
                Status::StreamEnd => return Err(Refusal::corrupt_at(name, "there are bytes after its data")),
                _ if consumed == 0 && produced == 0 => {
                    return Err(Refusal::corrupt_at(name, "its data ends early"));
                }
                _ => {}
            }
        }
    }
}

fn copy<R: Read>(
    reader: &mut BufReader<R>,
    checked: &mut Checked<'_>,
    sink: &mut dyn FnMut(&[u8]) -> Result<Want, Refusal>,
) -> Result<Want, Refusal> {
    let mut left = checked.data.compressed;
    while left > 0 {
        let buffer = reader.fill_buf().map_err(reading(checked.name))?;
        if buffer.is_empty() {
            return Err(Refusal::corrupt_at(checked.name, "its data ends early"));
        }
        let piece = &buffer[..buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let length = piece.len();
        if checked.take(piece, sink)? == Want::Enough {
            return Ok(Want::Enough);
        }
        reader.consume(length);
        left -= length as u64;
    }
    Ok(Want::More)
}

/// The running checksum and count of one entry.
struct Checked<'a> {
    crc: crc32fast::Hasher,
    produced: u64,
    data: Data,
    name: &'a str,
}

impl Checked<'_> {
    fn take(
        &mut self,
        piece: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<Want, Refusal>,
    ) -> Result<Want, Refusal> {
        if piece.is_empty() {
            return Ok(Want::More);
        }
        self.produced += piece.len() as u64;
        if self.produced > self.data.size {
            return Err(Refusal::corrupt_at(self.name, "it holds more than it declares"));
        }
        self.crc.update(piece);
        sink(piece)
    }

    fn finish(self) -> Result<(), Refusal> {
        if self.produced != self.data.size {
            return Err(Refusal::corrupt_at(self.name, "it holds less than it declares"));
        }
        if self.crc.finalize() != self.data.crc {
            return Err(Refusal::corrupt_at(self.name, "its checksum does not match"));
        }
        Ok(())
    }
}

/// Moves within the buffer where possible, so that neighbouring small files cost no system call.
fn seek_to<R: Read + Seek>(reader: &mut BufReader<R>, at: u64) -> io::Result<()> {
    let position = reader.stream_position()?;
    match i64::try_from(at).ok().zip(i64::try_from(position).ok()) {
        Some((at, position)) => reader.seek_relative(at - position),
        None => reader.seek(SeekFrom::Start(at)).map(drop),
    }
}

fn reading(name: &str) -> impl FnOnce(io::Error) -> Refusal + '_ {
    move |source| Refusal::Io {
        doing: format!("read {} from the zip file", crate::Shown::from(name)),
        source,
    }
}
