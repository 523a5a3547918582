//! The end records of a zip, plain and Zip64: how many entries there are and where the central directory lies.
//! Layout after PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.14 to 4.3.16.

use std::io::{BufReader, Read, Seek};

use super::bytes::{read_at, u16_at, u32_at, u64_at};
use super::directory::LOCAL;
use crate::refusal::{Reason, Refusal};

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const END_BYTES: u64 = 22;
const LOCATOR64_BYTES: u64 = 20;
const END64_BYTES: u64 = 56;

/// Where the central directory is said to be, with `base` added for bytes before the archive (self-extracting zips).
pub(super) struct End {
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) base: u64,
}

/// Searches backwards through the longest possible comment. An end record whose comment reaches exactly to the end of
/// the file wins; otherwise the last one that fits, for files with bytes appended.
pub(super) fn find<R: Read + Seek>(reader: &mut BufReader<R>, archive_bytes: u64) -> Result<End, Refusal> {
    let tail_at = archive_bytes.saturating_sub(END_BYTES + u64::from(u16::MAX));
    let tail = read_at(reader, tail_at, (archive_bytes - tail_at) as usize)?;
    let mut lenient = None;
    let mut found = None;
    for at in (0..tail.len().saturating_sub(END_BYTES as usize - 1)).rev() {
        if tail[at..at + 4] == END {
            let room = tail.len() - at - END_BYTES as usize;
            let comment = usize::from(u16_at(&tail, at + 20));
            if comment == room {
                found = Some(at);
                break;
            } else if comment < room && lenient.is_none() {
                lenient = Some(at);
            }
        }
    }
    let Some(at) = found.or(lenient) else {
        let start = read_at(reader, 0, archive_bytes.min(4) as usize)?;
        let zip_like = start == LOCAL || start == END || start.starts_with(b"PK");
        return Err(Refusal::Zip(if zip_like { Reason::Truncated } else { Reason::NotAZip }));
    };
    let record = &tail[at..at + END_BYTES as usize];
    let end_at = tail_at + at as u64;
    let plain = End {
        entries: u64::from(u16_at(record, 10)),
        bytes: u64::from(u32_at(record, 12)),
        at: u64::from(u32_at(record, 16)),
        base: 0,
    };
    let (disk, start_disk, here) = (u16_at(record, 4), u16_at(record, 6), u16_at(record, 8));
    if let Some((wide, end64_at)) = find_end64(reader, end_at)? {
        // Some tools write the Zip64 record where the plain one would do; then both must say the same.
        let agrees = |plain: u64, all_ones: u64, wide: u64| plain == all_ones || plain == wide;
        if !agrees(plain.entries, u64::from(u16::MAX), wide.entries)
            || !agrees(plain.bytes, u64::from(u32::MAX), wide.bytes)
            || !agrees(plain.at, u64::from(u32::MAX), wide.at)
        {
            return Err(Refusal::corrupt("its two end records disagree"));
        }
        return with_base(&wide, end64_at);
    }
    if disk != 0 || start_disk != 0 || u64::from(here) != plain.entries {
        return Err(several_disks());
    }
    with_base(&plain, end_at)
}

/// The Zip64 end record, if a locator precedes the plain one; without a locator the plain numbers stand as they are.
fn find_end64<R: Read + Seek>(reader: &mut BufReader<R>, end_at: u64) -> Result<Option<(End, u64)>, Refusal> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR64_BYTES) else { return Ok(None) };
    let locator = read_at(reader, locator_at, LOCATOR64_BYTES as usize)?;
    if locator[..4] != LOCATOR64 {
        return Ok(None);
    }
    // With bytes before the archive the stated place is off; the record then lies directly before its locator.
    for at in [Some(u64_at(&locator, 8)), locator_at.checked_sub(END64_BYTES)].into_iter().flatten() {
        if at.checked_add(END64_BYTES).is_none_or(|end| end > locator_at) {
            continue;
        }
        let record = read_at(reader, at, END64_BYTES as usize)?;
        if record[..4] != END64 {
            continue;
        }
        let (disk, start_disk, here) = (u32_at(&record, 16), u32_at(&record, 20), u64_at(&record, 24));
        let end = End {
            entries: u64_at(&record, 32),
            bytes: u64_at(&record, 40),
            at: u64_at(&record, 48),
            base: 0,
        };
        if disk != 0 || start_disk != 0 || here != end.entries {
            return Err(several_disks());
        }
        return Ok(Some((end, at)));
    }
    Err(Refusal::corrupt("its Zip64 end record is missing"))
}

/// The central directory must end where the end record begins.
fn with_base(end: &End, end_at: u64) -> Result<End, Refusal> {
    let stated_end = end.at.checked_add(end.bytes);
    match stated_end.and_then(|stated| end_at.checked_sub(stated)) {
        Some(base) => Ok(End { base, ..*end }),
        None => Err(Refusal::Zip(Reason::Truncated)),
    }
}

pub(super) fn several_disks() -> Refusal {
    Refusal::Zip(Reason::Unsupported { entry: "the zip file".into(), what: "several volumes".into() })
}
