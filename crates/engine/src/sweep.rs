//! Puts right what crashes, lost answers and lost data left, each time a Docker engine is found or a container of ours
//! appears: containers with our instance label that nobody intends are removed or adopted, prepared images that nobody
//! needs go. It takes no input: it compares what exists with what is intended.

use slipway_wire::{
    Code, Lease, NetworkProfile, PhaseName, Preset, Problem, Warning, Workspace, WorkspaceId, WorkspaceState,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    docker::{Docker, FoundContainer, Happened, Happening},
    docker_watch::DockerWatch,
    pool,
    shared::Shared,
    workspace::{Driver, Origin, Record, waiting},
};

/// Looked again this long after an engine was found: the daemon may still be making what a killed owner asked it for.
const AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// And now and then as long as the engine is there.
const USUALLY: Duration = Duration::from_mins(10);
/// A removal waits for a second look; and what has just been made may get its row, or lose it, in this time.
const SOON: Duration = Duration::from_secs(5);

/// Of more containers at once it is not remembered which they are.
const MANY: usize = 100;

/// When to look next. What fails is tried again, later each time; after a bounded number of failures a person is told.
struct Pace {
    later: std::array::IntoIter<Duration, 2>,
    trouble: Backoff,
    appeared: Option<Appeared>,
}

/// What no look has come [`SOON`] after: the first and the last of it.
#[derive(Clone, Copy)]
struct Appeared {
    first: Instant,
    last: Instant,
}

impl Pace {
    fn begin() -> Self {
        Self { later: AGAIN.into_iter(), trouble: Backoff::default(), appeared: None }
    }

    /// An engine was found.
    fn found(&mut self) {
        self.later = AGAIN.into_iter();
    }

    /// After a look that worked; with `condemned` containers a second one is to confirm what it saw.
    fn after(&mut self, condemned: bool) -> Duration {
        if condemned { SOON } else { self.later.next().unwrap_or(USUALLY) }
    }

    /// A container of ours is there that was not, or there may be one that nobody intends any more.
    fn appeared(&mut self, now: Instant) {
        let first = self.appeared.map_or(now, |appeared| appeared.first);
        self.appeared = Some(Appeared { first, last: now });
    }

    /// When to look for the sake of what appeared: what appears until then is one more look, however much it is.
    fn due(&self) -> Option<Instant> {
        self.appeared.map(|appeared| appeared.first + SOON)
    }

    fn looked(&mut self, now: Instant) {
        self.appeared = self
            .appeared
            .filter(|appeared| appeared.last + SOON > now)
            .map(|appeared| Appeared { first: appeared.last, ..appeared });
    }
}

/// The containers that appeared since a look and are still there. Where all of them are the pool's, which it has just
/// made, there is nothing to look for; `None` where that is not all, or there are many.
struct Fresh(Option<BTreeSet<String>>);

impl Default for Fresh {
    fn default() -> Self {
        Self(Some(BTreeSet::new()))
    }
}

impl Fresh {
    fn appeared(&mut self, what: Option<String>) {
        match (&mut self.0, what) {
            (Some(known), Some(container)) if known.len() < MANY => _ = known.insert(container),
            (known, _) => *known = None,
        }
    }

    fn gone(&mut self, container: &str) {
        if let Some(known) = &mut self.0 {
            known.remove(container);
        }
    }

    fn all(&self, intended: impl Fn(&str) -> bool) -> bool {
        self.0.as_ref().is_some_and(|known| known.iter().all(|container| intended(container)))
    }

    /// What appeared too late for the look that was is still to be looked at.
    fn looked(&mut self, pace: &Pace) {
        if pace.due().is_none() {
            *self = Self::default();
        }
    }
}

/// Sweeps whenever an engine is found, twice a little later, soon after a container of ours appeared or may have been
/// left, then now and then, until cancelled.
pub(crate) async fn run(shared: Weak<Shared>, watch: Arc<DockerWatch>, cancel: CancellationToken) {
    let (mut docker, mut happenings) = (watch.watch(), watch.happenings());
    let mut pace = Pace::begin();
    let mut condemned = BTreeSet::new();
    let mut images = true;
    let mut fresh = Fresh::default();
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let found = docker.borrow_and_update().clone();
        let mut again = None;
        if let Some(docker) = found {
            let began = Instant::now();
            let swept = sweep(&shared, &docker, &mut condemned, images).await;
            shared.metrics.swept(swept.is_ok(), began.elapsed());
            pace.looked(began);
            fresh.looked(&pace);
            let pause = match swept {
                Ok(()) => {
                    if pace.trouble.worked() {
                        shared.docker.attend(&shared.bus, ABOUT, None);
                    }
                    pace.after(!condemned.is_empty())
                }
                Err(problem) => {
                    tracing::warn!(%problem, "the sweep was not finished; it is made again");
                    if pace.trouble.failed() {
                        shared.docker.attend(&shared.bus, ABOUT, Some(attention(&problem)));
                    }
                    pace.trouble.wait()
                }
            };
            again = Some(Instant::now() + pause);
        }
        images = loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                changed = docker.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    pace.found();
                    break true;
                }
                what = appeared(&shared, &mut happenings, &mut fresh) => {
                    pace.appeared(Instant::now());
                    fresh.appeared(what);
                }
                () = until(again) => break true,
                // Without an engine there is nothing to look at.
                () = until(again.and(pace.due())) => {
                    if !fresh.all(|container| shared.pool.holds(container)) {
                        break false;
                    }
                    pace.looked(Instant::now());
                    fresh.looked(&pace);
                }
            }
        };
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Waits until a container of ours is there that was not, or there may be one that nobody intends any more.
/// Gives the one, if that is all.
async fn appeared(
    shared: &Shared,
    happenings: &mut broadcast::Receiver<Happened>,
    fresh: &mut Fresh,
) -> Option<String> {
    let made = async {
        loop {
            match happenings.recv().await {
                Ok(happened) if happened.what == Happening::Made => return Some(happened.container),
                Ok(happened) if happened.what == Happening::Gone => fresh.gone(&happened.container),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return None,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        made = made => made,
        () = shared.leftover.notified() => None,
    }
}

/// What the sweep's own trouble is filed under.
const ABOUT: &str = "sweep";

fn attention(problem: &Problem) -> Warning {
    Warning {
        message: format!("Containers that nobody needs could not be cleaned up: {}", problem.message),
        hint: problem.hint.clone().unwrap_or_else(|| {
            "Slipway goes on trying every few minutes; see what the Docker engine says of them.".to_owned()
        }),
        workspace: None,
    }
}

/// One look, at containers and perhaps at `images`. What is to be removed must have been found so by the look before as
/// well: `condemned` remembers.
async fn sweep(
    shared: &Arc<Shared>,
    docker: &Docker,
    condemned: &mut BTreeSet<String>,
    images: bool,
) -> Result<(), Problem> {
    let mut found = BTreeSet::new();
    let mut failed = None;
    for container in docker.ours(&shared.instance).await? {
        match decide(
            &container,
            |id| shared.registry.get(id).map(|handle| handle.view().state != WorkspaceState::Terminated),
            |id| shared.store.deleted(id).ok().flatten().is_some(),
            |member| shared.store.pool_has(member),
            |container| shared.store.holder(container),
        )? {
            Action::Leave => {}
            Action::Remove if condemned.contains(&container.id) => {
                tracing::info!(container = %container.id, "removing a container nobody intends");
                // One that cannot be removed keeps nobody from the others.
                if let Err(problem) = docker.remove(&container.id).await {
                    found.insert(container.id);
                    failed = Some(problem);
                }
            }
            Action::Remove => {
                found.insert(container.id);
            }
            Action::Name(id) => {
                if let Err(problem) = docker.rename(&container.id, &shared.instance, &id).await {
                    failed = Some(problem);
                }
            }
            Action::Adopt(id) => {
                tracing::info!(workspace = %id, "adopting a container the database does not know");
                let record = adopted(shared.config.clock.now_ms(), id, container.id);
                shared.store.save(&record)?;
                Driver::spawn(shared, record, Origin::Found);
            }
        }
    }
    *condemned = found;
    if let Some(problem) = failed {
        return Err(problem);
    }
    if !images {
        return Ok(());
    }
    crate::snapshot::reconcile(shared, docker).await?;
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
    /// It was claimed from the pool and has not got the workspace's name yet.
    Name(WorkspaceId),
}

/// The four combinations of intended and existing, for what exists. (What is intended and does not exist is each
/// driver's own business.)
fn decide(
    container: &FoundContainer,
    intended: impl Fn(&WorkspaceId) -> Option<bool>,
    deleted: impl Fn(&WorkspaceId) -> bool,
    waits: impl Fn(&WorkspaceId) -> Result<bool, Problem>,
    holder: impl Fn(&str) -> Result<Option<WorkspaceId>, Problem>,
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
            None => holder(&container.id)?.map_or(Action::Remove, Action::Name),
        },
        // Preparing an image is never resumed.
        (None, "prepare") if !container.running => Action::Remove,
        _ => Action::Leave,
    })
}

/// A workspace of which only the container is left.
pub(crate) fn adopted(now_ms: u64, id: WorkspaceId, container: String) -> Record {
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
        lease: Lease::default(),
        root: slipway_agent_api::WORKSPACE.to_owned(),
        created_at_ms: now_ms,
        preset: Preset::default(),
        network: NetworkProfile::default(),
        health: slipway_wire::Health::default(),
        restart: slipway_wire::RestartPolicy::default(),
        snapshot: None,
        folder: None,
    };
    Record { container: Some(container), uploaded: true, ..Record::new(view) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_condemned_is_looked_at_again_soon() {
        let mut pace = Pace::begin();
        assert_eq!(pace.after(true), SOON);
        assert_eq!([pace.after(false), pace.after(false)], AGAIN);
        assert_eq!((pace.after(false), pace.after(true), pace.after(false)), (USUALLY, SOON, USUALLY));
        pace.found();
        assert_eq!(pace.after(false), AGAIN[0], "an engine came back");
    }

    #[test]
    fn however_much_appears_meanwhile_is_one_more_look() {
        let mut pace = Pace::begin();
        let begun = Instant::now();
        let second = |n| begun + Duration::from_secs(n);
        assert_eq!(pace.due(), None);
        for n in 0..4 {
            pace.appeared(second(n));
        }
        assert_eq!(pace.due(), Some(second(0) + SOON));
        pace.looked(second(5));
        assert_eq!(pace.due(), Some(second(3) + SOON), "the last had no time yet");
        pace.looked(second(6));
        assert_eq!(pace.due(), Some(second(3) + SOON), "a look for another reason was too soon as well");
        pace.looked(second(8));
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn members_the_pool_has_made_are_no_reason_to_look() {
        let (mut fresh, mut pace) = (Fresh::default(), Pace::begin());
        let begun = Instant::now();
        let made_by_the_pool = |container: &str| container != "other";
        fresh.appeared(Some("one".into()));
        fresh.appeared(Some("two".into()));
        assert!(fresh.all(made_by_the_pool));
        fresh.appeared(Some("other".into()));
        pace.appeared(begun + SOON);
        fresh.looked(&pace);
        assert!(!fresh.all(made_by_the_pool), "it came too late for that look");
        pace.looked(begun + 2 * SOON);
        fresh.looked(&pace);
        assert!(fresh.all(made_by_the_pool));
        fresh.appeared(Some("other".into()));
        fresh.gone("other");
        assert!(fresh.all(made_by_the_pool), "it went as it came");
        fresh.appeared(None);
        assert!(!fresh.all(|_| true), "what it was nobody knows");
        let mut fresh = Fresh::default();
        for n in 0..=MANY {
            fresh.appeared(Some(n.to_string()));
        }
        assert!(!fresh.all(|_| true));
    }

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
        let held = |container| FoundContainer { id: "held".into(), ..container };
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
            (held(found(Some("pool-gone"), "pool")), Action::Name("known".parse().unwrap())),
            (held(found(Some("pool-waits"), "pool")), Action::Leave),
            (named("known"), Action::Leave),
            (named("given-up"), Action::Remove),
            (named("lost"), Action::Adopt("lost".parse().unwrap())),
        ] {
            let waits = |member: &WorkspaceId| Ok(member.as_str() == "pool-waits");
            let holder = |container: &str| Ok((container == "held").then(|| "known".parse().unwrap()));
            assert_eq!(decide(&container, known, deleted, waits, holder).unwrap(), action, "{container:?}");
        }
    }
}
