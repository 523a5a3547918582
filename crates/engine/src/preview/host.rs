//! Host names of previews, read strictly. Foreign text comes in; a port and a workspace come out, or nothing: whatever
//! is not exactly ours (another site rebound to loopback) is refused by the caller.

use std::fmt;

use slipway_wire::WorkspaceId;

/// What every preview's host ends in.
pub(super) const SUFFIX: &str = ".localhost";

/// A port of a workspace, as a host name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub(super) workspace: WorkspaceId,
    pub(super) port: u16,
}

/// Why a Host is not a preview's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// Another machine's name, or another port than the gateway's.
    Foreign,
    /// Under `.localhost`, and no preview's.
    Unreadable,
}

impl Site {
    /// Reads `<port>-<workspace>.localhost`, with `:<gateway>` or without a port.
    pub(super) fn parse(authority: &str, gateway: u16) -> Result<Self, NotOurs> {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, decimal(port).ok_or(NotOurs::Foreign)?),
            None => (authority, gateway),
        };
        let host = host.to_ascii_lowercase();
        let Some(label) = host.strip_suffix(SUFFIX).filter(|_| port == gateway) else {
            return Err(NotOurs::Foreign);
        };
        Self::from_label(label).ok_or(NotOurs::Unreadable)
    }

    fn from_label(label: &str) -> Option<Self> {
        let (port, workspace) = label.split_once('-')?;
        Some(Self { port: decimal(port)?, workspace: workspace.parse().ok()? })
    }

    /// Host and port as a browser sends them.
    pub(super) fn authority(&self, gateway: u16) -> String {
        format!("{self}:{gateway}")
    }

    /// Scheme, host and port as a browser sends them in `Origin`.
    pub(super) fn origin(&self, gateway: u16) -> String {
        format!("http://{self}:{gateway}")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}{SUFFIX}", self.port, self.workspace)
    }
}

/// A port in the one way of writing it: no sign, no leading zero, not 0.
pub(super) fn decimal(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GATEWAY: u16 = 7420;

    #[test]
    fn hosts_are_read_strictly() {
        use NotOurs::{Foreign, Unreadable};
        for (host, expected) in [
            ("5173-shop-k3f9.localhost:7420", Ok(("shop-k3f9", 5173))),
            ("5173-shop-k3f9.localhost", Ok(("shop-k3f9", 5173))),
            ("80-A.LocalHost:7420", Ok(("a", 80))),
            ("65535-a-b-c.localhost:7420", Ok(("a-b-c", 65535))),
            ("5173-5173-a.localhost:7420", Ok(("5173-a", 5173))),
            ("", Err(Foreign)),
            ("localhost:7420", Err(Foreign)),
            ("127.0.0.1:7420", Err(Foreign)),
            ("[::1]:7420", Err(Foreign)),
            ("evil.com", Err(Foreign)),
            ("evil.com:7420", Err(Foreign)),
            ("5173-shop.localhost.evil.com", Err(Foreign)),
            ("5173-shop.localhost.:7420", Err(Foreign)),
            ("5173-shop.localhost:7421", Err(Foreign)),
            ("5173-shop.localhost:", Err(Foreign)),
            ("5173-shop.localhost:07420", Err(Foreign)),
            ("5173-shop.localhost:+7420", Err(Foreign)),
            ("5173-shop.localhost:7420:7420", Err(Foreign)),
            ("5173-shoplocalhost:7420", Err(Foreign)),
            (".localhost:7420", Err(Unreadable)),
            ("shop.localhost:7420", Err(Unreadable)),
            ("5173.localhost:7420", Err(Unreadable)),
            ("5173-.localhost:7420", Err(Unreadable)),
            ("-shop.localhost:7420", Err(Unreadable)),
            ("0-shop.localhost:7420", Err(Unreadable)),
            ("05173-shop.localhost:7420", Err(Unreadable)),
            ("65536-shop.localhost:7420", Err(Unreadable)),
            ("+80-shop.localhost:7420", Err(Unreadable)),
            ("80--shop.localhost:7420", Err(Unreadable)),
            ("80-shop-.localhost:7420", Err(Unreadable)),
            ("x.80-shop.localhost:7420", Err(Unreadable)),
            ("80-a.80-shop.localhost:7420", Err(Unreadable)),
            ("80-sh_op.localhost:7420", Err(Unreadable)),
            ("user@80-shop.localhost:7420", Err(Unreadable)),
        ] {
            let read = Site::parse(host, GATEWAY);
            let plain =
                read.as_ref().map(|site| (site.workspace.as_str(), site.port)).map_err(|error| *error);
            assert_eq!(plain, expected, "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_means_itself(text in "[0-9a-zA-Z.:@\\-_%\\[\\]]{0,60}") {
            if let Ok(site) = Site::parse(&text, GATEWAY) {
                let plain = text.to_ascii_lowercase();
                prop_assert!(plain == site.authority(GATEWAY) || plain == site.to_string());
            }
        }

        #[test]
        fn what_we_write_we_read(port in 1_u16.., workspace in "[a-z0-9]{1,10}(-[a-z0-9]{1,9}){0,3}") {
            let site = Site { workspace: workspace.parse().unwrap(), port };
            prop_assert_eq!(Site::parse(&site.authority(GATEWAY), GATEWAY), Ok(site));
        }
    }
}
