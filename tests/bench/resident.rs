//! What Slipway takes while nothing happens: CPU of all its processes over a minute with one workspace, memory of
//! `slipway serve`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{deploys::slipway, figures::figure, terminals::resident_kb};
use anyhow::{Context, Result, ensure};
use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use serde_json::Value;
use slipway_tests::{containers, project};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn run() -> Result<()> {
    println!("idle, one workspace, over a minute");
    let data = tempfile::tempdir()?;
    let zip = project::zip_sample("node-hello", data.path())?;
    let printed = slipway(data.path(), &["deploy", "--json", &zip.to_string_lossy()])?;
    let last: Value = serde_json::from_str(printed.lines().last().context("a last line")?)?;
    let id = last["id"].as_str().context("an id")?.to_owned();
    let owner = owner(data.path())?;
    let agents = agents(data.path()).await?;
    let before = cpu(&owner)? + agents.iter().map(|p| cpu(p)).sum::<Result<f64>>()?;
    let began = Instant::now();
    tokio::time::sleep(MINUTE).await;
    let after = cpu(&owner)? + agents.iter().map(|p| cpu(p)).sum::<Result<f64>>()?;
    let percent = (after - before) / began.elapsed().as_secs_f64() * 100.0;
    figure("CPU of owner and agents together", percent, "%", "under 0.5");
    figure("resident memory of slipway serve", resident_kb(&owner)? as f64 / 1024.0, "MiB", "under 60");
    for agent in &agents {
        figure(
            "resident memory of an agent process",
            resident_kb(agent)? as f64 / 1024.0,
            "MiB",
            "for comparison",
        );
    }
    println!();
    slipway(data.path(), &["rm", "--yes", &id])?;
    end_owner(data.path())?;
    containers::remove_all(data.path()).await
}

/// The process id of the background owner of a data directory, as `slipway doctor` tells it.
pub(crate) fn owner(data: &Path) -> Result<String> {
    let value: Value = serde_json::from_str(&slipway(data, &["doctor", "--json"])?)?;
    let checks = value.as_array().context("a list of checks")?;
    let owner = checks.iter().find(|check| check["name"] == "owner").context("the owner")?;
    let found = owner["found"].as_str().context("what was found")?;
    let pid = found.strip_prefix("process ").and_then(|rest| rest.split(',').next());
    Ok(pid.with_context(|| format!("a process id in {found:?}"))?.to_owned())
}

/// Ends the background owner, and what it runs with it; what it leaves is removed by label afterwards.
pub(crate) fn end_owner(data: &Path) -> Result<()> {
    let pid = owner(data)?;
    std::process::Command::new("kill").arg(&pid).status()?;
    let (process, began) = (Path::new("/proc").join(&pid), Instant::now());
    while process.exists() {
        ensure!(began.elapsed() < MINUTE, "the owner, process {pid}, does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Host ids of the agent's processes in this instance's containers: PID 1, and one that carries the stream where it is not the container's own.
pub(crate) async fn agents(data: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for container in containers::of(&containers::instance(data)?).await? {
        let top = containers::docker(&["top", &container, "-eo", "pid,args"]).await?;
        for line in top.lines().skip(1).filter(|l| l.contains("/.slipway/agent")) {
            found.push(line.split_whitespace().next().context("a process id")?.to_owned());
        }
    }
    Ok(found)
}

/// Seconds of CPU that all threads of a process have used, those that ended included. By the kernel's own clock of the
/// process: what `/proc/PID/stat` tells in hundredths of a second is too coarse for a tenth of a percent of a minute.
pub(crate) fn cpu(pid: &str) -> Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.parse()?))?;
    Ok(Duration::from(clock_gettime(clock)?).as_secs_f64())
}
