//! A stream becomes a tree: written into a hidden directory beside what is there, moved into place once all of it came.
//! A stream that is cut short changes nothing. Links are made last, so nothing is written through one of the stream.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use slipway_agent_api::tree::{Kind, Reader, Record};
use slipway_agent_api::v1::{WriteTreeReply, WriteTreeRequest, write_tree_request};
use tonic::{Status, Streaming};

use super::leftovers::{self, Leftovers};
use super::{absolute, blocking, status};

/// Makes what the stream brings below its root, or changes nothing.
pub(crate) async fn write_tree(
    leftovers: &Leftovers,
    mut calls: Streaming<WriteTreeRequest>,
) -> Result<WriteTreeReply, Status> {
    let first = calls.message().await?.and_then(|message| message.part);
    let Some(write_tree_request::Part::Open(open)) = first else {
        return Err(Status::invalid_argument("a tree begins with its root"));
    };
    let root = absolute(&open.root)?;
    leftovers.clear_for(&root).await?;
    let mut staging = blocking(move || Staging::create(root)).await?;
    while let Some(message) = calls.message().await? {
        let Some(write_tree_request::Part::Data(data)) = message.part else {
            return Err(Status::invalid_argument("a tree's root is followed by its bytes and nothing else"));
        };
        staging = blocking(move || staging.take(&data)).await?;
    }
    blocking(move || staging.finish()).await
}

/// The tree on its way. Dropped unfinished, it leaves nothing.
struct Staging {
    root: PathBuf,
    /// Holds `new` (what came) and `old` (what is replaced).
    path: PathBuf,
    _lock: File,
    new: PathBuf,
    reader: Reader,
    /// The file being written, and its path below the root.
    file: Option<(File, Bytes)>,
    /// Modes of directories that could not be written into with them.
    closed: Vec<(PathBuf, u32)>,
    links: Vec<(Bytes, Bytes)>,
    done: WriteTreeReply,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Status {
    let shown = path.display().to_string();
    move |error| status(&shown, &error)
}

impl Staging {
    fn create(root: PathBuf) -> Result<Self, Status> {
        std::fs::create_dir_all(&root).map_err(failed(&root))?;
        let (path, lock) = leftovers::folder(&root)?;
        let new = path.join("new");
        let staging = Self {
            root,
            path,
            _lock: lock,
            new,
            reader: Reader::default(),
            file: None,
            closed: Vec::new(),
            links: Vec::new(),
            done: WriteTreeReply::default(),
        };
        for inner in [&staging.new, &staging.path.join("old")] {
            std::fs::create_dir(inner).map_err(failed(inner))?;
        }
        Ok(staging)
    }

    fn take(mut self, data: &[u8]) -> Result<Self, Status> {
        self.reader.feed(data);
        while let Some(record) = self.reader.pull().map_err(|e| Status::invalid_argument(e.to_string()))? {
            self.record(record)?;
        }
        Ok(self)
    }

    fn record(&mut self, record: Record) -> Result<(), Status> {
        match record {
            Record::Entry { path, kind, mode } => {
                self.file = None;
                self.entry(path, kind, mode)
            }
            Record::Data(data) => {
                let Some((file, path)) = &mut self.file else { return Ok(()) };
                self.done.bytes += data.len() as u64;
                file.write_all(&data).map_err(|error| status(&String::from_utf8_lossy(path), &error))
            }
            Record::Missing { .. } | Record::End => {
                self.file = None;
                Ok(())
            }
        }
    }

    fn entry(&mut self, path: Bytes, kind: Kind, mode: u32) -> Result<(), Status> {
        let full = self.new.join(OsStr::from_bytes(&path));
        match kind {
            Kind::File(_) => {
                let mut options = OpenOptions::new();
                let made = options.write(true).create_new(true).mode(mode | 0o200).open(&full);
                let file = made.map_err(failed(&full))?;
                let meta = file.metadata().map_err(failed(&full))?;
                // The process's umask has no say; asking is cheaper than setting.
                if meta.mode() & 0o777 != mode {
                    file.set_permissions(Permissions::from_mode(mode)).map_err(failed(&full))?;
                }
                self.done.files += 1;
                self.file = Some((file, path));
            }
            Kind::Directory => {
                std::fs::create_dir(&full).map_err(failed(&full))?;
                self.closed.push((full, mode));
            }
            Kind::Symlink(target) => self.links.push((path, target)),
            Kind::Other => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<WriteTreeReply, Status> {
        self.reader.finish().map_err(|e| Status::aborted(e.to_string()))?;
        self.file = None;
        for (path, target) in std::mem::take(&mut self.links) {
            let full = self.new.join(OsStr::from_bytes(&path));
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), &full).map_err(failed(&full))?;
        }
        let closed = std::mem::take(&mut self.closed);
        let mut replaced = 0;
        let (new, root) = (self.new.clone(), self.root.clone());
        let moved = self.merge(&new, &root, &mut replaced)?;
        // Last, inner ones first, and only on those that were made: what may not be written could not be moved.
        for (path, mode) in closed.into_iter().rev() {
            if let Some(there) =
                moved.iter().find_map(|(from, to)| Some(to.join(path.strip_prefix(from).ok()?)))
            {
                std::fs::set_permissions(&there, Permissions::from_mode(mode)).map_err(failed(&there))?;
            }
        }
        Ok(self.done)
    }

    /// Moves what a directory holds. Directories on both sides are merged, anything else is replaced. Gives what was moved
    /// as a whole, from where and to where.
    fn merge(&self, from: &Path, to: &Path, replaced: &mut u64) -> Result<Vec<(PathBuf, PathBuf)>, Status> {
        let mut moved = Vec::new();
        for entry in std::fs::read_dir(from).map_err(failed(from))? {
            let entry = entry.map_err(failed(from))?;
            let target = to.join(entry.file_name());
            let is_folder = entry.file_type().map_err(failed(from))?.is_dir();
            match target.symlink_metadata() {
                Ok(there) if there.is_dir() && is_folder => {
                    moved.extend(self.merge(&entry.path(), &target, replaced)?);
                    continue;
                }
                // A directory and something else do not give way to each other by themselves.
                Ok(there) if there.is_dir() || is_folder => {
                    *replaced += 1;
                    let aside = self.path.join("old").join(replaced.to_string());
                    std::fs::rename(&target, aside).map_err(failed(&target))?;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(status(&target.display().to_string(), &error)),
            }
            std::fs::rename(entry.path(), &target).map_err(failed(&target))?;
            if is_folder {
                moved.push((entry.path(), target));
            }
        }
        Ok(moved)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed does no harm, and nobody could be told.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
