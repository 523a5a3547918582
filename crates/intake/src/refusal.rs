//! Why an import is refused: one plain sentence that names the entry, a stable code, and what to do next.
//! Names come from hostile input, so they pass through [`Shown`] before they reach any message.

use std::{fmt, io};

/// A name fit to print: control, bidirectional and invisible characters escaped, at most 120 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown(String);

impl Shown {
    const CHARS: usize = 120;
}

impl From<&str> for Shown {
    fn from(name: &str) -> Self {
        let mut shown = String::new();
        let mut count = 0;
        for c in name.chars() {
            let misleading = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            let piece =
                if c.is_control() || misleading { c.escape_default().to_string() } else { c.to_string() };
            count += piece.chars().count();
            if count > Self::CHARS {
                shown.push('…');
                break;
            }
            shown.push_str(&piece);
        }
        Self(shown)
    }
}

impl From<&String> for Shown {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<&[u8]> for Shown {
    fn from(name: &[u8]) -> Self {
        Self::from(&*String::from_utf8_lossy(name))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{}”", self.0)
    }
}

/// What is wrong with an archive's or a folder's contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file has no bytes at all.
    #[error("the file is 0 bytes long")]
    EmptyFile,
    /// A well-formed archive, or a folder, with nothing in it to run.
    #[error("there are no files in it")]
    NoEntries,
    /// The bytes are not a zip archive.
    #[error("this is not a zip file")]
    NotAZip,
    /// It begins like a zip but its end is missing.
    #[error("the zip file is cut short")]
    Truncated,
    /// The structure or the data contradict themselves.
    #[error("the zip file is damaged{}: {what}", at(entry.as_ref()))]
    Corrupt {
        /// Where, if known.
        entry: Option<Shown>,
        /// What does not fit.
        what: &'static str,
    },
    /// A password is needed.
    #[error("{entry} is protected by a password")]
    Encrypted {
        /// The first such entry.
        entry: Shown,
    },
    /// The name climbs out with `..`.
    #[error("{entry} would be written outside the project folder")]
    PathEscape {
        /// The entry as named in the archive.
        entry: Shown,
    },
    /// The name is absolute, has a drive letter or a network share.
    #[error("{entry} is an absolute path")]
    AbsolutePath {
        /// The entry as named in the archive.
        entry: Shown,
    },
    /// A symbolic link leads outside, directly or through other links.
    #[error("the symbolic link {entry} points outside the project folder, to {target}")]
    SymlinkEscape {
        /// The link.
        entry: Shown,
        /// Its target as written.
        target: Shown,
    },
    /// Symbolic links that lead to each other, or too many of them to follow.
    #[error("the symbolic link {entry} never arrives anywhere")]
    SymlinkLoop {
        /// The link.
        entry: Shown,
    },
    /// An entry lies behind a symbolic link of the same archive.
    #[error("{entry} would be written through the symbolic link {link}")]
    ThroughSymlink {
        /// The entry behind the link.
        entry: Shown,
        /// The link.
        link: Shown,
    },
    /// The same path twice.
    #[error("{entry} is in it twice")]
    Duplicate {
        /// The path.
        entry: Shown,
    },
    /// Two paths that are one on some systems, or a path that is both file and folder.
    #[error("{entry} and {other} cannot both exist: {why}")]
    NameCollision {
        /// The later of the two.
        entry: Shown,
        /// The earlier.
        other: Shown,
        /// In what way they collide.
        why: &'static str,
    },
    /// More bytes than the limit.
    #[error("{what} is {bytes} bytes, more than the limit of {limit} bytes")]
    TooLarge {
        /// "the zip file", "all files together" or a name.
        what: String,
        /// The bytes found or declared.
        bytes: u64,
        /// The limit that was passed.
        limit: u64,
    },
    /// More entries than the limit.
    #[error("it holds {found} entries, more than the limit of {limit}")]
    TooManyEntries {
        /// How many, or how many were counted before stopping.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Compressed beyond what real projects are.
    #[error("{what} would grow more than {limit} times when unpacked, as a zip bomb does")]
    Ratio {
        /// "the zip file" or a name.
        what: String,
        /// The limit, as produced bytes per compressed byte.
        limit: u64,
    },
    /// Folders inside folders beyond the limit.
    #[error("{entry} lies deeper than {limit} folders")]
    TooDeep {
        /// The entry.
        entry: Shown,
        /// The limit in folders.
        limit: u32,
    },
    /// A path or one of its names is too long.
    #[error("the name {entry} is longer than {limit} bytes")]
    PathTooLong {
        /// The beginning of the name.
        entry: Shown,
        /// The limit in bytes.
        limit: u32,
    },
    /// A name that some system cannot hold or would read differently.
    #[error("the name {entry} cannot be used: {why}")]
    BadName {
        /// The entry.
        entry: Shown,
        /// What about it.
        why: &'static str,
    },
    /// Two entries share bytes of the archive, as some zip bombs do.
    #[error("{entry} shares its bytes with another entry, as a zip bomb does")]
    Overlap {
        /// The later entry.
        entry: Shown,
    },
    /// A device, pipe or socket.
    #[error("{entry} is a device, pipe or socket, not a file")]
    SpecialFile {
        /// The entry.
        entry: Shown,
    },
    /// A feature of the format that Slipway does not read.
    #[error("{entry} uses {what}, which Slipway does not read")]
    Unsupported {
        /// The entry, or the archive.
        entry: Shown,
        /// The feature.
        what: String,
    },
    /// Nothing is at that path.
    #[error("{path} does not exist")]
    NotFound {
        /// The path that was given.
        path: Shown,
    },
    /// Something other than a folder is at that path.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The path that was given.
        path: Shown,
    },
}

fn at(entry: Option<&Shown>) -> String {
    entry.map(|entry| format!(" at {entry}")).unwrap_or_default()
}

/// Why nothing was imported. `Display` is the sentence for the user, [`Refusal::hint`] the way on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The archive's contents.
    #[error("{0}")]
    Zip(Reason),
    /// The folder's contents.
    #[error("{0}")]
    Folder(Reason),
    /// A manifest that decides how to run cannot be understood.
    #[error("{file}{}: {what}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Manifest {
        /// Its path in the project.
        file: Shown,
        /// The line, counted from 1, if known.
        line: Option<usize>,
        /// What is wrong, in a sentence.
        what: String,
    },
    /// The caller asked to stop.
    #[error("stopped before it was done")]
    Cancelled,
    /// The operating system refused.
    #[error("could not {doing}: {source}")]
    Io {
        /// The step that failed, as "write x".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Refusal {
    /// Stable, kebab-case; programs may branch on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Zip(reason) => reason.codes().0,
            Self::Folder(reason) => reason.codes().1,
            Self::Manifest { .. } => "manifest-invalid",
            Self::Cancelled => "cancelled",
            Self::Io { .. } => "io",
        }
    }

    /// What the user can do next, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Zip(reason) | Self::Folder(reason) => reason.hint(),
            Self::Manifest { .. } => "Correct that file and try again.",
            Self::Cancelled => "Start it again when you are ready.",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "Free some disk space and try again."
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "Check that you may read it, and that the target may be written."
            }
            Self::Io { .. } => "Check the disk and try again.",
        }
    }

    pub(crate) fn corrupt(what: &'static str) -> Self {
        Self::Zip(Reason::Corrupt { entry: None, what })
    }

    pub(crate) fn corrupt_at(entry: &str, what: &'static str) -> Self {
        Self::Zip(Reason::Corrupt { entry: Some(entry.into()), what })
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl Reason {
    /// The codes for a zip and for a folder.
    fn codes(&self) -> (&'static str, &'static str) {
        match self {
            Self::EmptyFile | Self::NoEntries => ("zip-empty", "folder-empty"),
            Self::NotAZip => ("not-a-zip", "not-a-zip"),
            Self::Truncated => ("zip-truncated", "zip-truncated"),
            Self::Corrupt { .. } => ("zip-corrupt", "zip-corrupt"),
            Self::Encrypted { .. } => ("zip-encrypted", "zip-encrypted"),
            Self::PathEscape { .. } => ("zip-path-escape", "folder-path-escape"),
            Self::AbsolutePath { .. } => ("zip-absolute-path", "folder-absolute-path"),
            Self::SymlinkEscape { .. } | Self::SymlinkLoop { .. } => {
                ("zip-symlink-escape", "folder-symlink-escape")
            }
            Self::ThroughSymlink { .. } => ("zip-through-symlink", "folder-through-symlink"),
            Self::Duplicate { .. } => ("zip-duplicate", "folder-duplicate"),
            Self::NameCollision { .. } => ("zip-name-collision", "folder-name-collision"),
            Self::TooLarge { .. } => ("zip-too-large", "folder-too-large"),
            Self::TooManyEntries { .. } => ("zip-too-many-entries", "folder-too-many-entries"),
            Self::Ratio { .. } => ("zip-ratio", "folder-ratio"),
            Self::TooDeep { .. } => ("zip-too-deep", "folder-too-deep"),
            Self::PathTooLong { .. } => ("zip-path-too-long", "folder-path-too-long"),
            Self::BadName { .. } => ("zip-bad-name", "folder-bad-name"),
            Self::Overlap { .. } => ("zip-overlap", "zip-overlap"),
            Self::SpecialFile { .. } => ("zip-special-file", "folder-special-file"),
            Self::Unsupported { .. } => ("zip-unsupported", "zip-unsupported"),
            Self::NotFound { .. } => ("zip-not-found", "folder-not-found"),
            Self::NotAFolder { .. } => ("not-a-folder", "folder-not-a-folder"),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::EmptyFile | Self::Truncated | Self::Corrupt { .. } => {
                "Download or make the file again; it did not arrive whole."
            }
            Self::NoEntries => "Drop a zip or folder that holds a project.",
            Self::NotAZip => "Drop a .zip file or a folder; unpack other kinds of archive first.",
            Self::Encrypted { .. } => {
                "Unpack it with its password and drop the folder, or zip it again without one."
            }
            Self::PathEscape { .. }
            | Self::AbsolutePath { .. }
            | Self::ThroughSymlink { .. }
            | Self::SpecialFile { .. }
            | Self::Overlap { .. } => {
                "Nothing was unpacked. Ordinary tools do not make such files: ask where it came from."
            }
            Self::SymlinkEscape { .. } | Self::SymlinkLoop { .. } => {
                "Nothing was taken in. Replace the link with the file it points to and try again."
            }
            Self::Duplicate { .. } | Self::NameCollision { .. } | Self::BadName { .. } => {
                "Rename or remove the entry and try again."
            }
            Self::TooLarge { .. } | Self::TooManyEntries { .. } => {
                "Leave out what is not needed (build output, data, dependencies) or raise the limit in the settings."
            }
            Self::Ratio { .. } => "If you trust it, raise the ratio limit in the settings.",
            Self::TooDeep { .. } | Self::PathTooLong { .. } => {
                "Shorten the path or raise the limit in the settings."
            }
            Self::Unsupported { .. } => "Zip it again with the ordinary deflate method.",
            Self::NotFound { .. } => "Check the path.",
            Self::NotAFolder { .. } => "Drop a folder or a .zip file.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_shortened_for_display() {
        assert_eq!(Shown::from("a\x1b[31m\nb\u{202e}c").to_string(), "“a\\u{1b}[31m\\nb\\u{202e}c”");
        assert_eq!(Shown::from(&*"x".repeat(500)).to_string().chars().count(), 120 + 3);
    }

    #[test]
    fn a_refusal_says_what_and_what_next() {
        let refusal = Refusal::Zip(Reason::PathEscape { entry: "../x".into() });
        assert_eq!(refusal.to_string(), "“../x” would be written outside the project folder");
        assert_eq!(refusal.code(), "zip-path-escape");
        assert!(refusal.hint().ends_with("came from."));
    }
}
