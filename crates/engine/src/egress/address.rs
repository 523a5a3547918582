//! Which addresses a workspace may never be connected to: whatever could lead to this machine, its network or its
//! cloud. Pure tables; `IpAddr` and names come in, a reason to refuse comes out. Source of the ranges: the IANA
//! special-purpose registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use slipway_wire::{Code, Problem};

/// Private networks one may name at most.
const TRUSTED: usize = 64;

/// What may be connected to. Everything private is refused but the networks it was told to trust.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    trusted: Vec<IpNet>,
}

impl AddressPolicy {
    /// Trusts these networks (CIDR, or a single address), so that a company's package mirror can be reached. Fails on
    /// text that is no network, and on more than 64.
    pub fn new(trusted: &[String]) -> Result<Self, Problem> {
        if trusted.len() > TRUSTED {
            return Err(Problem::new(
                Code::Limit,
                format!("More than {TRUSTED} trusted networks were given."),
            )
            .hint("Join them into larger networks."));
        }
        let network = |text: &String| {
            let text = text.trim();
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                let shown: String = text.chars().take(80).collect();
                Problem::new(Code::Invalid, format!("{shown:?} is not a network to trust."))
                    .hint("Write a network such as 10.20.0.0/16.")
            })
        };
        Ok(Self { trusted: trusted.iter().map(network).collect::<Result<_, _>>()? })
    }

    /// Whether a network holding this address is trusted.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Refuses an address, saying what kind it is.
    pub fn check_address(&self, address: IpAddr) -> Result<(), &'static str> {
        if self.trusts(address) {
            return Ok(());
        }
        let refused = match address {
            IpAddr::V4(v4) => refused_v4(v4),
            IpAddr::V6(v6) => refused_v6(v6),
        };
        refused.map_or(Ok(()), Err)
    }

    /// Refuses a name that means this machine or its network wherever it is resolved. Names of company networks
    /// (`*.internal`, `*.local`) pass where networks are trusted: then the address they resolve to decides.
    pub fn check_name(&self, name: &str) -> Result<(), &'static str> {
        let under = |parent: &str| {
            name.strip_suffix(parent).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        if under("localhost") || under("docker.internal") || under("containers.internal") {
            return Err("this machine");
        }
        if self.trusted.is_empty() && (under("internal") || under("local")) {
            return Err("private name");
        }
        Ok(())
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        (0, ..) => Some("unspecified address"),
        (127, ..) => Some("loopback address"),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => Some("private address"),
        (100, 64..=127, ..) => Some("carrier-private address"),
        // Azure's platform address is public by its number only.
        (169, 254, 169, 254) | (168, 63, 129, 16) => Some("cloud metadata address"),
        (169, 254, ..) => Some("link-local address"),
        (192, 0, 0, _) | (198, 18..=19, ..) => Some("special-purpose address"),
        (224..=239, ..) => Some("multicast address"),
        (240..=255, ..) => Some("reserved address"),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        refused_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback address"),
        // IPv4-mapped, the well-known NAT64 prefix (RFC 6052) and 6to4 (RFC 3056) are as good as what they hold.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        // IPv4-compatible and IPv4-translated, local NAT64 (RFC 8215), Teredo: no public service lives there.
        [0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Some("special-purpose address"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("private address"),
        [0xfe80..=0xfebf, ..] => Some("link-local address"),
        [0xff00..=0xffff, ..] => Some("multicast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inward_addresses_are_refused() {
        let policy = AddressPolicy::default();
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.17.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.65.7",
            "198.18.0.1",
            "224.0.0.251",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001:0:4136:e378::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(policy.check_address(refused.parse().unwrap()).is_err(), "{refused}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        let policy = AddressPolicy::default();
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.0.1.1",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:93.184.216.34",
            "64:ff9b::5db8:d822",
            "2002:5db8:d822::1",
            "2001:4860:4860::8888",
        ] {
            assert_eq!(policy.check_address(public.parse().unwrap()), Ok(()), "{public}");
        }
    }

    #[test]
    fn inward_names_are_refused() {
        let policy = AddressPolicy::default();
        for refused in [
            "localhost",
            "a.localhost",
            "host.docker.internal",
            "gateway.docker.internal",
            "host.containers.internal",
            "metadata.google.internal",
            "printer.local",
        ] {
            assert!(policy.check_name(refused).is_err(), "{refused}");
        }
        for fine in
            ["example.org", "notlocalhost", "mylocal", "internal.example.org", "localhost.example.org"]
        {
            assert_eq!(policy.check_name(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn a_trusted_network_opens_itself_only() {
        let policy =
            AddressPolicy::new(&["10.20.0.0/16".into(), " fd12::/32".into(), "192.168.7.7".into()]).unwrap();
        for (address, reachable) in [
            ("10.20.3.4", true),
            ("::ffff:10.20.3.4", true),
            ("10.21.0.1", false),
            ("fd12::7", true),
            ("fd13::7", false),
            ("192.168.7.7", true),
            ("192.168.7.8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(policy.check_address(address.parse().unwrap()).is_ok(), reachable, "{address}");
        }
        assert_eq!(policy.check_name("mirror.corp.internal"), Ok(()));
        assert!(policy.check_name("host.docker.internal").is_err());
        assert!(policy.check_name("localhost").is_err());
    }

    #[test]
    fn text_that_is_no_network_is_named() {
        assert_eq!(AddressPolicy::new(&["10.0.0.0/33".into()]).unwrap_err().code, Code::Invalid);
        assert_eq!(AddressPolicy::new(&vec!["10.0.0.0/8".into(); 65]).unwrap_err().code, Code::Limit);
    }

    proptest! {
        #[test]
        fn wrapping_a_private_address_never_frees_it(bits: u32) {
            let policy = AddressPolicy::default();
            let v4 = Ipv4Addr::from_bits(bits);
            let plain = policy.check_address(v4.into()).is_err();
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for wrapped in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(policy.check_address(wrapped.into()).is_err(), plain);
            }
        }
    }
}
