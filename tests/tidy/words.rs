//! Words that may not occur, outside tests or anywhere.

use crate::checkout::{self, Text, none};
use anyhow::Result;

/// The two rooms with unsafe code.
const UNSAFE: &[&str] = &["crates/agent/src/sys.rs", "src-tauri/run_mark.rs"];

fn wrong(texts: &[Text], is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    texts.iter().flat_map(|text| text.wrong(&is_wrong)).collect()
}

fn any(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

fn below(folders: &[&str]) -> Result<Vec<Text>> {
    let mut product = checkout::product()?;
    product.retain(|text| folders.iter().any(|folder| text.path.starts_with(folder)));
    Ok(product)
}

#[test]
fn nothing_panics_on_purpose() -> Result<()> {
    let words = [".unwrap()", ".unwrap_err()", "panic!(", "todo!(", "unimplemented!(", "dbg!("];
    none("a panic outside tests", &wrong(&checkout::product()?, |line| any(line, &words)))
}

#[test]
fn libraries_and_the_app_do_not_print() -> Result<()> {
    let words = ["println!(", "eprintln!(", " print!(", "eprint!("];
    none("printing outside the tools", &wrong(&checkout::product()?, |line| any(line, &words)))
}

#[test]
fn the_engine_has_no_bare_task() -> Result<()> {
    let engine = below(&["crates/engine/src/"])?;
    let words = ["tokio::spawn(", "tokio::task::spawn(", "thread::spawn("];
    none("a task that no tracker knows", &wrong(&engine, |line| any(line, &words)))
}

#[test]
fn only_the_skins_read_the_environment() -> Result<()> {
    let rooms =
        below(&["crates/engine/src/", "crates/intake/src/", "crates/wire/src/", "crates/agent-api/src/"])?;
    let words =
        ["env::var", "env::home_dir", "env::current_dir", "env::current_exe", "env::temp_dir", "env::args"];
    none("the environment is read", &wrong(&rooms, |line| any(line, &words)))
}

#[test]
fn no_queue_is_unbounded() -> Result<()> {
    let words = ["unbounded_channel", "UnboundedSender", "unbounded()"];
    let mut found = wrong(&checkout::product()?, |line| any(line, &words));
    let std_channel =
        |line: &str| any(line, &["mpsc::channel()", "mpsc::channel::<"]) && line.contains("std::");
    found.extend(wrong(&checkout::product()?, std_channel));
    none("a queue without a bound", &found)
}

#[test]
fn unsafe_code_has_its_rooms() -> Result<()> {
    let mut product = checkout::product()?;
    product.retain(|text| !UNSAFE.contains(&text.path.as_str()));
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "expect(unsafe_code"];
    none("unsafe outside its rooms", &wrong(&product, |line| any(line, &words)))
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() -> Result<()> {
    let mut found = Vec::new();
    for text in checkout::rust()? {
        // This file holds the very words.
        if text.path.starts_with("tests/tidy/") {
            continue;
        }
        let lines: Vec<&str> = text.text.lines().map(str::trim_start).collect();
        for (n, &line) in lines.iter().enumerate() {
            let allows = line.starts_with("#[allow(") || line.starts_with("#![allow(");
            let expects = line.starts_with("#[expect(") || line.starts_with("#![expect(");
            // An attribute may go on over the next lines.
            let attribute: String =
                lines[n..].iter().copied().take(6).take_while(|l| !l.contains("fn ")).collect();
            let silent = expects && !attribute.contains("reason = ");
            if allows || silent || line == "#[ignore]" {
                found.push(format!("{}:{}: {line}", text.path, n + 1));
            }
        }
    }
    none("a lint is silenced without a reason", &found)
}

#[test]
fn no_machine_of_ours_is_named() -> Result<()> {
    // Put together here, so that this file does not hold what it looks for.
    let paths = [["/wo", "rk/"], ["/Users", "/"], ["file:///ho", "me"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for text in checkout::files(|path| !path.starts_with("icons/"))? {
        for (n, line) in text.text.lines().enumerate() {
            // The container's own /workspace, and parts of longer names, are not meant.
            let named = paths.iter().any(|path| {
                line.match_indices(path.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
                })
            });
            if named {
                found.push(format!("{}:{}: {}", text.path, n + 1, line.trim()));
            }
        }
    }
    none("a path of somebody's machine", &found)
}
