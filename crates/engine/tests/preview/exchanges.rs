//! Requests, streams, upgrades and redirects on their way to the program and back.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    head, program, raw,
    support::{Preview, soon, text},
};
use axum::{
    Router,
    body::Body,
    extract::ws::{Message, WebSocketUpgrade},
    response::{IntoResponse as _, Redirect},
    routing::{any, get, post},
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite;

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
        // The queue holds one: each turn waits for the program to take the one before.
        while events.send(Ok(Bytes::from_static(b"data: more\n\n"))).await.is_ok() {}
    })
    .await;
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
async fn a_connection_the_program_closed_costs_a_harmless_request_nothing() {
    let preview = Preview::start().await;
    // Answers once per connection, takes a second request and hangs up on it.
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let (port, connections) = raw(move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            head(&mut stream).await?;
            counted.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            head(&mut stream).await?;
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
    .await;
    let host = preview.host(port);
    for round in 1..=5 {
        let response = preview.get(&host, "/").await;
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, "ok"));
        assert_eq!(connections.load(Ordering::SeqCst), round, "each round needs one fresh connection");
    }
    let before = taken.load(Ordering::SeqCst);
    // A connection that has just answered is on its way back: one of the first orders goes over a kept one.
    let sent = soon("an order over a kept connection", async {
        for sent in 1.. {
            let order = Full::new(Bytes::from_static(b"order"));
            let request = Request::post("/").header("host", &host).body(order).unwrap();
            if preview.client().await.send(request).await.status() == StatusCode::BAD_GATEWAY {
                return sent;
            }
        }
        unreachable!("the loop has no end of its own")
    })
    .await;
    assert_eq!(taken.load(Ordering::SeqCst), before + sent, "what may have been done is not done again");
}
