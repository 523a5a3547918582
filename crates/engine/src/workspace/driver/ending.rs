//! The container is gone or has ended, and was not meant to: what a workspace is then.

use slipway_wire::{Code, PhaseName, PhaseState, Problem, WorkspaceState};

use super::{super::lease as terms, Driver};
use crate::docker::Condition;

impl Driver {
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
    pub(super) fn never_reached(&self) -> Option<Problem> {
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
}
