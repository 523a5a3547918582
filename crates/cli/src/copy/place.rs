//! The only way a download writes on this machine: folder by folder from the one the user chose, by handles that
//! follow no symbolic link, each file under a new name and then renamed. Names come checked. Containment case 9.

#[cfg(all(test, unix))]
use std::io;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
use std::{ffi::OsStr, path::Path};

/// The name here of a name out of a container, if it can be one: any bytes on Unix, plain text elsewhere.
pub(super) fn legal(name: &[u8]) -> Option<&OsStr> {
    let plain = !name.is_empty() && name.len() <= 255 && name != b"." && name != b"..";
    if !plain || name.contains(&b'/') || name.contains(&0) {
        return None;
    }
    #[cfg(unix)]
    return Some(OsStr::from_bytes(name));
    #[cfg(not(unix))]
    std::str::from_utf8(name).ok().filter(|name| !cfg!(windows) || legal_on_windows(name)).map(OsStr::new)
}

/// A target of a symbolic link as a path here, if it can be one.
#[cfg_attr(unix, expect(clippy::unnecessary_wraps, reason = "elsewhere not every target is a path"))]
fn target_path(target: &[u8]) -> Option<&Path> {
    #[cfg(unix)]
    return Some(Path::new(OsStr::from_bytes(target)));
    #[cfg(not(unix))]
    std::str::from_utf8(target).ok().map(Path::new)
}

#[cfg(any(test, not(unix)))]
fn legal_on_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |base: &str| {
        stem.strip_prefix(base).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT");
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    !device && !name.contains(odd) && !name.ends_with(['.', ' '])
}

#[cfg(not(unix))]
pub(super) use portable::{NewFile, Place};
#[cfg(unix)]
pub(super) use unix::{NewFile, Place};

#[cfg(unix)]
mod unix {
    use super::target_path;
    use rustix::fs::{
        AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, fchmod, flock, mkdirat, openat, renameat, symlinkat,
        unlinkat,
    };
    use rustix::io::Errno;
    use sha2::{Digest as _, Sha256};
    use std::{
        ffi::OsStr,
        fs::File,
        io,
        os::{
            fd::{AsFd as _, OwnedFd},
            unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
        },
        path::Path,
        rc::Rc,
        time::Duration,
    };

    const FOLDER: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    const FILE: OFlags = OFlags::RDWR
        .union(OFlags::CREATE)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::NONBLOCK)
        .union(OFlags::CLOEXEC);
    /// What came of a file is kept so long for whoever goes on.
    const KEPT: Duration = Duration::from_hours(24);

    /// An open folder.
    #[derive(Clone)]
    pub(in super::super) struct Place(Rc<OwnedFd>);

    impl Place {
        /// The folder the user chose: their own path may lead over links.
        pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let place = Self(Rc::new(openat(CWD, path, flags, Mode::empty())?));
            place.sweep();
            Ok(place)
        }

        /// A folder inside, made if it is not there.
        pub(in super::super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
            let made = match mkdirat(&*self.0, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let place = Self(Rc::new(openat(&*self.0, name, FOLDER, Mode::empty())?));
            if !made {
                place.sweep();
            }
            Ok(place)
        }

        /// Gives the folder its permission bits. Its owner can always go on writing into it.
        pub(in super::super) fn set_mode(&self, mode: u32) -> io::Result<()> {
            Ok(fchmod(self.0.as_fd(), Mode::from_raw_mode((mode & 0o777) | 0o700))?)
        }

        /// A link, in place of what was there unless that is a folder.
        pub(in super::super) fn link(&self, name: &OsStr, target: &[u8]) -> io::Result<()> {
            let target = target_path(target).ok_or(io::ErrorKind::InvalidFilename)?;
            let staged = unused();
            symlinkat(target, &*self.0, &*staged)?;
            settle(&self.0, &staged, name)
        }

        /// A new file that appears under `name` when it is finished.
        pub(in super::super) fn begin(&self, name: &OsStr) -> io::Result<NewFile> {
            self.opened(name, unused(), FILE | OFlags::EXCL, false)
        }

        /// The same, with what came of it before, by a download that was cut. One at a time.
        pub(in super::super) fn resume(&self, name: &OsStr) -> io::Result<NewFile> {
            let digest = Sha256::digest(name.as_bytes());
            let number = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            self.opened(name, format!(".slipway-{number:016x}.part"), FILE, true)
        }

        fn opened(&self, name: &OsStr, staged: String, flags: OFlags, keep: bool) -> io::Result<NewFile> {
            let file = File::from(openat(&*self.0, &*staged, flags, Mode::from_raw_mode(0o600))?);
            flock(&file, FlockOperation::NonBlockingLockExclusive)
                .map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "it is being copied already"))?;
            let found = file.metadata()?;
            if !found.is_file() || found.nlink() != 1 {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{staged} is in the way")));
            }
            let (place, name) = (Rc::clone(&self.0), name.to_owned());
            Ok(NewFile { place, name, staged, file, keep, finished: false })
        }

        /// Removes what killed copyings left here that nobody goes on with: unlocked, and temporary or old. What cannot
        /// be removed does no harm.
        fn sweep(&self) {
            let Ok(entries) = Dir::read_from(&*self.0) else { return };
            for entry in entries.flatten() {
                let name = entry.file_name().to_bytes();
                let Some(rest) = name.strip_prefix(b".slipway-").filter(|rest| rest.len() > 17) else {
                    continue;
                };
                let (number, ending) = rest.split_at(16);
                let least = match ending {
                    b".tmp" => Duration::ZERO,
                    b".part" => KEPT,
                    _ => continue,
                };
                if !number.iter().all(u8::is_ascii_hexdigit) {
                    continue;
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let Ok(file) = openat(&*self.0, entry.file_name(), flags, Mode::empty()) else { continue };
                let file = File::from(file);
                let age = file
                    .metadata()
                    .and_then(|found| found.modified())
                    .map(|at| at.elapsed().unwrap_or_default());
                if age.is_ok_and(|age| age >= least)
                    && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                {
                    let _ = unlinkat(&*self.0, entry.file_name(), AtFlags::empty());
                }
            }
        }
    }

    /// A name nothing has: who copies beside us has another process id, and a killed one's file is no longer locked.
    fn unused() -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = u64::from(std::process::id()) << 32 | u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        format!(".slipway-{number:016x}.tmp")
    }

    fn settle(place: &OwnedFd, staged: &str, name: &OsStr) -> io::Result<()> {
        renameat(place, staged, place, name).map_err(|error| {
            // What could not be put in place is not left behind; the first failure is the one to tell.
            let _ = unlinkat(place, staged, AtFlags::empty());
            error.into()
        })
    }

    /// A file on its way. Dropped unfinished, it is removed, unless somebody is to go on with it.
    pub(in super::super) struct NewFile {
        place: Rc<OwnedFd>,
        name: std::ffi::OsString,
        staged: String,
        file: File,
        keep: bool,
        finished: bool,
    }

    impl NewFile {
        pub(in super::super) fn handle(&self) -> io::Result<File> {
            self.file.try_clone()
        }

        /// What there is of it is no good.
        pub(in super::super) fn spoilt(&mut self) {
            self.keep = false;
        }

        /// Gives it its permission bits, without any that change who a program runs as, and its name.
        pub(in super::super) fn finish(mut self, mode: u32) -> io::Result<()> {
            fchmod(self.file.as_fd(), Mode::from_raw_mode((mode & 0o777) | 0o600))?;
            self.finished = true;
            settle(&self.place, &self.staged, &self.name)
        }
    }

    impl Drop for NewFile {
        fn drop(&mut self) {
            if !self.finished && !self.keep {
                // It may be gone already.
                let _ = unlinkat(&*self.place, &*self.staged, AtFlags::empty());
            }
        }
    }
}

/// Where there are no folder handles: paths, each step checked not to be a link. Links are not made.
#[cfg(not(unix))]
mod portable {
    use std::{
        ffi::OsStr,
        fs::{self, File},
        io,
        path::{Path, PathBuf},
    };

    #[derive(Clone)]
    pub(in super::super) struct Place(PathBuf);

    fn refuse_link(path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "a link is in the way"))
            }
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    impl Place {
        pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
            Ok(Self(path.to_owned()))
        }

        pub(in super::super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
            let path = self.0.join(name);
            refuse_link(&path)?;
            fs::create_dir_all(&path)?;
            Ok(Self(path))
        }

        pub(in super::super) fn link(&self, _name: &OsStr, _target: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) fn begin(&self, name: &OsStr) -> io::Result<NewFile> {
            let path = self.0.join(name);
            refuse_link(&path)?;
            Ok(NewFile { file: tempfile::NamedTempFile::new_in(&self.0)?, path })
        }

        /// From the beginning: what was cut is not kept here.
        pub(in super::super) fn resume(&self, name: &OsStr) -> io::Result<NewFile> {
            self.begin(name)
        }

        pub(in super::super) fn set_mode(&self, _mode: u32) -> io::Result<()> {
            Ok(())
        }
    }

    pub(in super::super) struct NewFile {
        file: tempfile::NamedTempFile,
        path: PathBuf,
    }

    impl NewFile {
        pub(in super::super) fn handle(&self) -> io::Result<File> {
            self.file.reopen()
        }

        pub(in super::super) fn spoilt(&mut self) {}

        pub(in super::super) fn finish(self, _mode: u32) -> io::Result<()> {
            self.file.persist(self.path).map(drop).map_err(|e| e.error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_container_are_one_plain_step() {
        for good in ["a", "a b", "ä", ".hidden", "a\\b", "..."] {
            assert!(legal(good.as_bytes()).is_some() || cfg!(windows), "{good:?}");
        }
        for bad in ["", ".", "..", "a/b", "/a", "a\0b", &"x".repeat(256)] {
            assert!(legal(bad.as_bytes()).is_none(), "{bad:?}");
        }
        for bad in ["con", "NUL.txt", "com1", "a:b", "a\\b", "a.", "a ", "\u{1}"] {
            assert!(!legal_on_windows(bad), "{bad:?}");
        }
    }

    #[cfg(unix)]
    mod writing {
        use super::*;
        use std::{
            fs,
            io::Write as _,
            os::unix::fs::{PermissionsExt as _, symlink},
        };

        fn write(place: &Place, name: &str, mode: u32) -> io::Result<()> {
            let file = place.begin(OsStr::new(name))?;
            file.handle()?.write_all(b"new")?;
            file.finish(mode)
        }

        #[test]
        fn nothing_is_written_through_a_link() {
            let temp = tempfile::tempdir().unwrap();
            let outside = temp.path().join("outside");
            let inside = temp.path().join("inside");
            fs::create_dir_all(&outside).unwrap();
            fs::create_dir_all(&inside).unwrap();
            fs::write(outside.join("file"), b"old").unwrap();
            symlink(&outside, inside.join("folder")).unwrap();
            symlink(outside.join("file"), inside.join("file")).unwrap();
            let place = Place::open(&inside).unwrap();
            assert!(place.folder(OsStr::new("folder")).is_err());
            write(&place, "file", 0o644).unwrap();
            assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
            assert_eq!(fs::read(inside.join("file")).unwrap(), b"new");
            place.link(OsStr::new("file"), b"elsewhere").unwrap();
            assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
        }

        #[test]
        fn permission_bits_come_along_without_setuid() {
            let temp = tempfile::tempdir().unwrap();
            let place = Place::open(temp.path()).unwrap();
            write(&place, "tool", 0o6755).unwrap();
            assert_eq!(fs::metadata(temp.path().join("tool")).unwrap().permissions().mode() & 0o7777, 0o755);
        }

        #[test]
        fn what_came_of_a_cut_file_is_there_again_and_what_a_killed_one_left_is_removed() {
            let temp = tempfile::tempdir().unwrap();
            let left = temp.path().join(".slipway-00000001deadbeef.tmp");
            fs::write(&left, b"half").unwrap();
            fs::write(temp.path().join(".slipway-mine.tmp"), b"not ours").unwrap();
            let place = Place::open(temp.path()).unwrap();
            assert!(!left.exists());
            let name = OsStr::new("large");
            let file = place.resume(name).unwrap();
            file.handle().unwrap().write_all(b"first").unwrap();
            assert!(place.resume(name).is_err(), "one at a time");
            drop(file);
            drop(Place::open(temp.path()).unwrap());
            let file = place.resume(name).unwrap();
            assert_eq!(file.handle().unwrap().metadata().unwrap().len(), 5);
            file.finish(0o644).unwrap();
            assert_eq!(fs::read(temp.path().join("large")).unwrap(), b"first");
            let mut spoilt = place.resume(name).unwrap();
            spoilt.spoilt();
            drop(spoilt);
            assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
        }

        #[test]
        fn an_unfinished_file_leaves_nothing() {
            let temp = tempfile::tempdir().unwrap();
            let place = Place::open(temp.path()).unwrap();
            drop(place.begin(OsStr::new("part")).unwrap());
            assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        }
    }
}
