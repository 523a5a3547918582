//! Containers in the *strict* and *open* profiles. Every one carries our labels; nothing without our instance label
//! is ever stopped or removed.

use bollard::{
    errors::Error,
    models::{
        ContainerCreateBody, ContainerStateStatusEnum, ContainerSummary, HostConfig, HostConfigLogConfig,
        ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, ListContainersOptions, RemoveContainerOptions,
        RenameContainerOptions, StartContainerOptions, StopContainerOptions, WaitContainerOptions,
    },
};
use futures_util::StreamExt;
use slipway_agent_api::{AGENT_PATH, CERTIFICATES_PATH, EGRESS_PORT, HOME, OWN_CERTIFICATES_PATH, UID};
use slipway_wire::{Code, NetworkProfile, Preset, Problem, WorkspaceId};
use std::collections::{BTreeMap, HashMap};

use super::{
    Docker, is_missing,
    limits::{Changed, native, shape},
    prepared::Trust,
    problem, status_of,
};

pub(super) const INSTANCE: &str = "slipway.instance";
pub(super) const WORKSPACE: &str = "slipway.workspace";
pub(super) const ROLE: &str = "slipway.role";

/// Who an object belongs to. Immutable in Docker, so only what never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    /// The data directory's identity.
    pub(crate) instance: String,
    /// The workspace, for containers.
    pub(crate) workspace: Option<WorkspaceId>,
    /// For containers `workspace`, `pool` or `prepare`; for images `image` or `snapshot`.
    pub(crate) role: &'static str,
}

impl Labels {
    pub(super) fn map(&self) -> HashMap<String, String> {
        let mut map = HashMap::from([
            (INSTANCE.to_owned(), self.instance.clone()),
            (ROLE.to_owned(), self.role.to_owned()),
        ]);
        if let Some(workspace) = &self.workspace {
            map.insert(WORKSPACE.to_owned(), workspace.to_string());
        }
        map
    }
}

/// What a workspace's container is made of.
#[derive(Clone, Debug)]
pub(crate) struct ContainerSpec {
    pub(crate) labels: Labels,
    /// The prepared image, by id.
    pub(crate) image: String,
    pub(crate) preset: Preset,
    /// What a person changed of it.
    pub(crate) limits: Changed,
    pub(crate) network: NetworkProfile,
    pub(crate) root: String,
    /// What of the host's certificates the prepared image holds.
    pub(crate) trust: Trust,
    /// The image is a snapshot: the project's folder is in it, and perhaps the environment of a strict container.
    pub(crate) snapshot: bool,
}

/// Whether a container runs, and how it ended if not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) running: bool,
    /// It was made and never started.
    pub(crate) new: bool,
    pub(crate) exit_code: Option<i64>,
    pub(crate) out_of_memory: bool,
    /// It runs and is frozen.
    pub(crate) paused: bool,
}

/// A container of ours, as Docker lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundContainer {
    pub(crate) id: String,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) role: String,
    /// The workspace its name says: also for one that was made for the pool and claimed.
    pub(crate) named: Option<WorkspaceId>,
    pub(crate) running: bool,
}

impl FoundContainer {
    /// It was made for this workspace, or was claimed for it from the pool.
    pub(crate) fn is_of(&self, workspace: &WorkspaceId) -> bool {
        match self.role.as_str() {
            crate::pool::ROLE => self.named.as_ref() == Some(workspace),
            _ => self.workspace.as_ref() == Some(workspace),
        }
    }
}

/// The environment every process of a container begins with. In the strict profile programs reach out only through
/// the agent's proxy; package managers are told so in each one's own way.
fn environment(spec: &ContainerSpec) -> Vec<String> {
    let mut env = BTreeMap::from([
        ("HOME".to_owned(), HOME.to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("SLIPWAY".to_owned(), "1".to_owned()),
        ("npm_config_update_notifier".to_owned(), "false".to_owned()),
        ("npm_config_fund".to_owned(), "false".to_owned()),
        ("npm_config_audit".to_owned(), "false".to_owned()),
        ("PIP_DISABLE_PIP_VERSION_CHECK".to_owned(), "1".to_owned()),
        ("PIP_ROOT_USER_ACTION".to_owned(), "ignore".to_owned()),
        ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
    ]);
    let mut set = |names: &[&str], value: &str| {
        for name in names {
            env.insert((*name).to_owned(), value.to_owned());
        }
    };
    let strict = spec.network == NetworkProfile::Strict;
    if strict || spec.snapshot {
        // An image keeps the variables of the container it was made of; they can only be emptied.
        let when = |value: &str| if strict { value.to_owned() } else { String::new() };
        let proxy = when(&format!("http://127.0.0.1:{EGRESS_PORT}"));
        set(&["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_proxy"], &proxy);
        set(&["npm_config_https_proxy", "ALL_PROXY", "all_proxy", "CARGO_HTTP_PROXY", "PIP_PROXY"], &proxy);
        set(&["NO_PROXY", "no_proxy", "npm_config_noproxy"], &when("localhost,127.0.0.1,::1,.localhost"));
        set(&["NODE_USE_ENV_PROXY", "GLOBAL_AGENT_FORCE_GLOBAL_AGENT"], &when("1"));
    }
    if spec.trust.bundle {
        set(&["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"], CERTIFICATES_PATH);
        set(&["CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO"], CERTIFICATES_PATH);
    }
    if spec.trust.own || spec.snapshot {
        // On top of its own list, and read at every start: all of them would cost 40 ms.
        set(&["NODE_EXTRA_CA_CERTS"], if spec.trust.own { OWN_CERTIFICATES_PATH } else { "" });
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let (memory, nano_cpus, pids) = native(spec.limits.in_force(spec.preset));
    let strict = spec.network == NetworkProfile::Strict;
    HostConfig {
        memory: Some(memory),
        // Equal to memory: no swap on top.
        memory_swap: Some(memory),
        cpu_shares: Some(shape(spec.preset).shares),
        nano_cpus,
        pids_limit: Some(pids),
        // A daemon without privileges (rootless, nested) may lower its own limit but not raise it: stay below what
        // such daemons commonly have.
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(16_384),
            hard: Some(16_384),
        }]),
        network_mode: Some(if strict { "none" } else { "bridge" }.to_owned()),
        cap_drop: strict.then(|| vec!["ALL".to_owned()]),
        security_opt: strict.then(|| vec!["no-new-privileges".to_owned()]),
        // The agent's output is its connection, not a log.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        // Ours decides; Docker restarting a container behind our back would run the code unseen.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        // PID 1 is the agent, which reaps.
        init: Some(false),
        privileged: Some(false),
        publish_all_ports: Some(false),
        ..Default::default()
    }
}

impl Docker {
    /// Makes a container for a workspace without starting it. Gives its id.
    pub(crate) async fn create(&self, spec: &ContainerSpec) -> Result<String, Problem> {
        let id = spec.labels.workspace.as_ref().map_or("none", WorkspaceId::as_str);
        let strict = spec.network == NetworkProfile::Strict;
        let user = if strict { format!("{UID}:{UID}") } else { "0:0".to_owned() };
        let body = ContainerCreateBody {
            image: Some(spec.image.clone()),
            user: Some(user),
            hostname: Some("slipway".to_owned()),
            env: Some(environment(spec)),
            entrypoint: Some(vec![AGENT_PATH.to_owned(), "init".to_owned(), "--stdio".to_owned()]),
            cmd: Some(Vec::new()),
            working_dir: Some(spec.root.clone()),
            labels: Some(spec.labels.map()),
            // The agent's connections: its input stays open for the engine that comes next.
            open_stdin: Some(true),
            stdin_once: Some(false),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            // Leaves the network namespace to the runtime, which makes an empty one with loopback, and spares Docker's
            // own sandbox around the same: half the time of a start.
            network_disabled: strict.then_some(true),
            stop_signal: Some("SIGTERM".to_owned()),
            healthcheck: Some(bollard::models::HealthConfig {
                // The image's own check would run its command unseen; the agent tells more.
                test: Some(vec!["NONE".to_owned()]),
                ..Default::default()
            }),
            host_config: Some(host_config(spec)),
            ..Default::default()
        };
        let name = if spec.labels.role == crate::pool::ROLE {
            format!("slipway-{}_{id}", short(&spec.labels.instance))
        } else {
            workspace_name(&spec.labels.instance, id)
        };
        let options = CreateContainerOptions { name: Some(name), ..Default::default() };
        let made = self
            .api
            .create_container(Some(options), body)
            .await
            .map_err(|e| problem("making the container", &e))?;
        if spec.root != slipway_agent_api::WORKSPACE
            && !spec.snapshot
            && let Err(problem) = self.furnish(&made.id, &spec.root).await
        {
            self.remove(&made.id).await?;
            return Err(problem);
        }
        Ok(made.id)
    }

    /// Gives a container of the pool the name of the workspace it becomes. Labels cannot be changed.
    pub(crate) async fn rename(
        &self,
        container: &str,
        instance: &str,
        workspace: &WorkspaceId,
    ) -> Result<(), Problem> {
        let options = RenameContainerOptions { name: workspace_name(instance, workspace.as_str()) };
        self.api.rename_container(container, options).await.map_err(|e| problem("naming the container", &e))
    }

    /// Starts a container; one that runs already is fine.
    pub(crate) async fn start(&self, container: &str) -> Result<(), Problem> {
        match self.api.start_container(container, None::<StartContainerOptions>).await {
            Err(e) if status_of(&e) != Some(304) => Err(problem("starting the container", &e)),
            _ => Ok(()),
        }
    }

    /// Stops a container, killing it after `grace_s` seconds; one that is stopped or gone is fine. A frozen one is let go
    /// on first, whoever froze it: an engine that signals it keeps it locked (20.10: for good).
    pub(crate) async fn stop(&self, container: &str, grace_s: i32) -> Result<(), Problem> {
        self.unpause(container).await?;
        let options = StopContainerOptions { t: Some(grace_s), ..Default::default() };
        match self.api.stop_container(container, Some(options)).await {
            Err(e) if status_of(&e) != Some(304) && !is_missing(&e) => {
                Err(problem("stopping the container", &e))
            }
            _ => Ok(()),
        }
    }

    /// Waits until a container that is ending by itself has ended. False: the daemon could not say.
    pub(crate) async fn ended(&self, container: &str) -> bool {
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        match std::pin::pin!(self.api.wait_container(container, Some(options))).next().await {
            Some(Ok(_)) => true,
            // An exit code other than 0 is an error to bollard; one with a text is the daemon's own.
            Some(Err(Error::DockerContainerWaitError { error, .. })) => error.is_empty(),
            Some(Err(_)) | None => false,
        }
    }

    /// Removes a container and its anonymous volumes; one that is gone or going is fine. A frozen one is let go on first,
    /// as for a stop.
    pub(crate) async fn remove(&self, container: &str) -> Result<(), Problem> {
        // Most have ended: those need one request only. One that runs or is frozen is refused.
        let refused = self.remove_if(container, false).await?;
        if refused {
            self.unpause(container).await?;
            self.remove_if(container, true).await?;
        }
        Ok(())
    }

    /// Removes a container, killing it only if `force`. True: it was refused without force, for it runs, most likely.
    async fn remove_if(&self, container: &str, force: bool) -> Result<bool, Problem> {
        let options = RemoveContainerOptions { force, v: true, ..Default::default() };
        match self.api.remove_container(container, Some(options)).await {
            Err(e) if is_missing(&e) => Ok(false),
            Err(e) if status_of(&e) == Some(409) && e.to_string().contains("already in progress") => {
                Ok(false)
            }
            // Engines disagree on the status; the second request says what is really wrong.
            Err(_) if !force => Ok(true),
            Err(e) => Err(problem("removing the container", &e)),
            Ok(()) => Ok(false),
        }
    }

    /// Whether a container runs. `None`: there is no such container.
    pub(crate) async fn running(&self, container: &str) -> Result<Option<Condition>, Problem> {
        match self.api.inspect_container(container, None::<InspectContainerOptions>).await {
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(problem("looking at the container", &e)),
            Ok(found) => {
                let state = found.state.unwrap_or_default();
                Ok(Some(Condition {
                    running: state.running.unwrap_or(false),
                    new: state.status == Some(ContainerStateStatusEnum::CREATED),
                    exit_code: state.exit_code,
                    out_of_memory: state.oom_killed.unwrap_or(false),
                    paused: state.paused.unwrap_or(false),
                }))
            }
        }
    }

    /// Every container with our instance label, running or not.
    pub(crate) async fn ours(&self, instance: &str) -> Result<Vec<FoundContainer>, Problem> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), vec![format!("{INSTANCE}={instance}")])])),
            ..Default::default()
        };
        let listed = self
            .api
            .list_containers(Some(options))
            .await
            .map_err(|e| problem("listing Slipway's containers", &e))?;
        // The filter is the daemon's word; the label itself is checked again here.
        Ok(listed.into_iter().filter_map(|c| found(c, instance)).collect())
    }
}

fn found(container: ContainerSummary, instance: &str) -> Option<FoundContainer> {
    let labels = container.labels.unwrap_or_default();
    if labels.get(INSTANCE).map(String::as_str) != Some(instance) {
        return None;
    }
    let running = container.state.is_some_and(|s| s.to_string() == "running");
    let before = workspace_name(instance, "");
    let names = container.names.unwrap_or_default();
    let named =
        names.iter().find_map(|name| name.trim_start_matches('/').strip_prefix(&before)?.parse().ok());
    Some(FoundContainer {
        named,
        id: container.id?,
        workspace: labels.get(WORKSPACE).and_then(|id| id.parse().ok()),
        role: labels.get(ROLE).cloned().unwrap_or_default(),
        running,
    })
}

fn workspace_name(instance: &str, workspace: &str) -> String {
    format!("slipway-{}-{workspace}", short(instance))
}

/// The beginning of an instance id, for names people see.
fn short(instance: &str) -> &str {
    instance.get(..6).unwrap_or(instance)
}

/// Rejects an image name that is not one, before any daemon sees it.
pub(crate) fn check_image_name(name: &str) -> Result<(), Problem> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if name.is_empty()
        || name.len() > 255
        || !name.chars().all(legal)
        || name.starts_with(['-', '/', ':', '.'])
    {
        return Err(Problem::new(Code::Invalid, format!("{name:?} is not the name of an image."))
            .hint("Images are named like `node:24-alpine` or `ghcr.io/owner/image:tag`."));
    }
    Ok(())
}
