//! Which site a request is for. Request line and Host come in as the browser (or an attacker) wrote them; anything
//! ambiguous is refused here, so that two parties can never read two different targets out of one request.

use http::{Method, Request, StatusCode, Uri, header, uri::PathAndQuery};

use super::host::{NotOurs, Site};

/// Why a request is for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misdirected {
    /// No Host, or two, or the request line names another.
    Ambiguous,
    /// CONNECT, which is for proxies.
    Tunnel,
    /// A host that is not the gateway's.
    Foreign,
    /// A host under `.localhost` that no preview has.
    Unreadable,
    /// Another workspace's page asks.
    Sibling,
}

impl Misdirected {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::Tunnel => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign => StatusCode::MISDIRECTED_REQUEST,
            Self::Unreadable => StatusCode::NOT_FOUND,
            Self::Sibling => StatusCode::FORBIDDEN,
        }
    }
}

/// Finds the site and the path (never empty) of a request.
pub(super) fn read<B>(request: &Request<B>, gateway: u16) -> Result<(Site, PathAndQuery), Misdirected> {
    if request.method() == Method::CONNECT {
        return Err(Misdirected::Tunnel);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Misdirected::Ambiguous) };
    let host = host.to_str().map_err(|_| Misdirected::Ambiguous)?;
    if !agrees(request.uri(), host) {
        return Err(Misdirected::Ambiguous);
    }
    let site = Site::parse(host, gateway).map_err(|error| match error {
        NotOurs::Foreign => Misdirected::Foreign,
        NotOurs::Unreadable => Misdirected::Unreadable,
    })?;
    if from_sibling(request, &site, gateway) {
        return Err(Misdirected::Sibling);
    }
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok((site, path))
}

/// A request line that names a host itself (absolute form) must name the same one.
fn agrees(uri: &Uri, host: &str) -> bool {
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => true,
        (Some("http"), Some(authority)) => authority.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Whether the page that asks belongs to another workspace. Pages of the same workspace on other ports may ask (a page
/// on one port and its API on another), and so may the outside: programs guard themselves against that as they must
/// anywhere. Following a link is nobody's attack.
fn from_sibling<B>(request: &Request<B>, site: &Site, gateway: u16) -> bool {
    let field = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let link = matches!(*request.method(), Method::GET | Method::HEAD)
        && field("sec-fetch-mode") == Some("navigate");
    let origin = field("origin").or_else(|| field("referer").filter(|_| !link));
    origin
        .and_then(|origin| origin.strip_prefix("http://"))
        .and_then(|rest| rest.split('/').next())
        .and_then(|authority| Site::parse(authority, gateway).ok())
        .is_some_and(|asking| asking.workspace != site.workspace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(line: &str, headers: &[(&str, &str)]) -> Result<String, Misdirected> {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap(), 7420).map(|(site, path)| format!("{site}{path}"))
    }

    #[test]
    fn one_request_has_one_target() {
        const OURS: (&str, &str) = ("host", "80-a.localhost:7420");
        for (line, headers, expected) in [
            ("GET /x?y", &[OURS][..], Ok("80-a.localhost/x?y")),
            ("OPTIONS *", &[OURS], Ok("80-a.localhost*")),
            ("GET http://80-a.localhost:7420/x", &[OURS], Ok("80-a.localhost/x")),
            ("GET http://80-a.localhost:7420", &[OURS], Ok("80-a.localhost/")),
            ("GET http://80-b.localhost:7420/x", &[OURS], Err(Misdirected::Ambiguous)),
            ("GET http://80-a.localhost/x", &[OURS], Err(Misdirected::Ambiguous)),
            ("GET http://u@80-a.localhost:7420/x", &[OURS], Err(Misdirected::Ambiguous)),
            ("GET https://80-a.localhost:7420/x", &[OURS], Err(Misdirected::Ambiguous)),
            ("GET /x", &[], Err(Misdirected::Ambiguous)),
            ("GET /x", &[OURS, OURS], Err(Misdirected::Ambiguous)),
            ("GET /x", &[OURS, ("host", "80-b.localhost:7420")], Err(Misdirected::Ambiguous)),
            ("GET /x", &[("host", "80-a.localhost, 80-b.localhost")], Err(Misdirected::Unreadable)),
            ("GET /x", &[("host", "evil.com")], Err(Misdirected::Foreign)),
            ("GET /x", &[("host", "a.localhost:7420")], Err(Misdirected::Unreadable)),
            ("CONNECT 80-a.localhost:7420", &[OURS], Err(Misdirected::Tunnel)),
        ] {
            assert_eq!(target(line, headers).as_deref(), expected.as_deref(), "{line} {headers:?}");
        }
    }

    #[test]
    fn another_workspaces_page_may_link_but_not_ask() {
        const OURS: (&str, &str) = ("host", "80-a.localhost:7420");
        const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
        for (line, headers, fine) in [
            ("GET /", &[OURS, ("origin", "http://80-a.localhost:7420")][..], true),
            ("GET /", &[OURS, ("origin", "http://3000-a.localhost:7420")], true),
            ("GET /", &[OURS, ("origin", "https://example.org")], true),
            ("GET /", &[OURS, ("origin", "null")], true),
            ("GET /", &[OURS, ("origin", "http://80-b.localhost:7420")], false),
            ("GET /", &[OURS, ("referer", "http://80-b.localhost:7420/x")], false),
            ("GET /", &[OURS, NAVIGATE, ("referer", "http://80-b.localhost:7420/x")], true),
            ("POST /", &[OURS, NAVIGATE, ("origin", "http://80-b.localhost:7420")], false),
        ] {
            assert_eq!(target(line, headers).is_ok(), fine, "{line} {headers:?}");
        }
    }
}
