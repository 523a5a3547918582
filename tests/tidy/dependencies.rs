//! The dependency rule: everything points down. Direct dependencies come from `cargo metadata`, what they lead to from
//! Cargo.lock, so that nothing has to be downloaded.

use crate::checkout::{self, none};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package of this workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What it asks for, on whatever platform and for whatever purpose.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`: at run time; else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

pub(crate) fn packages() -> Result<Vec<Package>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(slipway_tests::root()?)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .context("asking cargo for the workspace")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice::<Metadata>(&output.stdout)?.packages)
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

fn lock() -> Result<Lock> {
    Ok(toml::from_str(&fs::read_to_string(slipway_tests::root()?.join("Cargo.lock"))?)?)
}

/// Every package `from` leads to, each with the one it was reached by.
fn reached(lock: &Lock, from: &str) -> BTreeMap<String, String> {
    let mut asks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &lock.package {
        // An entry is `name`, or `name version` where there are several. Several are taken for one: stricter, if anything.
        let names = package.dependencies.iter().filter_map(|entry| entry.split(' ').next());
        asks.entry(&package.name).or_default().extend(names);
    }
    let mut seen = BTreeMap::new();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        for &asked in asks.get(name).map(Vec::as_slice).unwrap_or_default() {
            if asked != from && !seen.contains_key(asked) {
                seen.insert(asked.to_owned(), name.to_owned());
                next.push(asked);
            }
        }
    }
    seen
}

/// What each package of ours may ask of ours, at run time.
const BELOW: &[(&str, &[&str])] = &[
    ("slipway-wire", &[]),
    ("slipway-intake", &[]),
    ("slipway-agent-api", &[]),
    ("slipway-mirror", &["slipway-agent-api", "slipway-intake"]),
    ("slipway-agent", &["slipway-agent-api", "slipway-intake", "slipway-mirror"]),
    ("slipway-host-shell", &[]),
    ("slipway-engine", &["slipway-agent-api", "slipway-intake", "slipway-mirror", "slipway-wire"]),
    ("slipway-http", &["slipway-engine", "slipway-wire"]),
    ("slipway-cli", &["slipway-http", "slipway-wire"]),
    ("slipway-desktop", &["slipway-engine", "slipway-host-shell", "slipway-http", "slipway-wire"]),
];

#[test]
fn dependencies_point_down_only() -> Result<()> {
    let packages = packages()?;
    let mut wrong = Vec::new();
    for (name, below) in BELOW {
        let package =
            packages.iter().find(|p| p.name == *name).with_context(|| format!("there is no {name}"))?;
        let ours = package.dependencies.iter().filter(|d| d.kind.is_none() && d.name.starts_with("slipway-"));
        wrong.extend(
            ours.filter(|d| !below.contains(&d.name.as_str())).map(|d| format!("{name} asks for {}", d.name)),
        );
    }
    let known =
        |name: &str| BELOW.iter().any(|(n, _)| *n == name) || matches!(name, "slipway-tests" | "xtask");
    wrong.extend(packages.iter().filter(|p| !known(&p.name)).map(|p| format!("{} has no place yet", p.name)));
    none("a dependency points up or sideways", &wrong)
}

#[test]
fn nothing_in_crates_reaches_a_webview() -> Result<()> {
    let lock = lock()?;
    let webview = |name: &str| {
        let family = |first: &str| name == first || name.starts_with(&format!("{first}-"));
        family("tauri") || family("wry") || family("tao") || family("gtk") || name.starts_with("webkit")
    };
    let desktop = reached(&lock, "slipway-desktop");
    ensure!(desktop.keys().any(|name| webview(name)), "the desktop reaches no webview: this looks wrongly");
    let mut wrong = Vec::new();
    for (name, _) in BELOW.iter().filter(|(name, _)| *name != "slipway-desktop") {
        let reached = reached(&lock, name);
        ensure!(!reached.is_empty(), "{name} is not in Cargo.lock");
        wrong.extend(
            reached.iter().filter(|(to, _)| webview(to)).map(|(to, by)| format!("{name}: {to}, by {by}")),
        );
    }
    none("a crate reaches the webview", &wrong)
}

#[test]
fn only_the_root_names_tauri_and_only_the_engine_bollard() -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages()? {
        for dependency in &package.dependencies {
            let allowed = match dependency.name.as_str() {
                name if name.starts_with("tauri") => package.name == "slipway-desktop",
                "bollard" => package.name == "slipway-engine",
                _ => true,
            };
            if !allowed {
                wrong.push(format!("{} asks for {}", package.name, dependency.name));
            }
        }
    }
    for text in checkout::product()? {
        if !text.path.starts_with("crates/engine/src/docker/") {
            wrong.extend(text.wrong(|line| line.contains("bollard")));
        }
        if !text.path.starts_with("src-tauri/") {
            wrong.extend(text.wrong(|line| line.contains("tauri::") || line.contains("tauri_")));
        }
    }
    none("a name is where it may not be", &wrong)
}

/// Below 29.5.1 the daemon's archive calls run a program of a running container on the host, and what runs there can race
/// them on any: they are for containers that have not started.
#[test]
fn archives_go_into_and_out_of_containers_only_before_they_start() -> Result<()> {
    const BEFORE_THE_START: [&str; 2] = ["archive.rs", "prepared.rs"];
    let mut wrong = Vec::new();
    for text in checkout::product()? {
        let Some(name) = text.path.strip_prefix("crates/engine/src/docker/") else { continue };
        if !BEFORE_THE_START.contains(&name) {
            let asks = ["upload_to_container", "download_from_container", "/archive?"];
            wrong.extend(text.wrong(|line| asks.iter().any(|asks| line.contains(asks))));
        }
    }
    none("an archive goes into or out of a container that runs", &wrong)
}

/// A shell of this machine must not be within reach of a socket, a command or a page: only the desktop knows of it.
#[test]
fn only_the_desktop_reaches_a_shell_of_this_machine() -> Result<()> {
    let lock = lock()?;
    let mut wrong = Vec::new();
    for (name, _) in BELOW.iter().filter(|(name, _)| *name != "slipway-desktop") {
        let reached = reached(&lock, name);
        wrong.extend(reached.get("slipway-host-shell").map(|by| format!("{name}: by {by}")));
        if *name != "slipway-host-shell" {
            wrong.extend(reached.get("portable-pty").map(|by| format!("{name}: portable-pty, by {by}")));
        }
    }
    for text in checkout::product()? {
        if !text.path.starts_with("crates/host-shell/") {
            wrong.extend(text.wrong(|line| line.contains("portable_pty")));
        }
        if !text.path.starts_with("src-tauri/bridge/") && !text.path.starts_with("crates/host-shell/") {
            wrong.extend(text.wrong(|line| line.contains("slipway_host_shell")));
        }
    }
    none("the host's shell is within reach", &wrong)
}

#[test]
fn the_nouns_need_no_runtime() -> Result<()> {
    let lock = lock()?;
    for name in ["slipway-wire", "slipway-intake"] {
        let reached = reached(&lock, name);
        let runtime: BTreeSet<_> = ["tokio", "hyper", "tonic", "bollard"]
            .into_iter()
            .filter(|runtime| reached.contains_key(*runtime))
            .collect();
        ensure!(runtime.is_empty(), "{name} reaches {runtime:?}");
    }
    Ok(())
}

#[test]
fn every_package_comes_from_the_public_registry() -> Result<()> {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let strange: Vec<String> = lock()?
        .package
        .into_iter()
        .filter_map(|package| {
            package.source.filter(|s| s != REGISTRY).map(|s| format!("{}: {s}", package.name))
        })
        .collect();
    none("Cargo.lock names another source", &strange)
}
