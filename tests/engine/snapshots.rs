//! Snapshots against the real Docker engine: what was changed is there again, what a crash or a lost database leaves is put
//! right, and what is deleted is gone.

use super::harness::{House, LONG, fetch, server};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, EventBody, LeaseChange, Nothing, PhaseName, PhaseState, Snapshot, SnapshotCreate,
    SnapshotEdit, SnapshotId, SnapshotRef, SnapshotStart, SnapshotState, Workspace, WorkspaceId,
    WorkspaceRef, WorkspaceState,
};
use std::collections::BTreeMap;

/// The plainest request for a snapshot.
pub(crate) fn create(id: &WorkspaceId) -> SnapshotCreate {
    SnapshotCreate { workspace: id.clone(), name: None, note: String::new(), force: false }
}

/// The plainest start of one.
pub(crate) fn start(id: &SnapshotId) -> SnapshotStart {
    SnapshotStart {
        id: id.clone(),
        name: None,
        duration_s: None,
        env: BTreeMap::new(),
        preset: None,
        network: None,
        restart: None,
        force: false,
    }
}

pub(crate) fn one(id: &SnapshotId) -> SnapshotRef {
    SnapshotRef { id: id.clone() }
}

impl House {
    pub(crate) async fn snapshot(&self, id: &WorkspaceId) -> Result<Snapshot> {
        Ok(self.engine.snapshot_create(create(id)).await?)
    }

    /// Starts a snapshot and waits until it runs.
    pub(crate) async fn started(&self, id: &SnapshotId) -> Result<Workspace> {
        let made = self.engine.snapshot_start(start(id)).await?;
        self.wait_for(&made.id, WorkspaceState::Running).await
    }

    pub(crate) async fn answers(&self, workspace: &Workspace) -> Result<String> {
        let view = wait_until("a URL", LONG, || async {
            self.status(&workspace.id).await.map(|v| v.url.clone().map(|_| v))
        });
        let (status, body) = fetch(&view.await?.url.context("a URL")?).await?;
        ensure!(status == 200, "{status}: {body}");
        Ok(body)
    }

    pub(crate) async fn gone(&self, id: &WorkspaceId) -> Result<()> {
        self.engine.workspace_remove(WorkspaceRef { id: id.clone() }).await?;
        Ok(())
    }

    /// Images with this house's label that are snapshots.
    pub(crate) async fn images(&self) -> Result<Vec<String>> {
        let ours = format!("label=slipway.instance={}", containers::instance(self.data.path())?);
        let named = "label=slipway.snapshot";
        let listed =
            docker(&["images", "--quiet", "--no-trunc", "--filter", &ours, "--filter", named]).await?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Removes what snapshots a test leaves, then all the rest.
    pub(crate) async fn close_with_snapshots(self) -> Result<()> {
        for view in self.engine.workspace_list(Nothing {}).await? {
            self.gone(&view.id).await?;
        }
        for snapshot in self.engine.snapshot_list(Nothing {}).await? {
            self.engine.snapshot_remove(one(&snapshot.id)).await?;
        }
        let left = self.images().await?;
        ensure!(left.is_empty(), "{left:?} are left");
        self.close().await
    }
}

pub(crate) fn site(house: &House) -> Result<std::path::PathBuf> {
    // Answers with what a file says, which a test changes.
    let answer = "require('http').createServer((q, r) => r.end(require('fs').readFileSync('word.txt'))).listen(3000, '127.0.0.1')";
    house.zip("shop", &[("server.js", answer), ("word.txt", "first")])
}

async fn write(house: &House, id: &WorkspaceId, text: &str) -> Result<()> {
    let command = format!(
        "printf %s {text} > /workspace/word.txt && chmod 600 /workspace/word.txt && rm -f /workspace/gone.txt"
    );
    let (_, err, exit) = house.run(id, &["sh", "-c", &command]).await?;
    ensure!(exit.code == Some(0), "{err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_starts_again_with_what_was_changed() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    write(&house, &made.id, "second").await?;
    let request = SnapshotCreate {
        name: Some("before the upgrade".into()),
        note: "keep this".into(),
        ..create(&made.id)
    };
    let snapshot = house.engine.snapshot_create(request).await?;
    assert_eq!((snapshot.name.as_str(), snapshot.note.as_str()), ("before the upgrade", "keep this"));
    assert_eq!((snapshot.state, snapshot.port), (SnapshotState::Ready, Some(3000)));
    assert!(snapshot.progress.is_none() && snapshot.used_by.is_empty() && snapshot.bytes > 0, "{snapshot:?}");
    // The workspace went on, and nobody thinks that something else paused it.
    write(&house, &made.id, "third").await?;
    assert_eq!(house.answers(&made).await?, "third");
    let told = house.told(&made.id).await?;
    assert!(!told.iter().any(|m| m.text.contains("Paused")), "{told:?}");
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Running);

    let again = house.started(&snapshot.id).await?;
    assert_eq!(house.answers(&again).await?, "second");
    assert_eq!(again.snapshot.as_ref(), Some(&snapshot.id));
    assert_ne!(again.id, made.id);
    let state = |name| again.phases.iter().find(|p| p.name == name).map(|p| p.state);
    assert_eq!(state(PhaseName::Install), Some(PhaseState::Skipped));
    assert_eq!(state(PhaseName::Start), Some(PhaseState::Done));
    let (out, ..) = house.run(&again.id, &["stat", "-c", "%a %u", "/workspace/word.txt"]).await?;
    assert_eq!(out.trim(), "600 1000");
    let used_by = house.engine.snapshot_status(one(&snapshot.id)).await?.used_by;
    assert_eq!(used_by.iter().collect::<Vec<_>>(), [&again.id]);
    // Its own stop and start are those of any workspace.
    house.engine.workspace_stop(WorkspaceRef { id: again.id.clone() }).await?;
    house.engine.workspace_start(WorkspaceRef { id: again.id.clone() }).await?;
    let running = house.wait_for(&again.id, WorkspaceState::Running).await?;
    assert_eq!(house.answers(&running).await?, "second");
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_stopped_and_expired_workspaces_give_snapshots_too() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    write(&house, &made.id, "paused").await?;
    house.lease(&made.id, LeaseChange::Pause).await?;
    let paused = house.snapshot(&made.id).await?;
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Paused, "it stays paused");
    house.lease(&made.id, LeaseChange::Resume).await?;
    write(&house, &made.id, "stopped").await?;
    house.engine.workspace_stop(WorkspaceRef { id: made.id.clone() }).await?;
    let stopped = house.snapshot(&made.id).await?;
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Stopped);
    house.engine.workspace_start(WorkspaceRef { id: made.id.clone() }).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    house.lease(&made.id, LeaseChange::Expire).await?;
    house.wait_for(&made.id, WorkspaceState::Stopped).await?;
    let expired = house.snapshot(&made.id).await?;
    // Names are told apart by a number.
    assert_eq!([&paused.name, &stopped.name, &expired.name], ["shop", "shop 2", "shop 3"]);
    house.gone(&made.id).await?;
    for (snapshot, word) in [(&paused, "paused"), (&expired, "stopped")] {
        let again = house.started(&snapshot.id).await?;
        assert_eq!(house.answers(&again).await?, word);
        house.gone(&again.id).await?;
    }
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_in_use_is_not_deleted_and_a_deleted_one_is_gone() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    let first = house.snapshot(&made.id).await?;
    let again = house.started(&first.id).await?;
    let problem = house.engine.snapshot_remove(one(&first.id)).await.expect_err("it is used");
    assert_eq!(problem.code, Code::WrongState);
    assert!(problem.message.contains(again.id.as_str()), "{problem}");
    assert!(problem.hint.is_some_and(|hint| hint.contains(again.id.as_str())));
    // A snapshot of what came from a snapshot does not need the first one.
    write(&house, &again.id, "child").await?;
    let child = house.snapshot(&again.id).await?;
    house.gone(&again.id).await?;
    let mut events = house.engine.events(None);
    house.engine.snapshot_remove(one(&first.id)).await?;
    let removed = async {
        while let Some(event) = events.next().await {
            if event.body == EventBody::SnapshotRemoved(first.id.clone()) {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, removed).await.context("its removal was not told")?;
    let code = house.engine.snapshot_status(one(&first.id)).await.expect_err("it is gone").code;
    assert_eq!(code, Code::NotFound);
    assert_eq!(house.engine.snapshot_start(start(&first.id)).await.expect_err("gone").code, Code::NotFound);
    let again = house.started(&child.id).await?;
    assert_eq!(house.answers(&again).await?, "child");
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_and_leaves_nothing() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    let kept = house
        .engine
        .snapshot_create(SnapshotCreate { name: Some("kept".into()), ..create(&made.id) })
        .await?;
    let other = house.snapshot(&made.id).await?;
    for (request, code) in [
        (SnapshotCreate { name: Some("kept".into()), ..create(&made.id) }, Code::AlreadyExists),
        (SnapshotCreate { name: Some("  ".into()), ..create(&made.id) }, Code::Invalid),
        (SnapshotCreate { name: Some("a\u{7}b".into()), ..create(&made.id) }, Code::Invalid),
        (SnapshotCreate { note: "x".repeat(2001), ..create(&made.id) }, Code::Invalid),
        (create(&"nobody-a1b2".parse()?), Code::NotFound),
    ] {
        let said = format!("{request:?}");
        assert_eq!(house.engine.snapshot_create(request).await.expect_err(&said).code, code, "{said}");
    }
    let edit = |name: Option<&str>, note: Option<&str>| SnapshotEdit {
        id: other.id.clone(),
        name: name.map(str::to_owned),
        note: note.map(str::to_owned),
    };
    assert_eq!(
        house.engine.snapshot_edit(edit(Some("kept"), None)).await.expect_err("taken").code,
        Code::AlreadyExists
    );
    let edited = house.engine.snapshot_edit(edit(Some("renamed"), Some("noted"))).await?;
    assert_eq!((edited.name.as_str(), edited.note.as_str()), ("renamed", "noted"));
    assert_eq!(house.engine.snapshot_cancel(one(&kept.id)).await.expect_err("idle").code, Code::WrongState);
    // One whose container is gone has nothing to take.
    for container in house.containers().await? {
        docker(&["rm", "--force", &container]).await?;
    }
    wait_until("the loss to be seen", LONG, || async {
        Ok((house.status(&made.id).await?.state == WorkspaceState::Terminated).then_some(()))
    })
    .await?;
    assert_eq!(
        house.engine.snapshot_create(create(&made.id)).await.expect_err("gone").code,
        Code::WrongState
    );
    assert_eq!(house.engine.snapshot_list(Nothing {}).await?.len(), 2);
    assert_eq!(house.images().await?.len(), 2);
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_is_put_into_an_older_snapshot() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    write(&house, &made.id, "old").await?;
    let snapshot = house.snapshot(&made.id).await?;
    house.gone(&made.id).await?;
    let data = house.leave().await;
    // The same agent with a byte more at its end is another agent.
    let mut config = slipway_tests::engine::config(data.path())?;
    let newer = data.path().join("newer-agent");
    let mut bytes = std::fs::read(&config.agents[0].path)?;
    bytes.push(0);
    std::fs::write(&newer, &bytes)?;
    std::fs::set_permissions(&newer, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    config.agents[0].path = newer;
    let house = House { engine: slipway_engine::Engine::open(config).await?, data };
    let again = house.started(&snapshot.id).await?;
    assert_eq!(house.answers(&again).await?, "old");
    let (size, ..) = house.run(&again.id, &["stat", "-c", "%s", "/.slipway/agent"]).await?;
    assert_eq!(size.trim().parse::<usize>()?, bytes.len());
    assert_eq!(house.images().await?.len(), 2, "the snapshot, and one prepared of it");
    // Taken again, it holds the new one; and what was prepared goes with the snapshot it was prepared of.
    house.gone(&again.id).await?;
    house.engine.snapshot_remove(one(&snapshot.id)).await?;
    assert!(house.images().await?.is_empty(), "{:?}", house.images().await?);
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_loses_no_snapshot_and_look_alikes_stay_what_they_are() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    write(&house, &made.id, "adopted").await?;
    let request = SnapshotCreate { name: Some("precious".into()), note: "a note".into(), ..create(&made.id) };
    let snapshot = house.engine.snapshot_create(request).await?;
    house.gone(&made.id).await?;
    let instance = containers::instance(house.data.path())?;
    // By name, by some labels, by all labels under another tag, and of another Slipway.
    let marks = format!("slipway-snapshot/{instance}");
    let alike = [
        (format!("{marks}:alike-name"), vec![]),
        (
            format!("{marks}:alike-some"),
            vec![format!("slipway.instance={instance}"), "slipway.role=snapshot".into()],
        ),
        (
            format!("alike/{instance}:all"),
            vec![
                format!("slipway.instance={instance}"),
                "slipway.role=snapshot".into(),
                "slipway.snapshot=alike-all".into(),
            ],
        ),
        (
            format!("{marks}:alike-else"),
            vec![
                "slipway.instance=someoneelse00000".into(),
                "slipway.role=snapshot".into(),
                "slipway.snapshot=alike-else".into(),
            ],
        ),
    ];
    let container = docker(&["create", "node:24-alpine", "true"]).await?;
    for (tag, labels) in &alike {
        let mut commit = vec!["commit".to_owned()];
        for label in labels {
            commit.extend(["--change".to_owned(), format!("LABEL {label}")]);
        }
        commit.extend([container.trim().to_owned(), tag.clone()]);
        docker(&commit.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    docker(&["rm", container.trim()]).await?;
    let data = house.leave().await;
    for suffix in ["", "-wal", "-shm"] {
        let path = data.path().join(format!("slipway.db{suffix}"));
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    let house = House::reopen(data).await?;
    let found = wait_until("the snapshot", LONG, || async {
        Ok(house.engine.snapshot_list(Nothing {}).await?.into_iter().next())
    })
    .await?;
    assert_eq!(
        (found.id.clone(), found.name.as_str(), found.note.as_str()),
        (snapshot.id.clone(), "precious", "a note")
    );
    assert_eq!((found.state, found.port, found.bytes), (SnapshotState::Ready, Some(3000), snapshot.bytes));
    assert_eq!(found.plan, snapshot.plan);
    let again = house.started(&found.id).await?;
    assert_eq!(house.answers(&again).await?, "adopted");
    assert_eq!(house.engine.snapshot_list(Nothing {}).await?.len(), 1, "no look-alike is ours");
    house.gone(&again.id).await?;
    house.engine.snapshot_remove(one(&found.id)).await?;
    for (tag, _) in &alike {
        docker(&["image", "inspect", tag]).await.with_context(|| format!("{tag} was touched"))?;
        docker(&["rmi", tag]).await?;
    }
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_environment_is_in_no_label() -> Result<()> {
    let house = House::open().await?;
    let zip =
        house.zip("env", &[("server.js", &server(3000, "x").replace("\"x\"", "process.env.SECRET"))])?;
    let mut request = super::harness::request(&zip);
    request.env.insert("SECRET".into(), "canary-4711".into());
    let made = house.engine.workspace_deploy(request).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let snapshot = house.snapshot(&made.id).await?;
    for image in house.images().await? {
        ensure!(
            !docker(&["image", "inspect", &image]).await?.contains("canary"),
            "the secret is in the image"
        );
    }
    // The row has it: what is started has it again.
    let again = house.started(&snapshot.id).await?;
    assert!(house.answers(&again).await?.starts_with("canary-4711"));
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_volume_are_not_left_out_unsaid() -> Result<()> {
    let house = House::open().await?;
    let instance = containers::instance(house.data.path())?;
    let tag = containers::image_with_volume(&instance, "/data").await?;
    let deploy =
        slipway_wire::DeployRequest { image: Some(tag.clone()), ..super::harness::request(&site(&house)?) };
    let made = house.engine.workspace_deploy(deploy).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let problem = house.engine.snapshot_create(create(&made.id)).await.expect_err("a volume");
    assert!(problem.message.contains("/data") && problem.hint.is_some(), "{problem}");
    assert!(house.engine.snapshot_list(Nothing {}).await?.is_empty());
    house.gone(&made.id).await?;
    docker(&["rmi", &tag]).await?;
    house.close_with_snapshots().await
}
