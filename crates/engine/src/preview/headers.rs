//! Header fields on their way through: what belongs to one hop is taken out, what a program behind a proxy expects is
//! put in, and addresses that only mean something inside the container are rewritten to the workspace's own origins.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::host::{Site, decimal};

/// Fields about one connection, not the message (RFC 9110, 7.6.1). `Trailer` is about the message and stays.
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The protocol a message asks to switch to, if it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asked).cloned()
}

/// Makes a request's fields fit for the program. `Host` stays as the browser wrote it.
pub(super) fn forward(headers: &mut HeaderMap, site: &Site, gateway: u16) {
    let upgrade = upgrade(headers);
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // Where both are sent the length is a lie (RFC 9112, 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
    // The server half of us answers it, by asking for the body when the program takes it.
    headers.remove(header::EXPECT);
    headers.remove(header::TE);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    restore(headers, upgrade);
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        headers.remove(name);
    }
    headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Ok(host) = HeaderValue::from_str(&site.authority(gateway)) {
        headers.insert("x-forwarded-host", host);
    }
}

/// Makes a response's fields fit for the browser. `switching` is the protocol of a 101.
pub(super) fn backward(headers: &mut HeaderMap, site: &Site, gateway: u16, switching: Option<HeaderValue>) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
    restore(headers, switching);
    if let Some(there) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
        && let Some(rewritten) = location(there, site, gateway)
        && let Ok(value) = HeaderValue::from_str(&rewritten)
    {
        headers.insert(header::LOCATION, value);
    }
    cookies(headers);
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&HOP) {
        headers.remove(name);
    }
}

fn restore(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Where the browser finds what the program calls `http://localhost:<port>/…`; `None` where nothing need change.
fn location(there: &str, site: &Site, gateway: u16) -> Option<String> {
    let lower = there.get(..7).map(str::to_ascii_lowercase);
    let rest = if lower.as_deref() == Some("http://") { &there[7..] } else { there.strip_prefix("//")? };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = match authority.rfind(':').filter(|colon| !authority[*colon..].contains(']')) {
        Some(colon) => (&authority[..colon], Some(decimal(&authority[colon + 1..])?)),
        None => (authority, None),
    };
    let host = host.to_ascii_lowercase();
    if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0" | "[::]") {
        let there = Site { workspace: site.workspace.clone(), port: port.unwrap_or(80) };
        return Some(format!("{}{path}", there.origin(gateway)));
    }
    // A program that rebuilds its own address from the host alone loses the gateway's port.
    (host == site.to_string() && port.is_none()).then(|| format!("{}{path}", site.origin(gateway)))
}

/// A cookie for all of `localhost` would be every workspace's: it is kept to the site that sets it.
fn cookies(headers: &mut HeaderMap) {
    let wide = |attribute: &str| {
        let Some((name, value)) = attribute.split_once('=') else { return false };
        name.trim().eq_ignore_ascii_case("domain")
            && value.trim().trim_start_matches('.').trim_end_matches('.').eq_ignore_ascii_case("localhost")
    };
    let text =
        |value: &HeaderValue| value.to_str().ok().filter(|text| text.split(';').any(wide)).map(str::to_owned);
    let header::Entry::Occupied(mut set) = headers.entry(header::SET_COOKIE) else { return };
    for value in set.iter_mut() {
        let Some(cookie) = text(value) else { continue };
        let kept: Vec<&str> = cookie.split(';').filter(|attribute| !wide(attribute)).collect();
        if let Ok(narrowed) = HeaderValue::from_str(&kept.join(";")) {
            *value = narrowed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: u16 = 7420;

    fn site() -> Site {
        Site::parse("5173-shop.localhost", GATEWAY).unwrap()
    }

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn redirects_to_loopback_stay_in_the_workspace() {
        for (there, here) in [
            ("http://localhost:3000/login?a=b#c", Some("http://3000-shop.localhost:7420/login?a=b#c")),
            ("http://127.0.0.1:5173", Some("http://5173-shop.localhost:7420")),
            ("HTTP://LocalHost:5173/x", Some("http://5173-shop.localhost:7420/x")),
            ("http://[::1]:8000/x", Some("http://8000-shop.localhost:7420/x")),
            ("http://0.0.0.0:8000?x", Some("http://8000-shop.localhost:7420?x")),
            ("http://localhost/x", Some("http://80-shop.localhost:7420/x")),
            ("//localhost:3000/x", Some("http://3000-shop.localhost:7420/x")),
            ("http://5173-shop.localhost/x", Some("http://5173-shop.localhost:7420/x")),
            ("http://5173-shop.localhost:7420/x", None),
            ("http://localhost.evil.com:3000/x", None),
            ("http://localhost:0/x", None),
            ("http://localhost:99999/x", None),
            ("http://user@localhost:3000/x", None),
            ("https://localhost:3000/x", None),
            ("https://example.org/", None),
            ("/x", None),
            ("x", None),
            ("", None),
            ("héllo wörld", None),
        ] {
            assert_eq!(location(there, &site(), GATEWAY).as_deref(), here, "{there}");
        }
    }

    #[test]
    fn what_belongs_to_one_hop_is_taken_out() {
        let mut headers = map(&[
            ("host", "5173-shop.localhost:7420"),
            ("connection", "keep-alive, x-mine, host"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("te", "gzip"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil.com"),
            ("forwarded", "for=10.0.0.1"),
            ("cookie", "a=b"),
        ]);
        forward(&mut headers, &site(), GATEWAY);
        let mut left: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "cookie: a=b",
                "host: 5173-shop.localhost:7420",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: 5173-shop.localhost:7420",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn upgrades_survive() {
        let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        forward(&mut headers, &site(), GATEWAY);
        assert_eq!(headers["connection"], "upgrade");
        assert_eq!(headers["upgrade"], "websocket");
        assert_eq!(upgrade(&map(&[("upgrade", "websocket")])), None, "not asked for in Connection");
    }

    #[test]
    fn a_cookie_for_all_workspaces_is_kept_to_one() {
        let mut headers = map(&[
            ("set-cookie", "a=1; Domain=localhost; Path=/; HttpOnly"),
            ("set-cookie", "b=2; domain=.LOCALHOST"),
            ("set-cookie", "c=3; Domain=5173-shop.localhost"),
            ("set-cookie", "d=4"),
        ]);
        backward(&mut headers, &site(), GATEWAY, None);
        let left: Vec<_> =
            headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(left, ["a=1; Path=/; HttpOnly", "b=2", "c=3; Domain=5173-shop.localhost", "d=4"]);
    }
}
