//! Pausing: the clock and the container stand still, connections live on, and a new owner, Docker's own commands and a
//! removal find what they expect.

use super::{
    harness::{House, LONG, fetch, server},
    shell::Shell,
};
use anyhow::{Context, Result, bail, ensure};
use slipway_tests::{clock::TestClock, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, LeaseChange, PhaseName, PhaseState, Workspace, WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

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
async fn what_something_else_paused_it_may_also_let_go_on() -> Result<()> {
    let (house, clock, view) = running().await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["pause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    docker(&["unpause", &container]).await?;
    let on = is_in(&house, &id, WorkspaceState::Running).await?;
    assert!(on.lease.expires_at_ms.is_some(), "its clock goes on: {:?}", on.lease);
    house.is_told(&id, "Resumed by something other than Slipway").await?;
    answers(&url).await?;
    assert!(!frozen(&house).await?, "it was not paused again");

    // The same while nobody looks.
    docker(&["pause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    let data = house.leave().await;
    docker(&["unpause", &container]).await?;
    let house = House::reopen_with(data, &clock).await?;
    is_in(&house, &id, WorkspaceState::Running).await?;
    answers(&url).await?;
    assert!(!frozen(&house).await?);

    // A person who pauses what is paused already means it.
    docker(&["pause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    house.lease(&id, LeaseChange::Pause).await?;
    docker(&["unpause", &container]).await?;
    wait_until("it to be paused again", LONG, || async { Ok(frozen(&house).await?.then_some(())) }).await?;
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Paused);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_may_be_paused_from_outside_and_is_waited_for_again() -> Result<()> {
    let house = House::open().await?;
    let start = "start = \"while ! test -e go; do sleep 0.1; done; exec node server.js\"\nport = 3000\n";
    let zip = house.zip("late", &[("slipway.toml", start), ("server.js", &server(3000, "moving"))])?;
    let id = house.deploy(&zip).await?.id;
    wait_until("its program to be started", LONG, || async {
        let view = house.status(&id).await?;
        let ready = view.phases.iter().find(|phase| phase.name == PhaseName::Ready).context("the phase")?;
        Ok((ready.state == PhaseState::Running).then_some(()))
    })
    .await?;
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["pause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Paused).await?;
    docker(&["unpause", &container]).await?;
    is_in(&house, &id, WorkspaceState::Creating).await?;
    docker(&["exec", &container, "touch", "/workspace/go"]).await?;
    let url = house.wait_for(&id, WorkspaceState::Running).await?.url.context("a URL")?;
    answers(&url).await?;
    house.close().await
}

/// Follows what Docker does to a container.
fn followed(container: &str) -> Result<Child> {
    let filter = format!("container={container}");
    let mut follow = Command::new("docker");
    // From before it was made: nothing is missed until the command listens.
    follow.args(["events", "--since", "10m", "--filter", &filter, "--format", "{{.Action}}"]);
    Ok(follow.stdout(Stdio::piped()).kill_on_drop(true).spawn()?)
}

/// What Docker did to it, in order, until it was gone.
async fn done_to(follow: &mut Child) -> Result<Vec<String>> {
    let mut lines = BufReader::new(follow.stdout.take().context("its output")?).lines();
    let mut done = Vec::new();
    let all = async {
        while let Some(line) = lines.next_line().await? {
            done.push(line);
            if done.last().is_some_and(|action| action == "destroy") {
                return Ok(());
            }
        }
        bail!("the events ended")
    };
    let gone = tokio::time::timeout(LONG, all).await;
    gone.with_context(|| format!("waiting for its end: {done:?}"))??;
    Ok(done)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_frozen_is_stopped_or_killed() -> Result<()> {
    let (house, _, view) = running().await?;
    let container = house.containers().await?.pop().context("a container")?;
    let mut follow = followed(&container)?;
    // By whom, and whether it is known by then, makes no difference.
    docker(&["pause", &container]).await?;
    house.engine.workspace_stop(WorkspaceRef { id: view.id.clone() }).await?;
    house.engine.workspace_start(WorkspaceRef { id: view.id.clone() }).await?;
    house.wait_for(&view.id, WorkspaceState::Running).await?;
    docker(&["pause", &container]).await?;
    house.engine.workspace_remove(WorkspaceRef { id: view.id }).await?;
    let mut frozen = false;
    let done = done_to(&mut follow).await?;
    for action in &done {
        match action.as_str() {
            "pause" => frozen = true,
            "unpause" => frozen = false,
            _ => ensure!(!(frozen && action.starts_with("kill")), "{done:?}"),
        }
    }
    ensure!(done.iter().filter(|action| *action == "unpause").count() == 2, "{done:?}");
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
