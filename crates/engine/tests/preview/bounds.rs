//! What is large, endless or has two meanings is streamed, held back or refused.

use std::{
    io,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::{
    head, program, raw, say,
    support::{Preview, soon},
};
use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
