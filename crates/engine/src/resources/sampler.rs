//! The task that measures one live workspace for as long as its agent's connection lasts: one call to the agent a second
//! while somebody watches, one in 15 seconds otherwise. What it finds is kept, told, or handed to the driver.

use slipway_agent_api::v1::UsageRequest;
use slipway_wire::{Level, WorkspaceId, WorkspaceState};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    Meter,
    disk::{Signs, Verdict},
    disk_limit, free_disk,
};
use crate::{
    agent_link::AgentLink,
    shared::Shared,
    workspace::{Request, bytes, message},
};

/// An agent that does not tell its figures by then is asked again at the next turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries when nothing can be measured.
const UNANSWERED: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

/// Measures until the connection or `stop` ends it.
pub(crate) async fn follow(
    shared: Arc<Shared>,
    id: WorkspaceId,
    container: String,
    link: AgentLink,
    stop: CancellationToken,
) {
    let meter = shared.resources.meter(&id);
    let work = async {
        loop {
            tokio::select! {
                () = link.closed() => return,
                () = meter.wanted() => {}
                () = tokio::time::sleep(meter.wait(Instant::now())) => {}
            }
            if meter.too_soon(Instant::now()) {
                continue;
            }
            let answered = live(&shared, &id) && read(&shared, &id, &container, &link, &meter, &stop).await;
            if !answered {
                // Paused, or busy with itself: no reason to ask it without end.
                tokio::time::sleep(UNANSWERED).await;
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Whether it is in a state worth measuring.
fn live(shared: &Shared, id: &WorkspaceId) -> bool {
    let state = shared.registry.get(id).map(|handle| handle.view().state);
    matches!(state, Some(WorkspaceState::Creating | WorkspaceState::Running | WorkspaceState::Failed))
}

/// Takes one reading and does what it calls for. False: there is none.
async fn read(
    shared: &Arc<Shared>,
    id: &WorkspaceId,
    container: &str,
    link: &AgentLink,
    meter: &Arc<Meter>,
    stop: &CancellationToken,
) -> bool {
    let mut client = link.client.clone();
    let reply = match tokio::time::timeout(PATIENCE, client.usage(UsageRequest {})).await {
        Ok(Ok(reply)) => reply.into_inner(),
        Ok(Err(status)) => {
            tracing::debug!(workspace = %id, %status, "not measured");
            return false;
        }
        Err(_) => {
            tracing::debug!(workspace = %id, "not measured: no answer");
            return false;
        }
    };
    let docker = shared.docker.current().ok();
    let free = match &docker {
        Some(docker) => free_disk(shared.config.host.as_ref(), docker).await,
        None => None,
    };
    let found = meter.put(Instant::now(), shared.config.clock.now_ms(), reply, free);
    if let Some(minute) = found.minute
        && let Err(problem) = shared.store.add_usage(id, &minute)
    {
        tracing::warn!(workspace = %id, %problem, "a minute of its history is not kept");
    }
    if let Some((count, limit)) = found.killed {
        shared.say(id, out_of_memory(id, count, limit));
    }
    if let Some(signs) = found.measure {
        let measuring = measure(shared.clone(), id.clone(), container.to_owned(), meter.clone(), signs);
        let stop = stop.clone();
        shared.tracker.spawn(async move { stop.run_until_cancelled(measuring).await });
    }
    true
}

/// A program was killed and the container lives on.
fn out_of_memory(id: &WorkspaceId, count: u64, limit: Option<u64>) -> slipway_wire::Message {
    let what =
        if count == 1 { "A program in it was".to_owned() } else { format!("{count} programs in it were") };
    let of = limit.map(|limit| format!(" ({} MiB)", limit / MIB)).unwrap_or_default();
    let mut said = message(Level::Warning, format!("{what} ended: memory ran out{of}"));
    said.hint = Some(more_memory(id, limit.map_or(2048, |limit| limit / MIB)));
    said
}

/// What to do when the `limit` of memory (MiB) was met: the command, with twice as much.
pub(crate) fn more_memory(id: &WorkspaceId, limit: u64) -> String {
    let more = limit.saturating_mul(2);
    format!("Give it more with `slipway limits {id} --memory {more}m`, or let it use less.")
}

/// Measures what the container has written and acts on it.
async fn measure(shared: Arc<Shared>, id: WorkspaceId, container: String, meter: Arc<Meter>, signs: Signs) {
    let written = match shared.docker.current() {
        Ok(docker) => docker.written(&container).await,
        Err(problem) => Err(problem),
    };
    let written = match written {
        Ok(written) => written,
        Err(problem) => {
            tracing::debug!(workspace = %id, %problem, "its disk was not measured");
            None
        }
    };
    let limit = disk_limit(&shared);
    let verdict = meter.put_disk(Instant::now(), signs, written, limit);
    let (Some(written), Some(limit)) = (written, limit) else { return };
    match verdict {
        Verdict::Fine => {}
        Verdict::Warn => {
            let text = format!("Its files take **{}** of the {} it may write", bytes(written), bytes(limit));
            let mut said = message(Level::Warning, text);
            said.hint = Some(format!(
                "At the limit its program is stopped. Delete what is not needed, or raise it: `slipway settings set disk_limit_mb {}`.",
                limit / MIB * 2
            ));
            shared.say(&id, said);
        }
        Verdict::Stop | Verdict::StopAll => {
            let Some(handle) = shared.registry.get(&id) else { return };
            let request = Request::DiskFull { written, limit, everything: verdict == Verdict::StopAll };
            if let Err(problem) = handle.ask(request).await {
                tracing::warn!(workspace = %id, %problem, "a workspace that fills the disk could not be stopped");
            }
        }
    }
}
