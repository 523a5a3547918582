//! Files on their way: the names they have until they are whole, and who holds which. Each is locked by whoever writes
//! it, so one without a lock has no writer (`leftovers`).

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, OFlags};
use sha2::{Digest as _, Sha256};
use slipway_agent_api::v1::{FileInfo, WriteOpen};
use tonic::Status;

use super::entry::{info, modified_ms};
use super::leftovers::Leftovers;
use super::{ON_ITS_WAY, absolute, status, temporary_name};

/// Permissions of a new file that nobody said anything about.
const NEW_FILE: u32 = 0o644;

impl Leftovers {
    /// Opens a file on its way, locked, at the offset it goes on from.
    fn open(&self, temporary: &Path, target: &Path, open: &WriteOpen) -> Result<File, Status> {
        let shown = target.display().to_string();
        let failed = |error: io::Error| status(&shown, &error);
        // Until it is locked nobody else sweeps.
        let swept = self.clear(target.parent(), Some(temporary), open.resumable);
        let mut options = OpenOptions::new();
        options
            .write(true)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let opened = if open.resumable {
            options.create(open.offset == 0).truncate(false).open(temporary)
        } else {
            options.create_new(true).open(temporary)
        };
        let mut file = match opened {
            Err(error) if open.offset > 0 && error.kind() == io::ErrorKind::NotFound => {
                return Err(not_there(&shown));
            }
            opened => opened.map_err(failed)?,
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Status::failed_precondition(format!("{shown}: it is being written already")));
        }
        drop(swept);
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() || meta.len() < open.offset || meta.nlink() != 1 {
            return Err(not_there(&shown));
        }
        // Only where it shortens the file: of one that was cut to nothing, ext4 writes all to the disk when it is closed.
        if meta.len() > open.offset {
            file.set_len(open.offset).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(open.offset)).map_err(failed)?;
        Ok(file)
    }
}

fn not_there(shown: &str) -> Status {
    Status::out_of_range(format!("{shown}: what arrived of it before is no longer there"))
}

/// Where what arrives of a file stays: one place for each file, whatever the length of its name.
pub(super) fn partial(target: &Path) -> Result<PathBuf, Status> {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Status::failed_precondition(format!("{}: not a file's path", target.display())));
    };
    let digest = Sha256::digest(name.as_bytes());
    let number = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Ok(parent.join(format!("{ON_ITS_WAY}{number:016x}.part")))
}

/// A file on its way: written under a temporary name beside its target. Dropped unfinished, it leaves nothing unless it is
/// resumable and what it has is good.
pub(super) struct Draft {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    /// Permission bits it gets when it is whole: until then whoever writes it can.
    mode: u32,
    expected: u64,
    written: u64,
    if_modified_ms: i64,
    /// What there is of it is worth keeping when the stream breaks off now.
    keep: bool,
    finished: bool,
}

impl Draft {
    pub(super) fn begin(leftovers: &Leftovers, open: &WriteOpen) -> Result<Self, Status> {
        let asked = absolute(&open.path)?;
        let target = through_symlinks(asked)?;
        let Some(parent) = target.parent().filter(|_| target.file_name().is_some()) else {
            return Err(Status::failed_precondition(format!("{}: not a file's path", target.display())));
        };
        std::fs::create_dir_all(parent).map_err(|error| status(&parent.display().to_string(), &error))?;
        let existing = existing(&target)?;
        unchanged(&target, existing.as_ref(), open.if_modified_ms)?;
        let mode = match (open.mode & 0o7777, &existing) {
            (0, Some(meta)) => meta.mode() & 0o7777,
            (0, None) => NEW_FILE,
            (mode, _) => mode,
        };
        let temporary = if open.resumable { partial(&target)? } else { parent.join(temporary_name()?) };
        let file = leftovers.open(&temporary, &target, open)?;
        Ok(Self {
            file,
            temporary,
            target,
            mode,
            expected: open.size,
            written: open.offset,
            if_modified_ms: open.if_modified_ms,
            keep: open.resumable,
            finished: false,
        })
    }

    /// Where lanes write it.
    pub(super) fn path(&self) -> Bytes {
        Bytes::copy_from_slice(self.temporary.as_os_str().as_bytes())
    }

    /// Lanes have written it.
    pub(super) fn arrived(mut self) -> Result<Self, Status> {
        let length = self.file.metadata().map(|meta| self.written = meta.len());
        self.done(length)
    }

    /// The draft, or why it failed: then nothing of it is kept.
    fn done(mut self, done: io::Result<()>) -> Result<Self, Status> {
        match done {
            Ok(()) => Ok(self),
            Err(error) => {
                self.keep = false;
                Err(status(&self.target.display().to_string(), &error))
            }
        }
    }

    /// The file system refused it: nothing of it stays.
    pub(super) fn give_up(mut self) -> Status {
        self.keep = false;
        let shown = self.target.display().to_string();
        drop(self);
        Status::aborted(format!("{shown}: it could not be written"))
    }

    pub(super) fn append(mut self, batch: &[Bytes]) -> Result<Self, Status> {
        for data in batch {
            self.written += data.len() as u64;
            if self.written > self.expected {
                self.keep = false;
                return Err(Status::invalid_argument("more bytes came than were announced"));
            }
            let written = self.file.write_all(data);
            self = self.done(written)?;
        }
        Ok(self)
    }

    pub(super) fn finish(mut self) -> Result<FileInfo, Status> {
        if self.written != self.expected {
            let (written, expected) = (self.written, self.expected);
            return Err(Status::aborted(format!(
                "the file was cut short: {written} of {expected} bytes arrived"
            )));
        }
        unchanged(&self.target, existing(&self.target)?.as_ref(), self.if_modified_ms)?;
        // Not at its creation, where the process's umask would have its say.
        let set = self.file.set_permissions(std::fs::Permissions::from_mode(self.mode));
        self = self.done(set)?;
        let renamed = std::fs::rename(&self.temporary, &self.target);
        self = self.done(renamed)?;
        self.finished = true;
        let meta =
            self.file.metadata().map_err(|error| status(&self.target.display().to_string(), &error))?;
        Ok(info(&self.target, &meta))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished && !self.keep {
            // Whoever removed it before us did what we want.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Where a write really goes: the end of a chain of symlinks, which stay links, or the path itself.
fn through_symlinks(path: PathBuf) -> Result<PathBuf, Status> {
    if !path.is_symlink() {
        return Ok(path);
    }
    path.canonicalize().map_err(|error| status(&format!("{} (a symbolic link)", path.display()), &error))
}

fn existing(target: &Path) -> Result<Option<std::fs::Metadata>, Status> {
    match target.symlink_metadata() {
        Ok(meta) if meta.is_file() => Ok(Some(meta)),
        Ok(_) => Err(Status::failed_precondition(format!("{}: not a regular file", target.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(status(&target.display().to_string(), &error)),
    }
}

fn unchanged(target: &Path, existing: Option<&std::fs::Metadata>, if_modified_ms: i64) -> Result<(), Status> {
    if if_modified_ms == 0 || existing.map(modified_ms) == Some(if_modified_ms) {
        return Ok(());
    }
    Err(Status::aborted(format!(
        "{}: it was changed or removed by somebody else meanwhile",
        target.display()
    )))
}
