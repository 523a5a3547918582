//! Outgoing connections through the real agent's proxy: what is let through, what is asked about, what is refused, and
//! what people are told of it. The outside is this machine's loopback, opened as a trusted network; names resolve by script.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod support;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use slipway_engine::{
    SystemClock,
    egress::{AddressPolicy, Dialer, Policy, Resolver, Resolving, serve},
};
use slipway_wire::{Code, EgressEntry, EgressRule, EgressVerdict, Problem, WorkspaceId};
use support::{Agent, soon, until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Names and the addresses they have; others do not exist. Counts what was looked up.
#[derive(Default)]
struct Names {
    known: HashMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        self.asked.lock().unwrap().push(name.to_owned());
        let found = self.known.get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}

/// A workspace whose outgoing connections are answered.
struct Outgoing {
    agent: Agent,
    policy: Policy,
    names: Arc<Names>,
    entries: Arc<Mutex<Vec<EgressEntry>>>,
    cancel: CancellationToken,
    serving: JoinHandle<Result<(), Problem>>,
}

fn shop() -> WorkspaceId {
    "shop".parse().unwrap()
}

impl Outgoing {
    /// `allow` is the allowlist; every name below `.test-net` there may be is known as 127.0.0.1.
    async fn start(allow: &[String], ask: bool, patience: Duration) -> Self {
        let agent = Agent::start().await;
        let policy = Policy::new(allow, ask).unwrap().patience(patience);
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let known = [
            ("mirror.example.org", vec![loopback]),
            ("other.example.org", vec![loopback]),
            ("inward.example.org", vec!["10.0.0.1".parse().unwrap()]),
            ("half.example.org", vec![loopback, "169.254.169.254".parse().unwrap()]),
        ];
        let names = Arc::new(Names { known: known.into(), asked: Mutex::default() });
        let addresses = AddressPolicy::new(&["127.0.0.0/8".to_owned()]).unwrap();
        let dialer = Dialer::with_resolver(names.clone(), addresses, None).unwrap();
        let entries = Arc::new(Mutex::new(Vec::new()));
        let (told, cancel) = (Arc::clone(&entries), CancellationToken::new());
        let sink = Arc::new(move |entry| told.lock().unwrap().push(entry));
        let serving = tokio::spawn(serve(
            shop(),
            agent.client.clone(),
            policy.clone(),
            dialer,
            Arc::new(SystemClock),
            sink,
            cancel.clone(),
        ));
        let outgoing = Self { agent, policy, names, entries, cancel, serving };
        outgoing.answered().await;
        outgoing
    }

    /// Waits until announcements reach the engine: before that the agent refuses without asking.
    async fn answered(&self) {
        soon("the agent to announce connections", async {
            while self.entries.lock().unwrap().is_empty() {
                drop(self.connect("169.254.169.254", 80).await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        until("the first connections to end", || {
            self.entries.lock().unwrap().iter().all(|entry| entry.elapsed_ms.is_some())
        })
        .await;
        self.entries.lock().unwrap().clear();
    }

    /// Asks the proxy for a tunnel, as a program would; gives the status line too.
    async fn connect(&self, host: &str, port: u16) -> (String, BufReader<TcpStream>) {
        let socket = TcpStream::connect(("127.0.0.1", self.agent.egress_port)).await.unwrap();
        let mut socket = BufReader::new(socket);
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut status = String::new();
        soon("the proxy's answer", socket.read_line(&mut status)).await.unwrap();
        if status.contains(" 200 ") {
            let mut line = String::new();
            while socket.read_line(&mut line).await.unwrap() > 2 {
                line.clear();
            }
        }
        (status, socket)
    }

    fn entries(&self) -> Vec<EgressEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// The newest entry about a host that has ended.
    async fn ended(&self, host: &str) -> EgressEntry {
        let last = || {
            self.entries().into_iter().rev().find(|entry| entry.host == host && entry.elapsed_ms.is_some())
        };
        until("the connection to end", || last().is_some()).await;
        last().unwrap()
    }

    async fn asked(&self, host: &str) {
        let asked = |entry: &EgressEntry| entry.host == host && entry.verdict == EgressVerdict::Asked;
        until("a person to be asked", || self.entries().iter().any(asked)).await;
    }

    fn decide(&self, host: &str, allow: bool, once: bool) {
        self.policy.decide(&shop(), &EgressRule { id: shop(), host: host.into(), allow, once }).unwrap();
    }
}

/// A server on loopback that sends back all it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            });
        }
    });
    port
}

const LONG: Duration = Duration::from_secs(55);

#[tokio::test]
async fn an_allowed_host_is_reached_and_counted() {
    let port = echo().await;
    let outgoing = Outgoing::start(&[format!("mirror.example.org:{port}")], false, LONG).await;
    let (status, mut socket) = outgoing.connect("mirror.example.org", port).await;
    assert!(status.contains(" 200 "), "{status}");
    socket.write_all(b"hello").await.unwrap();
    socket.shutdown().await.unwrap();
    let mut back = String::new();
    soon("the echo", socket.read_to_string(&mut back)).await.unwrap();
    assert_eq!(back, "hello");
    drop(socket);
    let entry = outgoing.ended("mirror.example.org").await;
    assert_eq!((entry.verdict, entry.port), (EgressVerdict::Allowed, port));
    assert_eq!((entry.sent, entry.received), (5, 5));
    assert_eq!(entry.reason, "on the allowlist");
    let first = outgoing.entries().into_iter().find(|other| other.id == entry.id).unwrap();
    assert_eq!((first.verdict, first.elapsed_ms), (EgressVerdict::Allowed, None), "shown from the start");
}

#[tokio::test]
async fn what_leads_inward_is_refused_whatever_the_rules_say() {
    let port = echo().await;
    let outgoing = Outgoing::start(&[], true, LONG).await;
    for (host, reason) in [
        ("169.254.169.254", "cloud metadata address"),
        ("10.0.0.1", "private address"),
        ("[::1]", "loopback address"),
        ("[::ffff:10.0.0.1]", "private address"),
        ("localhost", "this machine"),
        ("host.docker.internal", "this machine"),
        ("inward.example.org", "it resolves to a private address"),
        ("half.example.org", "it resolves to a cloud metadata address"),
    ] {
        let plain = host.trim_matches(['[', ']']);
        outgoing.decide(host, true, false);
        let (status, _) = outgoing.connect(host, port).await;
        assert!(status.contains(" 403 "), "{host}: {status}");
        let entry = outgoing.ended(plain).await;
        assert_eq!((entry.verdict, entry.reason.as_str()), (EgressVerdict::Blocked, reason), "{host}");
    }
    let looked_up = outgoing.names.asked.lock().unwrap().clone();
    assert_eq!(looked_up, ["inward.example.org", "half.example.org"], "nothing else was even looked up");
}

#[tokio::test]
async fn an_unknown_host_is_blocked_before_its_name_leaves_the_machine() {
    let outgoing = Outgoing::start(&["mirror.example.org".into()], false, LONG).await;
    for host in ["secret-data.evil.example", "mirror.example.org.evil.example"] {
        let (status, _) = outgoing.connect(host, 443).await;
        assert!(status.contains(" 403 "), "{status}");
        assert_eq!(outgoing.ended(host).await.reason, "not on the allowlist");
    }
    let (status, _) = outgoing.connect("mirror.example.org", 22).await;
    assert!(status.contains(" 403 "), "the allowlist is about ports 80 and 443: {status}");
    assert_eq!(outgoing.names.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_question_holds_all_connections_until_it_is_answered() {
    let port = echo().await;
    let outgoing = Arc::new(Outgoing::start(&[], true, LONG).await);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let outgoing = Arc::clone(&outgoing);
        waiting.spawn(async move { outgoing.connect("other.example.org", port).await.0 });
    }
    outgoing.asked("other.example.org").await;
    assert_eq!(outgoing.names.asked.lock().unwrap().len(), 0, "not looked up before somebody said yes");
    outgoing.decide("other.example.org", true, false);
    while let Some(status) = waiting.join_next().await {
        let status = status.unwrap();
        assert!(status.contains(" 200 "), "{status}");
    }
    let asked = |entry: &EgressEntry| entry.verdict == EgressVerdict::Asked;
    assert_eq!(outgoing.entries().into_iter().filter(asked).count(), 1, "asked once");
    assert!(outgoing.connect("other.example.org", port).await.0.contains(" 200 "), "and remembered");
}

#[tokio::test]
async fn no_and_once_and_silence_are_answers_too() {
    let port = echo().await;
    let outgoing = Outgoing::start(&[], true, Duration::from_millis(300)).await;
    let begun = Instant::now();
    let (status, _) = outgoing.connect("other.example.org", port).await;
    assert!(status.contains(" 403 "), "{status}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(outgoing.ended("other.example.org").await.reason, "nobody answered");

    outgoing.decide("other.example.org", true, true);
    assert!(outgoing.connect("other.example.org", port).await.0.contains(" 200 "));
    assert!(outgoing.connect("other.example.org", port).await.0.contains(" 403 "), "it was for once");

    outgoing.decide("*.example.org", false, false);
    assert!(outgoing.connect("other.example.org", port).await.0.contains(" 403 "));
    assert_eq!(outgoing.ended("other.example.org").await.reason, "blocked by you");
}

#[tokio::test]
async fn a_host_that_does_not_answer_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let outgoing = Outgoing::start(&[format!("*.example.org:{closed}")], false, LONG).await;
    for (host, reason) in [
        ("mirror.example.org", "could not connect: connection refused"),
        ("nowhere.example.org", "could not connect: there is no such host"),
    ] {
        let (status, _) = outgoing.connect(host, closed).await;
        assert!(!status.contains(" 200 "), "{status}");
        let entry = outgoing.ended(host).await;
        assert_eq!((entry.verdict, entry.reason.as_str()), (EgressVerdict::Allowed, reason));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures for whoever runs it with --no-capture")]
async fn a_large_download_flows_and_is_told_of_twice_a_second_at_most() {
    const SIZE: usize = 100 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(&vec![7; SIZE]).await
    });
    let outgoing = Outgoing::start(&[format!("mirror.example.org:{port}")], false, LONG).await;
    let (_, mut socket) = outgoing.connect("mirror.example.org", port).await;
    let begun = Instant::now();
    let (mut got, mut buffer) = (0, vec![0; 256 << 10]);
    loop {
        let read = soon("more of the download", socket.read(&mut buffer)).await.unwrap();
        if read == 0 {
            break;
        }
        assert!(buffer[..read].iter().all(|byte| *byte == 7));
        got += read;
    }
    drop(socket);
    let took = begun.elapsed();
    assert_eq!(got, SIZE);
    let entry = outgoing.ended("mirror.example.org").await;
    assert_eq!(entry.received, SIZE as u64);
    let told = outgoing.entries().iter().filter(|other| other.id == entry.id).count();
    let most = 3 + took.as_millis() as usize / 500;
    println!("{:.0} MB/s, {told} entries", (SIZE >> 20) as f64 / took.as_secs_f64());
    assert!(told <= most, "{told} entries in {took:?}");
}

#[tokio::test]
async fn a_plain_request_is_passed_on_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await?.0);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let body = line.trim_end().to_owned();
        while line.trim_end() != "" {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await
    });
    let outgoing = Outgoing::start(&[format!("mirror.example.org:{port}")], false, LONG).await;
    let mut socket = TcpStream::connect(("127.0.0.1", outgoing.agent.egress_port)).await.unwrap();
    let host = format!("mirror.example.org:{port}");
    let request = format!("GET http://{host}/path HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the answer", socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("GET /path HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn too_many_open_connections_are_refused_and_room_comes_back() {
    let port = echo().await;
    let outgoing = Outgoing::start(&[format!("mirror.example.org:{port}")], false, LONG).await;
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..270 {
        let (status, socket) = outgoing.connect("mirror.example.org", port).await;
        if status.contains(" 200 ") {
            held.push(socket);
        } else {
            refused += 1;
        }
    }
    assert!(held.len() <= 256 && refused >= 14, "{} open, {refused} refused", held.len());
    assert!(
        outgoing
            .entries()
            .iter()
            .all(|entry| entry.verdict != EgressVerdict::Blocked
                || entry.reason == "too many open connections")
    );
    held.clear();
    soon("room for another connection", async {
        while !outgoing.connect("mirror.example.org", port).await.0.contains(" 200 ") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn it_ends_when_cancelled_and_when_the_agent_is_gone() {
    let port = echo().await;
    let allow = [format!("mirror.example.org:{port}")];
    let outgoing = Outgoing::start(&allow, false, LONG).await;
    let (_, mut socket) = outgoing.connect("mirror.example.org", port).await;
    outgoing.cancel.cancel();
    soon("the end", outgoing.serving).await.unwrap().unwrap();
    let mut rest = Vec::new();
    // Cut or closed: either tells the program.
    let _ = soon("the connection to be cut", socket.read_to_end(&mut rest)).await;

    let mut outgoing = Outgoing::start(&allow, false, LONG).await;
    outgoing.agent.kill();
    let problem = soon("the end", outgoing.serving).await.unwrap().unwrap_err();
    assert_eq!(problem.code, Code::AgentLost);
}
