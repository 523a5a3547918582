//! Pausing: the clock and the container stand still, connections live on, and a new owner, Docker's own commands and a
//! removal find what they expect.

use super::{
    harness::{House, LONG, fetch, server},
    shell::Shell,
};
use anyhow::{Context, Result, ensure};
use slipway_tests::{clock::TestClock, containers::docker, wait_until};
use slipway_wire::{Api, Code, LeaseChange, Workspace, WorkspaceId, WorkspaceRef, WorkspaceState};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_hours(1);

async fn running() -> Result<(House, Arc<TestClock>, Workspace)> {
    let clock = TestClock::new();
    let house = House::with_clock(&clock, "duration_s = 3600\n").await?;
    let zip = house.zip("still", &[("server.js", &server(3000, "moving"))])?;
    let view = house.ready(&zip).await?;
    Ok((house, clock, view))
}

async fn frozen(house: &House) -> Result<bool> {
    let container = house.containers().await?.pop().context("a container")?;
    Ok(docker(&["inspect", "--format", "{{.State.Paused}}", &container]).await?.trim() == "true")
}

async fn is_in(house: &House, id: &WorkspaceId, state: WorkspaceState) -> Result<Workspace> {
    wait_until(&format!("it to be {state:?}"), LONG, || async {
        let view = house.status(id).await?;
        ensure!(view.state == state, "{view:?}");
        Ok(Some(view))
    })
    .await
}

async fn answers(url: &str) -> Result<()> {
    wait_until("the page", LONG, || async { Ok(fetch(url).await?.1.starts_with("moving").then_some(())) })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_the_clock_and_connections_live_on() -> Result<()> {
    let (house, clock, view) = running().await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    let mut shell = Shell::open(&house, &id).await?;
    shell.asks("echo before-$((40 + 2))", "before-42").await?;
    clock.pass(HOUR / 2);
    let paused = house.lease(&id, LeaseChange::Pause).await?;
    assert_eq!(paused.state, WorkspaceState::Paused);
    assert_eq!(paused.lease.expires_at_ms, None);
    let left = paused.lease.remaining_ms.context("what is left")?;
    ensure!((1_700_000..=1_800_000).contains(&left), "{left} ms");
    assert!(frozen(&house).await?);
    let (status, page) = fetch(&url).await?;
    assert!(status == 503 && page.contains("paused"), "{status} {page}");
    let refused = house.run(&id, &["true"]).await.expect_err("nothing runs");
    assert!(refused.to_string().contains("paused"), "{refused}");
    // Typed while it stands still, done when it goes on.
    shell.types("echo after-$((40 + 2))\n").await?;
    clock.pass(5 * HOUR);
    house.look_at_the_clock(&id).await?;
    assert_eq!(house.status(&id).await?.lease.remaining_ms, Some(left));
    let more = house.lease(&id, LeaseChange::Extend { seconds: 600 }).await?;
    assert_eq!(more.lease.remaining_ms, Some(left + 600_000));

    let resumed = house.lease(&id, LeaseChange::Resume).await?;
    assert_eq!((resumed.state, resumed.lease.remaining_ms), (WorkspaceState::Running, None));
    let end = resumed.lease.expires_at_ms.context("an end")?;
    let now = slipway_engine::Clock::now_ms(clock.as_ref());
    ensure!(end.abs_diff(now + left + 600_000) < 5_000, "{end} {now} {left}");
    shell.reads("after-42").await?;
    answers(&url).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owner_finds_it_paused_and_can_resume_it() -> Result<()> {
    let (house, clock, view) = running().await?;
    let id = view.id;
    house.lease(&id, LeaseChange::Pause).await?;
    let data = house.leave().await;
    clock.pass(3 * HOUR);
    let house = House::reopen_with(data, &clock).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    house.look_at_the_clock(&id).await?;
    assert!(frozen(&house).await?);
    assert_eq!(house.status(&id).await?.problem, None);
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    let url = is_in(&house, &id, WorkspaceState::Running).await?.url.context("a URL")?;
    answers(&url).await?;
    house.shell_answers(&id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_docker_itself_pauses_and_resumes_is_noticed() -> Result<()> {
    let (house, _, view) = running().await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["pause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    house.lease(&id, LeaseChange::Resume).await?;
    answers(&url).await?;
    // What is meant to be paused stays so.
    house.lease(&id, LeaseChange::Pause).await?;
    docker(&["unpause", &container]).await?;
    wait_until("it to be paused again", LONG, || async { Ok(frozen(&house).await?.then_some(())) }).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_workspace_stops_starts_and_goes() -> Result<()> {
    let (house, _, view) = running().await?;
    let id = view.id;
    house.lease(&id, LeaseChange::Pause).await?;
    let stopped = house.engine.workspace_stop(WorkspaceRef { id: id.clone() }).await?;
    assert_eq!(stopped.state, WorkspaceState::Stopped);
    assert!(stopped.lease.expires_at_ms.is_some(), "its clock goes on: {:?}", stopped.lease);
    let refused = house.lease(&id, LeaseChange::Pause).await.expect_err("there is nothing to pause");
    assert_eq!(refused.code, Code::WrongState);
    assert!(refused.hint.is_some());
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    house.lease(&id, LeaseChange::Pause).await?;
    assert_eq!(house.lease(&id, LeaseChange::Expire).await?.state, WorkspaceState::Stopped);
    house.lease(&id, LeaseChange::Keep).await?;
    let url = house.wait_for(&id, WorkspaceState::Running).await?.url.context("a URL")?;
    answers(&url).await?;
    house.lease(&id, LeaseChange::Pause).await?;
    house.engine.workspace_remove(WorkspaceRef { id: id.clone() }).await?;
    assert!(house.containers().await?.is_empty());
    house.close().await
}
