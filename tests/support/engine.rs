//! An engine in a test's own process: where its parts come from, and the plainest request to it.

use anyhow::{Context, Result, ensure};
use slipway_engine::{AgentBinary, Certificates, Config, DockerHints, SystemClock, SystemHost};
use slipway_wire::{DeployRequest, Source};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The static agent: from the environment, or where `cargo xtask agent` puts it.
pub fn agent() -> Result<PathBuf> {
    let name = format!("slipway-agent-{}", env::consts::ARCH);
    if let Some(given) = env::var_os("SLIPWAY_AGENT").filter(|path| !path.is_empty()) {
        return Ok(given.into());
    }
    let own = env::current_exe()?;
    let target = own.ancestors().nth(3).context("a test program lies in TARGET/PROFILE/deps")?;
    let path = target.join(&name);
    ensure!(path.is_file(), "{} is not built: `cargo xtask agent` builds it", path.display());
    Ok(path)
}

/// How an engine on a data directory is opened.
pub fn config(data: &Path) -> Result<Config> {
    crate::containers::identify(data)?;
    let arch = if env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let trust = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].into_iter().find_map(env::var_os);
    let trust = trust.unwrap_or_else(|| "/etc/ssl/certs/ca-certificates.crt".into());
    Ok(Config {
        data_dir: data.to_owned(),
        settings_file: data.join("settings.toml"),
        samples_dir: Some(crate::root()?.join("samples")),
        agents: vec![AgentBinary { arch: arch.to_owned(), path: agent()? }],
        certificates: std::fs::read(trust).ok().map(|pem| Certificates { bundle: pem.clone(), own: pem }),
        docker: DockerHints { docker_host: env::var("DOCKER_HOST").ok(), ..DockerHints::default() },
        proxy: None,
        trusted_networks: Vec::new(),
        clock: Arc::new(SystemClock),
        pool_size: 0,
        host: Arc::new(SystemHost),
        gateway_port: None,
    })
}

/// The plainest deploy of a path.
pub fn request(path: &Path) -> DeployRequest {
    DeployRequest {
        source: Source::Path { path: path.to_string_lossy().into_owned() },
        name: None,
        image: None,
        env: BTreeMap::new(),
        duration_s: None,
        plan: None,
        root: None,
        preset: None,
        network: None,
        restart: None,
        replace: None,
        force: false,
    }
}
