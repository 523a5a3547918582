//! What a snapshot needs to be started again, as its row, the label of its image and the file of an export hold it.
//! Labels and files are foreign text: bounded and checked here before anybody believes them.

use serde::{Deserialize, Serialize};
use slipway_intake::{RunPlan, Start, Step};
use slipway_wire::{Code, NetworkProfile, Preset, Problem, RestartPolicy, WorkspaceId};

use crate::{
    deploy::{check_env, check_root},
    docker::{Changed, check_image_name},
    workspace::Record,
};

/// Bytes of it as JSON, beyond which it is not read and not written.
pub(crate) const MOST_TEXT: usize = 512 * 1024;
const MOST_NAME: usize = 80;
const MOST_NOTE: usize = 2000;
const MOST_WORDS: usize = 1000;

/// What a snapshot needs to be started again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seed {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) created_at_ms: u64,
    /// The base image of the workspace, by name.
    pub(crate) image: String,
    pub(crate) plan: Option<RunPlan>,
    pub(crate) root: String,
    pub(crate) port: Option<u16>,
    pub(crate) preset: Preset,
    pub(crate) network: NetworkProfile,
    #[serde(default)]
    pub(crate) limits: Changed,
    #[serde(default)]
    pub(crate) restart: RestartPolicy,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) workspace_name: String,
    #[serde(default)]
    pub(crate) imported: bool,
}

impl Seed {
    /// Of a workspace as it is now. Its own environment is not in it: it may be secret.
    pub(crate) fn of(record: &Record, name: String, note: String, now_ms: u64) -> Self {
        let view = &record.view;
        let plan = record.run_plan.clone();
        let listens = view.ports.iter().find(|port| Some(&port.url) == view.url.as_ref());
        Self {
            name,
            note,
            created_at_ms: now_ms,
            image: view.image.clone(),
            port: listens.map(|port| port.port).or(plan.as_ref().and_then(|plan| plan.port)),
            plan,
            root: view.root.clone(),
            preset: view.preset,
            network: view.network,
            limits: record.limits,
            restart: view.restart,
            workspace: Some(view.id.clone()),
            workspace_name: view.name.clone(),
            imported: false,
        }
    }

    /// As text for a label or a file.
    pub(crate) fn to_text(&self) -> Result<String, Problem> {
        let text = serde_json::to_string(self).map_err(|e| {
            Problem::new(Code::Internal, format!("The snapshot could not be described: {e}."))
        })?;
        if text.len() > MOST_TEXT {
            return Err(Problem::new(
                Code::Limit,
                "The plan of this workspace is too long to go into a snapshot.",
            )
            .hint("Shorten the commands and variables in its slipway.toml and deploy it again."));
        }
        Ok(text)
    }

    /// Reads and checks it.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        if text.len() > MOST_TEXT {
            return Err(wrong("it is too long"));
        }
        let seed: Self = serde_json::from_str(text).map_err(|e| wrong(&e.to_string()))?;
        seed.checked()
    }

    /// Checked, its words made fit to be shown.
    pub(crate) fn checked(mut self) -> Result<Self, Problem> {
        self.name = shown(&self.name, MOST_NAME);
        if self.name.is_empty() {
            "snapshot".clone_into(&mut self.name);
        }
        self.note = note(&self.note).chars().take(MOST_NOTE).collect();
        self.workspace_name = shown(&self.workspace_name, MOST_NAME);
        if !self.image.is_empty() {
            check_image_name(&self.image).map_err(|e| wrong(&e.message))?;
        }
        self.root = check_root(Some(&self.root)).map_err(|e| wrong(&e.message))?;
        self.limits = self.limits.checked().map_err(|e| wrong(&e.message))?;
        if self.port == Some(0) {
            return Err(wrong("0 is no port"));
        }
        self.plan = self.plan.map(checked_plan).transpose()?;
        Ok(self)
    }
}

/// A name as a person gave it.
pub(crate) fn check_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MOST_NAME || name.chars().any(char::is_control) {
        let text = format!("A snapshot's name has 1 to {MOST_NAME} characters, none of them invisible.");
        return Err(Problem::new(Code::Invalid, text));
    }
    Ok(name.to_owned())
}

/// A note as a person gave it.
pub(crate) fn check_note(text: &str) -> Result<String, Problem> {
    if text.chars().count() > MOST_NOTE {
        return Err(Problem::new(Code::Invalid, "A snapshot's note has at most 2,000 characters."));
    }
    Ok(note(text))
}

fn note(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn wrong(why: &str) -> Problem {
    let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
    Problem::new(Code::Refused, format!("What the snapshot says about itself cannot be right: {why}."))
        .hint("Take or export the snapshot again where it came from.")
}

/// Foreign words on one line, at most `most` characters.
fn shown(text: &str, most: usize) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(most).collect();
    clean.trim().to_owned()
}

/// Whether a path stays below the folder it is relative to.
fn inside(path: &str) -> bool {
    path.len() <= 4096
        && !path.starts_with('/')
        && !path.split('/').any(|part| part == "..")
        && !path.chars().any(char::is_control)
}

fn check_step(step: &Step) -> Result<(), Problem> {
    let words = step.argv.iter().chain(&step.shell);
    if step.argv.is_empty() == step.shell.is_none()
        || step.argv.len() > 256
        || words.clone().any(|word| word.len() > 64 * 1024 || word.contains('\0'))
        || step.argv.first().is_some_and(String::is_empty)
    {
        return Err(wrong("a command is none, or too long"));
    }
    if !step.cwd.as_deref().is_none_or(inside) {
        return Err(wrong("a command's folder lies outside the project"));
    }
    Ok(())
}

fn checked_plan(mut plan: RunPlan) -> Result<RunPlan, Problem> {
    let steps = [&plan.install, &plan.fallback_install, &plan.build].into_iter().flatten();
    for step in steps.chain(plan.processes.iter().map(|process| &process.step)) {
        check_step(step)?;
    }
    match &plan.start {
        Start::Command(step) => check_step(step)?,
        Start::Static { dir, .. } if !inside(dir) => {
            return Err(wrong("its folder lies outside the project"));
        }
        Start::Static { .. } => {}
    }
    if !inside(&plan.workdir) {
        return Err(wrong("its folder lies outside the project"));
    }
    if plan.processes.len() > 16 || plan.network_allow.len() > 64 || plan.port == Some(0) {
        return Err(wrong("it has more processes or hosts than a project may have"));
    }
    check_env(&plan.env).map_err(|e| wrong(&e.message))?;
    check_image_name(&plan.image.reference).map_err(|e| wrong(&e.message))?;
    let path = |path: &String| {
        path.starts_with('/') && path.len() <= 1000 && !path.chars().any(|c| c.is_control() || c == ' ')
    };
    if !plan.health_path.as_ref().is_none_or(path) {
        return Err(wrong("the path it is asked at is none"));
    }
    plan.id = shown(&plan.id, 120);
    plan.title = shown(&plan.title, 120);
    plan.why = shown(&plan.why, MOST_WORDS);
    plan.image.why = shown(&plan.image.why, MOST_WORDS);
    plan.name = plan.name.map(|name| shown(&name, MOST_NAME)).filter(|name| !name.is_empty());
    plan.evidence.truncate(64);
    for evidence in &mut plan.evidence {
        evidence.file = shown(&evidence.file, MOST_WORDS);
        evidence.fact = shown(&evidence.fact, MOST_WORDS);
    }
    for process in &mut plan.processes {
        process.name = shown(&process.name, MOST_NAME);
    }
    for host in &mut plan.network_allow {
        *host = shown(host, 253);
    }
    Ok(plan)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) fn seed() -> Seed {
        let text = json!({
            "name": "before the upgrade", "note": "two\nlines", "created_at_ms": 7, "image": "node:24-alpine",
            "plan": {
                "id": "node", "title": "Node", "language": "node",
                "image": {"reference": "node:24-alpine", "why": "engines"},
                "workdir": "", "install": {"argv": ["npm", "ci"]}, "fallback_install": null, "build": null,
                "start": {"command": {"shell": "node server.js"}}, "env": {"A": "b"}, "port": 3000,
                "processes": [], "expects_http": true, "evidence": [], "why": "a server.js"
            },
            "root": "/workspace", "port": 3000, "preset": "medium", "network": "strict",
            "workspace": "shop-a1b2", "workspace_name": "shop"
        });
        Seed::read(&text.to_string()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let seed = seed();
        assert_eq!(Seed::read(&seed.to_text().unwrap()).unwrap(), seed);
        assert_eq!(seed.note, "two\nlines");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good: Value = serde_json::from_str(&seed().to_text().unwrap()).unwrap();
        for (place, value) in [
            ("/root", json!("/etc")),
            ("/root", json!("relative")),
            ("/root", json!("/a/../../b")),
            ("/image", json!("-rm")),
            ("/port", json!(0)),
            ("/port", json!(70_000)),
            ("/preset", json!("huge")),
            ("/limits", json!({"memory_mb": 1})),
            ("/workspace", json!("../x")),
            ("/plan/workdir", json!("../..")),
            ("/plan/workdir", json!("/")),
            ("/plan/start", json!({"static": {"dir": "../../etc", "spa": false}})),
            ("/plan/start", json!({"command": {}})),
            ("/plan/start", json!({"command": {"argv": ["a\u{0}b"]}})),
            ("/plan/start", json!({"command": {"argv": ["a"], "cwd": "/root"}})),
            ("/plan/start", json!({"command": {"argv": vec!["a"; 257]}})),
            ("/plan/env", json!({"A=B": "c"})),
            ("/plan/health_path", json!("no slash")),
            ("/plan/network_allow", json!(vec!["a"; 65])),
        ] {
            let mut bad = good.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[key] = value.clone();
            assert!(Seed::read(&bad.to_string()).is_err(), "{place}: {value}");
        }
        for text in ["", "[]", "{}", "null", &"x".repeat(MOST_TEXT + 1)] {
            assert!(Seed::read(text).is_err(), "{text:.20}");
        }
    }

    #[test]
    fn foreign_words_are_made_fit_to_be_shown() {
        let mut seed = seed();
        seed.name = format!("\u{1b}[31m{}", "x".repeat(500));
        seed.workspace_name = "a\nb".into();
        let read = Seed::read(&seed.to_text().unwrap()).unwrap();
        assert_eq!((read.name.chars().count(), read.name.contains('\u{1b}')), (MOST_NAME, false));
        assert_eq!(read.workspace_name, "ab");
    }
}
