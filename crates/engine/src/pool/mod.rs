//! The warm pool: containers that run already, their agent connected and asleep, so that a deploy need not wait for
//! one. A member is claimed once, by a compare-and-swap in the store, and never comes back.
//!
//! Docker's labels cannot be changed, so a member keeps the label it was made with; that it was claimed is said by the
//! store and, for a lost store, by the container's name.

mod fill;
mod share;

pub(crate) use fill::run;
pub(crate) use share::{Demand, Kind};

use serde::{Deserialize, Serialize};
use slipway_agent_api::{WORKSPACE, v1::UsageRequest};
use slipway_wire::{PoolMember, PoolStatus, Problem, WorkspaceId};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    agent_link::AgentLink,
    docker::{Prepared, Trust},
    shared::Shared,
};

/// The role on a member's container.
pub(crate) const ROLE: &str = "pool";
/// How the ids of members begin.
const PREFIX: &str = "pool-";
/// Where the store keeps what was deployed lately.
pub(crate) const DEMAND: &str = "pool-demand";
/// A sleeping agent answers within a few milliseconds; one that does not by then is not handed out, and an answer is as
/// good as new for as long.
const HEALTHY: Duration = Duration::from_millis(500);

/// What a member must be to serve a deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    /// The prepared image, by id.
    pub(crate) image: String,
    pub(crate) trust: Trust,
}

impl Key {
    pub(crate) fn new(kind: Kind, prepared: &Prepared) -> Self {
        Self { kind, image: prepared.image.clone(), trust: prepared.trust }
    }
}

struct Member {
    id: WorkspaceId,
    key: Key,
    container: String,
    link: AgentLink,
    made_at_ms: u64,
    /// When its agent answered last, if it was asked.
    answered: Option<Instant>,
}

/// The members that wait, and what is known of the demand.
#[derive(Default)]
pub(crate) struct Pool {
    ready: Mutex<Vec<Member>>,
    demand: Mutex<Demand>,
    changed: Notify,
    claimed: AtomicU64,
    missed: AtomicU64,
}

async fn answers(link: &AgentLink) -> bool {
    let mut client = link.client.clone();
    matches!(tokio::time::timeout(HEALTHY, client.usage(UsageRequest {})).await, Ok(Ok(_)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool that knows what was deployed before.
    pub(crate) fn new(remembered: Option<&str>) -> Self {
        // A demand that cannot be read is forgotten: the next deploys tell it anew.
        let demand = remembered.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self { demand: Mutex::new(demand), ..Self::default() }
    }

    /// Asks the member that a deploy of this kind will be given whether it is well, while the deploy has other things to
    /// ask Docker: nothing waits for the answer then, and what slept on the way is awake.
    pub(crate) async fn wake(&self, kind: &Kind) {
        let next =
            lock(&self.ready).iter().find(|m| m.key.kind == *kind).map(|m| (m.id.clone(), m.link.clone()));
        let Some((id, link)) = next else { return };
        if answers(&link).await
            && let Some(member) = lock(&self.ready).iter_mut().find(|m| m.id == id)
        {
            member.answered = Some(Instant::now());
        }
    }

    /// A container for a workspace, with its agent; `None` when no member fits. The row changes hands before anything
    /// else, so a member is given once whatever happens then.
    pub(crate) async fn claim(
        &self,
        shared: &Arc<Shared>,
        key: &Key,
        root: &str,
        workspace: &WorkspaceId,
    ) -> Result<Option<(String, AgentLink)>, Problem> {
        self.note(shared, &key.kind);
        let found = if root == WORKSPACE { self.take(shared, key, workspace).await? } else { None };
        let counter = if found.is_some() { &self.claimed } else { &self.missed };
        counter.fetch_add(1, Ordering::Relaxed);
        shared.metrics.claimed(found.is_some());
        self.changed.notify_one();
        Ok(found)
    }

    async fn take(
        &self,
        shared: &Arc<Shared>,
        key: &Key,
        workspace: &WorkspaceId,
    ) -> Result<Option<(String, AgentLink)>, Problem> {
        let docker = shared.docker.current()?;
        loop {
            let member = {
                let mut ready = lock(&self.ready);
                let fits = ready.iter().position(|m| m.key == *key && !m.link.is_closed());
                fits.map(|at| ready.remove(at))
            };
            let Some(member) = member else { return Ok(None) };
            if !shared.store.pool_claim(&member.id, workspace)? {
                // Whose it is, the sweep finds out.
                tracing::warn!(member = %member.id, "a member of the pool was given or forgotten already");
                shared.leftover.notify_one();
                continue;
            }
            let asked = member.answered.is_some_and(|answered| answered.elapsed() < HEALTHY);
            if !asked && !answers(&member.link).await {
                tracing::warn!(member = %member.id, "a member of the pool is not well");
                fill::discard(shared, &docker, member).await;
                continue;
            }
            return Ok(Some((member.container, member.link)));
        }
    }

    /// This container waits in it.
    pub(crate) fn holds(&self, container: &str) -> bool {
        lock(&self.ready).iter().any(|member| member.container == container)
    }

    fn note(&self, shared: &Shared, kind: &Kind) {
        let now = shared.config.clock.now_ms();
        let text = {
            let mut demand = lock(&self.demand);
            demand.note(kind.clone(), now);
            serde_json::to_string(&*demand)
        };
        // Only what is kept warm next time hangs on it.
        let kept = text
            .map_err(|e| e.to_string())
            .and_then(|text| shared.store.set_meta(DEMAND, &text).map_err(|problem| problem.to_string()));
        if let Err(error) = kept {
            tracing::warn!(%error, "what was deployed could not be noted");
        }
    }

    /// The pool as it stands.
    pub(crate) fn status(&self, shared: &Shared) -> PoolStatus {
        let members = lock(&self.ready);
        PoolStatus {
            size: size(shared) as u32,
            members: members
                .iter()
                .map(|m| PoolMember {
                    id: m.id.clone(),
                    image: m.key.kind.image.clone(),
                    preset: m.key.kind.preset,
                    network: m.key.kind.network,
                    made_at_ms: m.made_at_ms,
                })
                .collect(),
            claimed: self.claimed.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// Looks again at what is to be kept.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }
}

/// How many members wait.
pub(crate) fn waiting(shared: &Shared) -> usize {
    lock(&shared.pool.ready).len()
}

/// Most members at one time.
fn size(shared: &Shared) -> usize {
    shared.settings.get().pool_size.map_or(shared.config.pool_size, usize::from)
}
