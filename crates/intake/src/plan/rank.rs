//! Looks for projects in the root and up to two folders down, asks each detector, and puts the plans in order.
//! The order is a sum: how sure the detector is, less for depth and for folders that usually hold examples.

use std::collections::BTreeSet;

use super::project::{Candidate, Project, View};
use super::{ProjectFiles, RunPlan, node, procfile, python, slipway_toml, static_site};
use crate::refusal::Refusal;

const PLANS: usize = 16;
const FOLDERS: usize = 32;
const DEPTH: usize = 2;
const PER_LEVEL: i32 = 60;
/// What a static site loses beside another plan.
const BESIDE: i32 = 250;

/// A language's detector.
type Detect = fn(&mut View<'_, '_>) -> Result<Vec<Candidate>, Refusal>;
/// Order breaks ties. What builds on these (Procfile, slipway.toml) or yields to them (static files) is asked after.
const DETECTORS: &[Detect] = &[node::detect, python::detect];

/// Files that make a folder worth asking about.
const MARKS: &[&str] = &[
    slipway_toml::FILE,
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
/// Marks that are sources, not manifests: below another project they are a part of it.
const SOURCES: &[&str] = &["index.html", "server.js", "app.py", "main.py"];

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
    let dirs = folders(&project);
    let mut found: Vec<Candidate> = Vec::new();
    let mut fault = None;
    for dir in &dirs {
        let inside_another = found.iter().any(|outer| contains(&outer.plan.workdir, dir));
        let mut view = project.at(dir);
        if inside_another && !MARKS.iter().any(|mark| !SOURCES.contains(mark) && view.has(mark)) {
            continue;
        }
        let here = detect(&mut view, inside_another, &mut fault)?;
        found.extend(here.into_iter().map(|candidate| placed(candidate, dir)));
    }
    for dir in &dirs {
        let mut view = project.at(dir);
        if let Some(file) = slipway_toml::read(&mut view)? {
            let workdir = join(dir, &file.workdir());
            let base = best(found.iter().filter(|other| other.plan.workdir == workdir));
            let candidate = file.plan(&view, base)?;
            found.push(placed(candidate, &workdir));
        }
    }
    if found.is_empty() {
        return fault.map_or(Ok(Vec::new()), Err);
    }
    found.sort_by_key(|candidate| -candidate.score);
    Ok(found.into_iter().take(PLANS).map(|candidate| candidate.plan).collect())
}

/// All plans of one folder, not yet placed. A manifest that cannot be read is remembered, and reported only if nothing
/// else in the project can be run.
fn detect(
    view: &mut View<'_, '_>,
    inside_another: bool,
    fault: &mut Option<Refusal>,
) -> Result<Vec<Candidate>, Refusal> {
    let mut here = Vec::new();
    let mut keep = |found: Result<Vec<Candidate>, Refusal>| match found {
        Ok(candidates) => Ok(candidates),
        Err(refusal @ Refusal::Manifest { .. }) => {
            fault.get_or_insert(refusal);
            Ok(Vec::new())
        }
        Err(refusal) => Err(refusal),
    };
    for detect in DETECTORS {
        here.extend(keep(detect(view))?);
    }
    let procfile = procfile::detect(view, best(here.iter()));
    here.extend(keep(procfile.map(|found| found.into_iter().collect()))?);
    if !inside_another {
        let served = static_site::detect(view).into_iter();
        // A page beside a project that is built is usually its template, and does not work by itself.
        let less = if here.is_empty() { 0 } else { BESIDE };
        here.extend(served.map(|site| Candidate { score: site.score - less, ..site }));
    }
    Ok(here)
}

fn best<'c>(candidates: impl Iterator<Item = &'c Candidate>) -> Option<&'c RunPlan> {
    // The first of equals: `max_by_key` would give the last.
    candidates
        .reduce(|best, next| if next.score > best.score { next } else { best })
        .map(|candidate| &candidate.plan)
}

/// The candidate as a plan of the folder `dir`. What slipway.toml takes over from another plan is placed already.
fn placed(mut candidate: Candidate, dir: &str) -> Candidate {
    let plan = &mut candidate.plan;
    candidate.score += place_score(dir);
    if !dir.is_empty() {
        plan.id = format!("{}@{dir}", plan.id);
        if plan.workdir.is_empty() {
            plan.title = format!("{} in {dir}/", plan.title);
        }
    }
    dir.clone_into(&mut plan.workdir);
    candidate
}

fn join(dir: &str, below: &str) -> String {
    match (dir, below) {
        ("", below) => below.to_owned(),
        (dir, "") => dir.to_owned(),
        (dir, below) => format!("{dir}/{below}"),
    }
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
