//! The proxy's HTTP side: CONNECT tunnels and requests in absolute form. Parsing, framing and keep-alive are hyper's;
//! what is asked of the gate and what the program is told is decided here.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ::http::uri::{PathAndQuery, Scheme};
use ::http::{Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::proxy::HEAD;
use super::{Denied, Gate, Tunnel};

/// A request's line and headers together, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// What may be on its way between hyper and the tunnel, in bytes.
const PIPE: usize = 256 * 1024;

type Body = BoxBody<Bytes, hyper::Error>;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, gate: Arc<Gate>) -> io::Result<()> {
    let service = service_fn(move |request| {
        let gate = Arc::clone(&gate);
        async move { Ok::<_, Infallible>(answer(request, &gate).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>, gate: &Arc<Gate>) -> Response<Body> {
    let connect = request.method() == Method::CONNECT;
    let (host, port) = match target(request.uri(), connect) {
        Ok(target) => target,
        Err(wrong) => return refused(connect, text(StatusCode::BAD_REQUEST, wrong)),
    };
    let tunnel = match gate.ask(&host, port, connect).await {
        Ok(tunnel) => tunnel,
        Err(denied) => return refused(connect, refusal(&host, port, &denied)),
    };
    if connect {
        // Begins when the answer below has been written.
        tokio::spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                tunnel.carry(TokioIo::new(upgraded)).await;
            }
        });
        return Response::new(empty());
    }
    match forward(request, tunnel).await {
        Ok(response) => response,
        Err(error) => text(
            StatusCode::BAD_GATEWAY,
            &format!("Slipway: {host}:{port} did not answer the request: {error}\n"),
        ),
    }
}

/// Whom a request is for.
fn target(uri: &Uri, connect: bool) -> Result<(String, u16), &'static str> {
    let Some(authority) = uri.authority() else {
        return Err("This is Slipway's outgoing proxy: set it as HTTP_PROXY, it serves nothing itself.\n");
    };
    if !connect && uri.scheme() != Some(&Scheme::HTTP) {
        return Err(
            "Slipway's outgoing proxy takes http:// requests; for others open a tunnel with CONNECT.\n",
        );
    }
    let bare = authority.as_str();
    let bare = bare.rsplit_once('@').map_or(bare, |(_, bare)| bare);
    // Read here, since to `Authority` a port like 99999 is none at all, and would become the default one.
    let port = match bare.strip_prefix(authority.host()) {
        Some("") if !connect => Some(80),
        Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()),
        None => None,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match port {
        Some(port) if port != 0 && !host.is_empty() && host.len() <= 255 => Ok((host.to_owned(), port)),
        _ => Err("Slipway: the request names no valid host and port.\n"),
    }
}

/// Sends one request through the tunnel and brings its response. The connection outward is for this request only.
async fn forward(request: Request<Incoming>, tunnel: Tunnel) -> hyper::Result<Response<Body>> {
    let (near, far) = tokio::io::duplex(PIPE);
    tokio::spawn(tunnel.carry(far));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(near))
        .await?;
    // Its end shows in the response.
    tokio::spawn(connection);
    let response = sender.send_request(origin_form(request)).await?;
    let (mut head, body) = response.into_parts();
    strip_hop_by_hop(&mut head.headers);
    Ok(Response::from_parts(head, body.boxed()))
}

/// The request as the server itself expects it: a path, its own host, and no header meant for a proxy.
fn origin_form<B>(request: Request<B>) -> Request<B> {
    let (mut head, body) = request.into_parts();
    strip_hop_by_hop(&mut head.headers);
    let host = head.uri.authority().map(|authority| {
        let bare = authority.as_str();
        // A user name in the address is not part of the host.
        bare.rsplit_once('@').map_or(bare, |(_, host)| host).to_owned()
    });
    if let Some(host) = host.and_then(|host| HeaderValue::try_from(host).ok()) {
        head.headers.insert(header::HOST, host);
    }
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from(path);
    head.version = ::http::Version::HTTP_11;
    Request::from_parts(head, body)
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1), the headers that `Connection` names included.
/// `Transfer-Encoding` goes too: hyper frames the body anew.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        // A body's length is not a connection's business, whatever `Connection` says.
        if name != header::CONTENT_LENGTH && name != header::HOST {
            headers.remove(name);
        }
    }
    for name in [
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
    ] {
        headers.remove(name);
    }
}

/// A tunnel that is refused ends with its answer: programs do not send another request where they asked for one, and some
/// wait for the end of the connection (Node until its own 30 s are over) before they say that it failed.
fn refused(connect: bool, mut response: Response<Body>) -> Response<Body> {
    if connect {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn refusal(host: &str, port: u16, denied: &Denied) -> Response<Body> {
    let status = match denied {
        Denied::Refused(_) => StatusCode::FORBIDDEN,
        Denied::Unanswered => StatusCode::GATEWAY_TIMEOUT,
        Denied::NotConnected | Denied::TooMany => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, &format!("{host}:{port}: {denied}\n"))
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(full(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn empty() -> Body {
    full(Bytes::new())
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("a URI")
    }

    #[test]
    fn targets_are_read_from_both_forms() {
        assert_eq!(target(&uri("example.org:443"), true), Ok(("example.org".into(), 443)));
        assert_eq!(target(&uri("[::1]:443"), true), Ok(("::1".into(), 443)));
        assert_eq!(target(&uri("http://example.org/a?b"), false), Ok(("example.org".into(), 80)));
        assert_eq!(target(&uri("http://user:pw@example.org:8080/"), false), Ok(("example.org".into(), 8080)));
    }

    #[test]
    fn what_names_no_target_is_refused() {
        for (text, connect) in [
            ("/path", false),
            ("https://example.org/", false),
            ("example.org", true),
            ("example.org:0", true),
            ("http://example.org:99999/", false),
        ] {
            let Ok(uri) = text.parse::<Uri>() else { continue };
            assert!(target(&uri, connect).is_err(), "{text}");
        }
    }

    #[test]
    fn requests_lose_what_was_meant_for_the_proxy() {
        let request = Request::builder()
            .uri("http://user:pw@example.org:8080/a/b?c=d")
            .header("host", "evil.example")
            .header("proxy-connection", "keep-alive")
            .header("proxy-authorization", "Basic eA==")
            .header("connection", "keep-alive, X-Private, Content-Length")
            .header("x-private", "1")
            .header("x-kept", "2")
            .header("content-length", "0")
            .header("te", "trailers")
            .body(())
            .expect("a request");
        let request = origin_form(request);
        assert_eq!(request.uri(), "/a/b?c=d");
        let mut headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        headers.sort();
        assert_eq!(
            headers,
            ["connection: close", "content-length: 0", "host: example.org:8080", "x-kept: 2"]
        );
    }
}
