//! The deploy as the driver sees it: a job's updates become phases, ports become a URL, an end becomes a problem.

use slipway_wire::{Code, EventBody, Level, PhaseName, PhaseState, Problem, Process, WorkspaceState};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

use super::{
    super::{PhaseChange, Update, Updates, health::Observed, message, took},
    Driver, waiting,
};
use crate::deploy::{Ended, Intake, Job, followed, watch_app};

impl Driver {
    pub(super) fn updates(&self) -> Updates {
        Updates { generation: self.generation, sender: self.updates.clone() }
    }

    /// Begins a job. Phases before `from` keep what they say.
    pub(super) fn deploy(&mut self, from: PhaseName, intake: Option<Arc<Intake>>) {
        self.generation += 1;
        self.listen_by = None;
        self.restart_at = None;
        self.record.restarting = false;
        self.observed = Observed::default();
        self.ending = false;
        self.look_owed = false;
        for phase in &mut self.record.view.phases {
            if phase.name >= from && phase.name != PhaseName::Check {
                *phase = waiting(phase.name);
            }
        }
        self.activity.note();
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
        self.shared.resources.meter(&self.record.view.id).started_again();
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
            warm: false,
        };
        self.shared.tracker.spawn(job.run());
    }

    /// Cancels the job, if one runs, and waits until it has told all it made.
    pub(super) async fn end_job(&mut self, told: &mut mpsc::Receiver<(u64, Update)>) {
        let Some(job) = &self.job else { return };
        job.cancel();
        while self.job.is_some() {
            let Some((generation, update)) = told.recv().await else { return };
            self.apply(generation, update);
        }
    }

    pub(super) fn apply(&mut self, generation: u64, update: Update) {
        match update {
            Update::Phase(name, change) => self.apply_phase(name, change),
            Update::Container(container) => {
                self.record.container = Some(container);
                self.save();
                if let Err(problem) = self.shared.store.pool_settled(&self.record.view.id) {
                    tracing::warn!(workspace = %self.record.view.id, %problem, "a claim stays noted");
                }
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
            Update::Process(process) => self.tell_process(process),
            Update::App(program) => {
                let followed = followed(&program);
                self.record.app = Some(program.id.clone());
                self.program = Some(program);
                self.save();
                if let Some(link) = self.link.borrow().clone() {
                    let (updates, stop) = (self.updates(), self.link_tasks.clone());
                    let watch = watch_app(self.shared.clone(), link, followed, updates);
                    self.shared.tracker.spawn(async move { stop.run_until_cancelled(watch).await });
                }
            }
            Update::Say(said) => self.say(said),
            Update::Ended(result) if generation == self.generation => {
                self.job = None;
                match result {
                    // Its end may have overtaken the end of the job.
                    Ok(()) if self.restart_at.is_some() => {}
                    Ok(()) if self.record.app.is_none() && self.record.view.problem.is_some() => {}
                    Ok(()) => self.started(),
                    Err((phase, problem)) => self.failed(phase, problem),
                }
            }
            Update::Ended(_) => {}
            Update::AppExited { process, ended } => {
                if let Some(program) = self.program.take_if(|program| program.id == process) {
                    self.tell_process(Process { exit: Some(ended.exit), ..program });
                }
                if self.record.app.as_ref() == Some(&process) {
                    self.app_exited(ended);
                }
            }
            Update::ImageCheck(check) => {
                self.record.check = check;
                self.save();
            }
            Update::Probed(answer) => {
                self.observed.probed(answer);
                self.observe();
            }
            Update::Checked(answer) => {
                let retries = self.record.check.as_ref().map_or(1, |check| check.retries);
                self.observed.checked(answer, retries);
                self.observe();
            }
            Update::Beat(answer) => self.beat(answer),
            Update::PortOpened(port, process) => self.port_opened(port, process.as_ref()),
            Update::PortClosed(port) => {
                self.record.view.ports.retain(|p| p.port != port);
                self.choose_url();
                self.changed();
            }
        }
    }

    fn tell_process(&self, process: Process) {
        self.shared.bus.publish(Some(&self.record.view.id), EventBody::Process(process));
    }

    pub(super) fn apply_phase(&mut self, name: PhaseName, change: PhaseChange) {
        let now = Instant::now();
        let elapsed = self.phase_began.map(|began| now.duration_since(began).as_millis() as u64);
        match &change {
            PhaseChange::Begin { .. } => {
                let running = self.phase(name).is_some_and(|p| p.state == PhaseState::Running);
                if !running {
                    self.phase_began = Some(now);
                }
            }
            PhaseChange::Done { .. } => {
                if let Some(began) = self.phase_began.take() {
                    self.shared.metrics.phase(name, true, began.elapsed());
                }
            }
            PhaseChange::Skip => self.phase_began = None,
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
    pub(super) fn started(&mut self) {
        let listens = self.record.run_plan.as_ref().is_none_or(|plan| plan.expects_http);
        self.apply_phase(PhaseName::Ready, PhaseChange::Begin { detail: None, command: None });
        if listens {
            let patience = Duration::from_secs(self.shared.settings.get().listen_timeout_s);
            self.listen_by = Some(Instant::now() + patience);
        } else {
            self.apply_phase(PhaseName::Ready, PhaseChange::Skip);
            self.record.is_now(WorkspaceState::Running);
        }
        // It may have been quicker than we were.
        if !self.record.view.ports.is_empty() {
            self.become_ready();
        }
        self.changed();
    }

    pub(super) fn port_opened(
        &mut self,
        port: slipway_wire::Port,
        process: Option<&slipway_wire::ProcessId>,
    ) {
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
    pub(super) fn choose_url(&mut self) {
        let hint = self.record.run_plan.as_ref().and_then(|plan| plan.port);
        let view = &mut self.record.view;
        let by_hint = view.ports.iter().find(|p| Some(p.port) == hint);
        let as_before = view.ports.iter().find(|p| Some(&p.url) == view.url.as_ref());
        view.url = by_hint.or(as_before).or(view.ports.first()).map(|p| p.url.clone());
    }

    pub(super) fn become_ready(&mut self) {
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
        self.record.is_now(WorkspaceState::Running);
        let view = &mut self.record.view;
        view.problem = None;
        view.ready_ms = Some(self.began.elapsed().as_millis() as u64);
        self.say(message(Level::Ok, format!("**Ready** in {}", took(self.began.elapsed()))));
    }

    pub(super) fn failed(&mut self, name: PhaseName, problem: Problem) {
        let elapsed = self.phase_began.take().map(|began| began.elapsed().as_millis() as u64);
        if let Some(ms) = elapsed {
            self.shared.metrics.phase(name, false, Duration::from_millis(ms));
        }
        if let Some(phase) = self.phase(name) {
            phase.state = PhaseState::Failed;
            phase.elapsed_ms = elapsed;
            phase.problem = Some(problem.clone());
        }
        self.listen_by = None;
        self.restart_at = None;
        self.record.restarting = false;
        self.say_problem(&problem);
        self.record.view.problem = Some(problem);
        if self.record.container.is_none() {
            self.record.view.state = WorkspaceState::Terminated;
            // One may have been made whose id never reached us.
            self.shared.leftover.notify_one();
        } else {
            self.record.is_now(WorkspaceState::Failed);
        }
        self.changed();
    }

    pub(super) fn app_exited(&mut self, ended: Ended) {
        if self.ending {
            return;
        }
        self.record.app = None;
        let listens = self.record.run_plan.as_ref().is_none_or(|plan| plan.expects_http);
        let how = ended.how();
        let failed = ended.exit.code != Some(0);
        let before = self.record.view.ready_ms.is_none();
        if failed || listens {
            self.observed.crashed(format!("the program {how}"), ended.tail.clone());
        }
        if self.start_again(failed, &how, &ended.tail) {
            return;
        }
        if !listens && ended.exit.code == Some(0) {
            self.say(message(Level::Ok, "The program **ended with code 0**"));
            self.changed();
            return;
        }
        let what = if before {
            format!("The program {how}, before it listened.")
        } else {
            format!("The program {how}.")
        };
        let hint = ended.hint(&self.record);
        if let Some(kills) = ended.memory_kills {
            self.shared.resources.meter(&self.record.view.id).kills_told(kills);
        }
        let problem = Problem::new(Code::StartFailed, what).hint(hint).detail(ended.tail);
        let phase = if before { PhaseName::Ready } else { PhaseName::Start };
        self.failed(phase, problem);
    }
}
