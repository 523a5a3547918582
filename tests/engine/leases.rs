//! Leases by a clock that a test turns: warned, stopped, brought back as it was or deleted; and what no lease suffers
//! from: a clock that is set, a machine that sleeps, an owner that was away.

use super::harness::{House, LONG, fetch, request, server};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use slipway_tests::{clock::TestClock, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, EventBody, LeaseChange, Workspace, WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A server that runs for an hour.
async fn running(settings: &str) -> Result<(House, Arc<TestClock>, Workspace)> {
    let clock = TestClock::new();
    let house = House::with_clock(&clock, settings).await?;
    let zip = house.zip("clockwork", &[("server.js", &server(3000, "ticking"))])?;
    let view = house.ready(&zip).await?;
    Ok((house, clock, view))
}

async fn answers(house: &House, id: &WorkspaceId) -> Result<()> {
    let url = house.wait_for(id, WorkspaceState::Running).await?.url.context("a URL")?;
    wait_until("the page", LONG, || async { Ok(fetch(&url).await?.1.starts_with("ticking").then_some(())) })
        .await
}

/// Seconds that are left of a lease.
async fn left(house: &House, clock: &TestClock, id: &WorkspaceId) -> Result<u64> {
    let lease = house.status(id).await?.lease;
    let end = lease.expires_at_ms.with_context(|| format!("{lease:?} has an end"))?;
    Ok(end.saturating_sub(slipway_engine::Clock::now_ms(clock)) / 1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn its_end_is_warned_of_stops_it_and_an_extension_brings_it_back_as_it_was() -> Result<()> {
    let (house, clock, view) = running("duration_s = 3600\n").await?;
    let id = view.id;
    clock.pass(Duration::from_secs(3600 - 90));
    house.look_at_the_clock(&id).await?;
    let warned = house.is_told(&id, "This workspace stops in").await?;
    assert!(!warned.actions.is_empty(), "one click extends it");
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Running);
    clock.pass(2 * MINUTE);
    house.look_at_the_clock(&id).await?;
    let stopped = wait_until("it to be stopped by its lease", LONG, || async {
        let view = house.status(&id).await?;
        Ok((view.state == WorkspaceState::Stopped && view.lease.deleted_at_ms.is_some()).then_some(view))
    })
    .await?;
    assert_eq!(stopped.url, None);
    house.is_told(&id, "Its lease has ended").await?;

    house.lease(&id, LeaseChange::Extend { seconds: 900 }).await?;
    answers(&house, &id).await?;
    let back = house.status(&id).await?;
    assert_eq!(back.lease.deleted_at_ms, None);
    let seconds = left(&house, &clock, &id).await?;
    ensure!((870..=900).contains(&seconds), "{seconds} s are left");
    house.close().await
}

/// Host numbers of the processes of a container whose command line contains the words.
async fn running_there(container: &str, words: &str) -> Result<Vec<u32>> {
    let listed = docker(&["top", container, "-eo", "pid,args"]).await?;
    let pid = |line: &str| line.split_whitespace().next()?.parse().ok();
    Ok(listed.lines().filter(|line| line.contains(words)).filter_map(pid).collect())
}

/// A program of nobody's tree, session or environment, and deaf.
const HIDES: &str = "env -i setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; : well-hidden; done' >/dev/null 2>&1 </dev/null &";

/// Ends the lease while a program that hides runs: when that is told, the program does not.
async fn ends_all(house: &House, id: &WorkspaceId) -> Result<()> {
    let container = house.containers().await?.pop().context("a container")?;
    let hidden = wait_until("the program that hides", LONG, || async {
        let found = running_there(&container, "well-hidden").await?;
        Ok((!found.is_empty()).then_some(found))
    })
    .await?;
    let mut events = house.engine.events(None);
    let told = async {
        loop {
            let event = events.next().await.context("events")?;
            let EventBody::Workspace(view) = event.body else { continue };
            if view.state == WorkspaceState::Stopped && view.lease.deleted_at_ms.is_some() {
                return anyhow::Ok(hidden.iter().filter(|pid| lives(**pid)).count());
            }
        }
    };
    let (left, ended) = tokio::join!(told, house.lease(id, LeaseChange::Expire));
    assert_eq!(left?, 0, "it goes on");
    ended?;
    Ok(())
}

async fn hide(house: &House, id: &WorkspaceId) -> Result<()> {
    let (_, err, exit) = house.run(id, &["sh", "-c", HIDES]).await?;
    ensure!(exit.code == Some(0), "{err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_runs_when_its_end_is_told_however_it_hides() -> Result<()> {
    let (house, _clock, view) = running("duration_s = 3600\n").await?;
    hide(&house, &view.id).await?;
    ends_all(&house, &view.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_what_its_agent_may_not_end() -> Result<()> {
    let (house, _clock, view) = running("duration_s = 3600\n").await?;
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["exec", "--detach", "--user", "0", &container, "sh", "-c", HIDES.trim_end_matches(" &")])
        .await?;
    ends_all(&house, &view.id).await?;
    house.close().await
}

/// The next owner speaks to the agent through a program in the container, which is not one of those that are ended.
#[tokio::test(flavor = "multi_thread")]
async fn nor_when_an_owner_ends_it_that_came_later() -> Result<()> {
    let (house, _clock, view) = running("duration_s = 3600\n").await?;
    hide(&house, &view.id).await?;
    let data = house.leave().await;
    let (house, proxy) = House::behind_proxy(data, |_| ()).await?;
    answers(&house, &view.id).await?;
    // Were the connection ended too, Docker would have to be asked.
    proxy.lose_answer_to("/stop");
    ends_all(&house, &view.id).await?;
    ensure!(!proxy.lost(), "Docker was asked to stop the container");
    house.close().await
}

/// Whether a process of this machine runs: a dead one may wait for its parent.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_it_in_the_grace_gives_it_another_lease() -> Result<()> {
    let (house, clock, view) = running("duration_s = 3600\n").await?;
    let id = view.id;
    let ended = house.lease(&id, LeaseChange::Expire).await?;
    assert_eq!(ended.state, WorkspaceState::Stopped);
    let again = house.lease(&id, LeaseChange::Expire).await?;
    assert_eq!(again.lease, ended.lease, "ended twice is ended once");
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    answers(&house, &id).await?;
    let seconds = left(&house, &clock, &id).await?;
    ensure!((3500..=3600).contains(&seconds), "{seconds} s are left");
    clock.pass(20 * MINUTE);
    house.look_at_the_clock(&id).await?;
    answers(&house, &id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_nothing_is_left() -> Result<()> {
    let (house, clock, view) = running("duration_s = 60\ngrace_s = 600\n").await?;
    let id = view.id;
    clock.pass(MINUTE);
    house.look_at_the_clock(&id).await?;
    house.is_told(&id, "Its lease has ended").await?;
    clock.pass(9 * MINUTE);
    house.look_at_the_clock(&id).await?;
    assert_eq!(house.containers().await?.len(), 1, "the grace holds");
    clock.pass(MINUTE);
    house.look_at_the_clock(&id).await?;
    wait_until("it to be deleted", LONG, || async { Ok(house.containers().await?.is_empty().then_some(())) })
        .await?;
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Deleted);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_while_nobody_owned_it_is_stopped_and_has_its_whole_grace() -> Result<()> {
    let (house, clock, view) = running("duration_s = 3600\ngrace_s = 600\n").await?;
    let id = view.id;
    let data = house.leave().await;
    clock.pass(30 * HOUR);
    let house = House::reopen_with(data, &clock).await?;
    let stopped = wait_until("it to be stopped", LONG, || async {
        let view = house.status(&id).await?;
        Ok((view.state == WorkspaceState::Stopped && view.lease.deleted_at_ms.is_some()).then_some(view))
    })
    .await?;
    let grace =
        stopped.lease.deleted_at_ms.context("a grace")? - slipway_engine::Clock::now_ms(clock.as_ref());
    ensure!((500_000..=600_000).contains(&grace), "{grace} ms");
    house.lease(&id, LeaseChange::Keep).await?;
    answers(&house, &id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_neither_ends_nor_lengthens_a_lease() -> Result<()> {
    let (house, clock, view) = running("duration_s = 3600\n").await?;
    let id = view.id;
    for seconds in [7200, -86_400, 3 * 86_400] {
        clock.set(seconds);
        house.look_at_the_clock(&id).await?;
        wait_until(&format!("the lease to follow {seconds} s"), LONG, || async {
            let left = left(&house, &clock, &id).await?;
            ensure!((3500..=3600).contains(&left), "{left} s are left");
            Ok(Some(()))
        })
        .await?;
        assert_eq!(house.status(&id).await?.state, WorkspaceState::Running, "after {seconds} s");
    }
    // Set back while nobody looks: no lease has more left than it was given.
    let data = house.leave().await;
    clock.set(-30 * 86_400);
    let house = House::reopen_with(data, &clock).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    ensure!(left(&house, &clock, &id).await? <= 3600);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_wakes_up_gives_a_minute_before_anything_ends() -> Result<()> {
    let (house, clock, view) = running("duration_s = 3600\n").await?;
    let id = view.id;
    clock.suspend(8 * HOUR);
    house.look_at_the_clock(&id).await?;
    house.is_told(&id, "while this machine slept").await?;
    house.look_at_the_clock(&id).await?;
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Running);
    clock.pass(MINUTE);
    house.look_at_the_clock(&id).await?;
    house.is_told(&id, "Its lease has ended").await?;
    // In the grace too: asleep is not a time in which somebody could have looked.
    clock.suspend(8 * HOUR);
    house.look_at_the_clock(&id).await?;
    house.look_at_the_clock(&id).await?;
    assert_eq!(house.containers().await?.len(), 1);
    house.lease(&id, LeaseChange::Extend { seconds: 60 }).await?;
    answers(&house, &id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_out_of_bounds_are_refused_everywhere() -> Result<()> {
    let (house, _, view) = running("").await?;
    let id = view.id;
    let zip = house.zip("short", &[("server.js", &server(3000, "ticking"))])?;
    for seconds in [1, 59, 30 * 86_400 + 1, u64::MAX] {
        let deploy = DeployRequest { duration_s: Some(seconds), ..request(&zip) };
        let refused = [
            house.engine.workspace_deploy(deploy).await.expect_err("too short or long"),
            house.lease(&id, LeaseChange::Set { seconds }).await.expect_err("too short or long"),
        ];
        for problem in refused {
            assert_eq!(problem.code, Code::Invalid);
            assert!(problem.message.contains("1 minute to 30 days"), "{problem}");
            assert!(problem.hint.is_some());
        }
    }
    let before = house.status(&id).await?.lease;
    let far = house.lease(&id, LeaseChange::Extend { seconds: 30 * 86_400 }).await;
    assert_eq!(far.expect_err("over 30 days").code, Code::Limit);
    assert_eq!(house.status(&id).await?.lease, before);
    assert_eq!(house.engine.workspace_list(slipway_wire::Nothing {}).await?.len(), 1);
    house.close().await
}
