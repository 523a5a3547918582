//! Ports, Dial and `connect`: real listeners on loopback, found by the socket table and reached through the agent.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use slipway_agent_api::v1::port_event::Change;
use slipway_agent_api::v1::{self, dial_request};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::support::{Agent, Client, command, exec, signal, within};

/// A program that listens where it is told, prints the port and serves nothing.
fn listener(address: &str) -> v1::ExecRequest {
    let script = format!(
        "import socket,time\nfamily=socket.AF_INET6 if ':' in '{address}' else socket.AF_INET\n\
         s=socket.socket(family)\ns.bind(('{address}',0))\ns.listen()\nprint(s.getsockname()[1],flush=True)\ntime.sleep(1000)"
    );
    command(&["python3", "-c", &script], false)
}

async fn port_of(client: &mut Client, process: &str) -> u32 {
    let mut attached = crate::support::attach(client, process, 0, true).await;
    attached.expect("\n").await.trim().parse().expect("a port")
}

async fn next_of(events: &mut Streaming<v1::PortEvent>, port: u32) -> v1::PortEvent {
    loop {
        let event = within("a port event", events.message()).await.expect("no error").expect("no end");
        if event.port == port {
            return event;
        }
    }
}

#[tokio::test]
async fn ports_open_and_close_with_the_process_that_holds_them() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let before = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let before = (before.local_addr().expect("an address").port(), before);
    let hello = client.hello(v1::HelloRequest { protocol: 1 }).await.expect("hello").into_inner();
    let mut events = client.ports(v1::PortsRequest {}).await.expect("ports").into_inner();
    let mut listed = Vec::new();
    loop {
        let event = within("the listing", events.message()).await.expect("no error").expect("no end");
        if event.change() == Change::Listed {
            break;
        }
        assert_eq!(event.change(), Change::Opened);
        listed.push(event);
    }
    let old = listed.iter().find(|event| event.port == u32::from(before.0)).expect("the old listener");
    assert!(old.loopback && old.pid == std::process::id() && old.process.is_empty(), "{old:?}");
    assert!(listed.iter().all(|event| event.port != hello.egress_port), "the proxy's own port was told of");
    for (address, loopback) in [("127.0.0.1", true), ("::1", true), ("0.0.0.0", false), ("::", false)] {
        let started = exec(&mut client, listener(address)).await;
        let port = port_of(&mut client, &started.process).await;
        let printed = Instant::now();
        let opened = next_of(&mut events, port).await;
        assert!(printed.elapsed() < Duration::from_secs(2), "seen only after {:?}", printed.elapsed());
        assert_eq!((opened.change(), opened.loopback), (Change::Opened, loopback), "{address}");
        assert_eq!((opened.pid, &opened.process), (started.pid, &started.process), "{address}");
        signal(&mut client, &started.process, 9, v1::signal_request::Scope::Tree).await;
        assert_eq!(next_of(&mut events, port).await.change(), Change::Closed, "{address}");
    }
}

#[tokio::test]
async fn a_daemon_that_left_its_session_still_belongs_to_its_exec() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut events = client.ports(v1::PortsRequest {}).await.expect("ports").into_inner();
    let script = "import os,socket,time\n\
        if os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n\
        s=socket.socket()\ns.bind(('127.0.0.1',0))\ns.listen()\nprint(s.getsockname()[1],flush=True)\ntime.sleep(1000)";
    let started = exec(&mut client, command(&["python3", "-c", script], false)).await;
    let port = port_of(&mut client, &started.process).await;
    let opened = next_of(&mut events, port).await;
    assert_eq!(opened.process, started.process);
    assert_ne!(opened.pid, started.pid);
    assert_eq!(signal(&mut client, &started.process, 9, v1::signal_request::Scope::Tree).await, 1);
    assert_eq!(next_of(&mut events, port).await.change(), Change::Closed);
}

struct Dialled {
    requests: mpsc::Sender<v1::DialRequest>,
    replies: Streaming<v1::DialReply>,
}

async fn dial(client: &mut Client, port: u32) -> Result<Dialled, tonic::Status> {
    let (requests, stream) = mpsc::channel(4);
    let opening = v1::DialRequest { part: Some(dial_request::Part::Open(v1::DialOpen { port })) };
    requests.send(opening).await.expect("room");
    let mut replies = within("dial", client.dial(ReceiverStream::new(stream))).await?.into_inner();
    let connected = within("the first reply", replies.message()).await?.expect("a reply");
    assert!(connected.data.is_empty());
    Ok(Dialled { requests, replies })
}

impl Dialled {
    async fn send(&self, data: &'static [u8]) {
        let part = Some(dial_request::Part::Data(Bytes::from_static(data)));
        self.requests.send(v1::DialRequest { part }).await.expect("it is taken");
    }

    async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(reply) = within("data", self.replies.message()).await.expect("no error") {
            all.extend_from_slice(&reply.data);
        }
        all
    }
}

#[tokio::test]
async fn both_loopbacks_are_dialled_and_each_direction_ends_on_its_own() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    for address in [
        SocketAddr::from(([127, 0, 0, 1], 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        SocketAddr::from(([127, 0, 0, 2], 0)),
    ] {
        let listener = TcpListener::bind(address).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            // Reads to the end the client makes, then answers.
            stream.read_to_end(&mut request).expect("the request");
            stream.write_all(&vec![b'y'; 5_000_000]).expect("room");
            stream.write_all(&request).expect("room");
        });
        let mut dialled = dial(&mut client, port.into()).await.expect("connected");
        dialled.send(b"question").await;
        drop(std::mem::replace(&mut dialled.requests, mpsc::channel(1).0));
        let answer = dialled.rest().await;
        assert_eq!(answer.len(), 5_000_008, "{address}");
        assert!(answer.ends_with(b"question"));
        server.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_server_that_closes_its_side_first_still_hears_the_rest() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"bye").expect("room");
        stream.shutdown(std::net::Shutdown::Write).expect("shutdown");
        let mut request = Vec::new();
        stream.read_to_end(&mut request).expect("the rest");
        request
    });
    let mut dialled = dial(&mut client, port.into()).await.expect("connected");
    assert_eq!(dialled.rest().await, b"bye");
    dialled.send(b"one more thing").await;
    drop(dialled.requests);
    assert_eq!(within("the server", server).await.expect("no panic"), b"one more thing");
}

#[tokio::test]
async fn what_cannot_be_dialled_is_refused_with_a_reason() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("an address")
        .port();
    let own = client.hello(v1::HelloRequest { protocol: 1 }).await.expect("hello").into_inner().egress_port;
    for (port, code) in [
        (u32::from(free), Code::Unavailable),
        (own, Code::PermissionDenied),
        (0, Code::InvalidArgument),
        (65_536, Code::InvalidArgument),
    ] {
        assert_eq!(dial(&mut client, port).await.err().map(|status| status.code()), Some(code), "{port}");
    }
}

#[test]
fn connect_carries_both_directions_and_ends_when_the_agent_does() {
    let agent = Agent::start();
    // The preface and an empty SETTINGS frame; then PINGs, one at a time, each answered before the next.
    let mut bridge = loop {
        let mut bridge = Command::new(env!("CARGO_BIN_EXE_slipway-agent"))
            .args(["connect", "--socket", &agent.socket])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the bridge starts");
        let mut first = [0];
        bridge
            .stdin
            .as_mut()
            .expect("stdin")
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .ok();
        if bridge.stdout.as_mut().expect("stdout").read_exact(&mut first).is_ok() {
            break bridge;
        }
        // The agent did not listen yet.
        bridge.wait().expect("an end");
    };
    let (mut input, mut output) =
        (bridge.stdin.take().expect("stdin"), bridge.stdout.take().expect("stdout"));
    let mut seen = Vec::new();
    for round in 0..50_u8 {
        input.write_all(&[&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[round; 8]].concat()).expect("room");
        let answer = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[round; 8]].concat();
        let mut buffer = [0; 4096];
        while !seen.windows(answer.len()).any(|window| window == answer) {
            let length = output.read(&mut buffer).expect("an answer");
            assert_ne!(length, 0, "the bridge ended");
            seen.extend_from_slice(&buffer[..length]);
        }
    }
    drop(input);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the end");
    assert!(bridge.wait().expect("an end").success());
}
