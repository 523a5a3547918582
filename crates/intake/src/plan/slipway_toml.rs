//! `slipway.toml`: the project's own word on how to run it. It wins over everything; what it leaves out is filled in
//! from what was recognised in the same folder. Hostile like the rest: bounded, unknown keys refused with their line.

use std::collections::BTreeMap;

use super::procfile;
use super::project::{Candidate, View};
use super::slipway_file::{Command, SlipwayToml, parse, relative};
use super::types::{Evidence, ImageChoice, Language, NamedStep, RunPlan, Start};
use crate::refusal::Refusal;

pub(super) const FILE: &str = "slipway.toml";
const SCORE: i32 = 2000;

/// The file of this folder, checked; `None` if there is none.
pub(super) fn read(view: &mut View<'_, '_>) -> Result<Option<SlipwayToml>, Refusal> {
    let Some(text) = view.manifest(FILE)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|fault| view.fault(FILE, fault.line, fault.what))
}

impl SlipwayToml {
    /// The subfolder it names, relative to its own folder.
    pub(super) fn workdir(&self) -> String {
        self.workdir.as_deref().and_then(|dir| relative(dir).ok()).unwrap_or_default()
    }

    /// Its plan, filled in from `base`, the best plan otherwise found for its workdir.
    pub(super) fn plan(&self, view: &View<'_, '_>, base: Option<&RunPlan>) -> Result<Candidate, Refusal> {
        let own_start = self.start.is_some() || self.files.is_some();
        // What the base builds is for what the base starts.
        let prefix = if self.install.is_none() { procfile::prefix(base) } else { String::new() };
        let mut plan = match base {
            Some(base) => RunPlan { build: base.build.clone().filter(|_| !own_start), ..base.clone() },
            None if own_start => self.blank(),
            None => {
                let what =
                    "nothing else here says how to start, so it needs a line like: start = \"./run.sh\"";
                return Err(view.fault(FILE, None, what));
            }
        };
        plan.evidence
            .insert(0, Evidence { file: view.full(FILE), fact: "the project's own run plan".into() });
        plan.id = "slipway-toml".into();
        plan.why = "The project's slipway.toml says how to run it.".into();
        plan.name.clone_from(&self.name);
        if let Some(image) = &self.image {
            plan.image = ImageChoice { reference: image.clone(), why: "named in slipway.toml".into() };
        }
        if let Some(install) = &self.install {
            plan.install = install.step("");
            plan.fallback_install = None;
        }
        if let Some(build) = &self.build {
            plan.build = build.step(&prefix);
        }
        if let Some(step) = self.start.as_ref().and_then(|start| start.step(&prefix)) {
            plan.start = Start::Command(step);
            plan.port = None;
            plan.expects_http = true;
        }
        if let Some(files) = &self.files {
            let dir = relative(files.dir()).unwrap_or_default();
            plan.start = Start::Static { dir, spa: files.spa() };
            plan.port = None;
            plan.expects_http = true;
        }
        if let Some(port) = self.port {
            plan.port = Some(port);
            plan.env.insert("PORT".into(), port.to_string());
        }
        plan.env.extend(self.env.iter().map(|(name, value)| (name.clone(), value.text())));
        let named = |(name, command): (&String, &Command)| {
            Some(NamedStep { name: name.clone(), step: command.step(&prefix)? })
        };
        plan.processes.extend(self.processes.iter().filter_map(named));
        plan.network_allow.clone_from(&self.network.allow);
        plan.health_path.clone_from(&self.health.path);
        Ok(Candidate { score: SCORE, plan })
    }

    fn blank(&self) -> RunPlan {
        let command = self.start.as_ref().map_or("", Command::first_word);
        RunPlan {
            id: String::new(),
            title: "slipway.toml".into(),
            name: None,
            language: if self.files.is_some() { Language::Static } else { Language::Other },
            image: procfile::image_for(command, "slipway.toml names none; chosen by its command"),
            workdir: String::new(),
            install: None,
            fallback_install: None,
            build: None,
            start: Start::Static { dir: String::new(), spa: false },
            env: BTreeMap::new(),
            port: None,
            processes: Vec::new(),
            expects_http: true,
            health_path: None,
            network_allow: Vec::new(),
            evidence: Vec::new(),
            why: String::new(),
        }
    }
}
