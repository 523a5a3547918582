//! The agent's connection and the tasks that hang on it: ports, outgoing connections.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{ports, vitals},
    Driver,
};
use crate::{agent_link::AgentLink, egress, resources, traffic::EgressTally};

impl Driver {
    pub(super) fn take_link(&mut self, link: AgentLink) {
        self.link_tasks.cancel();
        self.link_tasks = self.shared.cancel.child_token();
        self.record.view.ports.clear();
        self.shared.resources.meter(&self.record.view.id).connected(Instant::now());
        self.watch_link(&link);
        self.link.send_replace(Some(link));
    }

    pub(super) fn watch_link(&mut self, link: &AgentLink) {
        self.record.view.ports.clear();
        let id = self.record.view.id.clone();
        let shared = self.shared.clone();
        let stop = self.link_tasks.clone();
        let gateway = shared.gateway.clone();
        shared.tracker.spawn(ports::watch(link.clone(), id.clone(), gateway, self.updates(), stop.clone()));
        let watched = vitals::Watched {
            link: link.clone(),
            view: self.view.subscribe(),
            meter: shared.resources.meter(&id),
            path: self.record.run_plan.as_ref().and_then(|plan| plan.health_path.clone()),
            check: self.record.check.clone(),
            updates: self.updates(),
        };
        shared.tracker.spawn(watched.run(stop.clone()));
        let (client, policy, dialer) = (link.client.clone(), shared.policy.clone(), shared.dialer.clone());
        let clock = shared.config.clock.clone();
        let sink: egress::Sink = {
            let tally = EgressTally::new(shared.resources.meter(&id).traffic().clone());
            let (shared, id) = (Arc::downgrade(&shared), id.clone());
            Arc::new(move |entry| {
                let ruling = tally.note(&entry);
                if let Some(shared) = shared.upgrade() {
                    if let Some(ruling) = ruling {
                        shared.metrics.ruled(ruling);
                    }
                    shared.note_egress(&id, entry);
                }
            })
        };
        if let Some(container) = self.record.container.clone() {
            let follow = resources::follow(shared.clone(), id.clone(), container, link.clone(), stop.clone());
            shared.tracker.spawn(follow);
        }
        let link = link.clone();
        shared.tracker.spawn(async move {
            // The stream may end while the connection lives: another engine was asked to answer for a moment, say.
            while !link.is_closed() {
                let serving = egress::serve(
                    id.clone(),
                    client.clone(),
                    policy.clone(),
                    dialer.clone(),
                    clock.clone(),
                    sink.clone(),
                    stop.clone(),
                );
                match serving.await {
                    Ok(()) => return,
                    Err(problem) => {
                        tracing::debug!(workspace = %id, %problem, "no longer answering outgoing connections");
                    }
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    pub(super) fn unlink(&mut self) {
        self.link_tasks.cancel();
        self.link.send_replace(None);
    }
}
