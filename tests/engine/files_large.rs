//! Files that are worth lanes of their own: every byte in its place, whole or not at all, and what a cut left goes on.

use super::{
    files::hex,
    harness::{House, random, server},
};
use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};
use slipway_engine::{Transfer, Upload, arrived};
use slipway_tests::wait_until;
use slipway_wire::{Api, Code, DigestFile, FileRef, LeaseChange, LeaseRequest, WorkspaceId, WorkspaceRef};
use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::FileExt as _,
    process::Stdio,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

const MB: usize = 1 << 20;
/// Some stripes, and a last one that is not full.
const SIZE: usize = 70 * MB + 12_345;
const PATIENCE: Duration = Duration::from_mins(2);

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("hold", &[("server.js", &server(3000, "hold"))])?).await?.id)
}

fn here(content: &[u8]) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(content)?;
    Ok(file)
}

fn upload(offset: usize) -> Upload {
    Upload {
        mode: Some(0o440),
        size: SIZE as u64,
        offset: offset as u64,
        resumable: true,
        if_modified_ms: None,
    }
}

async fn same(house: &House, file: &FileRef, content: &[u8]) -> Result<()> {
    let asked = DigestFile { id: file.id.clone(), path: file.path.clone(), length: None, partial: false };
    let digest = house.engine.file_digest(asked).await?;
    let expected = hex(&Sha256::digest(content));
    ensure!(digest.sha256 == expected, "other bytes are there, {} of {}", digest.size, content.len());
    Ok(())
}

/// How many lanes are at work in the workspace's container.
async fn lanes(house: &House, id: &WorkspaceId) -> Result<usize> {
    Ok(house
        .run(id, &["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])
        .await?
        .0
        .matches(" lane ")
        .count())
}

/// Waits until Docker has told since then so often that a program was made, or started, in the workspace's container.
async fn starts(id: &WorkspaceId, since: &str, events: usize) -> Result<()> {
    let mut told = Command::new("docker")
        .args(["events", "--since", since, "--filter", "event=exec_create", "--filter", "event=exec_start"])
        .args(["--filter", &format!("label=slipway.workspace={id}")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(told.stdout.take().context("its output")?).lines();
    for _ in 0..events {
        lines.next_line().await?.context("Docker tells no more")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_there_and_comes_back_over_lanes() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let content = random(SIZE)?;
    // Neither its folder nor a name of text.
    let file = FileRef { id: id.clone(), path: r"/workspace/new/a\xff b".to_owned() };
    let transfer = Arc::<Transfer>::default();
    let sent = house.engine.send_file(&file, upload(0), here(&content)?, Arc::clone(&transfer)).await?;
    assert_eq!((sent.size, sent.mode), (SIZE as u64, 0o440));
    assert_eq!(transfer.moved.load(Ordering::Relaxed), SIZE as u64);
    same(&house, &file, &content).await?;
    assert_eq!(
        house.run(&id, &["sh", "-c", "ls -A new | wc -l"]).await?.0,
        "1\n",
        "nothing is left beside it"
    );
    let (back, transfer) = (tempfile::tempfile()?, Arc::<Transfer>::default());
    // What is there already stays.
    back.write_all_at(&content[..5 * MB - 1], 0)?;
    let at = (5 * MB - 1) as u64;
    house.engine.fetch_file(&file, at, SIZE as u64, back.try_clone()?, Arc::clone(&transfer)).await?;
    assert_eq!(transfer.moved.load(Ordering::Relaxed), SIZE as u64 - at);
    let mut read = vec![0; SIZE];
    back.read_exact_at(&mut read, 0)?;
    assert!(back.metadata()?.len() == SIZE as u64 && read == *content, "other bytes came back");
    assert_eq!(lanes(&house, &id).await?, 0, "no lane outlives its file");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_left_of_a_large_file_goes_on_from_its_first_hole() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let content = random(SIZE)?;
    let file = FileRef { id: id.clone(), path: "/workspace/large.bin".to_owned() };
    let from = here(&content)?;
    let there = loop {
        let transfer = Arc::<Transfer>::default();
        let sending = house.engine.send_file(&file, upload(0), from.try_clone()?, Arc::clone(&transfer));
        // Dropped in the middle: as when whoever asked for it is gone.
        let cut = async {
            while transfer.moved.load(Ordering::Relaxed) < 40 * MB as u64 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = sending => ensure!(done.is_err(), "it was not cut"),
            () = cut => {}
        }
        let id = id.clone();
        let asked = DigestFile { id, path: file.path.clone(), length: None, partial: true };
        // The agent may still be closing what it had.
        match house.engine.file_digest(asked).await {
            Ok(there) => break there,
            Err(problem) => ensure!(problem.code == Code::NotFound, "{problem}"),
        }
    };
    let part = there.size as usize;
    ensure!((MB..SIZE).contains(&part), "{part} bytes arrived");
    let expected = hex(&Sha256::digest(&content[..part]));
    assert_eq!(there.sha256, expected, "there is a hole in what arrived");
    assert_eq!(house.engine.file_stat(file.clone()).await.expect_err("not whole").code, Code::NotFound);
    let sent = loop {
        let again =
            house.engine.send_file(&file, upload(part), from.try_clone()?, Arc::<Transfer>::default()).await;
        match again {
            Err(problem) if problem.code == Code::WrongState => tokio::task::yield_now().await,
            done => break done?,
        }
    };
    assert_eq!(sent.size, SIZE as u64);
    same(&house, &file, &content).await?;
    // The same the other way.
    let (back, transfer) = (tempfile::tempfile()?, Arc::<Transfer>::default());
    let fetching = house.engine.fetch_file(&file, 0, SIZE as u64, back.try_clone()?, Arc::clone(&transfer));
    let cut = async {
        while transfer.moved.load(Ordering::Relaxed) < 40 * MB as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = fetching => { done?; anyhow::bail!("it was not cut") }
        () = cut => {}
    }
    let came = arrived(&back)? as usize;
    ensure!((MB..SIZE).contains(&came), "{came} bytes came");
    let mut beginning = vec![0; came];
    back.read_exact_at(&mut beginning, 0)?;
    assert!(beginning == content[..came], "there is a hole in what came");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_is_cancelled_leaves_nothing_there_when_it_answers() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let file = FileRef { id: id.clone(), path: "/workspace/large.bin".to_owned() };
    let from = here(&random(SIZE)?)?;
    let transfer = Arc::<Transfer>::default();
    let upload = Upload { resumable: false, ..upload(0) };
    let sending = house.engine.send_file(&file, upload, from, Arc::clone(&transfer));
    let cancel = async {
        while transfer.moved.load(Ordering::Relaxed) < 10 * MB as u64 {
            tokio::task::yield_now().await;
        }
        transfer.cancel.cancel();
    };
    let (sent, ()) = timeout(PATIENCE, async { tokio::join!(sending, cancel) }).await?;
    assert_eq!(sent.expect_err("cancelled").code, Code::Cancelled);
    assert_eq!(house.run(&id, &["ls", "-A"]).await?.0, "server.js\n");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_cancelled_while_its_workspace_is_paused() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let lease = |change| house.engine.workspace_lease(LeaseRequest { id: id.clone(), change });
    let file = FileRef { id: id.clone(), path: "/workspace/large.bin".to_owned() };
    // More than there is time for; of nothing but holes, which is quickly made here.
    let from = tempfile::tempfile()?;
    from.set_len(8 << 30)?;
    let transfer = Arc::<Transfer>::default();
    let upload = Upload { resumable: false, size: 8 << 30, ..upload(0) };
    let sending = house.engine.send_file(&file, upload, from, Arc::clone(&transfer));
    let cancel = async {
        while transfer.moved.load(Ordering::Relaxed) < 10 * MB as u64 {
            tokio::task::yield_now().await;
        }
        let paused = lease(LeaseChange::Pause).await;
        transfer.cancel.cancel();
        paused
    };
    let (sent, paused) = timeout(PATIENCE, async { tokio::join!(sending, cancel) }).await?;
    paused?;
    assert_eq!(sent.expect_err("cancelled").code, Code::Cancelled);
    lease(LeaseChange::Resume).await?;
    wait_until("what came of it to go", PATIENCE, || async {
        Ok((house.run(&id, &["ls", "-A"]).await?.0 == "server.js\n").then_some(()))
    })
    .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_does_not_fit_is_refused_and_leaves_nothing() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    // A file system of its own with 64 MiB.
    let file = FileRef { id: id.clone(), path: "/dev/shm/large.bin".to_owned() };
    let from = here(&random(SIZE)?)?;
    let refused =
        timeout(PATIENCE, house.engine.send_file(&file, upload(0), from, Arc::<Transfer>::default())).await?;
    let problem = refused.err().context("it does not fit")?;
    assert_eq!(problem.code, Code::Limit, "{problem}");
    assert!(problem.message.contains("No space left"), "{problem}");
    assert_eq!(house.run(&id, &["ls", "-A", "/dev/shm"]).await?.0, "");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_told_to_be_cut_when_the_workspace_stops() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let file = FileRef { id: id.clone(), path: "/workspace/large.bin".to_owned() };
    let transfer = Arc::<Transfer>::default();
    let from = here(&random(SIZE)?)?;
    let sending = house.engine.send_file(&file, upload(0), from, Arc::clone(&transfer));
    let stop = async {
        while transfer.moved.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        house.engine.workspace_stop(WorkspaceRef { id: id.clone() }).await
    };
    let (sent, stopped) = timeout(PATIENCE, async { tokio::join!(sending, stop) }).await?;
    stopped?;
    assert_eq!(sent.expect_err("cut").code, Code::AgentLost);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_a_lane_that_is_being_started_and_the_file_for_the_pause() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let content = random(SIZE)?;
    let file = FileRef { id: id.clone(), path: "/workspace/large.bin".to_owned() };
    let lease = |change| LeaseRequest { id: id.clone(), change };
    for events in 0..=4 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64().to_string();
        let sending = house.engine.send_file(&file, upload(0), here(&content)?, Arc::<Transfer>::default());
        let pausing = async {
            starts(&id, &since, events).await?;
            house.engine.workspace_lease(lease(LeaseChange::Pause)).await?;
            anyhow::Ok(house.engine.workspace_lease(lease(LeaseChange::Resume)).await?)
        };
        let (sent, paused) = timeout(PATIENCE, async { tokio::join!(sending, pausing) }).await?;
        paused?;
        // It came before the pause or goes on after it; or there was no starting it then, which is said.
        match sent {
            Ok(_) => same(&house, &file, &content).await?,
            Err(problem) => ensure!(problem.code == Code::WrongState, "{problem}"),
        }
    }
    house.shell_answers(&id).await?;
    house.close().await
}
