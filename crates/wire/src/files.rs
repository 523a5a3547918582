//! Files in a container. Paths are absolute and as text; names that are not UTF-8 are shown with `\xNN` escapes and
//! marked, so that what is shown can always be sent back.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::WorkspaceId;

/// A path in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileRef {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path in the container.
    pub path: String,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, device or pipe.
    Other,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileEntry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Unix permission bits.
    pub mode: u32,
    /// Unix time in milliseconds of its last change.
    pub modified_ms: i64,
    /// Where a symlink points.
    pub target: Option<String>,
}

/// A directory's entries: directories first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DirectoryListing {
    /// The entries, at most 100,000.
    pub entries: Vec<FileEntry>,
    /// Entries beyond the bound were left out.
    pub truncated: bool,
}

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileText {
    /// Its content; absent when it is not UTF-8 text.
    pub text: Option<String>,
    /// What is known of it.
    pub entry: FileEntry,
}

/// Write a text file whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WriteText {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path in the container.
    pub path: String,
    /// The new content.
    pub text: String,
    /// Refuse when the file's last change is not this.
    #[serde(default)]
    #[ts(optional)]
    pub if_modified_ms: Option<i64>,
}

/// Remove a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RemoveFile {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path in the container.
    pub path: String,
    /// Also a directory with all it holds.
    #[serde(default)]
    pub recursive: bool,
}

/// Move a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RenameFile {
    /// The workspace.
    pub id: WorkspaceId,
    /// What to move.
    pub from: String,
    /// Where to.
    pub to: String,
}

/// Make a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Mkdir {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path in the container.
    pub path: String,
}
