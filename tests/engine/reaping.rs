//! Many leases that end at once, and a Docker engine that fails at that moment: in the end nothing is left.

use super::harness::{House, LONG, request, server};
use anyhow::{Result, ensure};
use slipway_engine::Config;
use slipway_tests::{clock::TestClock, containers::docker, socket_proxy::Mode, wait_until};
use slipway_wire::{Api, EngineState, LeaseChange, Nothing, WorkspaceState};
use std::time::Duration;

/// Twenty, or a hundred in the long run.
fn many() -> usize {
    if std::env::var_os("SLIPWAY_STRESS").is_some() { 100 } else { 20 }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_leases_that_end_in_one_second_leave_nothing() -> Result<()> {
    let clock = TestClock::new();
    let house = House::with_clock(&clock, "duration_s = 3600\ngrace_s = 60\npreset = \"small\"\n").await?;
    let zip = house.zip("many", &[("index.html", "<h1>many</h1>")])?;
    let mut ids = Vec::new();
    for n in 0..many() {
        let deploy = slipway_wire::DeployRequest { name: Some(format!("many {n}")), ..request(&zip) };
        ids.push(house.engine.workspace_deploy(deploy).await?.id);
        house.wait_for(&ids[n], WorkspaceState::Running).await?;
    }
    assert_eq!(house.containers().await?.len(), many());
    clock.pass(Duration::from_hours(1));
    for id in &ids {
        house.look_at_the_clock(id).await?;
    }
    let long = 4 * LONG;
    wait_until("all to be stopped", long, || async {
        let all = house.engine.workspace_list(Nothing {}).await?;
        let left = all.iter().filter(|view| view.lease.deleted_at_ms.is_none()).count();
        ensure!(left == 0, "{left} of {} go on", all.len());
        Ok(Some(()))
    })
    .await?;
    clock.pass(Duration::from_mins(2));
    for id in &ids {
        // One that is deleted meanwhile needs no look.
        let _gone_is_fine = house.look_at_the_clock(id).await;
    }
    wait_until("all to be gone", long, || async {
        let left = house.containers().await?.len();
        ensure!(left == 0, "{left} are left");
        Ok(Some(()))
    })
    .await?;
    wait_until("the list to be empty", LONG, || async {
        Ok(house.engine.workspace_list(Nothing {}).await?.is_empty().then_some(()))
    })
    .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_while_docker_is_away_is_made_good() -> Result<()> {
    let clock = TestClock::new();
    let turned = clock.clone();
    let set = |config: &mut Config| config.clock = turned;
    let (house, mut proxy) = House::behind_proxy(tempfile::tempdir()?, set).await?;
    let view = house.ready(&house.zip("away", &[("server.js", &server(3000, "away"))])?).await?;
    proxy.set(Mode::Gone)?;
    wait_until("Docker to be gone", LONG, || async {
        Ok((house.engine.engine_status(Nothing {}).await?.state == EngineState::Absent).then_some(()))
    })
    .await?;
    let ended = house.lease(&view.id, LeaseChange::Expire).await?;
    assert_eq!(ended.state, WorkspaceState::Stopped, "it is meant to be");
    let running = || async {
        let container = house.containers().await?.pop().unwrap_or_default();
        anyhow::Ok(docker(&["inspect", "--format", "{{.State.Running}}", &container]).await?.trim() == "true")
    };
    assert!(running().await?);
    proxy.set(Mode::Forward)?;
    wait_until("it to be stopped", LONG, || async { Ok((!running().await?).then_some(())) }).await?;
    clock.pass(Duration::from_mins(11));
    house.look_at_the_clock(&view.id).await?;
    wait_until("it to be deleted", LONG, || async { Ok(house.containers().await?.is_empty().then_some(())) })
        .await?;
    house.close().await
}
