//! SOCKS 5 (RFC 1928) without authentication: CONNECT to a name or an address. Nothing else of it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proxy::HEAD;
use super::{Denied, Gate};

/// The first byte of every SOCKS 5 message.
pub(super) const VERSION: u8 = 5;

const NO_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xFF;
const CONNECT: u8 = 1;

/// Reply codes of RFC 1928, section 6.
const SUCCEEDED: u8 = 0;
const FAILURE: u8 = 1;
const NOT_ALLOWED: u8 = 2;
const EXPIRED: u8 = 6;
const BAD_COMMAND: u8 = 7;
const BAD_ADDRESS: u8 = 8;

/// Serves one connection to its end.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    gate: &Arc<Gate>,
) -> io::Result<()> {
    let asked = tokio::time::timeout(HEAD, request(&mut stream)).await??;
    let (host, port) = match asked {
        Ok(target) => target,
        Err(code) => return reply(&mut stream, code).await,
    };
    match gate.ask(&host, port, true).await {
        Ok(tunnel) => {
            reply(&mut stream, SUCCEEDED).await?;
            tunnel.carry(stream).await;
            Ok(())
        }
        Err(denied) => {
            let code = match denied {
                Denied::Refused(_) => NOT_ALLOWED,
                Denied::Unanswered => EXPIRED,
                Denied::NotConnected | Denied::TooMany => FAILURE,
            };
            reply(&mut stream, code).await
        }
    }
}

/// The target asked for, or the code to refuse with.
async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<Result<(String, u16), u8>> {
    let broken = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let [version, count] = take(stream).await?;
    let mut methods = vec![0; count.into()];
    stream.read_exact(&mut methods).await?;
    if version != VERSION {
        return broken("not SOCKS 5");
    }
    if !methods.contains(&NO_AUTHENTICATION) {
        stream.write_all(&[VERSION, NO_METHOD]).await?;
        return broken("no method in common");
    }
    stream.write_all(&[VERSION, NO_AUTHENTICATION]).await?;
    let [version, command, _reserved, kind] = take(stream).await?;
    if version != VERSION {
        return broken("not SOCKS 5");
    }
    let host = match kind {
        1 => Some(Ipv4Addr::from(take::<4>(stream).await?).to_string()),
        4 => Some(Ipv6Addr::from(take::<16>(stream).await?).to_string()),
        3 => {
            let [length] = take(stream).await?;
            let mut name = vec![0; length.into()];
            stream.read_exact(&mut name).await?;
            name_of(&name)
        }
        _ => return Ok(Err(BAD_ADDRESS)),
    };
    let port = u16::from_be_bytes(take(stream).await?);
    Ok(match host {
        _ if command != CONNECT => Err(BAD_COMMAND),
        Some(host) if port != 0 => Ok((host, port)),
        _ => Err(BAD_ADDRESS),
    })
}

/// A name with nothing in it that could mislead whoever reads the announcement.
fn name_of(raw: &[u8]) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (!raw.is_empty() && raw.iter().all(plain)).then(|| raw.iter().map(|byte| char::from(*byte)).collect())
}

async fn take<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn reply(stream: &mut (impl AsyncWrite + Unpin), code: u8) -> io::Result<()> {
    // The bound address means nothing here: IPv4, all zero.
    stream.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if code == SUCCEEDED { Ok(()) } else { stream.shutdown().await }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(bytes: &[u8]) -> Option<Result<(String, u16), u8>> {
        let (mut near, mut far) = tokio::io::duplex(4096);
        near.write_all(bytes).await.expect("room");
        near.shutdown().await.expect("shutdown");
        request(&mut far).await.ok()
    }

    #[tokio::test]
    async fn names_and_addresses_are_understood() {
        let name = [&[5, 1, 0, 5, 1, 0, 3, 11][..], b"example.org", &[1, 187]].concat();
        assert_eq!(asked(&name).await, Some(Ok(("example.org".into(), 443))));
        let ipv4 = [5, 2, 2, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80];
        assert_eq!(asked(&ipv4).await, Some(Ok(("192.0.2.1".into(), 80))));
        let ipv6 = [&[5, 1, 0, 5, 1, 0, 4][..], &Ipv6Addr::LOCALHOST.octets(), &[0, 80]].concat();
        assert_eq!(asked(&ipv6).await, Some(Ok(("::1".into(), 80))));
    }

    #[tokio::test]
    async fn what_is_not_a_plain_connect_is_refused() {
        assert_eq!(asked(&[5, 1, 0, 5, 2, 0, 1, 192, 0, 2, 1, 0, 80]).await, Some(Err(BAD_COMMAND)));
        assert_eq!(asked(&[5, 1, 0, 5, 1, 0, 9, 0, 0]).await, Some(Err(BAD_ADDRESS)));
        assert_eq!(asked(&[5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 0]).await, Some(Err(BAD_ADDRESS)));
        let escape = [&[5, 1, 0, 5, 1, 0, 3, 4][..], b"a\x1b[m", &[0, 80]].concat();
        assert_eq!(asked(&escape).await, Some(Err(BAD_ADDRESS)));
        assert_eq!(asked(&[5, 1, 2]).await, None);
        assert_eq!(asked(&[5, 1, 0, 5, 1]).await, None);
    }
}
