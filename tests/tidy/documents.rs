//! The documents against the code: a line for each library and none for others, links that lead somewhere, every command
//! of the command line named, and the example of `slipway.toml` as good as it looks.

use crate::{checkout::none, dependencies::packages};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_intake::{Limits, Start, ZipSource, plans};
use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, Write as _},
};

const DOCUMENTS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

fn read(path: &str) -> Result<String> {
    fs::read_to_string(slipway_tests::root()?.join(path)).with_context(|| path.to_owned())
}

/// The names in backquotes in the first column of the tables of a section.
fn first_column(text: &str, heading: &str) -> Result<BTreeSet<String>> {
    let (_, rest) = text.split_once(heading).with_context(|| format!("there is no section {heading:?}"))?;
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    Ok(cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect())
}

#[test]
fn every_library_has_its_reason() -> Result<()> {
    let named = first_column(&read("ARCHITECTURE.md")?, "\n## Libraries\n")?;
    let mut asked: BTreeSet<String> = packages()?
        .into_iter()
        .flat_map(|package| package.dependencies)
        .map(|dependency| dependency.name)
        .filter(|name| !name.starts_with("slipway-"))
        .collect();
    let manifest: Value = serde_json::from_str(&read("ui/package.json")?)?;
    for kind in ["dependencies", "devDependencies"] {
        let list = manifest[kind].as_object().with_context(|| format!("ui/package.json has no {kind}"))?;
        asked.extend(list.keys().cloned());
    }
    let without = asked.difference(&named).map(|name| format!("{name} has no line in ARCHITECTURE.md"));
    let idle = named.difference(&asked).map(|name| format!("{name} has a line and nobody asks for it"));
    none("the table of libraries", &without.chain(idle).collect::<Vec<_>>())
}

#[test]
fn every_shared_version_is_used() -> Result<()> {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")?)?;
    let shared = manifest["workspace"]["dependencies"].as_table().context("Cargo.toml shares versions")?;
    let asked: BTreeSet<String> =
        packages()?.into_iter().flat_map(|package| package.dependencies).map(|d| d.name).collect();
    let idle: Vec<String> = shared.keys().filter(|name| !asked.contains(*name)).cloned().collect();
    none("Cargo.toml shares a version that nobody uses", &idle)
}

#[test]
fn links_between_documents_lead_somewhere() -> Result<()> {
    let root = slipway_tests::root()?;
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = read(document)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or(link);
            if !path.is_empty() && !path.contains("://") && !root.join(path).exists() {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    none("a link leads nowhere", &broken)
}

#[test]
fn files_the_documents_name_exist() -> Result<()> {
    let root = slipway_tests::root()?;
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document)?;
        for word in text.split('`').skip(1).step_by(2) {
            let file = [".rs", ".ts", ".svelte", ".proto", ".sh"].iter().any(|ending| word.ends_with(ending));
            if !file || !word.contains('/') || word.contains(['*', '{', ' ', '<']) {
                continue;
            }
            // As the documents abbreviate: `engine/docker/mod.rs` lies in `crates/engine/src`.
            let (krate, rest) = word.split_once('/').unwrap_or((word, ""));
            let homes = [
                word.to_owned(),
                format!("crates/{word}"),
                format!("crates/{krate}/src/{rest}"),
                format!("crates/agent/src/{word}"),
                format!("crates/engine/src/{word}"),
                format!("crates/intake/src/{word}"),
                format!("crates/intake/src/plan/{word}"),
                format!("src-tauri/{word}"),
            ];
            if !homes.iter().any(|home| root.join(home).is_file()) {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    none("a document names a file that is not there", &missing)
}

/// `RestartPolicy` is typed as `restart-policy`.
fn kebab(name: &str) -> String {
    let mut typed = String::new();
    for c in name.trim().chars() {
        if c.is_ascii_uppercase() && !typed.is_empty() {
            typed.push('-');
        }
        typed.extend(c.to_lowercase());
    }
    typed
}

#[test]
fn the_readme_names_every_command() -> Result<()> {
    let arguments = read("crates/cli/src/args.rs")?;
    let (_, table) = arguments.split_once("pub(crate) enum Command {").context("args.rs has the commands")?;
    let table = table.split("\n}").next().unwrap_or(table);
    let commands: Vec<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()) && line.contains('('))
        .filter_map(|line| line.split('(').next())
        .map(kebab)
        .collect();
    ensure!(commands.len() > 10, "the commands were not found in args.rs: {commands:?}");
    let readme = read("README.md")?;
    let unnamed: Vec<String> =
        commands.into_iter().filter(|command| !readme.contains(&format!("slipway {command}"))).collect();
    none("README.md does not name a command", &unnamed)
}

#[test]
fn the_example_of_slipway_toml_is_taken() -> Result<()> {
    let readme = read("README.md")?;
    let (_, rest) = readme.split_once("```toml\n").context("README.md shows a slipway.toml")?;
    let example = rest.split("```").next().unwrap_or(rest);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in [("slipway.toml", example), ("frontend/server.js", "require('http')")] {
        zip.start_file(name, options)?;
        zip.write_all(text.as_bytes())?;
    }
    let mut source = ZipSource::open(zip.finish()?, &Limits::default())?;
    let plan = plans(&mut source)?.into_iter().next().context("there is a plan")?;
    ensure!(plan.id.starts_with("slipway-toml"), "{}", plan.id);
    ensure!(plan.name.as_deref() == Some("Shop demo"), "{:?}", plan.name);
    ensure!(plan.port == Some(3000), "{:?}", plan.port);
    ensure!(
        matches!(&plan.start, Start::Command(step) if step.display().contains("node server.js")),
        "{:?}",
        plan.start
    );
    ensure!(plan.network_allow == ["api.example.com"], "{:?}", plan.network_allow);
    Ok(())
}
