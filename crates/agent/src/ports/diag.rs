//! Listening sockets straight from the kernel (`sock_diag`): the text tables make it walk every bucket of every
//! connection there might be, milliseconds on a large machine; asked like this it looks at the listening ones only.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::table::Listener;

/// Numbers of `linux/netlink.h`, `linux/sock_diag.h` and `linux/inet_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_AND_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const FAMILIES: [u8; 2] = [2, 10];

/// Sizes in bytes: `nlmsghdr`, and the fixed parts of request (`inet_diag_req_v2`) and reply (`inet_diag_msg`).
const HEADER: usize = 16;
const REQUEST: usize = 56;
const REPLY: usize = 72;

/// One read, and the sockets read in all.
const BUFFER: usize = 32 * 1024;
const SOCKETS: usize = 16 * 1024;

/// All listening TCP sockets of this network namespace. An error means that this kernel does not tell in this way.
pub(super) fn listeners() -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for family in FAMILIES {
        dump(family, &mut found)?;
    }
    Ok(found)
}

fn dump(family: u8, found: &mut Vec<Listener>) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &request(family), SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER];
    loop {
        // The kernel answers a dump within the call that asks for more of it: there is nothing to wait for.
        let (length, _) = rustix::net::recv(&socket, &mut buffer, RecvFlags::DONTWAIT)?;
        match parse(buffer.get(..length).unwrap_or_default(), found) {
            Outcome::More if length > 0 && found.len() < SOCKETS => {}
            Outcome::More | Outcome::Done => return Ok(()),
            Outcome::Refused => return Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn request(family: u8) -> Vec<u8> {
    let mut request = Vec::with_capacity(HEADER + REQUEST);
    request.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_AND_DUMP.to_ne_bytes());
    // Sequence and sender: one question a socket, so neither tells anything.
    request.extend([0; 8]);
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend((1_u32 << TCP_LISTEN).to_ne_bytes());
    // No particular socket.
    request.resize(HEADER + REQUEST, 0);
    request
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    More,
    Done,
    Refused,
}

fn parse(mut messages: &[u8], found: &mut Vec<Listener>) -> Outcome {
    while let Some(header) = messages.get(..HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(body) = messages.get(HEADER..length) else { return Outcome::Done };
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return Outcome::Done,
            NLMSG_ERROR => return Outcome::Refused,
            SOCK_DIAG_BY_FAMILY => found.extend(listener(body)),
            _ => {}
        }
        // Each message begins at a multiple of four.
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Outcome::More
}

fn listener(body: &[u8]) -> Option<Listener> {
    let body: &[u8; REPLY] = body.get(..REPLY)?.try_into().ok()?;
    if body[1] != TCP_LISTEN {
        return None;
    }
    let port = u16::from_be_bytes([body[4], body[5]]);
    let source: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let address = match body[0] {
        2 => IpAddr::V4(Ipv4Addr::new(source[0], source[1], source[2], source[3])),
        10 => {
            let address = Ipv6Addr::from(source);
            address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    let inode = u32::from_ne_bytes(body.get(68..72)?.try_into().ok()?).into();
    (port != 0).then_some(Listener { address, port, inode })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_tells_the_same_in_both_ways() {
        let open = ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"]
            .map(|a| TcpListener::bind(a).expect("a listener"));
        let told = listeners().expect("sock_diag");
        let text: Vec<Listener> = super::super::from_tables();
        for listener in open {
            let address = listener.local_addr().expect("an address");
            let here = |all: &[Listener]| all.iter().find(|l| l.port == address.port()).copied();
            assert_eq!(here(&told).map(|l| (l.address, l.port)), Some((address.ip(), address.port())));
            assert_eq!(here(&told), here(&text));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_every_parse_ends(messages in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&messages, &mut Vec::new());
        }

        #[test]
        fn plausible_messages_never_panic(length in 0..200_u32, kind in 0..30_u16, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let header = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
            parse(&[header, body].concat(), &mut Vec::new());
        }
    }
}
