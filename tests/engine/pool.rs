//! The warm pool: a member becomes a workspace, is given once, is replaced when it is lost or out of date, and none is
//! left behind.

use super::{
    harness::{House, LONG, config, server},
    victim::{Orders, Victim},
};
use anyhow::{Context, Result, ensure};
use slipway_engine::Engine;
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{Api, Nothing, PhaseName, PoolStatus, Settings, Workspace, WorkspaceRef, WorkspaceState};
use std::path::{Path, PathBuf};

async fn warm(size: usize) -> Result<House> {
    let data = tempfile::tempdir()?;
    warm_on(data, size).await
}

async fn warm_on(data: tempfile::TempDir, size: usize) -> Result<House> {
    let engine = Engine::open(slipway_engine::Config { pool_size: size, ..config(data.path())? }).await?;
    Ok(House { engine, data })
}

fn app(data: &Path) -> Result<PathBuf> {
    let path = data.join("app.zip");
    slipway_tests::project::zip_of(&path, &[("server.js", &server(3000, "alive"))])?;
    Ok(path)
}

async fn status(house: &House) -> Result<PoolStatus> {
    Ok(house.engine.pool_status(Nothing {}).await?)
}

/// Waits for this many members and gives their containers.
async fn members(house: &House, count: usize) -> Result<Vec<String>> {
    let status = wait_until("the pool to be full", LONG, || async {
        let status = status(house).await?;
        ensure!(status.members.len() == count, "{status:?}");
        Ok(Some(status))
    })
    .await?;
    let mut found = Vec::new();
    for member in status.members {
        let label = format!("label=slipway.workspace={}", member.id);
        found.push(docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]).await?.trim().to_owned());
    }
    Ok(found)
}

fn claim(view: &Workspace) -> Result<&str> {
    let phase = view.phases.iter().find(|p| p.name == PhaseName::Claim).context("the phase")?;
    Ok(phase.detail.as_deref().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_container_becomes_the_workspace_and_is_given_once() -> Result<()> {
    let house = warm(1).await?;
    let zip = app(house.data.path())?;
    let first = house.ready(&zip).await?;
    assert_eq!(claim(&first)?, "", "nothing was warm before the first deploy");
    let waiting = members(&house, 1).await?;

    let second = house.ready(&zip).await?;
    assert_eq!(claim(&second)?, "A warm one was ready");
    let name = docker(&["inspect", "--format", "{{.Name}}", &waiting[0]]).await?;
    assert!(name.trim().ends_with(second.id.as_str()), "{name} is named after {}", second.id);
    let (out, _, _) = house.run(&second.id, &["id", "-u"]).await?;
    assert_eq!(out.trim(), "1000");

    let next = members(&house, 1).await?;
    assert_ne!(next, waiting, "it did not come back");
    let status = status(&house).await?;
    assert_eq!((status.claimed, status.missed), (1, 1));

    house.engine.workspace_remove(WorkspaceRef { id: second.id }).await?;
    ensure!(docker(&["inspect", &waiting[0]]).await.is_err(), "it is gone with its workspace");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_lost_or_out_of_date_are_replaced() -> Result<()> {
    let house = warm(1).await?;
    let zip = app(house.data.path())?;
    house.ready(&zip).await?;
    let first = members(&house, 1).await?;

    docker(&["kill", &first[0]]).await?;
    let second = wait_until("another member", LONG, || async {
        let now = members(&house, 1).await?;
        Ok((now != first && !now[0].is_empty()).then_some(now))
    })
    .await?;

    // Another image is prepared without the certificates.
    let settings =
        Settings { trust_host_certificates: false, ..house.engine.settings_get(Nothing {}).await? };
    house.engine.settings_set(settings.clone()).await?;
    let third = wait_until("a member of the other image", LONG, || async {
        let now = members(&house, 1).await?;
        Ok((now != second && !now[0].is_empty()).then_some(now))
    })
    .await?;
    let image = "{{.Image}}";
    assert_ne!(docker(&["inspect", "--format", image, &third[0]]).await?.trim(), "");
    ensure!(docker(&["inspect", &second[0]]).await.is_err(), "the one that was out of date is gone");
    assert_eq!(claim(&house.ready(&zip).await?)?, "A warm one was ready");

    house.engine.settings_set(Settings { pool_size: Some(0), ..settings }).await?;
    members(&house, 0).await?;
    assert_eq!(claim(&house.ready(&zip).await?)?, "", "it is switched off");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ends_in_order_leaves_no_member() -> Result<()> {
    let house = warm(2).await?;
    let zip = app(house.data.path())?;
    let made = house.ready(&zip).await?;
    members(&house, 2).await?;
    house.engine.workspace_remove(WorkspaceRef { id: made.id }).await?;
    house.engine.shutdown(LONG, true).await;
    let instance = containers::instance(house.data.path())?;
    assert!(containers::of(&instance).await?.is_empty());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_killed_engine_come_back_and_strangers_stay() -> Result<()> {
    let data = tempfile::tempdir()?;
    let zip = app(data.path())?;
    let orders = Orders { zip: Some(&zip), pool: 2, ..Orders::default() };
    let mut victim = Victim::start(data.path(), &orders)?;
    let id = victim.workspace().await?;
    victim.says("running").await?;
    let instance = containers::instance(data.path())?;
    let full = wait_until("the workspace and two members", LONG, || async {
        let label = format!("label=slipway.instance={instance}");
        let running = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]).await?;
        let running: Vec<String> = running.lines().map(str::to_owned).collect();
        Ok((running.len() == 3).then_some(running))
    })
    .await?;
    victim.kill().await?;

    let house = warm_on(data, 2).await?;
    let again = members(&house, 2).await?;
    let mine = house.wait_for(&id, WorkspaceState::Running).await?;
    let mut all = again.clone();
    all.push(
        docker(&["ps", "--quiet", "--no-trunc", "--filter", &format!("label=slipway.workspace={id}")])
            .await?,
    );
    for container in &all {
        assert!(full.iter().any(|c| container.trim() == c), "{container} was there before");
        assert!(!containers::reached_by_exec(container.trim()).await?);
    }
    assert_eq!(mine.id, id);
    assert_eq!(claim(&house.ready(&zip).await?)?, "A warm one was ready");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_keeps_what_was_claimed_and_removes_what_was_not() -> Result<()> {
    let house = warm(1).await?;
    let zip = app(house.data.path())?;
    house.ready(&zip).await?;
    let claimed = members(&house, 1).await?;
    let second = house.ready(&zip).await?;
    let House { engine, data } = house;
    // Kept: the workspaces go on. The member goes with the engine, so one is made as a crash would leave it.
    engine.shutdown(LONG, true).await;
    drop(engine);
    let instance = containers::instance(data.path())?;
    let label = format!("slipway.instance={instance}");
    let image = docker(&["inspect", "--format", "{{.Image}}", &claimed[0]]).await?;
    let name = format!("slipway-{}_pool-left", &instance[..6]);
    let run = ["run", "-d", "--network", "none", "--name", &name, "--label", &label];
    let more = ["--label", "slipway.role=pool", "--label", "slipway.workspace=pool-left", image.trim()];
    let left = docker(&[&run[..], &more[..], &["sleep", "4718"]].concat()).await?;
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(data.path().join(format!("slipway.db{suffix}"))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }

    let house = warm_on(data, 0).await?;
    wait_until("the sweep", LONG, || async {
        let gone = docker(&["inspect", left.trim()]).await.is_err();
        let adopted = house.engine.workspace_list(Nothing {}).await?.iter().any(|view| view.id == second.id);
        ensure!(gone && adopted, "gone: {gone}, adopted: {adopted}");
        Ok(Some(()))
    })
    .await?;
    docker(&["inspect", &claimed[0]]).await?;
    house.close().await
}
