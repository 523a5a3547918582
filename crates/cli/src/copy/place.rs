//! The only way a download writes on this machine: folder by folder from the one the user chose, by handles that
//! follow no symbolic link, each file under a new name and then renamed. Names come checked. Containment case 9.

#[cfg(all(test, unix))]
use std::io;

/// Whether a name out of a container may be a name here.
pub(super) fn legal(name: &str) -> bool {
    let plain = !name.is_empty() && name.len() <= 255 && name != "." && name != "..";
    plain && !name.contains(['/', '\0']) && (!cfg!(windows) || legal_on_windows(name))
}

fn legal_on_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |base: &str| {
        stem.strip_prefix(base).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT");
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    !device && !name.contains(odd) && !name.ends_with(['.', ' '])
}

/// Whether a link `depth` folders below the chosen one stays inside wherever else links lead: `..` only at its start,
/// where it walks up real folders, and never above the chosen one. What follows leads down, through links that were
/// held to the same.
pub(super) fn safe_target(target: &str, depth: usize) -> bool {
    if target.is_empty() || target.len() > 4095 || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    if cfg!(windows) && target.contains(['\\', ':']) {
        return false;
    }
    let mut ups = 0;
    let mut went_down = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if went_down => return false,
            ".." => ups += 1,
            _ => went_down = true,
        }
    }
    ups <= depth
}

#[cfg(not(unix))]
pub(super) use portable::Place;
#[cfg(unix)]
pub(super) use unix::Place;

#[cfg(unix)]
mod unix {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, mkdirat, openat, renameat, symlinkat, unlinkat};
    use std::{
        fs::File,
        io,
        os::fd::{AsFd as _, OwnedFd},
        path::Path,
    };

    const FOLDER: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    const NEW: OFlags = OFlags::WRONLY
        .union(OFlags::CREATE)
        .union(OFlags::EXCL)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);
    /// Names left over from copyings that were killed; more than these is a fault of its own.
    const ATTEMPTS: u32 = 1000;

    /// An open folder.
    pub(in super::super) struct Place(OwnedFd);

    impl Place {
        /// The folder the user chose: their own path may lead over links.
        pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Ok(Self(openat(CWD, path, flags, Mode::empty())?))
        }

        /// A folder inside, made if it is not there.
        pub(in super::super) fn folder(&self, name: &str) -> io::Result<Self> {
            match mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(Self(openat(&self.0, name, FOLDER, Mode::empty())?))
        }

        /// A link, in place of what was there unless that is a folder.
        pub(in super::super) fn link(&self, name: &str, target: &str) -> io::Result<()> {
            let staged = Self::staged(|staged| symlinkat(target, &self.0, staged))?.0;
            self.settle(&staged, name)
        }

        /// A new file that appears under `name` when it is finished.
        pub(in super::super) fn begin(&self, name: &str) -> io::Result<NewFile<'_>> {
            let mode = Mode::from_raw_mode(0o600);
            let (staged, file) = Self::staged(|staged| openat(&self.0, staged, NEW, mode))?;
            Ok(NewFile {
                place: self,
                name: name.to_owned(),
                staged,
                file: File::from(file),
                finished: false,
            })
        }

        fn staged<T>(make: impl Fn(&str) -> rustix::io::Result<T>) -> io::Result<(String, T)> {
            for attempt in 0..ATTEMPTS {
                let staged = format!(".slipway-{}-{attempt}", std::process::id());
                match make(&staged) {
                    Ok(made) => return Ok((staged, made)),
                    Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(io::ErrorKind::AlreadyExists.into())
        }

        fn settle(&self, staged: &str, name: &str) -> io::Result<()> {
            renameat(&self.0, staged, &self.0, name).map_err(|error| {
                // What could not be put in place is not left behind; the first failure is the one to tell.
                let _ = unlinkat(&self.0, staged, AtFlags::empty());
                error.into()
            })
        }
    }

    /// A file on its way. Dropped unfinished, it is removed.
    pub(in super::super) struct NewFile<'a> {
        place: &'a Place,
        name: String,
        staged: String,
        file: File,
        finished: bool,
    }

    impl NewFile<'_> {
        pub(in super::super) fn handle(&self) -> io::Result<File> {
            self.file.try_clone()
        }

        /// Gives it its permission bits, without any that change who a program runs as, and its name.
        pub(in super::super) fn finish(mut self, mode: u32) -> io::Result<()> {
            fchmod(self.file.as_fd(), Mode::from_raw_mode((mode & 0o777) | 0o600))?;
            self.finished = true;
            self.place.settle(&self.staged, &self.name)
        }
    }

    impl Drop for NewFile<'_> {
        fn drop(&mut self) {
            if !self.finished {
                // It may be gone already.
                let _ = unlinkat(&self.place.0, &self.staged, AtFlags::empty());
            }
        }
    }
}

/// Where there are no folder handles: paths, each step checked not to be a link. Links are not made.
#[cfg(not(unix))]
mod portable {
    use std::{
        fs::{self, File},
        io,
        path::{Path, PathBuf},
    };

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

        pub(in super::super) fn folder(&self, name: &str) -> io::Result<Self> {
            let path = self.0.join(name);
            refuse_link(&path)?;
            fs::create_dir_all(&path)?;
            Ok(Self(path))
        }

        pub(in super::super) fn link(&self, _name: &str, _target: &str) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) fn begin(&self, name: &str) -> io::Result<NewFile> {
            let path = self.0.join(name);
            refuse_link(&path)?;
            Ok(NewFile { file: tempfile::NamedTempFile::new_in(&self.0)?, path })
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
            assert!(legal(good) || cfg!(windows), "{good:?}");
        }
        for bad in ["", ".", "..", "a/b", "/a", "a\0b", &"x".repeat(256)] {
            assert!(!legal(bad), "{bad:?}");
        }
        for bad in ["con", "NUL.txt", "com1", "a:b", "a\\b", "a.", "a ", "\u{1}"] {
            assert!(!legal_on_windows(bad), "{bad:?}");
        }
    }

    #[test]
    fn links_stay_below_the_chosen_folder() {
        for (target, depth, safe) in [
            ("a", 0, true),
            ("a/b", 0, true),
            ("./a", 0, true),
            ("../a", 1, true),
            ("../../a/b", 2, true),
            ("..", 1, true),
            ("", 0, false),
            ("/etc/passwd", 3, false),
            ("../a", 0, false),
            ("../../a", 1, false),
            // Down through another link and up again: who knows from where.
            ("a/../..", 5, false),
            ("../a/../b", 5, false),
        ] {
            assert_eq!(safe_target(target, depth), safe, "{target:?} at {depth}");
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
            let file = place.begin(name)?;
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
            assert!(place.folder("folder").is_err());
            write(&place, "file", 0o644).unwrap();
            assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
            assert_eq!(fs::read(inside.join("file")).unwrap(), b"new");
            place.link("file", "elsewhere").unwrap();
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
        fn an_unfinished_file_leaves_nothing() {
            let temp = tempfile::tempdir().unwrap();
            let place = Place::open(temp.path()).unwrap();
            drop(place.begin("part").unwrap());
            assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        }
    }
}
