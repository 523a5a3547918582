//! Zips made byte by byte, since a zip library refuses to write what has to be refused; and small ways to open them.
//! Every field of a header can be set to a lie.

use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};
use slipway_intake::{Limits, Progress, Refusal, Unpacked, ZipSource};

/// "Made by" numbers of the format.
pub(crate) const DOS: u8 = 0;
pub(crate) const UNIX: u8 = 3;

/// One entry as it will be written.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) name: Vec<u8>,
    /// The name in the local header, if it is to differ.
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) host: u8,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) mode: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) compressed: u64,
    pub(crate) crc: u32,
    pub(crate) extra: Vec<u8>,
    /// Where the central directory says the entry is, if not where it is.
    pub(crate) at: Option<u32>,
    /// Sizes go behind the data (bit 3).
    pub(crate) descriptor: bool,
    /// Sizes and place go to a Zip64 extra field.
    pub(crate) zip64: bool,
}

impl Raw {
    pub(crate) fn file(name: impl AsRef<[u8]>, data: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            local_name: None,
            host: UNIX,
            flags: 0,
            method: 0,
            mode: 0o100_644,
            data: data.to_vec(),
            size: data.len() as u64,
            compressed: data.len() as u64,
            crc: crc32fast::hash(data),
            extra: Vec::new(),
            at: None,
            descriptor: false,
            zip64: false,
        }
    }

    pub(crate) fn deflated(name: impl AsRef<[u8]>, data: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).expect("memory");
        let packed = encoder.finish().expect("memory");
        Self { method: 8, compressed: packed.len() as u64, data: packed, ..Self::file_sized(name, data) }
    }

    /// A real deflate stream of `megabytes` MiB of zeroes, in about a thousandth of that: one flushed MiB, repeated.
    pub(crate) fn bomb(name: &str, megabytes: u32) -> Self {
        let mebibyte = vec![0; 1 << 20];
        let mut encoder = Compress::new(Compression::best(), false);
        let mut once = Vec::with_capacity(1 << 16);
        encoder.compress_vec(&mebibyte, &mut once, FlushCompress::Full).expect("memory");
        let mut data = once.repeat(megabytes as usize);
        data.extend([0x03, 0x00]);
        let one = {
            let mut crc = crc32fast::Hasher::new();
            crc.update(&mebibyte);
            crc
        };
        let mut crc = crc32fast::Hasher::new();
        (0..megabytes).for_each(|_| crc.combine(&one));
        Self {
            method: 8,
            compressed: data.len() as u64,
            data,
            size: u64::from(megabytes) << 20,
            crc: crc.finalize(),
            ..Self::file(name, b"")
        }
    }

    fn file_sized(name: impl AsRef<[u8]>, data: &[u8]) -> Self {
        Self { size: data.len() as u64, ..Self::file(name, data) }
    }

    pub(crate) fn folder(name: &str) -> Self {
        Self { mode: 0o040_755, ..Self::file(name, b"") }
    }

    pub(crate) fn link(name: &str, target: &str) -> Self {
        Self { mode: 0o120_777, ..Self::file(name, target.as_bytes()) }
    }

    pub(crate) fn utf8(self) -> Self {
        Self { flags: self.flags | 1 << 11, ..self }
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }
}

/// The archive of these entries.
pub(crate) fn zip(entries: &[Raw]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut central = Vec::new();
    for entry in entries {
        let at = entry.at.unwrap_or(bytes.len() as u32);
        let flags = entry.flags | u16::from(entry.descriptor) << 3;
        let narrow = |number: u64| if entry.zip64 { u32::MAX } else { number as u32 };
        let (size, compressed) = (narrow(entry.size), narrow(entry.compressed));
        let local_sizes = if entry.descriptor { (0, 0, 0) } else { (entry.crc, compressed, size) };
        let mut local_extra = entry.extra.clone();
        let mut extra = entry.extra.clone();
        if entry.zip64 {
            zip64_field(&mut local_extra, &[entry.size, entry.compressed]);
            zip64_field(&mut extra, &[entry.size, entry.compressed, u64::from(at)]);
        }
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        bytes.extend(b"PK\x03\x04");
        put16(&mut bytes, &[45, flags, entry.method, 0, 0x21]);
        put32(&mut bytes, &[local_sizes.0, local_sizes.1, local_sizes.2]);
        put16(&mut bytes, &[local_name.len() as u16, local_extra.len() as u16]);
        bytes.extend(local_name);
        bytes.extend(&local_extra);
        bytes.extend(&entry.data);
        if entry.descriptor {
            bytes.extend(b"PK\x07\x08");
            put32(&mut bytes, &[entry.crc, compressed, size]);
        }
        central.extend(b"PK\x01\x02");
        put16(&mut central, &[u16::from_le_bytes([45, entry.host]), 45, flags, entry.method, 0, 0x21]);
        put32(&mut central, &[entry.crc, compressed, size]);
        put16(&mut central, &[entry.name.len() as u16, extra.len() as u16, 0, 0, 0]);
        put32(&mut central, &[entry.mode << 16, if entry.zip64 { u32::MAX } else { at }]);
        central.extend(&entry.name);
        central.extend(&extra);
    }
    let at = bytes.len() as u32;
    bytes.extend(&central);
    end(&mut bytes, entries.len() as u16, central.len() as u32, at);
    bytes
}

/// The end record alone.
pub(crate) fn end(bytes: &mut Vec<u8>, entries: u16, central: u32, at: u32) {
    bytes.extend(b"PK\x05\x06");
    put16(bytes, &[0, 0, entries, entries]);
    put32(bytes, &[central, at]);
    put16(bytes, &[0]);
}

/// The Zip64 end record and its locator, which go before the end record.
pub(crate) fn end64(bytes: &mut Vec<u8>, entries: u64, central: u64, at: u64) {
    let record_at = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    put64(bytes, &[44]);
    put16(bytes, &[45, 45]);
    put32(bytes, &[0, 0]);
    put64(bytes, &[entries, entries, central, at]);
    bytes.extend(b"PK\x06\x07");
    put32(bytes, &[0]);
    put64(bytes, &[record_at]);
    put32(bytes, &[1]);
}

fn zip64_field(extra: &mut Vec<u8>, numbers: &[u64]) {
    put16(extra, &[1, numbers.len() as u16 * 8]);
    put64(extra, numbers);
}

pub(crate) fn put16(bytes: &mut Vec<u8>, numbers: &[u16]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

pub(crate) fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put64(bytes: &mut Vec<u8>, numbers: &[u64]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

pub(crate) type Memory = Cursor<Vec<u8>>;

pub(crate) fn open(bytes: Vec<u8>) -> Result<ZipSource<Memory>, Refusal> {
    ZipSource::open(Cursor::new(bytes), &Limits::default())
}

/// Opens what must be a good archive.
#[track_caller]
pub(crate) fn open_good(bytes: Vec<u8>) -> ZipSource<Memory> {
    open(bytes).unwrap_or_else(|refusal| panic!("refused: {} ({refusal})", refusal.code()))
}

pub(crate) fn unpack(source: &mut ZipSource<Memory>, root: &Path) -> Result<Unpacked, Refusal> {
    source.unpack(root, &mut |_: Progress| ControlFlow::Continue(()))
}

/// Opening, or unpacking what opened, is refused with this code and a sentence that contains `says`; nothing is left in
/// the root or beside it.
#[track_caller]
pub(crate) fn assert_refused(bytes: Vec<u8>, code: &str, says: &str) {
    let outer = tempfile::tempdir().expect("a temporary folder");
    let root = outer.path().join("root");
    let Err(refusal) = open(bytes).and_then(|mut source| unpack(&mut source, &root)) else {
        panic!("accepted, should be {code}");
    };
    assert_eq!(refusal.code(), code, "{refusal}");
    assert!(refusal.to_string().contains(says), "“{refusal}” does not say “{says}”");
    assert!(!refusal.hint().is_empty());
    let left = tree(outer.path());
    assert!(left.is_empty() || left == ["root/"], "left behind: {left:?}");
}

/// Everything below `root`: folders with a slash, links with their target, files with their length and mode.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
        use std::os::unix::fs::PermissionsExt;
        for entry in std::fs::read_dir(dir).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            let metadata = path.symlink_metadata().expect("metadata");
            if metadata.is_symlink() {
                found.push(format!("{name} -> {}", path.read_link().expect("a link").display()));
            } else if metadata.is_dir() {
                found.push(format!("{name}/"));
                walk(root, &path, found);
            } else {
                found.push(format!("{name} {} {:o}", metadata.len(), metadata.permissions().mode() & 0o7777));
            }
        }
    }
    let mut found = Vec::new();
    if root.exists() {
        walk(root, root, &mut found);
    }
    found.sort();
    found
}
