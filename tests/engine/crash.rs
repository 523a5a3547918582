//! Slipway killed at any moment: the next start shows every container or removes it, and what ran goes on.

use super::{
    harness::{House, LONG, fetch, random, server},
    puppet::Puppet,
    victim::{Orders, Victim},
};
use anyhow::{Context, Result, ensure};
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, LeaseChange, Nothing, PhaseName, ProcessRole, RedeployRequest, Workspace, WorkspaceId,
    WorkspaceRef, WorkspaceState,
};
use std::{io::Write, path::Path, time::Duration};
use zip::write::SimpleFileOptions;

/// A project that stays in each phase until it is killed there, or runs.
fn zip(data: &Path, stays_in: &str) -> Result<std::path::PathBuf> {
    let stay = "\"exec sleep 4717\"";
    let (install, build, start) = match stays_in {
        "Install" => (stay, "\"true\"", "\"node app.js\""),
        "Build" => ("\"true\"", stay, "\"node app.js\""),
        "Ready" => ("\"true\"", "\"true\"", stay),
        _ => ("\"true\"", "\"true\"", "\"node app.js\""),
    };
    let plan = format!("install = {install}\nbuild = {build}\nstart = {start}\nport = 3000\n");
    let path = data.join("app.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path)?);
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, stored)?;
        anyhow::Ok(zip.write_all(bytes)?)
    };
    add("slipway.toml", plan.as_bytes())?;
    add("app.js", server(3000, "alive").as_bytes())?;
    if stays_in == "Upload" {
        // Large enough to be seen under way.
        add("ballast", &random(24 << 20)?)?;
    }
    zip.finish()?;
    Ok(path)
}

/// Kills an engine in a phase and opens another on its folder.
async fn killed_in(phase: &str) -> Result<(House, WorkspaceId)> {
    let data = tempfile::tempdir()?;
    let zip = zip(data.path(), phase)?;
    let orders = Orders { zip: Some(&zip), fresh_image: phase == "Image", ..Orders::default() };
    let mut victim = Victim::start(data.path(), &orders)?;
    let id = victim.workspace().await?;
    let line = if phase == "Running" { "running".to_owned() } else { format!("phase {phase}") };
    victim.says(&line).await?;
    if phase == "Image" {
        let instance = containers::instance(data.path())?;
        wait_until("the container that the image is made from", LONG, || async {
            Ok((!containers::of(&instance).await?.is_empty()).then_some(()))
        })
        .await?;
    }
    victim.kill().await?;
    Ok((House::reopen(data).await?, id))
}

/// Waits until a workspace is in a state that it stays in.
async fn settled(house: &House, id: &WorkspaceId) -> Result<Workspace> {
    wait_until("the workspace to settle", LONG, || async {
        let view = house.status(id).await?;
        ensure!(view.state != WorkspaceState::Creating, "{view:?}");
        Ok(Some(view))
    })
    .await
}

/// Every container there is belongs to a workspace that is shown.
async fn nothing_is_hidden(house: &House) -> Result<()> {
    let shown = house.engine.workspace_list(Nothing {}).await?;
    for container in house.containers().await? {
        let format = "{{index .Config.Labels \"slipway.workspace\"}}";
        let owner = docker(&["inspect", "--format", format, &container]).await?;
        let view = shown.iter().find(|view| view.id.as_str() == owner.trim());
        let view = view.with_context(|| format!("{container} belongs to nobody"))?;
        ensure!(view.state != WorkspaceState::Terminated, "{view:?} has a container nobody sees");
    }
    Ok(())
}

async fn interrupted(phase: &str) -> Result<()> {
    let (house, id) = killed_in(phase).await?;
    let view = settled(&house, &id).await?;
    let problem = view.problem.context("it says why")?;
    assert_eq!(problem.code, Code::Cancelled, "{problem}");
    assert!(problem.hint.is_some(), "{problem} has no way on");
    wait_until("everything to be shown", LONG, || async { nothing_is_hidden(&house).await.map(Some) })
        .await?;
    house.engine.workspace_remove(WorkspaceRef { id }).await?;
    assert!(house.containers().await?.is_empty());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_image_is_prepared() -> Result<()> {
    interrupted("Image").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_container_is_made() -> Result<()> {
    interrupted("Claim").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_files_go_in() -> Result<()> {
    interrupted("Upload").await
}

/// Killed while a program of a phase ran: the program ends, the files are kept, a retry goes on from there.
async fn interrupted_then_retried(phase: PhaseName) -> Result<()> {
    let (house, id) = killed_in(&format!("{phase:?}")).await?;
    let view = settled(&house, &id).await?;
    assert_eq!(view.state, WorkspaceState::Failed);
    let problem = view.problem.context("it says why")?;
    assert_eq!(problem.code, Code::Cancelled, "{problem}");
    assert!(problem.hint.is_some_and(|hint| hint.contains("Retry")));
    nothing_is_hidden(&house).await?;
    let (left, _, _) = house.run(&id, &["ps", "-o", "args"]).await?;
    assert!(!left.contains("sleep 4717"), "what nobody waits for goes on: {left}");
    let retry = RedeployRequest { id: id.clone(), from: phase, command: Some("true".into()) };
    house.engine.workspace_redeploy(retry).await?;
    let view = house.wait_for(&id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("alive"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_dependencies_are_installed() -> Result<()> {
    interrupted_then_retried(PhaseName::Install).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_is_built() -> Result<()> {
    interrupted_then_retried(PhaseName::Build).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_program_listens() -> Result<()> {
    let (house, id) = killed_in("Ready").await?;
    let listed = wait_until("the program to be found", LONG, || async {
        let listed = house.engine.process_list(WorkspaceRef { id: id.clone() }).await?;
        Ok((!listed.is_empty()).then_some(listed))
    })
    .await?;
    assert!(listed.iter().any(|p| p.role == ProcessRole::App && p.exit.is_none()), "{listed:?}");
    let view = house.status(&id).await?;
    assert_eq!(view.state, WorkspaceState::Creating, "it is waited for as before");
    house.engine.workspace_stop(WorkspaceRef { id: id.clone() }).await?;
    nothing_is_hidden(&house).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_runs_everything_goes_on() -> Result<()> {
    let (house, id) = killed_in("Running").await?;
    let view = house.wait_for(&id, WorkspaceState::Running).await?;
    let url = view.url.context("it had one")?;
    wait_until("the preview at its old address", LONG, || async {
        Ok(fetch(&url).await?.1.starts_with("alive").then_some(()))
    })
    .await?;
    assert_eq!(view.problem, None);
    let listed = house.engine.process_list(WorkspaceRef { id: id.clone() }).await?;
    let kept = listed.iter().find(|p| p.name == "kept").context("the terminal is listed")?;
    assert_eq!((kept.role, kept.exit), (ProcessRole::Terminal, None));
    let process = slipway_wire::ProcessRef { id: id.clone(), process: kept.id.clone() };
    let attached = house.engine.attach(&process, 0, false).await?;
    super::shell::Shell::of(process, attached).reads("before the crash").await?;
    let container = containers::of(&containers::instance(house.data.path())?).await?;
    assert!(!containers::reached_by_exec(container.first().context("a container")?).await?);
    nothing_is_hidden(&house).await?;
    house.close().await
}

/// A container that runs, of a workspace whose folder nobody owns.
async fn left_alone() -> Result<(tempfile::TempDir, WorkspaceId, String)> {
    let (house, id) = killed_in("Running").await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    let data = house.leave().await;
    let found = containers::of(&containers::instance(data.path())?).await?;
    Ok((data, id, found.into_iter().next().context("a container")?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ended_while_nobody_looked_is_told() -> Result<()> {
    let (data, id, container) = left_alone().await?;
    docker(&["exec", &container, "sh", "-c", "kill -9 $(pidof node)"]).await?;
    let house = House::reopen(data).await?;
    let (_, problem) = house.fails(&id).await?;
    assert_eq!(problem.code, Code::StartFailed);
    assert!(problem.message.contains("signal 9") || problem.message.contains("137"), "{problem}");
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_something_restarted_while_nobody_looked_is_reached_as_any_other() -> Result<()> {
    let (data, id, container) = left_alone().await?;
    docker(&["restart", "--time", "1", &container]).await?;
    let house = House::reopen(data).await?;
    let (_, problem) = house.fails(&id).await?;
    assert!(problem.message.contains("restarted by something other than Slipway"), "{problem}");
    assert!(!containers::reached_by_exec(&container).await?, "its new agent took the mark that came first");
    house.engine.workspace_start(WorkspaceRef { id: id.clone() }).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    let house = House::reopen(house.leave().await).await?;
    let view = house.wait_for(&id, WorkspaceState::Running).await?;
    let url = view.url.context("it has a page")?;
    wait_until("its page", LONG, || async { Ok(fetch(&url).await?.1.starts_with("alive").then_some(())) })
        .await?;
    house.shell_answers(&id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_mark_was_lost_is_reached_another_way() -> Result<()> {
    let (data, id, container) = left_alone().await?;
    std::fs::remove_file(data.path().join("secret"))?;
    let house = House::reopen(data).await?;
    let view = house.wait_for(&id, WorkspaceState::Running).await?;
    let url = view.url.context("it has a page")?;
    wait_until("its page", LONG, || async { Ok(fetch(&url).await?.1.starts_with("alive").then_some(())) })
        .await?;
    assert!(containers::reached_by_exec(&container).await?);
    house.shell_answers(&id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_loses_no_workspace() -> Result<()> {
    let (data, id, container) = left_alone().await?;
    for name in ["slipway.db", "slipway.db-wal", "slipway.db-shm"] {
        match std::fs::remove_file(data.path().join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    let house = House::reopen(data).await?;
    let url = wait_until("the workspace to be found by its label", LONG, || async {
        Ok(house.status(&id).await?.url)
    })
    .await?;
    assert!(fetch(&url).await?.1.starts_with("alive"));
    assert!(!containers::reached_by_exec(&container).await?);
    nothing_is_hidden(&house).await?;
    house.shell_answers(&id).await?;
    house.engine.workspace_remove(WorkspaceRef { id }).await?;
    assert!(house.containers().await?.is_empty());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_a_deleted_workspace_does_not_come_back() -> Result<()> {
    let (house, id) = killed_in("Running").await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    let instance = containers::instance(house.data.path())?;
    house.engine.workspace_remove(WorkspaceRef { id: id.clone() }).await?;
    let data = house.leave().await;
    // As if the removal had been forgotten: the labels of the deleted workspace on a container that is there.
    let (ours, workspace) = (format!("slipway.instance={instance}"), format!("slipway.workspace={id}"));
    let labels = ["--label", &ours, "--label", &workspace, "--label", "slipway.role=workspace"];
    let mut create = vec!["create"];
    create.extend(labels);
    create.extend(["node:24-alpine", "true"]);
    docker(&create).await?;
    let house = House::reopen(data).await?;
    wait_until("it to be removed", LONG, || async { Ok(house.containers().await?.is_empty().then_some(())) })
        .await?;
    assert!(house.engine.workspace_list(Nothing {}).await?.is_empty());
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Deleted);
    house.close().await
}

/// The agent stands still, so that its programs are not ended when the owner is killed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_lease_ends_it_is_remembered_that_it_ran() -> Result<()> {
    let data = tempfile::tempdir()?;
    let zip = zip(data.path(), "Running")?;
    let host = format!("unix://{}", containers::socket().display());
    let mut puppet = Puppet::start(data.path(), &zip, &host).await?;
    puppet.order("deploy 3600").await?;
    let id = in_state(&mut puppet, WorkspaceState::Running).await?;
    // By its name: one that was waiting in the pool keeps the label it had there.
    let filter = format!("name=-{id}$");
    let container = docker(&["ps", "--quiet", "--filter", &filter]).await?.trim().to_owned();
    docker(&["kill", "--signal", "STOP", &container]).await?;
    puppet.order(&format!("expire {id}")).await?;
    in_state(&mut puppet, WorkspaceState::Stopped).await?;
    puppet.kill().await?;
    docker(&["kill", "--signal", "CONT", &container]).await?;
    let running = docker(&["inspect", "--format", "{{.State.Running}}", &container]).await?;
    ensure!(running.trim() == "true", "killed too late to prove anything");

    let house = House::reopen(data).await?;
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Stopped, "as was meant");
    house.lease(&id, LeaseChange::Extend { seconds: 900 }).await?;
    let view = house.wait_for(&id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("alive"));
    house.close().await
}

/// The only workspace of a puppet, once it is in a state.
async fn in_state(puppet: &mut Puppet, state: WorkspaceState) -> Result<WorkspaceId> {
    tokio::time::timeout(LONG, async {
        loop {
            let rows = puppet.belief().await?.rows;
            if let Some((id, _)) = rows.iter().find(|(_, is)| *is == state) {
                return Ok(id.clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .with_context(|| format!("waiting for {state:?}"))?
}
