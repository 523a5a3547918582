//! Puts right, each time a Docker engine is found, what crashes and lost data left: containers with our instance label
//! that nobody intends are removed or adopted, prepared images that nobody needs go. It takes no input: it compares
//! what exists with what is intended.

use slipway_wire::{
    Code, Lease, NetworkProfile, PhaseName, Preset, Problem, Workspace, WorkspaceId, WorkspaceState,
};
use std::{
    sync::Weak,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    docker::{Docker, FoundContainer},
    pool,
    shared::Shared,
    workspace::{Driver, Origin, Record, waiting},
};

/// Looked again this long after an engine was found: the daemon may still be making what a killed owner asked it for.
const AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// Sweeps whenever an engine is found, and twice a little later, until cancelled.
pub(crate) async fn run(
    shared: Weak<Shared>,
    mut docker: watch::Receiver<Option<Docker>>,
    cancel: CancellationToken,
) {
    let mut later = AGAIN.into_iter();
    loop {
        let found = docker.borrow_and_update().clone();
        if let (Some(docker), Some(shared)) = (found.clone(), shared.upgrade()) {
            let began = Instant::now();
            let swept = sweep(&shared, &docker).await;
            shared.metrics.swept(swept.is_ok(), began.elapsed());
            if let Err(problem) = swept {
                tracing::warn!(%problem, "the sweep was not finished; it is made again when Docker comes back");
            }
        }
        let pause = if found.is_some() { later.next() } else { None };
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = docker.changed() => {
                if changed.is_err() {
                    return;
                }
                later = AGAIN.into_iter();
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

async fn sweep(shared: &std::sync::Arc<Shared>, docker: &Docker) -> Result<(), Problem> {
    for container in docker.ours(&shared.instance).await? {
        match decide(
            &container,
            |id| shared.registry.get(id).map(|handle| handle.view().state != WorkspaceState::Terminated),
            |id| shared.store.deleted(id).ok().flatten().is_some(),
            |member| shared.store.pool_has(member),
        )? {
            Action::Leave => {}
            Action::Remove => {
                tracing::info!(container = %container.id, "removing a container nobody intends");
                docker.remove(&container.id).await?;
            }
            Action::Adopt(id) => {
                tracing::info!(workspace = %id, "adopting a container the database does not know");
                let record = adopted(shared.config.clock.now_ms(), id, container.id);
                shared.store.save(&record)?;
                Driver::spawn(shared, record, Origin::Found);
            }
        }
    }
    let removed = docker.sweep_prepared(&shared.agents).await?;
    if removed > 0 {
        tracing::info!(removed, "removed prepared images that were out of date");
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Leave,
    Remove,
    Adopt(WorkspaceId),
}

/// The four combinations of intended and existing, for what exists. (What is intended and does not exist is each
/// driver's own business.)
fn decide(
    container: &FoundContainer,
    intended: impl Fn(&WorkspaceId) -> Option<bool>,
    deleted: impl Fn(&WorkspaceId) -> bool,
    waits: impl Fn(&WorkspaceId) -> Result<bool, Problem>,
) -> Result<Action, Problem> {
    let of_workspace = |id: &WorkspaceId| match intended(id) {
        Some(true) => Action::Leave,
        // Its workspace has given up on ever having one.
        Some(false) => Action::Remove,
        None if deleted(id) => Action::Remove,
        None => Action::Adopt(id.clone()),
    };
    Ok(match (&container.workspace, container.role.as_str()) {
        (Some(id), "workspace") => of_workspace(id),
        (Some(member), pool::ROLE) => match &container.named {
            _ if waits(member)? => Action::Leave,
            Some(claimed_by) => of_workspace(claimed_by),
            None => Action::Remove,
        },
        // Preparing an image is never resumed.
        (None, "prepare") if !container.running => Action::Remove,
        _ => Action::Leave,
    })
}

/// A workspace of which only the container is left.
fn adopted(now_ms: u64, id: WorkspaceId, container: String) -> Record {
    let view = Workspace {
        name: id.to_string(),
        id,
        state: WorkspaceState::Failed,
        image: String::new(),
        plan: None,
        phases: PhaseName::ALL.map(waiting).to_vec(),
        ready_ms: None,
        problem: Some(
            Problem::new(
                Code::Storage,
                "Slipway's record of this workspace was lost; its container was found again.",
            )
            .hint("Open a shell in it to save what you need, then delete it."),
        ),
        url: None,
        ports: Vec::new(),
        lease: Lease { expires_at_ms: None, duration_s: None },
        root: slipway_agent_api::WORKSPACE.to_owned(),
        created_at_ms: now_ms,
        preset: Preset::default(),
        network: NetworkProfile::default(),
    };
    Record {
        view,
        container: Some(container),
        run_plan: None,
        env: std::collections::BTreeMap::new(),
        uploaded: true,
        app: None,
        expired_at_ms: None,
        limits: crate::docker::Changed::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_is_left_adopted_or_removed() {
        let found = |workspace: Option<&str>, role: &str| FoundContainer {
            id: "c".into(),
            workspace: workspace.map(|id| id.parse().unwrap()),
            role: role.into(),
            named: None,
            running: false,
        };
        let named =
            |name: &str| FoundContainer { named: name.parse().ok(), ..found(Some("pool-gone"), "pool") };
        let known = |id: &WorkspaceId| match id.as_str() {
            "known" => Some(true),
            "given-up" => Some(false),
            _ => None,
        };
        let deleted = |id: &WorkspaceId| id.as_str() == "deleted";
        for (container, action) in [
            (found(Some("known"), "workspace"), Action::Leave),
            (found(Some("given-up"), "workspace"), Action::Remove),
            (found(Some("deleted"), "workspace"), Action::Remove),
            (found(Some("lost"), "workspace"), Action::Adopt("lost".parse().unwrap())),
            (found(None, "prepare"), Action::Remove),
            (found(None, "workspace"), Action::Leave),
            (found(Some("known"), "something-new"), Action::Leave),
            (found(Some("pool-waits"), "pool"), Action::Leave),
            (found(Some("pool-gone"), "pool"), Action::Remove),
            (named("known"), Action::Leave),
            (named("given-up"), Action::Remove),
            (named("lost"), Action::Adopt("lost".parse().unwrap())),
        ] {
            let waits = |member: &WorkspaceId| Ok(member.as_str() == "pool-waits");
            assert_eq!(decide(&container, known, deleted, waits).unwrap(), action, "{container:?}");
        }
    }
}
