//! Little-endian numbers and exact reads for the archive's structure. Offsets into a header are the caller's: every
//! header is a fixed array or was read at its full length before.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::refusal::Refusal;

pub(super) fn reading(source: io::Error) -> Refusal {
    Refusal::Io { doing: "read the zip file".into(), source }
}

pub(super) fn read_exact(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), Refusal> {
    reader.read_exact(buffer).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => Refusal::corrupt("its table of contents ends early"),
        _ => reading(source),
    })
}

pub(super) fn read_vec(reader: &mut impl Read, length: u16) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; usize::from(length)];
    read_exact(reader, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn read_at<R: Read + Seek>(
    reader: &mut BufReader<R>,
    at: u64,
    length: usize,
) -> Result<Vec<u8>, Refusal> {
    reader.seek(SeekFrom::Start(at)).map_err(reading)?;
    let mut bytes = vec![0; length];
    read_exact(reader, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
