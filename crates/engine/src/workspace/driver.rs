//! The driver: the one task that owns a workspace's state. Requests, what its tasks tell, ends of its container, the
//! coming and going of Docker and the lease all meet here, one after the other.

use slipway_wire::{
    Code, EventBody, LeaseChange, Level, Message, MessageAction, Phase, PhaseName, PhaseState, Problem,
    Workspace, WorkspaceState,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Handle, PhaseChange, Record, Update, Updates,
    handle::{Reply, Request},
    message, ports, sentence, took,
};
use crate::{
    agent_link::AgentLink,
    deploy::{Intake, Job, plan_view, role_of, stop_process, watch_app},
    docker::{Condition, Docker},
    egress,
    shared::Shared,
};

/// Why a driver begins.
pub(crate) enum Origin {
    /// A new deploy.
    Deploy { intake: Arc<Intake>, began: Instant },
    /// Found in the store at start-up.
    Found,
}

/// A warning before the lease ends.
const WARNING: Duration = Duration::from_mins(2);
/// The clock is looked at least this often, for it may have been moved.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_LEASE_S: u64 = 30 * 24 * 3600;

/// Owns one workspace.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    record: Record,
    view: watch::Sender<Workspace>,
    link: watch::Sender<Option<AgentLink>>,
    updates: mpsc::Sender<(u64, Update)>,
    generation: u64,
    /// Ends the tasks of this generation's link: ports, egress, following the program.
    link_tasks: CancellationToken,
    job: Option<CancellationToken>,
    began: Instant,
    phase_began: Option<Instant>,
    listen_by: Option<Instant>,
    warned: bool,
    /// The program is being ended on purpose: its end is not a failure.
    ending: bool,
}

/// What the loop does next.
enum Next {
    GoOn,
    End,
}

impl Driver {
    /// Begins a workspace's task and gives the way to speak to it.
    pub(crate) fn spawn(shared: &Arc<Shared>, record: Record, origin: Origin) -> Handle {
        let (requests, inbox) = mpsc::channel(16);
        let (updates, told) = mpsc::channel(256);
        let view = watch::Sender::new(record.view.clone());
        let link = watch::Sender::new(None);
        let handle = Handle { requests, view: view.subscribe(), link: link.subscribe() };
        shared.registry.insert(record.view.id.clone(), handle.clone());
        let driver = Self {
            shared: shared.clone(),
            record,
            view,
            link,
            updates,
            generation: 0,
            link_tasks: shared.cancel.child_token(),
            job: None,
            began: Instant::now(),
            phase_began: None,
            listen_by: None,
            warned: false,
            ending: false,
        };
        shared.tracker.spawn(driver.run(origin, inbox, told));
        handle
    }

    async fn run(
        mut self,
        origin: Origin,
        mut inbox: mpsc::Receiver<(Request, Reply)>,
        mut told: mpsc::Receiver<(u64, Update)>,
    ) {
        let mut deaths = self.shared.docker.deaths();
        let mut docker = self.shared.docker.watch();
        let cancel = self.shared.cancel.clone();
        match origin {
            Origin::Deploy { intake, began } => {
                self.began = began;
                self.publish();
                self.deploy(PhaseName::Image, Some(intake));
            }
            Origin::Found => self.adopt().await,
        }
        loop {
            let wake = self.next_wake();
            let link = self.link.borrow().clone();
            let next = tokio::select! {
                biased;
                () = cancel.cancelled() => Next::End,
                Some((generation, update)) = told.recv() => {
                    if generation == self.generation || matches!(update, Update::Ended(_) | Update::Container(_)) {
                        self.apply(generation, update);
                    }
                    Next::GoOn
                }
                request = inbox.recv() => match request {
                    Some((request, reply)) => self.answer(request, reply, &mut told).await,
                    None => Next::End,
                },
                death = deaths.recv() => {
                    let ours = match &death {
                        Ok(container) => Some(container) == self.record.container.as_ref(),
                        Err(broadcast::error::RecvError::Lagged(_)) => true,
                        Err(broadcast::error::RecvError::Closed) => false,
                    };
                    if ours && self.job.is_none() {
                        self.look().await;
                    }
                    Next::GoOn
                }
                Ok(()) = docker.changed() => {
                    if docker.borrow_and_update().is_some() && self.job.is_none() {
                        self.look().await;
                    }
                    Next::GoOn
                }
                () = closed(link.as_ref()) => {
                    self.unlink();
                    if self.job.is_none() {
                        self.look().await;
                    }
                    Next::GoOn
                }
                () = tokio::time::sleep(wake) => self.clock(&mut told).await,
            };
            if matches!(next, Next::End) {
                break;
            }
        }
        if let Some(job) = &self.job {
            job.cancel();
        }
        self.link_tasks.cancel();
    }

    // ---- telling ----

    fn save(&mut self) {
        if let Err(problem) = self.shared.store.save(&self.record) {
            tracing::error!(workspace = %self.record.view.id, %problem, "a workspace could not be saved");
        }
    }

    fn publish(&mut self) {
        let view = self.record.view.clone();
        self.view.send_replace(view.clone());
        self.shared.bus.publish(Some(&self.record.view.id), EventBody::Workspace(Box::new(view)));
    }

    fn changed(&mut self) {
        self.save();
        self.publish();
    }

    fn say(&self, said: Message) {
        self.shared.say(&self.record.view.id, said);
    }

    fn say_problem(&self, problem: &Problem) {
        let mut said = message(Level::Error, problem.message.clone());
        said.hint.clone_from(&problem.hint);
        said.detail.clone_from(&problem.detail);
        self.say(said);
    }

    fn phase(&mut self, name: PhaseName) -> Option<&mut Phase> {
        self.record.view.phases.iter_mut().find(|p| p.name == name)
    }

    // ---- deploying ----

    fn updates(&self) -> Updates {
        Updates { generation: self.generation, sender: self.updates.clone() }
    }

    /// Begins a job. Phases before `from` keep what they say.
    fn deploy(&mut self, from: PhaseName, intake: Option<Arc<Intake>>) {
        self.generation += 1;
        self.listen_by = None;
        self.ending = false;
        for phase in &mut self.record.view.phases {
            if phase.name >= from && phase.name != PhaseName::Check {
                *phase = waiting(phase.name);
            }
        }
        let view = &mut self.record.view;
        view.state = WorkspaceState::Creating;
        view.problem = None;
        view.ready_ms = None;
        view.url = None;
        self.record.app = None;
        if intake.is_some() {
            self.record.uploaded = false;
        }
        self.changed();
        let link = self.link.borrow().clone().filter(|link| !link.is_closed());
        if let Some(link) = &link {
            // Ports are told from the beginning to the new generation.
            self.link_tasks.cancel();
            self.link_tasks = self.shared.cancel.child_token();
            self.watch_link(link);
        }
        let cancel = self.shared.cancel.child_token();
        self.job = Some(cancel.clone());
        let job = Job {
            shared: self.shared.clone(),
            updates: self.updates(),
            cancel,
            record: self.record.clone(),
            link,
            intake,
            from,
        };
        self.shared.tracker.spawn(job.run());
    }

    /// Cancels the job, if one runs, and waits until it has told all it made.
    async fn end_job(&mut self, told: &mut mpsc::Receiver<(u64, Update)>) {
        let Some(job) = &self.job else { return };
        job.cancel();
        while self.job.is_some() {
            let Some((generation, update)) = told.recv().await else { return };
            self.apply(generation, update);
        }
    }

    fn apply(&mut self, generation: u64, update: Update) {
        match update {
            Update::Phase(name, change) => self.apply_phase(name, change),
            Update::Container(container) => {
                self.record.container = Some(container);
                self.save();
            }
            Update::Link(link) => self.take_link(link),
            Update::Uploaded => {
                self.record.uploaded = true;
                self.save();
            }
            Update::Installed(command) => {
                if let Some(phase) = self.phase(PhaseName::Install) {
                    phase.command = Some(command);
                }
            }
            Update::App(process) => {
                self.record.app = Some(process.clone());
                self.save();
                if let Some(link) = self.link.borrow().clone() {
                    let (updates, stop) = (self.updates(), self.link_tasks.clone());
                    self.shared.tracker.spawn(async move {
                        stop.run_until_cancelled(watch_app(link, process, updates)).await
                    });
                }
            }
            Update::Say(said) => self.say(said),
            Update::Ended(result) if generation == self.generation => {
                self.job = None;
                match result {
                    Ok(()) => self.started(),
                    Err((phase, problem)) => self.failed(phase, problem),
                }
            }
            Update::Ended(_) => {}
            Update::AppExited { process, exit, tail } => {
                if self.record.app.as_ref() == Some(&process) {
                    self.app_exited(exit, tail);
                }
            }
            Update::PortOpened(port, process) => self.port_opened(port, process.as_ref()),
            Update::PortClosed(port) => {
                self.record.view.ports.retain(|p| p.port != port);
                self.choose_url();
                self.changed();
            }
        }
    }

    fn apply_phase(&mut self, name: PhaseName, change: PhaseChange) {
        let now = Instant::now();
        let elapsed = self.phase_began.map(|began| now.duration_since(began).as_millis() as u64);
        match &change {
            PhaseChange::Begin { .. } => {
                let running = self.phase(name).is_some_and(|p| p.state == PhaseState::Running);
                if !running {
                    self.phase_began = Some(now);
                }
            }
            PhaseChange::Done { .. } | PhaseChange::Skip => self.phase_began = None,
            _ => {}
        }
        let Some(phase) = self.phase(name) else { return };
        match change {
            PhaseChange::Begin { detail, command } => {
                phase.state = PhaseState::Running;
                phase.detail = detail;
                phase.command = command;
            }
            PhaseChange::Progress { detail, done, total } => {
                phase.detail = detail;
                phase.done = Some(done);
                phase.total = Some(total);
                phase.elapsed_ms = elapsed;
            }
            PhaseChange::Process(process) => phase.process = Some(process),
            PhaseChange::Done { detail } => {
                phase.state = PhaseState::Done;
                phase.detail = detail;
                phase.elapsed_ms = elapsed;
                phase.done = None;
                phase.total = None;
            }
            PhaseChange::Skip => phase.state = PhaseState::Skipped,
        }
        self.publish();
    }

    /// The program was started: now the socket table has the word.
    fn started(&mut self) {
        let listens = self.record.run_plan.as_ref().is_none_or(|plan| plan.expects_http);
        self.apply_phase(PhaseName::Ready, PhaseChange::Begin { detail: None, command: None });
        if listens {
            let patience = Duration::from_secs(self.shared.settings.get().listen_timeout_s);
            self.listen_by = Some(Instant::now() + patience);
        } else {
            self.apply_phase(PhaseName::Ready, PhaseChange::Skip);
            self.record.view.state = WorkspaceState::Running;
        }
        // It may have been quicker than we were.
        if !self.record.view.ports.is_empty() {
            self.become_ready();
        }
        self.changed();
    }

    fn port_opened(&mut self, port: slipway_wire::Port, process: Option<&slipway_wire::ProcessId>) {
        let view = &mut self.record.view;
        if view.ports.len() >= 256 || view.ports.iter().any(|p| p.port == port.port) {
            return;
        }
        // A person's own server in a terminal is listed too; only the program's make the workspace ready.
        let from_app = process.is_none() || process == self.record.app.as_ref() || self.record.app.is_none();
        let (number, loopback) = (port.port, port.loopback);
        view.ports.push(port);
        view.ports.sort_by_key(|p| p.port);
        let mut said = message(
            Level::Ok,
            if loopback {
                format!("Listening on **:{number}**, only on the container's localhost")
            } else {
                format!("Listening on **:{number}**")
            },
        );
        said.aside = loopback.then(|| "that is fine here".to_owned());
        self.say(said);
        self.choose_url();
        if from_app && self.job.is_none() {
            self.become_ready();
        }
        self.changed();
    }

    /// The plan's own port if it listens, else the one shown before if it still does, else the lowest.
    fn choose_url(&mut self) {
        let hint = self.record.run_plan.as_ref().and_then(|plan| plan.port);
        let view = &mut self.record.view;
        let by_hint = view.ports.iter().find(|p| Some(p.port) == hint);
        let as_before = view.ports.iter().find(|p| Some(&p.url) == view.url.as_ref());
        view.url = by_hint.or(as_before).or(view.ports.first()).map(|p| p.url.clone());
    }

    fn become_ready(&mut self) {
        let waiting = self
            .phase(PhaseName::Ready)
            .is_some_and(|p| matches!(p.state, PhaseState::Running | PhaseState::Failed));
        if !waiting || self.record.view.url.is_none() {
            return;
        }
        self.listen_by = None;
        if let Some(phase) = self.phase(PhaseName::Ready) {
            phase.problem = None;
        }
        self.apply_phase(PhaseName::Ready, PhaseChange::Done { detail: None });
        let view = &mut self.record.view;
        view.state = WorkspaceState::Running;
        view.problem = None;
        view.ready_ms = Some(self.began.elapsed().as_millis() as u64);
        self.say(message(Level::Ok, format!("**Ready** in {}", took(self.began.elapsed()))));
    }

    fn failed(&mut self, name: PhaseName, problem: Problem) {
        let elapsed = self.phase_began.take().map(|began| began.elapsed().as_millis() as u64);
        if let Some(phase) = self.phase(name) {
            phase.state = PhaseState::Failed;
            phase.elapsed_ms = elapsed;
            phase.problem = Some(problem.clone());
        }
        self.listen_by = None;
        self.say_problem(&problem);
        let view = &mut self.record.view;
        view.problem = Some(problem);
        view.state =
            if self.record.container.is_some() { WorkspaceState::Failed } else { WorkspaceState::Terminated };
        self.changed();
    }

    fn app_exited(&mut self, exit: slipway_wire::ProcessExit, tail: String) {
        if self.ending {
            return;
        }
        self.record.app = None;
        let listens = self.record.run_plan.as_ref().is_none_or(|plan| plan.expects_http);
        let how = match (exit.code, exit.signal) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(9)) => "was ended by signal 9: perhaps it ran out of memory".to_owned(),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        if !listens && exit.code == Some(0) {
            self.say(message(Level::Ok, "The program **ended with code 0**"));
            self.changed();
            return;
        }
        let before = self.record.view.ready_ms.is_none();
        let what = if before {
            format!("The program {how} before it listened.")
        } else {
            format!("The program {how}.")
        };
        let problem = Problem::new(Code::StartFailed, what)
            .hint("Read the end of its output; edit the command and retry, or open a shell and look.")
            .detail(tail);
        let phase = if before { PhaseName::Ready } else { PhaseName::Start };
        self.failed(phase, problem);
    }

    // ---- the link ----

    fn take_link(&mut self, link: AgentLink) {
        self.link_tasks.cancel();
        self.link_tasks = self.shared.cancel.child_token();
        self.record.view.ports.clear();
        self.watch_link(&link);
        self.link.send_replace(Some(link));
    }

    fn watch_link(&mut self, link: &AgentLink) {
        self.record.view.ports.clear();
        let id = self.record.view.id.clone();
        let shared = self.shared.clone();
        let stop = self.link_tasks.clone();
        let gateway = shared.gateway.clone();
        shared.tracker.spawn(ports::watch(link.clone(), id.clone(), gateway, self.updates(), stop.clone()));
        let (client, policy, dialer) = (link.client.clone(), shared.policy.clone(), shared.dialer.clone());
        let clock = shared.config.clock.clone();
        let sink: egress::Sink = {
            let (shared, id) = (Arc::downgrade(&shared), id.clone());
            Arc::new(move |entry| {
                if let Some(shared) = shared.upgrade() {
                    shared.note_egress(&id, entry);
                }
            })
        };
        shared.tracker.spawn(async move {
            if let Err(problem) = egress::serve(id.clone(), client, policy, dialer, clock, sink, stop).await {
                tracing::debug!(workspace = %id, %problem, "no longer answering outgoing connections");
            }
        });
    }

    fn unlink(&mut self) {
        self.link_tasks.cancel();
        self.link.send_replace(None);
    }

    // ---- reconciling ----

    /// Compares the container with what is intended and mends the difference. The one path for start-up, a daemon that
    /// came back, an end that was noticed and a link that broke.
    async fn look(&mut self) {
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

    fn lost(&mut self) {
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

    fn ended(&mut self, ended: &Condition) {
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
    fn rest(&mut self, problem: Option<Problem>) {
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

    async fn reconnect(&mut self, docker: &Docker, container: &str) {
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
    fn cut_short(&mut self) {
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

    async fn find_app(&self, link: &AgentLink) -> Option<slipway_wire::ProcessId> {
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
    async fn adopt(&mut self) {
        self.record.view.ports.clear();
        self.look().await;
        self.publish();
    }

    /// The container by its id or, when a crash came between making it and writing that down, by our label. Without
    /// one, a deploy that was under way is over.
    async fn find_container(&mut self) -> Option<String> {
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

    // ---- requests ----

    async fn answer(
        &mut self,
        request: Request,
        reply: Reply,
        told: &mut mpsc::Receiver<(u64, Update)>,
    ) -> Next {
        let removing = matches!(request, Request::Remove);
        let result = self.perform(request, told).await;
        let ok = result.is_ok();
        let view = result.map(|()| self.record.view.clone());
        // Somebody who no longer waits for the answer does not need it.
        let _ = reply.send(view);
        if removing && ok { Next::End } else { Next::GoOn }
    }

    async fn perform(
        &mut self,
        request: Request,
        told: &mut mpsc::Receiver<(u64, Update)>,
    ) -> Result<(), Problem> {
        match request {
            Request::Stop => {
                self.end_job(told).await;
                self.stop().await
            }
            Request::Cancel => {
                if self.job.is_none() {
                    return Err(Problem::new(Code::WrongState, "No deploy is under way."));
                }
                self.end_job(told).await;
                Ok(())
            }
            Request::Start => {
                self.not_while_deploying()?;
                if matches!(self.record.view.state, WorkspaceState::Running) {
                    return Ok(());
                }
                self.redeploy(PhaseName::Start, None).await
            }
            Request::Redeploy { from, command } => {
                self.end_job(told).await;
                self.redeploy(from, command).await
            }
            Request::Replace(intake) => {
                self.end_job(told).await;
                self.replace(intake).await
            }
            Request::Remove => {
                self.end_job(told).await;
                self.remove().await
            }
            Request::Rename(name) => {
                self.record.view.name = name;
                self.changed();
                Ok(())
            }
            Request::Lease(change) => self.lease(change),
        }
    }

    fn not_while_deploying(&self) -> Result<(), Problem> {
        if self.job.is_some() {
            return Err(
                Problem::new(Code::WrongState, "It is being deployed.").hint("Wait for it, or cancel it.")
            );
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), Problem> {
        match self.record.view.state {
            WorkspaceState::Stopped => return Ok(()),
            WorkspaceState::Terminated | WorkspaceState::Deleted => {
                return Err(Problem::new(Code::WrongState, "There is no container to stop."));
            }
            _ => {}
        }
        let Some(container) = self.record.container.clone() else {
            return Err(Problem::new(Code::WrongState, "There is no container to stop."));
        };
        let docker = self.shared.docker.current()?;
        self.ending = true;
        self.unlink();
        // The intention first: a crash from here on ends with a stopped workspace too.
        self.rest(None);
        docker.stop(&container, 5).await?;
        self.say(message(Level::Info, "Stopped; its files are kept"));
        Ok(())
    }

    async fn end_app(&mut self) -> Result<(), Problem> {
        let (Some(app), Some(link)) = (self.record.app.take(), self.link.borrow().clone()) else {
            return Ok(());
        };
        self.ending = true;
        stop_process(&link, &app).await
    }

    async fn redeploy(&mut self, from: PhaseName, command: Option<String>) -> Result<(), Problem> {
        if self.record.container.is_none() {
            return Err(Problem::new(Code::WrongState, "There is no container any more.")
                .hint("Deploy the project again."));
        }
        if !self.record.uploaded {
            return Err(Problem::new(Code::WrongState, "Its files never all arrived.")
                .hint("Deploy the project again."));
        }
        let from = from.max(PhaseName::Install);
        if let Some(line) = command {
            let line = line.trim().to_owned();
            if line.is_empty() || line.len() > 4096 {
                return Err(Problem::new(Code::Invalid, "A command has 1 to 4,096 characters."));
            }
            self.change_command(from, line)?;
        }
        self.end_app().await?;
        self.began = Instant::now();
        self.deploy(from, None);
        Ok(())
    }

    fn change_command(&mut self, phase: PhaseName, line: String) -> Result<(), Problem> {
        let step = slipway_intake::Step::shell(line);
        let image = self.record.view.image.clone();
        let Some(plan) = &mut self.record.run_plan else {
            return Err(
                Problem::new(Code::NoProject, "There is no plan to change.").hint("Open a shell instead.")
            );
        };
        match phase {
            PhaseName::Install => plan.install = Some(step),
            PhaseName::Build => plan.build = Some(step),
            _ => plan.start = slipway_intake::Start::Command(step),
        }
        self.record.view.plan = Some(plan_view(plan, Some(&image)));
        Ok(())
    }

    async fn replace(&mut self, intake: Arc<Intake>) -> Result<(), Problem> {
        if self.record.container.is_none() {
            return Err(Problem::new(Code::WrongState, "There is no container any more.")
                .hint("Deploy it as a new workspace."));
        }
        self.end_app().await?;
        let plan = intake.plans.first().cloned();
        let image = self.record.view.image.clone();
        self.record.view.plan = plan.as_ref().map(|plan| plan_view(plan, Some(&image)));
        self.record.run_plan = plan;
        self.began = Instant::now();
        self.say(message(
            Level::Info,
            format!("Replacing its files with those of **{}**", sentence(&intake.name)),
        ));
        self.deploy(PhaseName::Upload, Some(intake));
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), Problem> {
        self.ending = true;
        self.unlink();
        let docker = self.shared.docker.current();
        if let Some(container) = self.record.container.clone() {
            docker?.remove(&container).await?;
        } else if let Ok(docker) = docker {
            // One that was made and not yet written down carries our label.
            for found in docker.ours(&self.shared.instance).await? {
                if found.workspace.as_ref() == Some(&self.record.view.id) {
                    docker.remove(&found.id).await?;
                }
            }
        }
        self.record.container = None;
        let view = &mut self.record.view;
        view.state = WorkspaceState::Deleted;
        view.ports.clear();
        view.url = None;
        self.changed();
        let id = self.record.view.id.clone();
        self.shared.forget(&id);
        self.shared.bus.publish(Some(&id), EventBody::Removed);
        Ok(())
    }

    // ---- the lease ----

    fn lease(&mut self, change: LeaseChange) -> Result<(), Problem> {
        let now = self.shared.config.clock.now_ms();
        let check = |seconds: u64, least: u64| {
            if (least..=LONGEST_LEASE_S).contains(&seconds) {
                return Ok(seconds);
            }
            Err(Problem::new(Code::Invalid, format!("A lease is changed by {least} seconds to 30 days.")))
        };
        let lease = &mut self.record.view.lease;
        match change {
            LeaseChange::Keep => {
                lease.expires_at_ms = None;
                lease.duration_s = None;
            }
            LeaseChange::Set { seconds } => {
                let seconds = check(seconds, 60)?;
                lease.expires_at_ms = Some(now + seconds * 1000);
                lease.duration_s = Some(seconds);
            }
            LeaseChange::Extend { seconds } => {
                let seconds = check(seconds, 1)?;
                let end = lease.expires_at_ms.map_or(now, |end| end.max(now)) + seconds * 1000;
                if end > now + LONGEST_LEASE_S * 1000 {
                    return Err(Problem::new(Code::Limit, "A lease ends at most 30 days from now.")
                        .hint("Keep the workspace instead."));
                }
                lease.expires_at_ms = Some(end);
                lease.duration_s = Some(lease.duration_s.unwrap_or(0) + seconds);
            }
        }
        self.warned = false;
        self.record.expired_at_ms = None;
        self.changed();
        Ok(())
    }

    /// How long until the clock has something to do.
    fn next_wake(&self) -> Duration {
        let mut wait = LONGEST_WAIT;
        if let Some(by) = self.listen_by {
            wait = wait.min(by.saturating_duration_since(Instant::now()));
        }
        let now = self.shared.config.clock.now_ms();
        let mut until = |at_ms: u64| wait = wait.min(Duration::from_millis(at_ms.saturating_sub(now)));
        if let Some(expired) = self.record.expired_at_ms {
            until(expired + self.shared.settings.get().grace_s * 1000);
        } else if let Some(end) = self.record.view.lease.expires_at_ms {
            if self.warned {
                until(end);
            } else {
                until(end.saturating_sub(WARNING.as_millis() as u64));
            }
        }
        wait.max(Duration::from_millis(10))
    }

    async fn clock(&mut self, told: &mut mpsc::Receiver<(u64, Update)>) -> Next {
        if self.listen_by.is_some_and(|by| by <= Instant::now()) {
            self.never_listened();
        }
        let now = self.shared.config.clock.now_ms();
        if let Some(expired) = self.record.expired_at_ms {
            if now >= expired + self.shared.settings.get().grace_s * 1000 {
                self.say(message(Level::Info, "Deleted at the end of its lease"));
                match self.remove().await {
                    Ok(()) => return Next::End,
                    Err(problem) => {
                        tracing::warn!(workspace = %self.record.view.id, %problem, "could not be deleted yet");
                    }
                }
            }
            return Next::GoOn;
        }
        let Some(end) = self.record.view.lease.expires_at_ms else { return Next::GoOn };
        if now >= end {
            self.end_job(told).await;
            self.expire(now).await;
        } else if !self.warned && end - now <= WARNING.as_millis() as u64 {
            self.warned = true;
            let mut said = message(Level::Warning, "This workspace stops in two minutes");
            said.actions = vec![MessageAction::Extend];
            self.say(said);
        }
        Next::GoOn
    }

    async fn expire(&mut self, now: u64) {
        if self.record.container.is_some()
            && self.record.view.state != WorkspaceState::Stopped
            && let Err(problem) = self.stop().await
        {
            tracing::warn!(workspace = %self.record.view.id, %problem, "could not be stopped at the end of its lease");
            return;
        }
        self.record.expired_at_ms = Some(now);
        let grace = self.shared.settings.get().grace_s;
        let mut said = message(Level::Warning, "Its lease has ended: it is stopped");
        said.hint = Some(format!(
            "It is deleted in {} unless its lease is extended.",
            took(Duration::from_secs(grace))
        ));
        said.actions = vec![MessageAction::Extend];
        self.say(said);
        self.changed();
    }

    fn never_listened(&mut self) {
        self.listen_by = None;
        let waited = self.shared.settings.get().listen_timeout_s;
        let problem = Problem::new(
            Code::NeverListened,
            format!(
                "The program runs, but listened on no port within {}.",
                took(Duration::from_secs(waited))
            ),
        )
        .hint(
            "Look at its output in the terminal. If it begins to listen later, the preview opens by itself.",
        );
        self.failed(PhaseName::Ready, problem);
    }
}

/// Ends when a link does; never without one.
async fn closed(link: Option<&AgentLink>) {
    match link {
        Some(link) => link.closed().await,
        None => std::future::pending().await,
    }
}

/// A phase before it begins.
pub(crate) fn waiting(name: PhaseName) -> Phase {
    Phase {
        name,
        state: PhaseState::Waiting,
        elapsed_ms: None,
        detail: None,
        done: None,
        total: None,
        command: None,
        process: None,
        problem: None,
    }
}
