//! Faults at random: kills, restarts, cuts of Docker's socket, containers killed, paused and removed from outside,
//! clocks that jump. Whenever it is left in peace for a moment, what the engine believes and what Docker has agree.
//! The seed is printed; `SLIPWAY_SEED` repeats a run. 1,000 faults with `./dev test --stress`, fewer without.

use super::{
    harness::LONG,
    puppet::{Belief, Puppet, move_clock},
};
use anyhow::{Context, Result, bail, ensure};
use slipway_tests::{
    containers,
    containers::docker,
    socket_proxy::{Mode, SocketProxy},
};
use slipway_wire::WorkspaceState;
use std::{env, io::Write, path::Path, time::Duration};

/// Faults between two moments of peace.
const AT_ONCE: usize = 12;
/// Workspaces at one time.
const MOST: usize = 5;
const DAY_MS: i64 = 24 * 3600 * 1000;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_rows_and_containers_agree_afterwards() -> Result<()> {
    let seed = match env::var("SLIPWAY_SEED") {
        Ok(text) => text.parse()?,
        Err(_) => fastrand::u64(..),
    };
    let faults = if env::var_os("SLIPWAY_STRESS").is_some() { 1000 } else { 36 };
    writeln!(std::io::stderr(), "SLIPWAY_SEED={seed}, {faults} faults")?;
    let data = tempfile::tempdir()?;
    let result = Ordeal::begin(data.path(), seed).await?.run(faults).await;
    containers::remove_all(data.path()).await?;
    result.with_context(|| format!("SLIPWAY_SEED={seed}"))
}

struct Ordeal<'a> {
    data: &'a Path,
    zip: std::path::PathBuf,
    random: fastrand::Rng,
    proxy: SocketProxy,
    puppet: Option<Puppet>,
    clock_ms: i64,
}

impl<'a> Ordeal<'a> {
    async fn begin(data: &'a Path, seed: u64) -> Result<Self> {
        let zip = data.join("page.zip");
        slipway_tests::project::zip_of(&zip, &[("index.html", "<!doctype html><title>page</title>")])?;
        let proxy = SocketProxy::start(data)?;
        let random = fastrand::Rng::with_seed(seed);
        let mut ordeal = Self { data, zip, random, proxy, puppet: None, clock_ms: 0 };
        ordeal.puppet().await?;
        Ok(ordeal)
    }

    async fn puppet(&mut self) -> Result<&mut Puppet> {
        if self.puppet.is_none() {
            let address = self.proxy.address();
            self.puppet = Some(Puppet::start(self.data, &self.zip, &address).await?);
        }
        self.puppet.as_mut().context("a puppet")
    }

    async fn run(mut self, faults: usize) -> Result<()> {
        let mut told = Vec::new();
        for n in 1..=faults {
            // Only then is it sure that nothing is being started in a container.
            let quiet = n % AT_ONCE == 1;
            let fault = if quiet { self.pause().await } else { self.fault().await };
            let fault = fault.with_context(|| format!("fault {n}"))?;
            told.push(fault);
            tokio::time::sleep(Duration::from_millis(self.random.u64(0..200))).await;
            if n % AT_ONCE == 0 || n == faults {
                self.peace().await.with_context(|| format!("after {n} faults, the last {told:?}"))?;
                told.clear();
            }
        }
        match self.puppet.take() {
            Some(puppet) => puppet.kill().await,
            None => Ok(()),
        }
    }

    /// One thing that happens. Gives its name.
    async fn fault(&mut self) -> Result<&'static str> {
        let rows = match &mut self.puppet {
            Some(puppet) => puppet.belief().await?.rows,
            None => Vec::new(),
        };
        let some = self.random.choice(rows.iter()).map(|(id, _)| id.to_string());
        let kind = self.random.u32(0..20);
        let order = match (kind, &some) {
            (0..=4, _) if rows.len() < MOST => {
                let seconds = self.random.u32(60..3600);
                Some(("deploy", format!("deploy {seconds}")))
            }
            (5, Some(id)) => Some(("stop", format!("stop {id}"))),
            (6, Some(id)) => Some(("start", format!("start {id}"))),
            (7, Some(id)) => Some(("extend", format!("extend {id}"))),
            (8, Some(id)) => Some(("cancel", format!("cancel {id}"))),
            (9..=10, Some(id)) => Some(("remove", format!("remove {id}"))),
            (0..=10, _) => Some(("remove all but one", String::new())),
            _ => None,
        };
        if let Some((name, order)) = order {
            let puppet = self.puppet().await?;
            if order.is_empty() {
                for (id, _) in rows.iter().skip(1) {
                    puppet.order(&format!("remove {id}")).await?;
                }
            } else {
                puppet.order(&order).await?;
            }
            return Ok(name);
        }
        match kind {
            11..=13 => {
                if let Some(puppet) = self.puppet.take() {
                    puppet.kill().await?;
                }
                Ok("killed")
            }
            14 => {
                self.proxy.cut();
                Ok("Docker hung up")
            }
            15 => {
                let down = self.random.choice([Mode::Gone, Mode::HangUp, Mode::Silent]).context("a mode")?;
                self.proxy.set(down)?;
                tokio::time::sleep(Duration::from_millis(self.random.u64(10..600))).await;
                self.proxy.set(Mode::Forward)?;
                Ok("Docker was away")
            }
            16..=18 => self.outside().await,
            _ => {
                let jump = self.random.i64(-2 * DAY_MS..2 * DAY_MS) >> self.random.u32(0..12);
                self.clock_ms = (self.clock_ms + jump).clamp(-30 * DAY_MS, 30 * DAY_MS);
                move_clock(self.data, self.clock_ms)?;
                Ok("the clock jumped")
            }
        }
    }

    /// Somebody else pauses one of our containers. Docker 20.10 hangs for good on a container that is paused in the moment in
    /// which a program is started in it (`docker exec`, as the engine connects again): containerd waits for the program,
    /// the program for the container to be let go on, and that for containerd. It is not Docker that is tried here, so
    /// what is paused has been connected to.
    async fn pause(&mut self) -> Result<&'static str> {
        let instance = containers::instance(self.data)?;
        let puppet = self.puppet().await?;
        let connected = puppet.connected().await?;
        let container = self.random.choice(connected.iter());
        let Some(name) = container else { return Ok("nothing to pause") };
        let name = format!("slipway-{}-{name}", &instance[..6]);
        containers::nothing_starts_in(&name).await?;
        // Refused when it is gone by now.
        let _ = docker(&["pause", &name]).await;
        Ok("paused from outside")
    }

    /// Somebody else does something to one of our containers. That it is gone by then, or stopped, is fine.
    async fn outside(&mut self) -> Result<&'static str> {
        let all = containers::of(&containers::instance(self.data)?).await?;
        let Some(container) = self.random.choice(all.iter()) else { return Ok("nothing to harm") };
        let acts: [(&'static str, &[&str]); 5] = [
            ("killed from outside", &["kill"]),
            ("removed from outside", &["rm", "--force"]),
            ("stopped from outside", &["stop", "--time", "0"]),
            ("let go on from outside", &["unpause"]),
            ("started from outside", &["start"]),
        ];
        let Some((name, act)) = self.random.choice(acts) else { bail!("an act") };
        if matches!(act[0], "kill" | "rm" | "stop") {
            // Nor is what Docker 20.10 does about the end of a container that stands still.
            let _ = docker(&["unpause", container.as_str()]).await;
        }
        // Refused when it is gone or in another state by now.
        let _ = docker(&[act, &[container.as_str()]].concat()).await;
        Ok(name)
    }

    /// Nothing more happens: belief and containers come to agree, in the engine that lived through it, or in a new one.
    async fn peace(&mut self) -> Result<()> {
        for container in containers::of(&containers::instance(self.data)?).await? {
            // Refused for one that is not paused.
            let _ = docker(&["unpause", &container]).await;
        }
        let data = self.data.to_owned();
        let puppet = self.puppet().await?;
        let began = std::time::Instant::now();
        loop {
            let belief = puppet.belief().await?;
            let Err(error) = agree(&data, &belief).await else { return Ok(()) };
            ensure!(began.elapsed() < LONG * 2, "no agreement: {error:#}; it believes {belief:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn agree(data: &Path, belief: &Belief) -> Result<()> {
    let instance = containers::instance(data)?;
    let filter = format!("label=slipway.instance={instance}");
    let format = "{{.Names}} {{.State}}";
    let listed = docker(&["ps", "--all", "--filter", &filter, "--format", format]).await?;
    let (mut pooled, mut found) = (0, Vec::new());
    for line in listed.lines() {
        let (name, state) = line.split_once(' ').context("a name and a state")?;
        if name.contains("_pool-") {
            pooled += 1;
            continue;
        }
        let known = belief.rows.iter().find(|(id, _)| name == format!("slipway-{}-{id}", &instance[..6]));
        let Some((id, believed)) = known else { bail!("{name} ({state}) belongs to nobody") };
        ensure!(!found.contains(&id), "{id} has two containers");
        found.push(id);
        match believed {
            WorkspaceState::Running => ensure!(state == "running", "{id} is believed to run and is {state}"),
            WorkspaceState::Stopped => {
                ensure!(state == "exited" || state == "created", "{id} is believed stopped and is {state}");
            }
            // What failed is there for a look.
            WorkspaceState::Failed => ensure!(state == "running", "{id} failed and is {state}"),
            other => bail!("{id} is {other:?} and has a container that is {state}"),
        }
    }
    for (id, state) in &belief.rows {
        let needs = matches!(state, WorkspaceState::Running | WorkspaceState::Creating);
        ensure!(!needs || found.contains(&id), "{id} is {state:?} without a container");
    }
    ensure!(pooled == belief.pooled, "{pooled} pooled containers, {} believed", belief.pooled);
    Ok(())
}
