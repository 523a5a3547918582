//! What people ask of a workspace.

use slipway_wire::{Code, EventBody, Level, PhaseName, Problem, WorkspaceState};
use std::{sync::Arc, time::Instant};
use tokio::sync::mpsc;

use super::{
    super::{
        Update,
        handle::{Reply, Request},
        message, sentence,
    },
    Driver, Next,
    reconnect::{end_all, plan_processes},
};
use crate::deploy::{Intake, plan_view};

impl Driver {
    pub(super) async fn answer(
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

    pub(super) async fn perform(
        &mut self,
        request: Request,
        told: &mut mpsc::Receiver<(u64, Update)>,
    ) -> Result<(), Problem> {
        if !self.looked && self.job.is_none() {
            self.look().await;
        }
        match request {
            Request::Stop => {
                self.end_job(told).await;
                self.stop().await
            }
            Request::Cancel => {
                if self.job.is_none() {
                    return self.stop_waiting().await;
                }
                self.end_job(told).await;
                if self.look_owed {
                    self.look().await;
                }
                Ok(())
            }
            Request::Start => {
                self.not_while_deploying()?;
                self.restarts.forget();
                match self.record.view.state {
                    WorkspaceState::Running => Ok(()),
                    WorkspaceState::Paused => self.resume().await,
                    _ => self.redeploy(PhaseName::Start, None).await,
                }
            }
            Request::Redeploy { from, command } => {
                self.end_job(told).await;
                self.redeploy(from, command).await
            }
            Request::Replace(intake) => {
                self.end_job(told).await;
                self.replace(intake).await
            }
            Request::Snapshot(order) => Box::pin(self.snapshot(order)).await,
            Request::Remove => {
                self.end_job(told).await;
                self.remove().await
            }
            Request::Rename(name) => {
                self.record.view.name = name;
                self.changed();
                Ok(())
            }
            Request::Limits(request, tell) => {
                self.limit(&request).await?;
                // Whoever no longer waits for the answer does not need it.
                let _ = tell.send(self.record.limits.in_force(self.record.view.preset));
                Ok(())
            }
            Request::DiskFull { written, limit, everything } => {
                self.disk_full(written, limit, everything, told).await
            }
            Request::RestartPolicy(policy) => {
                self.set_restart(policy);
                Ok(())
            }
            Request::Lease(change) => self.lease(change, told).await,
        }
    }

    pub(super) fn not_while_deploying(&self) -> Result<(), Problem> {
        if self.job.is_some() {
            return Err(
                Problem::new(Code::WrongState, "It is being deployed.").hint("Wait for it, or cancel it.")
            );
        }
        Ok(())
    }

    /// Cancels a deploy whose program was started and is waited for to listen.
    async fn stop_waiting(&mut self) -> Result<(), Problem> {
        if self.record.view.state != WorkspaceState::Creating {
            return Err(Problem::new(Code::WrongState, "No deploy is under way."));
        }
        self.end_plan().await;
        self.failed(PhaseName::Ready, crate::deploy::cancelled());
        Ok(())
    }

    pub(super) async fn stop(&mut self) -> Result<(), Problem> {
        match self.record.view.state {
            WorkspaceState::Stopped => return Ok(()),
            WorkspaceState::Terminated | WorkspaceState::Deleted => {
                return Err(Problem::new(Code::WrongState, "There is no container to stop."));
            }
            _ => {}
        }
        if self.record.container.is_none() {
            return Err(Problem::new(Code::WrongState, "There is no container to stop."));
        }
        // A person is told at once that it cannot be done now.
        self.shared.docker.current()?;
        self.halt(None).await?;
        self.say(message(Level::Info, "Stopped; its files are kept"));
        Ok(())
    }

    /// Ends the program and everything else the plan started, whatever is left of it.
    pub(super) async fn end_plan(&mut self) {
        self.ending = true;
        self.record.app = None;
        let link = self.link.borrow().clone().filter(|link| !link.is_closed());
        let Some(link) = link else { return };
        if let Some(listed) = plan_processes(&link, &self.record.view.id).await {
            end_all(&link, &listed).await;
        }
    }

    pub(super) async fn redeploy(&mut self, from: PhaseName, command: Option<String>) -> Result<(), Problem> {
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
        self.ready_to_start().await?;
        self.began = Instant::now();
        self.deploy(from, None);
        Ok(())
    }

    /// Nothing of before is in the way: no pause, no lease that has ended, no stop that is still owed, no program.
    async fn ready_to_start(&mut self) -> Result<(), Problem> {
        if self.record.view.state == WorkspaceState::Paused {
            self.resume().await?;
        }
        if self.stop_owed {
            self.stop_now(None).await?;
        }
        self.renew_if_expired();
        self.record.ran = false;
        self.end_plan().await;
        Ok(())
    }

    pub(super) fn change_command(&mut self, phase: PhaseName, line: String) -> Result<(), Problem> {
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

    pub(super) async fn replace(&mut self, intake: Arc<Intake>) -> Result<(), Problem> {
        if self.record.container.is_none() {
            return Err(Problem::new(Code::WrongState, "There is no container any more.")
                .hint("Deploy it as a new workspace."));
        }
        self.ready_to_start().await?;
        let plan = intake.plans.first().cloned();
        let image = self.record.view.image.clone();
        self.record.view.plan = plan.as_ref().map(|plan| plan_view(plan, Some(&image)));
        self.record.run_plan = plan;
        self.record.view.folder.clone_from(&intake.folder);
        self.began = Instant::now();
        self.say(message(
            Level::Info,
            format!("Replacing its files with those of **{}**", sentence(&intake.name)),
        ));
        self.deploy(PhaseName::Upload, Some(intake));
        Ok(())
    }

    pub(super) async fn remove(&mut self) -> Result<(), Problem> {
        let docker = self.shared.docker.current();
        if let Some(container) = self.record.container.clone() {
            // Before anything is let go of: without Docker it cannot be removed and goes on as it is.
            let docker = docker?;
            self.ending = true;
            self.unlink();
            if let Err(problem) = docker.remove(&container).await {
                self.ending = false;
                self.look().await;
                return Err(problem);
            }
        } else if let Ok(docker) = docker {
            // One that was made and not yet written down carries our label.
            for found in docker.ours(&self.shared.instance).await? {
                if found.is_of(&self.record.view.id) {
                    docker.remove(&found.id).await?;
                }
            }
        }
        self.record.container = None;
        self.record.deleted_at_ms = Some(self.now_ms());
        // What is remembered of it holds no secret.
        self.record.env.clear();
        self.record.run_plan = None;
        let view = &mut self.record.view;
        view.state = WorkspaceState::Deleted;
        view.ports.clear();
        view.url = None;
        self.changed();
        let id = self.record.view.id.clone();
        self.shared.forget(&id);
        self.shared.close_log(&id);
        self.shared.bus.publish(Some(&id), EventBody::Removed);
        Ok(())
    }
}
