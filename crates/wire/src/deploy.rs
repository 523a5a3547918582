//! Deploying: where the files come from, how they will be run, and how far it is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

use crate::{NetworkProfile, Preset, Problem, ProcessId, RestartPolicy, WorkspaceId};

/// Where the files come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Source {
    /// A zip file or a folder on this machine, absolute.
    Path {
        /// The path.
        path: String,
    },
    /// One of the bundled samples, by name.
    Sample {
        /// The sample's folder name.
        name: String,
    },
}

/// What to deploy and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeployRequest {
    /// The zip, folder or sample.
    pub source: Source,
    /// A name for people; the file's own name without it.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// A base image instead of the plan's.
    #[serde(default)]
    #[ts(optional)]
    pub image: Option<String>,
    /// Added to the environment of every process.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Seconds until it is stopped; 0 keeps it. The setting decides without it.
    #[serde(default)]
    #[ts(optional)]
    pub duration_s: Option<u64>,
    /// The id of one of the plans `intake.inspect` gave, instead of the best.
    #[serde(default)]
    #[ts(optional)]
    pub plan: Option<String>,
    /// Where the files go in the container, absolute; `/workspace` without it.
    #[serde(default)]
    #[ts(optional)]
    pub root: Option<String>,
    /// Memory and CPU.
    #[serde(default)]
    #[ts(optional)]
    pub preset: Option<Preset>,
    /// What the container may reach.
    #[serde(default)]
    #[ts(optional)]
    pub network: Option<NetworkProfile>,
    /// Whether its program is started again when it ends; never without it.
    #[serde(default)]
    #[ts(optional)]
    pub restart: Option<RestartPolicy>,
    /// Replace the files of this workspace and run its plan again instead of making a new one.
    #[serde(default)]
    #[ts(optional)]
    pub replace: Option<WorkspaceId>,
    /// Make it although this machine is short of memory or disk.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub force: bool,
}

/// Run a plan again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RedeployRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// The first phase to run: `install`, `build` or `start`.
    pub from: PhaseName,
    /// Another command for that phase, as a shell line.
    #[serde(default)]
    #[ts(optional)]
    pub command: Option<String>,
}

/// What a zip or folder holds and how it could be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Inspection {
    /// Files that would be written.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Ways to run it, best first. Empty: nothing recognised.
    pub plans: Vec<Plan>,
    /// A sentence for people when there is no plan.
    pub unknown: Option<String>,
}

/// One way to run a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Plan {
    /// Stable within one project: `node-vite`.
    pub id: String,
    /// For people: `Vite · React`.
    pub title: String,
    /// The base image.
    pub image: String,
    /// The commands, in order.
    pub steps: Vec<PlanStep>,
    /// Why this plan, in one sentence.
    pub why: String,
    /// The facts it rests on, `package.json: a "dev" script`.
    pub evidence: Vec<String>,
}

/// One command of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PlanStep {
    /// The phase it belongs to.
    pub phase: PhaseName,
    /// The command as a person would type it.
    pub command: String,
}

/// The phases of a deploy, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// The zip or folder is checked and understood.
    Check,
    /// The base image is pulled and prepared.
    Image,
    /// A container is claimed or made, its agent answers.
    Claim,
    /// The files go in.
    Upload,
    /// Dependencies are installed.
    Install,
    /// The project is built.
    Build,
    /// The program is started.
    Start,
    /// The program listens.
    Ready,
}

impl PhaseName {
    /// As the wire spells it: a word for people, scripts and metrics alike.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Image => "image",
            Self::Claim => "claim",
            Self::Upload => "upload",
            Self::Install => "install",
            Self::Build => "build",
            Self::Start => "start",
            Self::Ready => "ready",
        }
    }

    /// Every phase, in order.
    pub const ALL: [Self; 8] = [
        Self::Check,
        Self::Image,
        Self::Claim,
        Self::Upload,
        Self::Install,
        Self::Build,
        Self::Start,
        Self::Ready,
    ];
}

/// How a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseState {
    /// Not begun.
    Waiting,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// Not needed here.
    Skipped,
    /// Ended badly.
    Failed,
}

/// One phase of a deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Phase {
    /// Which.
    pub name: PhaseName,
    /// How it stands.
    pub state: PhaseState,
    /// Milliseconds it took, or has taken so far.
    pub elapsed_ms: Option<u64>,
    /// What it is doing, for people: `Pulling node:24-alpine`.
    pub detail: Option<String>,
    /// Progress in units of `total` (bytes for uploads and pulls).
    pub done: Option<u64>,
    /// What `done` counts up to.
    pub total: Option<u64>,
    /// The command that runs or ran.
    pub command: Option<String>,
    /// The process whose transcript tells the rest.
    pub process: Option<ProcessId>,
    /// Why it failed.
    pub problem: Option<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_spelled_one_way() {
        for phase in PhaseName::ALL {
            assert_eq!(
                serde_json::to_value(phase).ok().as_ref().and_then(|v| v.as_str()),
                Some(phase.word())
            );
        }
    }
}
