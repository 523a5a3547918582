//! `.dockerignore`, with Docker's own meaning. Patterns are matched by the gitignore engine where the two agree
//! (`*`, `?`, `[…]`, `**`, `\` escapes, `#` comments, last match wins). They differ, and Docker's way is kept, in that:
//! a pattern without a slash matches at the root only, not at any depth; a trailing slash does not restrict a pattern
//! to folders; and `!` can bring back a file whose folder is left out, so such folders are still entered.
//! Not kept: Docker's `**` glued to other text (`a**b`), which here does not cross folders.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::refusal::Refusal;

/// More patterns than any real file has; each is tried on every path.
const PATTERNS: usize = 1000;

/// The patterns in order, the last match deciding.
#[derive(Clone, Debug, Default)]
pub(super) struct DockerIgnore {
    rules: Vec<(Gitignore, bool)>,
    has_exceptions: bool,
}

impl DockerIgnore {
    /// Refuses a pattern that cannot be read: guessing could send what the author meant to keep.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault =
                |what: String| Refusal::Manifest { file: ".dockerignore".into(), line: Some(at + 1), what };
            if found.rules.len() == PATTERNS {
                return Err(fault(format!("it has more than {PATTERNS} patterns")));
            }
            let (keep, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let pattern = pattern.trim_start_matches(['/']).trim_start_matches("./").trim_end_matches('/');
            if pattern.is_empty() || pattern == "." {
                continue;
            }
            let mut builder = GitignoreBuilder::new("");
            builder
                .add_line(None, &format!("/{pattern}"))
                .map_err(|error| fault(format!("the pattern cannot be read ({error})")))?;
            let rule =
                builder.build().map_err(|error| fault(format!("the pattern cannot be read ({error})")))?;
            found.has_exceptions |= keep;
            found.rules.push((rule, keep));
        }
        Ok(found)
    }

    /// Whether the path, relative to the root, is left out.
    pub(super) fn leaves_out(&self, path: &Path, is_folder: bool) -> bool {
        let mut out = false;
        for (rule, keep) in &self.rules {
            if *keep == out && rule.matched_path_or_any_parents(path, is_folder).is_ignore() {
                out = !keep;
            }
        }
        out
    }

    /// Whether a folder that is left out need not be entered.
    pub(super) fn leaves_out_below(&self, path: &Path) -> bool {
        !self.has_exceptions && self.leaves_out(path, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, out: &[&str], kept: &[&str]) {
        let rules = DockerIgnore::parse(text).expect("readable patterns");
        for path in out {
            assert!(rules.leaves_out(Path::new(path), false), "{path} should be left out by {text:?}");
        }
        for path in kept {
            assert!(!rules.leaves_out(Path::new(path), false), "{path} should be kept by {text:?}");
        }
    }

    /// The examples of docs.docker.com, "Build context", section ".dockerignore files".
    #[test]
    fn dockers_own_examples_hold() {
        check(
            "# comment\n*/temp*\n*/*/temp*\ntemp?",
            &["some/temporary.txt", "some/dir/temp", "tempa", "a/temp/x"],
            &["temp", "x/y/z/temp"],
        );
        check("*.md\n!README.md", &["a.md"], &["README.md", "docs/a.md"]);
        check("*.md\n!README*.md\nREADME-secret.md", &["README-secret.md", "x.md"], &["README.md"]);
        check("*.md\nREADME-secret.md\n!README*.md", &["x.md"], &["README-secret.md"]);
        check("**/*.go", &["a.go", "a/b/c.go"], &["a.gox"]);
    }

    #[test]
    fn it_differs_from_gitignore_as_docker_does() {
        check("build", &["build", "build/x"], &["sub/build"]);
        check("logs/", &["logs", "logs/x"], &[]);
        check("*\n!src/keep.txt", &["a", "src/x"], &["src/keep.txt"]);
        check("/a\n./b", &["a", "b"], &["c/a"]);
    }

    #[test]
    fn a_folder_is_entered_only_if_something_may_come_back() {
        assert!(DockerIgnore::parse("a").expect("readable").leaves_out_below(Path::new("a")));
        assert!(!DockerIgnore::parse("a\n!a/b").expect("readable").leaves_out_below(Path::new("a")));
    }
}
