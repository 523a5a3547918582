//! What a Python project depends on and how to install that: uv, Poetry, Pipenv, requirements files, `pyproject.toml`,
//! `setup.py`, in that order. Everything goes into a virtual environment outside the workspace, which sees the image's
//! own packages: the workspace stays what was sent, and an image with Flask in it needs no download.

use super::project::View;
use super::pyproject::{self, Pyproject};
use super::types::{Evidence, Step};
use crate::refusal::Refusal;

/// Sourced before every command of a project that installs something.
pub(super) const ACTIVATE: &str = ". \"$HOME/.slipway-venv/bin/activate\"";
const CREATE: &str = "python3 -m venv --system-site-packages \"$HOME/.slipway-venv\"";

const REQUIREMENTS: &[&str] =
    &["requirements.txt", "requirements/base.txt", "requirements/dev.txt", "requirements-dev.txt"];

/// How a project installs, and what its manifests name.
#[derive(Default)]
pub(super) struct Dependencies {
    /// Shell commands, run inside the environment, joined by `&&`.
    install: Vec<String>,
    fallback: Vec<String>,
    /// All manifests' text in lower case, searched for package names.
    pub(super) text: String,
    pub(super) evidence: Vec<Evidence>,
    /// What the project says of Python's version.
    pub(super) python: Option<(&'static str, String)>,
}

impl Dependencies {
    /// Reads the manifests that decide.
    pub(super) fn read(view: &mut View<'_, '_>) -> Result<Self, Refusal> {
        let mut found = Self::default();
        let pyproject = Pyproject::read(view)?;
        if let Some(project) = &pyproject {
            if project.poetry || !project.dependencies.is_empty() || view.has("uv.lock") {
                found.text.clone_from(&project.text);
            }
            found.python = project.python.clone().map(|range| (pyproject::FILE, range));
        }
        for file in [".python-version", "runtime.txt"] {
            if found.python.is_none()
                && let Some(text) = view.peek(file, 64)?
            {
                found.python = Some((file, text.trim().trim_start_matches("python-").to_owned()));
            }
        }
        let requirements = REQUIREMENTS.iter().copied().find(|file| view.has(file));
        if let Some(file) = requirements {
            found.text.push_str(&view.manifest(file)?.unwrap_or_default().to_lowercase());
        }
        found.choose(view, pyproject.as_ref(), requirements)?;
        Ok(found)
    }

    fn choose(
        &mut self,
        view: &mut View<'_, '_>,
        pyproject: Option<&Pyproject>,
        requirements: Option<&str>,
    ) -> Result<(), Refusal> {
        if pyproject.is_some() && view.has("uv.lock") {
            // --inexact, or uv would remove itself from the environment it runs in.
            let sync = "UV_PROJECT_ENVIRONMENT=\"$VIRTUAL_ENV\" uv sync --inexact";
            self.set(
                view,
                "uv.lock",
                "lockfile of uv",
                &["pip install uv", &format!("{sync} --frozen")],
                &["pip install uv", sync],
            );
        } else if pyproject.is_some_and(|project| project.poetry) {
            let install = "poetry install --no-root --no-interaction";
            let fact = "dependencies for Poetry";
            let direct = pyproject.and_then(Pyproject::direct).unwrap_or_else(|| "pip install .".into());
            self.set(view, pyproject::FILE, fact, &["pip install poetry", install], &[&direct]);
        } else if view.has("Pipfile.lock") {
            let lines = ["pip install pipenv", "pipenv install --system --deploy"];
            self.set(
                view,
                "Pipfile.lock",
                "lockfile of Pipenv",
                &lines,
                &["pip install pipenv", "pipenv install --system --skip-lock"],
            );
        } else if let Some(file) = requirements {
            let names = self
                .text
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
                .count();
            if names > 0 {
                self.set(
                    view,
                    file,
                    &format!("{names} requirement{}", if names == 1 { "" } else { "s" }),
                    &[&format!("pip install -r {file}")],
                    &[],
                );
            }
        } else if let Some(project) =
            pyproject.filter(|project| !project.dependencies.is_empty() || project.builds)
        {
            self.use_pyproject(view, project);
        } else if view.has("Pipfile") {
            let lines = ["pip install pipenv", "pipenv install --system --skip-lock"];
            self.set(view, "Pipfile", "dependencies for Pipenv", &lines, &[]);
        } else if view.has("setup.py") {
            self.set(view, "setup.py", "a package to install", &["pip install -e ."], &[]);
        }
        for file in ["Pipfile", "setup.py"] {
            self.text.push_str(&view.peek(file, 256 << 10)?.unwrap_or_default().to_lowercase());
        }
        Ok(())
    }

    /// The project itself if it says how it is built, else, or if that fails, the packages it names.
    fn use_pyproject(&mut self, view: &View<'_, '_>, project: &Pyproject) {
        let direct = project.direct();
        let fact = match project.dependencies.len() {
            0 => "a package to install".to_owned(),
            1 => "1 dependency".to_owned(),
            count => format!("{count} dependencies"),
        };
        match (direct.as_deref(), project.builds) {
            (Some(direct), true) => self.set(view, pyproject::FILE, &fact, &["pip install -e ."], &[direct]),
            (Some(direct), false) => self.set(view, pyproject::FILE, &fact, &[direct], &[]),
            (None, _) => self.set(view, pyproject::FILE, &fact, &["pip install -e ."], &[]),
        }
    }

    fn set(&mut self, view: &View<'_, '_>, file: &str, fact: &str, install: &[&str], fallback: &[&str]) {
        self.install = install.iter().map(|&line| line.to_owned()).collect();
        self.fallback = fallback.iter().map(|&line| line.to_owned()).collect();
        self.evidence.push(view.evidence(file, fact));
    }

    /// Whether the manifests name the package, in any of the spellings pip treats as one.
    pub(super) fn names(&self, package: &str) -> bool {
        let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        [package.to_owned(), package.replace('-', "_")].iter().any(|name| {
            self.text.match_indices(name.as_str()).any(|(at, _)| {
                boundary(self.text[..at].chars().next_back())
                    && boundary(self.text[at + name.len()..].chars().next())
            })
        })
    }

    /// Adds a package that the project uses and does not name.
    pub(super) fn add(&mut self, package: &str, evidence: Evidence) {
        let line = format!("pip install {package}");
        self.install.push(line.clone());
        if !self.fallback.is_empty() {
            self.fallback.push(line);
        }
        self.evidence.push(evidence);
    }

    pub(super) fn installs(&self) -> bool {
        !self.install.is_empty()
    }

    /// The install and what to try if it fails.
    pub(super) fn steps(&self) -> (Option<Step>, Option<Step>) {
        let step = |lines: &[String]| {
            (!lines.is_empty())
                .then(|| Step::shell(format!("{CREATE} && {ACTIVATE} && {}", lines.join(" && "))))
        };
        (step(&self.install), step(&self.fallback))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_only_as_a_whole_word() {
        let named = |text: &str, package: &str| {
            Dependencies { text: text.into(), ..Dependencies::default() }.names(package)
        };
        assert!(named("flask==3.0\nuvicorn[standard]", "flask"));
        assert!(named("flask==3.0\nuvicorn[standard]>=1", "uvicorn"));
        assert!(named("\"flask_socketio\"", "flask-socketio"));
        assert!(!named("flask-cors\nmyflask", "flask"));
    }
}
