//! A small Node zip from `slipway deploy` to the first HTTP 200 through the gateway, beside the docker command line
//! doing the same by hand and the limit, taken in turn.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{
    by_hand,
    figures::{Samples, ratio},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_tests::{built, containers, project, wait_until};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const RUNS: usize = 12;

pub(crate) async fn run() -> Result<()> {
    let data = tempfile::tempdir()?;
    let zip = project::zip_sample("node-hello", data.path())?;
    let limit = Limit::open(data.path()).await?;
    println!("small Node zip to the first HTTP 200 (engine warm, container not pooled)");
    let mut result = measure(data.path(), &zip, &limit, false).await;
    if result.is_ok() {
        println!("small Node zip to the first HTTP 200 (pool warm)");
        result = measure(data.path(), &zip, &limit, true).await;
    }
    limit.close().await?;
    slipway(data.path(), &["rm", "--all", "--yes"])?;
    super::resident::end_owner(data.path())?;
    containers::remove_all(data.path()).await?;
    result
}

async fn measure(data: &Path, zip: &Path, limit: &Limit, pooled: bool) -> Result<()> {
    slipway(data, &["settings", "set", "pool_size", if pooled { "2" } else { "0" }])?;
    // Warm: the owner runs, the image is prepared, the page cache is filled, for all three alike.
    ours(data, zip)?;
    by_hand::deploy(zip, "node-hello").await?;
    by_hand::start_only(&limit.container, &limit.address).await?;
    let (mut ours_all, mut hand, mut least) = (Samples::new(), Samples::new(), Samples::new());
    for _ in 0..RUNS {
        if pooled {
            wait_until("a warm container", Duration::from_mins(1), || async { one_waits(data).map(Some) })
                .await?;
        }
        ours_all.add(ours(data, zip)?);
        hand.add(by_hand::deploy(zip, "node-hello").await?);
        least.add(by_hand::start_only(&limit.container, &limit.address).await?);
    }
    ours_all.print("slipway deploy");
    hand.print("docker by hand (unzip, create, cp, start, poll)");
    least.print("limit: docker exec in a running container");
    ratio("slipway / by hand", &ours_all, &hand, if pooled { 0.3 } else { 0.75 });
    if pooled {
        ratio("slipway / limit", &ours_all, &least, 1.5);
    } else {
        println!("{:<44} {:.2}", "slipway / limit", ours_all.median() / least.median());
    }
    println!();
    Ok(())
}

/// Fails until the pool is as full as it gets, so that filling it does not run beside what is measured.
fn one_waits(data: &Path) -> Result<()> {
    let pool: Value = serde_json::from_str(&slipway(data, &["pool", "--json"])?)?;
    let waiting = pool["members"].as_array().map_or(0, Vec::len) as u64;
    ensure!(Some(waiting) == pool["size"].as_u64(), "{pool}");
    Ok(())
}

/// A container by hand that only waits, for the limit.
struct Limit {
    container: String,
    address: String,
}

impl Limit {
    async fn open(data: &Path) -> Result<Self> {
        let run = ["run", "-d", "-p", "127.0.0.1::3000", "-w", "/app", "-e", "PORT=3000", "node:24-alpine"];
        let container = containers::docker(&[&run[..], &["sleep", "3600"]].concat()).await?.trim().to_owned();
        let sample = project::sample("node-hello")?;
        let from = format!("{}/.", sample.display());
        containers::docker(&["cp", "-q", &from, &format!("{container}:/app")]).await?;
        let port = containers::docker(&["port", &container, "3000/tcp"]).await?;
        let address = port.lines().next().context("a published port")?.to_owned();
        ensure!(data.is_dir(), "the data folder is gone");
        Ok(Self { container, address })
    }

    async fn close(&self) -> Result<()> {
        containers::docker(&["rm", "-f", &self.container]).await.map(|_| ())
    }
}

/// Runs the command line and gives what it printed.
pub(crate) fn slipway(data: &Path, arguments: &[&str]) -> Result<String> {
    let program = built("SLIPWAY_CLI", "slipway")?;
    containers::identify(data)?;
    let output = Command::new(program).args(arguments).env("SLIPWAY_DATA_DIR", data).output()?;
    ensure!(
        output.status.success(),
        "slipway {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// One deploy by the command line, until the gateway gives a 200; the workspace is removed outside the measured time.
fn ours(data: &Path, zip: &Path) -> Result<Duration> {
    let began = Instant::now();
    let printed = slipway(data, &["deploy", "--json", &zip.to_string_lossy()])?;
    let last: Value = serde_json::from_str(printed.lines().last().context("a last line")?)?;
    let url = last["url"].as_str().with_context(|| format!("a URL in {last}"))?.to_owned();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let port = host.rsplit(':').next().context("a port")?;
    by_hand::poll(&format!("127.0.0.1:{port}"), host)?;
    let took = began.elapsed();
    slipway(data, &["rm", "--yes", last["id"].as_str().context("an id")?])?;
    Ok(took)
}
