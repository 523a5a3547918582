//! What becomes of many workspaces at once: a hundred whose leases end, and fifty that a killed owner leaves behind.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{
    by_hand,
    deploys::slipway,
    figures::{Samples, figure},
    resident::{end_owner, owner},
};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use serde_json::Value;
use slipway_engine::{Clock as _, Engine, SystemClock};
use slipway_tests::{containers, containers::docker, engine, project, wait_until};
use slipway_wire::{Api, DeployRequest, EventBody, Nothing, WorkspaceId, WorkspaceState};
use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const LEASES: usize = 100;
/// Seconds: the shortest lease there is.
const LEASE: u64 = 60;
const ADOPTED: usize = 50;
const RUNS: usize = 10;
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) async fn leases() -> Result<()> {
    println!("{LEASES} workspaces, each with a lease of {LEASE} s (in this process)");
    let data = tempfile::tempdir()?;
    let config = engine::config(data.path())?;
    std::fs::write(&config.settings_file, "grace_s = 5\npreset = \"small\"\n")?;
    let engine = Engine::open(config).await?;
    let measured = expire(&engine, data.path()).await;
    engine.shutdown(Duration::from_secs(20), true).await;
    containers::remove_all(data.path()).await?;
    let by_hand = ended_by_hand().await?.as_secs_f64() * 1000.0;
    figure("docker kill of as many, by hand", by_hand, "ms", "none: what Docker needs");
    println!();
    measured
}

async fn expire(engine: &Engine, data: &Path) -> Result<()> {
    let zip = project::zip_sample("static", data)?;
    let mut events = engine.events(None);
    let clock = SystemClock;
    let watch = async {
        let (mut ends, mut lags, mut errors) = (BTreeMap::<WorkspaceId, u64>::new(), Samples::new(), 0);
        while lags.count() < LEASES {
            let event = tokio::time::timeout(PATIENCE, events.next()).await?.context("events")?;
            let EventBody::Workspace(view) = event.body else { continue };
            errors += usize::from(view.problem.is_some());
            let end = view.lease.expires_at_ms;
            if view.state == WorkspaceState::Stopped && view.lease.deleted_at_ms.is_some() {
                if let Some(end) = ends.remove(&view.id) {
                    lags.add(Duration::from_millis(clock.now_ms().saturating_sub(end)));
                }
            } else if let Some(end) = end.filter(|_| view.state == WorkspaceState::Running) {
                ends.insert(view.id, end);
            }
        }
        anyhow::Ok((lags, errors))
    };
    let make = async {
        for n in 0..LEASES {
            let deploy = DeployRequest {
                name: Some(format!("lease {n}")),
                duration_s: Some(LEASE),
                ..engine::request(&zip)
            };
            engine.workspace_deploy(deploy).await?;
        }
        anyhow::Ok(())
    };
    let (seen, made) = tokio::join!(watch, make);
    made?;
    let (lags, errors) = seen?;
    lags.print("end of the lease until nothing of it runs");
    figure("reaper lag, p99", lags.at(0.99), "ms", "at most 2000");
    figure("workspaces that showed a problem", errors as f64, "", "0");
    let instance = containers::instance(data)?;
    let began = Instant::now();
    wait_until("their containers to end", PATIENCE, || async {
        let filter = format!("label=slipway.instance={instance}");
        Ok(docker(&["ps", "--quiet", "--filter", &filter]).await?.is_empty().then_some(()))
    })
    .await?;
    figure(
        "until Docker says so of all, after the last",
        began.elapsed().as_secs_f64() * 1000.0,
        "ms",
        "none",
    );
    wait_until("all to be gone", PATIENCE, || async {
        let (rows, left) =
            (engine.workspace_list(Nothing {}).await?, containers::of(&containers::instance(data)?).await?);
        ensure!(rows.is_empty() && left.is_empty(), "{} rows, {} containers", rows.len(), left.len());
        Ok(Some(()))
    })
    .await?;
    figure("containers left", 0.0, "", "none");
    Ok(())
}

/// How long the docker command line takes to end as many containers, which is mostly Docker's own work.
async fn ended_by_hand() -> Result<Duration> {
    let mut all = Vec::new();
    for _ in 0..LEASES {
        let run = [
            "run",
            "--detach",
            "--network",
            "none",
            "--log-driver",
            "none",
            "node:24-alpine",
            "sleep",
            "600",
        ];
        all.push(docker(&run).await?.trim().to_owned());
    }
    let with = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).chain(all.clone()).collect::<Vec<_>>();
    let began = Instant::now();
    let killed = docker(&with(&["kill"]).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let took = began.elapsed();
    docker(&with(&["rm", "--force"]).iter().map(String::as_str).collect::<Vec<_>>()).await?;
    killed?;
    Ok(took)
}

pub(crate) async fn adoption() -> Result<()> {
    println!(
        "{ADOPTED} running workspaces, their owner killed by SIGKILL and another one started, {RUNS} times"
    );
    let data = tempfile::tempdir()?;
    slipway(data.path(), &["settings", "set", "pool_size", "0"])?;
    slipway(data.path(), &["settings", "set", "preset", "small"])?;
    let measured = adopt(data.path());
    end_owner(data.path())?;
    containers::remove_all(data.path()).await?;
    println!();
    measured
}

fn adopt(data: &Path) -> Result<()> {
    let zip = project::zip_sample("static", data)?;
    for n in 0..ADOPTED {
        slipway(data, &["deploy", &zip.to_string_lossy(), "--name", &format!("kept {n}")])?;
    }
    let (mut listed, mut served) = (Samples::new(), Samples::new());
    for _ in 0..RUNS {
        ensure!(Command::new("kill").args(["-KILL", &owner(data)?]).status()?.success(), "no owner to kill");
        let began = Instant::now();
        let pages = running(data)?;
        listed.add(began.elapsed());
        ensure!(pages.len() == ADOPTED, "{} of {ADOPTED} run", pages.len());
        for page in &pages {
            let host = page.trim_start_matches("http://").trim_end_matches('/');
            let port = host.rsplit(':').next().context("a port")?;
            by_hand::poll(&format!("127.0.0.1:{port}"), host)?;
        }
        served.add(began.elapsed());
    }
    listed.print("start of the next owner to all of them listed");
    served.print("the same, to every page answered through it");
    figure("adoption of 50, every page answered", served.median(), "ms", "under 2000");
    Ok(())
}

/// The pages of all workspaces that run.
fn running(data: &Path) -> Result<Vec<String>> {
    let rows: Value = serde_json::from_str(&slipway(data, &["ps", "--json"])?)?;
    let rows = rows.as_array().context("a list")?;
    Ok(rows
        .iter()
        .filter(|row| row["state"] == "running")
        .filter_map(|row| row["url"].as_str().map(str::to_owned))
        .collect())
}
