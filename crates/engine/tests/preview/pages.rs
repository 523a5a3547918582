//! Our own pages where a program does not answer, and what a program's page says about itself.

use std::sync::atomic::Ordering;

use crate::{
    head, program, raw,
    support::{Preview, text},
};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use slipway_engine::preview::{PageReportKind, Route};
use slipway_wire::{Code, Problem};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

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
