//! Where unpacked files land: a private staging folder, walked by folder handles that never follow a symbolic link,
//! then moved into the root by rename. Comes in: checked relative paths only. Nothing here takes an absolute path but
//! the root itself. Containment cases 3, 4, 5 and 8 hold here even if a check elsewhere failed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::refusal::{Refusal, Shown};

/// Staging folders of unpackings that were killed keep their names taken; more than this many is a fault of its own.
const ATTEMPTS: u32 = 1000;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// `root/.slipway-incoming-N`, holding `new` (what is being unpacked) and `old` (folders that were replaced). Locked as
/// long as this lives, so that one whose unpacking was killed can be told from one at work.
pub(super) struct Staging {
    root: OwnedFd,
    path: PathBuf,
    _lock: OwnedFd,
    new: OwnedFd,
    old: OwnedFd,
}

impl Staging {
    pub(super) fn create(root: &Path) -> Result<Self, Refusal> {
        let shown = root.to_string_lossy();
        std::fs::create_dir_all(root).map_err(Refusal::io(format!("create {}", Shown::from(&*shown))))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root_folder = rustix::fs::openat(CWD, root, flags, Mode::empty());
        let root_folder = root_folder.map_err(failed("open", &shown))?;
        let (name, lock) = free_name(&root_folder).map_err(failed("write to", &shown))?;
        let path = root.join(&name);
        let made = || -> Result<(OwnedFd, OwnedFd), Errno> {
            Ok((make_folder(lock.as_fd(), "new")?, make_folder(lock.as_fd(), "old")?))
        };
        match made() {
            Ok((new, old)) => Ok(Self { root: root_folder, path, _lock: lock, new, old }),
            Err(errno) => {
                // The first failure is the one to report; an empty leftover folder does no harm.
                drop(std::fs::remove_dir_all(&path));
                Err(failed("write to", &shown)(errno))
            }
        }
    }

    /// Moves everything into the root. Folders that exist on both sides are merged, anything else is replaced.
    pub(super) fn move_in(&self) -> Result<(), Refusal> {
        let mut replaced = 0;
        merge(self.new.as_fd(), self.root.as_fd(), self.old.as_fd(), &mut replaced)
    }

    /// Removes the staging folder and what is left in it.
    pub(super) fn remove(self) -> Result<(), Refusal> {
        let shown = Shown::from(&*self.path.to_string_lossy());
        std::fs::remove_dir_all(&self.path).map_err(Refusal::io(format!("remove {shown}")))
    }
}

/// A folder nobody has, and its lock.
fn free_name(root: &OwnedFd) -> Result<(String, OwnedFd), Errno> {
    for attempt in 0..ATTEMPTS {
        let name = format!(".slipway-incoming-{attempt}");
        match rustix::fs::mkdirat(root, &*name, Mode::RWXU) {
            Ok(()) => {
                let folder = rustix::fs::openat(root, &*name, FOLDER, Mode::empty())?;
                // Whoever clears away what was left may have come in between: then it is gone, or going.
                let locked = rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok();
                if locked && rustix::fs::fstat(&folder)?.st_nlink > 0 {
                    return Ok((name, folder));
                }
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Makes the folder, or opens the one that is there; never through a symbolic link. 0755 whatever the umask.
fn make_folder(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let mode = Mode::from_raw_mode(0o755);
    let made = match rustix::fs::mkdirat(parent, name, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    let folder = rustix::fs::openat(parent, name, FOLDER, Mode::empty())?;
    if made {
        rustix::fs::fchmod(&folder, mode)?;
    }
    Ok(folder)
}

/// Open handles of the folder written to last and of its parents; at most the depth limit of them. Archives list
/// neighbours together, so most files need no folder to be opened.
pub(super) struct Folders {
    base: OwnedFd,
    open: Vec<(String, OwnedFd)>,
}

impl Folders {
    pub(super) fn new(staging: &Staging) -> Result<Self, Refusal> {
        let base = staging.new.try_clone().map_err(Refusal::io("open the staging folder"))?;
        Ok(Self { base, open: Vec::new() })
    }

    /// Makes the folder and its parents where missing, and keeps it open.
    pub(super) fn enter(&mut self, path: &str) -> Result<BorrowedFd<'_>, Refusal> {
        let parts = || path.split('/').filter(|part| !part.is_empty());
        let common = self.open.iter().zip(parts()).take_while(|((open, _), part)| open == part).count();
        self.open.truncate(common);
        for part in parts().skip(common) {
            let parent = self.open.last().map_or(self.base.as_fd(), |(_, folder)| folder.as_fd());
            let folder = make_folder(parent, part).map_err(failed("create", path))?;
            self.open.push((part.to_owned(), folder));
        }
        Ok(self.open.last().map_or(self.base.as_fd(), |(_, folder)| folder.as_fd()))
    }

    /// A new file, which must not exist.
    pub(super) fn create_file(&mut self, path: &str, executable: bool) -> Result<File, Refusal> {
        let (folder, name) = self.parent(path)?;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let create = || {
            let file = rustix::fs::openat(folder, name, NEW_FILE, mode)?;
            rustix::fs::fchmod(&file, mode)?;
            Ok(File::from(file))
        };
        create().map_err(failed("create", path))
    }

    pub(super) fn create_link(&mut self, path: &str, target: &str) -> Result<(), Refusal> {
        let (folder, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, folder, name).map_err(failed("create", path))
    }

    fn parent<'a>(&mut self, path: &'a str) -> Result<(BorrowedFd<'_>, &'a str), Refusal> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.enter(parent)?, name))
    }
}

/// One level of the move. `Dir` reads its folder through its own handle, so renaming out of it is safe: names are
/// collected first. Depth is bounded by the archive's depth limit.
fn merge(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
    replaced: &mut u64,
) -> Result<(), Refusal> {
    let names = names(from).map_err(failed("read the folder being unpacked,", "."))?;
    for (name, is_folder) in names {
        let there = match rustix::fs::statat(to, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(failed("move into place", &name)(errno)),
        };
        match there {
            Some(FileType::Directory) if is_folder => {
                let open = |parent| rustix::fs::openat(parent, &*name, FOLDER, Mode::empty());
                let (inner_from, inner_to) = (
                    open(from).map_err(failed("move into place", &name))?,
                    open(to).map_err(failed("move into place", &name))?,
                );
                merge(inner_from.as_fd(), inner_to.as_fd(), old, replaced)?;
                continue;
            }
            // Neither a folder that is to become a file, nor a file or link that is to become a folder, gives way to a
            // rename by itself; it is set aside and removed with the staging folder.
            Some(there) if is_folder || there == FileType::Directory => {
                *replaced += 1;
                rustix::fs::renameat(to, &*name, old, replaced.to_string())
                    .map_err(failed("move into place", &name))?;
            }
            _ => {}
        }
        rustix::fs::renameat(from, &*name, to, &*name).map_err(failed("move into place", &name))?;
    }
    Ok(())
}

fn names(folder: BorrowedFd<'_>) -> Result<Vec<(String, bool)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        // Every name in staging was made from a checked UTF-8 path.
        let name = entry.file_name().to_str().map_err(|_| Errno::ILSEQ)?;
        if name == "." || name == ".." {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            known => known == FileType::Directory,
        };
        names.push((name.to_owned(), is_folder));
    }
    Ok(names)
}

/// Formats the message only when something failed: these run once for each file.
fn failed<'a>(verb: &'static str, name: &'a str) -> impl FnOnce(Errno) -> Refusal + 'a {
    move |errno| Refusal::Io {
        doing: format!("{verb} {}", Shown::from(name)),
        source: io::Error::from(errno),
    }
}
