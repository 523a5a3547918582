//! The run plan: everything the engine needs to run a project, and the evidence a person needs to believe it.
//! Plain data; made here from manifests, read by the engine and shown by the skins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a project is mainly written in.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// JavaScript or TypeScript on Node.
    Node,
    /// Python.
    Python,
    /// Files that are served as they are.
    Static,
    /// Whatever the project's own commands say.
    Other,
}

/// Which image to run in.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ImageChoice {
    /// As `docker pull` takes it: `node:24-alpine`.
    pub reference: String,
    /// What decided it.
    pub why: String,
}

/// One command.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
pub struct Step {
    /// Program and arguments. Empty if `shell` is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// A line for `sh -c`, instead of `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Where to run it, relative to the plan's `workdir`; `None` is the workdir itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

impl Step {
    /// A program with its arguments, run without a shell.
    pub fn argv<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// A line for `sh -c`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self { shell: Some(line.into()), ..Self::default() }
    }

    /// The command as a person would type it, with arguments quoted where a shell needs it.
    pub fn display(&self) -> String {
        match &self.shell {
            Some(line) => line.clone(),
            None => self.argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

/// `word` as one shell word.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,^~".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('~') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A further process that runs beside the main one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct NamedStep {
    /// As the project names it: `worker`.
    pub name: String,
    /// Its command.
    pub step: Step,
}

/// What the project is started as.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// A command that keeps running.
    Command(Step),
    /// Files served by the agent.
    Static {
        /// The folder, relative to the plan's `workdir`; empty is the workdir itself.
        dir: String,
        /// Whether unknown paths get `index.html`, as single-page applications want.
        spa: bool,
    },
}

/// One fact that led to the plan.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The file, relative to the project's root.
    pub file: String,
    /// What it says, in a few words.
    pub fact: String,
}

/// One way to run a project.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// Stable and kebab-case: `node-vite`. With a subfolder: `node-vite@frontend`.
    pub id: String,
    /// For people: `Vite · React`.
    pub title: String,
    /// The project's own name for itself, from `slipway.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is mainly written in.
    pub language: Language,
    /// Which image to run in.
    pub image: ImageChoice,
    /// The subfolder to run in, relative to the project's root; empty is the root.
    pub workdir: String,
    /// Fetches what the project depends on. `None` if it depends on nothing.
    pub install: Option<Step>,
    /// Tried once if `install` fails, as `npm install` after an `npm ci` that found the lockfile out of step.
    pub fallback_install: Option<Step>,
    /// Runs once after installing.
    pub build: Option<Step>,
    /// What then runs or is served.
    pub start: Start,
    /// Set for every step.
    pub env: BTreeMap<String, String>,
    /// Where it will probably listen. A hint: the socket table decides.
    pub port: Option<u16>,
    /// Further processes.
    pub processes: Vec<NamedStep>,
    /// Whether a listening port means success. If not, the program's own end is its result.
    pub expects_http: bool,
    /// The path that says whether it is well, from `slipway.toml`: asked by HTTP instead of a bare connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// Hosts the project itself asks to reach, from `slipway.toml`. A request: the user decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_allow: Vec<String>,
    /// The facts it rests on.
    pub evidence: Vec<Evidence>,
    /// One sentence for people.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_typed() {
        assert_eq!(Step::argv(["npm", "run", "dev"]).display(), "npm run dev");
        assert_eq!(Step::argv(["echo", "it's", ""]).display(), "echo 'it'\\''s' ''");
        assert_eq!(Step::shell("a && b").display(), "a && b");
    }
}
