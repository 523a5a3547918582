//! The listener and what it does with each request: find the site, ask where it is, pass on or answer with a page of
//! ours. In: connections from this machine only. Bounded in connections, head size and the time a head may take.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use slipway_agent_api::v1::{PortsRequest, port_event::Change};
use slipway_wire::WorkspaceId;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    AgentClient, DialError, Route, Routes,
    body::{Download, Places, Used},
    forward::{ForwardError, Forwarder, Held},
    host::Site,
    pages::{self, Page},
    pool::Pool,
    report::{self, Rate},
    target,
};

/// Connections open at a time; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// Most fields of a request, and its largest head, bytes.
const FIELDS: usize = 128;
const HEAD: usize = 64 * 1024;
/// How long a head may take, and how long a kept-alive connection may be silent.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a page's report may take to arrive.
const REPORT_TIME: Duration = Duration::from_secs(5);
/// How long requests that are under way have at shutdown.
const FAREWELL: Duration = Duration::from_millis(300);
/// How long finding out what else listens may take, and how much of it is shown.
const LOOK: Duration = Duration::from_millis(500);
const SHOWN_PORTS: usize = 16;
/// Tries to find a port that is free for IPv4 and IPv6 both.
const TRIES: usize = 16;
/// Paths of ours on every site; never passed on.
const OWN: &str = "/.well-known/slipway/";
const REPORTS: &str = "/.well-known/slipway/page";

/// The preview gateway. Runs until its token is cancelled.
#[derive(Debug)]
pub struct Gateway {
    addr: SocketAddr,
}

struct Inner {
    port: u16,
    routes: Arc<dyn Routes>,
    forwarder: Forwarder,
    places: Places,
    rate: Rate,
}

impl Gateway {
    /// Listens on 127.0.0.1 and, where there is one, on `[::1]` with the same port: `port`, or any that is free. Its tasks
    /// run on `tracker` and end soon after `cancel`.
    ///
    /// Fails when the port is taken, on IPv6 too: a browser that tries that first would end at somebody else's.
    pub async fn bind(
        port: Option<u16>,
        routes: Arc<dyn Routes>,
        tracker: &TaskTracker,
        cancel: CancellationToken,
    ) -> io::Result<Self> {
        let (v4, v6) = listeners(port).await?;
        let addr = v4.local_addr()?;
        let inner = Arc::new(Inner {
            port: addr.port(),
            routes,
            forwarder: Forwarder {
                pool: Pool::new(tracker.clone(), cancel.clone()),
                tracker: tracker.clone(),
                cancel: cancel.clone(),
                gateway: addr.port(),
            },
            places: Places::default(),
            rate: Rate::default(),
        });
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        for listener in std::iter::once(v4).chain(v6) {
            let (inner, room) = (Arc::clone(&inner), Arc::clone(&room));
            let (tracker, cancel) = (tracker.clone(), cancel.clone());
            tracker.clone().spawn(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = accept(listener, inner, room, tracker, &cancel) => {}
                }
            });
        }
        Ok(Self { addr })
    }

    /// Where it listens on IPv4.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a workspace's port for a browser.
    pub fn url(&self, workspace: &WorkspaceId, port: u16) -> String {
        let site = Site { workspace: workspace.clone(), port };
        format!("{}/", site.origin(self.addr.port()))
    }
}

async fn listeners(port: Option<u16>) -> io::Result<(TcpListener, Option<TcpListener>)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        match TcpListener::bind((Ipv6Addr::LOCALHOST, v4.local_addr()?.port())).await {
            Ok(v6) => return Ok((v4, Some(v6))),
            Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => {
                if port.is_some() || tries == TRIES {
                    return Err(taken);
                }
            }
            // No IPv6 on this machine.
            Err(absent) => {
                tracing::debug!(%absent, "previews are on IPv4 only");
                return Ok((v4, None));
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    inner: Arc<Inner>,
    room: Arc<Semaphore>,
    tracker: TaskTracker,
    cancel: &CancellationToken,
) {
    // The semaphore is never closed, so the loop ends with the token only.
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tracker.spawn(serve(Arc::clone(&inner), stream, permit, cancel.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: others must end first.
                tracing::warn!(%error, "the preview gateway cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    inner: Arc<Inner>,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    cancel: CancellationToken,
) {
    // Without it small writes wait for acknowledgements; a socket that cannot is still a socket.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let permit = Arc::new(permit);
    let service = service_fn(|request| {
        let (inner, permit) = (Arc::clone(&inner), Arc::clone(&permit));
        async move {
            let response = inner.answer(request, permit).await;
            inner.routes.answered(response.status().as_u16());
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(FIELDS)
        .max_header_size(HEAD)
        .max_buf_size(HEAD)
        .preserve_header_case(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a preview connection ended");
    }
}

impl Inner {
    async fn answer(
        &self,
        request: Request<Incoming>,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Response<Download> {
        let html = pages::wants_html(request.headers());
        let (site, path) = match target::read(&request, self.port) {
            Ok(target) => target,
            Err(why) => return Page::misdirected(why).write(html),
        };
        if path.path().starts_with(OWN) {
            return self.own(&site, path.path(), request).await;
        }
        let client = match self.routes.route(&site.workspace) {
            Route::Live(client) => client,
            elsewhere => {
                self.forwarder.pool.forget(&site);
                return page(&elsewhere).write(html);
            }
        };
        let Some(place) = self.places.take(&site.workspace) else { return Page::crowded().write(html) };
        let traffic = self.routes.traffic(&site.workspace);
        let used = Used::new(self.routes.clone(), site.workspace.clone());
        let held = Held { place, used, _connection: permit };
        match self.forwarder.forward((&client, traffic), &site, path, request, held).await {
            Ok(response) => {
                self.routes.seen(&site.workspace);
                response
            }
            Err(error) => {
                tracing::debug!(%site, %error, "no answer from a program");
                self.excuse(&client, &site, &error).await.write(html)
            }
        }
    }

    async fn excuse(&self, client: &AgentClient, site: &Site, error: &ForwardError) -> Page {
        match error {
            ForwardError::Dial(DialError::Refused) => {
                let others = timeout(LOOK, listening(client)).await.unwrap_or_default();
                let address = |port| Site { workspace: site.workspace.clone(), port }.origin(self.port) + "/";
                let others = others.into_iter().filter(|port| *port != site.port);
                Page::nothing_listens(site.port, others.map(|port| (port, address(port))).collect())
            }
            ForwardError::Dial(DialError::Lost(_)) => Page::lost(),
            ForwardError::HungUp => Page::hung_up(site.port),
            ForwardError::NotHttp => Page::not_http(site.port),
        }
    }

    /// Paths of ours. Only reports exist; nothing here is ever passed on.
    async fn own(&self, site: &Site, path: &str, request: Request<Incoming>) -> Response<Download> {
        let status = if path != REPORTS {
            StatusCode::NOT_FOUND
        } else if request.method() != Method::POST {
            StatusCode::METHOD_NOT_ALLOWED
        } else if !report::same_origin(request.headers(), site, self.port) {
            StatusCode::FORBIDDEN
        } else if matches!(self.routes.route(&site.workspace), Route::Unknown) {
            StatusCode::NOT_FOUND
        } else if !self.rate.take(&site.workspace) {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            self.report(site, request.into_body()).await
        };
        let mut response = Response::new(Download::own(Bytes::new()));
        *response.status_mut() = status;
        response
    }

    async fn report(&self, site: &Site, body: Incoming) -> StatusCode {
        let body = match timeout(REPORT_TIME, Limited::new(body, report::LARGEST).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return StatusCode::PAYLOAD_TOO_LARGE;
            }
            Ok(Err(_)) => return StatusCode::BAD_REQUEST,
            Err(_) => return StatusCode::REQUEST_TIMEOUT,
        };
        match report::read(&body, site) {
            Some(report) => {
                self.routes.page_report(&site.workspace, report);
                StatusCode::NO_CONTENT
            }
            None => StatusCode::BAD_REQUEST,
        }
    }
}

fn page(route: &Route) -> Page {
    match route {
        Route::Starting { name, phase } => Page::starting(name, phase),
        Route::Failed { name, problem } => Page::failed(name, problem),
        Route::Paused { name } => Page::paused(name),
        Route::Stopped { name } => Page::stopped(name),
        Route::Live(_) | Route::Unknown => Page::unknown(),
    }
}

/// Ports that listen in the container now: a handful, for a person to choose from.
async fn listening(client: &AgentClient) -> Vec<u16> {
    let mut found = std::collections::BTreeSet::new();
    let Ok(events) = client.clone().ports(PortsRequest {}).await else { return Vec::new() };
    let mut events = events.into_inner();
    while let Ok(Some(event)) = events.message().await {
        match (event.change(), u16::try_from(event.port)) {
            (Change::Opened, Ok(port)) if port != 0 && port != slipway_agent_api::EGRESS_PORT => {
                found.insert(port);
            }
            (Change::Listed, _) => break,
            _ => {}
        }
        if found.len() == SHOWN_PORTS {
            break;
        }
    }
    found.into_iter().collect()
}
