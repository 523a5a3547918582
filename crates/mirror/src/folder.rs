//! The only way a sync touches a disk: folder by folder from the top, by handles that follow no symbolic link, each new
//! thing under a name of ours and then renamed. What is replaced or removed is looked at first, and is left alone when it
//! is not what the caller last saw. Containment case 9.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::draft::Draft;
use crate::node::{Found, Stamp};
use crate::path::RelPath;

pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Opening a pipe would wait for its other end.
pub(crate) const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What names of ours begin and end with. Scans leave them out.
const OURS: (&[u8], &[u8]) = (b".slipway-sync-", b".tmp");

/// Why something was not done.
#[derive(Debug)]
pub enum Refused {
    /// The path is not what the caller last saw.
    Changed,
    /// The folder to be removed holds something.
    NotEmpty,
    /// The system said no.
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // A parent is gone or no folder, or somebody was quicker: not what the caller saw.
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::EXIST | Errno::ISDIR) => Self::Changed,
            Some(Errno::NOTEMPTY) => Self::NotEmpty,
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// How something takes the place of what is there.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Swap first and look at what came out, so that not even a change of the last microsecond is lost. Costs watchers of
    /// the folder one event more.
    pub careful: bool,
    /// Keep what is there under this name beside it, instead of dropping it.
    pub aside: Option<Vec<u8>>,
}

/// Whether a name is one of ours.
pub fn is_ours(name: &[u8]) -> bool {
    name.starts_with(OURS.0) && name.ends_with(OURS.1)
}

/// The top of a synced folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder {
    top: Arc<OwnedFd>,
    tag: Arc<str>,
    next: Arc<AtomicU64>,
}

impl Folder {
    /// Opens the top, over whatever links lead to it: that path is somebody's own choice. `tag` marks our names.
    pub fn open(path: &Path, tag: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { top: Arc::new(top), tag: tag.into(), next: Arc::default() })
    }

    /// The folder at a path. A link or file on the way is an error.
    pub(crate) fn enter(&self, path: &RelPath) -> Result<Inner<'_>, Errno> {
        self.walk(path, false)
    }

    fn walk(&self, path: &RelPath, make: bool) -> Result<Inner<'_>, Errno> {
        let mut at = Inner::Top(self.top.as_fd());
        for part in path.parts() {
            let opened = rustix::fs::openat(&at, part, FOLDER, Mode::empty());
            let folder = match opened {
                Err(Errno::NOENT) if make => {
                    make_folder(at.as_fd(), part)?;
                    rustix::fs::openat(&at, part, FOLDER, Mode::empty())?
                }
                other => other?,
            };
            at = Inner::Below(folder);
        }
        Ok(at)
    }

    pub(crate) fn parent(&self, path: &RelPath, make: bool) -> Result<Inner<'_>, Errno> {
        self.walk(&path.parent().unwrap_or_else(RelPath::root), make)
    }

    /// What a path is; none when there is nothing, or a link or file is on the way. Pipes, sockets and devices are nothing.
    pub fn look(&self, path: &RelPath) -> io::Result<Option<Found>> {
        if path.is_root() {
            return Ok(Some(Found::Folder));
        }
        match self.parent(path, false).and_then(|parent| look(parent.as_fd(), path.name())) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            other => Ok(other?),
        }
    }

    /// Opens a regular file to be read.
    pub fn read(&self, path: &RelPath) -> io::Result<(File, Found)> {
        let parent = self.parent(path, false)?;
        let file = File::from(rustix::fs::openat(&parent, path.name(), FILE, Mode::empty())?);
        let found = found_open(&file)?;
        Ok((file, found))
    }

    /// What an open file is now: whether it changed while it was read.
    pub fn read_still(file: &File) -> io::Result<Found> {
        found_open(file)
    }

    /// A new file that appears at `path` when it is finished. Missing folders above it are made.
    pub fn begin(&self, path: &RelPath) -> Result<Draft, Refused> {
        let parent = self.parent(path, true)?.owned()?;
        let staged = self.fresh("in");
        // Private until it has its name; then as a new file of the person's would be.
        let file = rustix::fs::openat(&parent, &*staged, NEW, Mode::from_raw_mode(0o600))?;
        Ok(Draft::new(parent, path.name().to_vec(), staged, self.fresh("out"), File::from(file)))
    }

    /// Makes a folder where `expected` is.
    pub fn make(&self, path: &RelPath, expected: Option<&Found>, manner: &Manner) -> Result<(), Refused> {
        let parent = self.parent(path, true)?;
        if expected.is_some() {
            self.give_way(path, expected, manner)?;
        }
        Ok(make_folder(parent.as_fd(), path.name())?)
    }

    /// Makes a link where `expected` is.
    pub fn link(
        &self,
        path: &RelPath,
        target: &[u8],
        expected: Option<&Found>,
        manner: &Manner,
    ) -> Result<(), Refused> {
        let parent = self.parent(path, true)?;
        if expected.is_some() {
            self.give_way(path, expected, manner)?;
        }
        Ok(rustix::fs::symlinkat(target, &parent, path.name())?)
    }

    /// Removes what `expected` says is there; a folder only when it is empty. What is gone already is fine.
    pub fn remove(&self, path: &RelPath, expected: &Found) -> Result<(), Refused> {
        match self.give_way(path, Some(expected), &Manner::default()) {
            Err(Refused::Changed) if matches!(self.look(path), Ok(None)) => Ok(()),
            other => other,
        }
    }

    /// Clears a path: what is there is dropped, or kept aside. A file or link is moved to a name of ours first and looked
    /// at there, so that no change made since is lost with it.
    fn give_way(&self, path: &RelPath, expected: Option<&Found>, manner: &Manner) -> Result<(), Refused> {
        let parent = self.parent(path, false)?;
        let name = path.name();
        let there = look(parent.as_fd(), name)?;
        let Some(there) = there.filter(|there| Some(there) == expected) else { return Err(Refused::Changed) };
        if let Some(aside) = &manner.aside {
            return rename_to_nothing(parent.as_fd(), name, aside);
        }
        if there == Found::Folder {
            return Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?);
        }
        let out = self.fresh("out");
        rename_to_nothing(parent.as_fd(), name, out.as_bytes())?;
        let moved = look(parent.as_fd(), out.as_bytes())?;
        if moved.is_some_and(|moved| moved.is_still(&there)) {
            return Ok(rustix::fs::unlinkat(&parent, &*out, AtFlags::empty())?);
        }
        // Changed in the last moment: it goes back, unless something newer has its name by now.
        rename_to_nothing(parent.as_fd(), out.as_bytes(), name)?;
        Err(Refused::Changed)
    }

    /// Removes what a run that was killed left half-written below `path`'s folder. Ours alone, by tag.
    pub(crate) fn is_leftover(&self, name: &[u8]) -> bool {
        let begin = [OURS.0, b"in-", self.tag.as_bytes(), b"-"].concat();
        name.starts_with(&begin) && name.ends_with(OURS.1)
    }

    fn fresh(&self, stage: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!(".slipway-sync-{stage}-{}-{}-{number}.tmp", self.tag, std::process::id())
    }
}

/// A folder on the way: the top, borrowed, or one below it.
pub(crate) enum Inner<'a> {
    Top(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Inner<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Top(folder) => *folder,
            Self::Below(folder) => folder.as_fd(),
        }
    }
}

impl Inner<'_> {
    fn owned(self) -> io::Result<OwnedFd> {
        match self {
            Self::Top(folder) => folder.try_clone_to_owned(),
            Self::Below(folder) => Ok(folder),
        }
    }
}

/// 0755 whatever the umask; one that is there already is an error.
fn make_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))
}

/// Renames, never over anything.
pub(crate) fn rename_to_nothing(folder: BorrowedFd<'_>, from: &[u8], to: &[u8]) -> Result<(), Refused> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // Not every file system can promise it; then looking first is all there is.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if look(folder, to)?.is_some() {
                return Err(Refused::Changed);
            }
            Ok(rustix::fs::renameat(folder, from, folder, to)?)
        }
        other => Ok(other?),
    }
}

pub(crate) fn look(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Found>, Errno> {
    let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => match rustix::fs::readlinkat(folder, name, Vec::new()) {
            Ok(target) => Ok(Some(Found::Link { target: target.into_bytes() })),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno),
        },
        _ => Ok(of_stat(&stat)),
    }
}

fn found_open(file: &File) -> io::Result<Found> {
    of_stat(&rustix::fs::fstat(file)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

fn of_stat(stat: &Stat) -> Option<Found> {
    let time =
        |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Found::Folder),
        FileType::RegularFile => {
            let stamp = Stamp {
                size: stat.st_size as u64,
                modified_ns: time(stat.st_mtime, stat.st_mtime_nsec as i64),
                changed_ns: time(stat.st_ctime, stat.st_ctime_nsec as i64),
                inode: stat.st_ino,
            };
            Some(Found::File { stamp, executable: stat.st_mode & 0o100 != 0 })
        }
        _ => None,
    }
}
