//! Paths inside a synced folder: raw bytes, relative, checked when made, so that whoever holds one can walk it part by part.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The longest single name, in bytes, that Linux file systems take.
pub const NAME_BYTES: usize = 255;
/// The longest path, in bytes: what the kernel takes, less the folder's own path.
const PATH_BYTES: usize = 3072;
/// Folders inside folders.
const DEPTH: usize = 128;

/// A path below the synced folder; empty for the folder itself. Parts are joined by `/` and are never empty, `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Arc<[u8]>);

/// What was no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath;

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a plain relative path")
    }
}

impl std::error::Error for BadPath {}

impl RelPath {
    /// The folder itself.
    pub fn root() -> Self {
        Self(Arc::from(&b""[..]))
    }

    /// A path from raw bytes.
    pub fn new(raw: &[u8]) -> Result<Self, BadPath> {
        if raw.is_empty() {
            return Ok(Self::root());
        }
        let legal =
            |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && part.len() <= NAME_BYTES;
        let fits = raw.len() <= PATH_BYTES && !raw.contains(&0);
        if fits && raw.split(|&b| b == b'/').count() <= DEPTH && raw.split(|&b| b == b'/').all(legal) {
            Ok(Self(Arc::from(raw)))
        } else {
            Err(BadPath)
        }
    }

    /// A name inside this folder.
    pub fn join(&self, name: &[u8]) -> Result<Self, BadPath> {
        if name.contains(&b'/') || name.is_empty() {
            return Err(BadPath);
        }
        if self.is_root() {
            return Self::new(name);
        }
        Self::new(&[&self.0, &b"/"[..], name].concat())
    }

    /// Whether it is the folder itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its parts from the top.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }

    /// How many parts it has.
    pub fn depth(&self) -> usize {
        self.parts().count()
    }

    /// The last part; empty for the folder itself.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// The folder it is in; none for the folder itself.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(Arc::from(&self.0[..end])))
    }

    /// Whether it lies below `folder`, at any depth.
    pub fn is_below(&self, folder: &Self) -> bool {
        if folder.is_root() {
            return !self.is_root();
        }
        self.0.len() > folder.0.len() && self.0.starts_with(&folder.0) && self.0[folder.0.len()] == b'/'
    }

    /// Where everything below it begins and ends in byte order.
    pub fn below(&self) -> (Self, Self) {
        // '0' is the byte after '/'.
        (Self([&self.0, &b"/"[..]].concat().into()), Self([&self.0, &b"0"[..]].concat().into()))
    }

    /// As a path of this machine.
    #[cfg(unix)]
    pub fn to_path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        PathBuf::from(std::ffi::OsStr::from_bytes(&self.0))
    }

    /// As a path of this machine.
    #[cfg(not(unix))]
    pub fn to_path(&self) -> PathBuf {
        PathBuf::from(String::from_utf8_lossy(&self.0).into_owned())
    }
}

/// For people: what is not UTF-8, controls and direction marks are escaped.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steers = |c: char| {
            c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if steers(c) { write!(f, "{}", c.escape_unicode())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{self}”")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_taken() {
        for good in [&b""[..], b"a", b"a/b", b"\xff\n", b"...", &[b'x'; 255]] {
            assert_eq!(RelPath::new(good).map(|path| path.as_bytes().to_vec()), Ok(good.to_vec()));
        }
        for bad in [&b"/"[..], b"/a", b"a/", b"a//b", b".", b"..", b"a/../b", b"a\0", &[b'x'; 256]] {
            assert_eq!(RelPath::new(bad), Err(BadPath), "{bad:?}");
        }
        assert!(RelPath::new(&b"a/".repeat(200)[..399]).is_err(), "too deep");
    }

    #[test]
    fn a_folder_s_range_holds_what_is_below_it_and_nothing_else() {
        let folder = RelPath::new(b"a").expect("a path");
        let (from, to) = folder.below();
        for (path, inside) in [("a/b", true), ("a/\u{ff}", true), ("a", false), ("a-b", false), ("a0", false)]
        {
            let path = RelPath::new(path.as_bytes()).expect("a path");
            assert_eq!(from <= path && path < to, inside, "{path}");
            assert_eq!(path.is_below(&folder), inside, "{path}");
        }
    }

    #[test]
    fn a_name_is_shown_without_anything_a_terminal_would_obey() {
        assert_eq!(RelPath::new(b"a\n\xff\x1b[2J").expect("a path").to_string(), "a\\u{a}\\xff\\u{1b}[2J");
    }
}
