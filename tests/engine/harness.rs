//! An engine of a test's own: its data directory, its containers, removed at the end by instance label.

use super::shell::Shell;
use anyhow::{Context, Result, bail, ensure};
use slipway_engine::{Config, Engine};
pub(crate) use slipway_tests::engine::{config, request};
use slipway_tests::{clock::TestClock, containers, socket_proxy::SocketProxy, wait_until};
use slipway_wire::{
    Api, EventBody, FrameKind, LeaseChange, LeaseRequest, Message, OpenProcess, Problem, ProcessExit,
    ProcessRef, Workspace, WorkspaceId, WorkspaceRef, WorkspaceRename, WorkspaceState,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Long enough for a busy machine with two cores; a test that gets there has failed.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// An engine and the folder it works in.
pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) data: tempfile::TempDir,
}

impl House {
    pub(crate) async fn open() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let engine = Engine::open(config(data.path())?).await?;
        Ok(Self { engine, data })
    }

    /// Ends the engine and removes what it made. Called by every test at its end; what a test that failed before leaves
    /// carries its own instance label.
    pub(crate) async fn close(self) -> Result<()> {
        self.engine.shutdown(Duration::from_secs(20), true).await;
        containers::remove_all(self.data.path()).await
    }

    /// A zip with these entries in the house's own folder.
    pub(crate) fn zip(&self, name: &str, entries: &[(&str, &str)]) -> Result<PathBuf> {
        let path = self.data.path().join(format!("{name}.zip"));
        slipway_tests::project::zip_of(&path, entries)?;
        Ok(path)
    }

    pub(crate) async fn deploy(&self, path: &Path) -> Result<Workspace> {
        Ok(self.engine.workspace_deploy(request(path)).await?)
    }

    pub(crate) async fn status(&self, id: &WorkspaceId) -> Result<Workspace> {
        Ok(self.engine.workspace_status(WorkspaceRef { id: id.clone() }).await?)
    }

    /// Waits until a workspace is in a state, and fails at once when it ends in another that it does not leave.
    pub(crate) async fn wait_for(&self, id: &WorkspaceId, wanted: WorkspaceState) -> Result<Workspace> {
        let found = wait_until(&format!("{id} to be {wanted:?}"), LONG, || async {
            let view = self.status(id).await?;
            let over = matches!(view.state, WorkspaceState::Failed | WorkspaceState::Terminated);
            anyhow::ensure!(view.state == wanted || over, "it is {view:?}");
            Ok(Some(view))
        })
        .await?;
        if found.state != wanted {
            bail!("{id} ended as {:?}: {:?}", found.state, found.problem);
        }
        Ok(found)
    }

    /// Deploys and waits until it is running.
    pub(crate) async fn ready(&self, path: &Path) -> Result<Workspace> {
        let made = self.deploy(path).await?;
        self.wait_for(&made.id, WorkspaceState::Running).await
    }

    /// Runs a program without a terminal to its end: its standard output, its standard error, how it ended.
    pub(crate) async fn run(&self, id: &WorkspaceId, argv: &[&str]) -> Result<(String, String, ProcessExit)> {
        self.run_with(id, BTreeMap::new(), argv).await
    }

    /// The same, with these variables in its environment.
    pub(crate) async fn run_with(
        &self,
        id: &WorkspaceId,
        env: BTreeMap<String, String>,
        argv: &[&str],
    ) -> Result<(String, String, ProcessExit)> {
        let open = OpenProcess {
            id: id.clone(),
            argv: argv.iter().map(|&a| a.to_owned()).collect(),
            cwd: None,
            env,
            terminal: None,
            stdin: false,
            name: None,
        };
        let process = self.engine.process_open(open).await?;
        let mut attached =
            self.engine.attach(&ProcessRef { id: id.clone(), process: process.id }, 0, true).await?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(frame) = tokio::time::timeout(LONG, attached.output.recv()).await? {
            match frame.kind {
                FrameKind::Stdout => out.extend_from_slice(&frame.payload),
                FrameKind::Stderr => err.extend_from_slice(&frame.payload),
                FrameKind::Exit => {
                    let exit = serde_json::from_slice(&frame.payload)?;
                    return Ok((String::from_utf8(out)?, String::from_utf8(err)?, exit));
                }
                FrameKind::Terminal | FrameKind::Gap => bail!("unexpected {:?}", frame.kind),
            }
        }
        bail!("the attachment ended without an exit")
    }
}

/// Fetches a URL of the gateway: the status and the body as text. `*.localhost` is dialled as loopback, as browsers do.
pub(crate) async fn fetch(url: &str) -> Result<(u16, String)> {
    use http_body_util::BodyExt;
    let uri: hyper::Uri = url.parse()?;
    let authority = uri.authority().context("a URL has a host")?.clone();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let request = hyper::Request::get(path)
        .header("host", authority.as_str())
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A Node server of a few lines that answers on `port` with `text`.
pub(crate) fn server(port: u16, text: &str) -> String {
    format!(
        "require('http').createServer((q, r) => r.end({text:?} + ' ' + q.url)).listen({port}, '127.0.0.1')"
    )
}

impl House {
    /// A house whose settings file says `settings` from the start, as TOML.
    pub(crate) async fn with_settings(settings: &str) -> Result<Self> {
        let data = tempfile::tempdir()?;
        std::fs::write(data.path().join("settings.toml"), settings)?;
        let engine = Engine::open(config(data.path())?).await?;
        Ok(Self { engine, data })
    }

    /// A house whose clock a test can turn.
    pub(crate) async fn with_clock(clock: &Arc<TestClock>, settings: &str) -> Result<Self> {
        let data = tempfile::tempdir()?;
        std::fs::write(data.path().join("settings.toml"), settings)?;
        Self::reopen_with(data, clock).await
    }

    /// Opens an engine with this clock on a folder that another one left.
    pub(crate) async fn reopen_with(data: tempfile::TempDir, clock: &Arc<TestClock>) -> Result<Self> {
        let engine = Engine::open(Config { clock: clock.clone(), ..config(data.path())? }).await?;
        Ok(Self { engine, data })
    }

    /// A house on a folder, its Docker engine behind a proxy that can be told to fail, and with what else is to be set.
    pub(crate) async fn behind_proxy(
        data: tempfile::TempDir,
        set: impl FnOnce(&mut Config),
    ) -> Result<(Self, SocketProxy)> {
        let proxy = SocketProxy::start(data.path())?;
        let mut config = config(data.path())?;
        config.docker.docker_host = Some(proxy.address());
        set(&mut config);
        Ok((Self { engine: Engine::open(config).await?, data }, proxy))
    }

    /// Changes a lease.
    pub(crate) async fn lease(&self, id: &WorkspaceId, change: LeaseChange) -> Result<Workspace, Problem> {
        self.engine.workspace_lease(LeaseRequest { id: id.clone(), change }).await
    }

    /// Has a workspace look at the clock now instead of within the next minute: any request does.
    pub(crate) async fn look_at_the_clock(&self, id: &WorkspaceId) -> Result<()> {
        let name = self.status(id).await?.name;
        self.engine.workspace_rename(WorkspaceRename { id: id.clone(), name }).await?;
        Ok(())
    }

    /// What was told of a workspace, oldest first.
    pub(crate) async fn told(&self, id: &WorkspaceId) -> Result<Vec<Message>> {
        let events = self.engine.workspace_messages(WorkspaceRef { id: id.clone() }).await?;
        Ok(events
            .into_iter()
            .filter_map(|event| match event.body {
                EventBody::Message(message) => Some(message),
                _ => None,
            })
            .collect())
    }

    /// Waits until a workspace has been told something with these words.
    pub(crate) async fn is_told(&self, id: &WorkspaceId, words: &str) -> Result<Message> {
        wait_until(&format!("{id} to be told {words:?}"), LONG, || async {
            let told = self.told(id).await?;
            let found = told.iter().find(|message| message.text.contains(words)).cloned();
            ensure!(found.is_some(), "it was told {:?}", told.iter().map(|m| &m.text).collect::<Vec<_>>());
            Ok(found)
        })
        .await
    }

    /// Waits until a workspace has failed: the workspace and why.
    pub(crate) async fn fails(&self, id: &WorkspaceId) -> Result<(Workspace, Problem)> {
        let view = wait_until(&format!("{id} to fail"), LONG, || async {
            let view = self.status(id).await?;
            let over = !matches!(view.state, WorkspaceState::Creating | WorkspaceState::Running);
            ensure!(over, "it is {view:?}");
            Ok(Some(view))
        })
        .await?;
        let problem = view.problem.clone().context("what ended badly says why")?;
        ensure!(view.state == WorkspaceState::Failed, "{:?}: {problem}", view.state);
        ensure!(problem.hint.is_some(), "{problem} has no way on");
        Ok((view, problem))
    }

    /// The way on that every workspace with a container has: a shell opens in it and answers.
    pub(crate) async fn shell_answers(&self, id: &WorkspaceId) -> Result<()> {
        let mut shell = Shell::open(self, id).await?;
        shell.asks("echo way-$((40 + 2))", "way-42").await?;
        self.engine.process_close(shell.process.clone()).await?;
        Ok(())
    }

    /// The containers Docker holds of this house.
    pub(crate) async fn containers(&self) -> Result<Vec<String>> {
        containers::of(&containers::instance(self.data.path())?).await
    }

    /// Ends the engine in order, its containers going on, and gives its folder for another one.
    pub(crate) async fn leave(self) -> tempfile::TempDir {
        self.engine.shutdown(Duration::from_secs(20), true).await;
        self.data
    }

    /// Opens an engine on a folder that another one left.
    pub(crate) async fn reopen(data: tempfile::TempDir) -> Result<Self> {
        let engine = Engine::open(config(data.path())?).await?;
        Ok(Self { engine, data })
    }
}

/// Bytes that nothing on the way can guess.
pub(crate) fn random(length: usize) -> Result<bytes::Bytes> {
    use std::io::Read;
    let mut bytes = vec![0; length];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

/// Says why a test proves nothing on this machine.
#[expect(clippy::print_stderr, reason = "the test runner shows it beside the test")]
pub(crate) fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
