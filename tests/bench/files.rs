//! Files in and out by `slipway cp`, beside `docker cp` of the same files in the same run, taken in turn: one of 1 GB both
//! ways, and 10,000 of together 100 MB as a folder. What both write is synced and removed before the next.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{
    deploys::slipway,
    figures::{Samples, figure, ratio},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_tests::{containers, containers::docker, project};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const LARGE: u64 = 1_000_000_000;
const FILES: usize = 10_000;
const FILE: usize = 10_000;
const RUNS: usize = 3;

pub(crate) async fn run() -> Result<()> {
    let data = tempfile::tempdir()?;
    let result = measure(data.path()).await;
    slipway(data.path(), &["rm", "--all", "--yes"])?;
    super::resident::end_owner(data.path())?;
    containers::remove_all(data.path()).await?;
    result
}

/// A workspace and its container, for the rival.
struct Both<'a> {
    data: &'a Path,
    id: String,
    container: String,
}

async fn measure(data: &Path) -> Result<()> {
    slipway(data, &["settings", "set", "pool_size", "0"])?;
    let zip = project::zip_sample("node-hello", data)?;
    let printed = slipway(data, &["deploy", "--json", &zip.to_string_lossy()])?;
    let last: Value = serde_json::from_str(printed.lines().last().context("a last line")?)?;
    let id = last["id"].as_str().context("an id")?.to_owned();
    let instance = containers::instance(data)?;
    let filter = format!("label=slipway.instance={instance}");
    let container = docker(&["ps", "--quiet", "--filter", &filter]).await?.trim().to_owned();
    ensure!(!container.contains('\n'), "one container is expected: {container}");
    let both = Both { data, id, container };
    large(&both).await?;
    many(&both).await
}

async fn large(both: &Both<'_>) -> Result<()> {
    println!("one file of 1 GB, random bytes, {RUNS} times in turn");
    let here = both.data.join("large");
    let mut file = File::create(&here)?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut block = vec![0; 1 << 20];
    let mut left = LARGE;
    while left > 0 {
        random.fill(&mut block);
        let part = left.min(block.len() as u64) as usize;
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    drop(file);
    let (mut up, mut docker_up, mut down, mut docker_down) =
        (Samples::new(), Samples::new(), Samples::new(), Samples::new());
    let (text, back) = (here.to_string_lossy().into_owned(), both.data.join("back"));
    let back_text = back.to_string_lossy().into_owned();
    for _ in 0..RUNS {
        settle();
        up.add(both.ours(&[&text, &format!("{}:ours", both.id)])?);
        settle();
        docker_up.add(rival(&[&text, &format!("{}:/workspace/theirs", both.container)])?);
        settle();
        down.add(both.ours(&[&format!("{}:ours", both.id), &back_text])?);
        fs::remove_file(&back)?;
        settle();
        docker_down.add(rival(&[&format!("{}:/workspace/theirs", both.container), &back_text])?);
        fs::remove_file(&back)?;
        docker(&["exec", &both.container, "rm", "/workspace/ours", "/workspace/theirs"]).await?;
    }
    fs::remove_file(&here)?;
    up.print("slipway cp, up");
    docker_up.print("docker cp, up");
    down.print("slipway cp, down");
    docker_down.print("docker cp, down");
    for (name, samples) in [("up", &up), ("down", &down)] {
        figure(
            &format!("slipway cp, {name}"),
            LARGE as f64 / 1000.0 / samples.median(),
            "MB/s",
            "at least 150",
        );
    }
    ratio("slipway / docker, up", &up, &docker_up, 1.0);
    ratio("slipway / docker, down", &down, &docker_down, 1.0);
    println!();
    Ok(())
}

async fn many(both: &Both<'_>) -> Result<()> {
    println!("a folder of {FILES} files, {} MB, {RUNS} times in turn", FILES * FILE / 1_000_000);
    let tree = both.data.join("tree");
    let mut random = fastrand::Rng::with_seed(8);
    let mut content = vec![0; FILE];
    for number in 0..FILES {
        let folder = tree.join(format!("d{}", number / 100));
        fs::create_dir_all(&folder)?;
        random.fill(&mut content);
        fs::write(folder.join(format!("file{number}.bin")), &content)?;
    }
    let (mut up, mut docker_up, mut down, mut docker_down) =
        (Samples::new(), Samples::new(), Samples::new(), Samples::new());
    let text = tree.to_string_lossy().into_owned();
    let back = both.data.join("back");
    let back_text = back.to_string_lossy().into_owned();
    for _ in 0..RUNS {
        settle();
        up.add(both.ours(&[&text, &format!("{}:ours", both.id)])?);
        settle();
        docker_up.add(rival(&[&text, &format!("{}:/workspace/theirs", both.container)])?);
        settle();
        down.add(both.ours(&[&format!("{}:ours", both.id), &back_text])?);
        fs::remove_dir_all(&back)?;
        settle();
        docker_down.add(rival(&[&format!("{}:/workspace/theirs", both.container), &back_text])?);
        fs::remove_dir_all(&back)?;
        let listed =
            docker(&["exec", &both.container, "sh", "-c", "find /workspace/ours -type f | wc -l"]).await?;
        ensure!(listed.trim() == FILES.to_string(), "{listed} files arrived");
        // What docker cp put there is root's.
        let theirs = ["exec", "--user", "0", &both.container, "sh", "-c", "rm -rf /workspace/theirs/*"];
        docker(&theirs).await?;
        docker(&["exec", &both.container, "rm", "-rf", "/workspace/ours", "/workspace/theirs"]).await?;
    }
    up.print("slipway cp of the folder, up");
    docker_up.print("docker cp of the folder, up");
    down.print("slipway cp of the folder, down");
    docker_down.print("docker cp of the folder, down");
    ratio("slipway / docker, up", &up, &docker_up, 0.5);
    ratio("slipway / docker, down", &down, &docker_down, 1.0);
    println!();
    Ok(())
}

impl Both<'_> {
    fn ours(&self, sides: &[&str]) -> Result<Duration> {
        let began = Instant::now();
        slipway(self.data, &[&["cp"], sides].concat())?;
        Ok(began.elapsed())
    }
}

fn rival(sides: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new("docker").arg("cp").args(sides).output()?;
    ensure!(output.status.success(), "docker cp failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(began.elapsed())
}

/// What was written before is on the disk, so that nobody pays for it but who wrote it.
fn settle() {
    // A bench that cannot sync measures all the same; both sides alike.
    drop(Command::new("sync").status());
}
