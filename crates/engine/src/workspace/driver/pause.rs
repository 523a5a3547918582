//! Pausing: everything in the container stands still and so does the lease's clock; connections stay. What is intended is
//! written before Docker is asked, so that a crash in between ends as it was meant.

use slipway_wire::{Code, Level, Problem, WorkspaceState};

use super::{
    super::{lease as terms, message},
    Driver,
};
use crate::docker::Docker;

impl Driver {
    pub(super) async fn pause(&mut self) -> Result<(), Problem> {
        self.not_while_deploying()?;
        let state = self.record.view.state;
        match state {
            WorkspaceState::Paused => {
                // Whoever paused it: from now on it is meant to be.
                self.record.paused_outside = false;
                self.changed();
                return Ok(());
            }
            WorkspaceState::Running | WorkspaceState::Failed => {}
            WorkspaceState::Creating => {
                return Err(Problem::new(Code::WrongState, "It is being started.")
                    .hint("Pause it when it runs, or stop it."));
            }
            _ => {
                return Err(Problem::new(
                    Code::WrongState,
                    "It is not running, so there is nothing to pause.",
                )
                .hint("Its lease can be extended, or the workspace kept."));
            }
        }
        let Some(container) = self.record.container.clone() else {
            return Err(Problem::new(Code::WrongState, "There is no container to pause."));
        };
        let docker = self.shared.docker.current()?;
        self.stand_still(false);
        if let Err(problem) = self.freeze(&docker, &container).await {
            self.move_on();
            return Err(problem);
        }
        self.say(message(Level::Info, "Paused; it goes on exactly here when it is resumed"));
        Ok(())
    }

    pub(super) async fn resume(&mut self) -> Result<(), Problem> {
        match self.record.view.state {
            WorkspaceState::Paused => {}
            WorkspaceState::Running | WorkspaceState::Failed | WorkspaceState::Creating => return Ok(()),
            _ => {
                return Err(Problem::new(Code::WrongState, "It is not paused.").hint("Start it instead."));
            }
        }
        let docker = self.shared.docker.current()?;
        if let Some(container) = self.record.container.clone() {
            docker.unpause(&container).await?;
        }
        self.move_on();
        self.say(message(Level::Ok, "Resumed"));
        if self.link.borrow().as_ref().is_none_or(crate::agent_link::AgentLink::is_closed) {
            // Another owner had paused it: there has been no connection yet.
            self.look().await;
        }
        Ok(())
    }

    /// Pauses the container when no program is being started in it.
    async fn freeze(&self, docker: &Docker, container: &str) -> Result<(), Problem> {
        let link = self.link.borrow().clone();
        let _starts_nothing = match &link {
            Some(link) => Some(link.pausing().await),
            None => None,
        };
        docker.pause(container).await
    }

    /// From now on paused is what is intended, or what something else had `outside` and we leave at that.
    fn stand_still(&mut self, outside: bool) {
        self.record.paused_from = Some(self.record.view.state);
        self.record.paused_outside = outside;
        self.listen_by = None;
        self.record.view.state = WorkspaceState::Paused;
        self.record.view.lease = terms::hold(self.record.view.lease, self.now_ms());
        self.changed();
    }

    fn move_on(&mut self) {
        let before = self.record.not_paused().unwrap_or(WorkspaceState::Running);
        self.record.view.state = before;
        self.record.view.lease = terms::go_on(self.record.view.lease, self.now_ms());
        self.warned = false;
        self.activity.note();
        match before {
            WorkspaceState::Creating if self.record.restarting => self.restart_found(),
            // It is waited for again, from the beginning.
            WorkspaceState::Creating if self.record.app.is_some() => self.started(),
            _ => self.changed(),
        }
    }

    /// Compares a workspace that is paused with its container. True: it goes on, and is to be looked at like any other.
    pub(super) async fn look_paused(&mut self, docker: &Docker, container: &str) -> bool {
        match docker.running(container).await {
            Err(problem) => {
                tracing::warn!(workspace = %self.record.view.id, %problem, "the container could not be looked at");
            }
            Ok(None) => self.lost(),
            Ok(Some(found)) if !found.running => self.ended(&found),
            Ok(Some(found)) if found.paused => self.looked = true,
            Ok(Some(_)) if self.record.paused_outside => {
                self.move_on();
                self.say(message(Level::Info, "Resumed by something other than Slipway"));
                return true;
            }
            // A crash came between the intention and the pause, or something else let it go on.
            Ok(Some(_)) => match self.freeze(docker, container).await {
                Ok(()) => self.looked = true,
                Err(problem) => {
                    tracing::warn!(workspace = %self.record.view.id, %problem, "could not be paused again");
                }
            },
        }
        false
    }

    /// Something other than Slipway paused the container. That is then how things are, until something lets it go on.
    pub(super) fn paused_outside(&mut self) {
        let live = matches!(
            self.record.view.state,
            WorkspaceState::Creating | WorkspaceState::Running | WorkspaceState::Failed
        );
        if live && self.job.is_none() {
            self.stand_still(true);
            let mut said = message(Level::Warning, "Paused by something other than Slipway");
            said.hint = Some("Resume it to go on; its lease waits.".to_owned());
            self.say(said);
        }
    }
}
