//! What transfers leave that were killed with their agent: temporary files, and folders in which a tree or an archive was
//! being put together. Who is at work holds a lock on what it writes; what nobody holds is removed at the first write into
//! the same directory in an agent's life. Nothing else is touched, and what cannot be removed does no harm.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags};
use tonic::Status;

use super::{ON_ITS_WAY, blocking, status, temporary_name};

/// What arrived of a file is kept so long for whoever wants to go on.
const KEPT: Duration = Duration::from_hours(24);

/// Directories remembered as looked through. Beyond it they are looked through again.
const MOST_SWEPT: usize = 4096;

/// Names tried for a folder. A second one is only needed when a sweep takes the first for a leftover.
const ATTEMPTS: usize = 10;

/// Directories in which nothing is left of transfers that an earlier agent was killed in. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Leftovers {
    swept: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Leftovers {
    /// Looks through a directory if this agent has not yet, or `again`, and leaves `but` alone. Nobody else does as long as
    /// what is returned lives.
    pub(super) fn clear(
        &self,
        directory: Option<&Path>,
        but: Option<&Path>,
        again: bool,
    ) -> MutexGuard<'_, HashSet<PathBuf>> {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = directory
            && (again || !swept.contains(directory))
        {
            sweep(directory, but);
            if swept.len() == MOST_SWEPT {
                swept.clear();
            }
            swept.insert(directory.to_owned());
        }
        swept
    }

    /// Looks through the directory in which a tree or an archive is about to be put together. Every time: that takes far
    /// longer than looking.
    pub(crate) async fn clear_for(&self, directory: &Path) -> Result<(), Status> {
        let (this, directory) = (self.clone(), directory.to_owned());
        blocking(move || {
            let _nobody_else = this.swept.lock().unwrap_or_else(PoisonError::into_inner);
            sweep(&directory, None);
            Ok(())
        })
        .await
    }
}

/// A new folder in `root` for what is being put together, and its lock.
pub(super) fn folder(root: &Path) -> Result<(PathBuf, File), Status> {
    let failed = |error: io::Error| status(&root.display().to_string(), &error);
    for _ in 0..ATTEMPTS {
        let path = root.join(temporary_name()?);
        std::fs::create_dir(&path).map_err(failed)?;
        // A sweep may have come in between: then it is gone, or going.
        if let Some(lock) = locked(&path)
            && lock.metadata().map_err(failed)?.nlink() > 0
        {
            return Ok((path, lock));
        }
    }
    Err(failed(io::ErrorKind::AlreadyExists.into()))
}

/// What a name says was on its way.
enum Left {
    /// A file that nobody goes on with, or a folder.
    Temporary,
    /// A file that somebody may go on with.
    Partial,
}

fn left(name: &str) -> Option<Left> {
    let name = name.strip_prefix(ON_ITS_WAY)?;
    let digits = |text: &str, digit: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(digit);
    // An unpacking's, which `intake` names.
    if name.strip_prefix("incoming-").is_some_and(|number| digits(number, u8::is_ascii_digit)) {
        return Some(Left::Temporary);
    }
    match name.split_once('.') {
        Some((number, kind)) if number.len() == 16 && digits(number, u8::is_ascii_hexdigit) => match kind {
            "tmp" => Some(Left::Temporary),
            "part" => Some(Left::Partial),
            _ => None,
        },
        _ => None,
    }
}

fn sweep(directory: &Path, but: Option<&Path>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let (Some(left), path) = (name.to_str().and_then(left), entry.path()) else { continue };
        if but == Some(path.as_path()) {
            continue;
        }
        let Some(lock) = locked(&path) else { continue };
        let Ok(meta) = lock.metadata() else { continue };
        match left {
            Left::Temporary if meta.is_dir() => remove_folder(&path),
            Left::Partial if !meta.is_file() => {}
            Left::Temporary => remove_file(&path),
            Left::Partial => {
                let age = meta.modified().map(|at| at.elapsed().unwrap_or_default());
                if age.is_ok_and(|age| age >= KEPT) {
                    remove_file(&path);
                }
            }
        }
    }
}

/// The file or folder, if nobody else holds it.
fn locked(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok().map(|()| file)
}

fn remove_file(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Unless something lies in `old`: its move into place was cut in the middle, and what it replaced is nowhere else.
fn remove_folder(path: &Path) {
    let replaced = std::fs::read_dir(path.join("old")).is_ok_and(|mut inside| inside.next().is_some());
    if !replaced {
        let _ = std::fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_leftovers() {
        for name in [".slipway-0123456789abcdef.tmp", ".slipway-incoming-0", ".slipway-incoming-17"] {
            assert!(matches!(left(name), Some(Left::Temporary)), "{name}");
        }
        assert!(matches!(left(".slipway-0123456789abcdef.part"), Some(Left::Partial)));
        for name in [
            ".slipway-",
            ".slipway-incoming-",
            ".slipway-incoming-x",
            ".slipway-0123.tmp",
            ".slipway-0123456789abcdeg.tmp",
            ".slipway-0123456789abcdef.tmp.bak",
            "0123456789abcdef.tmp",
        ] {
            assert!(left(name).is_none(), "{name}");
        }
    }
}
