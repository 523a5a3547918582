//! One agent per test on a socket name of its own, and the few gestures all tests share. Waits are for levels, with a
//! deadline and a word about what was awaited.

use std::future::Future;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream as StdStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use slipway_agent_api::v1::agent_client::AgentClient;
use slipway_agent_api::v1::{self, attach_reply, attach_request};
use slipway_agent_api::{CONNECTION_WINDOW, MAX_CHUNK, STREAM_WINDOW};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) type Client = AgentClient<Channel>;

/// A running agent; ends with the test.
pub(crate) struct Agent {
    pub(crate) child: Child,
    pub(crate) socket: String,
    /// Its HOME, empty at first.
    pub(crate) home: tempfile::TempDir,
}

impl Agent {
    /// Starts an agent whose proxy listens on a free port.
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let socket = format!("slipway-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = tempfile::tempdir().expect("a home");
        let child = Command::new(env!("CARGO_BIN_EXE_slipway-agent"))
            .args(["init", "--socket", &socket, "--egress-port", "0"])
            .env("HOME", home.path())
            .env_remove("TERM")
            .stdin(Stdio::null())
            .spawn()
            .expect("the agent starts");
        Self { child, socket, home }
    }

    /// A client on a connection of its own, straight to the socket.
    pub(crate) async fn client(&self) -> Client {
        let name = self.socket.clone();
        let connector = tower::service_fn(move |_| {
            let name = name.clone();
            async move {
                let stream = StdStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
                stream.set_nonblocking(true)?;
                Ok::<_, std::io::Error>(TokioIo::new(UnixStream::from_std(stream)?))
            }
        });
        let endpoint = Endpoint::from_static("http://agent")
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let started = Instant::now();
        loop {
            match endpoint.connect_with_connector(connector.clone()).await {
                Ok(channel) => return AgentClient::new(channel).max_decoding_message_size(4 * MAX_CHUNK),
                Err(error) if started.elapsed() > DEADLINE => panic!("the agent never listened: {error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for `future`, or says what never came.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(value) = tokio::time::timeout(DEADLINE, future).await else { panic!("waited in vain for {what}") };
    value
}

/// Waits until `level` holds, looking again and again.
pub(crate) async fn until(what: &str, mut level: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !level().await {
        assert!(started.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn bytes(path: &std::path::Path) -> Bytes {
    use std::os::unix::ffi::OsStrExt as _;
    Bytes::copy_from_slice(path.as_os_str().as_bytes())
}

/// A request to run `argv`, with a PTY or without.
pub(crate) fn command(argv: &[&str], pty: bool) -> v1::ExecRequest {
    v1::ExecRequest {
        argv: argv.iter().map(|argument| Bytes::copy_from_slice(argument.as_bytes())).collect(),
        cwd: "/".into(),
        pty: pty.then_some(v1::WindowSize { columns: 100, rows: 40 }),
        ..v1::ExecRequest::default()
    }
}

pub(crate) async fn exec(client: &mut Client, request: v1::ExecRequest) -> v1::ExecReply {
    within("exec", client.exec(request)).await.expect("exec").into_inner()
}

/// One attachment.
pub(crate) struct Attached {
    pub(crate) input: mpsc::Sender<v1::AttachRequest>,
    pub(crate) events: Streaming<v1::AttachReply>,
}

/// All that one attachment brought.
#[derive(Default, Debug)]
pub(crate) struct Transcript {
    pub(crate) terminal: Vec<u8>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) gaps: Vec<v1::Gap>,
    pub(crate) exit: Option<v1::Exit>,
}

pub(crate) async fn attach(client: &mut Client, process: &str, offset: u64, lossless: bool) -> Attached {
    let (input, requests) = mpsc::channel(8);
    let open = v1::AttachOpen { process: process.to_owned(), offset, lossless, acknowledging: None };
    let opening = v1::AttachRequest { part: Some(attach_request::Part::Open(open)) };
    input.send(opening).await.expect("room");
    let attached = within("attach", client.attach(ReceiverStream::new(requests))).await;
    Attached { input, events: attached.expect("attach").into_inner() }
}

impl Attached {
    pub(crate) async fn send(&self, part: attach_request::Part) {
        within("room for input", self.input.send(v1::AttachRequest { part: Some(part) }))
            .await
            .expect("input is taken");
    }

    pub(crate) async fn type_in(&self, text: &str) {
        self.send(attach_request::Part::Input(Bytes::copy_from_slice(text.as_bytes()))).await;
    }

    pub(crate) async fn next(&mut self) -> Option<attach_reply::Event> {
        within("an event", self.events.message()).await.expect("no error").and_then(|reply| reply.event)
    }

    /// Reads until `wanted` appears in what the terminal printed.
    pub(crate) async fn expect(&mut self, wanted: &str) -> String {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            match self.next().await {
                Some(attach_reply::Event::Output(output)) => seen.extend_from_slice(&output.data),
                other => panic!("no {wanted:?} in {:?} before {other:?}", String::from_utf8_lossy(&seen)),
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads to the exit, checking that offsets have no holes but the gaps told of.
    pub(crate) async fn rest(mut self, mut offset: u64) -> Transcript {
        let mut transcript = Transcript::default();
        while let Some(event) = self.next().await {
            match event {
                attach_reply::Event::Output(output) => {
                    assert_eq!(output.offset, offset, "a hole that no gap told of");
                    offset += output.data.len() as u64;
                    let to = match output.stream() {
                        v1::Stream::Terminal => &mut transcript.terminal,
                        v1::Stream::Stdout => &mut transcript.stdout,
                        v1::Stream::Stderr => &mut transcript.stderr,
                    };
                    to.extend_from_slice(&output.data);
                }
                attach_reply::Event::Gap(gap) => {
                    assert_eq!(gap.from, offset);
                    offset = gap.to;
                    transcript.gaps.push(gap);
                }
                attach_reply::Event::Exit(exit) => {
                    assert_eq!(exit.bytes, offset);
                    transcript.exit = Some(exit);
                }
            }
        }
        transcript
    }
}

/// Runs a command to its end and returns all it printed.
pub(crate) async fn run(client: &mut Client, request: v1::ExecRequest) -> Transcript {
    let process = exec(client, request).await.process;
    attach(client, &process, 0, true).await.rest(0).await
}

pub(crate) async fn signal(
    client: &mut Client,
    process: &str,
    signal: i32,
    scope: v1::signal_request::Scope,
) -> u32 {
    let request = v1::SignalRequest { process: process.to_owned(), signal, scope: scope.into() };
    within("signal", client.signal(request)).await.expect("signal").into_inner().signalled
}
