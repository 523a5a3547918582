//! CPU of a workspace as a percentage: the agent gives a running sum, two of them and the time between make a rate.

use slipway_agent_api::v1::{UsageReply, UsageRequest};
use slipway_wire::{Problem, Usage, WorkspaceId};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::agent_link::{AgentClient, agent_problem};

/// Without an earlier figure, the second one is taken this much later.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);
/// An earlier figure older than this says nothing about now.
const STALE: Duration = Duration::from_mins(1);

/// An agent that does not tell its figures by then is not asked any longer.
const PATIENCE: Duration = Duration::from_secs(5);

async fn answer(client: &mut AgentClient) -> Result<UsageReply, tonic::Status> {
    match tokio::time::timeout(PATIENCE, client.usage(UsageRequest {})).await {
        Ok(reply) => Ok(reply?.into_inner()),
        Err(_) => Err(tonic::Status::deadline_exceeded("no answer in five seconds")),
    }
}

/// The last sum of each workspace.
#[derive(Default)]
pub(crate) struct UsageMeter {
    last: Mutex<BTreeMap<WorkspaceId, (Instant, u64)>>,
}

impl UsageMeter {
    /// What a workspace uses now.
    pub(crate) async fn measure(&self, id: &WorkspaceId, mut client: AgentClient) -> Result<Usage, Problem> {
        let failed = |s: tonic::Status| agent_problem("measuring", &s);
        let mut before = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        before = before.filter(|(at, _)| at.elapsed() < STALE);
        let (at, cpu) = if let Some(before) = before {
            before
        } else {
            let first = client.usage(UsageRequest {}).await.map_err(failed)?.into_inner();
            let at = Instant::now();
            tokio::time::sleep(FIRST_INTERVAL).await;
            (at, first.cpu_us)
        };
        let now = answer(&mut client).await.map_err(failed)?;
        let taken = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() > 1024 {
            last.retain(|_, (at, _)| at.elapsed() < STALE);
        }
        last.insert(id.clone(), (taken, now.cpu_us));
        let elapsed = taken.duration_since(at).as_micros().max(1) as f64;
        Ok(Usage {
            cpu_percent: (now.cpu_us.saturating_sub(cpu) as f64 / elapsed * 100.0).clamp(0.0, 100_000.0),
            memory_bytes: now.memory_bytes,
            memory_limit: (now.memory_limit > 0).then_some(now.memory_limit),
            processes: now.processes,
            out_of_memory_kills: now.out_of_memory_kills,
        })
    }
}
