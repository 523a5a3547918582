//! What of a folder is the project: `.gitignore` at every level, `.dockerignore` at the top, and what nobody means to
//! take along. Comes in: the texts of ignore files, and relative paths. No disk: whoever walks reads the files, so that
//! both ends of a live sync judge by one set of rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::dockerignore::DockerIgnore;
use crate::listing::SkipReason;
use crate::paths;
use crate::refusal::Refusal;

/// The two kinds of ignore file.
pub const GITIGNORE: &str = ".gitignore";
/// Only at the top.
pub const DOCKERIGNORE: &str = ".dockerignore";

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the project.
    Keep,
    /// A folder that does not, in which something may: it is entered.
    Enter,
    /// It is left out, with all below it.
    Out(SkipReason),
}

/// Rules of one folder. They are learned from the top down: the `.gitignore` of a folder before anything in it is judged.
#[derive(Clone, Debug, Default)]
pub struct IgnoreRules {
    docker: DockerIgnore,
    git: BTreeMap<PathBuf, Gitignore>,
    texts: Vec<(PathBuf, String)>,
}

impl IgnoreRules {
    /// Takes over the top's `.dockerignore`.
    pub fn learn_docker(&mut self, text: &str) -> Result<(), Refusal> {
        self.docker = DockerIgnore::parse(text)?;
        self.texts.push((PathBuf::from(DOCKERIGNORE), text.to_owned()));
        Ok(())
    }

    /// Takes over the `.gitignore` of a folder, relative to the top. A line that git could not read either is passed over.
    pub fn learn_git(&mut self, folder: &Path, text: &str) {
        let mut builder = GitignoreBuilder::new(folder);
        for line in text.lines() {
            // As git does: one bad pattern does not unmake the others.
            let _ = builder.add_line(None, line.strip_prefix('\u{feff}').unwrap_or(line));
        }
        if let Ok(rules) = builder.build() {
            self.git.insert(folder.to_owned(), rules);
            self.texts.push((folder.join(GITIGNORE), text.to_owned()));
        }
    }

    /// Every text learned, with the path of its file: enough to learn the same rules elsewhere.
    pub fn texts(&self) -> &[(PathBuf, String)] {
        &self.texts
    }

    /// Learns from texts another one gave.
    pub fn from_texts(texts: impl IntoIterator<Item = (PathBuf, String)>) -> Result<Self, Refusal> {
        let mut rules = Self::default();
        for (path, text) in texts {
            match (path.file_name(), path.parent()) {
                (Some(name), _) if name == DOCKERIGNORE => rules.learn_docker(&text)?,
                (Some(name), Some(folder)) if name == GITIGNORE => rules.learn_git(folder, &text),
                _ => {}
            }
        }
        Ok(rules)
    }

    /// Judges a path whose parents were entered.
    pub fn judge(&self, path: &Path, is_folder: bool) -> Verdict {
        let name = path.file_name().unwrap_or_default();
        if is_git(name) {
            return Verdict::Out(SkipReason::GitMetadata);
        }
        if name.to_str().is_some_and(paths::is_litter) {
            return Verdict::Out(SkipReason::Litter);
        }
        if self.git_ignores(path, is_folder) {
            return Verdict::Out(SkipReason::Ignored);
        }
        if !self.docker.leaves_out(path, is_folder) {
            return Verdict::Keep;
        }
        if is_folder && !self.docker.leaves_out_below(path) {
            return Verdict::Enter;
        }
        Verdict::Out(SkipReason::Ignored)
    }

    /// Judges a path by itself and every folder above it.
    pub fn leaves_out(&self, path: &Path, is_folder: bool) -> bool {
        let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        above.into_iter().any(|folder| matches!(self.judge(folder, true), Verdict::Out(_)))
            || self.judge(path, is_folder) != Verdict::Keep
    }

    /// The nearest file that says anything decides.
    fn git_ignores(&self, path: &Path, is_folder: bool) -> bool {
        if self.git.is_empty() {
            return false;
        }
        for folder in path.ancestors().skip(1) {
            let Some(rules) = self.git.get(folder) else { continue };
            let found = rules.matched(path, is_folder);
            if !found.is_none() {
                return found.is_ignore();
            }
        }
        false
    }
}

/// Version control's own folder, also under the names by which a file system that folds case or shortens names knows it.
fn is_git(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1"))
}

/// Whether a folder holds what is installed again elsewhere: `node_modules` beside a `package.json`, or a Python virtual
/// environment. `is_file` looks on whichever disk the path is of.
pub fn is_installed(folder: &Path, is_file: impl Fn(&Path) -> bool) -> bool {
    folder.file_name().is_some_and(|name| name == "node_modules")
        && is_file(&folder.with_file_name("package.json"))
        || is_file(&folder.join("pyvenv.cfg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[(&str, &str)]) -> IgnoreRules {
        let texts = texts.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
        IgnoreRules::from_texts(texts).expect("readable rules")
    }

    #[test]
    fn the_nearest_gitignore_decides_and_a_folder_left_out_stays_out() {
        let rules = rules(&[(".gitignore", "*.log\n/dist\nbuild/\n"), ("keep/.gitignore", "!a.log\n")]);
        for out in ["a.log", "x/a.log", "dist", "dist/a", "build/a", ".git/config", "a/.GIT/x", ".DS_Store"] {
            assert!(rules.leaves_out(Path::new(out), false), "{out}");
        }
        for kept in ["keep/a.log", "x/dist", "build", "a", ".gitignore"] {
            assert!(!rules.leaves_out(Path::new(kept), false), "{kept}");
        }
    }

    #[test]
    fn docker_brings_back_what_lies_in_a_folder_left_out() {
        let rules = rules(&[(".dockerignore", "docs\n!docs/read.me\n")]);
        assert_eq!(rules.judge(Path::new("docs"), true), Verdict::Enter);
        assert!(!rules.leaves_out(Path::new("docs/read.me"), false));
        assert!(rules.leaves_out(Path::new("docs/other"), false));
    }

    #[test]
    fn rules_can_be_learned_elsewhere_from_their_texts() {
        let first = rules(&[(".gitignore", "a\n"), (".dockerignore", "b\n"), ("c/.gitignore", "d\n")]);
        let second = IgnoreRules::from_texts(first.texts().to_vec()).expect("the same");
        for path in ["a", "b", "c/d", "d", "c/a", "e"] {
            let path = Path::new(path);
            assert_eq!(first.leaves_out(path, false), second.leaves_out(path, false), "{path:?}");
        }
    }
}
