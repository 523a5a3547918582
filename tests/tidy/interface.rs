//! The interface's house rules: one folder knows Tauri, one file knows colours, components are small, and the generated
//! nouns are those of the crate.

use crate::checkout::{self, has_ending, none};
use anyhow::{Result, ensure};

/// Lines of a component.
const LONGEST: usize = 400;

#[test]
fn one_folder_knows_tauri() -> Result<()> {
    let sources =
        checkout::files(|path| path.starts_with("ui/src/") && !path.starts_with("ui/src/lib/backend/"))?;
    let found: Vec<String> = sources
        .iter()
        .filter(|text| text.text.contains("'@tauri-apps/") || text.text.contains("\"@tauri-apps/"))
        .map(|text| text.path.clone())
        .collect();
    none("Tauri is imported outside ui/src/lib/backend", &found)
}

/// Whether a line holds a literal colour: `#abc`, `rgb(…)`. Block tags (`{#if`) and anchors in longer words are none.
fn has_colour(line: &str) -> bool {
    let functions = ["rgb(", "rgba(", "hsl(", "hsla(", "oklch(", "oklab("];
    if functions.iter().any(|function| line.contains(function)) {
        return true;
    }
    line.match_indices('#').any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let word: String = line[at + 1..].chars().take_while(char::is_ascii_alphanumeric).collect();
        let hex = matches!(word.len(), 3 | 4 | 6 | 8) && word.chars().all(|c| c.is_ascii_hexdigit());
        hex && before.is_none_or(|c| c.is_whitespace() || ":('\"`,=".contains(c))
    })
}

#[test]
fn colours_are_told_from_tags() {
    for line in ["color: #fff;", "fill=\"#A0b1C2\"", "background: rgb(1 2 3)", "#12345678"] {
        assert!(has_colour(line), "{line}");
    }
    for line in
        ["{#if x}", "{#each all as one}", "href=\"#features-here\"", "a.#private", "color: var(--ink);"]
    {
        assert!(!has_colour(line), "{line}");
    }
}

#[test]
fn components_hold_no_literal_colour() -> Result<()> {
    let mut found = Vec::new();
    for text in checkout::files(|path| path.starts_with("ui/src/") && has_ending(path, "svelte"))? {
        let lines = text.text.lines().enumerate().filter(|(_, line)| has_colour(line));
        found.extend(lines.map(|(n, line)| format!("{}:{}: {}", text.path, n + 1, line.trim())));
    }
    none("a colour that is not in tokens.css", &found)
}

#[test]
fn components_are_small() -> Result<()> {
    let long: Vec<String> =
        checkout::files(|path| path.starts_with("ui/src/") && has_ending(path, "svelte"))?
            .iter()
            .map(|text| (&text.path, text.text.lines().count()))
            .filter(|(_, lines)| *lines > LONGEST)
            .map(|(path, lines)| format!("{path}: {lines} lines"))
            .collect();
    none("a component is too long", &long)
}

#[test]
fn the_generated_nouns_are_up_to_date() -> Result<()> {
    let generated = std::fs::read_to_string(slipway_tests::root()?.join("ui/src/lib/wire/index.ts"))?;
    ensure!(
        generated == slipway_wire::typescript(),
        "ui/src/lib/wire/index.ts is behind crates/wire: run `cargo xtask types`"
    );
    Ok(())
}
