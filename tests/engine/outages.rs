//! A Docker engine that stops, restarts, hangs, hangs up or refuses: a clear state, no work lost, and everything as before
//! once it is back. The real daemon stays up; a proxy in front of its socket fails.

use super::{
    harness::{House, LONG, fetch, random, request, server, skip},
    victim::{Orders, Victim},
};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use slipway_tests::{
    containers::docker,
    socket_proxy::{Mode, SocketProxy},
    wait_until,
};
use slipway_wire::{
    Api, Code, EngineState, EngineStatus, Nothing, PhaseName, PhaseState, RedeployRequest, WorkspaceRef,
    WorkspaceState,
};
use std::{os::unix::fs::PermissionsExt, time::Duration};

/// A house whose Docker engine is behind a proxy.
async fn house() -> Result<(House, SocketProxy)> {
    House::behind_proxy(tempfile::tempdir()?, |_| ()).await
}

/// Waits for a state without asking the engine to hurry.
async fn engine_is(house: &House, state: EngineState) -> Result<EngineStatus> {
    wait_until(&format!("the engine to be {state:?}"), LONG, || async {
        let status = house.engine.engine_status(Nothing {}).await?;
        ensure!(status.state == state, "{status:?}");
        Ok(Some(status))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_types_into_the_agents_own_stream_ends_nothing() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("app", &[("server.js", &server(3000, "alive"))])?;
    let made = house.ready(&zip).await?;
    let container = house.containers().await?.pop().context("a container")?;
    let mut events = house.engine.events(None);
    let mut attached = tokio::process::Command::new("docker")
        .args(["attach", "--sig-proxy=false", &container])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let typed = attached.stdin.as_mut().context("its input")?;
    tokio::io::AsyncWriteExt::write_all(typed, b"ls -l\n").await?;
    // The connection ends, is begun anew, and the ports of the container are told again.
    let again = async {
        while let Some(event) = events.next().await {
            if let slipway_wire::EventBody::Workspace(view) = event.body
                && view.id == made.id
                && view.ports.is_empty()
            {
                return Ok(());
            }
        }
        anyhow::bail!("the events ended")
    };
    tokio::time::timeout(LONG, again).await.context("nothing was noticed")??;
    house.shell_answers(&made.id).await?;
    let url = made.url.context("it has a page")?;
    wait_until("its page", LONG, || async { Ok((fetch(&url).await?.1.starts_with("alive")).then_some(())) })
        .await?;
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Running);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_stops_and_comes_back_and_everything_goes_on() -> Result<()> {
    let (house, mut proxy) = house().await?;
    let zip = house.zip("tide", &[("server.js", &server(3000, "tide"))])?;
    let view = house.ready(&zip).await?;
    let url = view.url.context("a URL")?;
    proxy.set(Mode::Gone)?;
    let status = engine_is(&house, EngineState::Absent).await?;
    let problem = status.problem.context("it says why")?;
    assert_eq!(problem.code, Code::DockerAbsent);
    assert!(problem.hint.is_some_and(|hint| hint.contains("notices by itself")));
    assert!(problem.message.contains("docker.sock"), "{}", problem.message);
    assert!(!status.looked_at.is_empty(), "what was tried is told");
    let refused = house.engine.workspace_deploy(request(&zip)).await.expect_err("no Docker");
    assert_eq!(refused.code, Code::DockerAbsent);
    let refused = house.engine.workspace_remove(WorkspaceRef { id: view.id.clone() }).await;
    assert_eq!(refused.expect_err("no Docker").code, Code::DockerAbsent);
    let listed = house.engine.workspace_list(Nothing {}).await?;
    assert_eq!(
        listed.iter().map(|w| w.state).collect::<Vec<_>>(),
        [WorkspaceState::Running],
        "nothing is lost"
    );
    assert!(fetch(&url).await?.0 >= 502, "the preview says that it cannot be reached");

    proxy.set(Mode::Forward)?;
    let status = engine_is(&house, EngineState::Connected).await?;
    assert_eq!(status.problem, None);
    wait_until("the preview at its old address", LONG, || async {
        let (status, page) = fetch(&url).await?;
        ensure!(status == 200, "{status} {page}");
        Ok(page.starts_with("tide").then_some(()))
    })
    .await?;
    assert_eq!(house.wait_for(&view.id, WorkspaceState::Running).await?.problem, None);
    house.shell_answers(&view.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_again() -> Result<()> {
    let (house, proxy) = house().await?;
    let view = house.ready(&house.zip("cut", &[("server.js", &server(3000, "cut"))])?).await?;
    let url = view.url.context("a URL")?;
    for _ in 0..3 {
        proxy.cut();
        wait_until("the preview after a cut", LONG, || async {
            let (status, page) = fetch(&url).await?;
            ensure!(status == 200, "{status} {page}");
            Ok(Some(()))
        })
        .await?;
    }
    wait_until("a shell", LONG, || async { house.shell_answers(&view.id).await.map(Some) }).await?;
    assert_eq!(house.wait_for(&view.id, WorkspaceState::Running).await?.problem, None);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_in_the_middle_of_a_deploy_fails_it_and_leaves_a_way_on() -> Result<()> {
    let (house, proxy) = house().await?;
    let plan = "install = \"exec sleep 4718\"\nstart = \"node app.js\"\nport = 3000\n";
    let app = server(3000, "after the cut");
    let made = house.deploy(&house.zip("mid", &[("slipway.toml", plan), ("app.js", &*app)])?).await?;
    wait_until("the install", LONG, || async {
        let view = house.status(&made.id).await?;
        let install = view.phases.iter().find(|p| p.name == PhaseName::Install);
        Ok(install.is_some_and(|p| p.process.is_some()).then_some(()))
    })
    .await?;
    proxy.cut();
    let (_, problem) = house.fails(&made.id).await?;
    assert!(matches!(problem.code, Code::AgentLost | Code::DockerLost), "{problem:?}");
    wait_until("a shell", LONG, || async { house.shell_answers(&made.id).await.map(Some) }).await?;
    let command = Some("true".into());
    let retry = RedeployRequest { id: made.id.clone(), from: PhaseName::Install, command };
    house.engine.workspace_redeploy(retry).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("after the cut"));
    let (left, _, _) = house.run(&made.id, &["ps", "-o", "args"]).await?;
    assert!(!left.contains("sleep 4718"), "the first install goes on: {left}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_while_the_files_go_in_leaves_none_of_them() -> Result<()> {
    let (house, mut proxy) = house().await?;
    let zip = house.data.path().join("large.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&zip)?);
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("index.html", stored)?;
    std::io::Write::write_all(&mut writer, &random(48 << 20)?)?;
    writer.finish()?;
    let made = house.deploy(&zip).await?;
    wait_until("the upload", LONG, || async {
        let view = house.status(&made.id).await?;
        let upload = view.phases.iter().find(|p| p.name == PhaseName::Upload);
        ensure!(upload.is_none_or(|p| p.state != PhaseState::Done), "it was over before it could be cut");
        Ok(upload.is_some_and(|p| p.state == PhaseState::Running).then_some(()))
    })
    .await?;
    proxy.set(Mode::Gone)?;
    let (_, problem) = house.fails(&made.id).await?;
    assert!(matches!(problem.code, Code::AgentLost | Code::DockerLost), "{problem:?}");
    proxy.set(Mode::Forward)?;
    wait_until("a shell", LONG, || async { house.shell_answers(&made.id).await.map(Some) }).await?;
    let (left, _, _) = house.run(&made.id, &["ls", "-A", "/workspace"]).await?;
    assert_eq!(left, "", "part of it is there");
    let retry = RedeployRequest { id: made.id.clone(), from: PhaseName::Start, command: None };
    let refused = house.engine.workspace_redeploy(retry).await.expect_err("its files never arrived");
    assert_eq!(refused.code, Code::WrongState);
    let small = house.zip("small", &[("server.js", &server(3000, "small"))])?;
    let again = slipway_wire::DeployRequest { replace: Some(made.id.clone()), ..request(&small) };
    house.engine.workspace_deploy(again).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("small"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_engine_is_waited_for() -> Result<()> {
    let (house, mut proxy) = house().await?;
    engine_is(&house, EngineState::Connected).await?;
    proxy.set(Mode::Delay(Duration::from_millis(300)))?;
    let view = wait_until("a deploy", LONG, || async {
        let zip = house.zip("slow", &[("server.js", &server(3000, "slow"))])?;
        let made = house.deploy(&zip).await?;
        Ok(Some(house.wait_for(&made.id, WorkspaceState::Running).await?))
    })
    .await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("slow"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_or_hangs_up_is_absent_until_it_answers() -> Result<()> {
    let (house, mut proxy) = house().await?;
    engine_is(&house, EngineState::Connected).await?;
    for mode in [Mode::HangUp, Mode::Silent] {
        proxy.set(mode)?;
        let status = engine_is(&house, EngineState::Absent).await?;
        let tried = status.looked_at.first().context("what was tried is told")?;
        assert_eq!(tried.origin, "DOCKER_HOST", "{mode:?}");
        assert!(!tried.outcome.is_empty(), "{mode:?}");
        assert_eq!(house.engine.engine_retry(Nothing {}).await?.state, EngineState::Absent, "{mode:?}");
        proxy.set(Mode::Forward)?;
        engine_is(&house, EngineState::Connected).await?;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_talk_to_docker_is_told_what_to_do() -> Result<()> {
    const NOBODY: u32 = 65534;
    let data = tempfile::tempdir()?;
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o777))?;
    let socket = data.path().join("docker.sock");
    let proxy = SocketProxy::start(data.path())?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let home = data.path().join("home");
    std::fs::create_dir(&home)?;
    if std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).is_err() {
        skip("only root may run a process as another user");
        return Ok(());
    }
    let address = proxy.address();
    let orders = Orders { docker_host: Some(&address), user: Some(NOBODY), ..Orders::default() };
    let mut victim = Victim::start(&home, &orders)?;
    let status: EngineStatus = serde_json::from_str(&victim.says("status ").await?)?;
    assert_eq!(status.state, EngineState::Absent);
    let problem = status.problem.context("it says why")?;
    assert_eq!(problem.code, Code::DockerDenied);
    assert!(problem.hint.is_some_and(|hint| hint.contains("usermod -aG docker")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_stopped_from_outside_is_shown_as_stopped_and_starts_again() -> Result<()> {
    let house = House::open().await?;
    let view = house.ready(&house.zip("ship", &[("server.js", &server(3000, "ship"))])?).await?;
    let id = WorkspaceRef { id: view.id.clone() };
    house
        .engine
        .file_write(slipway_wire::WriteText {
            id: view.id.clone(),
            path: "/workspace/log".into(),
            text: "kept".into(),
            if_modified_ms: None,
        })
        .await?;
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["kill", &container]).await?;
    let stopped = house.wait_for(&view.id, WorkspaceState::Stopped).await?;
    let problem = stopped.problem.context("it says why")?;
    assert!(problem.message.contains("stopped from outside"), "{problem}");
    assert!(problem.hint.is_some_and(|hint| hint.contains("Start it again")));
    assert_eq!(stopped.url, None);
    house.engine.workspace_start(id.clone()).await?;
    let again = house.wait_for(&view.id, WorkspaceState::Running).await?;
    assert_eq!((again.url.clone(), again.problem), (view.url, None));
    assert!(fetch(&again.url.context("a URL")?).await?.1.starts_with("ship"));
    assert_eq!(house.run(&view.id, &["cat", "log"]).await?.0, "kept");

    docker(&["restart", "--time", "1", &container]).await?;
    let view = wait_until("the restart to be noticed", LONG, || async {
        let view = house.status(&view.id).await?;
        ensure!(view.state != WorkspaceState::Running, "{view:?}");
        Ok(Some(view))
    })
    .await?;
    assert!(view.problem.is_some_and(|problem| problem.hint.is_some()));
    house.engine.workspace_start(id).await?;
    house.wait_for(&view.id, WorkspaceState::Running).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_to_be_stopped_and_is_started_from_outside_is_stopped_again() -> Result<()> {
    let house = House::open().await?;
    let view = house.ready(&house.zip("tug", &[("server.js", &server(3000, "tug"))])?).await?;
    let id = WorkspaceRef { id: view.id.clone() };
    house.engine.workspace_stop(id.clone()).await?;
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["start", &container]).await?;
    wait_until("it to be stopped again", LONG, || async {
        let state = docker(&["inspect", "--format", "{{.State.Status}}", &container]).await?;
        ensure!(state.trim() == "exited", "{state}");
        Ok(Some(()))
    })
    .await?;
    house.is_told(&view.id, "started by something other than Slipway").await?;
    assert_eq!(house.status(&view.id).await?.state, WorkspaceState::Stopped);
    house.engine.workspace_start(id).await?;
    house.wait_for(&view.id, WorkspaceState::Running).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_removed_from_outside_is_terminated() -> Result<()> {
    let house = House::open().await?;
    let view = house.ready(&house.zip("wreck", &[("server.js", &server(3000, "wreck"))])?).await?;
    let id = WorkspaceRef { id: view.id.clone() };
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["rm", "--force", &container]).await?;
    let gone = wait_until("the loss to be noticed", LONG, || async {
        let view = house.status(&view.id).await?;
        Ok((view.state == WorkspaceState::Terminated).then_some(view))
    })
    .await?;
    let problem = gone.problem.context("it says why")?;
    assert!(problem.message.contains("gone") && problem.hint.is_some(), "{problem:?}");
    assert_eq!((gone.url, gone.ports.len()), (None, 0));
    let refused = house.engine.workspace_start(id.clone()).await.expect_err("there is nothing to start");
    assert_eq!(refused.code, Code::WrongState);
    assert_eq!(house.engine.workspace_remove(id).await?.state, WorkspaceState::Deleted);
    house.close().await
}
