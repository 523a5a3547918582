//! The HTTP proxy this machine itself may be behind: its address as people configure it comes in, a CONNECT tunnel to a
//! host comes out. Only `http://` proxies; what they resolve is theirs to check.

use std::net::SocketAddr;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use slipway_wire::{Code, Problem};
use tokio::{net::TcpStream, task::JoinSet};

use super::{
    Host,
    dialer::{DialError, Resolver, Socket},
};

/// A proxy's address and what it wants to know about us.
pub(super) struct Upstream {
    host: Host,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Upstream {
    /// Reads `http://[user:password@]host[:port]` (a missing scheme means `http`, a missing port 80).
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        // The text may hold a password, so the problem does not repeat it.
        Self::read(text.trim()).ok_or_else(|| {
            Problem::new(Code::Invalid, "The proxy this machine is set to use cannot be used.")
                .hint("Slipway needs an address such as http://proxy.example.org:3128.")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let authority = uri.authority()?;
        let authorization = match authority.as_str().rsplit_once('@') {
            Some((who, _)) => Some(basic(who)?),
            None => None,
        };
        Some(Self { host: Host::parse(uri.host()?)?, port: uri.port_u16().unwrap_or(80), authorization })
    }

    /// Where it is. The person who runs this machine named it, so no address is refused.
    pub(super) async fn addresses(&self, resolver: &dyn Resolver) -> Result<Vec<SocketAddr>, DialError> {
        let found = match &self.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => resolver
                .resolve(name)
                .await
                .map_err(|_| DialError::Failed("this machine's proxy is not found".to_owned()))?,
        };
        Ok(found.into_iter().map(|address| SocketAddr::new(address, self.port)).collect())
    }

    /// Has the proxy connect `socket` to a host.
    pub(super) async fn tunnel(
        &self,
        socket: TcpStream,
        host: &Host,
        port: u16,
    ) -> Result<Box<dyn Socket>, DialError> {
        let broken = |_| DialError::Failed("this machine's proxy does not answer as one".to_owned());
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(16 * 1024)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        // Ends with the tunnel made, or with this call.
        let mut driver = JoinSet::new();
        driver.spawn(connection.with_upgrades());
        let target = match host {
            Host::Address(std::net::IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
            other => format!("{other}:{port}"),
        };
        let mut request =
            Request::builder().method(Method::CONNECT).uri(&target).header(header::HOST, &target);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::PROXY_AUTHORIZATION, authorization);
        }
        let request = request
            .body(Empty::new())
            .map_err(|_| DialError::Failed(format!("this machine's proxy cannot be asked for {target}")))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(DialError::Failed(format!("this machine's proxy answered {}", response.status())));
        }
        let tunnel = hyper::upgrade::on(response).await.map_err(broken)?;
        Ok(Box::new(TokioIo::new(tunnel)))
    }
}

fn basic(who: &str) -> Option<HeaderValue> {
    let plain = percent_decoded(who)?;
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain)))
            .ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || (bytes.next()? as char).to_digit(16);
            out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    use crate::egress::{AddressPolicy, Dialer};

    #[test]
    fn addresses_of_proxies_are_read() {
        for (text, port, authorized) in [
            ("http://proxy.example.org:3128", 3128, false),
            ("http://proxy.example.org/", 80, false),
            ("proxy.example.org:8080", 8080, false),
            ("http://me:p%40ss@10.0.0.1:3128", 3128, true),
            ("http://[::1]:3128", 3128, false),
        ] {
            let upstream = Upstream::parse(text).unwrap();
            assert_eq!((upstream.port, upstream.authorization.is_some()), (port, authorized), "{text}");
        }
        assert_eq!(basic("me:p%40ss").unwrap(), "Basic bWU6cEBzcw==");
        for wrong in ["", "https://proxy:3128", "socks5://proxy:1080", "http://", "http://a:%zz@b:1"] {
            let problem = Upstream::parse(wrong).err().unwrap();
            assert_eq!(problem.code, Code::Invalid, "{wrong}");
        }
        assert!(!format!("{:?}", Upstream::parse("ftp://me:secret@proxy").err().unwrap()).contains("secret"));
    }

    /// Takes one CONNECT, answers `status`, then echoes; gives back the head it read.
    async fn one_tunnel(listener: TcpListener, status: &'static str) -> Vec<String> {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        stream.write_all(format!("HTTP/1.1 {status}\r\n\r\nearly").as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        stream.write_all(&rest).await.unwrap();
        head
    }

    #[tokio::test]
    async fn a_tunnel_carries_bytes_and_names_are_left_to_the_proxy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://me:pw@{}", listener.local_addr().unwrap());
        let proxy = tokio::spawn(one_tunnel(listener, "200 Connected"));
        let dialer = Dialer::new(AddressPolicy::default(), Some(&address)).unwrap();
        let mut socket =
            dialer.connect(&Host::parse("only-the-proxy-knows.example").unwrap(), 443).await.unwrap();
        socket.write_all(b"hello").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut got = String::new();
        socket.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "earlyhello", "bytes that came with the head are not lost");
        let head = proxy.await.unwrap();
        assert_eq!(head[0], "CONNECT only-the-proxy-knows.example:443 HTTP/1.1");
        assert!(
            head.iter().any(|line| line.eq_ignore_ascii_case("proxy-authorization: Basic bWU6cHc=")),
            "{head:?}"
        );
        for inward in ["127.0.0.1", "localhost", "169.254.169.254"] {
            assert!(matches!(
                dialer.connect(&Host::parse(inward).unwrap(), 80).await.err(),
                Some(DialError::Forbidden(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_proxy_that_says_no_is_quoted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let proxy =
            tokio::spawn(one_tunnel(listener, "407 Proxy Authentication Required\r\ncontent-length: 5"));
        let dialer = Dialer::new(AddressPolicy::default(), Some(&address)).unwrap();
        let error = dialer.connect(&Host::parse("example.org").unwrap(), 443).await.err().unwrap();
        assert_eq!(
            error,
            DialError::Failed("this machine's proxy answered 407 Proxy Authentication Required".into())
        );
        proxy.abort();
    }
}
