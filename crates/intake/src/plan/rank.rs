//! Looks for projects in the root and up to two folders down, asks each detector, and puts the plans in order.
//! The order is a sum: how sure the detector is, less for depth and for folders that usually hold examples.

use std::collections::BTreeSet;

use super::project::{Candidate, Project, View};
use super::{ProjectFiles, RunPlan, node, static_site};
use crate::refusal::Refusal;

const PLANS: usize = 16;
const FOLDERS: usize = 32;
const DEPTH: usize = 2;
const PER_LEVEL: i32 = 60;

/// A language's detector. Order breaks ties.
type Detect = fn(&mut View<'_, '_>) -> Result<Vec<Candidate>, Refusal>;
const DETECTORS: &[Detect] = &[node::detect];

/// Files that make a folder worth asking about.
const MARKS: &[&str] = &[
    "slipway.toml",
    "Procfile",
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.py",
    "manage.py",
    "index.html",
    "server.js",
    "app.py",
    "main.py",
];

/// Folders whose projects are not what was sent.
const NEVER: &[&str] =
    &["node_modules", "vendor", "third_party", "__pycache__", "fixtures", "testdata", "__tests__"];
/// Folders whose projects are rarely the main one.
const SELDOM: &[&str] =
    &["test", "tests", "e2e", "example", "examples", "demo", "demos", "docs", "scripts", "tools"];
/// Folders that usually hold the part with a face.
const FACES: &[&str] = &["frontend", "client", "web", "app", "ui", "www", "website", "site"];

pub(super) fn plans(files: &mut dyn ProjectFiles) -> Result<Vec<RunPlan>, Refusal> {
    let mut project = Project::new(files);
    let mut found: Vec<Candidate> = Vec::new();
    let mut fault = None;
    for dir in folders(&project) {
        let mut view = project.at(&dir);
        let mut here = Vec::new();
        for detect in DETECTORS {
            match detect(&mut view) {
                Ok(candidates) => here.extend(candidates),
                Err(refusal @ Refusal::Manifest { .. }) => fault = fault.or(Some(refusal)),
                Err(refusal) => return Err(refusal),
            }
        }
        let inside_another = found.iter().any(|outer| contains(&outer.plan.workdir, &dir));
        if dir.is_empty() || !inside_another {
            here.extend(static_site::detect(&mut view));
        }
        for candidate in &mut here {
            candidate.score += place_score(&dir);
            dir.clone_into(&mut candidate.plan.workdir);
            if !dir.is_empty() {
                candidate.plan.id = format!("{}@{dir}", candidate.plan.id);
                candidate.plan.title = format!("{} in {dir}/", candidate.plan.title);
            }
        }
        found.append(&mut here);
    }
    if found.is_empty() {
        return fault.map_or(Ok(Vec::new()), Err);
    }
    found.sort_by_key(|candidate| -candidate.score);
    Ok(found.into_iter().take(PLANS).map(|candidate| candidate.plan).collect())
}

fn contains(outer: &str, inner: &str) -> bool {
    outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// The root and the folders that hold a mark, shallow ones first.
fn folders(project: &Project<'_>) -> Vec<String> {
    let mut marked = BTreeSet::from([(0, String::new())]);
    for path in project.paths() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let depth = if dir.is_empty() { 0 } else { dir.split('/').count() };
        let hidden = dir.split('/').any(|part| part.starts_with('.') || NEVER.contains(&part));
        if depth <= DEPTH && !hidden && MARKS.contains(&name) {
            marked.insert((depth, dir.to_owned()));
        }
    }
    marked.into_iter().take(FOLDERS).map(|(_, dir)| dir).collect()
}

fn place_score(dir: &str) -> i32 {
    let parts = || dir.split('/').filter(|part| !part.is_empty());
    let depth = parts().count() as i32 * PER_LEVEL;
    let seldom = if parts().any(|part| SELDOM.contains(&part)) { 200 } else { 0 };
    let face = if parts().any(|part| FACES.contains(&part)) { 10 } else { 0 };
    face - depth - seldom
}
