//! What a deploy is told. Parsing only; its help is in the table above this.

use clap::{Args, ValueEnum};
use slipway_wire::{NetworkProfile, Preset};
use std::{path::PathBuf, time::Duration};

use super::duration;

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// A zip file or a folder
    #[arg(value_name = "ZIP|DIR", required_unless_present = "sample")]
    pub(crate) source: Option<PathBuf>,
    /// One of the bundled samples instead
    #[arg(long, conflicts_with = "source")]
    pub(crate) sample: Option<String>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A base image instead of the plan's
    #[arg(long)]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// One of the plans that --dry-run lists
    #[arg(long, value_name = "ID")]
    pub(crate) plan: Option<String>,
    /// Where the files go in the container
    #[arg(long, value_name = "PATH")]
    pub(crate) root: Option<String>,
    /// Replace the files of this workspace instead of making a new one
    #[arg(long, value_name = "WORKSPACE", conflicts_with = "force")]
    pub(crate) replace: Option<String>,
    /// Only say how it would be run
    #[arg(long, conflicts_with_all = ["open", "detach", "replace"])]
    pub(crate) dry_run: bool,
}

/// How a new workspace is to live and how its making is told, whatever it is made from.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// Add to the environment of every process
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<String>,
    /// Read more of the environment from a file of KEY=VALUE lines
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// How long it lives: 30m, 2h, or keep
    #[arg(long, value_parser = duration_or_keep)]
    pub(crate) duration: Option<Life>,
    /// Memory and CPU
    #[arg(long)]
    pub(crate) preset: Option<PresetArg>,
    /// What it may reach: strict (an allowlist) or open (everything, root allowed)
    #[arg(long)]
    pub(crate) network: Option<NetworkArg>,
    /// Whether its program is started again when it ends [default: never, or as in the snapshot]
    #[arg(long, value_name = "POLICY")]
    pub(crate) restart: Option<crate::restart::PolicyArg>,
    /// Make it although this machine is short of memory or disk
    #[arg(long)]
    pub(crate) force: bool,
    /// Open the page in the browser when it is ready
    #[arg(long, conflicts_with = "detach")]
    pub(crate) open: bool,
    /// Return as soon as it is under way
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PresetArg {
    /// 512 MiB
    Small,
    /// 2 GiB
    Medium,
    /// 4 GiB, two cores
    Large,
}

impl From<PresetArg> for Preset {
    fn from(preset: PresetArg) -> Self {
        match preset {
            PresetArg::Small => Self::Small,
            PresetArg::Medium => Self::Medium,
            PresetArg::Large => Self::Large,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NetworkArg {
    /// An allowlist; unknown hosts are asked about
    Strict,
    /// Docker's bridge network, root allowed
    Open,
}

impl From<NetworkArg> for NetworkProfile {
    fn from(network: NetworkArg) -> Self {
        match network {
            NetworkArg::Strict => Self::Strict,
            NetworkArg::Open => Self::Open,
        }
    }
}

/// How long a workspace lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    For(Duration),
    Keep,
}

impl Life {
    /// As the wire has it: 0 keeps.
    pub(crate) fn seconds(self) -> u64 {
        match self {
            Self::For(time) => time.as_secs(),
            Self::Keep => 0,
        }
    }
}

pub(super) fn duration_or_keep(text: &str) -> Result<Life, String> {
    if text == "keep" { Ok(Life::Keep) } else { duration(text).map(Life::For) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration_or_keep("keep"), Ok(Life::Keep));
        assert_eq!(duration_or_keep("90m").map(Life::seconds), Ok(5400));
        assert_eq!(duration_or_keep("2h").map(Life::seconds), Ok(7200));
        assert!(duration_or_keep("0s").is_err());
        assert!(duration_or_keep("soon").unwrap_err().contains("30m"));
    }
}
