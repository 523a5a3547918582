//! What to tell a person whose project no detector recognised: what is in it, and what it looks like.
//! A table of other ecosystems' manifests lets the sentence name the language even where no plan exists yet.

use std::collections::BTreeMap;

use crate::listing::{EntryKind, Listing};

/// Manifest name (or, with a leading dot, its ending) and what it stands for.
const LOOKS_LIKE: &[(&str, &str)] = &[
    ("Cargo.toml", "a Rust project"),
    ("go.mod", "a Go project"),
    ("pom.xml", "a Java project (Maven)"),
    ("build.gradle", "a Java or Kotlin project (Gradle)"),
    ("build.gradle.kts", "a Kotlin project (Gradle)"),
    ("Gemfile", "a Ruby project"),
    ("composer.json", "a PHP project"),
    ("mix.exs", "an Elixir project"),
    ("deno.json", "a Deno project"),
    ("deno.jsonc", "a Deno project"),
    ("Package.swift", "a Swift project"),
    ("pubspec.yaml", "a Dart or Flutter project"),
    ("stack.yaml", "a Haskell project"),
    (".csproj", "a .NET project"),
    (".sln", "a .NET solution"),
    (".php", "PHP files"),
    ("docker-compose.yml", "a Compose project"),
    ("compose.yaml", "a Compose project"),
    ("Dockerfile", "a project with a Dockerfile"),
    ("Makefile", "a project with a Makefile"),
    (".ipynb", "Jupyter notebooks"),
    (".zip", "another archive; unpack the outer one and drop what is inside"),
];

/// One or two sentences that say what was found and what the user can do.
pub fn describe_unknown(listing: &Listing) -> String {
    let files = || {
        listing
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File { .. }))
            .map(|entry| &*entry.path)
    };
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let matches = |path: &str, mark: &str| {
        let name = name(path);
        if mark.starts_with('.') { name.ends_with(mark) } else { name == mark }
    };
    let shallow = || files().filter(|path| path.matches('/').count() <= 2);
    let looks =
        LOOKS_LIKE.iter().find(|(mark, _)| shallow().any(|path| matches(path, mark))).map(|(_, what)| *what);
    let count = match listing.files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    let found = match looks {
        Some(what) => format!("It looks like {what}, which Slipway has no run plan for yet ({count})."),
        None => format!("Slipway found {count}{} but nothing it knows how to start.", endings(files())),
    };
    format!(
        "{found} Use the terminal to start it yourself, or add a slipway.toml with a line like: start = \"./run.sh\""
    )
}

/// The three commonest endings: " (mostly .rs, .toml)".
fn endings<'a>(files: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in files {
        if let Some((stem, ending)) = path.rsplit_once('.')
            && !stem.is_empty()
            && !ending.contains('/')
            && ending.len() <= 10
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
        {
            *counts.entry(ending).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let top: Vec<_> = counts.iter().take(3).map(|(ending, _)| format!(".{ending}")).collect();
    if top.is_empty() { String::new() } else { format!(" (mostly {})", top.join(", ")) }
}
