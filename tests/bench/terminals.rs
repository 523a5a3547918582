//! A keystroke's way and back through engine, stream and PTY; and how fast a flood arrives, with the memory it
//! takes.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::{
    bare::terminal,
    figures::{Samples, figure},
};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use slipway_engine::{Attachment, Engine};
use slipway_tests::{containers, engine, project, wait_until};
use slipway_wire::{
    Api, FrameKind, OpenProcess, ProcessRef, WindowSize, WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const KEYS: usize = 2000;
const FLOOD_MB: u64 = 256;

pub(crate) async fn run() -> Result<()> {
    println!("terminals (in this process: engine, container's stream, agent, PTY)");
    let data = tempfile::tempdir()?;
    let engine = Engine::open(engine::config(data.path())?).await?;
    let zip = project::zip_sample("node-hello", data.path())?;
    let made = engine.workspace_deploy(engine::request(&zip)).await?;
    wait_until("the workspace to run", Duration::from_mins(1), || async {
        let view = engine.workspace_status(WorkspaceRef { id: made.id.clone() }).await?;
        Ok((view.state == WorkspaceState::Running).then_some(()))
    })
    .await?;
    keystrokes(&engine, &made.id).await?;
    flood(&engine, &made.id).await?;
    engine.shutdown(Duration::from_secs(20), true).await;
    containers::remove_all(data.path()).await
}

async fn open(engine: &Engine, id: &WorkspaceId, argv: &[&str]) -> Result<Attachment> {
    let open = OpenProcess {
        id: id.clone(),
        argv: argv.iter().map(|&a| a.to_owned()).collect(),
        cwd: None,
        env: BTreeMap::new(),
        terminal: Some(WindowSize { columns: 120, rows: 32 }),
        stdin: false,
        name: None,
    };
    let process = engine.process_open(open).await?;
    Ok(engine.attach(&ProcessRef { id: id.clone(), process: process.id }, 0, true).await?)
}

/// `cat` in a PTY: the terminal itself echoes each key.
async fn keystrokes(engine: &Engine, id: &WorkspaceId) -> Result<()> {
    let mut attached = open(engine, id, &["cat"]).await?;
    let mut samples = Samples::new();
    for n in 0..KEYS {
        let key = [b'a' + (n % 26) as u8];
        let began = Instant::now();
        attached.input.send(Bytes::copy_from_slice(&key)).await?;
        loop {
            let frame = attached.output.recv().await.context("output")?;
            if frame.kind == FrameKind::Terminal && frame.payload.contains(&key[0]) {
                break;
            }
        }
        samples.add(began.elapsed());
        // A line of a terminal holds 4,096 bytes; end it well before.
        if n % 100 == 99 {
            attached.input.send(Bytes::from_static(b"\n")).await?;
            drain(&mut attached).await;
        }
    }
    samples.print("keystroke to echo");
    figure("keystroke to echo, p50", samples.median(), "ms", "at most 1");
    Ok(())
}

/// Takes what is still coming until it is quiet for a moment.
async fn drain(attached: &mut Attachment) {
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(20), attached.output.recv()).await {}
}

async fn flood(engine: &Engine, id: &WorkspaceId) -> Result<()> {
    let before = resident_kb("self")?;
    let mut most = before;
    // Large writes: what is measured is the way, not the program's own buffer.
    let command = format!("stty raw; exec dd if=/dev/zero bs=65536 count={} 2>/dev/null", FLOOD_MB * 16);
    let mut attached = open(engine, id, &["sh", "-c", &command]).await?;
    let began = Instant::now();
    let mut bytes = 0_u64;
    loop {
        let frame = attached.output.recv().await.context("output")?;
        match frame.kind {
            FrameKind::Terminal => {
                ensure!(frame.offset == bytes, "a byte is missing at {bytes}");
                bytes += frame.payload.len() as u64;
                most = most.max(resident_kb("self")?);
            }
            FrameKind::Exit => break,
            other => bail!("unexpected {other:?}"),
        }
    }
    let took = began.elapsed();
    ensure!(bytes == FLOOD_MB << 20, "{bytes} bytes arrived");
    let speed = |took: Duration| (FLOOD_MB << 20) as f64 / 1e6 / took.as_secs_f64();
    figure("256 MB printed by a program arrive at", speed(took), "MB/s", "at least 100");
    // A kernel worker hands over 4 KiB at a time: how soon it wakes is the machine's, and differs threefold among them.
    let bare = tokio::task::spawn_blocking(move || {
        let mut bytes = 0;
        terminal(&["-c", &command], |read| {
            bytes += read.len() as u64;
            bytes >= FLOOD_MB << 20
        })
    })
    .await??;
    figure("the same, read from a bare terminal here", speed(bare), "MB/s", "none: the limit");
    figure("memory growth meanwhile", (most - before) as f64 / 1024.0, "MiB", "under 64");
    println!();
    Ok(())
}

/// Resident memory of a process in kB.
pub(crate) fn resident_kb(pid: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}
