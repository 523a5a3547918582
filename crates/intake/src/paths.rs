//! One name from an archive or folder becomes a clean relative path, or a reason why not.
//! Strict on every host: what is refused does not depend on where Slipway runs (containment cases 1, 2 and 8).

use crate::limits::{Limits, NAME_BYTES};
use crate::refusal::Reason;

/// How to read `\` in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// A separator: the archive was made on DOS or Windows, or uses no `/` at all.
    Separator,
    /// A legal if odd character of a Unix name.
    Character,
}

/// The path with `.` and empty components removed, `/`-separated and without a trailing separator. Empty for the root
/// itself (`./`). Refuses `..` anywhere, even where it would stay inside, since nothing honest writes it.
pub(crate) fn clean(name: &str, backslash: Backslash, limits: &Limits) -> Result<String, Reason> {
    if name.len() > limits.path_bytes as usize {
        return Err(Reason::PathTooLong { entry: name.into(), limit: limits.path_bytes });
    }
    if name.contains('\0') {
        return Err(Reason::BadName { entry: name.into(), why: "it contains a zero byte" });
    }
    refuse_absolute_and_climbing(name)?;
    let is_separator = |c| c == '/' || (c == '\\' && backslash == Backslash::Separator);
    let mut path = String::with_capacity(name.len());
    let mut depth = 0;
    for part in name.split(is_separator).filter(|part| !part.is_empty() && *part != ".") {
        if let Some(why) = bad_component(part) {
            return Err(Reason::BadName { entry: name.into(), why });
        }
        if part.len() > NAME_BYTES {
            return Err(Reason::PathTooLong { entry: part.into(), limit: NAME_BYTES as u32 });
        }
        if !path.is_empty() {
            path.push('/');
            depth += 1;
        }
        path.push_str(part);
    }
    if depth > limits.depth {
        return Err(Reason::TooDeep { entry: name.into(), limit: limits.depth });
    }
    Ok(path)
}

/// Both separators count here whatever the archive says of itself: `..\x` climbs on some system.
fn refuse_absolute_and_climbing(name: &str) -> Result<(), Reason> {
    let bytes = name.as_bytes();
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if drive || name.starts_with(['/', '\\']) {
        return Err(Reason::AbsolutePath { entry: name.into() });
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Err(Reason::PathEscape { entry: name.into() });
    }
    Ok(())
}

fn bad_component(part: &str) -> Option<&'static str> {
    if part.chars().any(char::is_control) {
        Some("it contains a control character")
    } else if part.ends_with(['.', ' ']) {
        Some("it ends in a dot or a space")
    } else if is_device_name(part) {
        Some("it is the name of a Windows device")
    } else {
        None
    }
}

/// `CON`, `nul.txt`, `COM1 .log`: Windows opens the device whatever the extension.
/// Source: learn.microsoft.com, "Naming Files, Paths, and Namespaces".
fn is_device_name(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let upper = stem.to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*upper) {
        return true;
    }
    let numbered = upper.strip_prefix("COM").or_else(|| upper.strip_prefix("LPT"));
    numbered.is_some_and(|rest| {
        let mut chars = rest.chars();
        matches!((chars.next(), chars.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
    })
}

/// Litter that file managers leave in archives and folders. `Icon\r` is macOS's custom folder icon.
pub(crate) fn is_litter(name: &str) -> bool {
    name.split(['/', '\\']).any(|part| {
        matches!(
            part,
            "__MACOSX"
                | ".DS_Store"
                | "Icon\r"
                | "Thumbs.db"
                | "desktop.ini"
                | ".Spotlight-V100"
                | ".Trashes"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, backslash: Backslash, expected: Result<&str, &str>) {
        let found = clean(name, backslash, &Limits::default());
        let code = found.map_err(|reason| crate::Refusal::Zip(reason).code());
        assert_eq!(code.as_deref().map_err(|code| *code), expected, "for {name:?}");
    }

    #[test]
    fn clean_names_pass_and_are_normalised() {
        for (name, path) in [
            ("a", "a"),
            ("a/b/", "a/b"),
            ("./a//b/./c", "a/b/c"),
            ("./", ""),
            ("[...slug]/page.tsx", "[...slug]/page.tsx"),
            ("..a/b..c/...d", "..a/b..c/...d"),
            ("console/com10/auxiliary.c", "console/com10/auxiliary.c"),
            ("日本語/é", "日本語/é"),
        ] {
            check(name, Backslash::Character, Ok(path));
        }
    }

    #[test]
    fn backslashes_follow_the_maker() {
        check("src\\main.js", Backslash::Separator, Ok("src/main.js"));
        check("src\\main.js", Backslash::Character, Ok("src\\main.js"));
    }

    #[test]
    fn names_that_climb_or_start_elsewhere_are_refused_whatever_the_maker() {
        for backslash in [Backslash::Separator, Backslash::Character] {
            for name in ["../x", "..\\x", "a/../b", "a\\..\\b", "a/..", "..", "a/..\\b"] {
                check(name, backslash, Err("zip-path-escape"));
            }
            for name in
                ["/etc/passwd", "\\x", "C:\\x", "c:x", "\\\\server\\share\\x", "//server/x", "\\\\?\\C:\\x"]
            {
                check(name, backslash, Err("zip-absolute-path"));
            }
        }
    }

    #[test]
    fn names_some_system_cannot_hold_are_refused() {
        for name in [
            "a\0b",
            "a\nb",
            "a\x1b[2J",
            "CON",
            "a/nul.txt",
            "Com1",
            "lpt9.log.txt",
            "AUX .c",
            "COM²",
            "a./b",
            "a /b",
            "a.",
        ] {
            check(name, Backslash::Character, Err("zip-bad-name"));
        }
    }

    #[test]
    fn long_and_deep_names_are_refused() {
        check(&"a".repeat(256), Backslash::Character, Err("zip-path-too-long"));
        check(&"a/".repeat(513), Backslash::Character, Err("zip-path-too-long"));
        check(&format!("{}a", "a/".repeat(65)), Backslash::Character, Err("zip-too-deep"));
        check(&format!("{}a", "a/".repeat(64)), Backslash::Character, Ok(&*format!("{}a", "a/".repeat(64))));
    }
}
