//! What a person can set. One file, read by the app and the command line alike.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{NetworkProfile, Preset};

/// The colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Bounds on what a zip or folder may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeLimits {
    /// Size of the archive itself, bytes.
    pub archive_bytes: u64,
    /// Bytes written in all.
    pub produced_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes written per byte of archive.
    pub ratio: u64,
    /// Directories inside one another.
    pub depth: u32,
    /// Bytes of one path.
    pub path_bytes: u32,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            archive_bytes: 2 << 30,
            produced_bytes: 4 << 30,
            file_bytes: 2 << 30,
            entries: 200_000,
            ratio: 200,
            depth: 64,
            path_bytes: 1024,
        }
    }
}

/// Everything a person can set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The Docker engine's address; empty: find it.
    pub docker_host: String,
    /// Seconds a new workspace lives; 0 keeps it.
    pub duration_s: u64,
    /// Seconds a stopped workspace is kept after its lease ended.
    pub grace_s: u64,
    /// Minutes without typing, requests and computing after which a workspace is stopped; 0: never for that.
    pub idle_stop_min: u64,
    /// Memory and CPU of a new workspace.
    pub preset: Preset,
    /// What a new workspace may reach.
    pub network: NetworkProfile,
    /// Hosts every workspace may reach; `*.example.org` for all below it.
    pub allow_hosts: Vec<String>,
    /// Whether an unknown host is asked about (true) or blocked at once.
    pub ask_hosts: bool,
    /// Give containers the certificates this machine trusts.
    pub trust_host_certificates: bool,
    /// Seconds a program may take to listen.
    pub listen_timeout_s: u64,
    /// MiB a workspace may write in its container before its program is stopped; 0: no limit.
    pub disk_limit_mb: u64,
    /// MiB of a workspace's log kept on this machine; the oldest lines go first.
    pub log_limit_mb: u64,
    /// Bounds on zips and folders.
    pub intake: IntakeLimits,
    /// Containers kept warm at most, so that a deploy need not wait for one; 0: none. Without it: 2, and 10 under
    /// `slipway serve`.
    pub pool_size: Option<u16>,
    /// Workspaces go on when the window is closed.
    pub keep_on_close: bool,
    /// The colours.
    pub theme: Theme,
    /// MiB kept of a terminal's latest output in its container, beside its first MiB: what is there to read again.
    pub terminal_history_mb: u64,
    /// Terminal font size, pixels.
    pub terminal_font_px: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            docker_host: String::new(),
            duration_s: 3600,
            grace_s: 600,
            // Off: the lease bounds a workspace's life already, and a stop while somebody reads a page that asks for
            // nothing would be a surprise.
            idle_stop_min: 0,
            preset: Preset::Medium,
            network: NetworkProfile::Strict,
            allow_hosts: [
                "registry.npmjs.org",
                "registry.yarnpkg.com",
                "repo.yarnpkg.com",
                "pypi.org",
                "files.pythonhosted.org",
                "crates.io",
                "*.crates.io",
                "proxy.golang.org",
                "sum.golang.org",
                "rubygems.org",
                "*.rubygems.org",
                "repo.packagist.org",
                "repo.maven.apache.org",
                "repo1.maven.org",
                "deb.debian.org",
                "dl-cdn.alpinelinux.org",
            ]
            .map(String::from)
            .to_vec(),
            ask_hosts: true,
            trust_host_certificates: true,
            listen_timeout_s: 120,
            disk_limit_mb: 10 * 1024,
            log_limit_mb: 32,
            intake: IntakeLimits::default(),
            pool_size: None,
            keep_on_close: false,
            theme: Theme::System,
            terminal_history_mb: 4,
            terminal_font_px: 13,
        }
    }
}
