//! Finding a Docker engine: `DOCKER_HOST`, the current Docker context, then the sockets that Docker Desktop, rootless
//! Docker, Colima, `OrbStack`, Rancher Desktop and Podman are known to use. Everything tried is told.

use bollard::API_DEFAULT_VERSION;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use slipway_wire::{Code, EngineState, EngineStatus, LookedAt, Problem, Warning};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Docker, bounded, denied};
use crate::config::DockerHints;

/// Seconds bollard waits for the headers of an answer. A pull's headers come at once; a commit's may take a while.
const TIMEOUT_S: u64 = 300;
/// A socket that does not answer a ping in this time is not an engine worth waiting for.
const PING: Duration = Duration::from_secs(5);

/// What a look found.
pub(crate) struct Located {
    pub(crate) docker: Option<Docker>,
    pub(crate) status: EngineStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    origin: String,
    endpoint: String,
    /// Chosen by the user: when it fails, others are not tried behind their back.
    explicit: bool,
}

/// Looks in order and takes the first that answers.
pub(crate) async fn locate(hints: &DockerHints, setting: &str) -> Located {
    let mut looked_at = Vec::new();
    let mut refused = None;
    for candidate in candidates(hints, setting) {
        match open(&candidate, hints.config_dir.clone()).await {
            Ok((docker, status)) => {
                looked_at.push(looked(&candidate, "answers"));
                return Located { docker: Some(docker), status: EngineStatus { looked_at, ..status } };
            }
            Err(problem) => {
                looked_at.push(looked(&candidate, &problem.message));
                if problem.code == Code::DockerDenied && refused.is_none() {
                    refused = Some(problem.clone());
                }
                if candidate.explicit {
                    refused.get_or_insert_with(|| chosen_but_absent(&candidate, &problem));
                    break;
                }
            }
        }
    }
    let problem = refused.unwrap_or_else(|| {
        Problem::new(Code::DockerAbsent, "No Docker engine answers on this machine.").hint(how_to_start())
    });
    let status = EngineStatus {
        state: EngineState::Absent,
        endpoint: None,
        product: None,
        version: None,
        platform: None,
        looked_at,
        problem: Some(problem),
        warnings: Vec::new(),
    };
    Located { docker: None, status }
}

/// What the user chose does not answer, and nothing else is tried behind their back.
fn chosen_but_absent(candidate: &Candidate, problem: &Problem) -> Problem {
    let Candidate { origin, endpoint, .. } = candidate;
    Problem::new(Code::DockerAbsent, format!("The Docker engine at {endpoint} ({origin}) does not answer."))
        .hint(format!("Start it, and Slipway notices by itself; or change {origin}."))
        .detail(problem.message.clone())
}

fn how_to_start() -> &'static str {
    if cfg!(target_os = "macos") {
        "Start Docker Desktop, OrbStack or Colima; Slipway notices by itself."
    } else if cfg!(windows) {
        "Start Docker Desktop; Slipway notices by itself."
    } else {
        "Install and start it (`sudo apt-get install docker.io`, `sudo systemctl start docker`); Slipway notices by itself."
    }
}

fn looked(candidate: &Candidate, outcome: &str) -> LookedAt {
    LookedAt {
        origin: candidate.origin.clone(),
        endpoint: candidate.endpoint.clone(),
        outcome: outcome.to_owned(),
    }
}

async fn open(candidate: &Candidate, config_dir: Option<PathBuf>) -> Result<(Docker, EngineStatus), Problem> {
    let endpoint = &candidate.endpoint;
    let absent = |text: String| Problem::new(Code::DockerAbsent, text);
    let api = connect(endpoint).map_err(|e| absent(bounded(&e.to_string())))?;
    let version = tokio::time::timeout(PING, api.version())
        .await
        .map_err(|_| absent("does not answer".to_owned()))?
        .map_err(|e| explain(endpoint, &e))?;
    let info = version.platform.map(|p| p.name).filter(|n| !n.is_empty());
    let os = version.os.unwrap_or_default();
    if os != "linux" {
        return Err(absent(format!("runs {} containers, not Linux ones", bounded(&os))));
    }
    let number = version.version.unwrap_or_default();
    let status = EngineStatus {
        state: EngineState::Connected,
        endpoint: Some(endpoint.clone()),
        product: Some(info.map_or_else(|| "Docker Engine".to_owned(), |n| bounded(&n))),
        warnings: warnings(&number),
        version: Some(bounded(&number)),
        platform: Some(format!("{os}/{}", bounded(&version.arch.unwrap_or_default()))),
        looked_at: Vec::new(),
        problem: None,
    };
    let local = endpoint.starts_with("unix://") || endpoint.starts_with("npipe://");
    let docker = Docker {
        api,
        config_dir,
        #[cfg(unix)]
        socket: endpoint.strip_prefix("unix://").map(PathBuf::from),
        local,
        root_dir: std::sync::Arc::default(),
    };
    Ok((docker, status))
}

fn connect(endpoint: &str) -> Result<bollard::Docker, bollard::errors::Error> {
    #[cfg(unix)]
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return bollard::Docker::connect_with_unix(path, TIMEOUT_S, API_DEFAULT_VERSION);
    }
    #[cfg(windows)]
    if let Some(path) = endpoint.strip_prefix("npipe://") {
        return bollard::Docker::connect_with_named_pipe(path, TIMEOUT_S, API_DEFAULT_VERSION);
    }
    Ok(bollard::Docker::connect_with_host(endpoint)?.with_timeout(Duration::from_secs(TIMEOUT_S)))
}

fn explain(endpoint: &str, error: &bollard::errors::Error) -> Problem {
    let mut text = error.to_string();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        source = inner.source();
    }
    let lower = text.to_lowercase();
    if lower.contains("permission denied") {
        return denied(&format!("{endpoint}: {}", bounded(&text)));
    }
    let outcome = if lower.contains("connection refused") {
        "nothing listens there".to_owned()
    } else {
        bounded(&text)
    };
    Problem::new(Code::DockerAbsent, outcome)
}

/// Candidates in order, without repeats.
fn candidates(hints: &DockerHints, setting: &str) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |origin: &str, endpoint: String, explicit: bool| {
        if !all.iter().any(|c| c.endpoint == endpoint) {
            all.push(Candidate { origin: origin.to_owned(), endpoint, explicit });
        }
    };
    if !setting.is_empty() {
        add("Slipway's settings", setting.to_owned(), true);
    } else if let Some(host) = hints.docker_host.as_deref().filter(|h| !h.is_empty()) {
        add("DOCKER_HOST", host.to_owned(), true);
    } else if let Some((name, endpoint)) = context(hints) {
        add(&format!("Docker context \"{name}\""), endpoint, hints.context.is_some());
    }
    for (origin, path) in known_sockets(hints) {
        add(origin, path, false);
    }
    all
}

#[cfg(windows)]
fn known_sockets(_hints: &DockerHints) -> Vec<(&'static str, String)> {
    vec![
        ("Docker Desktop", "npipe:////./pipe/docker_engine".to_owned()),
        ("Docker Desktop (Linux engine)", "npipe:////./pipe/dockerDesktopLinuxEngine".to_owned()),
        ("Podman", "npipe:////./pipe/podman-machine-default".to_owned()),
    ]
}

#[cfg(not(windows))]
fn known_sockets(hints: &DockerHints) -> Vec<(&'static str, String)> {
    let mut all = vec![("Docker Engine", PathBuf::from("/var/run/docker.sock"))];
    if let Some(home) = &hints.home {
        all.push(("Docker Desktop", home.join(".docker/run/docker.sock")));
        all.push(("Docker Desktop", home.join(".docker/desktop/docker.sock")));
        all.push(("OrbStack", home.join(".orbstack/run/docker.sock")));
        all.push(("Colima", home.join(".colima/default/docker.sock")));
        all.push(("Colima", home.join(".config/colima/default/docker.sock")));
        all.push(("Rancher Desktop", home.join(".rd/docker.sock")));
    }
    let runtime =
        hints.runtime_dir.clone().unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", hints.uid)));
    all.push(("rootless Docker", runtime.join("docker.sock")));
    all.push(("Podman", runtime.join("podman/podman.sock")));
    all.push(("Podman", PathBuf::from("/run/podman/podman.sock")));
    all.into_iter().map(|(origin, path)| (origin, format!("unix://{}", path.display()))).collect()
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext")]
    current: Option<String>,
}

#[derive(Deserialize)]
struct ContextMeta {
    #[serde(rename = "Endpoints")]
    endpoints: std::collections::HashMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host")]
    host: Option<String>,
}

/// The current Docker context and its address. `default` means none.
fn context(hints: &DockerHints) -> Option<(String, String)> {
    let dir = hints.config_dir.as_deref()?;
    let name = match &hints.context {
        Some(name) => name.clone(),
        None => read_json::<ConfigFile>(&dir.join("config.json"))?.current?,
    };
    if name.is_empty() || name == "default" {
        return None;
    }
    let digest = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let meta: ContextMeta = read_json(&dir.join("contexts/meta").join(digest).join("meta.json"))?;
    let host = meta.endpoints.get("docker")?.host.clone()?;
    Some((name, host))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    const MOST: u64 = 1024 * 1024;
    if std::fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Known-vulnerable versions. Source: CVE-2026-41567 (PUT archive), fixed in Engine 29.5.1.
fn warnings(version: &str) -> Vec<Warning> {
    let numbers: Vec<u32> =
        version.split(['.', '-', '+', '~']).map_while(|part| part.parse().ok()).take(3).collect();
    let Ok([major, minor, patch]) = <[u32; 3]>::try_from(numbers) else { return Vec::new() };
    if (major, minor, patch) >= (29, 5, 1) || major < 17 {
        // Podman counts from 1 to 6 and is not concerned.
        return Vec::new();
    }
    vec![Warning {
        message: format!("Docker Engine {version} has known weaknesses that a hostile image can use (CVE-2026-41567)."),
        hint: "Update Docker to 29.5.1 or newer. Slipway itself never sends an archive into a running container."
            .to_owned(),
        workspace: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints() -> DockerHints {
        DockerHints { home: Some("/home/ada".into()), uid: 7, ..DockerHints::default() }
    }

    #[test]
    fn what_the_user_chose_is_the_only_thing_tried_first() {
        let chosen = DockerHints { docker_host: Some("tcp://10.0.0.1:2375".into()), ..hints() };
        let first = &candidates(&chosen, "")[0];
        assert_eq!((first.endpoint.as_str(), first.explicit), ("tcp://10.0.0.1:2375", true));
        assert_eq!(candidates(&chosen, "unix:///x")[0].endpoint, "unix:///x");
    }

    #[cfg(not(windows))]
    #[test]
    fn known_sockets_follow_home_and_runtime_directory() {
        let all: Vec<String> = candidates(&hints(), "").into_iter().map(|c| c.endpoint).collect();
        for wanted in [
            "unix:///var/run/docker.sock",
            "unix:///home/ada/.orbstack/run/docker.sock",
            "unix:///run/user/7/docker.sock",
        ] {
            assert!(all.iter().any(|e| e == wanted), "{wanted} in {all:?}");
        }
    }

    #[test]
    fn the_current_context_is_read_from_its_metadata() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), r#"{"currentContext":"colima"}"#).unwrap();
        let meta =
            dir.path().join("contexts/meta/f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16");
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///c.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let hints = DockerHints { config_dir: Some(dir.path().into()), ..hints() };
        assert_eq!(context(&hints), Some(("colima".into(), "unix:///c.sock".into())));
    }

    #[test]
    fn old_engines_are_warned_about() {
        assert_eq!(warnings("29.5.1").len(), 0);
        assert_eq!(warnings("20.10.24+dfsg1").len(), 1);
        assert_eq!(warnings("5.4.2").len(), 0);
        assert_eq!(warnings("nonsense").len(), 0);
    }
}
