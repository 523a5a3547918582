//! The preview gateway before the real agent: routing, streaming, upgrades, refusals and our own pages. Programs are real
//! servers on this machine's loopback, which is what the agent dials.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod support;

use std::{
    io,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::ws::{Message, WebSocketUpgrade},
    response::{IntoResponse as _, Redirect},
    routing::{any, get, post},
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use slipway_engine::preview::{Gateway, PageReportKind, Route};
use slipway_wire::{Code, Problem};
use support::{Client, Preview, Table, soon, text, until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Serves on loopback and gives the port.
async fn program(app: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// A server that speaks as `talk` says, once per connection; gives the port and the count of connections.
async fn raw<F>(talk: impl Fn(BufReader<TcpStream>, usize) -> F + Send + 'static) -> (u16, Arc<AtomicUsize>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(talk(BufReader::new(stream), turn));
        }
    });
    (port, count)
}

/// The lines of a request's head.
async fn head(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

/// Sends text as it is and reads until the gateway closes.
async fn say(preview: &Preview, request: &str) -> String {
    let mut socket = preview.socket().await;
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("the gateway to close", socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_page_arrives_with_what_a_program_behind_a_proxy_expects() {
    let preview = Preview::start().await;
    let fields = |headers: HeaderMap| async move {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    };
    let port = program(Router::new().route("/path", get(fields))).await;
    let host = preview.host(port);
    let response = preview.get(&host, "/path?query").await;
    assert_eq!(response.status(), 200);
    let expected = format!(
        "accept: text/html\nhost: {host}\nx-forwarded-for: 127.0.0.1\nx-forwarded-host: {host}\nx-forwarded-proto: http"
    );
    assert_eq!(text(&response), expected);
    // Noted as use: by the answer, and by its bytes.
    assert!(preview.table.seen.load(Ordering::SeqCst) >= 1);
    assert_eq!(preview.gateway.url(&"shop".parse().unwrap(), port), format!("http://{host}/"));
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let preview = Preview::start().await;
    let (port, connections) = raw(|mut stream, _| async move {
        loop {
            head(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
    })
    .await;
    let mut client = preview.client().await;
    for _ in 0..50 {
        let request = Request::get("/").header("host", preview.host(port)).body(Full::default()).unwrap();
        let response = client.send(request).await;
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, "ok"));
    }
    // The connection goes back an instant after the response's last byte: a second may have been made in between.
    assert!(connections.load(Ordering::SeqCst) <= 3, "{connections:?} connections for 50 requests");
}

#[tokio::test]
async fn many_at_once_get_their_own_answers() {
    let preview = Arc::new(Preview::start().await);
    let echo = |body: Bytes| async move { body };
    let port = program(Router::new().route("/", post(echo))).await;
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..200_usize {
        let preview = Arc::clone(&preview);
        requests.spawn(async move {
            let body = Bytes::from(format!("{n} ").repeat(n * 20));
            let request = Request::post("/").header("host", preview.host(port));
            let response = preview.client().await.send(request.body(Full::new(body.clone())).unwrap()).await;
            assert_eq!(response.body(), &body);
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_websocket_carries_text_and_large_frames_both_ways() {
    let preview = Preview::start().await;
    let echo = |upgrade: WebSocketUpgrade| async {
        upgrade.max_message_size(8 << 20).max_frame_size(8 << 20).on_upgrade(|mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, Message::Text(_) | Message::Binary(_))
                    && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        })
    };
    let port = program(Router::new().route("/hmr", any(echo))).await;
    let url = format!("ws://{}/hmr", preview.host(port));
    let (mut socket, response) =
        soon("the upgrade", tokio_tungstenite::client_async(url, preview.socket().await)).await.unwrap();
    assert_eq!(response.status(), 101);
    for message in [tungstenite::Message::text("hello"), tungstenite::Message::binary(vec![7_u8; 3 << 20])] {
        soon("room to send", socket.send(message.clone())).await.unwrap();
        assert_eq!(soon("the echo", socket.next()).await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    let last = soon("the end", async { while let Some(Ok(_)) = socket.next().await {} });
    last.await;
}

#[tokio::test]
async fn events_arrive_while_the_stream_goes_on_and_a_reader_that_leaves_is_noticed() {
    let preview = Preview::start().await;
    let (events, queue) = mpsc::channel::<Result<Bytes, io::Error>>(1);
    let queue = Arc::new(tokio::sync::Mutex::new(Some(queue)));
    let app = Router::new().route(
        "/events",
        get(move || async move {
            let queue = queue.lock().await.take().expect("asked once");
            let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(queue));
            ([("content-type", "text/event-stream")], body).into_response()
        }),
    );
    let port = program(app).await;
    let mut client = preview.client().await;
    let request = Request::get("/events").header("host", preview.host(port)).body(Full::default()).unwrap();
    let mut body = client.start(request).await.into_body();
    for n in 0..3 {
        let event = Bytes::from(format!("data: {n}\n\n"));
        events.send(Ok(event.clone())).await.unwrap();
        let frame = soon("the event", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop((body, client));
    soon("the program to learn that nobody reads", async {
        while events.send(Ok(Bytes::from_static(b"data: more\n\n"))).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

const LARGE: usize = 100 << 20;
const CHUNK: usize = 64 << 10;

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures for whoever runs it with --no-capture")]
async fn a_hundred_megabytes_pass_both_ways_without_being_held() {
    let preview = Preview::start().await;
    let take = |body: Body| async move {
        let mut body = body.into_data_stream();
        let (mut bytes, mut sum) = (0_usize, 0_u64);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.unwrap();
            bytes += chunk.len();
            sum = chunk.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        }
        format!("{bytes} {sum}")
    };
    let give = || async {
        let chunks =
            stream::iter((0..LARGE / CHUNK).map(|n| Ok::<_, io::Error>(Bytes::from(vec![n as u8; CHUNK]))));
        Body::from_stream(chunks)
    };
    let port = program(Router::new().route("/", post(take).get(give))).await;
    let expected: u64 = (0..LARGE / CHUNK).map(|n| u64::from(n as u8) * CHUNK as u64).sum();
    // Warm everything up, so that only what the bodies need is measured.
    preview.get(&preview.host(port), "/none").await;
    let before = resident();
    let mut most = before;

    let begun = Instant::now();
    let stream = preview.socket().await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = StreamBody::new(stream::iter(
        (0..LARGE / CHUNK).map(|n| Ok::<_, io::Error>(Frame::data(Bytes::from(vec![n as u8; CHUNK])))),
    ));
    let request = Request::post("/").header("host", preview.host(port)).body(body).unwrap();
    let response = soon("the upload to be taken", sender.send_request(request)).await.unwrap();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, format!("{LARGE} {expected}"));
    let up = begun.elapsed();
    most = most.max(resident());

    let begun = Instant::now();
    let mut client = preview.client().await;
    let request = Request::get("/").header("host", preview.host(port)).body(Full::default()).unwrap();
    let mut body = client.start(request).await.into_body();
    let (mut bytes, mut sum) = (0, 0_u64);
    while let Some(frame) = soon("more of the download", body.frame()).await {
        let data = frame.unwrap().into_data().unwrap();
        bytes += data.len();
        sum = data.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        most = most.max(resident());
    }
    assert_eq!((bytes, sum), (LARGE, expected));
    let down = begun.elapsed();
    let rate = |time: Duration| (LARGE >> 20) as f64 / time.as_secs_f64();
    let grown = (most - before) >> 20;
    println!("up {:.0} MB/s, down {:.0} MB/s, memory grew by {grown} MB", rate(up), rate(down));
    assert!(grown < 48, "memory grew by {grown} MB");
}

#[tokio::test]
async fn an_upload_nobody_reads_is_held_back() {
    let preview = Preview::start().await;
    let (port, _) = raw(|mut stream, _| async move {
        head(&mut stream).await?;
        // Holds the connection and reads no more.
        std::future::pending().await
    })
    .await;
    let mut socket = preview.socket().await;
    let request =
        format!("POST / HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", preview.host(port), 1_u64 << 40);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut sent = 0;
    let block = vec![0; CHUNK];
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(1), socket.write(&block)).await {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "{sent} bytes were taken for a program that reads nothing");
    }
}

#[tokio::test]
async fn a_connection_the_program_closed_costs_a_harmless_request_nothing() {
    let preview = Preview::start().await;
    // Answers once per connection, takes a second request and hangs up on it.
    let (port, connections) = raw(|mut stream, _| async move {
        head(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        head(&mut stream).await?;
        Ok(())
    })
    .await;
    let host = preview.host(port);
    for round in 1..=5 {
        let response = preview.get(&host, "/").await;
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, "ok"));
        assert_eq!(connections.load(Ordering::SeqCst), round, "each round needs one fresh connection");
        settle().await;
    }
    let before = connections.load(Ordering::SeqCst);
    let request =
        Request::post("/").header("host", &host).body(Full::new(Bytes::from_static(b"order"))).unwrap();
    let response = preview.client().await.send(request).await;
    assert_eq!(response.status(), 502, "what may have been done is not done again");
    assert_eq!(connections.load(Ordering::SeqCst), before);
}

/// Lets a finished connection find its way back to the pool.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn redirects_stay_in_the_workspace() {
    let preview = Preview::start().await;
    let port =
        program(Router::new().route("/", get(|| async { Redirect::to("http://localhost:3000/x?y#z") })))
            .await;
    let response = preview.get(&preview.host(port), "/").await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], format!("http://{}/x?y#z", preview.host(3000)));
}

#[tokio::test]
async fn a_request_with_two_meanings_reaches_nobody() {
    let preview = Preview::start().await;
    let (port, connections) = raw(|_, _| async { Ok(()) }).await;
    let (ours, gateway) = (preview.host(port), preview.gateway.addr().port());
    let sibling = format!("{port}-other.localhost:{gateway}");
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nhost: {ours}\r\nhost: {ours}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nhost: {ours}\r\nhost: {sibling}\r\n\r\n"), 400),
        (format!("GET http://{sibling}/ HTTP/1.1\r\nhost: {ours}\r\n\r\n"), 400),
        (format!("GET http://{ours}@evil.com/ HTTP/1.1\r\nhost: {ours}\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nhost: evil.com:{gateway}\r\n\r\n"), 421),
        (format!("GET / HTTP/1.1\r\nhost: 127.0.0.1:{gateway}\r\n\r\n"), 421),
        (format!("GET / HTTP/1.1\r\nhost: {port}-shop.localhost:{}\r\n\r\n", gateway ^ 1), 421),
        (format!("GET / HTTP/1.1\r\nhost: x.localhost:{gateway}\r\n\r\n"), 404),
        (format!("GET / HTTP/1.1\r\nhost: {sibling}\r\n\r\n"), 404),
        (format!("GET / HTTP/1.1\r\nhost: {ours}\r\norigin: http://{sibling}\r\n\r\n"), 403),
        (format!("CONNECT {ours} HTTP/1.1\r\nhost: {ours}\r\n\r\n"), 405),
        (format!("GET / HTTP/1.1\r\nhost : {ours}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nhost: {ours}\r\nx: {}\r\n\r\n", "y".repeat(80 << 10)), 431),
        (format!("GET / HTTP/1.1\r\nhost: {ours}\r\n{}\r\n", "x: y\r\n".repeat(200)), 431),
        ("\x16\x03\x01 not http\r\n\r\n".to_owned(), 400),
    ] {
        let request = request.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
        let answer = say(&preview, &request).await;
        let shown: String = request.chars().take(120).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{shown:?} gave {answer:.80?}, not {status}"
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nothing was passed on");
}

#[tokio::test]
async fn a_body_with_two_lengths_has_one_for_the_program() {
    let preview = Preview::start().await;
    let echo = |headers: HeaderMap, body: Bytes| async move {
        format!("{:?} {:?}", headers.get("content-length"), body)
    };
    let port = program(Router::new().route("/", post(echo))).await;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        preview.host(port)
    );
    let answer = say(&preview, &request).await;
    assert!(answer.ends_with("None b\"hello\"") || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_while_others_are_served() {
    let preview = Preview::start().await;
    let port = program(Router::new().route("/", get(|| async { "ok" }))).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut socket = preview.socket().await;
        socket
            .write_all(format!("GET / HTTP/1.1\r\nhost: {}\r\n", preview.host(port)).as_bytes())
            .await
            .unwrap();
        slow.push(socket);
    }
    assert_eq!(preview.get(&preview.host(port), "/").await.status(), 200);
    for mut socket in slow {
        soon("the slow one to be dropped", socket.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let preview = Preview::start().await;
    let port = program(Router::new().route("/", post(|body: Bytes| async { body }))).await;
    let mut socket = BufReader::new(preview.socket().await);
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 5\r\n\r\n",
        preview.host(port)
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    soon("100 Continue", socket.read_line(&mut line)).await.unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    socket.write_all(b"hello").await.unwrap();
    let mut rest = String::new();
    soon("the answer", socket.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK") && rest.ends_with("hello"), "{rest}");
}

#[tokio::test]
async fn odd_but_legal_responses_pass() {
    let preview = Preview::start().await;
    let (port, _) = raw(|mut stream, _| async move {
        let lines = head(&mut stream).await?;
        let answer: &[u8] = match lines[0].split(' ').nth(1).unwrap_or_default() {
            "/old" => b"HTTP/1.0 200 OK\r\nX-Odd: 1\r\n\r\nuntil the end",
            "/trailers" => {
                b"HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"
            }
            "/hints" => b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n",
            "/empty" => b"HTTP/1.1 204 No Content\r\n\r\n",
            _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        };
        stream.write_all(answer).await?;
        stream.shutdown().await
    })
    .await;
    let host = preview.host(port);
    for (path, body) in [("/old", "until the end"), ("/trailers", "hello"), ("/hints", "ok"), ("/empty", "")]
    {
        let response = preview.get(&host, path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        assert_eq!(text(&response), body, "{path}");
    }
    let request = Request::head("/head").header("host", &host).body(Full::default()).unwrap();
    let response = preview.client().await.send(request).await;
    assert_eq!((response.headers()["content-length"].to_str().unwrap(), response.body().len()), ("12345", 0));
}

#[tokio::test]
async fn each_state_of_a_workspace_has_its_page() {
    let preview = Preview::start().await;
    let gateway = preview.gateway.addr().port();
    let set = |name: &'static str, route: fn() -> Route| preview.table.set(name, route);
    set("fresh", || Route::Starting { name: "Fresh <b>".into(), phase: "installing".into() });
    set("broken", || Route::Failed {
        name: "Broken".into(),
        problem: Problem::new(Code::StartFailed, "It ended with code 1 <script>").hint("Read its terminal."),
    });
    set("asleep", || Route::Stopped { name: "Asleep".into() });
    let (silent, _) = raw(|mut stream, _| async move { head(&mut stream).await.map(drop) }).await;
    let (greeting, _) = raw(|mut stream, _| async move {
        stream.write_all(b"220 smtp.example.org ESMTP\r\n").await?;
        head(&mut stream).await.map(drop)
    })
    .await;
    let (other, _) = raw(|mut stream, _| async move {
        head(&mut stream).await?;
        stream.write_all(b"-ERR unknown command\r\n").await
    })
    .await;
    let closed = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() };
    for (host, status, says) in [
        (format!("80-fresh.localhost:{gateway}"), 503, "Fresh &lt;b&gt; is starting"),
        (format!("80-broken.localhost:{gateway}"), 502, "It ended with code 1 &lt;script&gt;"),
        (format!("80-asleep.localhost:{gateway}"), 503, "Asleep is stopped"),
        (format!("80-nobody.localhost:{gateway}"), 404, "no such workspace"),
        (preview.host(closed), 502, "Nothing listens on port"),
        (preview.host(silent), 502, "The program hung up"),
        (preview.host(greeting), 502, "does not speak HTTP"),
        (preview.host(other), 502, "does not speak HTTP"),
    ] {
        let response = preview.get(&host, "/").await;
        assert_eq!(response.status(), status, "{host}");
        assert!(text(&response).contains(says), "{host}: {}", text(&response));
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        assert_eq!(response.headers()["x-slipway"], "page");
    }
    let lists = preview.get(&preview.host(closed), "/").await;
    assert!(text(&lists).contains("These ports answer:"), "{}", text(&lists));
    assert_eq!(preview.table.seen.load(Ordering::SeqCst), 0, "a page of ours is nobody's activity");
}

#[tokio::test]
async fn an_agent_that_died_gives_a_page_that_keeps_looking() {
    let mut preview = Preview::start().await;
    let port = program(Router::new().route("/", get(|| async { "ok" }))).await;
    assert_eq!(preview.get(&preview.host(port), "/").await.status(), 200);
    preview.agent.kill();
    let response = preview.get(&preview.host(port), "/").await;
    assert_eq!(response.status(), 502);
    assert!(text(&response).contains("The container does not answer"), "{}", text(&response));
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn what_a_page_says_about_itself_reaches_the_engine_and_not_the_program() {
    let preview = Preview::start().await;
    let (port, connections) = raw(|_, _| async { Ok(()) }).await;
    let host = preview.host(port);
    let report = |body: &str, origin: &str| {
        Request::post("/.well-known/slipway/page")
            .header("host", &host)
            .header("origin", origin)
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap()
    };
    let origin = format!("http://{host}");
    let good = r#"{"kind":"exception","text":"x is not defined","source":"/main.js","line":3}"#;
    let mut client = preview.client().await;
    assert_eq!(client.send(report(good, &origin)).await.status(), 204);
    assert_eq!(client.send(report("{}", &origin)).await.status(), 400);
    assert_eq!(client.send(report(good, &format!("http://{}", preview.host(1)))).await.status(), 403);
    assert_eq!(client.send(report(good, "https://evil.com")).await.status(), 403);
    assert_eq!(preview.get(&host, "/.well-known/slipway/page").await.status(), 405);
    assert_eq!(preview.get(&host, "/.well-known/slipway/other").await.status(), 404);
    let large = format!(r#"{{"kind":"exception","text":"{}"}}"#, "x".repeat(17 << 10));
    assert_eq!(preview.client().await.send(report(&large, &origin)).await.status(), 413);
    let mut many = Vec::new();
    for _ in 0..60 {
        many.push(preview.client().await.send(report(good, &origin)).await.status());
    }
    assert!(many.contains(&StatusCode::TOO_MANY_REQUESTS), "{many:?}");
    {
        let reports = preview.table.reports.lock().unwrap();
        assert_eq!((reports[0].kind, reports[0].port), (PageReportKind::Exception, port));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "the program saw none of it");
}

#[tokio::test]
async fn it_is_reachable_from_this_machine_only() {
    let preview = Preview::start().await;
    assert!(preview.gateway.addr().ip().is_loopback());
    let source = UdpSocket::bind("0.0.0.0:0").unwrap();
    if source.connect("192.88.99.1:9").is_ok() {
        let own = source.local_addr().unwrap().ip();
        let outside = TcpStream::connect((own, preview.gateway.addr().port())).await;
        assert!(outside.is_err(), "reachable at {own}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let _holder = TcpListener::bind(("127.0.0.1", taken)).await.unwrap();
    let tracker = TaskTracker::new();
    let gateway =
        Gateway::bind(Some(taken), Arc::new(Table::default()), &tracker, CancellationToken::new()).await;
    assert_eq!(gateway.unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn everything_ends_when_it_is_cancelled() {
    let preview = Preview::start().await;
    let (port, _) = raw(|mut stream, _| async move {
        head(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nforever").await?;
        std::future::pending().await
    })
    .await;
    let (tunnel, _) = raw(|mut stream, _| async move {
        head(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
            .await?;
        std::future::pending().await
    })
    .await;
    let mut client = preview.client().await;
    let request = Request::get("/").header("host", preview.host(port)).body(Full::default()).unwrap();
    let _body = client.start(request).await.into_body();
    let mut upgraded: Client = preview.client().await;
    let request = Request::get("/").header("host", preview.host(tunnel)).header("connection", "upgrade");
    let response = upgraded.start(request.header("upgrade", "x").body(Full::default()).unwrap()).await;
    assert_eq!(response.status(), 101);
    let _idle = preview.socket().await;
    preview.cancel.cancel();
    preview.tracker.close();
    soon("all tasks to end", preview.tracker.wait()).await;
    until("the port to be free", || std::net::TcpListener::bind(preview.gateway.addr()).is_ok()).await;
}
