//! From a zip or folder to a page: the plans of the samples, the states of a workspace's life.

use super::harness::{House, LONG, config, fetch, request, server};
use anyhow::{Context, Result, ensure};
use slipway_engine::Engine;
use slipway_tests::{containers, project, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, EngineState, EventBody, LeaseChange, LeaseRequest, Nothing, PhaseName,
    PhaseState, RedeployRequest, WorkspaceRef, WorkspaceRename, WorkspaceState,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_becomes_a_page_and_every_phase_is_told() -> Result<()> {
    let house = House::open().await?;
    let zip = project::zip_sample("node-hello", house.data.path())?;
    let view = house.ready(&zip).await?;
    let url = view.url.clone().context("a running workspace has a URL")?;
    let (status, body) = fetch(&url).await?;
    assert_eq!(status, 200, "{body}");
    for phase in &view.phases {
        let fine = matches!(phase.state, PhaseState::Done | PhaseState::Skipped);
        assert!(fine, "{phase:?}");
    }
    assert!(view.ready_ms.is_some());
    let status = house.engine.engine_status(Nothing {}).await?;
    assert_eq!(status.state, EngineState::Connected);
    let said = house.engine.workspace_messages(WorkspaceRef { id: view.id.clone() }).await?;
    let texts: Vec<String> = said
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Message(message) => Some(message.text),
            _ => None,
        })
        .collect();
    assert!(texts.iter().any(|t| t.starts_with("Unpacked **")), "{texts:?}");
    assert!(texts.iter().any(|t| t.starts_with("**Ready** in ")), "{texts:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_becomes_a_page_without_what_it_ignores() -> Result<()> {
    let house = House::open().await?;
    let folder = house.data.path().join("site");
    std::fs::create_dir_all(folder.join("secret"))?;
    std::fs::write(folder.join("index.html"), "<h1>hello from a folder</h1>")?;
    std::fs::write(folder.join("secret/key"), "no")?;
    std::fs::write(folder.join(".gitignore"), "secret/\n")?;
    let view = house.ready(&folder).await?;
    let url = view.url.context("a URL")?;
    assert!(fetch(&url).await?.1.contains("hello from a folder"));
    let (_, _, exit) = house.run(&view.id, &["test", "-e", "/workspace/secret"]).await?;
    assert_eq!(exit.code, Some(1));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_stopped_started_renamed_and_deleted() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("life", &[("server.js", &server(4000, "alive"))])?;
    let view = house.ready(&zip).await?;
    let id = WorkspaceRef { id: view.id.clone() };
    let url = view.url.context("a URL")?;

    let stopped = house.engine.workspace_stop(id.clone()).await?;
    assert_eq!((stopped.state, stopped.url), (WorkspaceState::Stopped, None));
    let (status, page) = fetch(&url).await?;
    assert_eq!(status, 503, "{page}");

    house.engine.workspace_start(id.clone()).await?;
    let again = house.wait_for(&view.id, WorkspaceState::Running).await?;
    assert_eq!(again.url.as_deref(), Some(url.as_str()), "its address stays");
    assert!(fetch(&url).await?.1.contains("alive"));

    let rename = WorkspaceRename { id: view.id.clone(), name: "  New name ".into() };
    assert_eq!(house.engine.workspace_rename(rename).await?.name, "New name");

    let deleted = house.engine.workspace_remove(id.clone()).await?;
    assert_eq!(deleted.state, WorkspaceState::Deleted);
    assert!(house.engine.workspace_list(Nothing {}).await?.is_empty());
    assert_eq!(
        house.status(&view.id).await?.state,
        WorkspaceState::Deleted,
        "asking for it still has an answer"
    );
    assert!(containers::of(&containers::instance(house.data.path())?).await?.is_empty());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_replace_the_old_ones_in_place() -> Result<()> {
    let house = House::open().await?;
    let first = house.zip("first", &[("server.js", &server(4000, "first"))])?;
    let view = house.ready(&first).await?;
    let second = house.zip("second", &[("server.js", &server(4000, "second"))])?;
    let replaced = house
        .engine
        .workspace_deploy(DeployRequest { replace: Some(view.id.clone()), ..request(&second) })
        .await?;
    assert_eq!(replaced.id, view.id);
    let url = view.url.context("a URL")?;
    wait_until("the new page", super::harness::LONG, || async {
        let page = fetch(&url).await?.1;
        anyhow::ensure!(page.contains("second"), "{page} {:?}", house.status(&view.id).await?);
        Ok(Some(()))
    })
    .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_phase_is_run_again_with_another_command() -> Result<()> {
    let house = House::open().await?;
    let entries = [
        ("package.json", r#"{"scripts":{"start":"node missing.js"}}"#),
        ("there.js", &*server(4100, "mended")),
    ];
    let made = house.deploy(&house.zip("broken", &entries)?).await?;
    let failed = wait_until("the failure", super::harness::LONG, || async {
        let view = house.status(&made.id).await?;
        Ok((view.state == WorkspaceState::Failed).then_some(view))
    })
    .await?;
    let problem = failed.problem.context("why")?;
    assert_eq!(problem.code, Code::StartFailed);
    assert!(problem.detail.context("the end of its output")?.contains("missing.js"));
    let retry = RedeployRequest {
        id: made.id.clone(),
        from: PhaseName::Start,
        command: Some("node there.js".into()),
    };
    house.engine.workspace_redeploy(retry).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.contains("mended"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_as_it_starts_is_heard() -> Result<()> {
    let data = tempfile::tempdir()?;
    let broken = data.path().join("agent");
    std::fs::write(&broken, "#!/bin/sh\necho 'this kernel is too old for it' >&2\nexit 1\n")?;
    let mut config = config(data.path())?;
    for agent in &mut config.agents {
        agent.path.clone_from(&broken);
    }
    let house = House { engine: Engine::open(config).await?, data };
    let made = house.deploy(&house.zip("page", &[("index.html", "hello")])?).await?;
    // First the deploy fails, then its container is seen to have ended: the reason is the same.
    let view = wait_until("the deploy to end", LONG, || async {
        let view = house.status(&made.id).await?;
        let over = matches!(view.state, WorkspaceState::Failed | WorkspaceState::Stopped);
        ensure!(over, "it is {view:?}");
        Ok(Some(view))
    })
    .await?;
    let problem = view.problem.context("what ended badly says why")?;
    assert_eq!((problem.code, problem.hint.is_some()), (Code::AgentLost, true), "{problem}");
    assert_eq!(problem.detail.as_deref(), Some("this kernel is too old for it"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workspaces_run_at_once_and_keep_apart() -> Result<()> {
    let house = House::open().await?;
    let mut urls = Vec::new();
    for name in ["one", "two", "three"] {
        // All on the same port: nothing is published, so nothing collides.
        let zip = house.zip(name, &[("server.js", &server(3000, name))])?;
        urls.push((name, house.deploy(&zip).await?.id));
    }
    for (name, id) in urls {
        let view = house.wait_for(&id, WorkspaceState::Running).await?;
        assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with(name));
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_where_the_user_says() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("elsewhere", &[("server.js", &server(4000, "elsewhere"))])?;
    let made = house
        .engine
        .workspace_deploy(DeployRequest { root: Some("/srv/app/".into()), ..request(&zip) })
        .await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let (out, _, _) = house.run(&made.id, &["sh", "-c", "pwd; ls; stat -c %u . "]).await?;
    assert_eq!(out, "/srv/app\nserver.js\n1000\n");
    for wrong in ["relative", "/", "/etc", "/a/../b", "/.slipway/x"] {
        let refused =
            house.engine.workspace_deploy(DeployRequest { root: Some(wrong.into()), ..request(&zip) }).await;
        assert_eq!(refused.expect_err(wrong).code, Code::Invalid, "{wrong}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_extended_kept_and_ends() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("lease", &[("index.html", "x")])?;
    let view = house.ready(&zip).await?;
    let change = |change| LeaseRequest { id: view.id.clone(), change };
    let before = view.lease.expires_at_ms.context("a lease ends")?;
    let after = house.engine.workspace_lease(change(LeaseChange::Extend { seconds: 900 })).await?;
    assert_eq!(after.lease.expires_at_ms, Some(before + 900_000));
    let kept = house.engine.workspace_lease(change(LeaseChange::Keep)).await?;
    assert_eq!(kept.lease.expires_at_ms, None);
    let wrong = house.engine.workspace_lease(change(LeaseChange::Set { seconds: 5 })).await;
    assert_eq!(wrong.expect_err("too short").code, Code::Invalid);
    house.close().await
}

/// The engine is a plain value that other threads may hold.
const _: fn() = || {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Engine>();
};
