//! What a path is. A [`Node`] is what both ends can agree on; a [`Found`] is what one end's disk says, by which a later
//! look knows whether anything has changed since.

use sha2::Digest as _;

/// SHA-256 of a file's content.
pub type Digest = [u8; 32];

/// What a path is, so far as it is synced. Of a file's mode only whether its owner may run it, as for git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// Its owner may run it.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as written.
        target: Vec<u8>,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 at which its content was last changed; whoever owns the file can set it.
    pub modified_ns: i64,
    /// Nanoseconds since 1970 at which anything about it was last changed; only the kernel sets it.
    pub changed_ns: i64,
    /// Its number on its file system.
    pub inode: u64,
}

/// What one end's disk says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// By which to know it again.
        stamp: Stamp,
        /// Its owner may run it.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as written.
        target: Vec<u8>,
    },
}

impl Found {
    /// Whether this is still what was found `before`, as far as can be told after its name was changed, which by itself
    /// counts as a change for the kernel.
    pub(crate) fn is_still(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::File { stamp: a, .. }, Self::File { stamp: b, .. }) => {
                (a.size, a.modified_ns) == (b.size, b.modified_ns)
            }
            _ => self == before,
        }
    }
}

/// Takes a file's digest piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Takes more of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was taken.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

/// Whether a link `depth` folders below the top stays inside wherever else links lead: `..` only at its start, where it
/// walks up real folders, and never above the top. What follows leads down, through links that were held to the same.
pub fn safe_target(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.len() > 4095 || target[0] == b'/' || target.contains(&0) {
        return false;
    }
    // There a backslash parts folders, and a colon names a drive or a stream.
    if cfg!(windows) && target.iter().any(|byte| matches!(byte, b'\\' | b':')) {
        return false;
    }
    let mut ups = 0;
    let mut went_down = false;
    for part in target.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if went_down => return false,
            b".." => ups += 1,
            _ => went_down = true,
        }
    }
    ups <= depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_below_the_top() {
        for (target, depth, safe) in [
            ("a", 0, true),
            ("./a/b", 0, true),
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
            assert_eq!(safe_target(target.as_bytes(), depth), safe, "{target:?} at {depth}");
        }
    }
}
