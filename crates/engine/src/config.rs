//! Everything the engine may not find out by itself: paths, the clock, where Docker may be, what to put in images.
//! Skins read the environment and hand it in here.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Instant, SystemTime},
};

/// A static agent for one processor architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentBinary {
    /// Docker's name of the architecture: `amd64`, `arm64`.
    pub arch: String,
    /// The file.
    pub path: PathBuf,
}

/// Where to look for a Docker engine. Read from the environment by the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerHints {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_CONFIG`, or `~/.docker`.
    pub config_dir: Option<PathBuf>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The user's numeric id; 0 where there is none.
    pub uid: u32,
}

/// The time, three ways. Tests hand in one that jumps and sleeps.
pub trait Clock: Send + Sync {
    /// Unix time in milliseconds. People and time servers set it, forward and back.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment, whatever the wall clock is set to; time asleep counts. A clock that knows only one
    /// time is never set and never sleeps.
    fn steady_ms(&self) -> u64 {
        self.now_ms()
    }

    /// The same without the time this machine was asleep.
    fn awake_ms(&self) -> u64 {
        self.steady_ms()
    }
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[cfg(target_os = "linux")]
    fn steady_ms(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let ms = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
        u64::try_from(ms).unwrap_or(0)
    }

    /// Elsewhere a sleep looks like a clock set forward, and leases do not count it.
    #[cfg(not(target_os = "linux"))]
    fn steady_ms(&self) -> u64 {
        self.awake_ms()
    }

    fn awake_ms(&self) -> u64 {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Certificates of authorities, PEM, each once.
#[derive(Clone)]
pub struct Certificates {
    /// All that this machine trusts; never empty.
    pub bundle: Vec<u8>,
    /// Those of them that are no public authority's: a company's, a proxy's. Programs that bring the public ones
    /// themselves are told only these, since they read all they are told at every start. May be empty.
    pub own: Vec<u8>,
}

/// How an engine is opened.
#[derive(Clone)]
pub struct Config {
    /// Ours alone; exists, mode 0700. The caller holds its lock.
    pub data_dir: PathBuf,
    /// Settings as TOML; may be absent or read-only.
    pub settings_file: PathBuf,
    /// The bundled samples.
    pub samples_dir: Option<PathBuf>,
    /// The agents we have, one per architecture.
    pub agents: Vec<AgentBinary>,
    /// What this machine trusts.
    pub certificates: Option<Certificates>,
    /// Where Docker may be.
    pub docker: DockerHints,
    /// The HTTP proxy this machine itself is behind, `http://host:port`.
    pub proxy: Option<String>,
    /// Private networks (CIDR) that names on the allowlist may resolve into: a company's package mirror.
    pub trusted_networks: Vec<String>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Containers kept warm at most, where the setting does not say.
    pub pool_size: usize,
    /// The machine: its memory, its disk.
    pub host: Arc<dyn crate::host::Host>,
    /// A fixed loopback port for previews; else the last one used, else any.
    pub gateway_port: Option<u16>,
}
