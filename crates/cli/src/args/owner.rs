//! The arguments of the commands about Slipway itself. Parsing only; their help is in the table above this.

use clap::{Args, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::duration;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Also listen on this loopback address; port 0 takes any
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "background")]
    pub(crate) listen: Option<SocketAddr>,
    /// A page that may call the loopback address through a proxy of its own
    #[arg(long, value_name = "ORIGIN", requires = "listen")]
    pub(crate) origin: Vec<String>,
    /// Containers go on running when it ends
    #[arg(long)]
    pub(crate) keep: bool,
    /// End the one that runs
    #[arg(long, conflicts_with_all = ["listen", "background"])]
    pub(crate) stop: bool,
    /// As other commands start it: ends by itself when idle, makes room for the app
    #[arg(long, hide = true)]
    pub(crate) background: bool,
    /// How long a background owner waits with nothing to do
    #[arg(long, hide = true, value_parser = duration, default_value = "10m")]
    pub(crate) idle: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(subcommand)]
    pub(crate) action: Option<SettingsAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsAction {
    /// Print one setting, or all of them
    Get {
        /// As printed by `slipway settings`: preset, intake.entries
        key: Option<String>,
    },
    /// Change one setting
    Set {
        /// As printed by `slipway settings`
        key: String,
        /// A word, a number, true or false, or JSON for a list
        value: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write every page into this folder
    pub(crate) folder: Option<PathBuf>,
}
