//! Dial: one TCP connection to a port on the container's loopback. The port comes from the engine; where exactly the
//! server listens is found out here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tonic::Status;

use crate::ports::{self, Listener};

/// Loopback answers at once or not at all; a full backlog does not.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to `port`: IPv4 loopback first, IPv6 loopback next, then wherever the socket table says it listens.
pub(crate) async fn connect(port: u32, own_port: u16) -> Result<TcpStream, Status> {
    let port = u16::try_from(port).ok().filter(|port| *port != 0);
    let Some(port) = port else { return Err(Status::invalid_argument("a port lies between 1 and 65535")) };
    if port == own_port {
        return Err(Status::permission_denied("that port is the outgoing proxy's own"));
    }
    let first = match attempt(IpAddr::V4(Ipv4Addr::LOCALHOST), port).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    if let Ok(stream) = attempt(IpAddr::V6(Ipv6Addr::LOCALHOST), port).await {
        return Ok(stream);
    }
    for address in elsewhere(&ports::listeners(), port) {
        if let Ok(stream) = attempt(address, port).await {
            return Ok(stream);
        }
    }
    Err(Status::unavailable(format!("nothing answers on port {port} in the container: {first}")))
}

async fn attempt(address: IpAddr, port: u16) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect(SocketAddr::new(address, port));
    let stream = tokio::time::timeout(CONNECT, connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Addresses the port is bound to that the two loopbacks do not cover.
fn elsewhere(listeners: &[Listener], port: u16) -> Vec<IpAddr> {
    let covered = |address: IpAddr| {
        address.is_unspecified() || address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
    };
    listeners
        .iter()
        .filter(|listener| listener.port == port && !covered(listener.address))
        .map(|l| l.address)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_loopback_misses_are_tried_by_name() {
        let listener = |address: [u8; 4], port| Listener { address: IpAddr::from(address), port, inode: 1 };
        let table = [listener([0, 0, 0, 0], 80), listener([127, 0, 0, 2], 80), listener([172, 17, 0, 5], 81)];
        assert_eq!(elsewhere(&table, 80), vec![IpAddr::from([127, 0, 0, 2])]);
        assert_eq!(elsewhere(&table, 81), vec![IpAddr::from([172, 17, 0, 5])]);
        assert!(elsewhere(&table, 82).is_empty());
    }
}
