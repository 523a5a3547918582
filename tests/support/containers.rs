//! What the Docker engine holds of one Slipway: found by its instance label and by nothing else, so that a test can
//! only ever remove what it made.

use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

/// The identity a data directory has, once Slipway has opened it.
pub fn instance(data: &Path) -> Result<String> {
    let path = data.join("instance");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let instance = text.trim().to_owned();
    ensure!(!instance.is_empty(), "{} is empty", path.display());
    Ok(instance)
}

/// How the identity of a data directory of tests ends. What is prepared for one is used by all, so no single test can
/// remove it; by this `./dev` knows it (`images_forget_tests`).
const OF_TESTS: &str = "ofthetests";

/// Gives a data directory that Slipway has not opened yet the identity of a test's.
pub fn identify(data: &Path) -> Result<()> {
    let path = data.join("instance");
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(data)?;
    let chance: String =
        std::iter::repeat_with(|| fastrand::choice(b"abcdefghijklmnopqrstuvwxyz0123456789".iter()))
            .take(6)
            .flatten()
            .map(|&byte| char::from(byte))
            .collect();
    std::fs::write(&path, format!("{chance}{OF_TESTS}"))
        .with_context(|| format!("writing {}", path.display()))
}

/// Runs the docker command line and gives what it printed.
pub async fn docker(arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(arguments).output().await.context("running docker")?;
    ensure!(
        output.status.success(),
        "docker {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Makes an image that keeps `folder` in a volume, with the rights it has in Node's. Its name; whoever asks for it removes it.
pub async fn image_with_volume(instance: &str, folder: &str) -> Result<String> {
    let image = format!("slipway-test-volume:{instance}");
    let container = docker(&["create", "node:24-alpine", "true"]).await?;
    docker(&["commit", "--change", &format!("VOLUME {folder}"), container.trim(), &image]).await?;
    docker(&["rm", container.trim()]).await?;
    Ok(image)
}

/// The ids of an instance's containers, running or not.
pub async fn of(instance: &str) -> Result<Vec<String>> {
    let filter = format!("label=slipway.instance={instance}");
    let listed = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Whether an engine came to a container's agent by a `docker exec`, which runs for as long as it is there, and not over
/// the container's own streams.
pub async fn reached_by_exec(container: &str) -> Result<bool> {
    let programs = docker(&["top", container]).await?;
    ensure!(programs.contains("/.slipway/agent init"), "{programs}");
    Ok(programs.contains("/.slipway/agent connect"))
}

/// Waits until Docker is through with starting programs in a container (`docker exec`). An agent that connects answers
/// before that, and what somebody asked for who is gone is started all the same.
pub async fn nothing_starts_in(container: &str) -> Result<()> {
    crate::wait_until("no program to be being started", Duration::from_mins(1), || async {
        let found = ask(&format!("/containers/{container}/json")).await?;
        for exec in found["ExecIDs"].as_array().into_iter().flatten() {
            let exec = exec.as_str().context("an id")?;
            let seen = ask(&format!("/exec/{exec}/json")).await?;
            // Those that ended may be forgotten meanwhile.
            ensure!(seen["Running"] != true || seen["Pid"] != 0, "{seen}");
        }
        Ok(Some(()))
    })
    .await
}

/// The daemon's own socket.
pub fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

/// What Docker's API answers, where the command line does not ask: one question, one connection.
async fn ask(path: &str) -> Result<serde_json::Value> {
    let stream = tokio::net::UnixStream::connect(socket()).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", "docker")
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())?;
    let answer = sender.send_request(request).await?.into_body();
    let body = http_body_util::BodyExt::collect(answer).await?.to_bytes();
    driver.abort();
    Ok(serde_json::from_slice(&body)?)
}

/// Removes what the Slipway of a data directory left. A directory Slipway never opened has nothing.
pub async fn remove_all(data: &Path) -> Result<()> {
    let Ok(instance) = instance(data) else { return Ok(()) };
    for container in of(&instance).await? {
        if let Err(error) = docker(&["rm", "--force", "--volumes", &container]).await {
            // An owner that has just ended may have asked for it: then it is gone in a moment.
            let going = ["already in progress", "No such container"];
            ensure!(going.iter().any(|words| error.to_string().contains(words)), error);
        }
    }
    crate::wait_until("the containers to be gone", Duration::from_mins(1), || async {
        let left = of(&instance).await?;
        ensure!(left.is_empty(), "{} are left", left.len());
        Ok(Some(()))
    })
    .await?;
    let ours = format!("label=slipway.instance={instance}");
    let snapshots =
        docker(&["images", "--quiet", "--filter", &ours, "--filter", "label=slipway.role=snapshot"]).await?;
    for image in snapshots.lines() {
        docker(&["rmi", "--force", image]).await?;
    }
    Ok(())
}
