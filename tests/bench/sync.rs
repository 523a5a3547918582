//! Live sync: from a save on this machine until the container sees it, for one file and for a thousand. The container
//! itself says when, by a program that waits for the file: nobody asks in between.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::figures::{Samples, figure};
use anyhow::{Context, Result, ensure};
use slipway_engine::{Attachment, Engine};
use slipway_tests::{containers, engine, project, wait_until};
use slipway_wire::{
    Api, FrameKind, OpenProcess, ProcessRef, SyncRef, SyncStart, SyncState, WorkspaceId, WorkspaceRef,
    WorkspaceState,
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

const SAVES: usize = 30;
const FLOODS: usize = 10;
const FILES: usize = 1000;
const MINUTE: Duration = Duration::from_mins(1);

/// Prints a line whenever the file has been changed, or a thousand are in the next folder. It looks every 2 ms at the one
/// and every 10 ms at the many, so that looking takes little of what is measured.
const WATCHER: &str = "const fs=require('fs');let last='',next=0;\
    setInterval(()=>{let now=last;try{now=fs.readFileSync('one.txt','utf8')}catch{}if(now!==last){last=now;console.log('one '+now)}},2);\
    setInterval(()=>{let n=0;try{n=fs.readdirSync('many'+next).filter(name=>!name.startsWith('.')).length}catch{}\
    if(n===1000){console.log('full '+next);next++}},10);\
    console.log('watching')";

pub(crate) async fn run() -> Result<()> {
    println!(
        "live sync (in this process: watch, compare, one stream to the agent; the container says when it sees it)"
    );
    let data = tempfile::tempdir()?;
    let engine = Engine::open(engine::config(data.path())?).await?;
    let zip = project::zip_sample("node-hello", data.path())?;
    let measured = measure(&engine, &zip).await;
    engine.shutdown(Duration::from_secs(20), true).await;
    containers::remove_all(data.path()).await?;
    println!();
    measured
}

async fn measure(engine: &Engine, zip: &Path) -> Result<()> {
    let id = engine.workspace_deploy(engine::request(zip)).await?.id;
    wait_until("the workspace", MINUTE, || async {
        let view = engine.workspace_status(WorkspaceRef { id: id.clone() }).await?;
        Ok((view.state == WorkspaceState::Running).then_some(()))
    })
    .await?;
    let temp = tempfile::tempdir()?;
    let dir = temp.path().canonicalize()?;
    fs::write(dir.join("one.txt"), "0")?;
    let request = SyncStart {
        workspace: id.clone(),
        dir: dir.to_str().context("text")?.to_owned(),
        root: Some("/workspace/synced".to_owned()),
        both: false,
        once: false,
    };
    let sync = engine.sync_start(request).await?;
    let at_rest = || async {
        let view = engine.sync_status(SyncRef { id: sync.id.clone() }).await?;
        ensure!(view.state == SyncState::Watching, "{view:?}");
        Ok(Some(()))
    };
    wait_until("the sync", MINUTE, at_rest).await?;
    let mut told = Told::begin(engine, &id).await?;
    told.line("one 0").await?;

    let mut saves = Samples::new();
    for n in 1..=SAVES {
        let began = Instant::now();
        fs::write(dir.join("one.txt"), n.to_string())?;
        told.line(&format!("one {n}")).await?;
        saves.add(began.elapsed());
        wait_until("the sync to rest", MINUTE, at_rest).await?;
    }
    saves.print("a save, until the container reads it");
    figure("a save, p50", saves.median(), "ms", "under 150");

    // Into a new folder each time, and nothing is removed in between: an ext4 without a journal looks past every inode that
    // was let go of in the last minute, which makes each new file dearer by all that were removed.
    let elsewhere = tempfile::tempdir()?;
    let (mut floods, mut alone) = (Samples::new(), Samples::new());
    for n in 0..FLOODS {
        let began = Instant::now();
        write_many(&dir.join(format!("many{n}")))?;
        told.line(&format!("full {n}")).await?;
        floods.add(began.elapsed());
        wait_until("the sync to rest", MINUTE, at_rest).await?;
        let began = Instant::now();
        write_many(&elsewhere.path().join(format!("many{n}")))?;
        alone.add(began.elapsed());
    }
    floods.print("1,000 files of 4 kB, written and all there");
    alone.print("the same, written here where nobody looks");
    figure("1,000 files of 4 kB, p50", floods.median(), "ms", "under 1000");
    Ok(())
}

fn write_many(folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    for file in 0..FILES {
        fs::write(folder.join(format!("f{file}.txt")), "0123".repeat(1024))?;
    }
    Ok(())
}

/// What the program in the container says.
struct Told {
    attached: Attachment,
    text: String,
}

impl Told {
    async fn begin(engine: &Engine, id: &WorkspaceId) -> Result<Self> {
        let open = OpenProcess {
            id: id.clone(),
            argv: vec!["node".into(), "-e".into(), WATCHER.into()],
            cwd: Some("/workspace/synced".to_owned()),
            env: BTreeMap::new(),
            terminal: None,
            stdin: false,
            name: None,
        };
        let process = engine.process_open(open).await?.id;
        let attached = engine.attach(&ProcessRef { id: id.clone(), process }, 0, true).await?;
        let mut told = Self { attached, text: String::new() };
        told.line("watching").await?;
        Ok(told)
    }

    async fn line(&mut self, wanted: &str) -> Result<()> {
        loop {
            while let Some(end) = self.text.find('\n') {
                let line: String = self.text.drain(..=end).collect();
                if line.trim_end() == wanted {
                    return Ok(());
                }
            }
            let frame = tokio::time::timeout(MINUTE, self.attached.output.recv()).await?;
            let frame = frame.context("the program goes on")?;
            ensure!(frame.kind == FrameKind::Stdout, "{}", String::from_utf8_lossy(&frame.payload));
            self.text.push_str(&String::from_utf8_lossy(&frame.payload));
        }
    }
}
