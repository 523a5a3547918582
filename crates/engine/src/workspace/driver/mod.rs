//! The driver: the one task that owns a workspace's state. Requests, what its tasks tell, ends of its container, the
//! coming and going of Docker and the lease all meet here, one after the other.

mod deploying;
mod ending;
mod health;
mod idle;
mod lease;
mod link;
mod pause;
mod reconcile;
mod reconnect;
mod requests;
mod resources;
mod snapshot;
mod stopping;

use slipway_wire::{EventBody, Level, Message, Phase, PhaseName, PhaseState, Problem, Process, Workspace};
use std::{sync::Arc, time::Instant};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Activity, Handle, Record, Update,
    activity::Computing,
    handle::{Reply, Request},
    health::Observed,
    message,
    restart::Restarts,
    timeline::Timeline,
};
use crate::{
    agent_link::AgentLink,
    backoff::Backoff,
    deploy::Intake,
    docker::{Happened, Happening},
    shared::Shared,
};

/// Why a driver begins.
pub(crate) enum Origin {
    /// A new deploy.
    Deploy { intake: Arc<Intake>, began: Instant },
    /// A new one whose files are in a snapshot.
    Snapshot { began: Instant },
    /// Found in the store at start-up.
    Found,
}

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
    /// The program as it was started, to be told of again when it ends.
    program: Option<Process>,
    /// The program is being ended on purpose: its end is not a failure.
    ending: bool,
    /// Something happened to the container or the link while a job ran: to be looked at when the job is over.
    look_owed: bool,
    /// Looks that did not bring back what is out of reach.
    reach: Backoff,
    /// The container has been looked at since this driver began. What the store says may be old until then.
    looked: bool,
    /// The store refused the last save.
    unsaved: bool,
    timeline: Timeline,
    activity: Activity,
    computing: Computing,
    observed: Observed,
    /// Since when it is well, in time awake, milliseconds.
    well_since: Option<u64>,
    restarts: Restarts,
    /// Its program is started again then.
    restart_at: Option<Instant>,
    /// Meant to be stopped, and Docker has not done it yet.
    stop_owed: bool,
    /// Stopping and deleting that Docker refused.
    reaping: Backoff,
}

/// What the loop does next.
enum Next {
    GoOn,
    End,
}

impl Driver {
    /// Begins a workspace's task and gives the way to speak to it.
    pub(crate) fn spawn(shared: &Arc<Shared>, mut record: Record, origin: Origin) -> Handle {
        if matches!(origin, Origin::Found) {
            // The clock may have been set back while nobody looked.
            record.view.lease = super::lease::clamp(record.view.lease, shared.config.clock.now_ms());
        }
        let (requests, inbox) = mpsc::channel(16);
        let (updates, told) = mpsc::channel(256);
        let view = watch::Sender::new(record.view.clone());
        let link = watch::Sender::new(None);
        let clock = &shared.config.clock;
        let activity = Activity::new(clock.clone());
        let handle =
            Handle { requests, view: view.subscribe(), link: link.subscribe(), activity: activity.clone() };
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
            program: None,
            ending: false,
            look_owed: false,
            reach: Backoff::default(),
            looked: !matches!(origin, Origin::Found),
            unsaved: false,
            timeline: Timeline::begin(clock.as_ref()),
            activity,
            computing: Computing::default(),
            observed: Observed::default(),
            well_since: None,
            restarts: Restarts::default(),
            restart_at: None,
            stop_owed: false,
            reaping: Backoff::default(),
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
        let mut happenings = self.shared.docker.happenings();
        let mut docker = self.shared.docker.watch();
        let cancel = self.shared.cancel.clone();
        match origin {
            Origin::Deploy { intake, began } => {
                self.began = began;
                self.publish();
                self.deploy(PhaseName::Image, Some(intake));
            }
            Origin::Snapshot { began } => {
                self.began = began;
                self.publish();
                self.deploy(PhaseName::Start, None);
            }
            Origin::Found => self.adopt().await,
        }
        loop {
            self.watch_time();
            let wake = self.next_wake();
            let link = self.link.borrow().clone();
            let next = tokio::select! {
                biased;
                () = cancel.cancelled() => Next::End,
                Some((generation, update)) = told.recv() => {
                    if generation == self.generation || matches!(update, Update::Ended(_) | Update::Container(_)) {
                        self.apply(generation, update);
                    }
                    if self.look_owed && self.job.is_none() {
                        self.look().await;
                    }
                    Next::GoOn
                }
                request = inbox.recv() => match request {
                    Some((request, reply)) => self.answer(request, reply, &mut told).await,
                    None => Next::End,
                },
                happened = happenings.recv() => {
                    self.happened(happened).await;
                    Next::GoOn
                }
                Ok(()) = docker.changed() => {
                    if docker.borrow_and_update().is_some() {
                        self.look_when_possible().await;
                    }
                    Next::GoOn
                }
                () = closed(link.as_ref()) => {
                    self.unlink();
                    self.look_when_possible().await;
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

    /// Docker told of something that happened to a container.
    async fn happened(&mut self, told: Result<Happened, broadcast::error::RecvError>) {
        let what = match told {
            Ok(told) if Some(&told.container) == self.record.container.as_ref() => told.what,
            // Some were not heard.
            Err(broadcast::error::RecvError::Lagged(_)) => Happening::Changed,
            _ => return,
        };
        match what {
            Happening::Made => {}
            // By the job itself.
            Happening::Started if self.job.is_some() => {}
            Happening::Started | Happening::Changed | Happening::Gone => self.look_when_possible().await,
        }
    }

    /// Looks at the container now, or when the job that has it is over.
    async fn look_when_possible(&mut self) {
        if self.job.is_some() {
            self.look_owed = true;
        } else {
            self.look().await;
        }
    }

    fn save(&mut self) {
        let Err(problem) = self.shared.store.save(&self.record) else {
            self.unsaved = false;
            return;
        };
        let id = &self.record.view.id;
        tracing::error!(workspace = %id, %problem, "a workspace could not be saved");
        if !std::mem::replace(&mut self.unsaved, true) {
            // Once, until it works again; and only to those who listen, for it could not be kept either.
            let mut said =
                message(Level::Warning, format!("What changes here is not kept: {}", problem.message));
            said.hint = problem.hint;
            said.detail = problem.detail;
            self.shared.bus.publish(Some(id), EventBody::Message(said));
        }
    }

    fn publish(&mut self) {
        self.judge();
        let view = self.record.view.clone();
        self.view.send_replace(view.clone());
        self.shared.bus.publish(Some(&self.record.view.id), EventBody::Workspace(Box::new(view)));
    }

    fn changed(&mut self) {
        self.judge();
        self.save();
        self.publish();
    }

    fn say(&self, said: Message) {
        self.shared.say(&self.record.view.id, said);
    }

    fn say_problem(&self, problem: &Problem) {
        self.shared.metrics.problem(problem);
        let mut said = message(Level::Error, problem.message.clone());
        said.hint.clone_from(&problem.hint);
        said.detail.clone_from(&problem.detail);
        self.say(said);
    }

    fn phase(&mut self, name: PhaseName) -> Option<&mut Phase> {
        self.record.view.phases.iter_mut().find(|p| p.name == name)
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
