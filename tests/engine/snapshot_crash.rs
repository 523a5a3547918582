//! What a crash leaves of snapshots, and what only looks as if one had left it.

use super::{
    harness::{House, LONG},
    snapshots::{one, site, start},
};
use anyhow::{Context, Result, ensure};
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{Api, Code, Nothing, Snapshot, SnapshotEdit, SnapshotId, SnapshotRef, SnapshotState};
use std::path::Path;

/// Changes what the database of a closed house says of a snapshot.
fn rewrite(data: &Path, id: &SnapshotId, from: &str, to: &str) -> Result<()> {
    let database = rusqlite::Connection::open(data.join("slipway.db"))?;
    let changed = database.execute(
        "UPDATE snapshot SET record = replace(record, ?1, ?2) WHERE id = ?3 AND instr(record, ?1) > 0",
        rusqlite::params![from, to, id.as_str()],
    )?;
    ensure!(changed == 1, "{changed} rows");
    Ok(())
}

/// The daemon has had all its time to make it.
fn begun_long_ago(data: &Path, snapshot: &Snapshot) -> Result<()> {
    let begun = format!("\"created_at_ms\":{}", snapshot.created_at_ms);
    rewrite(data, &snapshot.id, &begun, "\"created_at_ms\":1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_is_put_right() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    let snapshot = house.snapshot(&made.id).await?;
    let reference = format!("slipway-snapshot/{}:{}", containers::instance(house.data.path())?, snapshot.id);
    let state = |house: &House| {
        let engine = house.engine.clone();
        let id = snapshot.id.clone();
        async move { engine.snapshot_status(SnapshotRef { id }).await.map(|s| s.state) }
    };
    // Killed between the image and its row: the row says it is about to come, and it is there.
    let data = house.leave().await;
    rewrite(data.path(), &snapshot.id, "\"stand\":\"ready\"", "\"stand\":\"making\"")?;
    let house = House::reopen(data).await?;
    wait_until("it to be ready", LONG, || async {
        Ok((state(&house).await? == SnapshotState::Ready).then_some(()))
    })
    .await?;
    // Something else takes the tag away, and puts it back.
    docker(&["tag", &reference, "slipway-test-kept:1"]).await?;
    docker(&["rmi", &reference]).await?;
    let house = House::reopen(house.leave().await).await?;
    wait_until("its loss to be seen", LONG, || async {
        Ok((state(&house).await? == SnapshotState::Gone).then_some(()))
    })
    .await?;
    let problem = house.engine.snapshot_start(start(&snapshot.id)).await.expect_err("gone");
    assert!(problem.hint.is_some(), "{problem}");
    docker(&["tag", "slipway-test-kept:1", &reference]).await?;
    docker(&["rmi", "slipway-test-kept:1"]).await?;
    let house = House::reopen(house.leave().await).await?;
    wait_until("it to be found again", LONG, || async {
        Ok((state(&house).await? == SnapshotState::Ready).then_some(()))
    })
    .await?;
    // Killed while it was deleted.
    let data = house.leave().await;
    rewrite(data.path(), &snapshot.id, "\"stand\":\"ready\"", "\"stand\":\"removing\"")?;
    let house = House::reopen(data).await?;
    wait_until("it to be deleted", LONG, || async {
        Ok(house.engine.snapshot_list(Nothing {}).await?.is_empty().then_some(()))
    })
    .await?;
    assert!(house.images().await?.is_empty());
    // Killed before there was an image.
    let snapshot = house.snapshot(&made.id).await?;
    let data = house.leave().await;
    rewrite(data.path(), &snapshot.id, "\"stand\":\"ready\"", "\"stand\":\"making\"")?;
    begun_long_ago(data.path(), &snapshot)?;
    let reference = format!("slipway-snapshot/{}:{}", containers::instance(data.path())?, snapshot.id);
    docker(&["rmi", &reference]).await?;
    let house = House::reopen(data).await?;
    wait_until("what never came to be to be forgotten", LONG, || async {
        Ok(house.engine.snapshot_list(Nothing {}).await?.is_empty().then_some(()))
    })
    .await?;
    house.close_with_snapshots().await
}

/// An image with all labels of a snapshot and no tag, as a cut commit leaves one, or `docker build` upon the snapshot.
async fn untagged(instance: &str, id: &str) -> Result<String> {
    let container = docker(&["create", "node:24-alpine", "true"]).await?;
    let mut commit = vec!["commit".to_owned()];
    for label in [
        format!("slipway.instance={instance}"),
        "slipway.role=snapshot".to_owned(),
        format!("slipway.snapshot={id}"),
    ] {
        commit.extend(["--change".to_owned(), format!("LABEL {label}")]);
    }
    commit.push(container.trim().to_owned());
    let made = docker(&commit.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    docker(&["rm", container.trim()]).await?;
    Ok(made.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untagged_image_is_only_removed_when_its_row_says_it_was_never_finished() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    let (cut, kept, gone) =
        (house.snapshot(&made.id).await?, house.snapshot(&made.id).await?, house.snapshot(&made.id).await?);
    let instance = containers::instance(house.data.path())?;
    let without_row = untagged(&instance, "cut-short").await?;
    let built_upon =
        [untagged(&instance, kept.id.as_str()).await?, untagged(&instance, gone.id.as_str()).await?];
    let data = house.leave().await;
    // Killed while Docker made it: there is an image, and no tag yet.
    docker(&["rmi", &format!("slipway-snapshot/{instance}:{}", cut.id)]).await?;
    let unfinished = untagged(&instance, cut.id.as_str()).await?;
    rewrite(data.path(), &cut.id, "\"stand\":\"ready\"", "\"stand\":\"making\"")?;
    rewrite(data.path(), &cut.id, &format!("\"bytes\":{}", cut.bytes), "\"bytes\":0")?;
    rewrite(data.path(), &gone.id, "\"stand\":\"ready\"", "\"stand\":\"removing\"")?;
    let house = House::reopen(data).await?;
    let ids = async |house: &House| -> Result<Vec<SnapshotId>> {
        Ok(house.engine.snapshot_list(Nothing {}).await?.into_iter().map(|found| found.id).collect())
    };
    wait_until("the deleted one to go", LONG, || async { Ok((ids(&house).await?.len() == 2).then_some(())) })
        .await?;
    // Docker may still be at it: its row stays, and its environment.
    let state = house.engine.snapshot_status(one(&cut.id)).await?.state;
    assert_eq!(state, SnapshotState::Making);
    docker(&["image", "inspect", &unfinished]).await.context("it was taken from Docker's hands")?;
    let data = house.leave().await;
    begun_long_ago(data.path(), &cut)?;
    let house = House::reopen(data).await?;
    wait_until("it to be given up", LONG, || async {
        Ok((ids(&house).await? == [kept.id.clone()]).then_some(()))
    })
    .await?;
    assert!(docker(&["image", "inspect", &unfinished]).await.is_err(), "it is left");
    for image in built_upon.iter().chain([&without_row]) {
        docker(&["image", "inspect", image]).await.context("somebody's image was removed")?;
        docker(&["rmi", image]).await?;
    }
    house.close_with_snapshots().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_being_made_is_deleted_by_hand_and_what_is_under_way_is_not_edited() -> Result<()> {
    let house = House::open().await?;
    let made = house.ready(&site(&house)?).await?;
    let snapshot = house.snapshot(&made.id).await?;
    let reference = format!("slipway-snapshot/{}:{}", containers::instance(house.data.path())?, snapshot.id);
    let edit = |id: &SnapshotId| SnapshotEdit { id: id.clone(), name: Some("other".into()), note: None };
    let path = house.data.path().join("shop.snapshot").to_string_lossy().into_owned();
    let export = slipway_wire::SnapshotExport { id: snapshot.id.clone(), path, overwrite: false };
    let mut exporting = Box::pin(house.engine.snapshot_export(export));
    let refused = wait_until("an edit to be refused", LONG, || async {
        Ok(match house.engine.snapshot_edit(edit(&snapshot.id)).await {
            Ok(_) => None,
            Err(problem) => Some(problem.code),
        })
    });
    tokio::select! {
        biased;
        done = &mut exporting => anyhow::bail!("too quick: {done:?}"),
        code = refused => assert_eq!(code?, Code::WrongState),
    }
    drop(exporting);
    let nobody = "nobody-a1b2".parse()?;
    assert_eq!(house.engine.snapshot_edit(edit(&nobody)).await.expect_err("none").code, Code::NotFound);
    let data = house.leave().await;
    rewrite(data.path(), &snapshot.id, "\"stand\":\"ready\"", "\"stand\":\"making\"")?;
    docker(&["rmi", &reference]).await?;
    let house = House::reopen(data).await?;
    house.engine.snapshot_remove(one(&snapshot.id)).await?;
    assert!(house.engine.snapshot_list(Nothing {}).await?.is_empty());
    house.close_with_snapshots().await
}
