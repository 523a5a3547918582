//! The preview gateway before the real agent. Programs are real servers on this machine's loopback, which is what the
//! agent dials; who may reach the gateway and how it ends is tested here, the rest in a file a subject.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod bounds;
mod exchanges;
mod pages;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::Router;
use http::Request;
use http_body_util::Full;
use slipway_engine::preview::Gateway;
use support::{Client, Preview, Table, soon, until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
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
