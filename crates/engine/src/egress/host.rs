//! Hosts as programs ask for them and patterns as people write them. Foreign text comes in; lower-case ASCII names and
//! parsed addresses come out, or nothing. No resolving happens here.

use std::{fmt, net::IpAddr};

use slipway_wire::{Code, Problem};

/// Longest DNS name, characters.
const NAME: usize = 253;

/// A host a program asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A lower-case ASCII name without a trailing dot.
    Name(String),
    /// An address literal.
    Address(IpAddr),
}

impl Host {
    /// Reads a name (also an international one) or an address literal, with or without brackets.
    ///
    /// Numbers that some resolvers take for addresses (`127.1`, `0x7f000001`) are neither, and give `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 4 * NAME {
            return None;
        }
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inner) = inner {
            return inner.parse().ok().map(|address| Self::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let ascii = idna::domain_to_ascii(name).ok()?;
        is_name(&ascii).then_some(Self::Name(ascii))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Host names as they occur: letters, digits, inner hyphens, and underscores since some services use them.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some(last) = text.rsplit('.').next() else { return false };
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    text.len() <= NAME && text.split('.').all(label) && !numeric
}

/// Which hosts and ports a rule is about: `example.org`, `*.example.org` (all below it, not itself), an address, each
/// with `:port` if wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Exactly(Host),
    /// Holds the leading dot.
    Below(String),
}

impl Pattern {
    /// Reads a pattern; the problem names the text and what is expected.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::read(text.trim()).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Problem::new(Code::Invalid, format!("{shown:?} is not a host or a host pattern."))
                .hint("Write a host such as example.org, or *.example.org for all below it.")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        let what = match host.strip_prefix("*.") {
            Some(parent) => match Host::parse(parent)? {
                Host::Name(name) => What::Below(format!(".{name}")),
                Host::Address(_) => return None,
            },
            None => What::Exactly(Host::parse(host)?),
        };
        Some(Self { what, port })
    }

    /// Whether the host falls under it, whatever the port.
    pub fn covers(&self, host: &Host) -> bool {
        match (&self.what, host) {
            (What::Exactly(ours), host) => ours == host,
            (What::Below(suffix), Host::Name(name)) => {
                name.ends_with(suffix.as_str()) && name.len() > suffix.len()
            }
            (What::Below(_), Host::Address(_)) => false,
        }
    }

    /// The port it names, if it names one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// `host`, `host:port`, `[v6]:port`, or a bare IPv6 address.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = match text.rfind(']') {
        Some(bracket) if bracket + 1 == text.len() => None,
        Some(bracket) => text[bracket + 1..].starts_with(':').then_some(Some(bracket + 1))?,
        None if text.matches(':').count() == 1 => text.find(':'),
        None => None,
    };
    let Some(colon) = colon else { return Some((text, None)) };
    let port = text[colon + 1..].parse().ok().filter(|port| *port != 0)?;
    Some((&text[..colon], Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_normalised() {
        let name = |text: &str| Some(Host::Name(text.into()));
        let v4 = |text: &str| Some(Host::Address(text.parse().unwrap()));
        for (text, expected) in [
            ("Registry.NPMjs.org", name("registry.npmjs.org")),
            ("example.org.", name("example.org")),
            ("bücher.example", name("xn--bcher-kva.example")),
            ("ＥＸＡＭＰＬＥ.org", name("example.org")),
            ("a_b.example.org", name("a_b.example.org")),
            ("nas", name("nas")),
            ("93.184.216.34", v4("93.184.216.34")),
            ("::1", v4("::1")),
            ("[2606:4700::1]", v4("2606:4700::1")),
            ("", None),
            (".", None),
            ("example.org..", None),
            ("a..b", None),
            ("-a.org", None),
            ("a b.org", None),
            ("a/b", None),
            ("user@example.org", None),
            ("127.1", None),
            ("2130706433", None),
            ("0x7f000001", None),
            ("0177.0.0.1", None),
            ("[127.0.0.1]", None),
            ("fe80::1%eth0", None),
            ("a\0.org", None),
            ("a\r\nb.org", None),
        ] {
            assert_eq!(Host::parse(text), expected, "{text:?}");
        }
        assert_eq!(Host::parse(&format!("{}.org", "a".repeat(64))), None);
        assert_eq!(Host::parse(&"a.".repeat(200)), None);
        assert_eq!(Host::parse(&"a".repeat(1 << 20)), None);
    }

    #[test]
    fn patterns_cover_what_they_say_and_no_more() {
        for (pattern, host, covered) in [
            ("example.org", "example.org", true),
            ("Example.ORG.", "example.org", true),
            ("example.org", "www.example.org", false),
            ("*.example.org", "www.example.org", true),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "evilexample.org", false),
            ("*.example.org", "example.org.evil.com", false),
            ("93.184.216.34", "93.184.216.34", true),
            ("[::1]:8080", "::1", true),
            ("::1", "[::1]", true),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.covers(&Host::parse(host).unwrap()), covered, "{pattern:?} {host}");
        }
        assert_eq!(Pattern::parse("example.org:8443").unwrap().port(), Some(8443));
        assert_eq!(Pattern::parse("[::1]:8443").unwrap().port(), Some(8443));
        assert_eq!(Pattern::parse("::1").unwrap().port(), None);
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        for wrong in
            ["", "*", "*.", "*.1.2.3.4", "a.*.org", "**.org", "http://a.org", "a.org:0", "a.org:x", "[::1]x"]
        {
            let problem = Pattern::parse(wrong).unwrap_err();
            assert_eq!(problem.code, Code::Invalid, "{wrong:?}");
            assert!(problem.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_the_same_again(text in "\\PC{0,40}") {
            if let Some(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Some(host));
            }
        }

        #[test]
        fn a_suffix_never_covers_another_domain(label in "[a-z]{1,8}", other in "[a-z]{1,8}\\.[a-z]{2,4}") {
            let pattern = Pattern::parse("*.example.org").unwrap();
            let host = Host::parse(&format!("{label}.{other}")).unwrap();
            prop_assert!(!pattern.covers(&host) || other == "example.org");
        }
    }
}
