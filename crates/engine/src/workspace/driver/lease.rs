//! The lease: its changes, and what the clock does about it.

use slipway_wire::{Code, LeaseChange, Level, MessageAction, PhaseName, Problem, WorkspaceState};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

use super::{
    super::{Update, message, took},
    Driver, Next,
};

/// A warning before the lease ends.
const WARNING: Duration = Duration::from_mins(2);
/// The clock is looked at least this often, for it may have been moved.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_S: u64 = 30 * 24 * 3600;

impl Driver {
    pub(super) fn lease(&mut self, change: LeaseChange) -> Result<(), Problem> {
        let now = self.shared.config.clock.now_ms();
        let check = |seconds: u64, least: u64| {
            if (least..=LONGEST_S).contains(&seconds) {
                return Ok(seconds);
            }
            Err(Problem::new(Code::Invalid, format!("A lease is changed by {least} seconds to 30 days.")))
        };
        let lease = &mut self.record.view.lease;
        match change {
            LeaseChange::Keep => {
                lease.expires_at_ms = None;
                lease.duration_s = None;
            }
            LeaseChange::Set { seconds } => {
                let seconds = check(seconds, 60)?;
                lease.expires_at_ms = Some(now + seconds * 1000);
                lease.duration_s = Some(seconds);
            }
            LeaseChange::Extend { seconds } => {
                let seconds = check(seconds, 1)?;
                let end = lease.expires_at_ms.map_or(now, |end| end.max(now)) + seconds * 1000;
                if end > now + LONGEST_S * 1000 {
                    return Err(Problem::new(Code::Limit, "A lease ends at most 30 days from now.")
                        .hint("Keep the workspace instead."));
                }
                lease.expires_at_ms = Some(end);
                lease.duration_s = Some(lease.duration_s.unwrap_or(0) + seconds);
            }
        }
        self.warned = false;
        self.record.expired_at_ms = None;
        self.changed();
        Ok(())
    }

    /// How long until the clock has something to do.
    pub(super) fn next_wake(&self) -> Duration {
        let mut wait = LONGEST_WAIT;
        if let Some(by) = self.listen_by {
            wait = wait.min(by.saturating_duration_since(Instant::now()));
        }
        let now = self.shared.config.clock.now_ms();
        let mut until = |at_ms: u64| wait = wait.min(Duration::from_millis(at_ms.saturating_sub(now)));
        if let Some(expired) = self.record.expired_at_ms {
            until(expired + self.shared.settings.get().grace_s * 1000);
        } else if let Some(end) = self.record.view.lease.expires_at_ms {
            if self.warned {
                until(end);
            } else {
                until(end.saturating_sub(WARNING.as_millis() as u64));
            }
        }
        wait.max(Duration::from_millis(10))
    }

    pub(super) async fn clock(&mut self, told: &mut mpsc::Receiver<(u64, Update)>) -> Next {
        if self.listen_by.is_some_and(|by| by <= Instant::now()) {
            self.never_listened();
        }
        let now = self.shared.config.clock.now_ms();
        if let Some(expired) = self.record.expired_at_ms {
            if now >= expired + self.shared.settings.get().grace_s * 1000 {
                self.say(message(Level::Info, "Deleted at the end of its lease"));
                match self.remove().await {
                    Ok(()) => return Next::End,
                    Err(problem) => {
                        tracing::warn!(workspace = %self.record.view.id, %problem, "could not be deleted yet");
                    }
                }
            }
            return Next::GoOn;
        }
        let Some(end) = self.record.view.lease.expires_at_ms else { return Next::GoOn };
        if now >= end {
            self.end_job(told).await;
            self.expire(now).await;
        } else if !self.warned && end - now <= WARNING.as_millis() as u64 {
            self.warned = true;
            let mut said = message(Level::Warning, "This workspace stops in two minutes");
            said.actions = vec![MessageAction::Extend];
            self.say(said);
        }
        Next::GoOn
    }

    pub(super) async fn expire(&mut self, now: u64) {
        if self.record.container.is_some()
            && self.record.view.state != WorkspaceState::Stopped
            && let Err(problem) = self.stop().await
        {
            tracing::warn!(workspace = %self.record.view.id, %problem, "could not be stopped at the end of its lease");
            return;
        }
        if let Some(end) = self.record.view.lease.expires_at_ms {
            self.shared.metrics.expired(Duration::from_millis(now.saturating_sub(end)));
        }
        self.record.expired_at_ms = Some(now);
        let grace = self.shared.settings.get().grace_s;
        let mut said = message(Level::Warning, "Its lease has ended: it is stopped");
        said.hint = Some(format!(
            "It is deleted in {} unless its lease is extended.",
            took(Duration::from_secs(grace))
        ));
        said.actions = vec![MessageAction::Extend];
        self.say(said);
        self.changed();
    }

    pub(super) fn never_listened(&mut self) {
        self.listen_by = None;
        let waited = self.shared.settings.get().listen_timeout_s;
        let problem = Problem::new(
            Code::NeverListened,
            format!(
                "The program runs, but listened on no port within {}.",
                took(Duration::from_secs(waited))
            ),
        )
        .hint(
            "Look at its output in the terminal. If it begins to listen later, the preview opens by itself.",
        );
        self.failed(PhaseName::Ready, problem);
    }
}
