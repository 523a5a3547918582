//! Files in and out by `slipway cp`, beside `docker cp` of the same files in the same run, taken in turn, and beside the
//! limit: a `cat` of the file here into another. One file of 1 GB both ways, and into and out of a volume, where the bytes
//! go through Docker's streams; 10,000 of together 100 MB as a zip and as a folder. What was written is synced before the
//! next. The small files of a run stay: a file system that has just deleted as many is slower for whoever comes next.
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
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use zip::{ZipWriter, write::SimpleFileOptions};

const LARGE: u64 = 1_000_000_000;
const FILES: usize = 10_000;
const FILE: usize = 10_000;
/// Of the large file, and of the small ones.
const LARGE_RUNS: usize = 12;
const RUNS: usize = 10;

/// One large file, or many small ones.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Large,
    Many,
}

pub(crate) async fn run(kind: Kind) -> Result<()> {
    let data = tempfile::tempdir()?;
    containers::identify(data.path())?;
    let image = containers::image_with_volume(&containers::instance(data.path())?, "/tmp").await?;
    let result = measure(data.path(), &image, kind).await;
    slipway(data.path(), &["rm", "--all", "--yes"])?;
    super::resident::end_owner(data.path())?;
    containers::remove_all(data.path()).await?;
    docker(&["rmi", &image]).await?;
    result
}

/// A workspace and its container, for the rival.
struct Both<'a> {
    data: &'a Path,
    id: String,
    container: String,
}

async fn measure(data: &Path, image: &str, kind: Kind) -> Result<()> {
    slipway(data, &["settings", "set", "pool_size", "0"])?;
    slipway(data, &["settings", "set", "disk_limit_mb", "0"])?;
    let zip = project::zip_sample("node-hello", data)?;
    let printed = slipway(data, &["deploy", "--json", "--image", image, &zip.to_string_lossy()])?;
    let last: Value = serde_json::from_str(printed.lines().last().context("a last line")?)?;
    let id = last["id"].as_str().context("an id")?.to_owned();
    let instance = containers::instance(data)?;
    let filter = format!("label=slipway.instance={instance}");
    let container = docker(&["ps", "--quiet", "--filter", &filter]).await?.trim().to_owned();
    ensure!(!container.contains('\n'), "one container is expected: {container}");
    let both = Both { data, id, container };
    match kind {
        Kind::Large => large(&both).await,
        Kind::Many => many(&both).await,
    }
}

/// Ours, the same through Docker's streams, docker's own, and what the bytes alone need here.
struct Ways {
    ours: Samples,
    lanes: Samples,
    docker: Samples,
    limit: Samples,
}

impl Ways {
    fn new() -> Self {
        Self { ours: Samples::new(), lanes: Samples::new(), docker: Samples::new(), limit: Samples::new() }
    }

    fn print(&self, way: &str) {
        self.ours.print(&format!("slipway cp, {way}"));
        self.lanes.print(&format!("slipway cp, a volume, {way}"));
        self.docker.print(&format!("docker cp, {way}"));
        self.limit.print(&format!("cat here, {way}"));
    }

    fn compare(&self, way: &str) {
        let speed = LARGE as f64 / 1000.0 / self.ours.median();
        figure(&format!("slipway cp, {way}"), speed, "MB/s", "at least 150");
        ratio(&format!("slipway / docker cp, {way}"), &self.ours, &self.docker, 1.0);
        let volume = self.lanes.median() / self.docker.median();
        figure(&format!("slipway, a volume / docker cp, {way}"), volume, "", "none: Docker's streams");
        let ours = self.ours.median() / self.limit.median();
        figure(&format!("slipway / cat here, {way}"), ours, "", "none: the limit");
    }
}

#[derive(Clone, Copy)]
enum Whose {
    Ours,
    Lanes,
    Dockers,
    Limit,
}

/// Each once, another one first in each run: who comes later finds memory that was used just before, and on a virtual
/// machine memory that was not used for long costs far more than the copying into it.
fn in_turn(run: usize, mut each: impl FnMut(Whose) -> Result<()>) -> Result<()> {
    let mut order = [Whose::Ours, Whose::Lanes, Whose::Dockers, Whose::Limit];
    let first = run % order.len();
    order.rotate_left(first);
    for whose in order {
        settle();
        each(whose)?;
    }
    Ok(())
}

async fn large(both: &Both<'_>) -> Result<()> {
    println!("one file of 1 GB, random bytes, {LARGE_RUNS} times in turn");
    let here = both.data.join("large");
    random_file(&here, LARGE)?;
    let (mut up, mut down) = (Ways::new(), Ways::new());
    let (text, back) = (here.to_string_lossy().into_owned(), both.data.join("back"));
    let back_text = back.to_string_lossy().into_owned();
    let ours = format!("{}:ours", both.id);
    let volume = format!("{}:/tmp/ours", both.id);
    let theirs = format!("{}:/workspace/theirs", both.container);
    for run in 0..LARGE_RUNS {
        in_turn(run, |whose| {
            match whose {
                Whose::Ours => up.ours.add(both.ours(&[&text, &ours])?),
                Whose::Lanes => up.lanes.add(both.ours(&[&text, &volume])?),
                Whose::Dockers => up.docker.add(rival(&[&text, &theirs])?),
                Whose::Limit => {
                    up.limit.add(cat(&here, &back)?);
                    fs::remove_file(&back)?;
                }
            }
            Ok(())
        })?;
        in_turn(run, |whose| {
            match whose {
                Whose::Ours => down.ours.add(both.ours(&[&ours, &back_text])?),
                Whose::Lanes => down.lanes.add(both.ours(&[&volume, &back_text])?),
                Whose::Dockers => down.docker.add(rival(&[&theirs, &back_text])?),
                Whose::Limit => down.limit.add(cat(&here, &back)?),
            }
            ensure!(fs::metadata(&back)?.len() == LARGE, "another file came");
            Ok(fs::remove_file(&back)?)
        })?;
        let remove = ["rm", "/workspace/ours", "/tmp/ours", "/workspace/theirs"];
        docker(&[&["exec", both.container.as_str()], &remove[..]].concat()).await?;
    }
    fs::remove_file(&here)?;
    up.print("up");
    down.print("down");
    up.compare("up");
    down.compare("down");
    println!();
    Ok(())
}

fn random_file(path: &Path, length: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut block = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        random.fill(&mut block);
        let part = left.min(block.len() as u64) as usize;
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// A tree of small files, and the zip a file manager would make of it.
fn small_files(tree: &Path, zip: &Path) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(8);
    let mut content = vec![0; FILE];
    let mut archive = ZipWriter::new(BufWriter::new(File::create(zip)?));
    for number in 0..FILES {
        let name = format!("d{}/file{number}.bin", number / 100);
        let path = tree.join(&name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        random.fill(&mut content);
        fs::write(path, &content)?;
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(&content)?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

async fn many(both: &Both<'_>) -> Result<()> {
    println!("{FILES} files, {} MB, {RUNS} times in turn", FILES * FILE / 1_000_000);
    let (tree, zip) = (both.data.join("tree"), both.data.join("tree.zip"));
    small_files(&tree, &zip)?;
    let (mut zip_up, mut up, mut docker_up) = (Samples::new(), Samples::new(), Samples::new());
    let (mut down, mut docker_down) = (Samples::new(), Samples::new());
    let text = tree.to_string_lossy().into_owned();
    let zip = zip.to_string_lossy().into_owned();
    for run in 0..RUNS {
        let back = |whose: &str| both.data.join(format!("{whose}{run}")).to_string_lossy().into_owned();
        settle();
        zip_up.add(both.ours(&["--zip", &zip, &format!("{}:zip{run}", both.id)])?);
        settle();
        docker_up.add(rival(&[&text, &format!("{}:/workspace/theirs{run}", both.container)])?);
        settle();
        up.add(both.ours(&[&text, &format!("{}:ours{run}", both.id)])?);
        settle();
        down.add(both.ours(&[&format!("{}:ours{run}", both.id), &back("ours")])?);
        settle();
        docker_down.add(rival(&[&format!("{}:/workspace/theirs{run}", both.container), &back("theirs")])?);
        for whose in ["zip", "ours"] {
            let count = format!("find /workspace/{whose}{run} -type f | wc -l");
            let listed = docker(&["exec", &both.container, "sh", "-c", &count]).await?;
            ensure!(listed.trim() == FILES.to_string(), "{listed} files arrived in {whose}");
        }
    }
    zip_up.print("slipway cp --zip, up");
    docker_up.print("docker cp of the unpacked tree, up");
    up.print("slipway cp of the folder, up");
    down.print("slipway cp of the folder, down");
    docker_down.print("docker cp of the folder, down");
    ratio("slipway cp --zip / docker cp, up", &zip_up, &docker_up, 0.5);
    ratio("slipway cp / docker cp, folder up", &up, &docker_up, 1.0);
    ratio("slipway cp / docker cp, folder down", &down, &docker_down, 1.0);
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

/// What carrying the bytes takes where there is nothing between.
fn cat(from: &Path, into: &Path) -> Result<Duration> {
    let began = Instant::now();
    let status = Command::new("cat").stdin(File::open(from)?).stdout(File::create(into)?).status()?;
    ensure!(status.success(), "cat failed");
    Ok(began.elapsed())
}

/// What was written before is on the disk, so that nobody pays for it but who wrote it.
fn settle() {
    // A bench that cannot sync measures all the same; both sides alike.
    drop(Command::new("sync").status());
}
