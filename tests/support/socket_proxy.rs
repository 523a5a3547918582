//! A proxy in front of a Docker daemon's Unix socket that can be told to fail: what a daemon that stops, restarts,
//! hangs or hangs up looks like, without touching the real one.

use anyhow::{Context, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

/// How the proxy treats connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on, both ways.
    Forward,
    /// Passes everything on this much later.
    Delay(Duration),
    /// Takes connections and never says anything.
    Silent,
    /// Takes connections and closes them at once; those there were are cut.
    HangUp,
    /// There is no socket; connections there were are cut.
    Gone,
}

/// The proxy. It ends when dropped.
pub struct SocketProxy {
    path: PathBuf,
    upstream: PathBuf,
    mode: watch::Sender<Mode>,
    accepting: Option<JoinHandle<()>>,
}

impl SocketProxy {
    /// Listens at `path` in front of the daemon at `upstream`.
    pub fn start(path: &Path, upstream: &Path) -> Result<Self> {
        let mode = watch::Sender::new(Mode::Forward);
        let mut proxy = Self { path: path.to_owned(), upstream: upstream.to_owned(), mode, accepting: None };
        proxy.listen()?;
        Ok(proxy)
    }

    /// As `DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Changes how connections are treated, those there are included.
    pub fn set(&mut self, mode: Mode) -> Result<()> {
        self.mode.send_replace(mode);
        if mode == Mode::Gone {
            self.stop();
        } else if self.accepting.is_none() {
            self.listen()?;
        }
        Ok(())
    }

    /// Cuts every connection there is; new ones are treated as before.
    pub fn cut(&self) {
        let mode = *self.mode.borrow();
        self.mode.send_replace(Mode::HangUp);
        self.mode.send_replace(mode);
    }

    fn listen(&mut self) -> Result<()> {
        let listener =
            UnixListener::bind(&self.path).with_context(|| format!("binding {}", self.path.display()))?;
        let (mode, upstream) = (self.mode.clone(), self.upstream.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, upstream.clone(), mode.subscribe()));
            }
        }));
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        // Gone already is what is wanted.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        self.mode.send_replace(Mode::Gone);
        self.stop();
    }
}

/// One connection, until either side ends it or the mode changes to one that does.
async fn serve(client: UnixStream, upstream: PathBuf, mut mode: watch::Receiver<Mode>) {
    let now = *mode.borrow_and_update();
    let work = async {
        match now {
            Mode::Forward => forward(client, &upstream, Duration::ZERO).await,
            Mode::Delay(delay) => forward(client, &upstream, delay).await,
            Mode::Silent => {
                let _held = client;
                std::future::pending().await
            }
            Mode::HangUp | Mode::Gone => Ok(()),
        }
    };
    tokio::select! {
        // A side that went away is what these tests are about.
        _ = work => {}
        // Any change cuts: a daemon that restarts does not keep connections either.
        _ = mode.changed() => {}
    }
}

async fn forward(mut client: UnixStream, upstream: &Path, delay: Duration) -> io::Result<()> {
    let mut daemon = UnixStream::connect(upstream).await?;
    if delay.is_zero() {
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut daemon, 256 * 1024, 256 * 1024).await?;
        return Ok(());
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_daemon, mut to_daemon) = daemon.split();
    let late = async {
        tokio::time::sleep(delay).await;
        tokio::io::copy(&mut from_daemon, &mut to_client).await
    };
    tokio::try_join!(tokio::io::copy(&mut from_client, &mut to_daemon), late)?;
    Ok(())
}
