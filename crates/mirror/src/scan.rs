//! What a folder holds, from the top or from some path on: names, kinds, digests. Reads only. What the rules leave out is
//! not entered; a folder is told before it is read, so that who watches it can begin before.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, Mode};
use rustix::io::Errno;
use slipway_intake::{DOCKERIGNORE, GITIGNORE, IgnoreRules, Refusal, Verdict, is_installed};

use crate::folder::{FILE, Folder, is_ours, look};
use crate::node::{Digest, Found, Hasher, Node, safe_target};
use crate::path::RelPath;

const BUFFER: usize = 128 << 10;
/// A file changed this recently may be changed again without its stamp showing it: clocks of file systems are coarse.
const YOUNG: Duration = Duration::from_secs(2);

/// How much a folder may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of one file; a larger one is left out.
    pub file_bytes: u64,
    /// Bytes of one ignore file, and of all together.
    pub rules_bytes: u64,
}

/// Why a folder could not be read to its end.
#[derive(Debug)]
pub enum ScanError {
    /// It holds more than the bounds allow: so many entries.
    TooMany(u64),
    /// Its ignore files cannot be read.
    Rules(Refusal),
    /// The system said no, there.
    Io(RelPath, io::Error),
}

/// Digests known by the stamp they were taken at.
#[derive(Debug, Default)]
pub struct Cache(HashMap<RelPath, (Found, Digest)>);

impl Cache {
    /// Remembers what a path held.
    pub fn put(&mut self, path: RelPath, found: Found, digest: Digest) {
        self.0.insert(path, (found, digest));
    }

    fn get(&self, path: &RelPath, found: &Found) -> Option<Digest> {
        self.0.get(path).filter(|(known, _)| known == found).map(|&(_, digest)| digest)
    }
}

/// One look at a folder.
pub struct Scan<'a> {
    folder: &'a Folder,
    bounds: Bounds,
    rules: &'a mut IgnoreRules,
    learn: bool,
    trust: bool,
    cache: &'a mut Cache,
    tell: &'a mut dyn FnMut(RelPath, Found, Node),
    left_out: &'a mut dyn FnMut(RelPath, &'static str),
    entries: u64,
    rules_bytes: u64,
    now_ns: i64,
}

impl<'a> Scan<'a> {
    /// A look with rules that are fixed. `tell` gets everything there is, folders before what they hold; `left_out` what
    /// would be synced but cannot be.
    pub fn new(
        folder: &'a Folder,
        bounds: Bounds,
        rules: &'a mut IgnoreRules,
        cache: &'a mut Cache,
        tell: &'a mut dyn FnMut(RelPath, Found, Node),
        left_out: &'a mut dyn FnMut(RelPath, &'static str),
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        Self {
            folder,
            bounds,
            rules,
            learn: false,
            trust: true,
            cache,
            tell,
            left_out,
            entries: 0,
            rules_bytes: 0,
            now_ns,
        }
    }

    /// Learns the rules on the way, from the top: they are what the folder itself says.
    #[must_use]
    pub fn learning(mut self) -> Self {
        *self.rules = IgnoreRules::default();
        self.learn = true;
        self
    }

    /// Reads every file, also those whose stamp is known: somebody says they changed.
    #[must_use]
    pub fn doubting(mut self) -> Self {
        self.trust = false;
        self
    }

    /// Looks at everything, and removes what a run of ours that was killed left half-written.
    pub fn whole(mut self) -> Result<(), ScanError> {
        if self.learn {
            self.learn_docker()?;
        }
        self.inside(&RelPath::root())
    }

    /// Looks at some paths and what is below them. What is not told of is not there.
    pub fn of(mut self, paths: &[RelPath]) -> Result<(), ScanError> {
        for path in paths {
            if path.is_root() {
                self.inside(path)?;
                continue;
            }
            let Ok(parent) = self.folder.parent(path, false) else { continue };
            let above = path.to_path();
            let above = above.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
            let entered = |folder: &std::path::Path| {
                !matches!(self.rules.judge(folder, true), Verdict::Out(_))
                    && !is_installed(folder, |file| self.is_file(file))
            };
            if above.into_iter().all(entered) {
                self.entry(parent.as_fd(), path)?;
            }
        }
        Ok(())
    }

    fn is_file(&self, path: &std::path::Path) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        RelPath::new(path.as_os_str().as_bytes())
            .is_ok_and(|path| matches!(self.folder.look(&path), Ok(Some(Found::File { .. }))))
    }

    fn inside(&mut self, path: &RelPath) -> Result<(), ScanError> {
        let inner = match self.folder.enter(path) {
            Ok(inner) => inner,
            // Gone or replaced meanwhile: somebody will say so.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_root() => return Ok(()),
            Err(Errno::ACCESS) if !path.is_root() => {
                (self.left_out)(path.clone(), "it may not be read");
                return Ok(());
            }
            Err(errno) => return Err(ScanError::Io(path.clone(), errno.into())),
        };
        if self.learn {
            let text = self.text(inner.as_fd(), path, GITIGNORE)?;
            if let Some(text) = text {
                self.rules.learn_git(&path.to_path(), &text);
            }
        }
        let failed = |errno: Errno| ScanError::Io(path.clone(), errno.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(&inner).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
            // What is left out counts too, while it is held.
            if names.len() as u64 > self.bounds.entries.saturating_mul(2) {
                return Err(ScanError::TooMany(names.len() as u64));
            }
        }
        names.sort_unstable();
        for name in names {
            if is_ours(&name) {
                if self.folder.is_leftover(&name) && self.trust {
                    // Gone already is as good.
                    let _ = rustix::fs::unlinkat(&inner, &*name, AtFlags::empty());
                }
                continue;
            }
            match path.join(&name) {
                Ok(path) => self.entry(inner.as_fd(), &path)?,
                Err(_) => (self.left_out)(path.clone(), "a path in it is too long"),
            }
        }
        Ok(())
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, path: &RelPath) -> Result<(), ScanError> {
        let found = match look(parent, path.name()) {
            Ok(Some(found)) => found,
            Ok(None) | Err(Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(errno) => return Err(ScanError::Io(path.clone(), errno.into())),
        };
        let is_folder = found == Found::Folder;
        let own = path.to_path();
        let verdict = self.rules.judge(&own, is_folder);
        if matches!(verdict, Verdict::Out(_)) || is_folder && is_installed(&own, |file| self.is_file(file)) {
            return Ok(());
        }
        if verdict == Verdict::Keep {
            let Some(node) = self.node(parent, path, &found)? else { return Ok(()) };
            self.entries += 1;
            if self.entries > self.bounds.entries {
                return Err(ScanError::TooMany(self.entries));
            }
            // The file may have changed between the look and the reading; then what was read is told.
            let (found, node) = node;
            (self.tell)(path.clone(), found, node);
        }
        if is_folder { self.inside(path) } else { Ok(()) }
    }

    fn node(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &RelPath,
        found: &Found,
    ) -> Result<Option<(Found, Node)>, ScanError> {
        match found {
            Found::Folder => Ok(Some((Found::Folder, Node::Folder))),
            Found::Link { target } if safe_target(target, path.depth() - 1) => {
                Ok(Some((found.clone(), Node::Link { target: target.clone() })))
            }
            Found::Link { .. } => {
                (self.left_out)(path.clone(), "the link leads out of the folder");
                Ok(None)
            }
            Found::File { stamp, .. } if stamp.size > self.bounds.file_bytes => {
                (self.left_out)(path.clone(), "it is larger than a file may be");
                Ok(None)
            }
            Found::File { executable, .. } => {
                if let Some(digest) = self.cache.get(path, found).filter(|_| self.trust) {
                    return Ok(Some((found.clone(), Node::File { digest, executable: *executable })));
                }
                match self.digest(parent, path) {
                    Ok(Some((found, node))) => Ok(Some((found, node))),
                    Ok(None) => Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        (self.left_out)(path.clone(), "it may not be read");
                        Ok(None)
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(ScanError::Io(path.clone(), error)),
                }
            }
        }
    }

    fn digest(&mut self, parent: BorrowedFd<'_>, path: &RelPath) -> io::Result<Option<(Found, Node)>> {
        let mut file = match rustix::fs::openat(parent, path.name(), FILE, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        // Before it is read: what is written meanwhile makes another stamp.
        let found = Folder::read_still(&file)?;
        let Found::File { stamp, executable } = &found else { return Ok(None) };
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; BUFFER.min(stamp.size as usize + 1)];
        let mut left = stamp.size;
        while left > 0 {
            let most = buffer.len().min(left.try_into().unwrap_or(usize::MAX));
            match file.read(&mut buffer[..most])? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    left -= count as u64;
                }
            }
        }
        let digest = hasher.finish();
        let young = i64::try_from(YOUNG.as_nanos()).unwrap_or(i64::MAX);
        if stamp.changed_ns.max(stamp.modified_ns) < self.now_ns.saturating_sub(young) {
            self.cache.put(path.clone(), found.clone(), digest);
        }
        let node = Node::File { digest, executable: *executable };
        Ok(Some((found, node)))
    }

    fn learn_docker(&mut self) -> Result<(), ScanError> {
        let top = self.folder.enter(&RelPath::root());
        let top = top.map_err(|errno| ScanError::Io(RelPath::root(), errno.into()))?;
        let text = self.text(top.as_fd(), &RelPath::root(), DOCKERIGNORE)?;
        text.map_or(Ok(()), |text| self.rules.learn_docker(&text).map_err(ScanError::Rules))
    }

    /// The text of an ignore file of a folder; none where there is no regular file.
    fn text(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &RelPath,
        name: &str,
    ) -> Result<Option<String>, ScanError> {
        let failed = |error: io::Error| {
            ScanError::Io(path.join(name.as_bytes()).unwrap_or_else(|_| path.clone()), error)
        };
        match look(folder, name.as_bytes()) {
            Ok(Some(Found::File { .. })) => {}
            Ok(_) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        }
        let file = match rustix::fs::openat(folder, name, FILE, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        };
        let mut text = Vec::new();
        let room = self.bounds.rules_bytes.saturating_sub(self.rules_bytes);
        file.take(room).read_to_end(&mut text).map_err(failed)?;
        self.rules_bytes += text.len() as u64;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}
