//! Keeping the pool as it should be: a reconciler that compares its members with the demand, one change at a time, and
//! only while no deploy is under way.

use slipway_wire::{Code, Problem, WorkspaceId, WorkspaceState};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Key, Member, PREFIX, ROLE, lock, size};
use crate::{
    agent_link::AgentLink,
    docker::{ContainerSpec, Docker, Labels},
    host::HostMemory,
    shared::Shared,
};

/// Images may be replaced and settings changed without a word to us: looked at again this often.
const LOOK: Duration = Duration::from_mins(1);
/// A deploy goes first; looked at again this often while one is under way.
const CALM: Duration = Duration::from_millis(500);
/// Used memory of the machine, percent, above which no member is added, and above which those that wait are given back.
const STOP_FILLING: f64 = 90.0;
const GIVE_BACK: f64 = 95.0;
/// After a failure of Docker, doubled each time.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Keeps the pool until cancelled.
pub(crate) async fn run(
    shared: Weak<Shared>,
    mut docker: watch::Receiver<Option<Docker>>,
    cancel: CancellationToken,
) {
    let mut failures = 0;
    let mut known = false;
    loop {
        let Some(now) = shared.upgrade() else { return };
        let found = docker.borrow_and_update().clone();
        let wait = match found {
            None => {
                known = false;
                lock(&now.pool.ready).clear();
                LOOK
            }
            Some(docker) => {
                let work = async {
                    if !known {
                        take_back(&now, &docker).await?;
                    }
                    step(&now, &docker).await
                };
                // Not dropped half-way: what it makes must be known or removed.
                match work.await {
                    Ok(wait) => {
                        known = true;
                        failures = 0;
                        wait
                    }
                    Err(problem) => {
                        tracing::warn!(%problem, "the warm pool could not be kept");
                        failures += 1;
                        let doubled = PAUSE * 2_u32.saturating_pow(failures - 1);
                        doubled.min(LONGEST_PAUSE).mul_f64(0.75 + fastrand::f64() / 2.0)
                    }
                }
            }
        };
        let changed = now.clone();
        drop(now);
        tokio::select! {
            () = cancel.cancelled() => {
                let docker = docker.borrow().clone();
                return drain(&changed, docker).await;
            }
            gone = docker.changed() => if gone.is_err() { return },
            () = changed.pool.changed.notified(), if failures == 0 && wait > CALM => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One comparison and at most one change. Gives how long the pool may be left alone.
async fn step(shared: &Arc<Shared>, docker: &Docker) -> Result<Duration, Problem> {
    let wanted = wanted(shared, docker).await?;
    if let Some(member) = surplus(shared, &wanted) {
        discard(shared, docker, member).await;
        return Ok(Duration::ZERO);
    }
    let count = |key: &Key| lock(&shared.pool.ready).iter().filter(|m| m.key == *key).count();
    let Some((key, _)) = wanted.iter().find(|(key, most)| count(key) < *most) else { return Ok(LOOK) };
    let busy = |state| state == WorkspaceState::Creating;
    if shared.registry.all().iter().any(|handle| busy(handle.view().state)) {
        return Ok(CALM);
    }
    let member = make(shared, docker, key).await?;
    follow(shared, &member.link);
    lock(&shared.pool.ready).push(member);
    Ok(Duration::ZERO)
}

/// The members there should be. An image that is not here is not pulled for it.
async fn wanted(shared: &Arc<Shared>, docker: &Docker) -> Result<Vec<(Key, usize)>, Problem> {
    let most = room(size(shared), super::waiting(shared), shared.config.host.memory());
    let shares = lock(&shared.pool.demand).share(most, shared.config.clock.now_ms());
    let mut wanted = Vec::new();
    for (kind, most) in shares {
        let Some(base) = docker.image(&kind.image).await? else { continue };
        let trust = shared.agents.trust(shared.settings.get().trust_host_certificates);
        let prepared = docker.prepare(&shared.agents, &kind.image, &base, trust).await?;
        wanted.push((Key::new(kind, &prepared), most));
    }
    Ok(wanted)
}

/// How many members the machine's memory leaves room for.
fn room(size: usize, waiting: usize, memory: Option<HostMemory>) -> usize {
    match memory.map(HostMemory::used_percent) {
        Some(used) if used > GIVE_BACK => 0,
        Some(used) if used > STOP_FILLING => size.min(waiting),
        _ => size,
    }
}

/// A member that is lost, out of date or one too many.
fn surplus(shared: &Shared, wanted: &[(Key, usize)]) -> Option<Member> {
    let mut ready = lock(&shared.pool.ready);
    let mut left: Vec<(&Key, usize)> = wanted.iter().map(|(key, most)| (key, *most)).collect();
    let at = ready.iter().position(|member| {
        let place = left.iter_mut().find(|(key, most)| **key == member.key && *most > 0);
        match place {
            Some((_, most)) if !member.link.is_closed() => {
                *most -= 1;
                false
            }
            _ => true,
        }
    });
    at.map(|at| ready.remove(at))
}

async fn make(shared: &Arc<Shared>, docker: &Docker, key: &Key) -> Result<Member, Problem> {
    let id = new_id()?;
    let key_text = serde_json::to_string(key)
        .map_err(|e| Problem::new(Code::Internal, format!("A pool member could not be written: {e}.")))?;
    // The intention first: a sweep leaves what has a row.
    shared.store.pool_add(&id, &key_text)?;
    match start(shared, docker, key, &id).await {
        Ok((container, link)) => {
            let made_at_ms = shared.config.clock.now_ms();
            Ok(Member { id, key: key.clone(), container, link, made_at_ms, answered: None })
        }
        Err(problem) => {
            shared.store.pool_remove(&id)?;
            shared.leftover.notify_one();
            Err(problem)
        }
    }
}

async fn start(
    shared: &Arc<Shared>,
    docker: &Docker,
    key: &Key,
    id: &WorkspaceId,
) -> Result<(String, AgentLink), Problem> {
    let spec = ContainerSpec {
        labels: Labels { instance: shared.instance.clone(), workspace: Some(id.clone()), role: ROLE },
        image: key.image.clone(),
        preset: key.kind.preset,
        limits: crate::docker::Changed::default(),
        network: key.kind.network,
        root: slipway_agent_api::WORKSPACE.to_owned(),
        trust: key.trust,
        snapshot: false,
    };
    let container = docker.create(&spec).await?;
    match AgentLink::start(docker, &container, &shared.stream_key).await {
        Ok(link) => Ok((container, link)),
        Err(problem) => {
            docker.remove(&container).await?;
            Err(problem)
        }
    }
}

fn new_id() -> Result<WorkspaceId, Problem> {
    let chance = std::iter::repeat_with(|| fastrand::choice(b"abcdefghjkmnpqrstuvwxyz23456789".iter()));
    let chance: String = chance.take(10).flatten().map(|&b| char::from(b)).collect();
    format!("{PREFIX}{chance}").parse()
}

/// Looks at the pool again when a member is lost.
fn follow(shared: &Arc<Shared>, link: &AgentLink) {
    let (weak, link) = (Arc::downgrade(shared), link.clone());
    let cancel = shared.cancel.clone();
    shared.tracker.spawn(async move {
        if cancel.run_until_cancelled(link.closed()).await.is_some()
            && let Some(shared) = weak.upgrade()
        {
            shared.pool.look_again();
        }
    });
}

/// Removes a member for good. What cannot be removed now is found by the sweep, which looks soon, for its row is gone.
pub(super) async fn discard(shared: &Arc<Shared>, docker: &Docker, member: Member) {
    drop(member.link);
    let removed = shared.store.pool_remove(&member.id);
    let removed = removed.and(docker.remove(&member.container).await);
    if let Err(problem) = removed {
        tracing::warn!(member = %member.id, %problem, "a member of the pool could not be removed yet");
        shared.leftover.notify_one();
    }
}

/// Removes every member: the engine ends.
async fn drain(shared: &Arc<Shared>, docker: Option<Docker>) {
    let members = std::mem::take(&mut *lock(&shared.pool.ready));
    let Some(docker) = docker else { return };
    let gone = members.into_iter().map(|member| discard(shared, &docker, member));
    futures_util::future::join_all(gone).await;
}

/// Members of an engine that did not end in order: those that run and are still wanted come back, the others go.
async fn take_back(shared: &Arc<Shared>, docker: &Docker) -> Result<(), Problem> {
    let free = shared.store.pool_free()?;
    if free.is_empty() {
        return Ok(());
    }
    let wanted = wanted(shared, docker).await?;
    let found = docker.ours(&shared.instance).await?;
    for (id, key) in free {
        let container = found.iter().find(|c| c.role == ROLE && c.workspace.as_ref() == Some(&id));
        if let Some(container) = container {
            let key = serde_json::from_str::<Key>(&key).ok();
            let key = key.filter(|key| container.running && wanted.iter().any(|(known, _)| known == key));
            if let Some(key) = key
                && let Ok(link) = AgentLink::connect(docker, &container.id, &shared.stream_key).await
            {
                follow(shared, &link);
                let made_at_ms = shared.config.clock.now_ms();
                lock(&shared.pool.ready).push(Member {
                    id,
                    key,
                    container: container.id.clone(),
                    link,
                    made_at_ms,
                    answered: None,
                });
                continue;
            }
            docker.remove(&container.id).await?;
        }
        shared.store.pool_remove(&id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_gives_way_to_a_machine_short_of_memory() {
        let used = |percent: u64| Some(HostMemory { total: 1000, available: 1000 - percent * 10 });
        assert_eq!(room(4, 1, None), 4, "not known");
        assert_eq!(room(4, 1, used(90)), 4);
        assert_eq!(room(4, 1, used(91)), 1, "not filled any further");
        assert_eq!(room(1, 3, used(91)), 1, "the setting still holds");
        assert_eq!(room(4, 3, used(96)), 0);
    }
}
