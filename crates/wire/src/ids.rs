//! Identifiers. Each is checked when it is made, so that the rest of the program can put one in a host name, a
//! label or a path without thinking.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use ts_rs::TS;

use crate::{Code, Problem};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(try_from = "String", into = "String")]
        #[ts(type = "string")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Problem;

            fn try_from(text: String) -> Result<Self, Problem> {
                let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
                if text.len() <= $max
                    && text.chars().all(legal)
                    && edge(text.chars().next())
                    && edge(text.chars().last())
                {
                    Ok(Self(text))
                } else {
                    Err(Problem::new(Code::Invalid, format!(concat!("{:?} is not a ", $what, "."), text))
                        .hint("`slipway ps` lists what there is."))
                }
            }
        }

        impl FromStr for $name {
            type Err = Problem;

            fn from_str(text: &str) -> Result<Self, Problem> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A workspace: lower-case letters, digits and inner hyphens, at most 40 characters, so that it fits a DNS label
    /// with a port before it (`5173-shop-demo-k3f9`).
    WorkspaceId,
    "workspace id",
    40
);
id!(
    /// A process in a workspace, as the agent names it.
    ProcessId,
    "process id",
    40
);

id!(
    /// A snapshot: the same alphabet as a workspace's.
    SnapshotId,
    "snapshot id",
    40
);

id!(
    /// A sync: the same alphabet as a workspace's.
    SyncId,
    "sync id",
    40
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_dns_label() {
        for good in ["a", "shop-demo-k3f9", "0"] {
            assert!(WorkspaceId::from_str(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "a b", "é", &"x".repeat(41)] {
            assert!(WorkspaceId::from_str(bad).is_err(), "{bad}");
        }
    }
}
