//! A proxy in front of a Docker daemon's Unix socket that can be told to fail: what a daemon that stops, restarts,
//! hangs or hangs up looks like, without touching the real one.

use anyhow::{Context, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

use crate::containers;

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
    losing: Losing,
    accepting: Option<JoinHandle<()>>,
}

impl SocketProxy {
    /// Listens in a folder, in front of the daemon that tests use.
    pub fn start(folder: &Path) -> Result<Self> {
        let mode = watch::Sender::new(Mode::Forward);
        let (path, upstream) = (folder.join("docker.sock"), containers::socket());
        let mut proxy = Self { path, upstream, mode, losing: Losing::default(), accepting: None };
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

    /// Loses one answer: the next request with these words in its first line reaches the daemon, and its connection is
    /// cut when the daemon has done it.
    pub fn lose_answer_to(&self, words: &str) {
        *self.losing.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
    }

    /// Whether the answer that was to be lost has been asked for.
    pub fn lost(&self) -> bool {
        self.losing.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn listen(&mut self) -> Result<()> {
        let listener =
            UnixListener::bind(&self.path).with_context(|| format!("binding {}", self.path.display()))?;
        let (mode, upstream, losing) = (self.mode.clone(), self.upstream.clone(), self.losing.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, upstream.clone(), mode.subscribe(), losing.clone()));
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
async fn serve(client: UnixStream, upstream: PathBuf, mut mode: watch::Receiver<Mode>, losing: Losing) {
    let now = *mode.borrow_and_update();
    let work = async {
        match now {
            Mode::Forward => forward(client, &upstream, &losing).await,
            Mode::Delay(delay) => forward_late(client, &upstream, delay).await,
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

/// The request whose answer is to be lost, by words of its first line.
#[derive(Clone, Default)]
struct Losing(Arc<Mutex<Option<String>>>);

impl Losing {
    /// Whether these bytes of a client begin that request; said once.
    fn is(&self, bytes: &[u8]) -> bool {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let is = wanted.as_ref().is_some_and(|words| String::from_utf8_lossy(line).contains(words.as_str()));
        if is {
            *wanted = None;
        }
        is
    }
}

async fn forward(mut client: UnixStream, upstream: &Path, losing: &Losing) -> io::Result<()> {
    let mut daemon = UnixStream::connect(upstream).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_daemon, mut to_daemon) = daemon.split();
    let lose = AtomicBool::new(false);
    let asks = async {
        let mut bytes = vec![0; 256 * 1024];
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                return to_daemon.shutdown().await;
            }
            if losing.is(&bytes[..read]) {
                lose.store(true, Ordering::SeqCst);
            }
            to_daemon.write_all(&bytes[..read]).await?;
        }
    };
    let answers = async {
        let mut bytes = vec![0; 256 * 1024];
        loop {
            let read = from_daemon.read(&mut bytes).await?;
            if lose.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if read == 0 {
                return to_client.shutdown().await;
            }
            to_client.write_all(&bytes[..read]).await?;
        }
    };
    tokio::try_join!(asks, answers)?;
    Ok(())
}

async fn forward_late(mut client: UnixStream, upstream: &Path, delay: Duration) -> io::Result<()> {
    let mut daemon = UnixStream::connect(upstream).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_daemon, mut to_daemon) = daemon.split();
    let late = async {
        tokio::time::sleep(delay).await;
        tokio::io::copy(&mut from_daemon, &mut to_client).await
    };
    tokio::try_join!(tokio::io::copy(&mut from_client, &mut to_daemon), late)?;
    Ok(())
}
