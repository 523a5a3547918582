//! Watching a directory through the engine: what changes is told to everybody who asks, and nobody misses anything
//! without being told so.

use super::harness::{House, server};
use anyhow::Result;
use slipway_wire::{Api, Code, FileChange, FileChanges, WatchFiles, WorkspaceId, WriteText};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("keel", &[("server.js", &server(3000, "keel"))])?).await?.id)
}

fn ask(id: &WorkspaceId, after: Option<&str>) -> WatchFiles {
    WatchFiles { id: id.clone(), path: None, after: after.map(str::to_owned), wait_ms: Some(10_000) }
}

/// Asks until `seen` holds of a change; gives the cursor after it.
async fn until(
    house: &House,
    id: &WorkspaceId,
    mut after: String,
    seen: impl Fn(&FileChange) -> bool,
) -> Result<String> {
    let began = Instant::now();
    loop {
        let page = house.engine.file_watch(ask(id, Some(&after))).await?;
        assert!(!page.rescan, "nothing was missed: {page:?}");
        after = page.next;
        if page.changes.iter().any(&seen) {
            return Ok(after);
        }
        assert!(began.elapsed() < PATIENCE, "the change was never told");
    }
}

fn there(path: &str, size: u64) -> impl Fn(&FileChange) -> bool {
    move |change| change.path == path && change.entry.as_ref().is_some_and(|entry| entry.size == size)
}

fn gone(path: &str) -> impl Fn(&FileChange) -> bool {
    move |change| change.path == path && change.entry.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_to_everybody_who_asks() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let first = house.engine.file_watch(ask(&id, None)).await?;
    assert!(first.rescan && first.changes.is_empty() && first.unwatched.is_empty(), "{first:?}");
    house.run(&id, &["sh", "-c", "mkdir -p src/deep && echo hello > src/deep/new.txt"]).await?;
    let after = until(&house, &id, first.next.clone(), there("/workspace/src/deep/new.txt", 6)).await?;
    house
        .run(&id, &["sh", "-c", "mv src lib && rm lib/deep/new.txt; printf x > \"$(printf 'a\\nb\\377')\""])
        .await?;
    let after = until(&house, &id, after, gone("/workspace/src")).await?;
    // An edit through the engine is told like any other, and the temporary name never.
    let path = "/workspace/edited.txt".to_owned();
    let edit = WriteText { id: id.clone(), path: path.clone(), text: "1234567".into(), if_modified_ms: None };
    house.engine.file_write(edit).await?;
    let after = until(&house, &id, after, there(&path, 7)).await?;
    // A second client that began with the first one has everything told too.
    let mut cursor = first.next;
    let mut told: Vec<FileChange> = Vec::new();
    while cursor != after {
        let FileChanges { changes, next, .. } = house.engine.file_watch(ask(&id, Some(&cursor))).await?;
        told.extend(changes);
        cursor = next;
    }
    assert!(told.iter().any(there("/workspace/src/deep/new.txt", 6)), "{told:?}");
    assert!(told.iter().any(there("/workspace/a\\x0ab\\xff", 1)), "{told:?}");
    assert!(told.iter().all(|change| !change.path.contains(".slipway-")), "{told:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_directory_answers_when_the_wait_is_over_and_strangers_are_told_to_look_anew() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let first = house.engine.file_watch(ask(&id, None)).await?;
    let brief = WatchFiles { wait_ms: Some(50), ..ask(&id, Some(&first.next)) };
    let quiet = house.engine.file_watch(brief).await?;
    assert_eq!((quiet.changes.len(), quiet.rescan, &quiet.next), (0, false, &first.next));
    let stranger = house.engine.file_watch(ask(&id, Some("feedfeedfeedfeed-12"))).await?;
    assert!(stranger.rescan, "{stranger:?}");
    let nowhere = WatchFiles { path: Some("/workspace/nothing".into()), ..ask(&id, None) };
    assert_eq!(house.engine.file_watch(nowhere).await.expect_err("nothing is there").code, Code::NotFound);
    let file = WatchFiles { path: Some("/workspace/server.js".into()), ..ask(&id, None) };
    assert_eq!(house.engine.file_watch(file).await.expect_err("a file").code, Code::WrongState);
    house.close().await
}
