//! The structure of a zip: the central directory and the local headers it points to. Every number is checked against
//! the archive's real length before it is used; nothing is allocated by a declared size beyond one header.
//! Layout after PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::Data;
use super::bytes::{read_exact, read_vec, reading, u16_at, u32_at, u64_at};
use super::end::{self, End, several_disks};
use crate::limits::Limits;
use crate::refusal::{Reason, Refusal, Shown};

pub(super) const HOST_DOS: u8 = 0;
pub(super) const HOST_UNIX: u8 = 3;
pub(super) const HOST_NTFS: u8 = 10;
pub(super) const HOST_VFAT: u8 = 14;
pub(super) const HOST_MACOS: u8 = 19;

const CENTRAL: [u8; 4] = *b"PK\x01\x02";
pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Bit 0: encrypted; bit 5: patch data; bit 6: strong encryption; bit 13: masked headers.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const PATCH: u16 = 1 << 5;
const SIZES_FOLLOW: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// One entry of the central directory, confirmed by its local header.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: Vec<u8>,
    /// The Info-ZIP Unicode path (extra field 0x7075), if it belongs to this name.
    pub(super) unicode_name: Option<Vec<u8>>,
    pub(super) flags: u16,
    pub(super) host: u8,
    pub(super) external: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    method: u16,
    crc: u32,
    header_at: u64,
    data_at: u64,
}

impl Record {
    pub(super) fn data(&self) -> Data {
        let deflated = self.method == DEFLATED;
        Data { at: self.data_at, compressed: self.compressed, size: self.size, crc: self.crc, deflated }
    }

    fn shown(&self) -> Shown {
        Shown::from(&*self.name)
    }

    fn corrupt(&self, what: &'static str) -> Refusal {
        Refusal::Zip(Reason::Corrupt { entry: Some(self.shown()), what })
    }
}

pub(super) struct Directory {
    pub(super) records: Vec<Record>,
    pub(super) archive_bytes: u64,
}

pub(super) fn read<R: Read + Seek>(reader: &mut BufReader<R>, limits: &Limits) -> Result<Directory, Refusal> {
    let archive_bytes = reader.seek(SeekFrom::End(0)).map_err(reading)?;
    if archive_bytes == 0 {
        return Err(Refusal::Zip(Reason::EmptyFile));
    }
    if archive_bytes > limits.archive_bytes {
        let (what, limit) = ("the zip file".into(), limits.archive_bytes);
        return Err(Refusal::Zip(Reason::TooLarge { what, bytes: archive_bytes, limit }));
    }
    let end = end::find(reader, archive_bytes)?;
    if end.entries > limits.entries {
        return Err(Refusal::Zip(Reason::TooManyEntries { found: end.entries, limit: limits.entries }));
    }
    let mut records = read_records(reader, &end, limits)?;
    read_local_headers(reader, &mut records, end.base + end.at)?;
    Ok(Directory { records, archive_bytes })
}

fn read_records<R: Read + Seek>(
    reader: &mut BufReader<R>,
    end: &End,
    limits: &Limits,
) -> Result<Vec<Record>, Refusal> {
    reader.seek(SeekFrom::Start(end.base + end.at)).map_err(reading)?;
    let mut directory = reader.by_ref().take(end.bytes);
    let mut records = Vec::new();
    for _ in 0..end.entries {
        let mut header = [0; 46];
        read_exact(&mut directory, &mut header)?;
        if header[..4] != CENTRAL {
            return Err(Refusal::corrupt("its table of contents is broken"));
        }
        let name = read_vec(&mut directory, u16_at(&header, 28))?;
        if name.len() > limits.path_bytes as usize {
            let (entry, limit) = (Shown::from(&*name), limits.path_bytes);
            return Err(Refusal::Zip(Reason::PathTooLong { entry, limit }));
        }
        let extra = read_vec(&mut directory, u16_at(&header, 30))?;
        read_vec(&mut directory, u16_at(&header, 32))?;
        let record = record(&header, name, &extra, end.base)?;
        refuse_unreadable(&record)?;
        records.push(record);
    }
    if directory.limit() > 0 {
        return Err(Refusal::corrupt("its table of contents holds more than it says"));
    }
    Ok(records)
}

fn record(header: &[u8; 46], name: Vec<u8>, extra: &[u8], base: u64) -> Result<Record, Refusal> {
    let mut record = Record {
        host: header[5],
        flags: u16_at(header, 8),
        method: u16_at(header, 10),
        crc: u32_at(header, 16),
        compressed: u64::from(u32_at(header, 20)),
        size: u64::from(u32_at(header, 24)),
        external: u32_at(header, 38),
        header_at: u64::from(u32_at(header, 42)),
        data_at: 0,
        unicode_name: None,
        name,
    };
    for (id, field) in extra_fields(extra) {
        match id {
            0x0001 => read_zip64(&mut record, field)?,
            // Version 1, the checksum of the plain name, then the name in UTF-8.
            0x7075
                if field.len() > 5 && field[0] == 1 && u32_at(field, 1) == crc32fast::hash(&record.name) =>
            {
                record.unicode_name = Some(field[5..].to_vec());
            }
            _ => {}
        }
    }
    record.header_at = record
        .header_at
        .checked_add(base)
        .ok_or_else(|| record.corrupt("its place lies outside the file"))?;
    if u16_at(header, 34) != 0 && u16_at(header, 34) != u16::MAX {
        return Err(several_disks());
    }
    Ok(record)
}

/// The 64-bit numbers follow in a fixed order, each present only if its 32-bit field is all ones.
fn read_zip64(record: &mut Record, field: &[u8]) -> Result<(), Refusal> {
    let mut numbers = field.chunks_exact(8).map(|bytes| u64_at(bytes, 0));
    let mut wide = [record.size, record.compressed, record.header_at];
    for number in wide.iter_mut().filter(|number| **number == u64::from(u32::MAX)) {
        *number = numbers.next().ok_or_else(|| record.corrupt("its Zip64 sizes are missing"))?;
    }
    [record.size, record.compressed, record.header_at] = wide;
    Ok(())
}

/// Fields that run over the end are ignored, as every reader does: some tools pad the extra data.
fn extra_fields(mut extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(extra.get(..4)?, 2));
        let field = extra.get(4..4 + length)?;
        let id = u16_at(extra, 0);
        extra = &extra[4 + length..];
        Some((id, field))
    })
}

fn refuse_unreadable(record: &Record) -> Result<(), Refusal> {
    let entry = record.shown();
    if record.flags & ENCRYPTED != 0 || record.method == 99 {
        return Err(Refusal::Zip(Reason::Encrypted { entry }));
    }
    let what = match record.method {
        STORED if record.size != record.compressed => {
            return Err(record.corrupt("it is stored, yet has two sizes"));
        }
        STORED | DEFLATED if record.flags & PATCH == 0 => return Ok(()),
        STORED | DEFLATED => "patch data".into(),
        9 => "Deflate64 compression".into(),
        12 => "bzip2 compression".into(),
        14 => "LZMA compression".into(),
        93 => "Zstandard compression".into(),
        95 => "XZ compression".into(),
        98 => "PPMd compression".into(),
        other => format!("compression method {other}"),
    };
    Err(Refusal::Zip(Reason::Unsupported { entry, what }))
}

/// Confirms each entry by its local header, finds where its data begins, and refuses entries that share bytes.
fn read_local_headers<R: Read + Seek>(
    reader: &mut BufReader<R>,
    records: &mut [Record],
    directory_at: u64,
) -> Result<(), Refusal> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|&index| records[index].header_at);
    let mut position = reader.stream_position().map_err(reading)?;
    let mut taken_to = 0;
    for index in order {
        let record = &mut records[index];
        if record.header_at < taken_to {
            return Err(Refusal::Zip(Reason::Overlap { entry: record.shown() }));
        }
        let outside = || record.corrupt("its data lies outside the file");
        if record.header_at.saturating_add(30) > directory_at {
            return Err(outside());
        }
        // Both are below the archive's length, which is at most an i64.
        reader.seek_relative(record.header_at as i64 - position as i64).map_err(reading)?;
        let mut header = [0; 30];
        read_exact(reader, &mut header)?;
        let name_bytes = u16_at(&header, 26);
        let name = read_vec(reader, name_bytes)?;
        position = record.header_at + 30 + u64::from(name_bytes);
        compare_with_local(record, &header, &name)?;
        let data_at = position + u64::from(u16_at(&header, 28));
        taken_to = data_at.checked_add(record.compressed).ok_or_else(outside)?;
        if taken_to > directory_at {
            return Err(outside());
        }
        record.data_at = data_at;
    }
    Ok(())
}

/// A local header that tells another story is how one archive shows two faces to two readers.
fn compare_with_local(record: &Record, header: &[u8; 30], name: &[u8]) -> Result<(), Refusal> {
    if header[..4] != LOCAL {
        return Err(record.corrupt("its header is missing"));
    }
    let flags = u16_at(header, 6);
    if name != record.name || u16_at(header, 8) != record.method || (flags ^ record.flags) & ENCRYPTED != 0 {
        return Err(record.corrupt("its two headers disagree"));
    }
    let agrees = |local: u32, central: u64| local == u32::MAX || u64::from(local) == central;
    let sizes_agree =
        agrees(u32_at(header, 18), record.compressed) && agrees(u32_at(header, 22), record.size);
    if flags & SIZES_FOLLOW == 0 && !sizes_agree {
        return Err(record.corrupt("its two headers disagree about its size"));
    }
    Ok(())
}
