//! The one place that reads the environment for the engine: variables, well-known files, what lies beside the
//! program. Goes out: [`slipway_engine::Config`]. Nothing is written here.

use crate::{paths::Places, trust};
use slipway_engine::{AgentBinary, Config, DockerHints, SystemClock};
use slipway_wire::Problem;
use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Docker's names of the architectures we have agents for, and the ones the files carry.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// What was found around this program.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Slipway's own files.
    pub places: Places,
    /// Where Docker may be.
    pub docker: DockerHints,
    /// The in-container agents, one per architecture.
    pub agents: Vec<AgentBinary>,
    /// The bundled samples.
    pub samples_dir: Option<PathBuf>,
    /// The HTTP proxy this machine is behind.
    pub proxy: Option<String>,
    /// Private networks that allowed names may resolve into (`SLIPWAY_TRUSTED_NETWORKS`, CIDR with commas between).
    pub trusted_networks: Vec<String>,
    /// What was looked for in vain, for `slipway doctor`.
    pub notes: Vec<String>,
    /// Certificates to trust besides the system's (`SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`).
    pub certificate_files: Vec<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn read() -> Result<Self, Problem> {
        let runtime_dir = path("XDG_RUNTIME_DIR");
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let places = Places::find(path("SLIPWAY_DATA_DIR").as_deref(), runtime_dir.as_deref())?;
        let program = env::current_exe().ok();
        let mut notes = Vec::new();
        let agents = agents(path("SLIPWAY_AGENT").as_deref(), program.as_deref(), &mut notes);
        let samples_dir = samples(path("SLIPWAY_SAMPLES"), program.as_deref());
        if samples_dir.is_none() {
            notes.push("No bundled samples were found.".into());
        }
        Ok(Self {
            places,
            docker: DockerHints {
                docker_host: text("DOCKER_HOST"),
                context: text("DOCKER_CONTEXT"),
                config_dir: path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker"))),
                home,
                runtime_dir,
                uid: uid(),
            },
            agents,
            samples_dir,
            proxy: text("HTTPS_PROXY").or_else(|| text("https_proxy")),
            trusted_networks: text("SLIPWAY_TRUSTED_NETWORKS")
                .map(|list| list.split(',').map(|one| one.trim().to_owned()).collect())
                .unwrap_or_default(),
            notes,
            certificate_files: ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"]
                .into_iter()
                .filter_map(path)
                .collect(),
        })
    }

    /// What the engine needs. Reads the certificates this machine trusts.
    pub fn config(&self) -> Config {
        Config {
            data_dir: self.places.data_dir.clone(),
            settings_file: self.places.settings_file.clone(),
            samples_dir: self.samples_dir.clone(),
            agents: self.agents.clone(),
            certificates: trust::certificates(&self.certificate_files),
            docker: self.docker.clone(),
            proxy: self.proxy.clone(),
            trusted_networks: self.trusted_networks.clone(),
            host: std::sync::Arc::new(slipway_engine::SystemHost),
            clock: Arc::new(SystemClock),
            pool_size: DESKTOP_POOL,
            gateway_port: None,
        }
    }
}

/// Containers kept warm at most for one person.
const DESKTOP_POOL: usize = 2;

/// The name of the file that holds the agent for an architecture as Docker calls it.
pub fn agent_file(arch: &str) -> Option<String> {
    ARCHITECTURES.iter().find(|(docker, _)| *docker == arch).map(|(_, file)| format!("slipway-agent-{file}"))
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(unix)]
fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
fn uid() -> u32 {
    0
}

/// Looks in `SLIPWAY_AGENT` (a file or a folder), then around the program: beside it, one folder up (a test program
/// lies in `deps`), in `../lib/slipway` (installed), in `../Resources` (a macOS bundle).
fn agents(wanted: Option<&Path>, program: Option<&Path>, notes: &mut Vec<String>) -> Vec<AgentBinary> {
    let beside = program.and_then(Path::parent);
    let mut folders: Vec<PathBuf> = wanted.map(Path::to_owned).into_iter().collect();
    if let Some(dir) = beside {
        folders.extend(["", "..", "../..", "../lib/slipway", "../Resources"].map(|up| dir.join(up)));
    }
    let mut found = Vec::new();
    for (arch, file) in ARCHITECTURES {
        let name = format!("slipway-agent-{file}");
        // A file given by name is for this machine's architecture unless its name says another.
        let given = wanted.filter(|path| {
            let named = path.file_name().is_some_and(|n| n.to_string_lossy().contains(file));
            let other = ARCHITECTURES.iter().any(|(_, other)| {
                *other != file && path.file_name().is_some_and(|n| n.to_string_lossy().contains(other))
            });
            path.is_file() && (named || (!other && env::consts::ARCH == file))
        });
        let path = given
            .map(Path::to_owned)
            .or_else(|| folders.iter().map(|folder| folder.join(&name)).find(|path| path.is_file()));
        if let Some(path) = path {
            let path = path.canonicalize().unwrap_or(path);
            found.push(AgentBinary { arch: arch.to_owned(), path });
        }
    }
    if found.is_empty() {
        let around = beside.map_or_else(|| "the program".into(), |dir| dir.display().to_string());
        notes.push(format!(
            "No in-container agent was found in SLIPWAY_AGENT or around {around}; `cargo xtask agent` builds it."
        ));
    }
    found
}

fn samples(wanted: Option<PathBuf>, program: Option<&Path>) -> Option<PathBuf> {
    let beside = program.and_then(Path::parent);
    let installed = beside.map(|dir| dir.join("../share/slipway/samples"));
    let bundled = beside.map(|dir| dir.join("../Resources/samples"));
    // A checkout: `target/debug/slipway` lies below the folder that holds `samples`.
    let checkout = beside
        .into_iter()
        .flat_map(Path::ancestors)
        .take(5)
        .filter(|dir| dir.join("tauri.conf.json").is_file())
        .map(|dir| dir.join("samples"))
        .next();
    // The target folder may lie anywhere; only a debug build knows where its sources were.
    let sources =
        cfg!(debug_assertions).then(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples"));
    [wanted, installed, bundled, checkout, sources]
        .into_iter()
        .flatten()
        .find(|dir| dir.is_dir())
        .map(|dir| dir.canonicalize().unwrap_or(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_agent_beside_the_program_is_found() {
        let temp = tempfile::tempdir().unwrap();
        let agent = temp.path().join("slipway-agent-aarch64");
        fs::write(&agent, b"").unwrap();
        let mut notes = Vec::new();
        let found = agents(None, Some(&temp.path().join("slipway")), &mut notes);
        assert_eq!(found, [AgentBinary { arch: "arm64".into(), path: agent.canonicalize().unwrap() }]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn an_agent_given_by_name_serves_the_architecture_its_name_says() {
        let temp = tempfile::tempdir().unwrap();
        for (name, arch) in [("slipway-agent-x86_64", "amd64"), ("slipway-agent-aarch64", "arm64")] {
            let agent = temp.path().join(name);
            fs::write(&agent, b"").unwrap();
            let found = agents(Some(&agent), None, &mut Vec::new());
            assert_eq!(found.iter().map(|a| a.arch.as_str()).collect::<Vec<_>>(), [arch]);
        }
    }

    #[test]
    fn a_missing_agent_is_noted() {
        let temp = tempfile::tempdir().unwrap();
        let mut notes = Vec::new();
        assert_eq!(agents(None, Some(&temp.path().join("a/b/c/slipway")), &mut notes), []);
        assert!(notes[0].contains("agent"), "{notes:?}");
    }
}
