//! Twenty terminals in five workspaces with mixed traffic: every byte arrives, once and in order, by sums that the
//! programs make themselves; memory stays bounded; and the window is live throughout.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use slipway_tests::{app::App, containers, process, wait_until};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use crate::{
    frames,
    hand::{SOON, wait_until_ready},
    measures::{FRAME_MS, still_page, strict},
};

const WORKSPACES: usize = 5;
const EACH: usize = 4;
/// Of an agent: history of four terminals, and its own.
const AGENT: u64 = 64_000_000;
/// Of the app with everything it started, twenty terminals that share their scrollback among it, and the garbage that the
/// webview has not collected yet.
const APP: u64 = 1_200_000_000;

/// Prints for so many seconds, five rounds in each, in one of four ways: lines; full screens in place; a flood now and
/// then in colours and wide letters; hardly anything. Who is held back by a slow reader leaves rounds out, as a server does
/// whose clients wait. Says at the end what it printed, as a terminal passes it on: bytes and their FNV-1a sum; and the
/// rounds it came to.
const PROGRAM: &str = r"
const [kind, seconds] = [process.argv[2], Number(process.argv[3])];
const end = performance.now() + seconds * 1000;
let [bytes, sum, n] = [0, 0x811c9dc5, 0];
const { writeSync } = require('node:fs');
const put = (text) => {
  const passed = Buffer.from(text.replaceAll('\n', '\r\n'));
  for (const byte of passed) sum = Math.imul(sum ^ byte, 0x01000193);
  bytes += passed.length;
  let out = Buffer.from(text);
  while (out.length > 0) {
    try {
      out = out.subarray(writeSync(1, out));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
};
const line = () => `${++n} \x1b[3${n % 8}m${'─ grüße 中文 👩‍👩‍👧 '.repeat(3)}\x1b[0m ${'x'.repeat(n % 60)}\n`;
const ways = {
  lines: () => { for (let i = 0; i < 4; i += 1) put(line()); },
  screens: (round) => put(`\x1b[H${Array.from({ length: 20 }, (_, row) => `\x1b[${row + 1}H\x1b[48;2;${row * 9};${round % 255};80m row ${row} round ${round} \x1b[K`).join('')}\x1b[0m`),
  floods: (round) => { if (round % 10 === 0) for (let i = 0; i < 1500; i += 1) put(line()); },
  rarely: (round) => { if (round % 25 === 0) put(`round ${round}\n`); },
};
let rounds = 0;
for (; performance.now() < end; rounds += 1) {
  ways[kind](rounds);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
}
const said = { bytes, sum: sum >>> 0, rounds };
writeSync(1, `\x1b[0m\n@${JSON.stringify(said)}@\n`);
";
const KINDS: [&str; EACH] = ["lines", "screens", "floods", "rarely"];

/// What came out of one process, as the window's hook tells it.
#[derive(Clone, Debug, Deserialize)]
struct Output {
    bytes: u64,
    sum: u32,
    parsed: u64,
    gaps: u32,
    odd: u32,
}

/// How long the traffic goes on.
fn lasts() -> Duration {
    if strict() { Duration::from_mins(10) } else { Duration::from_secs(15) }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_terminals_lose_no_byte_and_leave_the_window_live() -> Result<()> {
    let folders: Vec<_> = (0..WORKSPACES).map(|_| still_page()).collect::<Result<_>>()?;
    for folder in &folders {
        std::fs::write(folder.path().join("traffic.cjs"), PROGRAM)?;
    }
    let paths: Vec<_> = folders.iter().map(tempfile::TempDir::path).collect();
    App::run("traffic", &paths, async |app| {
        wait_until_ready(app, Duration::from_mins(2)).await?;
        let ids = all_running(app).await?;
        app.script("window.__slipway.watchOutput()").await?;
        let began = Instant::now();
        let opened = open_all(app, &ids).await?;
        frames::watch(app).await?;
        let most = follow(app, &opened).await?;
        let figures = frames::taken(app).await?;
        let outputs = outputs(app).await?;
        println!(
            "{} terminals in {WORKSPACES} workspaces, {:.0} s, {:.1} MB; largest agent {:.1} MB, app {} MB",
            opened.len(),
            began.elapsed().as_secs_f64(),
            outputs.values().map(|one| one.bytes).sum::<u64>() as f64 / 1e6,
            most.agent as f64 / 1e6,
            most.app / 1_000_000
        );
        println!(
            "app over time, MB: {:?}",
            most.looks.iter().map(|bytes| bytes / 1_000_000).collect::<Vec<_>>()
        );
        for (name, bytes) in &most.parts {
            println!("{:>7} MB {name}", bytes / 1_000_000);
        }
        println!(
            "frames: p50 {:.0} ms, p95 {:.0} ms (bar {FRAME_MS}), worst {:.0} ms, n {}",
            figures.at(0.5),
            figures.at(0.95),
            figures.at(1.0),
            figures.n()
        );
        let mut rounds = BTreeMap::<&str, u64>::new();
        for (process, kind) in &opened {
            let told =
                outputs.get(process).with_context(|| format!("{process} ({kind}) was never attached"))?;
            let came_to = check(app, process, kind, told).await?;
            rounds.entry(kind).and_modify(|least| *least = came_to.min(*least)).or_insert(came_to);
        }
        println!(
            "no byte lost; of {} rounds at most, each kind came at least to {rounds:?}",
            5 * lasts().as_secs()
        );
        ensure!(most.agent < AGENT, "an agent takes {} bytes", most.agent);
        ensure!(most.app < APP, "the app takes {} bytes", most.app);
        ensure!(!strict() || figures.at(0.95) < FRAME_MS, "a frame takes {:.0} ms", figures.at(0.95));
        Ok(())
    })
    .await
}

async fn all_running(app: &App) -> Result<Vec<String>> {
    wait_until("five workspaces to run", Duration::from_mins(3), async || {
        app.ui().await?;
        let all = app.script("return window.__slipway.workspaces()").await?;
        let all = all.as_array().context("workspaces")?.clone();
        let running = all.iter().filter(|one| one["state"] == "running");
        let ids: Vec<_> = running.filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect();
        ensure!(ids.len() == WORKSPACES, "{all:?}");
        Ok(Some(ids))
    })
    .await
}

/// Opens the programs, each seen once, and leaves the last of them in front.
async fn open_all(app: &App, ids: &[String]) -> Result<BTreeMap<String, &'static str>> {
    let mut opened = BTreeMap::new();
    for id in ids {
        for kind in KINDS {
            let open = format!(
                "const done = arguments[0]; const hook = window.__slipway; hook.select('{id}');
                hook.open('{id}', ['node', 'traffic.cjs', '{kind}', '{}']).then(done)",
                lasts().as_secs()
            );
            let process = app.script_async(&open).await?;
            let process =
                process.as_str().with_context(|| format!("{kind} in {id} was not opened"))?.to_owned();
            wait_until("its terminal to be attached", SOON, async || {
                Ok(outputs(app).await?.contains_key(&process).then_some(()))
            })
            .await?;
            opened.insert(process, kind);
        }
    }
    Ok(opened)
}

async fn outputs(app: &App) -> Result<HashMap<String, Output>> {
    app.ui().await?;
    Ok(serde_json::from_value(app.script("return window.__slipway.outputs()").await?)?)
}

/// The most that was seen, bytes.
#[derive(Default)]
struct Most {
    agent: u64,
    app: u64,
    /// The app's at each look, and what its processes took when it was most.
    looks: Vec<u64>,
    parts: Vec<(String, u64)>,
}

impl Most {
    fn note(&mut self, agent: u64, app: u64, parts: Vec<(String, u64)>) {
        self.agent = self.agent.max(agent);
        self.looks.push(app);
        if app > self.app {
            (self.app, self.parts) = (app, parts);
        }
    }
}

/// Looks at memory until every program has said its last word, and everything of it was parsed.
async fn follow(app: &App, opened: &BTreeMap<String, &str>) -> Result<Most> {
    let agents = agents(app).await?;
    let most = RefCell::new(Most::default());
    let patience = lasts() + Duration::from_mins(2);
    let (looked, missing) = (Cell::new(Instant::now()), RefCell::new("nobody looked".to_owned()));
    wait_until("every program to end and its output to be parsed", patience, async || {
        // Each look walks all processes and their maps; the window is what is measured here.
        if looked.get().elapsed() < Duration::from_secs(5) {
            bail!("{}", missing.borrow());
        }
        looked.set(Instant::now());
        let family = process::family(app.pid()?);
        let mut parts = Vec::new();
        for one in &family {
            parts.push((one.name.clone(), process::proportional_memory(std::slice::from_ref(one))?));
        }
        let app_now = parts.iter().map(|(_, bytes)| bytes).sum();
        let mut agent_now = 0;
        for agent in process::all().iter().filter(|one| agents.contains(&one.pid)) {
            agent_now = agent_now.max(process::proportional_memory(std::slice::from_ref(agent))?);
        }
        most.borrow_mut().note(agent_now, app_now, parts);
        let running = app.script("return window.__slipway.running()").await?;
        let all = outputs(app).await?;
        let behind = all.values().filter(|one| one.parsed != one.bytes).count();
        let parsed: u64 = all.values().map(|one| one.parsed).sum();
        let looks = most.borrow().looks.len();
        if looks.is_multiple_of(6) {
            println!("{looks}: {running} run, {behind} behind, {:.1} MB parsed", parsed as f64 / 1e6);
        }
        *missing.borrow_mut() = format!("{running} run, {behind} are not parsed to their end");
        ensure!(running == 0 && behind == 0, "{}", missing.borrow());
        ensure!(opened.keys().all(|process| all.contains_key(process)));
        Ok(Some(()))
    })
    .await?;
    Ok(most.into_inner())
}

/// The first process of each container.
async fn agents(app: &App) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for container in containers::of(&containers::instance(&app.data())?).await? {
        let pid = containers::docker(&["inspect", "--format", "{{.State.Pid}}", &container]).await?;
        all.push(pid.trim().parse()?);
    }
    Ok(all)
}

/// What came is what the program says it printed. Gives the rounds it came to.
async fn check(app: &App, process: &str, kind: &str, told: &Output) -> Result<u64> {
    let text = app.script(&format!("return window.__slipway.textOf('{process}')")).await?;
    let text = text.as_str().unwrap_or_default().replace('\n', "");
    let last = text.rsplit('@').nth(1).with_context(|| format!("{kind} {process} shows no end: {told:?}"))?;
    let said: serde_json::Value = serde_json::from_str(last)?;
    let number = |name: &str| said[name].as_u64().with_context(|| format!("{last} says {name}"));
    // The program's own last line is printed after the sum was made.
    let after = format!("\x1b[0m\r\n@{last}@\r\n");
    ensure!((told.gaps, told.odd) == (0, 0), "{kind} {process}: {told:?}");
    let whole = after
        .bytes()
        .fold(number("sum")? as u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    ensure!(
        (told.bytes, told.sum) == (number("bytes")? + after.len() as u64, whole),
        "{kind} {process}: {told:?} came, {last} was printed"
    );
    number("rounds")
}
