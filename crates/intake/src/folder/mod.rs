//! A folder becomes a zip stream, so that both kinds of project travel one way. Comes in: a path the user chose.
//! What its ignore files name, version control, installed dependencies and special files stay out; links that lead out
//! of the folder are refused by name. Nothing in the folder is changed or followed.

mod dockerignore;
mod rules;
mod walk;

pub use rules::{DOCKERIGNORE, GITIGNORE, IgnoreRules, Verdict, is_installed};

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::limits::Limits;
use crate::listing::{EntryKind, Listing};
use crate::progress::Progress;
use crate::refusal::{Reason, Refusal, Shown};

const BUFFER: usize = 256 << 10;
/// Files that are compressed already: deflating them again costs time and gains nothing.
const STORED: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "woff", "woff2", "mp3", "mp4", "webm", "ogg", "zip",
    "gz", "br", "zst", "xz", "7z", "jar", "whl", "pdf", "wasm",
];

/// Writes the project in `dir` to `out` as a zip archive and says what it holds. The same limits and rules as for an
/// archive apply, so that [`crate::ZipSource::open`] takes the result. On a refusal `out` holds nothing usable.
///
/// `progress` is called every 64 files or MiB, and once at the end; `Break` stops with [`Refusal::Cancelled`].
pub fn pack_folder<W: Write + Seek>(
    dir: &Path,
    out: W,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Listing, Refusal> {
    let listing = walk::list(dir, limits)?;
    let mut writer = ZipWriter::new(out);
    let mut now = Progress { total_files: listing.files, total_bytes: listing.bytes, ..Progress::default() };
    let mut told = now;
    let mut buffer = vec![0; BUFFER];
    for entry in &listing.entries {
        match &entry.kind {
            EntryKind::Directory => {
                writer.add_directory(&entry.path, options(0o755)).map_err(writing)?;
            }
            EntryKind::Symlink { target } => {
                writer.add_symlink(&entry.path, target, options(0o777)).map_err(writing)?;
            }
            EntryKind::File { size, executable } => {
                let options = file_options(&entry.path, *size, *executable);
                writer.start_file(&entry.path, options).map_err(writing)?;
                let file = open_unfollowed(&dir.join(&entry.path));
                let file = file.map_err(reading(&entry.path))?;
                copy(file, &entry.path, &mut writer, &mut buffer, &mut now, limits)?;
                now.files += 1;
            }
        }
        if now.is_worth_telling(&told) {
            told = now;
            if progress(now).is_break() {
                return Err(Refusal::Cancelled);
            }
        }
    }
    writer.finish().map_err(writing)?;
    if progress(now).is_break() { Err(Refusal::Cancelled) } else { Ok(listing) }
}

fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(mode)
}

fn file_options(path: &str, size: u64, executable: bool) -> SimpleFileOptions {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let options = options(if executable { 0o755 } else { 0o644 }).large_file(size >= u64::from(u32::MAX));
    if STORED.contains(&&*ending) {
        options
    } else {
        options.compression_method(CompressionMethod::Deflated).compression_level(Some(1))
    }
}

/// A file may grow, shrink or vanish while it is read; what is read is what counts, within the limits.
fn copy<W: Write + Seek>(
    mut file: File,
    path: &str,
    writer: &mut ZipWriter<W>,
    buffer: &mut [u8],
    now: &mut Progress,
    limits: &Limits,
) -> Result<(), Refusal> {
    let mut size = 0;
    loop {
        let count = match file.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reading(path)(error)),
        };
        size += count as u64;
        now.bytes += count as u64;
        let too_large = |what: String, bytes, limit| Refusal::Folder(Reason::TooLarge { what, bytes, limit });
        if size > limits.file_bytes {
            return Err(too_large(Shown::from(path).to_string(), size, limits.file_bytes));
        }
        if now.bytes > limits.produced_bytes {
            return Err(too_large("all files together".into(), now.bytes, limits.produced_bytes));
        }
        writer.write_all(&buffer[..count]).map_err(|error| writing(error.into()))?;
    }
}

/// Opens a file that was a regular one when it was listed: not through a link put there since, and without waiting if
/// it has become a pipe.
#[cfg(unix)]
fn open_unfollowed(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

#[cfg(not(unix))]
fn open_unfollowed(path: &Path) -> io::Result<File> {
    if std::fs::symlink_metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no longer a regular file"))
    }
}

fn reading(path: &str) -> impl FnOnce(io::Error) -> Refusal {
    Refusal::io(format!("read {}", Shown::from(path)))
}

fn writing(error: zip::result::ZipError) -> Refusal {
    let source = match error {
        zip::result::ZipError::Io(source) => source,
        other => io::Error::other(other),
    };
    Refusal::Io { doing: "write the project's archive".into(), source }
}
