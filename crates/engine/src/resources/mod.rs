//! What workspaces use: measured by one task per live workspace, kept for a quarter of an hour here and for a day in the
//! store, watched for a full disk and for memory that ran out. And whether this machine has room for another one.

mod disk;
mod guard;
mod history;
mod meter;
mod sampler;

pub(crate) use meter::Meter;
pub(crate) use sampler::{follow, more_memory};

use slipway_wire::{Problem, Sample, Stats, StatsRequest, StatsResolution, Usage, WorkspaceId};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use crate::{
    agent_link::AgentLink,
    docker::Docker,
    host::{Host, HostMemory},
    shared::Shared,
    traffic::Traffic,
};

/// The furthest back that is kept at all, seconds.
pub(crate) const DAY_S: u64 = 24 * 3600;
const MB: u64 = 1 << 20;

/// The figures of all workspaces.
#[derive(Default)]
pub(crate) struct Resources {
    all: RwLock<BTreeMap<WorkspaceId, Arc<Meter>>>,
    traffic: Arc<Traffic>,
}

impl Resources {
    /// The figures of one workspace, begun when there are none.
    pub(crate) fn meter(&self, id: &WorkspaceId) -> Arc<Meter> {
        if let Some(meter) = self.all.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return meter.clone();
        }
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(id.clone()).or_insert_with(|| Arc::new(Meter::new(self.traffic.clone()))).clone()
    }

    /// Drops what is known of a workspace.
    pub(crate) fn forget(&self, id: &WorkspaceId) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Bytes in and out of all workspaces since the engine was opened.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        self.traffic.sums()
    }
}

/// What a workspace uses now.
pub(crate) async fn usage(shared: &Shared, id: &WorkspaceId, link: &AgentLink) -> Result<Usage, Problem> {
    shared.resources.meter(id).now(link).await
}

/// What a workspace uses and used.
pub(crate) async fn stats(
    shared: &Shared,
    request: &StatsRequest,
    link: Option<&AgentLink>,
) -> Result<Stats, Problem> {
    let meter = shared.resources.meter(&request.id);
    let since_s = request.since_s.unwrap_or(60).min(DAY_S);
    let resolution = request.resolution.unwrap_or(if since_s > history::KEPT.as_secs() {
        StatsResolution::Minutes
    } else {
        StatsResolution::Seconds
    });
    if let Some(link) = link {
        meter.now(link).await?;
    }
    let (mut stats, minute) =
        meter.stats(&request.id, Instant::now(), Duration::from_secs(since_s), link.is_some());
    stats.disk_limit = disk_limit(shared);
    if resolution == StatsResolution::Minutes {
        let from_ms = shared.config.clock.now_ms().saturating_sub(since_s * 1000);
        stats.samples = minutes(shared, &request.id, from_ms)?;
        stats.samples.extend(minute.filter(|minute| minute.at_ms >= from_ms && since_s > 0));
    }
    Ok(stats)
}

fn minutes(shared: &Shared, id: &WorkspaceId, from_ms: u64) -> Result<Vec<Sample>, Problem> {
    shared.store.usage_since(id, from_ms)
}

/// Bytes a workspace may write, by the settings.
fn disk_limit(shared: &Shared) -> Option<u64> {
    Some(shared.settings.get().disk_limit_mb).filter(|mb| *mb > 0).map(|mb| mb * MB)
}

/// Memory of the machine the engine's containers share with us; none when they are elsewhere.
fn memory_beside(host: &dyn Host, docker: &Docker) -> Option<HostMemory> {
    docker.is_local().then(|| host.memory()).flatten()
}

/// Free disk where the engine keeps containers; none when that is elsewhere, or in a virtual machine.
async fn free_disk(host: &dyn Host, docker: &Docker) -> Option<u64> {
    if !docker.is_local() {
        return None;
    }
    host.free_disk(docker.root_dir().await?)
}

/// Refuses when the Docker engine's disk has no room for `bytes` more. `command` is what a person would force.
pub(crate) async fn room_to_keep(
    shared: &Shared,
    docker: &Docker,
    bytes: u64,
    command: &str,
) -> Result<(), Problem> {
    guard::check_disk(free_disk(shared.config.host.as_ref(), docker).await, bytes, command)
}

/// Refuses when this machine has no room for one more workspace.
pub(crate) async fn room_for_one_more(shared: &Shared, docker: &Docker) -> Result<(), Problem> {
    let host = shared.config.host.as_ref();
    let (memory, disk) = (memory_beside(host, docker), free_disk(host, docker).await);
    if memory.is_none() || disk.is_none() {
        tracing::info!(
            memory = memory.is_some(),
            disk = disk.is_some(),
            "the Docker engine's machine is not this one or cannot be looked at; what is not known refuses nothing"
        );
    }
    guard::check(memory, disk)
}
