//! The lease: its changes, and what the clock does about it. The arithmetic is `workspace/lease.rs`, what happened to
//! time `workspace/timeline.rs`.

use slipway_wire::{Code, Lease, LeaseChange, Level, MessageAction, PhaseName, Problem, WorkspaceState};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

use super::{
    super::{Update, lease as terms, message, took},
    Driver, Next,
};
use crate::agent_link::AgentLink;

/// A warning before the lease ends, milliseconds.
const WARNING_MS: u64 = 2 * 60 * 1000;
/// The clock is looked at least this often, for it may have been moved.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What a workspace is given that is started again after its lease ended, when new ones are kept, seconds.
const ANOTHER_S: u64 = 3600;

impl Driver {
    pub(super) fn now_ms(&self) -> u64 {
        self.shared.config.clock.now_ms()
    }

    /// How long nothing may be ended by its lease, for this machine has just woken up.
    fn held_ms(&self) -> u64 {
        self.timeline.held_ms(self.shared.config.clock.as_ref())
    }

    pub(super) async fn lease(
        &mut self,
        change: LeaseChange,
        told: &mut mpsc::Receiver<(u64, Update)>,
    ) -> Result<(), Problem> {
        self.watch_time();
        match change {
            LeaseChange::Pause => self.pause().await,
            LeaseChange::Resume => self.resume().await,
            LeaseChange::Expire => {
                self.end_job(told).await;
                self.expire("Its lease was ended: it is stopped").await;
                Ok(())
            }
            LeaseChange::Keep | LeaseChange::Set { .. } | LeaseChange::Extend { .. } => {
                let lease = terms::change(self.record.view.lease, change, self.now_ms())?;
                if self.renew(lease) {
                    self.say(message(Level::Info, "Its lease goes on: it is started again as it was"));
                    self.redeploy(PhaseName::Start, None).await?;
                }
                Ok(())
            }
        }
    }

    /// Gives it another lease. True: the end of the last one stopped it, and it ran until then.
    fn renew(&mut self, lease: Lease) -> bool {
        self.warned = false;
        self.record.view.lease = lease;
        self.record.expired_at_ms = None;
        let ran = std::mem::take(&mut self.record.ran);
        self.changed();
        ran
    }

    /// Whoever starts a workspace in its grace wants it to live.
    pub(super) fn renew_if_expired(&mut self) {
        if self.record.expired_at_ms.is_none() {
            return;
        }
        let seconds = match self.shared.settings.get().duration_s {
            0 => ANOTHER_S,
            seconds => seconds,
        };
        match terms::begin(self.now_ms(), seconds) {
            Ok(lease) => {
                self.renew(lease);
            }
            Err(problem) => {
                tracing::warn!(workspace = %self.record.view.id, %problem, "no new lease could be given");
            }
        }
    }

    /// Notices what happened to time. A clock that was set takes nothing from a lease and gives it nothing.
    pub(super) fn watch_time(&mut self) {
        let set_ms = self.timeline.look(self.shared.config.clock.as_ref());
        if set_ms == 0 {
            return;
        }
        tracing::info!(workspace = %self.record.view.id, set_ms, "the clock was set: the lease moves with it");
        self.record.view.lease = terms::shift(self.record.view.lease, set_ms);
        self.record.expired_at_ms = self.record.expired_at_ms.map(|at| at.saturating_add_signed(set_ms));
        self.changed();
    }

    /// When it is to be deleted.
    fn deleted_at_ms(&self) -> Option<u64> {
        let expired = self.record.expired_at_ms?;
        let planned = self.record.view.lease.deleted_at_ms;
        Some(planned.unwrap_or_else(|| expired + self.shared.settings.get().grace_s * 1000))
    }

    /// How long until the clock has something to do.
    pub(super) fn next_wake(&self) -> Duration {
        let mut wait = LONGEST_WAIT;
        if let Some(by) = self.listen_by {
            wait = wait.min(by.saturating_duration_since(Instant::now()));
        }
        if let Some(at) = self.restart_planned() {
            wait = wait.min(at.saturating_duration_since(Instant::now()));
        }
        if self.stop_owed {
            wait = wait.min(self.reaping.wait());
        }
        if self.out_of_reach() {
            wait = wait.min(self.reach.wait());
        }
        if let Some(silent) = self.silence_left() {
            wait = wait.min(silent);
        }
        let now = self.now_ms();
        let end = self.deleted_at_ms().or_else(|| {
            let end = self.record.view.lease.expires_at_ms?;
            Some(if self.warned { end } else { end.saturating_sub(WARNING_MS) })
        });
        if let Some(end) = end {
            let mut until = Duration::from_millis(end.saturating_sub(now));
            if self.warned || self.record.expired_at_ms.is_some() {
                until = until.max(Duration::from_millis(self.held_ms())).max(self.reaping.wait());
            }
            wait = wait.min(until);
        }
        wait.max(Duration::from_millis(10))
    }

    pub(super) async fn clock(&mut self, told: &mut mpsc::Receiver<(u64, Update)>) -> Next {
        self.watch_time();
        if self.listen_by.is_some_and(|by| by <= Instant::now()) {
            self.never_listened();
        }
        if self.stop_owed && self.reaping.wait().is_zero() {
            self.stop_now(None).await.unwrap_or_else(|problem| {
                tracing::debug!(workspace = %self.record.view.id, %problem, "it will be tried again");
            });
        }
        if self.out_of_reach() && self.reach.wait().is_zero() {
            self.look().await;
        }
        self.restart_due().await;
        self.stop_if_idle().await;
        let now = self.now_ms();
        let held = self.held_ms() > 0;
        if let Some(deleted_at) = self.deleted_at_ms() {
            return if now >= deleted_at && !held && self.reaping.wait().is_zero() {
                self.delete().await
            } else {
                Next::GoOn
            };
        }
        let Some(end) = self.record.view.lease.expires_at_ms else { return Next::GoOn };
        if now >= end && !held {
            tracing::info!(workspace = %self.record.view.id, lag_ms = now - end, "the lease ended");
            self.end_job(told).await;
            self.expire("Its lease has ended: it is stopped").await;
        } else if !self.warned && end.saturating_sub(now) <= WARNING_MS {
            self.warned = true;
            let text = if now >= end {
                "Its lease ended while this machine slept: it stops in a minute".to_owned()
            } else {
                format!("This workspace stops in {}", took(Duration::from_secs((end - now).div_ceil(1000))))
            };
            let mut said = message(Level::Warning, text);
            said.actions = vec![MessageAction::Extend];
            self.say(said);
        }
        Next::GoOn
    }

    /// The end of its grace.
    async fn delete(&mut self) -> Next {
        let shared = std::sync::Arc::clone(&self.shared);
        let _turn = shared.deleting.acquire().await;
        match self.remove().await {
            Ok(()) => {
                self.reaped();
                Next::End
            }
            Err(problem) => {
                self.not_reaped("deleted", &problem);
                Next::GoOn
            }
        }
    }

    /// Ends its lease: stopped, and deleted after the grace unless somebody wants it back.
    pub(super) async fn expire(&mut self, text: &str) {
        if self.record.expired_at_ms.is_some() {
            return;
        }
        let state = self.record.view.state;
        let ran = match self.record.paused_from.unwrap_or(state) {
            WorkspaceState::Running => true,
            WorkspaceState::Creating => self.record.uploaded,
            // Its end had begun when a crash came.
            _ => self.record.ran,
        };
        // Before anything ends: a crash from here on may not forget it.
        self.record.ran = ran;
        let stops = self.record.container.is_some() && state != WorkspaceState::Stopped;
        let quiet = if stops { self.quell(None).await } else { None };
        // Nothing of it runs when somebody is told that it has ended. Once its programs have, its container can wait for
        // its turn; one whose agent does not answer cannot.
        if stops && quiet.is_none() {
            self.stop_expired(None).await;
        }
        let now = self.now_ms();
        let grace_s = self.shared.settings.get().grace_s;
        if let Some(end) = self.record.view.lease.expires_at_ms.filter(|end| *end <= now) {
            self.shared.metrics.expired(Duration::from_millis(now - end));
        }
        self.record.expired_at_ms = Some(now);
        let lease = &mut self.record.view.lease;
        lease.expires_at_ms = Some(lease.expires_at_ms.map_or(now, |end| end.min(now)));
        lease.deleted_at_ms = Some(now + grace_s * 1000);
        let mut said = message(Level::Warning, text);
        said.hint = Some(format!(
            "It is deleted in {}; extending its lease brings it back as it was.",
            took(Duration::from_secs(grace_s))
        ));
        said.actions = vec![MessageAction::Extend];
        self.say(said);
        self.changed();
        if quiet.is_some() {
            self.stop_expired(quiet).await;
        }
    }

    async fn stop_expired(&mut self, link: Option<AgentLink>) {
        self.stop_now(link).await.unwrap_or_else(|problem| {
            tracing::warn!(workspace = %self.record.view.id, %problem, "not stopped yet; it is tried again");
        });
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
