//! What an archive or folder holds, after every check: paths that are relative, unique and inside the root.
//! A `Listing` is only made by this crate, from checked input; it says also what was left out and why.

use std::collections::BTreeMap;

/// What one entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Bytes once unpacked.
        size: u64,
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A folder.
    Directory,
    /// A symbolic link whose target was checked to stay inside the root.
    Symlink {
        /// The target as written, relative to the link's own folder.
        target: String,
    },
}

/// One file, folder or symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative, `/`-separated, without `.`, `..` or empty components, after stepping into the root.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// Why some entries are not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// `__MACOSX/`, `.DS_Store`, `Icon\r`, `Thumbs.db`, `desktop.ini`: litter of file managers.
    Litter,
    /// `.git`: history, hooks and configuration of the sender; nothing a run needs, and hooks are code.
    GitMetadata,
    /// `node_modules` beside a `package.json`, or a Python virtual environment: built for another machine, rebuilt here.
    InstalledDependencies,
    /// Named by `.gitignore` or `.dockerignore` (folders only).
    Ignored,
    /// Sockets, pipes and devices (folders only; in a zip they are refused).
    SpecialFile,
}

impl SkipReason {
    /// A few words for a message: "12 entries left out: …".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Litter => "file manager litter",
            Self::GitMetadata => "git history (.git)",
            Self::InstalledDependencies => "installed dependencies, which are rebuilt inside",
            Self::Ignored => "named by .gitignore or .dockerignore",
            Self::SpecialFile => "sockets, pipes or devices",
        }
    }
}

/// Entries left out for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// How many entries of the archive; in a folder, how many places (a left-out folder is not entered, so counts once).
    pub entries: u64,
}

/// A checked archive or folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Listing {
    /// Everything that will exist, in the archive's order. Parent folders may be implied.
    pub entries: Vec<Entry>,
    /// The single top-level folder that was stepped into, if there was one.
    pub root: Option<String>,
    /// Regular files.
    pub files: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
    /// What was left out, one line per reason.
    pub skipped: Vec<Skipped>,
}

impl Listing {
    /// The entry at `path`, if any. Linear: for repeated questions build an index.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    pub(crate) fn new(
        entries: Vec<Entry>,
        root: Option<String>,
        skipped: &BTreeMap<SkipReason, u64>,
    ) -> Self {
        let sizes = entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File { size, .. } => Some(size),
            _ => None,
        });
        let (files, bytes) =
            sizes.fold((0, 0_u64), |(files, bytes), size| (files + 1, bytes.saturating_add(size)));
        let skipped = skipped.iter().map(|(&reason, &entries)| Skipped { reason, entries }).collect();
        Self { entries, root, files, bytes, skipped }
    }
}
