//! How a container is stopped: its programs by its agent, at once; then the container, a few at a time, until Docker says
//! that it has ended.

use slipway_wire::{Level, Problem, Warning};
use std::time::Duration;
use tokio::time::timeout;

use super::{
    super::{message, sentence},
    Driver,
};
use crate::agent_link::AgentLink;

impl Driver {
    /// Stops the container, whatever Docker says now: the intention, and why if it is a problem, is written first and
    /// kept to.
    pub(super) async fn halt(&mut self, why: Option<Problem>) -> Result<(), Problem> {
        let link = self.quell(why).await;
        self.stop_now(link).await
    }

    /// Writes that it is to be stopped, and ends its programs where its agent can be reached: gives the connection. Not
    /// Docker's work, so a hundred can do so at once, each within moments.
    pub(super) async fn quell(&mut self, why: Option<Problem>) -> Option<AgentLink> {
        self.ending = true;
        // The agent of a frozen container ends nothing.
        let link = self.link.borrow().clone().filter(|_| self.record.paused_from.is_none());
        self.unlink();
        // The intention first: a crash from here on ends with a stopped workspace too.
        self.rest(why);
        self.stop_owed = true;
        let link = link?;
        link.end_programs().await.then_some(link)
    }

    /// Stops a container that is meant to be stopped, through its agent where there is a connection. What Docker refuses
    /// is tried again, later each time.
    pub(super) async fn stop_now(&mut self, link: Option<AgentLink>) -> Result<(), Problem> {
        /// What programs have to end in, seconds.
        const GRACE: i32 = 5;
        let Some(container) = self.record.container.clone() else {
            self.stop_owed = false;
            return Ok(());
        };
        let stopped = async {
            let docker = self.shared.docker.current()?;
            // A few at a time: a hundred leases may end in one second.
            let _turn = self.shared.reaping.acquire().await;
            // A container that ends by itself spares Docker the helper that signals it, a third of what a stop costs.
            if let Some(link) = link
                && link.shut_down().await
            {
                match timeout(Duration::from_secs(GRACE as u64), docker.ended(&container)).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(_) => return docker.stop(&container, 0).await,
                }
            }
            docker.stop(&container, GRACE).await
        };
        match stopped.await {
            Ok(()) => {
                self.stop_owed = false;
                self.shared.leave_log(&self.record.view.id, "the workspace was stopped");
                self.reaped();
                Ok(())
            }
            Err(problem) => {
                self.not_reaped("stopped", &problem);
                Err(problem)
            }
        }
    }

    pub(super) fn reaped(&mut self) {
        if self.reaping.worked() {
            self.shared.docker.attend(&self.shared.bus, self.record.view.id.as_str(), None);
        }
    }

    pub(super) fn not_reaped(&mut self, what: &str, problem: &Problem) {
        let id = &self.record.view.id;
        tracing::warn!(workspace = %id, %problem, "could not be {what} yet");
        if !self.reaping.failed() {
            return;
        }
        let name = sentence(&self.record.view.name);
        let attention = Warning {
            message: format!("{name} ({id}) could not be {what}: {}", problem.message),
            hint: problem.hint.clone().unwrap_or_else(|| {
                "Slipway goes on trying every few minutes; see what the Docker engine says of it.".to_owned()
            }),
            workspace: Some(id.clone()),
        };
        let mut said = message(Level::Error, format!("It could not be {what}: {}", problem.message));
        said.hint = Some("It needs attention; Slipway goes on trying every few minutes.".to_owned());
        said.detail.clone_from(&problem.detail);
        self.say(said);
        self.shared.docker.attend(&self.shared.bus, id.as_str(), Some(attention));
    }
}
