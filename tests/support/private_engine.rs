//! A Docker engine of a test's own, on a small disk and in a network namespace: what is pulled into it or fills it is
//! nobody else's, and neither is a bridge. (A daemon that is told to have none removes `docker0`, whoever's that is.)

use anyhow::{Context, Result, ensure};
use std::{fmt::Write as _, path::Path, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

use crate::{small_disk::SmallDisk, wait_until};

/// A loaded machine needs a while to start a daemon.
const LONG: Duration = Duration::from_mins(1);

/// The daemon and where it keeps everything. Ended by [`PrivateEngine::stop`].
pub struct PrivateEngine {
    daemon: Child,
    run: tempfile::TempDir,
    /// Its images and containers.
    pub disk: SmallDisk,
}

impl PrivateEngine {
    /// Starts one whose images and containers have so much room (`64m`). `None` where this user may not, or there is no
    /// `dockerd` on this machine.
    pub async fn start(size: &str) -> Result<Option<Self>> {
        if !Command::new("dockerd")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .await
            .is_ok_and(|s| s.success())
        {
            return Ok(None);
        }
        let Some(disk) = SmallDisk::mount(size)? else { return Ok(None) };
        let run = tempfile::Builder::new().prefix("slipway-dockerd-").tempdir()?;
        let log = std::fs::File::create(run.path().join("log"))?;
        let spawned = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "ip link set lo up && exec dockerd \"$@\"", "dockerd"])
            .arg("--data-root")
            .arg(disk.path())
            .arg("--exec-root")
            .arg(run.path().join("exec"))
            .arg("--pidfile")
            .arg(run.path().join("pid"))
            .arg("--host")
            .arg(format!("unix://{}", run.path().join("docker.sock").display()))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        let engine = Self { daemon: spawned.context("starting dockerd")?, run, disk };
        wait_until("the private engine to answer", LONG, async || {
            engine.docker(&["version"]).await.with_context(|| engine.log())?;
            Ok(Some(()))
        })
        .await?;
        Ok(Some(engine))
    }

    /// As `DOCKER_HOST` names it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.run.path().join("docker.sock").display())
    }

    /// A command that will run in its network namespace, where its loopback is.
    pub fn beside(&self, program: &Path) -> Result<Command> {
        let pid = self.daemon.id().context("the private engine has ended")?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{pid}/ns/net")).arg("--").arg(program);
        Ok(command)
    }

    /// Runs the docker command line on it, with a configuration of its own, and gives what it printed.
    pub async fn docker(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.config_dir())
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker {} failed: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Where [`PrivateEngine::docker`] keeps logins. No person's.
    pub fn config_dir(&self) -> std::path::PathBuf {
        self.run.path().join("config")
    }

    /// Makes an image of `layers` files, each of `bytes` that no compression makes smaller, one layer each.
    pub async fn make_image(&self, tag: &str, layers: usize, bytes: u64) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut text = "FROM scratch\n".to_owned();
        for layer in 0..layers {
            let name = format!("noise-{layer}");
            noise(&folder.path().join(&name), bytes)?;
            writeln!(text, "COPY {name} /")?;
        }
        text.push_str("LABEL slipway.test=true\n");
        std::fs::write(folder.path().join("Dockerfile"), text)?;
        let path = folder.path().to_str().context("a path that is text")?;
        self.docker(&["build", "--quiet", "--tag", tag, path]).await?;
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.run.path().join("log")).unwrap_or_default()
    }

    /// Ends it in order, so that nothing stays mounted.
    pub async fn stop(mut self) -> Result<()> {
        let pid = self.daemon.id().context("it ended before")?.to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status().await?;
        ensure!(killed.success(), "dockerd could not be signalled");
        tokio::time::timeout(LONG, self.daemon.wait()).await.with_context(|| self.log())??;
        Ok(())
    }
}

fn noise(path: &Path, bytes: u64) -> Result<()> {
    use std::io::Read;
    let mut source = std::fs::File::open("/dev/urandom")?.take(bytes);
    std::io::copy(&mut source, &mut std::fs::File::create(path)?)?;
    Ok(())
}
