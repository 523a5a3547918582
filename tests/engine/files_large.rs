//! Large files, past Docker where this machine's kernel lets them, and over lanes where it does not: every byte in its place,
//! whole or not at all, and what a cut left goes on.

use super::{
    files::hex,
    harness::{House, random, server},
};
use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};
use slipway_engine::{Transfer, Upload, arrived};
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, DigestFile, FileRef, LeaseChange, LeaseRequest, WorkspaceId, WorkspaceRef,
    WorkspaceState,
};
use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::{FileExt as _, MetadataExt as _},
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
/// What is cut somewhere after its random beginning: nothing but holes, which are quickly made here.
const LONG_SIZE: usize = 1 << 30;
/// More than there is time for.
const ENDLESS: u64 = 8 << 30;
const PATIENCE: Duration = Duration::from_mins(2);

/// How a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From file to file, where this user may: root, and who has the number of the workspace's user.
    Direct,
    /// Over lanes, as into a volume: it is not of the container's own file system.
    Lanes,
}

/// Whether this user may look into programs of a workspace's.
fn may_look() -> Result<bool> {
    Ok([0, 1000].contains(&std::fs::metadata("/proc/self")?.uid()))
}

/// A workspace, and where in it large files go a certain way.
struct Place {
    house: House,
    id: WorkspaceId,
    way: Way,
    image: Option<String>,
}

impl Place {
    async fn open(way: Way) -> Result<Self> {
        let house = House::open().await?;
        let zip = house.zip("hold", &[("server.js", &server(3000, "hold"))])?;
        if way == Way::Direct {
            let id = house.ready(&zip).await?.id;
            return Ok(Self { house, id, way, image: None });
        }
        let image = containers::image_with_volume(&containers::instance(house.data.path())?, "/tmp").await?;
        let deploy = DeployRequest { image: Some(image.clone()), ..super::harness::request(&zip) };
        let id = house.engine.workspace_deploy(deploy).await?.id;
        house.wait_for(&id, WorkspaceState::Running).await?;
        Ok(Self { house, id, way, image: Some(image) })
    }

    fn folder(&self) -> &'static str {
        if self.way == Way::Direct { "/workspace/large" } else { "/tmp/large" }
    }

    fn file(&self, name: &str) -> FileRef {
        FileRef { id: self.id.clone(), path: format!("{}/{name}", self.folder()) }
    }

    /// How many programs carry a file.
    fn programs(&self) -> Result<usize> {
        if self.way == Way::Direct && may_look()? { Ok(1) } else { Ok(2) }
    }

    /// How many names there are beside the file, or in its place.
    async fn names(&self) -> Result<String> {
        let count = format!("ls -A {} | wc -l", self.folder());
        Ok(self.house.run(&self.id, &["sh", "-c", &count]).await?.0.trim().to_owned())
    }

    async fn close(self) -> Result<()> {
        if let Some(image) = &self.image {
            self.house.engine.workspace_remove(WorkspaceRef { id: self.id.clone() }).await?;
            docker(&["rmi", image]).await?;
        }
        self.house.close().await
    }
}

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

/// Whether a file there begins like this.
async fn same(house: &House, file: &FileRef, content: &[u8]) -> Result<()> {
    let length = Some(content.len() as u64);
    let asked = DigestFile { id: file.id.clone(), path: file.path.clone(), length, partial: false };
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

fn now() -> Result<String> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64().to_string())
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

async fn goes_there_and_comes_back(way: Way) -> Result<()> {
    let place = Place::open(way).await?;
    let house = &place.house;
    let content = random(SIZE)?;
    // Neither its folder nor a name of text.
    let file = place.file(r"new/a\xff b");
    let (transfer, since) = (Arc::<Transfer>::default(), now()?);
    let sent = house.engine.send_file(&file, upload(0), here(&content)?, Arc::clone(&transfer)).await?;
    assert_eq!((sent.size, sent.mode), (SIZE as u64, 0o440));
    assert_eq!(transfer.moved.load(Ordering::Relaxed), SIZE as u64);
    same(house, &file, &content).await?;
    let label = format!("label=slipway.workspace={}", place.id);
    let until = now()?;
    let told =
        ["events", "--since", &since, "--until", &until, "--filter", "event=exec_create", "--filter", &label];
    let programs = docker(&told).await?.matches(" lane into ").count();
    assert_eq!(programs, place.programs()?, "it went another way");
    let beside = format!("ls -A {}/new | wc -l", place.folder());
    assert_eq!(house.run(&place.id, &["sh", "-c", &beside]).await?.0, "1\n", "nothing is left beside it");
    let (back, transfer) = (tempfile::tempfile()?, Arc::<Transfer>::default());
    // What is there already stays.
    back.write_all_at(&content[..5 * MB - 1], 0)?;
    let at = (5 * MB - 1) as u64;
    house.engine.fetch_file(&file, at, SIZE as u64, back.try_clone()?, Arc::clone(&transfer)).await?;
    assert_eq!(transfer.moved.load(Ordering::Relaxed), SIZE as u64 - at);
    let mut read = vec![0; SIZE];
    back.read_exact_at(&mut read, 0)?;
    assert!(back.metadata()?.len() == SIZE as u64 && read == *content, "other bytes came back");
    assert_eq!(lanes(house, &place.id).await?, 0, "no lane outlives its file");
    // What is shorter than was said is told, whoever reads it.
    let short = house.engine.fetch_file(&file, 0, (SIZE + MB) as u64, tempfile::tempfile()?, Arc::default());
    let problem = short.await.expect_err("it is shorter");
    assert!(problem.code == Code::WrongState && problem.message.contains("shorter"), "{problem}");
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_there_and_comes_back_past_docker() -> Result<()> {
    goes_there_and_comes_back(Way::Direct).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_there_and_comes_back_over_lanes() -> Result<()> {
    goes_there_and_comes_back(Way::Lanes).await
}

/// Once so much of it went.
async fn once(transfer: &Transfer, bytes: usize) {
    while transfer.moved.load(Ordering::Relaxed) < bytes as u64 {
        tokio::task::yield_now().await;
    }
}

async fn cut_and_gone_on(way: Way) -> Result<()> {
    let place = Place::open(way).await?;
    let house = &place.house;
    let content = random(SIZE)?;
    let file = place.file("cut.bin");
    let from = here(&content)?;
    from.set_len(LONG_SIZE as u64)?;
    let upload = |offset| Upload { size: LONG_SIZE as u64, ..upload(offset) };
    let there = loop {
        let transfer = Arc::<Transfer>::default();
        let sending = house.engine.send_file(&file, upload(0), from.try_clone()?, Arc::clone(&transfer));
        // Dropped in the middle: as when whoever asked for it is gone.
        tokio::select! {
            done = sending => ensure!(done.is_err(), "it was not cut"),
            () = once(&transfer, 40 * MB) => {}
        }
        let id = place.id.clone();
        let asked = DigestFile { id, path: file.path.clone(), length: Some(MB as u64), partial: true };
        // The agent may still be closing what it had.
        match house.engine.file_digest(asked).await {
            Ok(there) => break there,
            Err(problem) => ensure!(problem.code == Code::NotFound, "{problem}"),
        }
    };
    let part = there.size as usize;
    ensure!((MB..LONG_SIZE).contains(&part), "{part} bytes arrived");
    assert_eq!(there.sha256, hex(&Sha256::digest(&content[..MB])));
    let known = part.min(SIZE);
    let (id, path) = (place.id.clone(), file.path.clone());
    let asked = DigestFile { id, path, length: Some(known as u64), partial: true };
    let beginning = house.engine.file_digest(asked).await?;
    assert_eq!(beginning.sha256, hex(&Sha256::digest(&content[..known])), "there is a hole in what arrived");
    assert_eq!(house.engine.file_stat(file.clone()).await.expect_err("not whole").code, Code::NotFound);
    let sent = loop {
        let again = house.engine.send_file(&file, upload(known), from.try_clone()?, Arc::default());
        match again.await {
            Err(problem) if problem.code == Code::WrongState => tokio::task::yield_now().await,
            done => break done?,
        }
    };
    assert_eq!(sent.size, LONG_SIZE as u64);
    same(house, &file, &content).await?;
    // The same the other way.
    let (back, transfer) = (tempfile::tempfile()?, Arc::<Transfer>::default());
    let end = LONG_SIZE as u64;
    let fetching = house.engine.fetch_file(&file, 0, end, back.try_clone()?, Arc::clone(&transfer));
    tokio::select! {
        done = fetching => { done?; anyhow::bail!("it was not cut") }
        () = once(&transfer, 40 * MB) => {}
    }
    let came = arrived(&back)? as usize;
    ensure!((MB..LONG_SIZE).contains(&came), "{came} bytes came");
    let mut beginning = vec![0; came.min(SIZE)];
    back.read_exact_at(&mut beginning, 0)?;
    assert!(beginning == content[..came.min(SIZE)], "there is a hole in what came");
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_left_of_a_large_file_goes_on_past_docker() -> Result<()> {
    cut_and_gone_on(Way::Direct).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_left_of_a_large_file_goes_on_over_lanes_from_its_first_hole() -> Result<()> {
    cut_and_gone_on(Way::Lanes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_is_cancelled_leaves_nothing_there_when_it_answers() -> Result<()> {
    for way in [Way::Direct, Way::Lanes] {
        let place = Place::open(way).await?;
        let from = here(&random(SIZE)?)?;
        from.set_len(ENDLESS)?;
        let transfer = Arc::<Transfer>::default();
        let upload = Upload { resumable: false, size: ENDLESS, ..upload(0) };
        let file = place.file("cancelled.bin");
        let sending = place.house.engine.send_file(&file, upload, from, Arc::clone(&transfer));
        let cancel = async {
            once(&transfer, 10 * MB).await;
            transfer.cancel.cancel();
        };
        let (sent, ()) = timeout(PATIENCE, Box::pin(async { tokio::join!(sending, cancel) })).await?;
        assert_eq!(sent.expect_err("cancelled").code, Code::Cancelled);
        assert_eq!(place.names().await?, "0");
        place.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_cancelled_while_its_workspace_is_paused() -> Result<()> {
    for way in [Way::Direct, Way::Lanes] {
        let place = Place::open(way).await?;
        let (house, id) = (&place.house, &place.id);
        let lease = |change| house.engine.workspace_lease(LeaseRequest { id: id.clone(), change });
        let from = tempfile::tempfile()?;
        from.set_len(ENDLESS)?;
        let transfer = Arc::<Transfer>::default();
        let upload = Upload { resumable: false, size: ENDLESS, ..upload(0) };
        let file = place.file("cancelled.bin");
        let sending = house.engine.send_file(&file, upload, from, Arc::clone(&transfer));
        let cancel = async {
            once(&transfer, 10 * MB).await;
            let paused = lease(LeaseChange::Pause).await;
            transfer.cancel.cancel();
            paused
        };
        let (sent, paused) = timeout(PATIENCE, Box::pin(async { tokio::join!(sending, cancel) })).await?;
        paused?;
        assert_eq!(sent.expect_err("cancelled").code, Code::Cancelled);
        lease(LeaseChange::Resume).await?;
        wait_until("what came of it to go", PATIENCE, || async {
            Ok((place.names().await? == "0").then_some(()))
        })
        .await?;
        place.close().await?;
    }
    Ok(())
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
    for way in [Way::Direct, Way::Lanes] {
        let place = Place::open(way).await?;
        let (house, id) = (&place.house, place.id.clone());
        let transfer = Arc::<Transfer>::default();
        let from = tempfile::tempfile()?;
        from.set_len(ENDLESS)?;
        let (file, upload) = (place.file("stopped.bin"), Upload { size: ENDLESS, ..upload(0) });
        let sending = house.engine.send_file(&file, upload, from, Arc::clone(&transfer));
        let stop = async {
            once(&transfer, 1).await;
            house.engine.workspace_stop(WorkspaceRef { id }).await
        };
        let (sent, stopped) = timeout(PATIENCE, Box::pin(async { tokio::join!(sending, stop) })).await?;
        stopped?;
        assert_eq!(sent.expect_err("cut").code, Code::AgentLost);
        place.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_a_lane_that_is_being_started_and_the_file_for_the_pause() -> Result<()> {
    for way in [Way::Direct, Way::Lanes] {
        let place = Place::open(way).await?;
        let (house, id) = (&place.house, &place.id);
        let content = random(SIZE)?;
        let file = place.file("paused.bin");
        let lease = |change| LeaseRequest { id: id.clone(), change };
        for events in 0..=2 * place.programs()? {
            let since = now()?;
            let sending = house.engine.send_file(&file, upload(0), here(&content)?, Arc::default());
            let pausing = async {
                starts(id, &since, events).await?;
                house.engine.workspace_lease(lease(LeaseChange::Pause)).await?;
                anyhow::Ok(house.engine.workspace_lease(lease(LeaseChange::Resume)).await?)
            };
            let (sent, paused) =
                timeout(PATIENCE, Box::pin(async { tokio::join!(sending, pausing) })).await?;
            paused?;
            // It came before the pause or goes on after it; or there was no starting it then, which is said.
            match sent {
                Ok(_) => same(house, &file, &content).await?,
                Err(problem) => ensure!(problem.code == Code::WrongState, "{problem}"),
            }
        }
        house.shell_answers(id).await?;
        place.close().await?;
    }
    Ok(())
}
