//! Changes to directories: making, removing, renaming.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use tonic::Status;

use super::{blocking, status};

/// Makes a directory; with `parents`, also those above it, and one that exists already is fine.
pub(crate) async fn make(path: PathBuf, parents: bool) -> Result<(), Status> {
    blocking(move || {
        let made = if parents { std::fs::create_dir_all(&path) } else { std::fs::create_dir(&path) };
        made.map_err(|error| status(&path.display().to_string(), &error))
    })
    .await
}

/// Removes a file or an empty directory; with `recursive`, a whole tree. Symlinks are removed, never followed.
pub(crate) async fn remove(path: PathBuf, recursive: bool) -> Result<(), Status> {
    if path.file_name().is_none() {
        return Err(Status::failed_precondition(format!("{}: that cannot be removed", path.display())));
    }
    blocking(move || {
        let failed = |error: io::Error| status(&path.display().to_string(), &error);
        let meta = path.symlink_metadata().map_err(failed)?;
        match (meta.is_dir(), recursive) {
            (false, _) => std::fs::remove_file(&path),
            (true, false) => std::fs::remove_dir(&path),
            (true, true) => std::fs::remove_dir_all(&path),
        }
        .map_err(failed)
    })
    .await
}

/// Renames; without `replace`, only onto a name that nothing has.
pub(crate) async fn rename(from: PathBuf, to: PathBuf, replace: bool) -> Result<(), Status> {
    blocking(move || {
        let shown = || format!("{} to {}", from.display(), to.display());
        if replace {
            return std::fs::rename(&from, &to).map_err(|error| status(&shown(), &error));
        }
        rename_onto_nothing(&from, &to).map_err(|error| status(&shown(), &error))
    })
    .await
}

fn rename_onto_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can promise it; then looking first is all there is.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        other => Ok(other?),
    }
}
