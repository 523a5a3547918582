//! Docker does what it was asked and the answer never arrives: what was made then is nobody's, and goes.

use super::harness::{House, LONG, server};
use anyhow::{Context, Result, ensure};
use slipway_engine::Config;
use slipway_tests::{containers::docker, socket_proxy::SocketProxy, wait_until};
use slipway_wire::{Api, Code, Nothing, Workspace, WorkspaceRef, WorkspaceState};
use std::path::{Path, PathBuf};

/// A house with a warm pool whose Docker engine is behind a proxy.
async fn house(pool_size: usize) -> Result<(House, SocketProxy, PathBuf)> {
    let set = |config: &mut Config| config.pool_size = pool_size;
    let (house, proxy) = House::behind_proxy(tempfile::tempdir()?, set).await?;
    let zip = house.zip("app", &[("server.js", &server(3000, "alive"))])?;
    Ok((house, proxy, zip))
}

/// Deploys, which ends for want of an answer.
async fn ends(house: &House, proxy: &SocketProxy, zip: &Path) -> Result<Workspace> {
    let id = house.deploy(zip).await?.id;
    let view = wait_until("the deploy to end", LONG, || async {
        let view = house.status(&id).await?;
        ensure!(view.state == WorkspaceState::Terminated, "{view:?}");
        Ok(Some(view))
    })
    .await?;
    ensure!(proxy.lost(), "the answer was lost");
    let problem = view.problem.clone().context("it says why")?;
    assert_eq!(problem.code, Code::DockerLost, "{problem}");
    assert!(problem.hint.is_some());
    Ok(view)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_made_without_our_knowing_goes() -> Result<()> {
    let (house, proxy, zip) = house(0).await?;
    house.ready(&zip).await?;
    let before = house.containers().await?;
    proxy.lose_answer_to("/containers/create?name=slipway-");
    let ended = ends(&house, &proxy, &zip).await?;
    wait_until("what was made to go", LONG, || async {
        let now = house.containers().await?;
        ensure!(now == before, "{now:?}");
        Ok(Some(()))
    })
    .await?;
    // It was made: its deletion finds nothing left either.
    house.engine.workspace_remove(WorkspaceRef { id: ended.id }).await?;
    house.ready(&zip).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_container_serves_although_its_naming_was_not_answered_and_gets_its_name() -> Result<()> {
    let (house, proxy, zip) = house(1).await?;
    house.ready(&zip).await?;
    let member = wait_until("a member", LONG, || async {
        Ok(house.engine.pool_status(Nothing {}).await?.members.pop())
    })
    .await?;
    let label = format!("label=slipway.workspace={}", member.id);
    let container = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]).await?;
    let container = container.trim();
    let name = async || docker(&["inspect", "--format", "{{.Name}}", container]).await;
    let before = name().await?;
    proxy.lose_answer_to("/rename?name=slipway-");
    let made = house.ready(&zip).await?;
    wait_until("the answer to be lost", LONG, || async { Ok(proxy.lost().then_some(())) }).await?;
    let named = format!("-{}", made.id);
    wait_until("its name", LONG, || async { Ok(name().await?.trim().ends_with(&named).then_some(())) })
        .await?;
    // One that never got it, or lost it: it is the workspace's by its row, and is not taken for a member nobody knows.
    docker(&["rename", container, before.trim().trim_start_matches('/')]).await?;
    wait_until("its name again", LONG, || async { Ok(name().await?.trim().ends_with(&named).then_some(())) })
        .await?;
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Running);
    house.close().await
}
