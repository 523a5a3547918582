//! Files in a container. Paths are absolute and as text; names that are not UTF-8 are shown with `\xNN` escapes and
//! marked, so that what is shown can always be sent back.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use ts_rs::TS;

use crate::WorkspaceId;

/// A name or path of any bytes as text that can be shown and sent back: `\\xNN` for control characters and for what is not
/// UTF-8, `\\\\` for a backslash.
pub fn shown_name(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut out, byte));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut out, byte));
    }
    out
}

fn escape(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

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

/// An entry of a directory, as the directory tells of it; `file.stat` tells the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DirectoryEntry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Where a symlink points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub target: Option<String>,
}

/// A directory's entries: directories first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DirectoryListing {
    /// The entries, at most 100,000.
    pub entries: Vec<DirectoryEntry>,
    /// Entries beyond the bound were left out.
    pub truncated: bool,
    /// The names of directories a watching does not look into, such as `node_modules`.
    #[serde(default)]
    pub folded: Vec<String>,
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
    /// Put it aside instead, so that a rename brings it back; what is not brought back is to be removed in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub keep: Option<bool>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RemovedFile {
    /// Where it lies aside, alone in a directory; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub kept: Option<String>,
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

/// Ask for the digest of a file, or of what arrived of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DigestFile {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path in the container.
    pub path: String,
    /// Of so many bytes from the beginning; of all without it.
    #[serde(default)]
    #[ts(optional)]
    pub length: Option<u64>,
    /// Not the file but what arrived of it by an upload that was cut and can go on.
    #[serde(default)]
    pub partial: bool,
}

/// What is there of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileDigest {
    /// Bytes that are there.
    pub size: u64,
    /// Bytes that were digested: fewer than asked for when fewer are there.
    pub digested: u64,
    /// Their SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// Ask what changes below a directory. Who asks watches; the watching ends a minute after nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WatchFiles {
    /// The workspace.
    pub id: WorkspaceId,
    /// Absolute path of a directory in the container; the project's folder without it.
    #[serde(default)]
    #[ts(optional)]
    pub path: Option<String>,
    /// What the last answer called `next`; without it only what changes from now on is told.
    #[serde(default)]
    #[ts(optional)]
    pub after: Option<String>,
    /// When nothing has changed yet, wait so long for it, milliseconds, at most 10,000.
    #[serde(default)]
    #[ts(optional)]
    pub wait_ms: Option<u64>,
}

/// What became of a path. Several changes in a row are one, with what is there at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileChange {
    /// Absolute path in the container.
    pub path: String,
    /// What is there now; without it the path is gone, with all that was below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub entry: Option<FileEntry>,
}

/// What changed below a directory. Directories such as `node_modules` are not looked into: what changes in one is told
/// as a change of itself, unless the watching begins there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileChanges {
    /// The changes, oldest first, at most 1,000; there may be more right now.
    pub changes: Vec<FileChange>,
    /// Ask again with `after` set to it.
    pub next: String,
    /// What changed before this answer is not known, as at the beginning: look at everything anew. What changes after is told.
    pub rescan: bool,
    /// Directories whose changes are not seen, because a limit of the machine was reached or they may not be read. At most 100.
    pub unwatched: Vec<String>,
}
