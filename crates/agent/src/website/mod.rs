//! The static web server: what static projects are started with. Serves one directory read-only over HTTP/1.1 and says
//! what it does on standard output, one line a request. A program of its own: shares nothing with PID 1.

mod condition;
mod kind;
mod page;
mod resolve;
mod respond;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::arguments::StaticOptions;

/// Connections at one time; more wait.
const CONNECTIONS: usize = 512;

/// Ports tried after the one asked for.
const NEXT_PORTS: u16 = 100;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(30);

/// Characters of a path shown in the log.
const SHOWN: usize = 300;

/// What is served, and how.
struct Site {
    /// Canonical.
    root: PathBuf,
    single_page: bool,
}

/// Serves until it is ended by a signal.
pub(crate) fn run(options: &StaticOptions) -> io::Result<()> {
    let shown = options.root.display();
    let root = options
        .root
        .canonicalize()
        .map_err(|error| io::Error::new(error.kind(), format!("{shown}: {error}")))?;
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{shown}: not a directory")));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    runtime.block_on(async {
        let listener = bind(options).await?;
        let address = listener.local_addr()?;
        if address.port() != options.port && options.port != 0 {
            log(&format!("Port {} is taken; using {} instead.\n", options.port, address.port()));
        }
        log(&format!("Serving {shown} on http://{address}\n"));
        serve(listener, Arc::new(Site { root, single_page: options.single_page })).await
    })
}

/// Listens on the port asked for, or the next free one.
async fn bind(options: &StaticOptions) -> io::Result<TcpListener> {
    for port in options.port..=options.port.saturating_add(NEXT_PORTS) {
        match TcpListener::bind(SocketAddr::new(options.host, port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            other => return other,
        }
    }
    let (first, last) = (options.port, options.port.saturating_add(NEXT_PORTS));
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("all ports from {first} to {last} are taken")))
}

async fn serve(listener: TcpListener, site: Arc<Site>) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    // A client that leaves in the middle is everyday life for a web server.
                    let _ = connection(stream, site).await;
                    drop(slot);
                });
            }
            // Out of file descriptors or memory: both come back, and asking at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, site: Arc<Site>) -> hyper::Result<()> {
    // Only slower without it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(answer(&site, &request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(site: &Site, request: &Request<Incoming>) -> Response<respond::Body> {
    let start = Instant::now();
    let response = respond::respond(site, request.method(), request.uri(), request.headers()).await;
    let path: String = request.uri().path().chars().flat_map(char::escape_default).take(SHOWN).collect();
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    log(&format!("{} {path} {} {milliseconds:.1} ms\n", request.method(), response.status().as_u16()));
    response
}

/// Serving goes on when nobody reads the log any more.
fn log(line: &str) {
    let _ = io::stdout().write_all(line.as_bytes());
}
