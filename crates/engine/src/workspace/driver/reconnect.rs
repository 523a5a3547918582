//! Coming back to a container that runs: its agent, its programs, and what of a deploy was cut short.

use slipway_agent_api::v1::ProcessesRequest;
use slipway_wire::{Code, PhaseName, PhaseState, Problem, ProcessRole, WorkspaceId, WorkspaceState};

use super::Driver;
use crate::{
    agent_link::AgentLink,
    deploy::{followed, stop_process, watch_app},
    docker::Docker,
    logs::Followed,
    processes::{DETACHED_TAG, process_view},
};

impl Driver {
    pub(super) async fn reconnect(&mut self, docker: &Docker, container: &str) {
        let link = match AgentLink::connect(docker, container, &self.shared.stream_key).await {
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
