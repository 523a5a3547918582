//! A workspace out of a snapshot: the same record as a deploy makes, with the files in the image already.

use slipway_wire::{
    Code, Lease, NetworkProfile, PhaseName, PhaseState, Problem, SnapshotId, SnapshotStart, Workspace,
    WorkspaceState,
};
use std::{sync::Arc, time::Instant};

use super::{SnapshotRecord, mark, publish, usable};
use crate::{
    deploy::{check_env, plan_view},
    docker::{Changed, Prepared},
    shared::Shared,
    workspace::{Driver, Origin, Record, lease, name, waiting},
};

/// Begins a workspace from a snapshot.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    request: &SnapshotStart,
    began: Instant,
) -> Result<Workspace, Problem> {
    // Nobody deletes the snapshot between the look and the workspace that uses it.
    let _not_deleted = shared.snapshots.gate();
    let snapshot = usable(shared, &request.id)?;
    let record = record(shared, request, &snapshot)?;
    let view = record.view.clone();
    // The intention is on disk before anything exists.
    shared.store.save(&record)?;
    Driver::spawn(shared, record, Origin::Snapshot { began });
    publish(shared, &request.id);
    Ok(view)
}

fn record(shared: &Shared, request: &SnapshotStart, snapshot: &SnapshotRecord) -> Result<Record, Problem> {
    let seed = &snapshot.seed;
    let settings = shared.settings.get();
    let mut env = snapshot.env.clone();
    env.extend(request.env.clone());
    check_env(&env)?;
    let name = name::check(request.name.as_deref().unwrap_or(&seed.name))?;
    let id = name::new_id(&name, |id| {
        shared.registry.get(id).is_some() || shared.store.deleted(id).is_ok_and(|r| r.is_some())
    })?;
    let now_ms = shared.config.clock.now_ms();
    let lease: Lease = lease::begin(now_ms, request.duration_s.unwrap_or(settings.duration_s))?;
    let mut view = Workspace {
        plan: seed.plan.as_ref().map(|plan| plan_view(plan, Some(&seed.image))),
        id,
        name,
        state: WorkspaceState::Creating,
        image: seed.image.clone(),
        phases: PhaseName::ALL.map(waiting).to_vec(),
        ready_ms: None,
        problem: None,
        url: None,
        ports: Vec::new(),
        lease,
        root: seed.root.clone(),
        created_at_ms: now_ms,
        preset: request.preset.unwrap_or(seed.preset),
        // A file's word grants it no network: a person decides.
        network: request.network.unwrap_or(if seed.imported { NetworkProfile::Strict } else { seed.network }),
        health: slipway_wire::Health::default(),
        restart: request.restart.unwrap_or(seed.restart),
        snapshot: Some(snapshot.id.clone()),
        folder: None,
    };
    for phase in &mut view.phases {
        phase.state = match phase.name {
            PhaseName::Check | PhaseName::Upload | PhaseName::Install | PhaseName::Build => {
                PhaseState::Skipped
            }
            _ => PhaseState::Waiting,
        };
    }
    let mut record = Record::new(view);
    record.run_plan.clone_from(&seed.plan);
    record.env = env;
    record.uploaded = true;
    record.limits = if request.preset.is_some() { Changed::default() } else { seed.limits };
    record.check.clone_from(&snapshot.check);
    Ok(record)
}

/// The image a workspace of a snapshot is made from: the snapshot itself, or one prepared of it when it holds another
/// agent or other certificates than this Slipway's. And a word about that.
pub(crate) async fn image(shared: &Shared, id: &SnapshotId) -> Result<(Prepared, Option<String>), Problem> {
    let docker = shared.docker.current()?;
    let record = usable(shared, id)?;
    let mark = mark(shared, id);
    let found = docker.snapshot(&mark).await?.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("The image of the snapshot {} is gone.", record.seed.name))
            .hint("Something other than Slipway removed it; an export of it can be imported again.")
    })?;
    let trust = shared.agents.trust(shared.settings.get().trust_host_certificates);
    if found.agent == shared.agents.mark(&found.base.arch, trust)? {
        return Ok((Prepared { image: found.base.id, trust, fresh: false }, None));
    }
    let prepared = docker.prepare(&shared.agents, &mark.reference(), &found.base, trust).await?;
    let detail = prepared.fresh.then(|| "Prepared the snapshot for this Slipway".to_owned());
    Ok((prepared, detail))
}
