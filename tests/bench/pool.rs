//! The warm pool: from a deploy to a shell's prompt in the container that was claimed, and what a full pool takes while
//! it waits.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{
    bare,
    figures::{Samples, figure},
    resident::{agents, cpu},
    terminals::resident_kb,
};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use slipway_engine::{Config, Engine};
use slipway_tests::{containers, engine, project, wait_until};
use slipway_wire::{
    Api, EventBody, FrameKind, Nothing, OpenProcess, PhaseName, PhaseState, ProcessRef, WindowSize,
    Workspace, WorkspaceRef,
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

const RUNS: usize = 20;
const FULL: usize = 10;
/// What Docker needs to take a container away, and the pool to make another, and more.
const REST: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn run() -> Result<()> {
    println!("warm pool (in this process: engine, container's stream, agent, PTY)");
    let data = tempfile::tempdir()?;
    let engine = Engine::open(Config { pool_size: FULL, ..engine::config(data.path())? }).await?;
    let zip = project::zip_sample("static", data.path())?;
    let measured = measure(&engine, data.path(), &zip).await;
    engine.shutdown(Duration::from_secs(20), true).await;
    containers::remove_all(data.path()).await?;
    println!();
    measured
}

async fn measure(engine: &Engine, data: &Path, zip: &Path) -> Result<()> {
    remove(engine, &prompt(engine, zip).await?.1).await?;
    let in_haste = claims(engine, zip, Duration::ZERO).await?;
    let at_rest = claims(engine, zip, REST).await?;
    let status = engine.pool_status(Nothing {}).await?;
    ensure!(status.claimed as usize == 2 * RUNS, "not every deploy found a warm container: {status:?}");
    in_haste.print("deploy to a shell's prompt, pool warm");
    at_rest.print(&format!("the same after {} s of rest", REST.as_secs()));
    figure("deploy to a shell's prompt, p50", in_haste.median(), "ms", "at most 20");
    figure("deploy to a shell's prompt, p99", in_haste.at(0.99), "ms", "at most 60");
    limits().await?;
    waiting(engine, data).await
}

/// Deploys, each so long after the one before was removed. At once, Docker still takes that one away and the pool is being
/// filled beside; after a rest a virtual machine's processors sleep, and each process on the way is to be woken.
async fn claims(engine: &Engine, zip: &Path, rest: Duration) -> Result<Samples> {
    let mut samples = Samples::new();
    for _ in 0..RUNS {
        tokio::time::sleep(rest).await;
        wait_until("a warm container", MINUTE, || async {
            Ok((!engine.pool_status(Nothing {}).await?.members.is_empty()).then_some(()))
        })
        .await?;
        let (took, made) = prompt(engine, zip).await?;
        samples.add(took);
        remove(engine, &made).await?;
    }
    Ok(samples)
}

/// A deploy, a shell in it as soon as there is a container, and the shell's first word.
async fn prompt(engine: &Engine, zip: &Path) -> Result<(Duration, Workspace)> {
    let mut events = engine.events(None);
    let began = Instant::now();
    let made = engine.workspace_deploy(engine::request(zip)).await?;
    loop {
        let event = events.next().await.context("events")?;
        let EventBody::Workspace(view) = event.body else { continue };
        let claimed = |p: &slipway_wire::Phase| p.name == PhaseName::Claim && p.state == PhaseState::Done;
        if view.id == made.id && view.phases.iter().any(claimed) {
            break;
        }
    }
    let open = OpenProcess {
        id: made.id.clone(),
        argv: Vec::new(),
        cwd: Some("/".to_owned()),
        env: BTreeMap::new(),
        terminal: Some(WindowSize { columns: 120, rows: 32 }),
        stdin: true,
        name: None,
    };
    let process = engine.process_open(open).await?.id;
    let mut attached = engine.attach(&ProcessRef { id: made.id.clone(), process }, 0, true).await?;
    loop {
        let frame = attached.output.recv().await.context("the shell's output")?;
        if frame.kind == FrameKind::Terminal && frame.payload.iter().any(|b| matches!(b, b'$' | b'#')) {
            return Ok((began.elapsed(), made));
        }
    }
}

async fn remove(engine: &Engine, made: &Workspace) -> Result<()> {
    engine.workspace_remove(WorkspaceRef { id: made.id.clone() }).await?;
    Ok(())
}

/// What the way to a prompt is made of, without Slipway: a shell that starts, and processes that wake each other. A claim
/// and a prompt take some dozens of those one after the other: engine, Docker, the container's stream, the agent.
async fn limits() -> Result<()> {
    let (prompts, woken) = tokio::task::spawn_blocking(|| -> Result<_> {
        let mut prompts = Samples::new();
        for _ in 0..RUNS {
            prompts.add(bare::terminal(&["-i"], |read| read.iter().any(|b| matches!(b, b'$' | b'#')))?);
        }
        Ok((prompts, bare::round_trips(200, Duration::from_millis(5))?))
    })
    .await??;
    prompts.print("a shell's prompt in a bare terminal here");
    woken.print("a byte to a process that sleeps, and back");
    Ok(())
}

/// What ten containers take that only wait.
async fn waiting(engine: &Engine, data: &Path) -> Result<()> {
    wait_until("a full pool", MINUTE, || async {
        let status = engine.pool_status(Nothing {}).await?;
        ensure!(status.members.len() == FULL, "{status:?}");
        Ok(Some(()))
    })
    .await?;
    let agents = agents(data).await?;
    ensure!(agents.len() == FULL, "{} agents of {FULL} containers", agents.len());
    let ours = std::process::id().to_string();
    let used = || -> Result<f64> { Ok(cpu(&ours)? + agents.iter().map(|p| cpu(p)).sum::<Result<f64>>()?) };
    let (before, began) = (used()?, Instant::now());
    tokio::time::sleep(MINUTE).await;
    let percent = (used()? - before) / began.elapsed().as_secs_f64() * 100.0;
    let most = agents.iter().map(|p| resident_kb(p)).collect::<Result<Vec<_>>>()?.into_iter().max();
    figure("CPU of engine and a pool of ten over a minute", percent, "%", "under 0.1");
    let most = most.unwrap_or_default() as f64 / 1024.0;
    figure("resident memory of the largest of them", most, "MiB", "under 5");
    Ok(())
}
