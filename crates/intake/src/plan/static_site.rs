//! A static site: an `index.html` at the root or in a usual output folder. Nothing to install; the agent serves it.
//!
//! The image is the Node one although nothing needs Node: then one warm image serves most drops, and the terminal has
//! a shell and a Node at hand.

use std::collections::BTreeMap;

use super::node_tables::DEFAULT_IMAGE;
use super::project::{Candidate, View};
use super::types::{ImageChoice, Language, RunPlan, Start};

/// Where sites lie, most likely first.
const PLACES: &[&str] = &["", "public", "dist", "build", "site", "docs", "www", "_site", "out"];
const AT_ROOT: i32 = 400;
const IN_OUTPUT: i32 = 300;

pub(super) fn detect(view: &mut View<'_, '_>) -> Vec<Candidate> {
    let index =
        |dir: &str| if dir.is_empty() { "index.html".to_owned() } else { format!("{dir}/index.html") };
    let Some(dir) = PLACES.iter().copied().find(|dir| view.has(&index(dir))) else { return Vec::new() };
    let (pages, scripts) = count(view, dir);
    let spa = pages == 1 && scripts > 0;
    let kind = match (spa, pages) {
        (true, _) => "one page with scripts".to_owned(),
        (false, 1) => "one page".to_owned(),
        (false, pages) => format!("{pages} pages"),
    };
    let place = if dir.is_empty() { String::new() } else { format!(" in {dir}/") };
    let plan = RunPlan {
        id: "static".into(),
        title: "Static site".into(),
        name: None,
        language: Language::Static,
        image: ImageChoice {
            reference: DEFAULT_IMAGE.into(),
            why: "any image would do; this one is usually warm".into(),
        },
        workdir: String::new(),
        install: None,
        fallback_install: None,
        build: None,
        start: Start::Static { dir: dir.to_owned(), spa },
        env: BTreeMap::new(),
        port: None,
        processes: Vec::new(),
        expects_http: true,
        health_path: None,
        network_allow: Vec::new(),
        evidence: vec![view.evidence(&index(dir), kind)],
        why: format!("There is an index.html{place}, so the files are served as they are."),
    };
    let score = if dir.is_empty() { AT_ROOT } else { IN_OUTPUT };
    vec![Candidate { score, plan }]
}

fn count(view: &View<'_, '_>, dir: &str) -> (usize, usize) {
    let (mut pages, mut scripts) = (0, 0);
    for path in view.below() {
        let inside = dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
        match path.rsplit_once('.') {
            Some((_, "html" | "htm")) if inside => pages += 1,
            Some((_, "js" | "mjs")) if inside => scripts += 1,
            _ => {}
        }
    }
    (pages, scripts)
}
