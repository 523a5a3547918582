//! From a request's path to what lies there, inside the root and nowhere else. Paths are hostile: decoded once, checked
//! after decoding, and checked again after symbolic links were followed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A regular file to be sent.
    File(PathBuf),
    /// A directory without an index.
    Directory(PathBuf),
    /// A directory that was asked for without the slash at its end.
    NeedsSlash,
    /// Nothing, or nothing that may be shown.
    Nothing,
}

/// Looks a request's path up below `root`, which must be canonical. Blocking.
pub(super) fn resolve(root: &Path, path: &str) -> Found {
    let Some(relative) = relative(path) else { return Found::Nothing };
    let wanted = root.join(&relative);
    if let Some(found) = inside(root, &wanted) {
        if found.is_file() && !path.ends_with('/') {
            return Found::File(found);
        }
        if found.is_dir() {
            if !path.ends_with('/') {
                return Found::NeedsSlash;
            }
            let index = inside(root, &found.join("index.html")).filter(|index| index.is_file());
            return index.map_or(Found::Directory(found), Found::File);
        }
    }
    // Exported sites link to `/about` and mean `about.html`.
    let mut page = wanted.into_os_string();
    page.push(".html");
    let page = (!path.ends_with('/')).then(|| inside(root, Path::new(&page))).flatten();
    page.filter(|page| page.is_file()).map_or(Found::Nothing, Found::File)
}

/// The path with all links followed, if that is still in the root.
pub(super) fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.starts_with(root))
}

/// The decoded path as one relative to the root, or nothing when it climbs or cannot be a path.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = decode(path.strip_prefix('/')?)?;
    let mut relative = PathBuf::new();
    for part in decoded.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            _ => relative.push(OsString::from_vec(part.to_vec())),
        }
    }
    Some(relative)
}

/// Percent-decodes once. Broken escapes and NUL are no path.
fn decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            (digit(bytes.next()?)? * 16 + digit(bytes.next()?)?) as u8
        } else {
            byte
        };
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn site() -> (tempfile::TempDir, PathBuf) {
        let whole = tempfile::tempdir().expect("a directory");
        let outside = whole.path().canonicalize().expect("canonical");
        let root = outside.join("root");
        for directory in ["root/docs", "root/bare", "root-other"] {
            std::fs::create_dir_all(outside.join(directory)).expect("a directory");
        }
        for file in [
            "secret",
            "root-other/secret",
            "root/index.html",
            "root/about.html",
            "root/docs/index.html",
            "root/a b%é.txt",
            "root/bare/x.txt",
        ] {
            std::fs::write(outside.join(file), file).expect("a file");
        }
        symlink("../secret", root.join("escape")).expect("a link");
        symlink(&outside, root.join("up")).expect("a link");
        symlink("../root-other", root.join("sibling")).expect("a link");
        symlink("docs", root.join("manual")).expect("a link");
        symlink("loop", root.join("loop")).expect("a link");
        (whole, root)
    }

    #[test]
    fn paths_lead_to_files_indexes_and_directories() {
        let (_whole, root) = site();
        let file = |name: &str| Found::File(root.join(name));
        for (path, expected) in [
            ("/", file("index.html")),
            ("/index.html", file("index.html")),
            ("/about", file("about.html")),
            ("/docs", Found::NeedsSlash),
            ("/docs/", file("docs/index.html")),
            ("//docs//./index.html", file("docs/index.html")),
            ("/manual/", file("docs/index.html")),
            ("/a%20b%25%C3%A9.txt", file("a b%é.txt")),
            ("/bare/", Found::Directory(root.join("bare"))),
            ("/bare%2Fx.txt", file("bare/x.txt")),
            ("/index.html/", Found::Nothing),
            ("/missing", Found::Nothing),
        ] {
            assert_eq!(resolve(&root, path), expected, "{path}");
        }
    }

    #[test]
    fn nothing_outside_the_root_can_be_named() {
        let (_whole, root) = site();
        for path in [
            "/../secret",
            "/docs/../../secret",
            "/%2e%2e/secret",
            "/%2E%2E%2Fsecret",
            "/..%2fsecret",
            "/escape",
            "/up/secret",
            "/up/root/index.html/../../secret",
            "/sibling/secret",
            "/loop",
            "/index.html%00.txt",
            "/%zz",
            "/%4",
            "secret",
            "",
        ] {
            assert_eq!(resolve(&root, path), Found::Nothing, "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_stays_inside(path in "(/|\\.|%2[eEfF]|up|escape|docs|secret|%|\\PC){0,12}") {
            let (_whole, root) = site();
            if let Found::File(found) | Found::Directory(found) = resolve(&root, &path) {
                prop_assert!(found.starts_with(&root), "{}", found.display());
            }
        }
    }
}
