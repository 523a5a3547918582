//! Entries as one tree: no path twice, none that collide on a case-folding or normalising file system, none both file
//! and folder, none behind a symbolic link, and no link that leads out (containment cases 3, 4 and 8). No disk here.

use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::listing::{Entry, EntryKind};
use crate::refusal::Reason;

/// Links followed for one link before it counts as a loop; the same as Linux.
const HOPS: u32 = 40;
/// Path components walked for all links together. Real trees need a few per link; hostile ones could ask for billions.
const STEPS: u64 = 2_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File,
    Link,
}

/// Refuses the whole if any two entries cannot live together or any link leads outside.
pub(crate) fn check(entries: &[Entry]) -> Result<(), Reason> {
    let mut nodes: HashMap<String, (&str, Node)> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let node = match entry.kind {
            EntryKind::Directory => Node::Directory,
            EntryKind::File { .. } => Node::File,
            EntryKind::Symlink { .. } => Node::Link,
        };
        place(&mut nodes, entry, node)?;
        for (at, _) in entry.path.rmatch_indices('/') {
            if !place_parent(&mut nodes, entry, &entry.path[..at])? {
                break;
            }
        }
    }
    check_links(entries)
}

fn place<'a>(
    nodes: &mut HashMap<String, (&'a str, Node)>,
    entry: &'a Entry,
    node: Node,
) -> Result<(), Reason> {
    let path = entry.path.as_str();
    let Some(&(other, there)) = nodes.get(&fold(path)) else {
        nodes.insert(fold(path), (path, node));
        return Ok(());
    };
    match (node, there) {
        // A folder and a link: something lies, or is meant to lie, behind the link.
        (Node::Directory, Node::Link) => {
            Err(Reason::ThroughSymlink { entry: path.into(), link: other.into() })
        }
        (Node::Link, Node::Directory) => {
            Err(Reason::ThroughSymlink { entry: other.into(), link: path.into() })
        }
        _ if other != path => Err(collision(path, other, "they differ only in case or accents")),
        (Node::Directory, Node::Directory) => Ok(()),
        (Node::Directory, Node::File) | (Node::File, Node::Directory) => {
            Err(collision(path, other, "one is a file and one a folder"))
        }
        _ => Err(Reason::Duplicate { entry: path.into() }),
    }
}

/// Whether the parent was new, so that its own parents must be looked at too.
fn place_parent<'a>(
    nodes: &mut HashMap<String, (&'a str, Node)>,
    entry: &Entry,
    parent: &'a str,
) -> Result<bool, Reason> {
    let Some(&(other, there)) = nodes.get(&fold(parent)) else {
        nodes.insert(fold(parent), (parent, Node::Directory));
        return Ok(true);
    };
    match there {
        Node::Link => Err(Reason::ThroughSymlink { entry: (&entry.path).into(), link: other.into() }),
        Node::File => Err(collision(&entry.path, other, "one is a file and one a folder")),
        Node::Directory if other != parent => {
            Err(collision(&entry.path, other, "they differ only in case or accents"))
        }
        // Whoever placed it has placed its parents as well.
        Node::Directory => Ok(false),
    }
}

fn collision(entry: &str, other: &str, why: &'static str) -> Reason {
    Reason::NameCollision { entry: entry.into(), other: other.into(), why }
}

/// One key for all spellings that some file system treats as one: canonical composition and full case folding
/// (upper then lower maps ß to ss, ſ to s, the Kelvin sign to k).
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let folded = path.nfc().collect::<String>().to_uppercase().to_lowercase();
    if is_nfc(&folded) { folded } else { folded.nfc().collect() }
}

fn check_links(entries: &[Entry]) -> Result<(), Reason> {
    let links: HashMap<&str, &str> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Symlink { target } => Some((entry.path.as_str(), target.as_str())),
            _ => None,
        })
        .collect();
    let mut steps = STEPS;
    for entry in entries {
        if let EntryKind::Symlink { target } = &entry.kind {
            follow(&entry.path, target, &links, &mut steps)?;
        }
    }
    Ok(())
}

/// Walks the link the way a kernel does: `a/..` is the parent of where `a` leads, not of `a`.
fn follow<'a>(
    link: &str,
    target: &'a str,
    links: &HashMap<&str, &'a str>,
    steps: &mut u64,
) -> Result<(), Reason> {
    let escape = || Reason::SymlinkEscape { entry: link.into(), target: target.into() };
    let endless = || Reason::SymlinkLoop { entry: link.into() };
    let mut at = link.rfind('/').map_or("", |end| &link[..end]).to_owned();
    let mut todo: Vec<&str> = Vec::new();
    let mut hops = 0;
    let mut next = Some(target);
    loop {
        if let Some(target) = next.take() {
            if leads_elsewhere(target) {
                return Err(escape());
            }
            todo.extend(target.rsplit('/'));
        }
        let Some(part) = todo.pop() else { return Ok(()) };
        *steps = steps.checked_sub(1).ok_or_else(endless)?;
        match part {
            "" | "." => {}
            ".." if at.is_empty() => return Err(escape()),
            ".." => at.truncate(at.rfind('/').unwrap_or(0)),
            name => {
                let parent = at.len();
                if parent > 0 {
                    at.push('/');
                }
                at.push_str(name);
                if let Some(target) = links.get(at.as_str()) {
                    hops += 1;
                    if hops > HOPS {
                        return Err(endless());
                    }
                    at.truncate(parent);
                    next = Some(target);
                }
            }
        }
    }
}

fn leads_elsewhere(target: &str) -> bool {
    let bytes = target.as_bytes();
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    drive
        || target.starts_with(['/', '\\'])
        || target.split('\\').any(|part| part == "..") && target.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        Entry { path: path.into(), kind: EntryKind::File { size: 0, executable: false } }
    }
    fn dir(path: &str) -> Entry {
        Entry { path: path.into(), kind: EntryKind::Directory }
    }
    fn link(path: &str, target: &str) -> Entry {
        Entry { path: path.into(), kind: EntryKind::Symlink { target: target.into() } }
    }

    /// Both orders, since what is refused must not depend on the archive's order.
    fn expect(mut entries: Vec<Entry>, code: Option<&str>) {
        for _ in 0..2 {
            let found = check(&entries).map_err(|reason| crate::Refusal::Zip(reason).code()).err();
            assert_eq!(found, code, "for {entries:?}");
            entries.reverse();
        }
    }

    #[test]
    fn ordinary_trees_pass() {
        expect(vec![dir("a"), file("a/b"), file("a/c/d"), dir("a/c"), dir("a")], None);
        expect(vec![file("a/c/d"), dir("a/c"), file("x/y")], None);
    }

    #[test]
    fn the_same_path_twice_is_refused() {
        expect(vec![file("a/b"), file("a/b")], Some("zip-duplicate"));
        expect(vec![file("a"), link("a", "b")], Some("zip-duplicate"));
    }

    #[test]
    fn paths_that_fold_together_are_refused() {
        for (one, two) in
            [("README", "readme"), ("caf\u{e9}", "cafe\u{301}"), ("STRASSE", "straße"), ("K", "\u{212a}")]
        {
            expect(vec![file(one), file(two)], Some("zip-name-collision"));
        }
        expect(vec![file("Src/a"), file("src/b")], Some("zip-name-collision"));
        expect(vec![file("x/Src/a"), dir("x/src/b")], Some("zip-name-collision"));
    }

    #[test]
    fn file_against_folder_is_refused() {
        expect(vec![file("a"), file("a/b")], Some("zip-name-collision"));
        expect(vec![file("a"), dir("a")], Some("zip-name-collision"));
        expect(vec![file("a"), file("a/b/c/d")], Some("zip-name-collision"));
        expect(vec![file("a"), dir("a/b"), file("a/b/c")], Some("zip-name-collision"));
    }

    #[test]
    fn nothing_may_lie_behind_a_link() {
        expect(vec![link("a", "b"), file("a/x")], Some("zip-through-symlink"));
        expect(vec![link("a", "b"), file("a/x/y")], Some("zip-through-symlink"));
        expect(vec![link("A", "b"), file("a/x")], Some("zip-through-symlink"));
        expect(vec![link("a", "b"), dir("a")], Some("zip-through-symlink"));
    }

    #[test]
    fn links_inside_pass_and_links_outside_are_refused() {
        expect(vec![link("bin/tool", "../lib/tool.js"), file("lib/tool.js")], None);
        expect(vec![link("a", "nowhere"), link("b", "."), link("c/d", "..")], None);
        for target in ["/etc/passwd", "..", "../x", "a/../../x", "C:\\x", "\\\\server", "..\\x"] {
            expect(vec![link("l", target)], Some("zip-symlink-escape"));
        }
    }

    #[test]
    fn chains_are_followed_as_a_kernel_would() {
        expect(vec![link("d/e/s", "../.."), link("t", "d/e/s/..")], Some("zip-symlink-escape"));
        expect(vec![link("d/e/s", "../.."), link("t", "d/e/s/x")], None);
        expect(vec![link("a", "b"), link("b", "a")], Some("zip-symlink-escape"));
        expect(vec![link("a", "a/x")], Some("zip-symlink-escape"));
    }

    #[test]
    fn a_tangle_of_links_ends_in_bounded_time() {
        // Chains of 30 stay under the hop limit, so only the budget for all links together ends this.
        let target =
            |n: usize| if n % 30 == 29 { "x".into() } else { format!("{}l{}", "./".repeat(500), n + 1) };
        let entries: Vec<_> = (0..20_000).map(|n| link(&format!("l{n}"), &target(n))).collect();
        expect(entries, Some("zip-symlink-escape"));
    }
}
