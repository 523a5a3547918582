//! The rivals: what somebody would do by hand with the docker command line.

use anyhow::{Context, Result, ensure};
use slipway_tests::containers::docker;
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Between two looks whether a server answers.
const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(1);

/// Unzip, create, cp, start, poll until the first HTTP 200.
pub(crate) async fn deploy(zip: &Path, folder: &str) -> Result<Duration> {
    let began = Instant::now();
    let dir = tempfile::tempdir()?;
    let unzip = Command::new("unzip")
        .arg("-q")
        .arg(zip)
        .arg("-d")
        .arg(dir.path())
        .status()
        .context("running unzip")?;
    ensure!(unzip.success(), "unzip failed");
    let create = ["create", "-p", "127.0.0.1::3000", "-w", "/app", "-e", "PORT=3000", "node:24-alpine"];
    let id = docker(&[&create[..], &["node", "server.js"]].concat()).await?;
    let id = id.trim();
    let from = format!("{}/.", dir.path().join(folder).display());
    docker(&["cp", "-q", &from, &format!("{id}:/app")]).await?;
    docker(&["start", id]).await?;
    let port = docker(&["port", id, "3000/tcp"]).await?;
    let address = port.lines().next().context("a published port")?.to_owned();
    poll(&address, "localhost")?;
    let took = began.elapsed();
    docker(&["rm", "-f", id]).await?;
    Ok(took)
}

/// The limit: the same program started in a container that runs already.
pub(crate) async fn start_only(container: &str, address: &str) -> Result<Duration> {
    let began = Instant::now();
    let mut server = Command::new("docker")
        .args(["exec", "-w", "/app", container, "node", "server.js"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    poll(address, "localhost")?;
    let took = began.elapsed();
    docker(&["exec", container, "sh", "-c", "kill $(pidof node)"]).await?;
    server.wait()?;
    Ok(took)
}

/// Asks until the answer is 200.
pub(crate) fn poll(address: &str, host: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        if let Ok(true) = answers(address, host) {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "nothing answered at {address}");
        std::thread::sleep(POLL);
    }
}

fn answers(address: &str, host: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(&head == b"HTTP/1.1 200")
}
