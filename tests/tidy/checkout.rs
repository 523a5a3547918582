//! The checkout as text: the files git keeps or would keep, and of a Rust source the lines that are neither comments nor
//! tests. What is a violation is decided elsewhere.

use anyhow::{Context, Result, ensure};
use std::{fs, process::Command};

/// A file of the checkout.
pub(crate) struct Text {
    /// Relative to the checkout, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Every text file whose path passes. A file that git still lists and somebody deleted is left out.
pub(crate) fn files(wanted: impl Fn(&str) -> bool) -> Result<Vec<Text>> {
    let root = slipway_tests::root()?;
    let listed = Command::new("git")
        .current_dir(&root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("asking git for the checkout's files")?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let mut found = Vec::new();
    for path in String::from_utf8(listed.stdout)?.split_terminator('\0').filter(|path| wanted(path)) {
        match fs::read(root.join(path)) {
            // Pictures and archives have no lines.
            Ok(bytes) => found.extend(String::from_utf8(bytes).map(|text| Text { path: path.into(), text })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).context(path.to_owned()),
        }
    }
    ensure!(!found.is_empty(), "no file passes: the rule looks in the wrong place");
    Ok(found)
}

/// Every Rust source.
pub(crate) fn rust() -> Result<Vec<Text>> {
    files(|path| has_ending(path, "rs"))
}

/// Rust sources of programs and libraries: no tests (also those that outgrew their file: a module `tests` is only ever
/// compiled for tests), examples or build scripts.
pub(crate) fn product() -> Result<Vec<Text>> {
    files(|path| {
        let product =
            (path.starts_with("crates/") && path.contains("/src/")) || path.starts_with("src-tauri/");
        product && has_ending(path, "rs") && !path.ends_with("/build.rs") && !path.ends_with("/tests.rs")
    })
}

pub(crate) fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).is_some_and(|(_, e)| e == ending)
}

impl Text {
    /// Numbered lines without comments and without items under `#[cfg(test)]`. Sources are formatted by rustfmt, so an item
    /// ends at the first line with its closing brace at its own depth.
    pub(crate) fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        let mut lines = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        while let Some((number, line)) = lines.next() {
            let bare = line.trim_start();
            if bare.starts_with("#[cfg(test)]") || bare.starts_with("#[cfg(all(test") {
                let depth = line.len() - bare.len();
                for (_, line) in lines.by_ref() {
                    let bare = line.trim_start();
                    let outermost = line.len() - bare.len() == depth;
                    if outermost && !bare.starts_with('#') && bare.ends_with(['}', ';', ',']) {
                        break;
                    }
                }
            } else if !bare.starts_with("//") {
                code.push((number, line));
            }
        }
        code
    }

    /// `path:line: text` of every line of code that is wrong.
    pub(crate) fn wrong(&self, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let shown = |(number, line): (usize, &str)| format!("{}:{number}: {}", self.path, line.trim());
        self.code().into_iter().filter(|(_, line)| is_wrong(line)).map(shown).collect()
    }
}

/// Fails with every violation, one a line.
pub(crate) fn none(rule: &str, violations: &[String]) -> Result<()> {
    ensure!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
    Ok(())
}

#[test]
fn code_is_what_is_neither_comment_nor_test() {
    let text = "//! a\nuse b;\n#[cfg(test)]\nuse c;\nfn d() {\n    // e\n    f();\n}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nconst H: u8 = 1;\n";
    let text = Text { path: "x.rs".into(), text: text.into() };
    let code: Vec<&str> = text.code().into_iter().map(|(_, line)| line.trim()).collect();
    assert_eq!(code, ["use b;", "fn d() {", "f();", "}", "", "const H: u8 = 1;"]);
}
