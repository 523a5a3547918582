//! What the driver does about observations of health, and about a program that ended by itself.

use slipway_wire::{Code, HealthState, Level, PhaseName, Problem, RestartPolicy, WorkspaceState};
use std::time::{Duration, Instant};

use super::{
    super::{health, message, restart::Verdict, sentence, took},
    Driver, waiting,
};

impl Driver {
    /// Brings the health that is shown up to date. True: it changed.
    pub(super) fn judge(&mut self) -> bool {
        let judged = self.observed.judge(self.record.view.state);
        let now = self.now_ms();
        let changed = health::update(&mut self.record.view.health, judged, now);
        let awake = self.shared.config.clock.awake_ms();
        self.well_since = match self.record.view.health.state {
            HealthState::Healthy => self.well_since.or(Some(awake)),
            // Nothing to ask: it is well while it runs.
            HealthState::None if self.record.view.state == WorkspaceState::Running => {
                self.well_since.or(Some(awake))
            }
            HealthState::Degraded => self.well_since,
            _ => None,
        };
        changed
    }

    /// Something was observed: judges it, and tells of a change for the worse and back.
    pub(super) fn observe(&mut self) {
        let before = self.record.view.health.state;
        if !self.judge() {
            return;
        }
        let now = self.record.view.health.clone();
        let why = sentence(now.why.as_deref().unwrap_or_default());
        match (before, now.state) {
            (before, now) if before == now => {}
            (_, HealthState::Unhealthy) => {
                let mut said = message(Level::Warning, format!("Unhealthy: {why}"));
                said.detail = now.output;
                said.hint = Some("Look at its output in the terminal.".to_owned());
                self.say(said);
            }
            (_, HealthState::Degraded) => {
                self.say(message(Level::Warning, format!("Degraded: {why}; connecting to it again")));
            }
            (HealthState::Unhealthy | HealthState::Degraded, HealthState::Healthy) => {
                self.say(message(Level::Ok, "Healthy again"));
            }
            _ => {}
        }
        self.changed();
    }

    /// The agent was asked how it is.
    pub(super) fn beat(&mut self, answer: Option<u64>) {
        if self.record.paused_from.is_some() {
            return;
        }
        if let Some(cpu_us) = answer {
            self.note_computing(cpu_us, 45_000);
        }
        if self.observed.beat(answer.is_some()) {
            // The one path that mends: asked once more, then connected anew.
            self.look_owed = true;
        }
        self.observe();
    }

    /// Sets another policy.
    pub(super) fn set_restart(&mut self, policy: RestartPolicy) {
        self.record.view.restart = policy;
        self.restarts.forget();
        self.changed();
    }

    /// A program ended by itself. True: it will be started again, or has been given up with a word of its own.
    pub(super) fn start_again(&mut self, failed: bool, how: &str, output: &str) -> bool {
        if self.record.paused_from.is_some() || !self.record.uploaded || self.record.container.is_none() {
            return false;
        }
        let awake = self.shared.config.clock.awake_ms();
        let well = self.well_since.map_or(0, |since| awake.saturating_sub(since));
        let policy = self.record.view.restart;
        match self.restarts.ended(policy, failed, Duration::from_millis(well), awake) {
            Verdict::Rest => false,
            Verdict::GiveUp(restarts) => {
                let text = format!(
                    "The program {how}. It was started again {restarts} times within five minutes and ended each time: it is left as it is."
                );
                let problem = Problem::new(Code::StartFailed, text)
                    .hint("Read the end of its output, mend it, then start it again.")
                    .detail(output.to_owned());
                self.failed(PhaseName::Start, problem);
                true
            }
            Verdict::Again(wait) => {
                self.wait_to_start(wait);
                let mut said =
                    message(Level::Warning, format!("The program {how}: started again in {}", took(wait)));
                said.detail = Some(output.to_owned()).filter(|text| !text.is_empty());
                self.say(said);
                self.changed();
                true
            }
        }
    }

    fn wait_to_start(&mut self, wait: Duration) {
        self.restart_at = Some(Instant::now() + wait);
        self.listen_by = None;
        self.record.restarting = true;
        let view = &mut self.record.view;
        view.state = WorkspaceState::Creating;
        view.problem = None;
        view.url = None;
        for phase in &mut view.phases {
            if phase.name >= PhaseName::Start {
                *phase = waiting(phase.name);
            }
        }
    }

    /// The owner ended while a program was about to be started again.
    pub(super) fn restart_found(&mut self) {
        self.wait_to_start(Duration::from_secs(1));
        self.changed();
    }

    /// When its program is to be started again, if nothing is in the way.
    pub(super) fn restart_planned(&self) -> Option<Instant> {
        self.restart_at.filter(|_| self.job.is_none() && self.record.paused_from.is_none())
    }

    /// The wait is over.
    pub(super) async fn restart_due(&mut self) {
        if self.restart_planned().is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.restart_at = None;
        self.record.view.health.restarts = self.record.view.health.restarts.saturating_add(1);
        self.end_plan().await;
        self.began = Instant::now();
        self.deploy(PhaseName::Start, None);
    }
}
