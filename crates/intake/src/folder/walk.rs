//! Lists a folder: ignore files honoured, links kept as links, everything held to the same rules as an archive.
//! Reads names and metadata only. What the user's own git settings say (global excludes, parents of the folder) does
//! not count: the same folder gives the same listing on every machine.

use std::collections::{BTreeMap, HashSet};
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;

use super::dockerignore::DockerIgnore;
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
    let docker = Arc::new(read_dockerignore(dir, limits)?);
    let mut entries = Vec::new();
    let mut bytes: u64 = 0;
    for found in walker(dir, &docker, &skipped) {
        let found = found.map_err(|error| walk_error(&error))?;
        let Some(kind) = found.file_type().filter(|_| found.depth() > 0) else { continue };
        let path = relative(dir, found.path(), limits)?;
        if kind.is_dir() && docker.leaves_out(Path::new(&path), true) {
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
    count_ignored(dir, &entries, &skipped);
    let skipped = skipped.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Listing::new(entries, None, &skipped))
}

fn walker(dir: &Path, docker: &Arc<DockerIgnore>, skipped: &Skipped) -> ignore::Walk {
    let (root, docker, skipped) = (dir.to_owned(), Arc::clone(docker), Arc::clone(skipped));
    WalkBuilder::new(dir)
        .hidden(false)
        .parents(false)
        .ignore(false)
        .git_ignore(true)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let reason =
                entry.path().strip_prefix(&root).ok().filter(|path| *path != Path::new("")).and_then(
                    |path| {
                        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
                        reason(entry.path(), path, is_folder, &docker)
                    },
                );
            if let Some(reason) = reason {
                count(&skipped, reason);
            }
            reason.is_none()
        })
        .build()
}

fn count(skipped: &Skipped, reason: SkipReason) {
    *skipped.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
}

/// Why a path is left out, beyond `.gitignore`, which the walk itself applies before asking.
fn reason(full: &Path, path: &Path, is_folder: bool, docker: &DockerIgnore) -> Option<SkipReason> {
    let name = path.file_name().unwrap_or_default();
    if name == ".git" {
        Some(SkipReason::GitMetadata)
    } else if name.to_str().is_some_and(paths::is_litter) {
        Some(SkipReason::Litter)
    } else if is_folder && is_installed(full) {
        Some(SkipReason::InstalledDependencies)
    } else if is_folder && docker.leaves_out_below(path) || !is_folder && docker.leaves_out(path, false) {
        Some(SkipReason::Ignored)
    } else {
        None
    }
}

/// `node_modules` beside a `package.json`, or a Python virtual environment: both are rebuilt inside.
fn is_installed(folder: &Path) -> bool {
    let beside = |name| folder.parent().is_some_and(|parent| parent.join(name).is_file());
    folder.file_name().is_some_and(|name| name == "node_modules") && beside("package.json")
        || folder.join("pyvenv.cfg").is_file()
}

/// `.gitignore` hides a path before anything here sees it, so that a left-out `.env` would go unnoticed. The top level
/// is compared with what is there; one line in a message is worth that.
fn count_ignored(dir: &Path, entries: &[Entry], skipped: &Skipped) {
    let Ok(top) = std::fs::read_dir(dir) else { return };
    let kept: HashSet<&str> = entries.iter().filter_map(|entry| entry.path.split('/').next()).collect();
    let known = |name: &str, path: PathBuf| name == ".git" || paths::is_litter(name) || is_installed(&path);
    let hidden = top.flatten().filter(|entry| {
        let name = entry.file_name();
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir());
        name.to_str().is_some_and(|name| regular && !kept.contains(name) && !known(name, entry.path()))
    });
    let hidden = hidden.count() as u64;
    let mut skipped = skipped.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = skipped.get(&SkipReason::Ignored).copied().unwrap_or_default();
    if hidden > counted {
        skipped.insert(SkipReason::Ignored, hidden);
    }
}

fn read_dockerignore(dir: &Path, limits: &Limits) -> Result<DockerIgnore, Refusal> {
    use io::Read;
    let path = dir.join(".dockerignore");
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(DockerIgnore::default());
    }
    let mut text = Vec::new();
    super::open_unfollowed(&path)
        .and_then(|file| file.take(limits.manifest_bytes).read_to_end(&mut text))
        .map_err(Refusal::io("read “.dockerignore”"))?;
    DockerIgnore::parse(&String::from_utf8_lossy(&text))
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
