//! However the app ends, no process of it stays.

use anyhow::{Context, Result, ensure};
use slipway_tests::{app, built, containers, display::Display, process, wait_until};
use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The bound: nothing of WebKit's two seconds later.
const GONE: Duration = Duration::from_secs(2);

struct Running {
    child: Child,
    display: Display,
    scratch: tempfile::TempDir,
    interactive_ms: u64,
}

/// The app as a person starts it, with no driver, until it says that it can be used.
async fn open() -> Result<Running> {
    let display = Display::start().await?;
    let scratch = tempfile::Builder::new().prefix("slipway-e2e-").tempdir()?;
    let mut command = Command::new(built("SLIPWAY_APP", "slipway-desktop")?);
    display.dress(&mut command);
    app::environment(&mut command, scratch.path())?;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let says = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(rest) = line.strip_prefix("interactive after ") {
                return Ok(rest.trim_end_matches(" ms").parse()?);
            }
        }
        anyhow::bail!("the app ended before it could be used")
    };
    let interactive_ms = tokio::time::timeout(Duration::from_secs(30), says).await.context("starting")??;
    Ok(Running { child, display, scratch, interactive_ms })
}

fn webkit_of(data: &Path) -> Vec<process::Process> {
    let entry = format!("SLIPWAY_DATA_DIR={}", data.display());
    process::with_environment(&entry).into_iter().filter(|p| p.name.starts_with("WebKit")).collect()
}

async fn ends_cleanly(signal: &str) -> Result<()> {
    let mut running = open().await?;
    let data = running.scratch.path().join("data");
    ensure!(!webkit_of(&data).is_empty(), "the app has WebKit processes while it runs");
    let pid = running.child.id().context("the app runs")?.to_string();
    let begun = Instant::now();
    ensure!(Command::new("kill").args([signal, &pid]).status().await?.success(), "kill {signal}");
    tokio::time::timeout(Duration::from_secs(30), running.child.wait()).await.context("the app's end")??;
    let ended = Instant::now();
    wait_until("every WebKit process to be gone", GONE, async || {
        let left: Vec<_> = webkit_of(&data).into_iter().map(|p| p.name).collect();
        ensure!(left.is_empty(), "{left:?} are left");
        Ok(Some(()))
    })
    .await?;
    println!(
        "kill {signal}: the app ended after {:?}, nothing was left {:?} later (interactive after {} ms)",
        ended - begun,
        ended.elapsed(),
        running.interactive_ms
    );
    drop(running.display);
    containers::remove_all(&data).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_app_leaves_no_process() -> Result<()> {
    ends_cleanly("-TERM").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_app_leaves_no_process() -> Result<()> {
    ends_cleanly("-KILL").await
}
