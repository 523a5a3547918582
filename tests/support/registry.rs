//! A container registry of a test's own on the loopback of a private engine, which pulls from there without TLS.

use anyhow::{Context, Result};
use std::{env, fmt::Write as _, path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr},
};

use crate::private_engine::PrivateEngine;

/// Who may pull from a registry that asks.
pub const USER: &str = "ann";
/// Her password.
pub const PASSWORD: &str = "open-sesame";
/// Both, as the registry keeps them (bcrypt).
const HTPASSWD: &str = "ann:$2b$05$dQs8FZfJOKMytk/OGa.72e//y/A4suMRPdml7XbE9rXShoTD14/WS\n";

/// A registry that runs. Ended when dropped.
pub struct Registry {
    address: String,
    program: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts an empty one, open to everybody or to [`USER`] alone. `None` where there is no registry program.
    pub async fn start(engine: &PrivateEngine, asks_for_a_login: bool) -> Result<Option<Self>> {
        let Some(program) = program() else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        let mut text = "version: 0.1\nlog: {level: info}\nhttp: {addr: \"127.0.0.1:0\"}\n".to_owned();
        writeln!(text, "storage:\n  filesystem: {{rootdirectory: \"{}\"}}", store.display())?;
        if asks_for_a_login {
            let users = folder.path().join("users");
            std::fs::write(&users, HTPASSWD)?;
            writeln!(text, "auth:\n  htpasswd: {{realm: slipway-test, path: \"{}\"}}", users.display())?;
        }
        let settings = folder.path().join("settings.yml");
        std::fs::write(&settings, text)?;
        let mut program = engine
            .beside(&program)?
            .arg("serve")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the registry")?;
        let said = program.stderr.take().context("no standard error")?;
        let listening = tokio::time::timeout(Duration::from_secs(30), listening(said));
        let address = listening.await.context("the registry did not listen")??;
        Ok(Some(Self { address, program, _folder: folder }))
    }

    /// The name of an image in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Host and port, as logins name it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it now.
    pub async fn stop(&mut self) -> Result<()> {
        self.program.kill().await.context("ending the registry")
    }
}

/// Debian's package `docker-registry`, which `./dev test` unpacks, or an installed one.
fn program() -> Option<PathBuf> {
    if let Some(given) = env::var_os("SLIPWAY_REGISTRY").filter(|path| !path.is_empty()) {
        return Some(given.into());
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join("docker-registry")).find(|path| path.is_file())
}

/// Reads its log until it says where it listens, and then goes on reading, so that it can write.
async fn listening(said: ChildStderr) -> Result<String> {
    let mut lines = BufReader::new(said).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, rest)) = line.split_once("listening on ") {
            let address = rest.split(['"', ' ']).next().context("an address")?.to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
    }
    anyhow::bail!("the registry ended")
}
