//! What is in files: reading by range, and writing all or nothing. Only regular files; a pipe or device would block or
//! worse.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::OFlags;
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::v1::{FileInfo, ReadReply, ReadRequest, WriteOpen, WriteRequest, write_request};
use tonic::{Status, Streaming};

use super::entry::{info, modified_ms};
use super::{absolute, blocking, status, temporary_name};

/// Permissions of a new file that nobody said anything about.
const NEW_FILE: u32 = 0o644;

/// A file's bytes from an offset, at most as many as asked for; a length of 0 means to the end.
pub(crate) async fn read(
    request: ReadRequest,
) -> Result<impl Stream<Item = Result<ReadReply, Status>> + use<>, Status> {
    let path = absolute(&request.path)?;
    let shown = path.display().to_string();
    let file = blocking(move || open(&path)).await?;
    let left = if request.length == 0 { u64::MAX } else { request.length };
    let state = Some((file, request.offset, left));
    Ok(futures_util::stream::unfold(state, move |state| {
        let shown = shown.clone();
        async move {
            let (file, offset, left) = state?;
            let read = blocking(move || {
                let mut buffer = vec![0; left.min(MAX_CHUNK as u64) as usize];
                let length = file.read_at(&mut buffer, offset).map_err(|error| status(&shown, &error))?;
                buffer.truncate(length);
                Ok((file, buffer))
            });
            match read.await {
                Ok((_, buffer)) if buffer.is_empty() => None,
                Ok((file, buffer)) => {
                    let length = buffer.len() as u64;
                    let data = Bytes::from(buffer);
                    Some((Ok(ReadReply { data }), Some((file, offset.saturating_add(length), left - length))))
                }
                Err(status) => Some((Err(status), None)),
            }
        }
    }))
}

fn open(path: &Path) -> Result<File, Status> {
    let shown = path.display().to_string();
    // Opening a pipe without NONBLOCK would wait for its other end.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)
        .map_err(|error| status(&shown, &error))?;
    let meta = file.metadata().map_err(|error| status(&shown, &error))?;
    if !meta.is_file() {
        return Err(Status::failed_precondition(format!("{shown}: not a regular file")));
    }
    Ok(file)
}

/// Replaces a file by what the stream brings, or changes nothing.
pub(crate) async fn write(mut calls: Streaming<WriteRequest>) -> Result<FileInfo, Status> {
    let Some(write_request::Part::Open(open)) = calls.message().await?.and_then(|message| message.part)
    else {
        return Err(Status::invalid_argument("a write begins with its path and size"));
    };
    let mut draft = blocking(move || Draft::begin(&open)).await?;
    while let Some(message) = calls.message().await? {
        let Some(write_request::Part::Data(data)) = message.part else {
            return Err(Status::invalid_argument(
                "a write brings its bytes after the opening, and nothing else",
            ));
        };
        draft = blocking(move || draft.append(&data)).await?;
    }
    blocking(move || draft.finish()).await
}

/// A file on its way: written under a temporary name beside its target. Dropped unfinished, it leaves nothing.
struct Draft {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    expected: u64,
    written: u64,
    if_modified_ms: i64,
    finished: bool,
}

impl Draft {
    fn begin(open: &WriteOpen) -> Result<Self, Status> {
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
        let temporary = parent.join(temporary_name()?);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| status(&parent.display().to_string(), &error))?;
        let draft = Self {
            file,
            temporary,
            target,
            expected: open.size,
            written: 0,
            if_modified_ms: open.if_modified_ms,
            finished: false,
        };
        // After creation, so that the process's umask has no say.
        draft
            .file
            .set_permissions(std::fs::Permissions::from_mode(mode))
            .map_err(|error| draft.failed(&error))?;
        Ok(draft)
    }

    fn append(mut self, data: &[u8]) -> Result<Self, Status> {
        self.written += data.len() as u64;
        if self.written > self.expected {
            return Err(Status::invalid_argument("more bytes came than were announced"));
        }
        self.file.write_all(data).map_err(|error| self.failed(&error))?;
        Ok(self)
    }

    fn finish(mut self) -> Result<FileInfo, Status> {
        if self.written != self.expected {
            let (written, expected) = (self.written, self.expected);
            return Err(Status::aborted(format!(
                "the file was cut short: {written} of {expected} bytes arrived"
            )));
        }
        unchanged(&self.target, existing(&self.target)?.as_ref(), self.if_modified_ms)?;
        std::fs::rename(&self.temporary, &self.target).map_err(|error| self.failed(&error))?;
        self.finished = true;
        let meta = self.file.metadata().map_err(|error| self.failed(&error))?;
        Ok(info(&self.target, &meta))
    }

    fn failed(&self, error: &io::Error) -> Status {
        status(&self.target.display().to_string(), error)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
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
