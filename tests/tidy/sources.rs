//! What every Rust file is held to: a first line that says what lives there, a readable length, a name that says
//! something.

use crate::checkout::{self, none};
use anyhow::Result;

/// Lines of a file, beyond which it is split by responsibility.
const LONGEST: usize = 500;

#[test]
fn every_file_says_what_it_is() -> Result<()> {
    let silent: Vec<String> = checkout::rust()?
        .into_iter()
        .filter(|text| !text.text.starts_with("//! ") && !text.text.starts_with("//!\n"))
        .map(|text| text.path)
        .collect();
    none("a file does not begin with `//!`", &silent)
}

#[test]
fn files_have_a_readable_length() -> Result<()> {
    let mut long = Vec::new();
    for text in checkout::rust()? {
        let lines = text.text.lines().count();
        if lines > LONGEST {
            long.push(format!("{}: {lines} lines, at most {LONGEST}", text.path));
        }
    }
    none("a file is too long", &long)
}

#[test]
fn no_file_is_a_drawer() -> Result<()> {
    let drawers: Vec<String> = checkout::files(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split('.').next().unwrap_or(name);
        ["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem)
    })
    .map(|found| found.into_iter().map(|text| text.path).collect())
    // `files` fails when nothing passes, which is what is wanted here.
    .unwrap_or_default();
    none("a file's name says nothing", &drawers)
}
