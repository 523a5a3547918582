//! Stopping what nobody uses: silence stops a workspace and says why; typing, requests and computing each keep it.

use super::{
    harness::{House, LONG, fetch, server},
    shell::Shell,
};
use anyhow::{Context, Result};
use slipway_tests::{clock::TestClock, wait_until};
use slipway_wire::{Api, WorkspaceId, WorkspaceRef, WorkspaceState};
use std::{sync::Arc, time::Duration};

const SETTINGS: &str = "duration_s = 0\nidle_stop_min = 1\n";

async fn house() -> Result<(House, Arc<TestClock>)> {
    let clock = TestClock::new();
    Ok((House::with_clock(&clock, SETTINGS).await?, clock))
}

async fn runs(house: &House, id: &WorkspaceId) -> Result<()> {
    house.look_at_the_clock(id).await?;
    assert_eq!(house.status(id).await?.state, WorkspaceState::Running);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn use_keeps_a_workspace_and_silence_stops_it() -> Result<()> {
    let (house, clock) = house().await?;
    let view = house.ready(&house.zip("idle", &[("server.js", &server(3000, "here"))])?).await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    let mut shell = Shell::open(&house, &id).await?;
    for _ in 0..3 {
        clock.pass(Duration::from_secs(50));
        fetch(&url).await?;
        runs(&house, &id).await?;
        clock.pass(Duration::from_secs(50));
        shell.asks("echo $((40 + 2))", "42").await?;
        runs(&house, &id).await?;
    }
    clock.pass(Duration::from_secs(61));
    house.look_at_the_clock(&id).await?;
    let why = house.is_told(&id, "Stopped: for 1 min nobody typed").await?;
    assert!(why.hint.is_some_and(|hint| hint.contains("idle_stop_min")));
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Stopped);
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    runs(&house, &id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn labour_is_use() -> Result<()> {
    let (house, clock) = house().await?;
    let app = server(3000, "hard at it")
        + "; setInterval(() => { for (const end = Date.now() + 900; Date.now() < end;); }, 1000)";
    let id = house.ready(&house.zip("labour", &[("server.js", &app)])?).await?.id;
    let used = || async {
        let usage = house.engine.workspace_usage(WorkspaceRef { id: id.clone() }).await?;
        anyhow::Ok(usage.cpu_percent)
    };
    wait_until("it to work", LONG, || async { Ok((used().await? > 10.0).then_some(())) }).await?;
    for _ in 0..2 {
        let (out, _, _) = house.run(&id, &["sh", "-c", "cat /proc/uptime"]).await?;
        let began: f64 = out.split(' ').next().context("an uptime")?.parse()?;
        wait_until("six seconds of labour", LONG, || async {
            let (out, _, _) = house.run(&id, &["cat", "/proc/uptime"]).await?;
            let now: f64 = out.split(' ').next().context("an uptime")?.parse()?;
            Ok((now > began + 6.0).then_some(()))
        })
        .await?;
        clock.pass(Duration::from_secs(61));
        runs(&house, &id).await?;
    }
    house.close().await
}
