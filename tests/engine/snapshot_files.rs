//! Snapshots as files: out, in, and started again; and every file that somebody could make up is refused and leaves
//! nothing behind.

use super::{
    harness::{House, LONG, fetch, request, server},
    snapshot_forgeries::{broken, change_json, config_name, crowded, made_up, pack, part, sum_up, unpack},
    snapshots::{create, one, start},
};
use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use slipway_tests::{containers::docker, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, EventBody, NetworkProfile, Nothing, Problem, Snapshot, SnapshotCreate,
    SnapshotExport, SnapshotId, SnapshotImport, SnapshotWork, WorkspaceState,
};
use std::{
    fs,
    path::{Path, PathBuf},
    pin::{Pin, pin},
};

/// A program that answers with its own words, in an image of 1 MB.
const SMALL: &str = "slipway-test/scratch:1";

fn export(id: &SnapshotId, path: &Path) -> SnapshotExport {
    SnapshotExport { id: id.clone(), path: path.to_string_lossy().into_owned(), overwrite: false }
}

fn import(path: &Path) -> SnapshotImport {
    SnapshotImport { path: path.to_string_lossy().into_owned(), name: None, force: false }
}

/// A snapshot of a static site in the small image, and the file it was exported to.
async fn exported(house: &House, profile: NetworkProfile) -> Result<(Snapshot, PathBuf)> {
    let zip = house.zip("site", &[("index.html", "<p>kept</p>")])?;
    let deploy = DeployRequest { image: Some(SMALL.into()), network: Some(profile), ..request(&zip) };
    let made = house.engine.workspace_deploy(deploy).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let request = SnapshotCreate { name: Some("small".into()), note: "one\ntwo".into(), ..create(&made.id) };
    let snapshot = house.engine.snapshot_create(request).await?;
    house.gone(&made.id).await?;
    let path = house.data.path().join("small.snapshot");
    let written = house.engine.snapshot_export(export(&snapshot.id, &path)).await?;
    ensure!(written.bytes == fs::metadata(&path)?.len() && written.bytes > 0, "{written:?}");
    Ok((snapshot, path))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_snapshot_is_imported_and_started_elsewhere() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("shop", &[("server.js", &server(3000, "travelled"))])?;
    let mut deploy = request(&zip);
    deploy.env.insert("SECRET".into(), "canary-4711".into());
    let made = house.engine.workspace_deploy(deploy).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let request = SnapshotCreate { note: "a note".into(), ..create(&made.id) };
    let snapshot = house.engine.snapshot_create(request).await?;
    let path = house.data.path().join("shop.snapshot");
    house.engine.snapshot_export(export(&snapshot.id, &path)).await?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path)?.permissions());
    assert_eq!(mode & 0o077, 0, "it may hold secrets");
    house.gone(&made.id).await?;
    house.engine.snapshot_remove(one(&snapshot.id)).await?;
    ensure!(house.images().await?.is_empty());

    // Another Slipway, with another data folder.
    let there = House::open().await?;
    let imported = there.engine.snapshot_import(import(&path)).await?;
    assert_ne!(imported.id, snapshot.id);
    assert_eq!((imported.name.as_str(), imported.note.as_str()), ("shop", "a note"));
    assert!(imported.imported && imported.workspace.is_none() && imported.bytes > 0, "{imported:?}");
    assert_eq!((imported.plan.clone(), imported.created_at_ms), (snapshot.plan, snapshot.created_at_ms));
    let again = there.started(&imported.id).await?;
    assert!(there.answers(&again).await?.starts_with("travelled"));
    let (env, ..) = there.run(&again.id, &["env"]).await?;
    assert!(!env.contains("canary"), "{env}");
    there.close_with_snapshots().await?;
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_foreign_configuration_is_believed() -> Result<()> {
    let house = House::open().await?;
    let (snapshot, path) = exported(&house, NetworkProfile::Open).await?;
    assert_eq!(snapshot.network, NetworkProfile::Open);
    house.engine.snapshot_remove(one(&snapshot.id)).await?;
    let mut entries = unpack(&path)?;
    let config = config_name(&entries)?;
    change_json(part(&mut entries, |name| name == config)?, |value| {
        let inner = &mut value["config"];
        inner["User"] = "0:0".into();
        inner["Entrypoint"] = json!(["/hello", "evil"]);
        inner["Cmd"] = json!(["evil"]);
        inner["Volumes"] = json!({ "/workspace": {}, "/evil": {} });
        inner["ExposedPorts"] = json!({ "22/tcp": {} });
        inner["Healthcheck"] = json!({ "Test": ["CMD", "/hello", "evil"], "Interval": 1_000_000_000 });
        inner["OnBuild"] = json!(["RUN evil"]);
        inner["StopSignal"] = "SIGKILL".into();
        inner["WorkingDir"] = "/evil".into();
        inner["Labels"] = json!({
            "slipway.instance": "someoneelse00000", "slipway.role": "workspace", "slipway.workspace": "evil-a1b2",
            "slipway.agent": "evil", "com.example": "evil"
        });
    })?;
    sum_up(&mut entries)?;
    let evil = house.data.path().join("evil.snapshot");
    fs::write(&evil, pack(&entries)?)?;
    let imported = house.engine.snapshot_import(import(&evil)).await?;
    let images = house.images().await?;
    let [image] = images.as_slice() else { anyhow::bail!("{images:?}") };
    let text = docker(&["image", "inspect", image]).await?;
    for word in ["evil", "someoneelse", "SIGKILL", "22/tcp", "Healthcheck\": {"] {
        ensure!(!text.contains(word), "{word} is in {text}");
    }
    let started = house.started(&imported.id).await?;
    assert_eq!(started.network, NetworkProfile::Strict, "a file grants no network");
    assert_eq!(started.health.output, None);
    let containers = house.containers().await?;
    let [container] = containers.as_slice() else { anyhow::bail!("{containers:?}") };
    let inspected: Value = serde_json::from_str(&docker(&["inspect", container]).await?)?;
    let inner = &inspected[0]["Config"];
    assert_eq!(inner["User"], "1000:1000");
    assert_eq!(inner["Entrypoint"], json!(["/.slipway/agent", "init", "--stdio"]));
    assert_eq!(inner["Healthcheck"]["Test"], json!(["NONE"]));
    assert_eq!(inner["Labels"]["slipway.workspace"], started.id.as_str());
    assert!(inspected[0]["Mounts"].as_array().is_some_and(Vec::is_empty), "{}", inspected[0]["Mounts"]);
    let url = started.url.context("a URL")?;
    assert!(fetch(&url).await?.1.contains("kept"));
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_made_up_is_refused_and_leaves_nothing() -> Result<()> {
    let house = House::open().await?;
    let (snapshot, path) = exported(&house, NetworkProfile::Strict).await?;
    house.engine.snapshot_remove(one(&snapshot.id)).await?;
    let bad = house.data.path().join("bad.snapshot");
    for (what, bytes) in [broken(&path)?, made_up(&path)?, crowded(&path)?].concat() {
        fs::write(&bad, bytes)?;
        let problem = house.engine.snapshot_import(import(&bad)).await.expect_err(what);
        let wanted = if what == "another processor" { Code::Invalid } else { Code::Refused };
        assert_eq!(problem.code, wanted, "{what}: {problem:?}");
        assert!(problem.hint.is_some(), "{what}: {problem} has no way on");
        assert!(house.engine.snapshot_list(Nothing {}).await?.is_empty(), "{what} left a row");
        assert!(house.images().await?.is_empty(), "{what} left an image");
    }
    // Paths that are none, or no files.
    let pipe = house.data.path().join("pipe");
    ensure!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    for (path, code) in [
        (house.data.path().join("missing"), Code::NotFound),
        (house.data.path().to_owned(), Code::Refused),
        (pipe, Code::Refused),
        (PathBuf::from("relative"), Code::Invalid),
    ] {
        let problem = house.engine.snapshot_import(import(&path)).await.expect_err("a bad path");
        assert_eq!(problem.code, code, "{}: {problem:?}", path.display());
    }
    // The file itself is still good.
    house.engine.snapshot_import(import(&path)).await?;
    house.close_with_snapshots().await
}

/// Drives some work with a snapshot until it is told to be under way, and gives its id. Who listens begins before the
/// work does, and work that ends first is the failure, with what it said.
async fn until_under_way<T: std::fmt::Debug>(
    house: &House,
    work: SnapshotWork,
    doing: Pin<&mut impl Future<Output = Result<T, Problem>>>,
) -> Result<SnapshotId> {
    let mut events = house.engine.events(None);
    let told = async {
        while let Some(event) = events.next().await {
            if let EventBody::Snapshot(snapshot) = event.body
                && snapshot.progress.as_ref().is_some_and(|progress| progress.work == work)
            {
                return Ok(snapshot.id);
            }
        }
        bail!("the events ended")
    };
    tokio::select! {
        biased;
        id = tokio::time::timeout(LONG, told) => id.with_context(|| format!("{work:?} was not told"))?,
        done = doing => bail!("{work:?} ended before it was told: {done:?}"),
    }
}

/// Calls some work off once it is under way: it has to end as called off.
async fn called_off<T: std::fmt::Debug>(
    house: &House,
    work: SnapshotWork,
    doing: impl Future<Output = Result<T, Problem>>,
) -> Result<()> {
    let mut doing = pin!(doing);
    let id = until_under_way(house, work, doing.as_mut()).await?;
    let (done, cancelled) = tokio::join!(doing, house.engine.snapshot_cancel(one(&id)));
    cancelled?;
    assert_eq!(done.expect_err("it was called off").code, Code::Cancelled, "{work:?}");
    Ok(())
}

/// Whoever asked for some work goes away once it is under way.
async fn abandoned<T: std::fmt::Debug>(
    house: &House,
    work: SnapshotWork,
    doing: impl Future<Output = Result<T, Problem>>,
) -> Result<SnapshotId> {
    until_under_way(house, work, pin!(doing)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_or_abandoned_leaves_nothing() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("shop", &[("server.js", &server(3000, "kept"))])?;
    let made = house.ready(&zip).await?;
    let snapshot = house.snapshot(&made.id).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shop.snapshot");
    let exporting = || house.engine.snapshot_export(export(&snapshot.id, &path));
    called_off(&house, SnapshotWork::Export, exporting()).await?;
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "a cancelled export leaves no file");
    assert_eq!(abandoned(&house, SnapshotWork::Export, exporting()).await?, snapshot.id);
    wait_until("an abandoned export to leave no file", LONG, || async {
        Ok((fs::read_dir(folder.path())?.count() == 0).then_some(()))
    })
    .await?;
    exporting().await?;
    let images = house.images().await?;
    for work in [SnapshotWork::Check, SnapshotWork::Import] {
        let importing = || house.engine.snapshot_import(import(&path));
        called_off(&house, work, importing()).await?;
        assert_eq!(house.engine.snapshot_list(Nothing {}).await?.len(), 1, "{work:?}");
        assert_eq!(house.images().await?, images, "{work:?}");
        abandoned(&house, work, importing()).await?;
        wait_until("an abandoned import to leave nothing", LONG, || async {
            let rows = house.engine.snapshot_list(Nothing {}).await?.len();
            Ok((rows == 1 && house.images().await? == images).then_some(()))
        })
        .await?;
    }
    // Taking cannot be called off at Docker's; what came of it is taken back.
    called_off(&house, SnapshotWork::Take, house.engine.snapshot_create(create(&made.id))).await?;
    assert_eq!(house.images().await?, images);
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Running, "it goes on");
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_in_nobodys_way() -> Result<()> {
    let house = House::open().await?;
    let (snapshot, path) = exported(&house, NetworkProfile::Strict).await?;
    let before = fs::read(&path)?;
    let here = house.data.path();
    let link = here.join("link.snapshot");
    std::os::unix::fs::symlink(&path, &link)?;
    for (path, overwrite, code) in [
        (path.clone(), false, Code::AlreadyExists),
        (link, true, Code::Invalid),
        (here.to_owned(), true, Code::Invalid),
        (here.join("no/such/folder/x"), false, Code::NotFound),
        (here.join("../x"), false, Code::Invalid),
        (PathBuf::from("relative"), false, Code::Invalid),
    ] {
        let request = SnapshotExport { overwrite, ..export(&snapshot.id, &path) };
        let problem = house.engine.snapshot_export(request).await.expect_err("in the way");
        assert_eq!(problem.code, code, "{}: {problem:?}", path.display());
    }
    assert_eq!(fs::read(&path)?, before);
    fs::write(&path, "old")?;
    let request = SnapshotExport { overwrite: true, ..export(&snapshot.id, &path) };
    house.engine.snapshot_export(request).await?;
    // Twice the same name: the second gets a number, or the name that was asked for.
    let second = house.engine.snapshot_import(import(&path)).await?;
    assert_eq!(second.name, "small 2");
    let named = SnapshotImport { name: Some("mine".into()), ..import(&path) };
    assert_eq!(house.engine.snapshot_import(named).await?.name, "mine");
    assert!(fs::metadata(&path)?.len() > 1000);
    assert_eq!(house.engine.snapshot_start(start(&snapshot.id)).await?.snapshot, Some(snapshot.id.clone()));
    house.close_with_snapshots().await
}
