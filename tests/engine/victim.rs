//! An engine in a process of its own, to be killed. The test program runs itself again as that process: an ignored test
//! that does nothing unless the environment says what to do.

use super::harness::{LONG, config, request};
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use slipway_engine::{Certificates, Engine};
use slipway_wire::{
    Api, EventBody, LogQuery, Nothing, OpenProcess, PhaseName, PhaseState, WindowSize, WorkspaceId,
    WorkspaceState,
};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const DATA: &str = "SLIPWAY_VICTIM_DATA";
const ZIP: &str = "SLIPWAY_VICTIM_ZIP";
const FRESH: &str = "SLIPWAY_VICTIM_FRESH";
const POOL: &str = "SLIPWAY_VICTIM_POOL";
const WATCH: &str = "SLIPWAY_VICTIM_WATCH";

/// What the victim does: opens an engine on a folder, deploys a zip, and prints every phase as it begins and each state
/// as it is reached, one a line.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the crash tests, as the process that they kill"]
async fn the_victim() -> Result<()> {
    let Some(data) = env::var_os(DATA).map(PathBuf::from) else { return Ok(()) };
    let mut config = config(&data)?;
    if env::var_os(FRESH).is_some() {
        let bundle = format!("# {}\n", data.display()).into_bytes();
        config.certificates = Some(Certificates { bundle, own: Vec::new() });
    }
    if let Ok(size) = env::var(POOL) {
        config.pool_size = size.parse()?;
    }
    let engine = Engine::open(config).await?;
    if env::var_os(WATCH).is_some() {
        return watch(&engine).await;
    }
    let Some(zip) = env::var_os(ZIP).map(PathBuf::from) else {
        let status = engine.engine_status(Nothing {}).await?;
        say(&format!("status {}", serde_json::to_string(&status)?))?;
        return Ok(());
    };
    let mut events = engine.events(None);
    let made = engine.workspace_deploy(request(&zip)).await?;
    say(&format!("workspace {}", made.id))?;
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let EventBody::Workspace(view) = event.body else { continue };
        for phase in &view.phases {
            // A phase with a program counts once the program runs.
            let programs = matches!(phase.name, PhaseName::Install | PhaseName::Build | PhaseName::Start);
            let begun = phase.state == PhaseState::Running && (!programs || phase.process.is_some());
            if begun && !told.contains(&phase.name) {
                told.push(phase.name);
                say(&format!("phase {:?}", phase.name))?;
            }
        }
        if view.state == WorkspaceState::Running {
            let terminal = Some(WindowSize { columns: 80, rows: 24 });
            let open = OpenProcess {
                id: made.id.clone(),
                argv: vec!["sh".into(), "-c".into(), "echo before the crash; exec sleep 4716".into()],
                cwd: None,
                env: BTreeMap::new(),
                terminal,
                stdin: false,
                name: Some("kept".into()),
            };
            engine.process_open(open).await?;
            say("running")?;
            std::future::pending::<()>().await;
        }
    }
    bail!("the events ended")
}

/// Says when a new line of a log was seen, of whatever workspace there is.
async fn watch(engine: &Engine) -> Result<()> {
    let found = engine.workspace_list(Nothing {}).await?.pop().context("a workspace")?;
    let mut query: LogQuery = serde_json::from_str(&format!("{{\"id\":\"{}\",\"tail\":1}}", found.id))?;
    query.after = Some(engine.workspace_logs(query.clone()).await?.next);
    query.tail = None;
    query.wait_ms = Some(10_000);
    loop {
        let page = engine.workspace_logs(query.clone()).await?;
        query.after = Some(page.next);
        if !page.records.is_empty() {
            say("line")?;
        }
    }
}

/// Whole lines, at once: whoever reads them acts on each.
fn say(line: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "victim: {line}")?;
    Ok(out.flush()?)
}

/// What a victim is to do.
#[derive(Default)]
pub(crate) struct Orders<'a> {
    /// Deploys it; without one it only tells what it knows of Docker, and ends.
    pub(crate) zip: Option<&'a Path>,
    /// Prepares an image that nobody has.
    pub(crate) fresh_image: bool,
    /// Keeps this many containers warm.
    pub(crate) pool: usize,
    /// Deploys nothing and says when a log has a new line.
    pub(crate) watch: bool,
    pub(crate) docker_host: Option<&'a str>,
    /// Another user, by number; only root may.
    pub(crate) user: Option<u32>,
}

/// A victim that runs.
pub(crate) struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// Starts one on a folder.
    pub(crate) fn start(data: &Path, orders: &Orders<'_>) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command
            .args(["--exact", "victim::the_victim", "--ignored", "--nocapture"])
            .env(DATA, data)
            .env(POOL, orders.pool.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if orders.fresh_image {
            command.env(FRESH, "1");
        }
        if orders.watch {
            command.env(WATCH, "1");
        }
        if let Some(zip) = orders.zip {
            command.env(ZIP, zip);
        }
        if let Some(host) = orders.docker_host {
            command.env("DOCKER_HOST", host);
        }
        if let Some(user) = orders.user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().context("starting the victim")?;
        let out = child.stdout.take().context("its output")?;
        Ok(Self { child, lines: BufReader::new(out).lines() })
    }

    /// Waits for a line that begins so; gives its rest.
    pub(crate) async fn says(&mut self, wanted: &str) -> Result<String> {
        let wanted = format!("victim: {wanted}");
        let find = async {
            while let Some(line) = self.lines.next_line().await? {
                // The test runner may have begun the line with its own words.
                if let Some((_, rest)) = line.split_once(&wanted) {
                    return Ok(rest.trim().to_owned());
                }
            }
            bail!("the victim ended without {wanted:?}")
        };
        tokio::time::timeout(LONG, find).await.with_context(|| format!("waiting for {wanted:?}"))?
    }

    /// The workspace it deploys.
    pub(crate) async fn workspace(&mut self) -> Result<WorkspaceId> {
        Ok(self.says("workspace ").await?.parse()?)
    }

    /// SIGKILL: nothing of it runs on.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
