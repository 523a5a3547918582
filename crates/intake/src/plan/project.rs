//! How detectors look at a project: a folder of it, its names, and the text of a few files. All reads are bounded and
//! counted, so that a project of ten thousand manifests costs no more than one of ten.

use std::collections::BTreeSet;

use super::types::Evidence;
use super::{ProjectFiles, RunPlan};
use crate::limits::Limits;
use crate::listing::EntryKind;
use crate::refusal::Refusal;

/// Bytes of manifests and sources read for one project altogether.
const READ_BUDGET: u64 = 32 << 20;

/// A way to run, before ranking. Higher scores come first.
pub(super) struct Candidate {
    pub(super) score: i32,
    pub(super) plan: RunPlan,
}

/// The whole project.
pub(super) struct Project<'a> {
    files: &'a mut dyn ProjectFiles,
    paths: BTreeSet<String>,
    budget: u64,
}

impl<'a> Project<'a> {
    pub(super) fn new(files: &'a mut dyn ProjectFiles) -> Self {
        let is_file = |kind: &EntryKind| matches!(kind, EntryKind::File { .. });
        let entries = files.listing().entries.iter();
        let paths = entries.filter(|entry| is_file(&entry.kind)).map(|entry| entry.path.clone()).collect();
        Self { files, paths, budget: READ_BUDGET }
    }

    /// Paths of all regular files.
    pub(super) fn paths(&self) -> &BTreeSet<String> {
        &self.paths
    }

    pub(super) fn at<'v>(&'v mut self, dir: &'v str) -> View<'v, 'a> {
        View { project: self, dir }
    }
}

/// One folder of a project; paths are relative to it.
pub(super) struct View<'v, 'a> {
    project: &'v mut Project<'a>,
    dir: &'v str,
}

impl View<'_, '_> {
    /// The path from the project's root.
    pub(super) fn full(&self, path: &str) -> String {
        if self.dir.is_empty() { path.to_owned() } else { format!("{}/{path}", self.dir) }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.project.paths.contains(&self.full(path))
    }

    /// All files below this folder, relative to it, sorted.
    pub(super) fn below(&self) -> impl Iterator<Item = &str> {
        let prefix = self.full("");
        let after = self.project.paths.range(prefix.clone()..);
        let length = prefix.len();
        after.take_while(move |path| path.starts_with(&prefix)).map(move |path| &path[length..])
    }

    /// The beginning of a file as text; what is not UTF-8 is replaced. `None` also once the reading budget is spent.
    pub(super) fn peek(&mut self, path: &str, max: u64) -> Result<Option<String>, Refusal> {
        if !self.has(path) || self.project.budget == 0 {
            return Ok(None);
        }
        let full = self.full(path);
        let bytes = self.project.files.read(&full, max.min(self.project.budget))?;
        let Some(bytes) = bytes else { return Ok(None) };
        self.project.budget -= (bytes.len() as u64).min(self.project.budget);
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
    }

    /// A whole manifest as text; refused if it is longer than any real one.
    pub(super) fn manifest(&mut self, path: &str) -> Result<Option<String>, Refusal> {
        let max = Limits::default().manifest_bytes;
        let text = self.peek(path, max)?;
        match text {
            Some(text) if text.len() as u64 >= max => {
                Err(self.fault(path, None, "it is longer than a manifest can be (1 MiB)"))
            }
            text => Ok(text),
        }
    }

    pub(super) fn fault(&self, path: &str, line: Option<usize>, what: impl Into<String>) -> Refusal {
        Refusal::Manifest { file: (&self.full(path)).into(), line, what: what.into() }
    }

    pub(super) fn evidence(&self, path: &str, fact: impl Into<String>) -> Evidence {
        Evidence { file: self.full(path), fact: clip(&fact.into()) }
    }
}

/// Manifests' words in a sentence for people: no control characters, and not a page of them.
pub(super) fn clip(text: &str) -> String {
    const CHARS: usize = 160;
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clipped: String = clean.take(CHARS).collect();
    if text.chars().count() > CHARS {
        clipped.push('…');
    }
    clipped
}
