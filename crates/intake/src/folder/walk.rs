//! Lists a folder: ignore files honoured, links kept as links, everything held to the same rules as an archive.
//! Reads names and metadata only. What the user's own git settings say (global excludes, parents of the folder) does
//! not count: the same folder gives the same listing on every machine.

use std::collections::{BTreeMap, HashSet};
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;

use super::rules::{DOCKERIGNORE, GITIGNORE, IgnoreRules, Verdict, is_installed};
use crate::limits::Limits;
use crate::listing::{Entry, EntryKind, Listing, SkipReason};
use crate::paths::{self, Backslash};
use crate::refusal::{Reason, Refusal, Shown};
use crate::tree;

type Skipped = Arc<Mutex<BTreeMap<SkipReason, u64>>>;

pub(super) fn list(dir: &Path, limits: &Limits) -> Result<Listing, Refusal> {
    let shown = Shown::from(&*dir.to_string_lossy());
    let metadata = std::fs::metadata(dir).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Refusal::Folder(Reason::NotFound { path: shown.clone() }),
        _ => Refusal::Io { doing: format!("open {shown}"), source },
    })?;
    if !metadata.is_dir() {
        return Err(Refusal::Folder(Reason::NotAFolder { path: shown }));
    }
    let skipped = Skipped::default();
    let rules = Arc::new(Mutex::new(Learning::begin(dir, limits)?));
    let mut entries = Vec::new();
    let mut bytes: u64 = 0;
    for found in walker(dir, &rules, &skipped) {
        let found = found.map_err(|error| walk_error(&error))?;
        let Some(kind) = found.file_type().filter(|_| found.depth() > 0) else { continue };
        let path = relative(dir, found.path(), limits)?;
        if kind.is_dir()
            && lock(&rules).rules.judge(found.path().strip_prefix(dir).unwrap_or(found.path()), true)
                == Verdict::Enter
        {
            continue;
        }
        let Some(kind) = entry_kind(&found, kind, &path)? else {
            count(&skipped, SkipReason::SpecialFile);
            continue;
        };
        if let EntryKind::File { size, .. } = kind {
            bytes = bytes.saturating_add(size);
            check_size(&path, size, bytes, limits)?;
        }
        entries.push(Entry { path, kind });
        if entries.len() as u64 > limits.entries {
            let (found, limit) = (entries.len() as u64, limits.entries);
            return Err(Refusal::Folder(Reason::TooManyEntries { found, limit }));
        }
    }
    if entries.iter().all(|entry| entry.kind == EntryKind::Directory) {
        return Err(Refusal::Folder(Reason::NoEntries));
    }
    tree::check(&entries).map_err(Refusal::Folder)?;
    let skipped = lock(&skipped);
    Ok(Listing::new(entries, None, &skipped))
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rules of a folder as far as it has been walked.
struct Learning {
    dir: PathBuf,
    most: u64,
    rules: IgnoreRules,
    learned: HashSet<PathBuf>,
}

impl Learning {
    fn begin(dir: &Path, limits: &Limits) -> Result<Self, Refusal> {
        let mut rules = IgnoreRules::default();
        let most = limits.manifest_bytes;
        if let Some(text) =
            read_rules(&dir.join(DOCKERIGNORE), most).map_err(Refusal::io("read “.dockerignore”"))?
        {
            rules.learn_docker(&text)?;
        }
        Ok(Self { dir: dir.to_owned(), most, rules, learned: HashSet::new() })
    }

    /// Why a path is left out. Its folder's own rules are learned first; one that cannot be read says nothing, as for git.
    fn reason(&mut self, path: &Path, is_folder: bool) -> Option<SkipReason> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.learned.insert(parent.to_owned())
            && let Ok(Some(text)) = read_rules(&self.dir.join(parent).join(GITIGNORE), self.most)
        {
            self.rules.learn_git(parent, &text);
        }
        match self.rules.judge(path, is_folder) {
            Verdict::Out(reason) => Some(reason),
            _ if is_folder && is_installed(path, |path| self.dir.join(path).is_file()) => {
                Some(SkipReason::InstalledDependencies)
            }
            _ => None,
        }
    }
}

/// The text of an ignore file; none where there is no regular file.
fn read_rules(path: &Path, most: u64) -> io::Result<Option<String>> {
    use io::Read;
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut text = Vec::new();
    super::open_unfollowed(path)?.take(most).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

fn walker(dir: &Path, rules: &Arc<Mutex<Learning>>, skipped: &Skipped) -> ignore::Walk {
    let (root, rules, skipped) = (dir.to_owned(), Arc::clone(rules), Arc::clone(skipped));
    WalkBuilder::new(dir)
        .hidden(false)
        .parents(false)
        .ignore(false)
        .git_ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let path = entry.path().strip_prefix(&root).ok().filter(|path| *path != Path::new(""));
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let reason = path.and_then(|path| lock(&rules).reason(path, is_folder));
            if let Some(reason) = reason {
                count(&skipped, reason);
            }
            reason.is_none()
        })
        .build()
}

fn count(skipped: &Skipped, reason: SkipReason) {
    *lock(skipped).entry(reason).or_default() += 1;
}

fn relative(dir: &Path, path: &Path, limits: &Limits) -> Result<String, Refusal> {
    let relative = path.strip_prefix(dir).unwrap_or(path);
    let bad = |why| Refusal::Folder(Reason::BadName { entry: (&*relative.to_string_lossy()).into(), why });
    let name = relative.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
    let backslash = if cfg!(windows) { Backslash::Separator } else { Backslash::Character };
    paths::clean(name, backslash, limits).map_err(Refusal::Folder)
}

/// `None` for sockets, pipes and devices.
fn entry_kind(found: &ignore::DirEntry, kind: FileType, path: &str) -> Result<Option<EntryKind>, Refusal> {
    if kind.is_dir() {
        return Ok(Some(EntryKind::Directory));
    }
    if kind.is_symlink() {
        let target =
            std::fs::read_link(found.path()).map_err(Refusal::io(format!("read {}", Shown::from(path))))?;
        let bad = |why| Refusal::Folder(Reason::BadName { entry: path.into(), why });
        let target = target.to_str().ok_or_else(|| bad("its link target is not UTF-8"))?.to_owned();
        if target.chars().any(char::is_control) {
            return Err(bad("its link target contains control characters"));
        }
        return Ok(Some(EntryKind::Symlink { target }));
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let metadata = found.metadata().map_err(|error| walk_error(&error))?;
    Ok(Some(EntryKind::File { size: metadata.len(), executable: is_executable(&metadata) }))
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

fn check_size(path: &str, size: u64, total: u64, limits: &Limits) -> Result<(), Refusal> {
    let too_large =
        |what: String, bytes, limit| Err(Refusal::Folder(Reason::TooLarge { what, bytes, limit }));
    if size > limits.file_bytes {
        return too_large(Shown::from(path).to_string(), size, limits.file_bytes);
    }
    if total > limits.produced_bytes {
        return too_large("all files together".into(), total, limits.produced_bytes);
    }
    Ok(())
}

fn walk_error(error: &ignore::Error) -> Refusal {
    let kind = error.io_error().map_or(io::ErrorKind::Other, io::Error::kind);
    Refusal::Io { doing: "read the folder".into(), source: io::Error::new(kind, error.to_string()) }
}
