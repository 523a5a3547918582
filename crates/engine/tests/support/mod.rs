//! What the tests of the gateway and of egress stand on: the real agent as a process of this machine, a gateway before
//! it, and a plain HTTP client. Only what more than one test needs.
#![expect(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    os::linux::net::SocketAddrExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use slipway_agent_api::{
    CONNECTION_WINDOW, PROTOCOL, STREAM_WINDOW,
    v1::{HelloRequest, agent_client},
};
use slipway_engine::preview::{AgentClient, Gateway, PageReport, Route, Routes};
use slipway_wire::WorkspaceId;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Endpoint;

/// Longest any single thing may take here.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// Waits for something that must come, and says what did not.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    soon(what, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The real agent, running on this machine instead of in a container.
pub(crate) struct Agent {
    child: Child,
    /// Its gRPC client.
    pub(crate) client: AgentClient,
    /// Where its outgoing proxy listens.
    pub(crate) egress_port: u16,
}

impl Agent {
    pub(crate) async fn start() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let name = format!("slipway-test-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::SeqCst));
        let child = Command::new(agent_program())
            .args(["init", "--socket", &name, "--egress-port", "0"])
            .stdin(Stdio::null())
            .spawn()
            .expect("the agent starts");
        let client = soon("the agent's socket", connect(&name)).await;
        let hello =
            client.clone().hello(HelloRequest { protocol: PROTOCOL }).await.expect("hello").into_inner();
        Self { child, client, egress_port: u16::try_from(hello.egress_port).expect("a port") }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the agent can be killed");
        self.child.wait().expect("the agent can be waited for");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `SLIPWAY_AGENT` (the program or its folder), or where `cargo xtask agent` puts it: above this test program.
fn agent_program() -> PathBuf {
    let name = format!("slipway-agent-{}", std::env::consts::ARCH);
    let given = std::env::var_os("SLIPWAY_AGENT").map(PathBuf::from);
    let given = given.map(|path| if path.is_dir() { path.join(&name) } else { path });
    let here = std::env::current_exe().expect("this program has a path");
    given
        .or_else(|| {
            here.ancestors().skip(1).take(4).map(|folder| folder.join(&name)).find(|path| path.is_file())
        })
        .expect("no agent in SLIPWAY_AGENT or above this program: run `cargo xtask agent`")
}

async fn connect(name: &str) -> AgentClient {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).expect("a socket name");
    loop {
        let address = address.clone();
        let dial = tower::service_fn(move |_| {
            let address = address.clone();
            async move {
                let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream).map(TokioIo::new)
            }
        });
        let channel = Endpoint::from_static("http://agent")
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector(dial)
            .await;
        match channel {
            Ok(channel) => return agent_client::AgentClient::new(channel),
            // It has not bound its socket yet; `soon` ends this.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// What the gateway asks, answered from a table.
#[derive(Default)]
pub(crate) struct Table {
    routes: Mutex<HashMap<WorkspaceId, Box<dyn Fn() -> Route + Send>>>,
    pub(crate) seen: AtomicUsize,
    pub(crate) reports: Mutex<Vec<PageReport>>,
}

impl Table {
    pub(crate) fn set(&self, workspace: &str, route: impl Fn() -> Route + Send + 'static) {
        self.routes.lock().unwrap().insert(workspace.parse().unwrap(), Box::new(route));
    }
}

impl Routes for Table {
    fn route(&self, workspace: &WorkspaceId) -> Route {
        self.routes.lock().unwrap().get(workspace).map_or(Route::Unknown, |route| route())
    }

    fn seen(&self, _: &WorkspaceId) {
        self.seen.fetch_add(1, Ordering::SeqCst);
    }

    fn page_report(&self, _: &WorkspaceId, report: PageReport) {
        self.reports.lock().unwrap().push(report);
    }
}

/// A gateway with one live workspace, `shop`, whose agent is real.
pub(crate) struct Preview {
    pub(crate) agent: Agent,
    pub(crate) gateway: Gateway,
    pub(crate) table: Arc<Table>,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Preview {
    pub(crate) async fn start() -> Self {
        let agent = Agent::start().await;
        let table = Arc::new(Table::default());
        let client = agent.client.clone();
        table.set("shop", move || Route::Live(client.clone()));
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let gateway = Gateway::bind(None, table.clone(), &tracker, cancel.clone()).await.expect("a gateway");
        Self { agent, gateway, table, tracker, cancel }
    }

    /// The Host of a port of the live workspace.
    pub(crate) fn host(&self, port: u16) -> String {
        format!("{port}-shop.localhost:{}", self.gateway.addr().port())
    }

    pub(crate) async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.gateway.addr()).await.expect("the gateway accepts")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.gateway.addr()).await
    }

    /// One GET on a connection of its own.
    pub(crate) async fn get(&self, host: &str, path: &str) -> Response<Bytes> {
        let request = Request::get(path).header("host", host).header("accept", "text/html");
        self.client().await.send(request.body(Full::default()).unwrap()).await
    }
}

/// One HTTP/1.1 connection.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the gateway accepts");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn start(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        soon("the connection to be free", self.sender.ready()).await.expect("still connected");
        soon("a response", self.sender.send_request(request)).await.expect("a response")
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let (head, body) = self.start(request).await.into_parts();
        let body = soon("the rest of the body", body.collect()).await.expect("a whole body");
        Response::from_parts(head, body.to_bytes())
    }
}

/// Text of a body.
pub(crate) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).expect("text")
}
