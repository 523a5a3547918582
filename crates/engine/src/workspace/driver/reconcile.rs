//! Comparing the container with what is intended. The one path for start-up, a daemon that came back, an end that was
//! noticed and a link that broke.

use slipway_agent_api::v1::ProcessesRequest;
use slipway_wire::{Code, PhaseName, PhaseState, Problem, ProcessRole, WorkspaceId, WorkspaceState};
use std::time::Duration;

use super::{super::lease as terms, Driver};
use crate::{
    agent_link::AgentLink,
    deploy::{followed, stop_process, watch_app},
    docker::{Condition, Docker},
    logs::Followed,
    processes::{DETACHED_TAG, process_view},
};

impl Driver {
    /// Compares the container with what is intended and mends the difference. The one path for start-up, a daemon that
    /// came back, an end that was noticed and a link that broke.
    pub(super) async fn look(&mut self) {
        self.link_lost = false;
        let Some(container) = self.find_container().await else { return };
        if self.record.paused_from.is_some() {
            if let Ok(docker) = self.shared.docker.current() {
                self.look_paused(&docker, &container).await;
            }
            return;
        }
        if self.link.borrow().as_ref().is_some_and(|link| !link.is_closed()) {
            // Still connected; but the end of the container may be on its way to us.
            let docker = self.shared.docker.current();
            if let Ok(docker) = docker
                && let Ok(Some(found)) = docker.running(&container).await
                && found.paused
            {
                return self.paused_outside();
            }
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
        self.looked = true;
        match docker.running(&container).await {
            Err(problem) => {
                tracing::warn!(workspace = %self.record.view.id, %problem, "the container could not be looked at");
            }
            // The daemon gave up making it when we went away.
            Ok(None) if self.record.view.state == WorkspaceState::Creating => {
                self.record.container = None;
                self.interrupted();
            }
            Ok(None) => self.lost(),
            // We went away before it was started, or the daemon is only starting it now: nothing is in it yet.
            Ok(Some(found)) if found.new => match docker.remove(&container).await {
                Ok(()) => {
                    self.record.container = None;
                    self.interrupted();
                }
                Err(problem) => {
                    tracing::warn!(workspace = %self.record.view.id, %problem, "a new container stays for now");
                }
            },
            Ok(Some(found)) if found.running && found.paused && self.record.uploaded => self.paused_outside(),
            Ok(Some(running)) if running.running => self.reconnect(&docker, &container).await,
            Ok(Some(ended)) => self.ended(&ended),
        }
    }

    pub(super) fn lost(&mut self) {
        self.record.container = None;
        self.shared.leave_log(&self.record.view.id, "the container is gone");
        self.record.app = None;
        self.record.paused_from = None;
        self.record.restarting = false;
        self.restart_at = None;
        self.record.view.lease = terms::go_on(self.record.view.lease, self.now_ms());
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
        if self.record.restarting {
            // Known already: it is about to be started again.
            if self.restart_at.is_none() {
                self.restart_found();
            }
            return;
        }
        let problem = if ended.out_of_memory {
            Problem::new(Code::Limit, "The workspace was ended because it ran out of memory.")
                .hint(self.record.more_memory())
        } else {
            Problem::new(
                Code::AgentLost,
                "The container was stopped from outside (Docker was restarted, perhaps).",
            )
            .hint("Start it again; its files are kept.")
        };
        let ran = self.record.app.is_some();
        self.say_problem(&problem);
        self.shared.leave_log(&self.record.view.id, "the container ended");
        self.rest(Some(problem));
        if ran {
            self.start_again(true, "was ended with its container", "");
        }
    }

    /// The container is stopped; files are kept.
    pub(super) fn rest(&mut self, problem: Option<Problem>) {
        self.record.app = None;
        self.record.paused_from = None;
        self.record.restarting = false;
        self.restart_at = None;
        self.listen_by = None;
        let now = self.now_ms();
        let view = &mut self.record.view;
        view.lease = terms::go_on(view.lease, now);
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
            if let Err(problem) = docker.unpause(container).await {
                tracing::warn!(workspace = %self.record.view.id, %problem, "could not be resumed to stop it");
            }
            if let Err(problem) = docker.stop(container, 3).await {
                tracing::warn!(workspace = %self.record.view.id, %problem, "could not be stopped");
            }
            return;
        }
        let link = match AgentLink::connect(docker, container).await {
            Ok(link) => link,
            Err(problem) if docker.ping().await.is_err() => {
                // It went away again meanwhile; when it is back, so are we.
                tracing::warn!(workspace = %self.record.view.id, %problem, "could not be reconnected yet");
                return;
            }
            Err(problem) => {
                // It may have ended while we tried: then that is what happened.
                if let Ok(Some(ended)) = docker.running(container).await
                    && !ended.running
                {
                    self.ended(&ended);
                    return;
                }
                if self.record.view.problem.as_ref().is_none_or(|known| known.message != problem.message) {
                    self.say_problem(&problem);
                }
                self.record.view.problem = Some(problem);
                self.record.view.state = WorkspaceState::Failed;
                self.changed();
                return;
            }
        };
        self.take_link(link.clone());
        let Some(listed) = processes(&link, &self.record.view.id).await else { return };
        for process in &listed {
            // What was printed while nobody followed is in the agent's history.
            let id = &self.record.view.id;
            if process.running || !self.shared.log_has_end(id, &process.program.id).await {
                self.shared.keep_log(&link, &process.program);
            }
        }
        let listed: Vec<Listed> = listed.into_iter().filter(Listed::of_plan).collect();
        let app = self.find_app(&listed);
        let known = app.as_ref().map(|(program, _)| program.id.clone());
        let before = std::mem::replace(&mut self.record.app, known);
        match app {
            Some((program, running)) => self.follow(link, program, running),
            None if self.record.restarting => self.restart_found(),
            None if self.record.view.state == WorkspaceState::Creating => {
                // What the deploy had begun has nobody who waits for it.
                end_all(&link, &listed).await;
                self.cut_short();
            }
            None if before.is_some() && self.record.view.state == WorkspaceState::Running => {
                let text =
                    "The container was restarted by something other than Slipway; the program does not run.";
                if self.start_again(true, "ended when something restarted its container", "") {
                    return;
                }
                let problem =
                    Problem::new(Code::StartFailed, text).hint("Start it again; its files are kept.");
                self.record.view.url = None;
                self.failed(PhaseName::Start, problem);
            }
            None => {}
        }
        self.changed();
    }

    /// The container could not be reached when that was tried last; it may be well again.
    pub(super) fn out_of_reach(&self) -> bool {
        self.job.is_none()
            && self.record.view.state == WorkspaceState::Failed
            && self.record.view.problem.as_ref().is_some_and(|problem| problem.code == Code::AgentLost)
            && self.link.borrow().as_ref().is_none_or(AgentLink::is_closed)
    }

    /// Follows a program that was found again. One that has ended meanwhile tells its end at once.
    fn follow(&mut self, link: AgentLink, program: Followed, running: bool) {
        let (updates, stop) = (self.updates(), self.link_tasks.clone());
        let watch = watch_app(self.shared.clone(), link, program, updates);
        self.shared.tracker.spawn(async move { stop.run_until_cancelled(watch).await });
        if !running {
            return;
        }
        let view = &mut self.record.view;
        if view.ready_ms.is_none() {
            self.started();
        } else if view.problem.as_ref().is_some_and(|problem| problem.code == Code::AgentLost) {
            // It was only out of reach.
            view.state = WorkspaceState::Running;
            view.problem = None;
        }
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

    /// The program among a container's processes, and whether it runs: the one that is known, ended or not, else the
    /// first that runs.
    fn find_app(&self, listed: &[Listed]) -> Option<(Followed, bool)> {
        let mut apps = listed.iter().filter(|p| p.role == ProcessRole::App);
        let known = apps.clone().find(|p| Some(&p.program.id) == self.record.app.as_ref());
        let found = known.or_else(|| apps.find(|p| p.running))?;
        Some((found.program.clone(), found.running))
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
        let unsure = matches!(self.record.view.state, WorkspaceState::Creating | WorkspaceState::Terminated);
        if self.record.container.is_none() && unsure {
            let docker = self.shared.docker.current().ok()?;
            match docker.ours(&self.shared.instance).await {
                Err(problem) => {
                    tracing::warn!(workspace = %self.record.view.id, %problem, "containers could not be listed");
                    return None;
                }
                Ok(ours) => {
                    let found = ours.into_iter().find(|c| c.workspace.as_ref() == Some(&self.record.view.id));
                    if self.record.view.state == WorkspaceState::Terminated {
                        // Made at the moment the engine went away: nobody has seen it, and the deploy is over.
                        if let Some(found) = found
                            && let Err(problem) = docker.remove(&found.id).await
                        {
                            tracing::warn!(workspace = %self.record.view.id, %problem, "could not be removed");
                        }
                        return None;
                    }
                    self.record.container = found.map(|c| c.id);
                }
            }
            if self.record.container.is_none() {
                self.interrupted();
            }
        }
        self.record.container.clone()
    }

    /// A deploy that a crash cut short before there was a container.
    fn interrupted(&mut self) {
        let problem = Problem::new(Code::Cancelled, "Slipway ended in the middle of this deploy.")
            .hint("Deploy the project again.");
        self.failed(PhaseName::Claim, problem);
    }
}

/// A process of a workspace as its agent lists it.
pub(super) struct Listed {
    program: Followed,
    role: ProcessRole,
    running: bool,
}

impl Listed {
    /// The plan started it, not a person.
    fn of_plan(&self) -> bool {
        self.role != ProcessRole::Exec
    }
}

/// The processes of a container that a plan started, running or ended. `None`: the agent does not answer.
pub(super) async fn plan_processes(link: &AgentLink, id: &WorkspaceId) -> Option<Vec<Listed>> {
    Some(processes(link, id).await?.into_iter().filter(Listed::of_plan).collect())
}

/// The same, and those a person started that go on by themselves: all whose output is kept.
async fn processes(link: &AgentLink, id: &WorkspaceId) -> Option<Vec<Listed>> {
    let reply = link.client.clone().processes(ProcessesRequest {}).await.ok()?.into_inner();
    let listed = reply.processes.iter().filter_map(|told| {
        let process = process_view(id, told)?;
        let of_plan = matches!(process.role, ProcessRole::Install | ProcessRole::Build | ProcessRole::App);
        let (role, running) = (process.role, process.exit.is_none());
        (of_plan || told.tag == DETACHED_TAG).then(|| Listed { program: followed(&process), role, running })
    });
    Some(listed.collect())
}

/// Ends those that run, all at once.
pub(super) async fn end_all(link: &AgentLink, listed: &[Listed]) {
    let ends = listed.iter().filter(|process| process.running).map(|process| async {
        if let Err(problem) = stop_process(link, &process.program.id).await {
            tracing::warn!(process = %process.program.id, %problem, "could not be ended");
        }
    });
    futures_util::future::join_all(ends).await;
}
