//! Comparing the container with what is intended. The one path for start-up, a daemon that came back, an end that was
//! noticed and a link that broke.

use slipway_wire::{Code, PhaseName, PhaseState, Problem, WorkspaceState};
use std::time::Duration;

use super::Driver;
use crate::{
    agent_link::AgentLink,
    deploy::{role_of, watch_app},
    docker::{Condition, Docker},
};

impl Driver {
    /// Compares the container with what is intended and mends the difference. The one path for start-up, a daemon that
    /// came back, an end that was noticed and a link that broke.
    pub(super) async fn look(&mut self) {
        let Some(container) = self.find_container().await else { return };
        if self.link.borrow().as_ref().is_some_and(|link| !link.is_closed()) {
            // Still connected; but the end of the container may be on its way to us.
            let link = self.link.borrow().clone();
            if let Some(mut link) = link {
                let answer = link.client.usage(slipway_agent_api::v1::UsageRequest {});
                if matches!(tokio::time::timeout(Duration::from_secs(5), answer).await, Ok(Ok(_))) {
                    return;
                }
            }
            self.unlink();
        }
        let Ok(docker) = self.shared.docker.current() else { return };
        match docker.running(&container).await {
            Err(problem) => {
                tracing::warn!(workspace = %self.record.view.id, %problem, "the container could not be looked at");
            }
            Ok(None) => self.lost(),
            Ok(Some(running)) if running.running => self.reconnect(&docker, &container).await,
            Ok(Some(ended)) => self.ended(&ended),
        }
    }

    pub(super) fn lost(&mut self) {
        self.record.container = None;
        self.record.app = None;
        self.record.view.ports.clear();
        self.record.view.url = None;
        let problem =
            Problem::new(Code::NotFound, "The container is gone: something other than Slipway removed it.")
                .hint("Deploy the project again.");
        self.say_problem(&problem);
        self.record.view.state = WorkspaceState::Terminated;
        self.record.view.problem = Some(problem);
        self.changed();
    }

    pub(super) fn ended(&mut self, ended: &Condition) {
        if matches!(self.record.view.state, WorkspaceState::Stopped | WorkspaceState::Deleted) {
            return;
        }
        self.unlink();
        let problem = if ended.out_of_memory {
            Problem::new(Code::Limit, "The workspace was ended because it ran out of memory.")
                .hint("Start it again, or deploy it with a larger preset.")
        } else {
            Problem::new(
                Code::AgentLost,
                "The container was stopped from outside (Docker was restarted, perhaps).",
            )
            .hint("Start it again; its files are kept.")
        };
        self.say_problem(&problem);
        self.rest(Some(problem));
    }

    /// The container is stopped; files are kept.
    pub(super) fn rest(&mut self, problem: Option<Problem>) {
        self.record.app = None;
        self.listen_by = None;
        let view = &mut self.record.view;
        view.ports.clear();
        view.url = None;
        view.state = WorkspaceState::Stopped;
        view.problem = problem;
        for phase in &mut view.phases {
            if phase.state == PhaseState::Running {
                phase.state = PhaseState::Waiting;
            }
        }
        self.changed();
    }

    pub(super) async fn reconnect(&mut self, docker: &Docker, container: &str) {
        if matches!(self.record.view.state, WorkspaceState::Stopped | WorkspaceState::Deleted) {
            // Intended to be stopped: a crash came between the intention and the stop.
            if let Err(problem) = docker.stop(container, 3).await {
                tracing::warn!(workspace = %self.record.view.id, %problem, "could not be stopped");
            }
            return;
        }
        let link = match AgentLink::connect(docker, container).await {
            Ok(link) => link,
            Err(problem) => {
                self.say_problem(&problem);
                self.record.view.problem = Some(problem);
                self.record.view.state = WorkspaceState::Failed;
                self.changed();
                return;
            }
        };
        self.take_link(link.clone());
        let app = self.find_app(&link).await;
        self.record.app.clone_from(&app);
        match app {
            Some(process) => {
                let (updates, stop) = (self.updates(), self.link_tasks.clone());
                self.shared
                    .tracker
                    .spawn(async move { stop.run_until_cancelled(watch_app(link, process, updates)).await });
                if self.record.view.ready_ms.is_none() {
                    self.started();
                }
            }
            None if self.record.view.state == WorkspaceState::Creating => self.cut_short(),
            None => {}
        }
        self.changed();
    }

    /// A deploy that a crash cut short. With the files all in, it can go on; without them it cannot.
    pub(super) fn cut_short(&mut self) {
        let phase = self
            .record
            .view
            .phases
            .iter()
            .find(|p| matches!(p.state, PhaseState::Running | PhaseState::Waiting));
        let name = phase.map_or(PhaseName::Install, |p| p.name);
        let problem = Problem::new(Code::Cancelled, "Slipway ended in the middle of this deploy.").hint(
            if self.record.uploaded {
                "Retry: the files are in the container already."
            } else {
                "Deploy the project again."
            },
        );
        self.failed(name, problem);
    }

    pub(super) async fn find_app(&self, link: &AgentLink) -> Option<slipway_wire::ProcessId> {
        let listed = link
            .client
            .clone()
            .processes(slipway_agent_api::v1::ProcessesRequest {})
            .await
            .ok()?
            .into_inner();
        let running = listed.processes.iter().filter(|p| p.exit.is_none());
        let mut apps = running.filter(|p| role_of(&p.tag) == slipway_wire::ProcessRole::App);
        let known = self.record.app.as_ref().map(ToString::to_string);
        let found = apps.clone().find(|p| Some(&p.process) == known.as_ref()).or_else(|| apps.next())?;
        found.process.parse().ok()
    }

    /// Found in the store when the engine was opened.
    pub(super) async fn adopt(&mut self) {
        self.record.view.ports.clear();
        self.look().await;
        self.publish();
    }

    /// The container by its id or, when a crash came between making it and writing that down, by our label. Without
    /// one, a deploy that was under way is over.
    pub(super) async fn find_container(&mut self) -> Option<String> {
        if self.record.container.is_none() && self.record.view.state == WorkspaceState::Creating {
            let docker = self.shared.docker.current().ok()?;
            match docker.ours(&self.shared.instance).await {
                Err(problem) => {
                    tracing::warn!(workspace = %self.record.view.id, %problem, "containers could not be listed");
                    return None;
                }
                Ok(ours) => {
                    let found = ours.into_iter().find(|c| c.workspace.as_ref() == Some(&self.record.view.id));
                    self.record.container = found.map(|c| c.id);
                }
            }
            if self.record.container.is_none() {
                let problem = Problem::new(Code::Cancelled, "Slipway ended in the middle of this deploy.")
                    .hint("Deploy the project again.");
                self.failed(PhaseName::Claim, problem);
            }
        }
        self.record.container.clone()
    }
}
