//! A zip archive that has passed every check on its headers. What comes in: any seekable bytes. What may not come out:
//! a path, link or size that was not checked. Opening refuses the whole archive; reading and unpacking check the data.
//!
//! The structure is read here and not by the `zip` crate, because a refusal needs what a library hides: that crate
//! keeps one of two entries with the same name, relocates absolute names, allocates by the declared count and decodes
//! every unflagged name as CP437. (It writes the archives of `folder`, and tests compare both readers.)

mod body;
mod bytes;
mod directory;
mod end;
mod name;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod unpack;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufReader, Read, Seek};

use crate::limits::{Limits, RATIO_FLOOR};
use crate::listing::{Entry, EntryKind, Listing, SkipReason};
use crate::paths::{self, Backslash};
use crate::refusal::{Reason, Refusal};
use crate::tree;

use body::Pourer;
use directory::Record;
#[cfg(unix)]
pub use unpack::Unpacked;

/// Bytes read ahead while data is read.
const READ_AHEAD: usize = 256 << 10;
/// Bytes read ahead while headers are checked: they lie far apart in an archive of large files.
const HEADER_READ_AHEAD: usize = 16 << 10;

/// An opened, checked archive. Holds the central directory in memory, about 200 bytes for each entry.
pub struct ZipSource<R> {
    reader: BufReader<R>,
    limits: Limits,
    listing: Listing,
    /// For `listing.entries[i]`, where its data lies; folders have none.
    places: Vec<Option<Data>>,
    by_path: HashMap<String, usize>,
    pourer: Pourer,
}

/// Where an entry's data lies and what it must turn out to be. Every number was checked against the archive's length.
#[derive(Clone, Copy, Debug)]
struct Data {
    at: u64,
    compressed: u64,
    size: u64,
    crc: u32,
    deflated: bool,
}

/// What an archive is taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Somebody's project: without what is made anew from it, and without the folder it was packed in.
    Project,
    /// Files.
    Whole,
}

/// An entry whose name and type have been checked, before stepping into the root.
struct Checked {
    path: String,
    kind: EntryKind,
    data: Option<Data>,
}

impl<R: Read + Seek> ZipSource<R> {
    /// Reads the central directory and every local header, and refuses the archive whole on the first fault: not a
    /// zip, cut short, encrypted, a name that is unsafe, doubled or colliding, a link that leads out, overlapping or
    /// special entries, unknown methods, or sizes, counts, ratio, depth or length over `limits`. Reads no file data
    /// but the targets of symbolic links.
    pub fn open(reader: R, limits: &Limits) -> Result<Self, Refusal> {
        Self::open_as(reader, limits, Taken::Project)
    }

    /// The same for an archive of any files: all of it but litter, with a folder that holds all the rest, and empty
    /// folders alone are enough.
    pub fn open_whole(reader: R, limits: &Limits) -> Result<Self, Refusal> {
        Self::open_as(reader, limits, Taken::Whole)
    }

    fn open_as(reader: R, limits: &Limits, taken: Taken) -> Result<Self, Refusal> {
        let mut reader = BufReader::with_capacity(HEADER_READ_AHEAD, reader);
        let directory = directory::read(&mut reader, limits)?;
        check_sizes(&directory.records, directory.archive_bytes, limits)?;
        let mut pourer = Pourer::new();
        let names = names(&directory.records)?;
        let backslash_only = !names.iter().any(|name| name.contains('/'));
        let mut skipped = Skips::new(&names);
        let mut checked = Vec::with_capacity(names.len());
        for (record, name) in directory.records.iter().zip(&names) {
            let from_dos =
                matches!(record.host, directory::HOST_DOS | directory::HOST_NTFS | directory::HOST_VFAT);
            let backslash =
                if from_dos || backslash_only { Backslash::Separator } else { Backslash::Character };
            if paths::is_litter(name) && !climbs(name, backslash, limits) {
                skipped.count(SkipReason::Litter);
                continue;
            }
            let path = paths::clean(name, backslash, limits).map_err(Refusal::Zip)?;
            if let Some(reason) = skipped.reason(&path).filter(|_| taken == Taken::Project) {
                skipped.count(reason);
            } else if !path.is_empty() {
                let kind = kind(record, name, &mut reader, &mut pourer, limits)?;
                let data = (kind != EntryKind::Directory).then(|| record.data());
                checked.push(Checked { path, kind, data });
            }
        }
        let nothing = match taken {
            Taken::Project => checked.iter().all(|entry| entry.kind == EntryKind::Directory),
            Taken::Whole => checked.is_empty(),
        };
        if nothing {
            return Err(Refusal::Zip(Reason::NoEntries));
        }
        let root = if taken == Taken::Project { step_into_root(&mut checked) } else { None };
        let (entries, places): (Vec<_>, Vec<_>) = checked
            .into_iter()
            .map(|entry| (Entry { path: entry.path, kind: entry.kind }, entry.data))
            .unzip();
        tree::check(&entries).map_err(Refusal::Zip)?;
        let by_path = entries.iter().enumerate().map(|(index, entry)| (entry.path.clone(), index)).collect();
        let listing = Listing::new(entries, root, &skipped.counts);
        let reader = BufReader::with_capacity(READ_AHEAD, reader.into_inner());
        Ok(Self { reader, limits: limits.clone(), listing, places, by_path, pourer })
    }

    /// What the archive holds.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The first `max` bytes of the regular file at `path`, or `None` if there is no such file. A file that is read to
    /// its end is checked against its checksum. Never allocates more than `max` bytes, whatever the headers say.
    pub fn read(&mut self, path: &str, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(&index) = self.by_path.get(path) else { return Ok(None) };
        let (EntryKind::File { .. }, Some(data)) = (&self.listing.entries[index].kind, self.places[index])
        else {
            return Ok(None);
        };
        self.pourer.read(&mut self.reader, path, data, max).map(Some)
    }
}

/// Judges what the headers declare; the data itself is held to these declarations when it is read.
fn check_sizes(records: &[Record], archive_bytes: u64, limits: &Limits) -> Result<(), Refusal> {
    let mut total: u64 = 0;
    for record in records {
        let entry = crate::refusal::Shown::from(&*record.name);
        if record.size > limits.file_bytes {
            let (what, bytes, limit) = (entry.to_string(), record.size, limits.file_bytes);
            return Err(Refusal::Zip(Reason::TooLarge { what, bytes, limit }));
        }
        if record.size > RATIO_FLOOR && record.size / limits.ratio > record.compressed {
            return Err(Refusal::Zip(Reason::Ratio { what: entry.to_string(), limit: limits.ratio }));
        }
        total = total.saturating_add(record.size);
    }
    if total > limits.produced_bytes {
        let (what, bytes, limit) = ("all files together".into(), total, limits.produced_bytes);
        return Err(Refusal::Zip(Reason::TooLarge { what, bytes, limit }));
    }
    if total > RATIO_FLOOR && total / limits.ratio > archive_bytes {
        return Err(Refusal::Zip(Reason::Ratio { what: "the zip file".into(), limit: limits.ratio }));
    }
    Ok(())
}

fn names(records: &[Record]) -> Result<Vec<String>, Refusal> {
    records.iter().map(name::decode).collect::<Result<_, _>>().map_err(Refusal::Zip)
}

/// Litter is skipped before its name is held to the rules (`Icon\r` would fail them), but never if it is an attack.
fn climbs(name: &str, backslash: Backslash, limits: &Limits) -> bool {
    matches!(
        paths::clean(name, backslash, limits),
        Err(Reason::PathEscape { .. } | Reason::AbsolutePath { .. })
    )
}

/// What is left out of the unpacked tree, decided on checked paths.
struct Skips {
    counts: BTreeMap<SkipReason, u64>,
    /// Folders of installed dependencies, by their path in the archive.
    installed: HashSet<String>,
}

impl Skips {
    fn new(names: &[String]) -> Self {
        let mut installed = HashSet::new();
        for name in names {
            let path = name.replace('\\', "/");
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
            match file {
                "package.json" if folder.is_empty() => _ = installed.insert("node_modules".to_owned()),
                "package.json" => _ = installed.insert(format!("{folder}/node_modules")),
                "pyvenv.cfg" if !folder.is_empty() => _ = installed.insert(folder.to_owned()),
                _ => {}
            }
        }
        Self { counts: BTreeMap::new(), installed }
    }

    fn count(&mut self, reason: SkipReason) {
        *self.counts.entry(reason).or_default() += 1;
    }

    fn reason(&self, path: &str) -> Option<SkipReason> {
        if path.split('/').any(|part| part == ".git") {
            return Some(SkipReason::GitMetadata);
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut folders = ends.map(|end| &path[..end]);
        folders.any(|folder| self.installed.contains(folder)).then_some(SkipReason::InstalledDependencies)
    }
}

/// The type by Unix mode where there is one, else by the name's last character and the DOS folder attribute.
fn kind<R: Read + Seek>(
    record: &Record,
    name: &str,
    reader: &mut BufReader<R>,
    pourer: &mut Pourer,
    limits: &Limits,
) -> Result<EntryKind, Refusal> {
    const TYPE: u32 = 0o170_000;
    let mode = if matches!(record.host, directory::HOST_UNIX | directory::HOST_MACOS) {
        record.external >> 16
    } else {
        0
    };
    let named_folder = name.ends_with('/') || (record.host != directory::HOST_UNIX && name.ends_with('\\'));
    let dos_folder = mode & TYPE == 0 && record.external & 0x10 != 0;
    let folder = match mode & TYPE {
        0o040_000 => true,
        0 | 0o100_000 => named_folder || dos_folder,
        0o120_000 if !named_folder => {
            let target = link_target(record, name, reader, pourer, limits)?;
            return Ok(EntryKind::Symlink { target });
        }
        _ => return Err(Refusal::Zip(Reason::SpecialFile { entry: name.into() })),
    };
    if folder && record.size > 0 {
        return Err(Refusal::corrupt_at(name, "a folder cannot hold data"));
    }
    if folder {
        return Ok(EntryKind::Directory);
    }
    Ok(EntryKind::File { size: record.size, executable: mode & 0o111 != 0 })
}

fn link_target<R: Read + Seek>(
    record: &Record,
    name: &str,
    reader: &mut BufReader<R>,
    pourer: &mut Pourer,
    limits: &Limits,
) -> Result<String, Refusal> {
    let limit = limits.path_bytes;
    if record.size > u64::from(limit) {
        return Err(Refusal::Zip(Reason::PathTooLong { entry: name.into(), limit }));
    }
    let target = pourer.read(reader, name, record.data(), u64::from(limit))?;
    let bad = |why| Refusal::Zip(Reason::BadName { entry: name.into(), why });
    let target = String::from_utf8(target).map_err(|_| bad("its link target is not UTF-8"))?;
    if target.is_empty() || target.chars().any(char::is_control) {
        return Err(bad("its link target is empty or contains control characters"));
    }
    Ok(target)
}

/// If everything lies in one top-level folder, removes that folder from every path and returns its name.
fn step_into_root(entries: &mut Vec<Checked>) -> Option<String> {
    let first = entries.first()?.path.split('/').next()?.to_owned();
    let inside = |entry: &Checked| match entry.path.strip_prefix(&first) {
        Some("") => entry.kind == EntryKind::Directory,
        Some(rest) => rest.starts_with('/'),
        None => false,
    };
    if !entries.iter().all(inside) {
        return None;
    }
    entries.retain(|entry| entry.path.len() > first.len());
    for entry in entries {
        entry.path.drain(..=first.len());
    }
    Some(first)
}
