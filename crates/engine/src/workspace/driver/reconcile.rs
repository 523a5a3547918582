//! Comparing the container with what is intended: the one path for start-up, a daemon that came back, an end that was
//! noticed, a link that broke and what something else did to it. What is found leads on to `reconnect` or `ending`.

use slipway_wire::{Code, Level, PhaseName, Problem, WorkspaceState};
use std::time::Duration;

use super::{super::message, Driver};
use crate::docker::Docker;

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

    pub(super) fn meant_to_be_stopped(&self) -> bool {
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
