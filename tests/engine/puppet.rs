//! An engine in a process of its own that does what its standard input says, one line an order, and can be killed at any
//! moment. Its wall clock is moved by a file. The test program runs itself again as that process.

use super::harness::{LONG, config, request};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use slipway_engine::{Clock, Engine, SystemClock};
use slipway_wire::{Api, LeaseChange, LeaseRequest, Nothing, WorkspaceId, WorkspaceRef, WorkspaceState};
use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

const DATA: &str = "SLIPWAY_PUPPET_DATA";
const ZIP: &str = "SLIPWAY_PUPPET_ZIP";

/// The machine's clock, moved by as many milliseconds as a file says.
struct FileClock(PathBuf);

impl Clock for FileClock {
    fn now_ms(&self) -> u64 {
        let moved = std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse::<i64>().ok());
        SystemClock.now_ms().saturating_add_signed(moved.unwrap_or_default())
    }
}

/// Moves the clock of every puppet on a folder to this far from the machine's own.
pub(crate) fn move_clock(data: &Path, by_ms: i64) -> Result<()> {
    // Renamed into place: a clock that is read half-written would jump.
    let new = data.join("clock.new");
    std::fs::write(&new, by_ms.to_string())?;
    Ok(std::fs::rename(new, data.join("clock"))?)
}

/// What an engine believes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Belief {
    pub(crate) rows: Vec<(WorkspaceId, WorkspaceState)>,
    pub(crate) pooled: usize,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the fault tests, as the process that they kill"]
async fn the_puppet() -> Result<()> {
    let (Some(data), Some(zip)) = (env::var_os(DATA), env::var_os(ZIP)) else { return Ok(()) };
    let (data, zip) = (PathBuf::from(data), PathBuf::from(zip));
    let mut config = config(&data)?;
    config.clock = Arc::new(FileClock(data.join("clock")));
    config.pool_size = 1;
    let engine = Engine::open(config).await?;
    say("ready")?;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        let (engine, zip) = (engine.clone(), zip.clone());
        // Orders overlap, as those of several people do. That one is refused is none of the test's business.
        tokio::spawn(async move {
            if let Err(error) = obey(&engine, &zip, &order).await {
                // Into the puppet's log, for whoever looks at a run that failed; a log that is gone is not needed.
                let _ = writeln!(std::io::stderr(), "{order}: {error:#}");
            }
        });
    }
    bail!("the test ended without killing its puppet")
}

async fn obey(engine: &Engine, zip: &Path, order: &str) -> Result<()> {
    let words: Vec<&str> = order.split(' ').collect();
    let one = |id: &str| anyhow::Ok(WorkspaceRef { id: id.parse()? });
    match words.as_slice() {
        ["deploy", seconds] => {
            let request = slipway_wire::DeployRequest { duration_s: Some(seconds.parse()?), ..request(zip) };
            engine.workspace_deploy(request).await?;
        }
        ["stop", id] => drop(engine.workspace_stop(one(id)?).await?),
        ["start", id] => drop(engine.workspace_start(one(id)?).await?),
        ["cancel", id] => drop(engine.workspace_cancel(one(id)?).await?),
        ["remove", id] => drop(engine.workspace_remove(one(id)?).await?),
        ["extend", id] => {
            let change = LeaseChange::Extend { seconds: 600 };
            engine.workspace_lease(LeaseRequest { id: id.parse()?, change }).await?;
        }
        ["expire", id] => {
            let change = LeaseChange::Expire;
            engine.workspace_lease(LeaseRequest { id: id.parse()?, change }).await?;
        }
        ["believe"] => {
            let rows = engine.workspace_list(Nothing {}).await?;
            let rows = rows.into_iter().map(|view| (view.id, view.state)).collect();
            let pooled = engine.pool_status(Nothing {}).await?.members.len();
            say(&format!("belief {}", serde_json::to_string(&Belief { rows, pooled })?))?;
        }
        ["connect"] => {
            let mut connected = Vec::new();
            for view in engine.workspace_list(Nothing {}).await? {
                let asked = WorkspaceRef { id: view.id.clone() };
                if view.state == WorkspaceState::Running && engine.process_list(asked).await.is_ok() {
                    connected.push(view.id);
                }
            }
            say(&format!("connected {}", serde_json::to_string(&connected)?))?;
        }
        _ => bail!("no such order"),
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "puppet: {line}")?;
    Ok(out.flush()?)
}

/// A puppet that runs.
pub(crate) struct Puppet {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Puppet {
    /// Starts one on a folder; it deploys this zip when it is told to.
    pub(crate) async fn start(data: &Path, zip: &Path, docker_host: &str) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(data.join("puppet.log"))?;
        let mut child = Command::new(env::current_exe()?)
            .args(["--exact", "puppet::the_puppet", "--ignored", "--nocapture"])
            .env(DATA, data)
            .env(ZIP, zip)
            .env("DOCKER_HOST", docker_host)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting the puppet")?;
        let orders = child.stdin.take().context("its input")?;
        let out = child.stdout.take().context("its output")?;
        let mut puppet = Self { child, orders, lines: BufReader::new(out).lines() };
        puppet.says("ready").await?;
        Ok(puppet)
    }

    async fn says(&mut self, wanted: &str) -> Result<String> {
        let wanted = format!("puppet: {wanted}");
        let find = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some((_, rest)) = line.split_once(&wanted) {
                    return Ok(rest.trim().to_owned());
                }
            }
            bail!("the puppet ended without {wanted:?}")
        };
        tokio::time::timeout(LONG, find).await.with_context(|| format!("waiting for {wanted:?}"))?
    }

    /// Gives an order and does not wait for what comes of it.
    pub(crate) async fn order(&mut self, order: &str) -> Result<()> {
        Ok(self.orders.write_all(format!("{order}\n").as_bytes()).await?)
    }

    /// What it believes there is.
    pub(crate) async fn belief(&mut self) -> Result<Belief> {
        self.order("believe").await?;
        Ok(serde_json::from_str(&self.says("belief").await?)?)
    }

    /// Running workspaces whose agents answer.
    pub(crate) async fn connected(&mut self) -> Result<Vec<WorkspaceId>> {
        self.order("connect").await?;
        Ok(serde_json::from_str(&self.says("connected").await?)?)
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
