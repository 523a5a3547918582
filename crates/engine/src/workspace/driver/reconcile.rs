//! Comparing the container with what is intended. The one path for start-up, a daemon that came back, an end that was
//! noticed and a link that broke.

use slipway_agent_api::v1::ProcessesRequest;
use slipway_wire::{Code, Level, PhaseName, PhaseState, Problem, ProcessRole, WorkspaceId, WorkspaceState};
use std::time::Duration;

use super::{
    super::{lease as terms, message},
    Driver,
};
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
        self.compare().await;
        if self.out_of_reach() {
            self.reach.failed();
        } else {
            self.reach.worked();
        }
    }

    async fn compare(&mut self) {
        self.look_owed = false;
        let Some(container) = self.find_container().await else { return };
        let Ok(docker) = self.shared.docker.current() else { return };
        if self.record.paused_from.is_some() && !self.look_paused(&docker, &container).await {
            return;
        }
        if self.still_connected(&docker, &container).await {
            return;
        }
        let first = !std::mem::replace(&mut self.looked, true);
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
            Ok(Some(found)) if found.running && self.meant_to_be_stopped() => self.stop_again(first).await,
            Ok(Some(found)) if found.running && found.paused => self.paused_outside(),
            Ok(Some(running)) if running.running => self.reconnect(&docker, &container).await,
            Ok(Some(ended)) => self.ended(&ended),
        }
    }

    /// Whether there is a connection that answers, or one to a container that stands still: nothing is to be mended.
    async fn still_connected(&mut self, docker: &Docker, container: &str) -> bool {
        let link = self.link.borrow().clone().filter(|link| !link.is_closed());
        let Some(mut link) = link else { return false };
        // The end of the container may be on its way to us.
        if let Ok(Some(found)) = docker.running(container).await
            && found.paused
        {
            self.paused_outside();
            return true;
        }
        let answer = link.client.usage(slipway_agent_api::v1::UsageRequest {});
        if matches!(tokio::time::timeout(Duration::from_secs(5), answer).await, Ok(Ok(_))) {
            return true;
        }
        self.unlink();
        false
    }

    fn meant_to_be_stopped(&self) -> bool {
        matches!(self.record.view.state, WorkspaceState::Stopped | WorkspaceState::Deleted)
    }

    /// It runs and is meant to be stopped: a crash came between the intention and the stop, or something else started
    /// it. Nothing is to run unseen.
    async fn stop_again(&mut self, first_look: bool) {
        if !first_look && !self.stop_owed {
            let text = "Its container was started by something other than Slipway; it is stopped again";
            let mut said = message(Level::Warning, text);
            said.hint = Some("Start the workspace to use it.".to_owned());
            self.say(said);
        }
        self.stop_owed = true;
        if let Err(problem) = self.stop_now(None).await {
            tracing::debug!(workspace = %self.record.view.id, %problem, "it will be tried again");
        }
    }

    pub(super) fn lost(&mut self) {
        self.record.container = None;
        self.shared.leave_log(&self.record.view.id, "the container is gone");
        self.record.app = None;
        self.record.not_paused();
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
        if self.meant_to_be_stopped() {
            return;
        }
        self.unlink();
        if self.record.restarting {
            // Known already: it is about to be started again.
            let paused = self.record.not_paused().is_some();
            if paused || self.restart_at.is_none() {
                self.record.view.lease = terms::go_on(self.record.view.lease, self.now_ms());
                self.restart_found();
            }
            return;
        }
        if let Some(problem) = self.never_reached() {
            // Told already.
            return self.rest(Some(problem));
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

    /// Why the container could not be started when that was tried last.
    fn never_reached(&self) -> Option<Problem> {
        let claim = self.record.view.phases.iter().find(|phase| phase.name == PhaseName::Claim)?;
        claim.problem.clone().filter(|_| claim.state == PhaseState::Failed)
    }

    /// The container is stopped; files are kept.
    pub(super) fn rest(&mut self, problem: Option<Problem>) {
        self.record.app = None;
        self.record.not_paused();
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
        let link = match AgentLink::connect(docker, container).await {
            Ok(link) => link,
            Err(problem) if docker.ping().await.is_err() => {
                // It went away again meanwhile; when it is back, so are we.
                tracing::warn!(workspace = %self.record.view.id, %problem, "could not be reconnected yet");
                return;
            }
            Err(problem) => {
                // It may have ended or been paused while we tried: then that is what happened.
                match docker.running(container).await {
                    Ok(Some(found)) if !found.running => return self.ended(&found),
                    Ok(Some(found)) if found.paused => return self.paused_outside(),
                    _ => {}
                }
                // Whatever kept us away: when it is reached again, it is as before.
                let problem = Problem { code: Code::AgentLost, ..problem };
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

    /// It is meant to be connected and is not: what was tried last did not work. It may be well again.
    pub(super) fn out_of_reach(&self) -> bool {
        let live = match self.record.view.state {
            WorkspaceState::Running | WorkspaceState::Failed => true,
            WorkspaceState::Creating => self.restart_at.is_none(),
            _ => false,
        };
        live && self.job.is_none() && self.link.borrow().as_ref().is_none_or(AgentLink::is_closed)
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
                    let found = ours.into_iter().find(|c| c.is_of(&self.record.view.id));
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

    /// A deploy that a crash, or Docker that went away, cut short before there was a container or it could be started.
    fn interrupted(&mut self) {
        if self.never_reached().is_some() {
            // Told already.
            self.record.view.state = WorkspaceState::Terminated;
            return self.changed();
        }
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
