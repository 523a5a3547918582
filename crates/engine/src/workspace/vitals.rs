//! Asking, now and then, how a workspace is: its agent, its program's port, the image's own check. Seldom while all is
//! well, silent while it stands still; what the answers mean is the driver's to say.

use slipway_agent_api::v1::UsageRequest;
use slipway_wire::{HealthState, Workspace, WorkspaceState};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ImageCheck, probe,
    update::{Update, Updates},
};
use crate::{agent_link::AgentLink, resources::Meter};

/// Between two questions while all is well.
const INTERVAL: Duration = Duration::from_secs(15);
/// Between two probes of what is not well, or not yet.
const SOON: Duration = Duration::from_secs(3);
/// An agent that has not answered by then has missed one.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked, and who is told.
pub(super) struct Watched {
    pub(super) link: AgentLink,
    pub(super) view: watch::Receiver<Workspace>,
    pub(super) meter: Arc<Meter>,
    /// Asked by HTTP where the project says so.
    pub(super) path: Option<String>,
    pub(super) check: Option<ImageCheck>,
    pub(super) updates: Updates,
}

/// When each question is due.
struct Due {
    beat: Instant,
    probe: Instant,
    check: Instant,
    began: Instant,
}

impl Watched {
    /// Asks until the link's tasks end.
    pub(super) async fn run(self, cancel: CancellationToken) {
        cancel.run_until_cancelled(self.ask()).await;
    }

    async fn ask(mut self) {
        let now = Instant::now();
        let mut due = Due { beat: now + INTERVAL, probe: now, check: now, began: now };
        let mut port = None;
        loop {
            if self.view.wait_for(|view| view.state != WorkspaceState::Paused).await.is_err() {
                return;
            }
            let seen = listening(&self.view.borrow_and_update(), port);
            if seen != port {
                // Another port, or one for the first time: asked at once.
                port = seen;
                (due.probe, due.began) = (Instant::now(), Instant::now());
            }
            self.ask_what_is_due(&mut due, port).await;
            let mut next = due.beat;
            if port.is_some() {
                next = next.min(due.probe);
                if self.check.is_some() {
                    next = next.min(due.check);
                }
            }
            let another =
                |view: &Workspace| view.state == WorkspaceState::Paused || listening(view, port) != port;
            tokio::select! {
                () = sleep_until(next) => {}
                changed = self.view.wait_for(another) => if changed.is_err() { return },
            }
        }
    }

    async fn ask_what_is_due(&mut self, due: &mut Due, port: Option<u16>) {
        if due.beat <= Instant::now() {
            let told = self.beat().await;
            self.tell(Update::Beat(told)).await;
            due.beat = Instant::now() + INTERVAL;
        }
        let Some(port) = port else { return };
        if due.probe <= Instant::now() {
            let answer = probe::port(&self.link, port, self.path.as_deref()).await;
            // The first good answer needs no second one soon: the socket table had the port before.
            let well = answer.is_ok() && self.view.borrow().health.state != HealthState::Unhealthy;
            due.probe = Instant::now() + if well { INTERVAL } else { SOON };
            self.tell(Update::Probed(answer)).await;
        }
        if let Some(check) = &self.check
            && due.check <= Instant::now()
        {
            let root = self.view.borrow().root.clone();
            let answer = probe::image(&self.link, check, &root).await;
            let early = due.began.elapsed() < Duration::from_secs(check.start_s);
            due.check = Instant::now() + Duration::from_secs(check.interval_s);
            if answer.is_ok() || !early {
                self.tell(Update::Checked(answer)).await;
            }
        }
    }

    /// The CPU time so far, microseconds: an agent that tells it is alive. Whoever takes its figures has mostly just asked.
    async fn beat(&mut self) -> Option<u64> {
        if let Some(told) = self.meter.cpu_us(std::time::Instant::now(), INTERVAL) {
            return Some(told);
        }
        let answer = timeout(PATIENCE, self.link.client.usage(UsageRequest {})).await;
        answer.ok().and_then(Result::ok).map(|usage| usage.into_inner().cpu_us)
    }

    /// What was asked before a pause and answered by none in it says nothing.
    async fn tell(&self, update: Update) {
        if self.view.borrow().state != WorkspaceState::Paused {
            self.updates.tell(update).await;
        }
    }
}

/// The port behind the page of a workspace that runs. One that has closed since stays in question: that it no longer
/// answers is what is to be found.
fn listening(view: &Workspace, before: Option<u16>) -> Option<u16> {
    if view.state != WorkspaceState::Running {
        return None;
    }
    let shown = view.url.as_ref().and_then(|url| view.ports.iter().find(|port| port.url == *url));
    shown.map(|port| port.port).or(before)
}
