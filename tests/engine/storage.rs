//! A data folder that is full, read-only or damaged: what cannot be kept is refused with a reason, what runs goes on,
//! and nothing that was there is lost.

use super::harness::{House, LONG, config, fetch, request, server, skip};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use slipway_engine::Engine;
use slipway_tests::{project, small_disk::SmallDisk, wait_until};
use slipway_wire::{Api, Code, EventBody, Nothing, Settings, WorkspaceRename, WorkspaceState};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// What was told since an engine was opened.
async fn told(engine: &Engine) -> Vec<String> {
    let mut events = engine.events(Some(0));
    let mut said = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::ZERO, events.next()).await {
        if let EventBody::Message(message) = event.body {
            said.push(message.text);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_data_folder_refuses_new_work_and_keeps_what_runs() -> Result<()> {
    let Some(disk) = SmallDisk::mount("4m")? else {
        skip("this user may not mount a small file system");
        return Ok(());
    };
    let zips = tempfile::tempdir()?;
    let zip = zips.path().join("app.zip");
    project::zip_of(&zip, &[("server.js", &server(3000, "afloat"))])?;
    let folder = zips.path().join("site");
    fs::create_dir(&folder)?;
    fs::write(folder.join("index.html"), "x".repeat(64 * 1024))?;

    let engine = Engine::open(config(disk.path())?).await?;
    let made = engine.workspace_deploy(request(&zip)).await?;
    let running = wait_until("the first deploy", LONG, || async {
        let view = engine.workspace_status(slipway_wire::WorkspaceRef { id: made.id.clone() }).await?;
        Ok((view.state == WorkspaceState::Running).then_some(view))
    })
    .await?;
    let ballast = disk.fill()?;
    for (what, path) in [("a zip", &zip), ("a folder", &folder)] {
        let problem = engine.workspace_deploy(request(path)).await.expect_err(what);
        assert!(matches!(problem.code, Code::DiskFull | Code::Storage), "{what}: {problem:?}");
        let hint = problem.hint.context("a way on")?;
        assert!(hint.to_lowercase().contains("free some space"), "{what}: {hint}");
    }
    assert_eq!(engine.workspace_list(Nothing {}).await?.len(), 1, "nothing new was begun");
    // A change that cannot be kept is told, once.
    for name in ["one", "two"] {
        let rename = WorkspaceRename { id: made.id.clone(), name: name.repeat(20) };
        engine.workspace_rename(rename).await?;
    }
    let told = told(&engine).await;
    let not_kept = told.iter().filter(|text| text.contains("not kept")).count();
    assert_eq!(not_kept, 1, "{told:?}");
    assert!(fetch(&running.url.context("a URL")?).await?.1.starts_with("afloat"));
    fs::remove_file(ballast)?;
    let again = engine.workspace_deploy(request(&zip)).await?;
    wait_until("a deploy after room was made", LONG, || async {
        let view = engine.workspace_status(slipway_wire::WorkspaceRef { id: again.id.clone() }).await?;
        Ok((view.state == WorkspaceState::Running).then_some(()))
    })
    .await?;
    engine.shutdown(LONG, true).await;
    slipway_tests::containers::remove_all(disk.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_settings_are_obeyed_and_a_change_is_refused() -> Result<()> {
    let house = House::with_settings("duration_s = 7200\n").await?;
    let file = house.data.path().join("settings.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444))?;
    let before = house.engine.settings_get(Nothing {}).await?;
    assert_eq!(before.duration_s, 7200);
    let wanted = Settings { duration_s: 60, ..before.clone() };
    let problem = house.engine.settings_set(wanted).await.expect_err("the file is read-only");
    assert_eq!(problem.code, Code::Storage);
    assert!(problem.message.contains("settings.toml"), "{problem}");
    assert!(problem.hint.is_some_and(|hint| hint.contains("read-only")));
    assert_eq!(house.engine.settings_get(Nothing {}).await?, before);
    assert_eq!(fs::read_to_string(&file)?, "duration_s = 7200\n");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_settings_are_told_and_left_for_mending() -> Result<()> {
    let broken = "duration_s = \"long\"\n";
    let house = House::with_settings(broken).await?;
    assert_eq!(house.engine.settings_get(Nothing {}).await?, Settings::default());
    let said = told(&house.engine).await;
    assert!(said.iter().any(|text| text.contains("settings.toml")), "{said:?}");
    assert_eq!(fs::read_to_string(house.data.path().join("settings.toml"))?, broken);
    house.close().await
}

/// Overwrites the middle of the database and its log.
fn damage(data: &Path) -> Result<()> {
    for name in ["slipway.db", "slipway.db-wal"] {
        let path = data.join(name);
        if path.exists() {
            let length = fs::metadata(&path)?.len() as usize;
            fs::write(&path, vec![7; length.max(4096)])?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_set_aside_and_its_workspaces_are_found_again() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("ship", &[("server.js", &server(3000, "afloat"))])?;
    let made = house.ready(&zip).await?;
    let data = house.leave().await;
    damage(data.path())?;
    let house = House::reopen(data).await?;
    let said = told(&house.engine).await;
    assert!(said.iter().any(|text| text.contains("damaged")), "{said:?}");
    assert!(house.data.path().join("slipway.db.damaged").is_file(), "the old one is kept");
    let found = wait_until("the workspace", LONG, || async {
        let view = house.status(&made.id).await?;
        Ok(view.url.is_some().then_some(view))
    })
    .await?;
    assert!(fetch(&found.url.context("a URL")?).await?.1.starts_with("afloat"));
    house.shell_answers(&made.id).await?;
    house.engine.workspace_remove(slipway_wire::WorkspaceRef { id: made.id }).await?;
    assert!(house.containers().await?.is_empty());
    house.close().await
}
