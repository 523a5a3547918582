//! The routes, and the loop that serves connections: bounded in number, in size and in time. Every command goes
//! through the one table of `slipway-wire`; nothing is decided here.

#[cfg(unix)]
use crate::handed;
use crate::{
    attach, events, files,
    owner::{Ending, Role},
};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::{rt::TokioTimer, service::TowerToHyperService};
use serde::{Deserialize, Serialize};
use slipway_engine::Engine;
use slipway_wire::{Code, Problem};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A command's request: a text file of 4 MiB, escaped as JSON in the usual way, fits.
const MAX_REQUEST: usize = 12 * 1024 * 1024;
/// Time to bring a request's head, and then its body.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once, attached ones included.
const MAX_CONNECTIONS: usize = 256;

/// What `/v1/health` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Slipway's version.
    pub version: String,
    /// The owner's process id.
    pub pid: u32,
    /// Unique to this owner's life: event numbers of another one mean nothing here.
    pub instance: String,
    /// What kind of process it is.
    pub role: Role,
    /// Where previews are served.
    pub gateway: String,
    /// Workspaces that hold a running container.
    pub active: usize,
}

/// What every request may use.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) instance: String,
    pub(crate) role: Role,
    /// Asks whoever holds the owner to end.
    pub(crate) ending: mpsc::Sender<Ending>,
    /// Ends every stream when the owner ends.
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Free places for connections; the idle clock reads how many are taken.
    places: Arc<Semaphore>,
    clients: watch::Sender<usize>,
}

impl Shared {
    pub(crate) fn new(
        engine: Engine,
        instance: String,
        role: Role,
        ending: mpsc::Sender<Ending>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            instance,
            role,
            ending,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            clients: watch::Sender::new(0),
        })
    }

    /// How many connections there are.
    pub(crate) fn clients(&self) -> watch::Receiver<usize> {
        self.clients.subscribe()
    }

    /// Counts one client for as long as the guard lives.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.clients.send_modify(|n| *n += 1);
        Counted(Arc::clone(self))
    }

    /// A free place, as soon as there is one; none when the owner ends first.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.places).acquire_owned();
        self.closing.run_until_cancelled(free).await?.ok()
    }
}

/// A counted client.
pub(crate) struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.clients.send_modify(|n| *n -= 1);
    }
}

/// A problem as an answer: a status for HTTP's sake and the problem itself as JSON.
pub(crate) struct Failure(pub(crate) Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (status(self.0.code), Json(self.0)).into_response()
    }
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::NotFound | Code::ImageNotFound => StatusCode::NOT_FOUND,
        Code::WrongState | Code::AlreadyExists | Code::OwnerBusy | Code::Cancelled => StatusCode::CONFLICT,
        Code::Invalid => StatusCode::BAD_REQUEST,
        Code::DockerDenied | Code::ImageDenied => StatusCode::FORBIDDEN,
        Code::Refused
        | Code::NoProject
        | Code::InstallFailed
        | Code::BuildFailed
        | Code::StartFailed
        | Code::NeverListened => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Limit => StatusCode::TOO_MANY_REQUESTS,
        Code::DockerAbsent | Code::DockerLost | Code::ImageUnreachable => StatusCode::SERVICE_UNAVAILABLE,
        Code::AgentLost => StatusCode::BAD_GATEWAY,
        Code::DiskFull | Code::Storage => StatusCode::INSUFFICIENT_STORAGE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Every route of the local socket, which has let nobody in but this user, and which carries descriptors.
pub(crate) fn local_router(shared: Arc<Shared>) -> Router {
    let router = router(Arc::clone(&shared));
    #[cfg(unix)]
    let router = router.merge(Router::new().route("/v1/files/handed", post(handed::copy)).with_state(shared));
    router
}

/// Every route that any transport has, for one that has already let the caller in.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/rpc/{name}", post(rpc))
        .route("/v1/events", get(events::follow))
        .route("/v1/attach", get(attach::attach))
        .route("/v1/files", get(files::read).put(files::write))
        .route("/v1/tree", get(files::read_tree).put(files::write_tree))
        .route("/v1/unpack", put(files::unpack))
        .route("/v1/owner/handover", post(handover))
        .route("/v1/owner/stop", post(stop))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

async fn health(State(shared): State<Arc<Shared>>) -> Json<Health> {
    Json(Health {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        instance: shared.instance.clone(),
        role: shared.role,
        gateway: shared.engine.gateway().to_string(),
        active: shared.engine.active(),
    })
}

async fn rpc(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Failure> {
    let body = whole(body).await?;
    let reply = shared.engine.dispatch(&name, &body).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], reply).into_response())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let text = shared.engine.metrics()?;
    Ok(([(header::CONTENT_TYPE, slipway_engine::METRICS_TYPE)], text).into_response())
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    let read = Limited::new(body, MAX_REQUEST).collect();
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => {
            Err(Problem::new(Code::Invalid, format!("The request could not be read: {error}."))
                .hint(format!("A request holds at most {} MiB.", MAX_REQUEST >> 20)))
        }
        Err(_) => Err(Problem::new(Code::Invalid, "The request did not arrive in time.")),
    }
}

#[derive(Deserialize)]
struct Stop {
    /// Containers go on running.
    #[serde(default)]
    keep: bool,
}

async fn handover(State(shared): State<Arc<Shared>>) -> Result<StatusCode, Failure> {
    if shared.role != Role::Background {
        return Err(busy(&shared).into());
    }
    end(&shared, Ending { keep: true, why: "another process takes over" })
}

async fn stop(State(shared): State<Arc<Shared>>, Query(stop): Query<Stop>) -> Result<StatusCode, Failure> {
    if shared.role == Role::App {
        return Err(busy(&shared).into());
    }
    end(&shared, Ending { keep: stop.keep, why: "asked to stop" })
}

fn busy(shared: &Shared) -> Problem {
    let hint = match shared.role {
        Role::App => "Use or close the Slipway window that is open.",
        Role::Serve | Role::Background => "End the `slipway serve` that is running: `slipway serve --stop`.",
    };
    Problem::new(Code::OwnerBusy, "Slipway is already running with this data folder.").hint(hint)
}

fn end(shared: &Shared, ending: Ending) -> Result<StatusCode, Failure> {
    match shared.ending.try_send(ending) {
        // A full queue means that it is ending already.
        Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(StatusCode::ACCEPTED),
        Err(mpsc::error::TrySendError::Closed(_)) => {
            Err(Problem::new(Code::OwnerBusy, "Slipway is ending already.").into())
        }
    }
}

/// Serves one connection until it ends or the owner does. `place` is given back with it.
pub(crate) async fn serve<S>(shared: Arc<Shared>, router: Router, stream: S, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let counted = shared.count();
    let service = TowerToHyperService::new(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // Grows to it only where much comes at once: a file.
        .max_buf_size(512 * 1024)
        .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shared.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    drop((counted, place));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_status_that_is_an_error() {
        for code in [Code::NotFound, Code::WrongState, Code::Invalid, Code::Internal, Code::DockerAbsent] {
            assert!(status(code).as_u16() >= 400, "{code:?}");
        }
        assert_eq!(status(Code::NotFound), 404);
        assert_eq!(status(Code::AlreadyExists), 409);
        assert_eq!(status(Code::Invalid), 400);
        assert_eq!(status(Code::DockerDenied), 403);
    }
}
