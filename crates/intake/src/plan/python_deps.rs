//! What a Python project depends on and how to install that: uv, Poetry, Pipenv, requirements files, `pyproject.toml`,
//! `setup.py`, in that order. Everything goes into a virtual environment outside the workspace, which sees the image's
//! own packages: the workspace stays what was sent, and an image with Flask in it needs no download.

use super::project::{View, clip};
use super::types::{Evidence, Step, quote};
use crate::refusal::Refusal;

/// Sourced before every command of a project that installs something.
pub(super) const ACTIVATE: &str = ". \"$HOME/.slipway-venv/bin/activate\"";
const CREATE: &str = "python3 -m venv --system-site-packages \"$HOME/.slipway-venv\"";
/// Direct dependencies taken over from a `pyproject.toml`.
const DEPENDENCIES: usize = 300;

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
        let pyproject = Pyproject::read(view, &mut found)?;
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
            self.set(
                view,
                "pyproject.toml",
                fact,
                &["pip install poetry", install],
                &["poetry lock --no-interaction", install],
            );
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
                    &format!("{names} requirements"),
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
        let names: Vec<String> = project.dependencies.iter().map(|name| quote(name)).collect();
        let direct = format!("pip install {}", names.join(" "));
        let fact = format!("{} dependencies", names.len());
        let (fact, install): (&str, &str) = match (project.builds, names.is_empty()) {
            (true, true) => ("a package to install", "pip install -e ."),
            (true, false) => (&fact, "pip install -e ."),
            (false, _) => (&fact, &direct),
        };
        let fallback: &[&str] = if project.builds && !names.is_empty() { &[&direct] } else { &[] };
        self.set(view, "pyproject.toml", fact, &[install], fallback);
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

/// What matters of a `pyproject.toml`. Unknown keys are other tools' business.
struct Pyproject {
    dependencies: Vec<String>,
    builds: bool,
    poetry: bool,
}

impl Pyproject {
    fn read(view: &mut View<'_, '_>, found: &mut Dependencies) -> Result<Option<Self>, Refusal> {
        const FILE: &str = "pyproject.toml";
        let Some(text) = view.manifest(FILE)? else { return Ok(None) };
        let value: toml::Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            view.fault(FILE, line, format!("it is not valid TOML ({})", clip(error.message())))
        })?;
        let at = |path: &[&str]| {
            let mut tables = Some(&value);
            let (last, parents) = path.split_last()?;
            for name in parents {
                tables = tables?.get(*name)?.as_table();
            }
            tables?.get(*last)
        };
        let listed = at(&["project", "dependencies"]).and_then(toml::Value::as_array);
        let names = listed.into_iter().flatten().filter_map(toml::Value::as_str);
        // A name that begins with a dash would be an option of pip.
        let dependencies: Vec<String> = names
            .filter(|name| !name.starts_with('-') && name.len() <= 300 && !name.contains(char::is_control))
            .take(DEPENDENCIES)
            .map(str::to_owned)
            .collect();
        let poetry_table = at(&["tool", "poetry"]).and_then(toml::Value::as_table);
        let poetry = poetry_table.is_some_and(|table| table.contains_key("dependencies"))
            || poetry_table.is_some() && view.has("poetry.lock");
        let builds = value.contains_key("build-system") && value.contains_key("project");
        if !dependencies.is_empty() || poetry || view.has("uv.lock") {
            found.text.push_str(&text.to_lowercase());
        }
        if let Some(range) =
            at(&["project", "requires-python"]).or_else(|| at(&["tool", "poetry", "dependencies", "python"]))
        {
            found.python = range.as_str().map(|range| (FILE, clip(range)));
        }
        Ok(Some(Self { dependencies, builds, poetry }))
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
