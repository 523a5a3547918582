//! What tells that something may have changed on this machine: the system's own watching, gathered into a set of paths to
//! look at. Hints only: too many of them, or some that were lost, mean that everything is looked at.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::AccessKind};
use slipway_mirror::{RelPath, is_ours};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::tune::{HINTS, PATIENCE, QUIET};

/// Where to look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    pub(super) paths: BTreeSet<RelPath>,
    pub(super) whole: bool,
}

/// Hints that wait to be taken.
struct Waiting {
    hints: Hints,
    first: Instant,
    last: Instant,
}

/// Hints, gathered. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Gathered {
    inner: Arc<(Mutex<Option<Waiting>>, Notify)>,
}

impl Gathered {
    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, add: impl FnOnce(&mut Hints)) {
        let now = Instant::now();
        let mut waiting = self.waiting();
        let all = waiting.get_or_insert_with(|| Waiting { hints: Hints::default(), first: now, last: now });
        add(&mut all.hints);
        all.last = now;
        drop(waiting);
        self.inner.1.notify_one();
    }

    pub(super) fn path(&self, path: RelPath) {
        self.add(|hints| {
            if hints.paths.len() >= HINTS {
                hints.whole = true;
                hints.paths.clear();
            }
            if !hints.whole {
                hints.paths.insert(path);
            }
        });
    }

    pub(super) fn whole(&self) {
        self.add(|hints| {
            hints.whole = true;
            hints.paths.clear();
        });
    }

    /// All there are, once none has come for a moment: what came while nobody waited may have had its moment already. May be
    /// dropped while waiting; none is lost.
    pub(super) async fn settled(&self) -> Hints {
        loop {
            let due = self.waiting().as_ref().map(|all| (all.last + QUIET).min(all.first + PATIENCE));
            match due {
                None => self.inner.1.notified().await,
                Some(due) if due > Instant::now() => sleep_until(due).await,
                Some(_) => return self.take(),
            }
        }
    }

    pub(super) fn take(&self) -> Hints {
        self.waiting().take().map(|all| all.hints).unwrap_or_default()
    }
}

/// A watched folder; no longer when dropped.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    dir: PathBuf,
    /// Why not everything is watched.
    pub(super) trouble: Option<String>,
}

/// Linux watches one folder at a time, which leaves out what is left out; the others watch a tree as a whole.
const ONE_BY_ONE: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Watch {
    /// Begins to watch. Where the system refuses, nothing is told and [`Self::trouble`] says why.
    pub(super) fn begin(dir: &Path, hints: Gathered) -> Self {
        let top = dir.to_owned();
        let made = notify::recommended_watcher(move |event| told(&top, event, &hints));
        let mut watch = Self { watcher: None, dir: dir.to_owned(), trouble: None };
        match made {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.refused(&error),
        }
        let mode = if ONE_BY_ONE { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
        watch.add(dir, mode);
        watch
    }

    /// A folder below the top was found.
    pub(super) fn found(&mut self, path: &RelPath) {
        if ONE_BY_ONE {
            self.add(&self.dir.join(path.to_path()), RecursiveMode::NonRecursive);
        }
    }

    fn add(&mut self, path: &Path, mode: RecursiveMode) {
        let Some(watcher) = &mut self.watcher else { return };
        match watcher.watch(path, mode) {
            Ok(()) => {}
            // Gone again, or replaced: the folder above tells.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
            Err(notify::Error { kind: notify::ErrorKind::Io(error), .. })
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &notify::Error) {
        // A part that is watched would hide that the rest is not.
        self.watcher = None;
        let limit = matches!(error.kind, notify::ErrorKind::MaxFilesWatch)
            || matches!(&error.kind, notify::ErrorKind::Io(e) if matches!(e.raw_os_error(), Some(24 | 28)));
        self.trouble = Some(if limit {
            "this machine's limit of watched folders is reached".to_owned()
        } else {
            format!("the folder cannot be watched: {error}")
        });
    }
}

fn told(dir: &Path, event: notify::Result<notify::Event>, hints: &Gathered) {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            tracing::debug!(%error, "watching a synced folder");
            return hints.whole();
        }
    };
    if event.need_rescan() || event.paths.is_empty() {
        return hints.whole();
    }
    if matches!(event.kind, EventKind::Access(kind) if !matches!(kind, AccessKind::Close(notify::event::AccessMode::Write)))
    {
        return;
    }
    for path in &event.paths {
        match below(dir, path) {
            Some(path) if path.is_root() => hints.whole(),
            Some(path) if is_ours(path.name()) => {}
            Some(path) => hints.path(path),
            None => hints.whole(),
        }
    }
}

fn below(dir: &Path, path: &Path) -> Option<RelPath> {
    use std::os::unix::ffi::OsStrExt as _;
    RelPath::new(path.strip_prefix(dir).ok()?.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_hints_become_one_to_look_everywhere() {
        let gathered = Gathered::default();
        for n in 0..=HINTS {
            gathered.path(path(&format!("f{n}")));
        }
        assert_eq!(gathered.take(), Hints { paths: BTreeSet::new(), whole: true });
        assert_eq!(gathered.take(), Hints::default());
    }

    fn path(name: &str) -> RelPath {
        RelPath::new(name.as_bytes()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_given_up_loses_no_hint() {
        let gathered = Gathered::default();
        gathered.path(path("a"));
        let given_up = tokio::time::timeout(QUIET / 2, gathered.settled()).await;
        assert!(given_up.is_err());
        assert_eq!(gathered.settled().await.paths, [path("a")].into());
    }

    #[tokio::test(start_paused = true)]
    async fn hints_are_waited_for_until_they_end_but_not_for_ever_and_not_twice() {
        let gathered = Gathered::default();
        let began = Instant::now();
        let busy = async {
            for n in 0..100 {
                gathered.path(path(&format!("f{n}")));
                tokio::time::sleep(QUIET / 2).await;
            }
        };
        let taken = async {
            let first = gathered.settled().await;
            assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis());
            first.paths.len()
        };
        let ((), first) = tokio::join!(busy, taken);
        assert!(first > 1 && first < 100, "{first}");
        // These lay there for longer than a moment while something else was done.
        tokio::time::sleep(QUIET).await;
        let waited = Instant::now();
        assert_eq!(gathered.settled().await.paths.len(), 100 - first);
        assert_eq!(waited.elapsed().as_millis(), 0);
    }

    #[tokio::test]
    async fn a_change_is_told_and_ours_are_not() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap();
        let gathered = Gathered::default();
        let watch = Watch::begin(&dir, gathered.clone());
        assert_eq!(watch.trouble, None);
        std::fs::write(dir.join(".slipway-sync-in-x.tmp"), "x").unwrap();
        std::fs::write(dir.join("a.txt"), "x").unwrap();
        assert_eq!(gathered.settled().await.paths, [path("a.txt")].into());
    }
}
