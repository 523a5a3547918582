//! Keeping hold of a Docker engine: finds one, watches it, and when it goes away looks for it again by itself.

use futures_util::StreamExt;
use slipway_wire::{Code, EngineState, EngineStatus, EventBody, Problem, Warning};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Clock, DockerHints},
    docker::{Docker, Happened, locate},
    events::Bus,
    settings::SettingsFile,
};

/// Between two looks while none answers.
const PAUSE: Duration = Duration::from_secs(2);

/// The engine in use, if one is.
pub(crate) struct DockerWatch {
    current: watch::Sender<Option<Docker>>,
    status: watch::Sender<EngineStatus>,
    happenings: broadcast::Sender<Happened>,
    look_now: Notify,
    looks: watch::Sender<u64>,
    /// What could not be done after many tries, by what it is about.
    attention: Mutex<BTreeMap<String, Warning>>,
}

/// Things that need attention and are told at a time; more say nothing more.
const MOST_ATTENTION: usize = 50;

impl DockerWatch {
    pub(crate) fn new() -> Arc<Self> {
        let status = EngineStatus {
            state: EngineState::Looking,
            endpoint: None,
            product: None,
            version: None,
            platform: None,
            looked_at: Vec::new(),
            problem: None,
            warnings: Vec::new(),
        };
        Arc::new(Self {
            current: watch::Sender::new(None),
            status: watch::Sender::new(status),
            happenings: broadcast::Sender::new(256),
            look_now: Notify::new(),
            looks: watch::Sender::new(0),
            attention: Mutex::default(),
        })
    }

    /// The engine, or why there is none.
    pub(crate) fn current(&self) -> Result<Docker, Problem> {
        self.current.borrow().clone().ok_or_else(|| {
            self.status.borrow().problem.clone().unwrap_or_else(|| {
                Problem::new(Code::DockerAbsent, "Slipway is still looking for a Docker engine.")
                    .hint("Try again in a moment.")
            })
        })
    }

    /// Follows the engine as it comes and goes.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Docker>> {
        self.current.subscribe()
    }

    /// What happens to containers of ours.
    pub(crate) fn happenings(&self) -> broadcast::Receiver<Happened> {
        self.happenings.subscribe()
    }

    /// What is known of it.
    pub(crate) fn status(&self) -> EngineStatus {
        self.with_attention(self.status.borrow().clone())
    }

    /// Remembers that something needs a person's attention, or no longer does, and tells it.
    pub(crate) fn attend(&self, bus: &Bus, about: &str, what: Option<Warning>) {
        let mut all = self.attention.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) if all.len() < MOST_ATTENTION || all.contains_key(about) => {
                all.insert(about.to_owned(), what);
            }
            Some(_) => return,
            None => {
                all.remove(about);
            }
        }
        drop(all);
        bus.publish(None, EventBody::Engine(self.status()));
    }

    fn with_attention(&self, mut status: EngineStatus) -> EngineStatus {
        let all = self.attention.lock().unwrap_or_else(PoisonError::into_inner);
        status.warnings.extend(all.values().cloned());
        status
    }

    /// What is known once the first look is over.
    pub(crate) async fn first_look(&self) -> EngineStatus {
        let mut status = self.status.subscribe();
        match status.wait_for(|s| s.state != EngineState::Looking).await {
            Ok(status) => self.with_attention(status.clone()),
            Err(_) => self.status(),
        }
    }

    /// Looks again now, and gives what came of it.
    pub(crate) async fn retry(&self) -> EngineStatus {
        if self.current.borrow().is_none() {
            let mut looks = self.looks.subscribe();
            let before = *looks.borrow_and_update();
            self.look_now.notify_one();
            // Fails only when the engine is being shut down; the status says what there is to say.
            let _ = looks.wait_for(|&n| n > before).await;
        }
        self.status()
    }

    /// The task that keeps hold of the engine until cancelled.
    pub(crate) async fn run(
        self: Arc<Self>,
        hints: DockerHints,
        instance: String,
        settings: Arc<SettingsFile>,
        bus: Bus,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) {
        let work = async {
            // Whoever is told of an engine looks at its containers at once. What happens to them before its events are
            // on their way is asked for too: since the last event by the engine's own clock, at first by ours.
            let mut seen_ns = None;
            loop {
                let host = settings.get().docker_host;
                let located = locate(&hints, &host).await;
                let seen_ns = seen_ns.get_or_insert_with(|| nanoseconds(clock.now_ms()));
                // Whoever sees that one is connected may use it at once.
                self.current.send_replace(located.docker.clone());
                self.show(&bus, located.status);
                self.looks.send_modify(|n| *n += 1);
                if let Some(docker) = located.docker {
                    let since = tokio::time::Instant::now();
                    self.hold(docker, &instance, seen_ns, &settings, &host).await;
                    self.current.send_replace(None);
                    tracing::warn!("the Docker engine went away");
                    // Look again at once, unless it is one that answers and then hangs up each time.
                    if since.elapsed() > PAUSE {
                        continue;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = self.look_now.notified() => {}
                }
            }
        };
        cancel.run_until_cancelled(work).await;
    }

    fn show(&self, bus: &Bus, status: EngineStatus) {
        let changed = self.status.send_if_modified(|old| {
            let changed = *old != status;
            old.clone_from(&status);
            changed
        });
        if changed {
            bus.publish(None, EventBody::Engine(self.with_attention(status)));
        }
    }

    /// Passes on what happens at the engine, after `seen_ns` which it keeps, until it goes away or another one is wanted.
    async fn hold(
        &self,
        docker: Docker,
        instance: &str,
        seen_ns: &mut i64,
        settings: &SettingsFile,
        host: &str,
    ) {
        let mut happenings = std::pin::pin!(docker.happenings(instance, *seen_ns));
        loop {
            tokio::select! {
                happened = happenings.next() => match happened {
                    Some(Ok(happened)) => {
                        *seen_ns = happened.at_ns.unwrap_or(*seen_ns);
                        // Nobody listening is fine: no workspace, nothing to tell.
                        let _ = self.happenings.send(happened);
                    }
                    Some(Err(problem)) => {
                        tracing::warn!(%problem, "the event stream broke");
                        return;
                    }
                    None => return,
                },
                () = self.look_now.notified() => {
                    if settings.get().docker_host != host || docker.ping().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Looks again because a setting changed.
    pub(crate) fn settings_changed(&self) {
        self.look_now.notify_one();
    }
}

fn nanoseconds(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}
