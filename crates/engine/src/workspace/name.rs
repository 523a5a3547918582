//! Names and ids of workspaces.

use slipway_wire::{Code, Problem, WorkspaceId};
use std::path::Path;

/// Longest part of an id that comes from the name.
const STEM: usize = 24;

/// A name for people out of a file name: `shop-demo.zip` becomes `shop-demo`.
pub(crate) fn from_path(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".zip").or_else(|| name.strip_suffix(".ZIP")).unwrap_or(&name);
    check(stem).unwrap_or_else(|_| "project".to_owned())
}

/// A name as a person gave it: trimmed, 1 to 80 characters, none of them control characters.
pub(crate) fn check(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(Problem::new(
            Code::Invalid,
            "A workspace's name has 1 to 80 characters, none of them invisible.",
        ));
    }
    Ok(name.to_owned())
}

/// An id that is not taken: the name as a DNS label, and four characters of chance.
pub(crate) fn new_id(name: &str, taken: impl Fn(&WorkspaceId) -> bool) -> Result<WorkspaceId, Problem> {
    let mut stem = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            stem.push(c);
        } else if !stem.ends_with('-') && !stem.is_empty() {
            stem.push('-');
        }
        if stem.len() == STEM {
            break;
        }
    }
    let stem = match stem.trim_matches('-') {
        "" => "project",
        stem => stem,
    };
    for _ in 0..1000 {
        let chance: String =
            std::iter::repeat_with(|| fastrand::choice(b"abcdefghjkmnpqrstuvwxyz23456789".iter()))
                .take(4)
                .flatten()
                .map(|&b| char::from(b))
                .collect();
        let id: WorkspaceId = format!("{stem}-{chance}").parse()?;
        if !taken(&id) {
            return Ok(id);
        }
    }
    Err(Problem::new(Code::Limit, "There is no free id for another workspace of that name.")
        .hint("Delete some with `slipway rm`."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_from_the_name() {
        for (name, stem) in [
            ("Shop Demo!", "shop-demo"),
            ("../../etc", "etc"),
            ("日本語", "project"),
            ("a--b", "a-b"),
            ("a-very-long-name-that-goes-on-and-on", "a-very-long-name-that-go"),
        ] {
            let id = new_id(name, |_| false).unwrap();
            assert_eq!(id.as_str().rsplit_once('-').unwrap().0, stem, "{name}");
        }
    }

    #[test]
    fn a_name_comes_from_the_file() {
        assert_eq!(from_path(Path::new("/x/shop demo.zip")), "shop demo");
        assert_eq!(from_path(Path::new("/")), "project");
    }
}
