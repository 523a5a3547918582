//! Who may speak to the loopback listener: the right Host (against DNS rebinding), no foreign Origin (against pages
//! in a browser, sockets included) and the bearer token. No cookies, no CORS. Containment cases 23 to 25.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

/// What a request over TCP must bring.
#[derive(Debug)]
pub(crate) struct Guard {
    token: String,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// For a listener at `address`; `origins` are pages of the user's own that may call it through a proxy.
    pub(crate) fn new(address: SocketAddr, token: String, origins: &[String]) -> Self {
        let port = address.port();
        let hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].map(|h| format!("{h}:{port}")).into();
        let own = hosts.iter().map(|host| format!("http://{host}"));
        let origins = own.chain(origins.iter().map(|o| o.trim_end_matches('/').to_owned())).collect();
        Self { token, hosts, origins }
    }

    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|value| value.to_str().ok());
        if hosts.next().is_some() || !host.is_some_and(|h| self.hosts.iter().any(|known| known == h)) {
            return Some((
                StatusCode::MISDIRECTED_REQUEST,
                "This address answers under its loopback name only.",
            ));
        }
        let foreign = |value: &http::HeaderValue| {
            !self.origins.iter().any(|known| known.as_bytes() == value.as_bytes())
        };
        if headers.get_all(header::ORIGIN).iter().any(foreign) {
            return Some((StatusCode::FORBIDDEN, "Pages of this origin may not speak to Slipway."));
        }
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // A page cannot set headers on a WebSocket, so there, and only there, the token may come in the query.
        let socket =
            headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let query = request.uri().query().filter(|_| socket).unwrap_or_default();
        let in_query = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "token");
        let given = bearer.or(in_query.as_ref().map(|(_, value)| value.as_bytes()));
        if !given.is_some_and(|given| same(given, self.token.as_bytes())) {
            return Some((
                StatusCode::UNAUTHORIZED,
                "The token is missing or wrong; `slipway serve --listen` names the file that holds it.",
            ));
        }
        None
    }
}

/// Compares without telling by its time how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

/// Lets a request pass or answers it with why not.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// 32 random bytes as text.
pub(crate) fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn refused(headers: &[(&str, &str)], path: &str) -> Option<u16> {
        let guard =
            Guard::new(([127, 0, 0, 1], 7000).into(), "secret".into(), &["http://localhost:5173/".into()]);
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.refusal(&request.body(Body::empty()).unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_request_needs_the_host_the_origin_and_the_token() {
        let host = ("host", "127.0.0.1:7000");
        let token = ("authorization", "Bearer secret");
        let upgrade = ("upgrade", "websocket");
        for (name, headers, path, expected) in [
            ("right", &[host, token][..], "/", None),
            ("a socket's token in the query", &[host, upgrade], "/v1/attach?token=secret", None),
            ("a socket's wrong token", &[host, upgrade], "/v1/attach?token=secreT", Some(401)),
            ("token in another query", &[host], "/v1/attach?token=secret", Some(401)),
            ("own origin", &[host, token, ("origin", "http://localhost:7000")], "/", None),
            ("a named origin", &[host, token, ("origin", "http://localhost:5173")], "/", None),
            ("no token", &[host], "/", Some(401)),
            ("wrong token", &[host, ("authorization", "Bearer secreT")], "/", Some(401)),
            ("shorter token", &[host, ("authorization", "Bearer s")], "/", Some(401)),
            ("rebound name", &[("host", "evil.example:7000"), token], "/", Some(421)),
            ("other port", &[("host", "127.0.0.1:7001"), token], "/", Some(421)),
            ("no host", &[token], "/", Some(421)),
            ("two hosts", &[host, ("host", "evil.example"), token], "/", Some(421)),
            ("foreign page", &[host, token, ("origin", "https://evil.example")], "/", Some(403)),
            ("preview page", &[host, token, ("origin", "http://3000-shop.localhost:7001")], "/", Some(403)),
            ("opaque page", &[host, token, ("origin", "null")], "/", Some(403)),
        ] {
            assert_eq!(refused(headers, path), expected, "{name}");
        }
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
    }
}
