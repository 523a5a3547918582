//! The hostile, broken and peculiar inputs that `samples/bad.py` makes. It is run with Python's standard library alone
//! and writes only into folders a test hands in.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Prints the projects of `bad.py` as JSON: name, then path, then text.
const PROJECTS: &str = "import json, sys; sys.path.insert(0, sys.argv[1]); import bad; \
    print(json.dumps({n: {p: c.decode() for p, c in files.items()} for n, (_, files) in bad.projects().items()}))";

/// One zip of `bad.py`.
#[derive(Clone, Debug)]
pub struct BadZip {
    /// Its name there: `traversal`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// `refused` whole, `fails` while being unpacked, or `opens`.
    pub expect: String,
    /// What is wrong or special about it.
    pub why: String,
}

fn python(arguments: &[&Path]) -> Result<Vec<u8>> {
    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(arguments)
        .output()
        .context("running python3")?;
    ensure!(output.status.success(), "bad.py failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Writes every zip of `bad.py` below `to`.
pub fn bad_zips(to: &Path) -> Result<Vec<BadZip>> {
    let script = crate::root()?.join("tests/samples/bad.py");
    python(&[&script, to])?;
    let index: Value = serde_json::from_slice(&fs::read(to.join("index.json"))?)?;
    let zips = index["zips"].as_object().context("index.json has no zips")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = zips.iter().map(|(name, entry)| BadZip {
        name: name.clone(),
        path: to.join("zips").join(format!("{name}.zip")),
        expect: text(&entry["expect"]),
        why: text(&entry["why"]),
    });
    Ok(all.collect())
}

/// Writes one project of `bad.py` as a folder below `to` and gives its path.
pub fn bad_project(name: &str, to: &Path) -> Result<PathBuf> {
    let samples = crate::root()?.join("tests/samples");
    let printed = python(&[Path::new("-c"), Path::new(PROJECTS), &samples])?;
    let mut projects: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(&printed)?;
    let files = projects.remove(name).with_context(|| format!("bad.py makes no project {name}"))?;
    let folder = to.join(name);
    fs::create_dir_all(&folder)?;
    for (path, text) in files {
        fs::write(folder.join(path), text)?;
    }
    Ok(folder)
}
