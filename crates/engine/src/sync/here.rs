//! This machine's side: the folder a person chose, looked at and watched. All of it blocks, and runs where that is meant.

use slipway_intake::{DOCKERIGNORE, IgnoreRules};
use slipway_mirror::{Bounds, Cache, Folder, Found, Node, RelPath, Scan, ScanError};
use slipway_wire::{Code, Problem};
use std::path::{Path, PathBuf};

use super::{
    books::{Look, Seen},
    watch::{Gathered, Watch},
};

/// The folder, what is known of it, and its watch.
pub(super) struct Here {
    pub(super) folder: Folder,
    pub(super) rules: IgnoreRules,
    dir: PathBuf,
    tag: String,
    cache: Cache,
    watch: Option<Watch>,
    bounds: Bounds,
}

fn gone(dir: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::WrongState, format!("{} cannot be read: {error}.", dir.display())).hint(
        "The sync goes on by itself when the folder is there again; nothing is removed in the workspace.",
    )
}

impl Here {
    /// Opens the folder and begins to watch it; without `hints` it is only looked at.
    pub(super) fn open(
        dir: &str,
        tag: &str,
        bounds: Bounds,
        hints: Option<Gathered>,
    ) -> Result<Self, Problem> {
        let dir = PathBuf::from(dir);
        let folder = Folder::open(&dir, tag).map_err(|error| gone(&dir, &error))?;
        let watch = hints.map(|hints| Watch::begin(&dir, hints));
        let (rules, cache, tag) = (IgnoreRules::default(), Cache::default(), tag.to_owned());
        Ok(Self { folder, rules, dir, tag, cache, watch, bounds })
    }

    /// Why changes are looked for instead of being told.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.watch.as_ref().and_then(|watch| watch.trouble.as_deref())
    }

    /// Looks at everything, as the folder's own rules say.
    pub(super) fn look(&mut self) -> Result<Look, Problem> {
        // Another folder may have its name by now.
        self.folder = Folder::open(&self.dir, &self.tag).map_err(|error| gone(&self.dir, &error))?;
        self.scan(None)
    }

    /// Looks at some paths and below them, files that look unchanged included.
    pub(super) fn look_at(&mut self, paths: &[RelPath]) -> Result<Look, Problem> {
        self.scan(Some(paths))
    }

    fn scan(&mut self, paths: Option<&[RelPath]>) -> Result<Look, Problem> {
        let mut look = Look::default();
        let mut left_out = Vec::new();
        let watch = &mut self.watch;
        let mut tell = |path: RelPath, found: Found, node: Node| {
            if let (Found::Folder, Some(watch)) = (&found, watch.as_mut()) {
                watch.found(&path);
            }
            look.tree.insert(path, Seen { found, node });
        };
        let mut leave = |path: RelPath, why: &'static str| {
            if left_out.len() < 1000 {
                left_out.push((path, why.to_owned()));
            }
        };
        let scan =
            Scan::new(&self.folder, self.bounds, &mut self.rules, &mut self.cache, &mut tell, &mut leave);
        let done = match paths {
            None => scan.learning().whole(),
            Some(paths) => scan.doubting().of(paths),
        };
        done.map_err(|error| self.problem(error))?;
        look.left_out = left_out;
        Ok(look)
    }

    fn problem(&self, error: ScanError) -> Problem {
        let dir = self.dir.display();
        match error {
            ScanError::TooMany(_) => {
                let most = self.bounds.entries;
                Problem::new(Code::Limit, format!("{dir} holds more than {most} files and folders to sync."))
                    .hint(format!("Name what need not be synced in {dir}/{DOCKERIGNORE} or .gitignore, or raise the setting intake.entries."))
            }
            ScanError::Rules(refusal) => {
                Problem::new(Code::Invalid, format!("The ignore files of {dir} cannot be read: {refusal}."))
                    .hint("Mend the line; the sync is then to be started again.")
            }
            ScanError::Io(path, error) => {
                Problem::new(Code::Storage, format!("{path} in {dir} cannot be read: {error}."))
                    .hint("The sync tries again by itself.")
            }
        }
    }
}
