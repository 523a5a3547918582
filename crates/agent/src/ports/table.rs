//! The kernel's socket tables as text in, listening sockets out. The text is the kernel's, but lines may be cut short by
//! a bounded read, and nothing here may panic on any input.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// State of a listening socket in the tables.
const LISTEN: &str = "0A";

/// One listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// Every listening socket in the text of /proc/net/tcp or /proc/net/tcp6. Lines that are not understood are skipped.
pub(super) fn parse(text: &[u8]) -> impl Iterator<Item = Listener> {
    text.split(|byte| *byte == b'\n').filter_map(line)
}

fn line(line: &[u8]) -> Option<Listener> {
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let slot = fields.next()?;
    slot.strip_suffix(':')?.parse::<u64>().ok()?;
    let (address, port) = fields.next()?.split_once(':')?;
    let _remote = fields.next()?;
    if fields.next()? != LISTEN {
        return None;
    }
    // tx:rx queues, timer, retransmits, uid, timeout.
    let inode = fields.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(exactly(port, 4)?, 16).ok().filter(|port| *port != 0)?;
    Some(Listener { address: self::address(address)?, port, inode })
}

/// Addresses are printed as 32-bit words in the machine's byte order.
fn address(hex: &str) -> Option<IpAddr> {
    if exactly(hex, 8).is_some() {
        return Some(Ipv4Addr::from(word(hex)?).into());
    }
    exactly(hex, 32)?;
    let mut bytes = [0; 16];
    for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
        chunk.copy_from_slice(&word(&hex[index * 8..index * 8 + 8])?);
    }
    let address = Ipv6Addr::from(bytes);
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn word(hex: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
}

fn exactly(hex: &str, digits: usize) -> Option<&str> {
    (hex.len() == digits && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Captured on Debian 12 with Vite on 127.0.0.1:5173, a server on 0.0.0.0:8000, one connection and one in `TIME_WAIT`.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1435 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 81922 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 83011 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1435 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 84101 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:D2EE 0100007F:1435 06 00000000:00000000 03:00000A2F 00000000     0        0 0 3 0000000000000000
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 90001 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 90002 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 90003 1 0000000000000000 100 0 0 10 0
";

    fn listener(address: &str, port: u16, inode: u64) -> Listener {
        Listener { address: address.parse().expect("an address"), port, inode }
    }

    #[test]
    fn only_listening_sockets_are_reported() {
        let found: Vec<_> = parse(TCP.as_bytes()).collect();
        assert_eq!(found, vec![listener("127.0.0.1", 5173, 81922), listener("0.0.0.0", 8000, 83011)]);
    }

    #[test]
    fn ipv6_words_are_turned_and_mapped_addresses_are_ipv4() {
        let found: Vec<_> = parse(TCP6.as_bytes()).collect();
        let expected = vec![
            listener("::", 3000, 90001),
            listener("::1", 8080, 90002),
            listener("127.0.0.1", 8081, 90003),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn garbled_lines_are_skipped_and_good_ones_around_them_stay() {
        let good = TCP.lines().nth(1).expect("a line");
        let garbled = [
            "",
            "\u{0}",
            "   0: 0100007F:1435",
            "   0: 0100007F1435 00000000:0000 0A 0:0 0:0 0 1000 0 5",
            "   0: 0100007F:143 00000000:0000 0A 0:0 0:0 0 1000 0 5",
            "   0: 0100007F:0000 00000000:0000 0A 0:0 0:0 0 1000 0 5",
            "   0: +100007F:1435 00000000:0000 0A 0:0 0:0 0 1000 0 5",
            "   0: 0100007F:1435 00000000:0000 0A 0:0 0:0 0 1000 0 -5",
            "   0: 0100007FFF:1435 00000000:0000 0A 0:0 0:0 0 1000 0 5",
            "   x: 0100007F:1435 00000000:0000 0A 0:0 0:0 0 1000 0 5",
        ];
        for line in garbled {
            let text = format!("{line}\n{good}\n{line}");
            assert_eq!(parse(text.as_bytes()).count(), 1, "{line:?}");
        }
    }

    #[test]
    fn a_cut_last_line_is_no_socket() {
        let cut = &TCP.as_bytes()[..TCP.find(" 83011").expect("the inode")];
        assert_eq!(parse(cut).count(), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            parse(&text).count();
        }

        #[test]
        fn lines_like_the_kernels_never_panic(text in "( {0,3}[0-9]{1,3}: [0-9A-F]{7,33}:[0-9A-F]{3,5} [0-9A-F:]{5,20} 0[A1] [0-9 :]{0,40}\n){0,5}") {
            parse(text.as_bytes()).count();
        }
    }
}
