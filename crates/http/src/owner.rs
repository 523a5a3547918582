//! The one process that owns a data folder: it holds the folder's lock, the engine and the listeners. Of two that
//! start at once exactly one gets the lock; the other is told and becomes a client.
//!
//! ```text
//!   lock -> engine -> listen -> (serving) -> stop listening -> end streams -> engine shutdown -> unlock
//! ```

use crate::{
    client::UnixClient,
    environment::Environment,
    guard::{self, Guard},
    local::Listener,
    paths::{Places, storage},
    server::{self, Shared},
    start::{Answer, answer},
};
use serde::{Deserialize, Serialize};
use slipway_engine::Engine;
use slipway_wire::{Code, Problem};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write as _,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

/// How long streams may take to say goodbye, and then the engine to put its things in order.
const STREAMS_DEADLINE: Duration = Duration::from_secs(2);
const ENGINE_DEADLINE: Duration = Duration::from_secs(20);
/// How long an owner that was asked to make room may take.
const HANDOVER_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What kind of process an owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The desktop app.
    App,
    /// `slipway serve`, started by a person.
    Serve,
    /// `slipway serve --background`, started by a command; makes room for the app.
    Background,
}

/// Containers kept warm at most where many people deploy.
const SERVED_POOL: usize = 10;

/// How to own a data folder.
#[derive(Clone, Debug)]
pub struct Options {
    /// What was found around this process.
    pub environment: Environment,
    /// What it is.
    pub role: Role,
    /// Also listen on this loopback address; port 0 takes any.
    pub listen: Option<SocketAddr>,
    /// Pages that may call the loopback listener through a proxy of their own: `http://localhost:5173`.
    pub origins: Vec<String>,
}

/// Why an owner should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Containers go on running, for a later owner.
    pub keep: bool,
    /// For the log.
    pub why: &'static str,
}

/// The owner of a data folder. Call [`Owner::shutdown`]; dropping it only stops listening.
pub struct Owner {
    shared: Arc<Shared>,
    places: Places,
    endings: mpsc::Receiver<Ending>,
    address: Option<SocketAddr>,
    lock: File,
    closing: tokio_util::sync::DropGuard,
}

/// Takes the data folder, opens the engine and serves it. [`Code::OwnerBusy`] when another process has the folder.
pub async fn own(options: Options) -> Result<Owner, Problem> {
    let places = options.environment.places.clone();
    let lock = lock(&places.lock)?.ok_or_else(taken)?;
    serve(options, places, lock).await
}

/// Like [`own`], but a background owner is asked to make room first, dropping nothing. [`Code::OwnerBusy`] when the
/// owner is another app or a `slipway serve` of the user's own.
pub async fn take_over(options: Options) -> Result<Owner, Problem> {
    let places = options.environment.places.clone();
    let deadline = Instant::now() + HANDOVER_DEADLINE;
    let lock = loop {
        if let Some(lock) = lock(&places.lock)? {
            break lock;
        }
        // Nobody answers while an owner starts or ends: then the lock tells.
        if let Answer::Owner(client, health) = answer(&places).await {
            if health.role != Role::Background {
                return Err(client.handover().await.err().unwrap_or_else(taken));
            }
            make_room(&client).await;
        }
        if Instant::now() >= deadline {
            return Err(taken());
        }
        sleep(POLL).await;
    };
    serve(options, places, lock).await
}

async fn make_room(client: &UnixClient) {
    if let Err(problem) = client.handover().await {
        // It may have ended in between: the lock tells.
        tracing::info!(%problem, "the background owner did not take the request to make room");
    }
}

fn taken() -> Problem {
    Problem::new(Code::OwnerBusy, "Another Slipway is running with this data folder.")
        .hint("Use the one that is open, or set SLIPWAY_DATA_DIR to another folder.")
}

/// None when another process holds it.
pub(crate) fn lock(path: &Path) -> Result<Option<File>, Problem> {
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
    let file = file.map_err(|e| storage(path, "open", &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(storage(path, "lock", &e)),
    }
}

async fn serve(options: Options, places: Places, lock: File) -> Result<Owner, Problem> {
    if let Some(address) = options.listen
        && !address.ip().is_loopback()
    {
        return Err(Problem::new(Code::Invalid, format!("{address} can be reached from other machines."))
            .hint("Listen on 127.0.0.1; to reach it from elsewhere, forward the port over ssh."));
    }
    let environment = options.environment.clone();
    let mut config = tokio::task::spawn_blocking(move || environment.config())
        .await
        .map_err(|e| Problem::new(Code::Internal, format!("Reading the environment failed: {e}.")))?;
    if options.role == Role::Serve {
        config.pool_size = SERVED_POOL;
    }
    let engine = Engine::open(config).await?;
    match listen(&options, &places, engine.clone()).await {
        Ok((shared, endings, address)) => {
            let closing = shared.closing.clone().drop_guard();
            tracing::info!(role = ?options.role, instance = shared.instance, "serving");
            Ok(Owner { shared, places, endings, address, lock, closing })
        }
        Err(problem) => {
            engine.shutdown(ENGINE_DEADLINE, true).await;
            Err(problem)
        }
    }
}

type Listening = (Arc<Shared>, mpsc::Receiver<Ending>, Option<SocketAddr>);

async fn listen(options: &Options, places: &Places, engine: Engine) -> Result<Listening, Problem> {
    let random = |e| Problem::new(Code::Internal, format!("This machine gave no random numbers: {e}."));
    let (ask, endings) = mpsc::channel(1);
    let shared = Shared::new(engine, guard::token().map_err(random)?, options.role, ask);
    let socket = Listener::bind(&places.socket).map_err(|e| storage(&places.socket, "listen at", &e))?;
    let mut address = None;
    if let Some(wanted) = options.listen {
        let listener = TcpListener::bind(wanted).await.map_err(|e| {
            Problem::new(Code::Invalid, format!("Slipway could not listen at {wanted}: {e}."))
                .hint("Choose another port; 0 takes any that is free.")
        })?;
        let bound = listener.local_addr().map_err(|e| storage(&places.socket, "listen at", &e))?;
        let token = guard::token().map_err(random)?;
        write_private(&places.token, &token)?;
        let guard = Arc::new(Guard::new(bound, token, &options.origins));
        let router = server::router(Arc::clone(&shared));
        let guarded = router.layer(axum::middleware::from_fn_with_state(guard, guard::check));
        shared.tasks.spawn(accept_tcp(Arc::clone(&shared), listener, guarded));
        address = Some(bound);
    }
    let router = server::local_router(Arc::clone(&shared));
    shared.tasks.spawn(accept_local(Arc::clone(&shared), socket, router));
    Ok((shared, endings, address))
}

/// Writes a file that only this user can read, even if an older one was looser.
fn write_private(path: &Path, text: &str) -> Result<(), Problem> {
    let failed = |e: std::io::Error| storage(path, "write", &e);
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

async fn accept_local(shared: Arc<Shared>, mut listener: Listener, router: axum::Router) {
    while let Some(place) = shared.place().await {
        let Some(accepted) = shared.closing.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok(stream) => {
                shared.tasks.spawn(server::serve(Arc::clone(&shared), router.clone(), stream, place));
            }
            Err(error) => pause(&shared, &error).await,
        }
    }
}

async fn accept_tcp(shared: Arc<Shared>, listener: TcpListener, router: axum::Router) {
    while let Some(place) = shared.place().await {
        let Some(accepted) = shared.closing.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok((stream, peer)) if peer.ip().is_loopback() => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                shared.tasks.spawn(server::serve(Arc::clone(&shared), router.clone(), stream, place));
            }
            Ok((_, peer)) => tracing::warn!(%peer, "a connection from elsewhere was refused"),
            Err(error) => pause(&shared, &error).await,
        }
    }
}

/// Accepting fails when the process has no descriptor free; it must not spin until it has.
async fn pause(shared: &Shared, error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    shared.closing.run_until_cancelled(sleep(Duration::from_millis(100))).await;
}

impl Owner {
    /// The engine it owns.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Its files.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Where clients connect.
    pub fn socket(&self) -> &Path {
        &self.places.socket
    }

    /// The loopback address, when switched on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Waits until somebody asks this process to end or, with `idle`, until there has been neither a client nor an
    /// active workspace for that long.
    pub async fn ending(&mut self, idle: Option<Duration>) -> Ending {
        let Self { shared, endings, .. } = self;
        let asked = async {
            match endings.recv().await {
                Some(ending) => ending,
                // Cannot happen while the routes live; then nobody can ask.
                None => std::future::pending().await,
            }
        };
        let unneeded = async {
            match idle {
                Some(time) => unneeded(shared, time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ending = asked => ending,
            () = unneeded => Ending { keep: true, why: "nobody needs it" },
        }
    }

    /// Stops listening, ends every stream, shuts the engine down and gives the data folder back.
    pub async fn shutdown(self, keep: bool) {
        let Self { shared, places, lock, closing, address, .. } = self;
        drop(closing);
        shared.tasks.close();
        if timeout(STREAMS_DEADLINE, shared.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        if address.is_some()
            && let Err(error) = std::fs::remove_file(&places.token)
        {
            tracing::warn!(%error, "the token file could not be removed");
        }
        shared.engine.shutdown(ENGINE_DEADLINE, keep).await;
        drop(lock);
        tracing::info!(keep, "ended");
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner")
            .field("places", &self.places)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn unneeded(shared: &Arc<Shared>, time: Duration) {
    let mut clients = shared.clients();
    let step = (time / 8).clamp(Duration::from_millis(50), Duration::from_secs(15));
    let mut since = Instant::now();
    loop {
        if *clients.borrow_and_update() > 0 || shared.engine.active() > 0 {
            since = Instant::now();
        } else if since.elapsed() >= time {
            return;
        }
        // A client that came and went in between counts as well.
        if let Ok(Ok(())) = timeout(step, clients.changed()).await {
            since = Instant::now();
        }
    }
}
