//! Stopping a workspace that nobody uses, apart from its lease. Typing and requests are noted where they pass; what it
//! computes is asked only of one that both are silent about.

use slipway_agent_api::v1::UsageRequest;
use slipway_wire::{Level, WorkspaceState};
use std::time::Duration;

use super::{super::message, Driver};

/// How long the last question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A shorter span says nothing about work, milliseconds.
const TELLING_MS: u64 = 10_000;

impl Driver {
    /// How long it may be as silent as it is; `None`: for ever.
    pub(super) fn silence_left(&self) -> Option<Duration> {
        let minutes = self.shared.settings.get().idle_stop_min;
        let state = self.record.view.state;
        let idles = matches!(state, WorkspaceState::Running | WorkspaceState::Failed);
        if minutes == 0 || !idles || self.job.is_some() {
            return None;
        }
        let silent_ms = self.shared.config.clock.awake_ms().saturating_sub(self.activity.last_ms());
        Some(Duration::from_millis((minutes * 60_000).saturating_sub(silent_ms)))
    }

    /// The agent told how much was computed. Work is use.
    pub(super) fn note_computing(&mut self, cpu_us: u64, span_ms: u64) {
        if self.computing.busy(self.shared.config.clock.awake_ms(), cpu_us, span_ms) {
            self.activity.note();
        }
    }

    pub(super) async fn stop_if_idle(&mut self) {
        if self.silence_left().is_none_or(|left| !left.is_zero()) {
            return;
        }
        let link = self.link.borrow().clone().filter(|link| !link.is_closed());
        if let Some(mut link) = link {
            let answer = tokio::time::timeout(PATIENCE, link.client.usage(UsageRequest {})).await;
            if let Ok(Ok(usage)) = answer {
                self.note_computing(usage.into_inner().cpu_us, TELLING_MS);
            }
        }
        if self.silence_left().is_none_or(|left| !left.is_zero()) {
            return;
        }
        let minutes = self.shared.settings.get().idle_stop_min;
        tracing::info!(workspace = %self.record.view.id, minutes, "stopped for idleness");
        let halted = self.halt(None).await;
        let mut said = message(
            Level::Warning,
            format!(
                "Stopped: for {minutes} min nobody typed, no page was asked for and nothing was computed"
            ),
        );
        said.hint =
            Some("Start it to go on; its files are kept. The setting idle_stop_min decides.".to_owned());
        self.say(said);
        if let Err(problem) = halted {
            tracing::warn!(workspace = %self.record.view.id, %problem, "not stopped yet; it is tried again");
        }
    }
}
