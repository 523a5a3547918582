//! The outgoing proxy as programs meet it: CONNECT, plain requests and SOCKS, allowed, refused, and with nobody there.

use bytes::Bytes;
use slipway_agent_api::v1::{self, egress_answer_request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::support::{Agent, Client, within};

struct Proxy {
    _agent: Agent,
    client: Client,
    port: u16,
}

async fn proxy() -> Proxy {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let hello = client.hello(v1::HelloRequest { protocol: 1 }).await.expect("hello").into_inner();
    Proxy { _agent: agent, client, port: u16::try_from(hello.egress_port).expect("a port") }
}

impl Proxy {
    async fn program(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the proxy listens");
        stream.write_all(request).await.expect("room");
        stream
    }

    async fn announcements(&mut self) -> Streaming<v1::EgressConnection> {
        within("egress", self.client.egress(v1::EgressRequest {})).await.expect("egress").into_inner()
    }

    async fn answer(&mut self, id: &str, allowed: bool, reason: &str) -> Answer {
        let (requests, stream) = mpsc::channel(4);
        let verdict = v1::EgressVerdict { id: id.to_owned(), allowed, reason: reason.to_owned() };
        let opening = v1::EgressAnswerRequest { part: Some(egress_answer_request::Part::Verdict(verdict)) };
        requests.send(opening).await.expect("room");
        let replies = within("answer", self.client.egress_answer(ReceiverStream::new(stream))).await;
        Answer { requests, replies: replies.expect("the answer is taken").into_inner() }
    }
}

struct Answer {
    requests: mpsc::Sender<v1::EgressAnswerRequest>,
    replies: Streaming<v1::EgressAnswerReply>,
}

impl Answer {
    async fn send(&self, data: &str) {
        let part = Some(egress_answer_request::Part::Data(Bytes::copy_from_slice(data.as_bytes())));
        self.requests.send(v1::EgressAnswerRequest { part }).await.expect("it is taken");
    }

    async fn receive_until(&mut self, end: &str) -> String {
        let mut seen = String::new();
        while !seen.ends_with(end) {
            let reply = within("bytes", self.replies.message()).await.expect("no error");
            let reply = reply.unwrap_or_else(|| panic!("ended before {end:?}: {seen:?}"));
            seen.push_str(std::str::from_utf8(&reply.data).expect("text"));
        }
        seen
    }

    async fn ended(&mut self) {
        assert_eq!(within("the end", self.replies.message()).await.expect("no error"), None);
    }
}

async fn announced(announcements: &mut Streaming<v1::EgressConnection>) -> v1::EgressConnection {
    within("an announcement", announcements.message()).await.expect("no error").expect("no end")
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        let length = within("the proxy's answer", stream.read(&mut byte)).await.expect("no error");
        assert_ne!(length, 0, "ended before {end:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).expect("text")
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut seen = String::new();
    within("the end", stream.read_to_string(&mut seen)).await.expect("no error");
    seen
}

#[tokio::test]
async fn with_nobody_connected_programs_are_told_at_once() {
    let proxy = proxy().await;
    let mut tunnel = proxy
        .program(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n")
        .await;
    let answer = read_to_end(&mut tunnel).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Slipway is not connected"), "{answer}");
    let mut socks = proxy.program(b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x01\xbb").await;
    let mut reply = [0; 12];
    within("the reply", socks.read_exact(&mut reply)).await.expect("a reply");
    assert_eq!(&reply[..4], &[5, 0, 5, 1]);
}

#[tokio::test]
async fn an_allowed_tunnel_carries_bytes_and_both_ends() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let mut program =
        proxy.program(b"CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n\r\n").await;
    let connection = announced(&mut announcements).await;
    assert_eq!(
        (connection.host.as_str(), connection.port, connection.tunnel),
        ("registry.example", 443, true)
    );
    let mut answer = proxy.answer(&connection.id, true, "").await;
    assert!(read_until(&mut program, "\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    program.write_all(b"hello?").await.expect("room");
    assert_eq!(answer.receive_until("hello?").await, "hello?");
    program.shutdown().await.expect("shutdown");
    answer.ended().await;
    // The other direction goes on after the program's has ended.
    answer.send("hello!").await;
    drop(answer.requests);
    assert_eq!(read_to_end(&mut program).await, "hello!");
}

#[tokio::test]
async fn a_refusal_names_host_and_reason() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let mut program =
        proxy.program(b"CONNECT tracker.example:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let connection = announced(&mut announcements).await;
    let mut answer = proxy.answer(&connection.id, false, "not on the allowlist\r\nInjected: header").await;
    answer.ended().await;
    let text = read_to_end(&mut program).await;
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    assert!(text.contains("tracker.example:443: not on the allowlistInjected: header\n"), "{text}");
    let mut program = proxy.program(b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50").await;
    let connection = announced(&mut announcements).await;
    assert_eq!((connection.host.as_str(), connection.port), ("192.0.2.1", 80));
    proxy.answer(&connection.id, false, "private").await;
    let mut reply = [0; 12];
    within("the reply", program.read_exact(&mut reply)).await.expect("a reply");
    assert_eq!(&reply[..4], &[5, 0, 5, 2]);
}

#[tokio::test]
async fn plain_requests_reach_the_server_in_its_own_form_one_connection_each() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let first = b"POST http://api.example:8080/things?x=1 HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let mut program = proxy.program(first).await;
    let connection = announced(&mut announcements).await;
    assert_eq!((connection.host.as_str(), connection.port, connection.tunnel), ("api.example", 8080, false));
    let mut answer = proxy.answer(&connection.id, true, "").await;
    let seen = answer.receive_until("0\r\n\r\n").await.to_lowercase();
    assert!(seen.starts_with("post /things?x=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("host: api.example:8080\r\n") && seen.contains("connection: close\r\n"), "{seen}");
    assert!(!seen.contains("proxy-") && seen.contains("abc") && seen.contains("de"), "{seen}");
    answer
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nKeep-Alive: timeout=5\r\n\r\nok")
        .await;
    let response = read_until(&mut program, "ok").await;
    assert!(
        response.starts_with("HTTP/1.1 200 OK\r\n") && !response.to_lowercase().contains("keep-alive"),
        "{response}"
    );
    // The program's connection stays; the next request on it is announced anew.
    program
        .write_all(b"GET http://second.example/ HTTP/1.1\r\nHost: second.example\r\n\r\n")
        .await
        .expect("room");
    let connection = announced(&mut announcements).await;
    assert_eq!((connection.host.as_str(), connection.port), ("second.example", 80));
    let mut answer = proxy.answer(&connection.id, true, "").await;
    assert!(answer.receive_until("\r\n\r\n").await.starts_with("GET / HTTP/1.1\r\n"));
    answer.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
    drop(answer.requests);
    assert!(read_until(&mut program, "0\r\n\r\n").await.contains("to the end"));
}

#[tokio::test]
async fn socks_tunnels_by_name() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let mut program = proxy.program(b"\x05\x01\x00").await;
    let mut method = [0; 2];
    within("the method", program.read_exact(&mut method)).await.expect("a method");
    assert_eq!(method, [5, 0]);
    program.write_all(b"\x05\x01\x00\x03\x0bexample.org\x00\x16").await.expect("room");
    let connection = announced(&mut announcements).await;
    assert_eq!((connection.host.as_str(), connection.port, connection.tunnel), ("example.org", 22, true));
    let mut answer = proxy.answer(&connection.id, true, "").await;
    let mut reply = [0; 10];
    within("the reply", program.read_exact(&mut reply)).await.expect("a reply");
    assert_eq!(reply, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    program.write_all(b"SSH-2.0").await.expect("room");
    answer.receive_until("SSH-2.0").await;
}

#[tokio::test]
async fn nonsense_is_answered_or_dropped_and_hurts_nobody() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    for request in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"[..],
        b"GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
        b"CONNECT example.org HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[&b"GET http://example.org/ HTTP/1.1\r\nX: "[..], &vec![b'x'; 90_000]].concat(),
    ] {
        let mut program = proxy.program(request).await;
        let mut answer = Vec::new();
        // Some are cut with a reset, which is as good an answer.
        let _ = within("an end", program.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut program = proxy.program(b"CONNECT still.works:443 HTTP/1.1\r\n\r\n").await;
    let connection = announced(&mut announcements).await;
    assert_eq!(connection.host, "still.works");
    proxy.answer(&connection.id, true, "").await;
    read_until(&mut program, "\r\n\r\n").await;
}

#[tokio::test]
async fn a_program_that_gives_up_is_not_answered() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let program = proxy.program(b"CONNECT slow.example:443 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let connection = announced(&mut announcements).await;
    drop(program);
    // The agent sees the end as soon as the kernel says so; until then an answer would still be taken.
    let mut client = proxy.client.clone();
    crate::support::until("the question is withdrawn", async || {
        let verdict = v1::EgressVerdict { id: connection.id.clone(), allowed: false, reason: String::new() };
        let part = Some(egress_answer_request::Part::Verdict(verdict));
        let requests = tokio_stream::once(v1::EgressAnswerRequest { part });
        client.egress_answer(requests).await.is_err_and(|status| status.code() == tonic::Code::NotFound)
    })
    .await;
}

/// Programs that ask for a tunnel and are refused send nothing more, and some wait for the end before they say so.
#[tokio::test]
async fn a_refused_tunnel_ends_with_its_answer() {
    let mut proxy = proxy().await;
    let asked = b"CONNECT tracker.example:443 HTTP/1.1\r\nHost: tracker.example:443\r\nProxy-Connection: keep-alive\r\n\r\n";
    let mut unheard = proxy.program(asked).await;
    let text = read_to_end(&mut unheard).await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    let mut nonsense = proxy.program(b"CONNECT tracker.example:0 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let text = read_to_end(&mut nonsense).await;
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    let mut announcements = proxy.announcements().await;
    let mut refused = proxy.program(asked).await;
    let connection = announced(&mut announcements).await;
    proxy.answer(&connection.id, false, "not on the allowlist").await.ended().await;
    let text = read_to_end(&mut refused).await;
    assert!(text.starts_with("HTTP/1.1 403 ") && text.ends_with("not on the allowlist\n"), "{text}");
}

/// A plain request that is refused is one of many on its connection.
#[tokio::test]
async fn a_refused_request_leaves_its_connection_to_the_next() {
    let mut proxy = proxy().await;
    let mut announcements = proxy.announcements().await;
    let mut program = proxy.program(b"").await;
    for path in ["a", "b"] {
        let request = format!("GET http://tracker.example/{path} HTTP/1.1\r\nHost: tracker.example\r\n\r\n");
        program.write_all(request.as_bytes()).await.expect("the connection is open");
        let connection = announced(&mut announcements).await;
        proxy.answer(&connection.id, false, "no").await.ended().await;
        let text = read_until(&mut program, ": no\n").await;
        assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    }
}
