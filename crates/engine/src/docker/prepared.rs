//! The prepared image: a base image plus the agent, a module for Node, the host's certificates, a home and a workspace directory that
//! belong to user 1000. Made once per base, agent and certificates; reused until one of them changes.
//!
//! It is made by creating (never starting) a container of the base, putting files into it, and committing it. So it
//! works for images without a shell, and no archive is ever put into a running container.

use bollard::{
    body_full,
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{
        CommitContainerOptions, CreateContainerOptions, DownloadFromContainerOptions, ListImagesOptions,
        UploadToContainerOptions,
    },
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_agent_api::{
    AGENT_PATH, CERTIFICATES_PATH, HOME, NODE_PROXY_PATH, OWN_CERTIFICATES_PATH, UID, WORKSPACE,
};
use slipway_wire::{Code, Problem};
use std::{collections::HashMap, fmt::Write as _, io, sync::OnceLock};
use tokio::sync::Mutex;

use super::{
    Docker, Labels,
    archive::{directory, owned},
    image::BaseImage,
    is_missing, problem,
};
use crate::config::{AgentBinary, Certificates};

/// Raised when what is put into a prepared image changes otherwise than by agent or certificates.
const RECIPE: u32 = 6;
/// Spares each start of Node the loading of its fetch client.
const NODE_PROXY: &[u8] = include_bytes!("node-proxy.cjs");
/// `/etc/passwd` and `/etc/group` beyond this are left alone.
const MOST_TEXT: usize = 256 * 1024;

pub(super) const BASE: &str = "slipway.base";
pub(super) const DIGEST: &str = "slipway.prepared";
/// What was put in, whatever the base: a snapshot inherits it, and is as good as prepared while it is the same.
pub(super) const AGENT: &str = "slipway.agent";

/// What goes into prepared images; the same for all of an engine's life.
pub(crate) struct Agents {
    instance: String,
    binaries: Vec<(String, Content)>,
    certificates: Option<(Content, Content)>,
    /// One image is prepared at a time: a second deploy of the same base waits and finds it made.
    making: Mutex<()>,
}

/// Bytes with what they are told apart by, computed once: an agent has megabytes, and every deploy and every look of
/// the pool asks.
struct Content {
    bytes: bytes::Bytes,
    sha256: OnceLock<[u8; 32]>,
}

impl Content {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), sha256: OnceLock::new() }
    }

    fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| Sha256::digest(&self.bytes).into())
    }
}

/// What of this machine's certificates an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trust {
    /// All of them, at [`CERTIFICATES_PATH`].
    pub(crate) bundle: bool,
    /// The machine's own, at [`OWN_CERTIFICATES_PATH`].
    pub(crate) own: bool,
}

/// A prepared image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) image: String,
    pub(crate) trust: Trust,
    /// It was made now, not found.
    pub(crate) fresh: bool,
}

impl Agents {
    /// Reads the agents' files. `instance` marks what is made as ours.
    pub(crate) fn load(
        instance: &str,
        binaries: &[AgentBinary],
        certificates: Option<Certificates>,
    ) -> Result<Self, Problem> {
        let mut loaded = Vec::new();
        for binary in binaries {
            let bytes = std::fs::read(&binary.path).map_err(|e| {
                Problem::new(
                    Code::Storage,
                    format!("Slipway's agent {} cannot be read: {e}.", binary.path.display()),
                )
                .hint("Install Slipway again; in a checkout, run `cargo xtask agent`.")
            })?;
            loaded.push((binary.arch.clone(), Content::new(bytes)));
        }
        Ok(Self {
            instance: instance.to_owned(),
            binaries: loaded,
            certificates: certificates.map(|c| (Content::new(c.bundle), Content::new(c.own))),
            making: Mutex::new(()),
        })
    }

    fn agent_for(&self, arch: &str) -> Result<&Content, Problem> {
        self.binaries.iter().find(|(a, _)| a == arch).map(|(_, agent)| agent).ok_or_else(|| {
            Problem::new(Code::Invalid, format!("This Slipway has no agent for {arch} images."))
                .hint("Choose an image for this machine's own processor.")
        })
    }

    fn digest(&self, base: &BaseImage, trust: Trust) -> Result<String, Problem> {
        self.digest_of(base.id.as_bytes(), &base.arch, trust)
    }

    /// Says which agent and certificates are put into images of this processor.
    pub(crate) fn mark(&self, arch: &str, trust: Trust) -> Result<String, Problem> {
        self.digest_of(&[], arch, trust)
    }

    /// Which certificates are put into images where the setting is `wanted`.
    pub(crate) fn trust(&self, wanted: bool) -> Trust {
        match &self.certificates {
            Some((_, own)) if wanted => Trust { bundle: true, own: !own.bytes.is_empty() },
            _ => Trust { bundle: false, own: false },
        }
    }

    /// The files that hold these, by their paths.
    fn certificates(&self, trust: Trust) -> impl Iterator<Item = (&'static str, &Content)> {
        let files = |(bundle, own)| {
            [(trust.bundle, CERTIFICATES_PATH, bundle), (trust.own, OWN_CERTIFICATES_PATH, own)]
        };
        let files = self.certificates.as_ref().map(|(bundle, own)| files((bundle, own)));
        files.into_iter().flatten().filter(|(put, ..)| *put).map(|(_, path, content)| (path, content))
    }

    fn digest_of(&self, base: &[u8], arch: &str, trust: Trust) -> Result<String, Problem> {
        let mut hash = Sha256::new();
        hash.update(RECIPE.to_le_bytes());
        hash.update(base);
        hash.update(self.agent_for(arch)?.sha256());
        hash.update(Sha256::digest(NODE_PROXY));
        for (path, content) in self.certificates(trust) {
            hash.update(path);
            hash.update(content.sha256());
        }
        let mut hex = String::new();
        for byte in hash.finalize().iter().take(12) {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Ok(hex)
    }
}

impl Docker {
    /// The prepared image of `base`, made if it is not here. `name` is the base's name, for people.
    pub(crate) async fn prepare(
        &self,
        agents: &Agents,
        name: &str,
        base: &BaseImage,
        trust: Trust,
    ) -> Result<Prepared, Problem> {
        let digest = agents.digest(base, trust)?;
        let reference = format!("{}:{digest}", repository(name));
        let _one_at_a_time = agents.making.lock().await;
        if let Some(found) = self.image(&reference).await? {
            return Ok(Prepared { image: found.id, trust, fresh: false });
        }
        let labels = Labels { instance: agents.instance.clone(), workspace: None, role: "prepare" };
        let container = self.create_base(base, &labels).await?;
        let made = self.fill_and_commit(agents, base, &container, &reference, name, &digest, trust).await;
        // Whatever came of it, the container has served; start-up sweeps one that is left by a crash here.
        let removed = self.remove(&container).await;
        let image = made?;
        removed?;
        Ok(Prepared { image, trust, fresh: true })
    }

    async fn create_base(&self, base: &BaseImage, labels: &Labels) -> Result<String, Problem> {
        let body = ContainerCreateBody {
            image: Some(base.id.clone()),
            // Never run: a name is only needed because some images have no command.
            cmd: Some(vec![AGENT_PATH.to_owned()]),
            labels: Some(labels.map()),
            host_config: Some(bollard::models::HostConfig {
                network_mode: Some("none".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = self
            .api
            .create_container(None::<CreateContainerOptions>, body)
            .await
            .map_err(|e| problem("preparing the image", &e))?;
        Ok(made.id)
    }

    #[expect(clippy::too_many_arguments, reason = "one private caller; a struct would only rename them")]
    async fn fill_and_commit(
        &self,
        agents: &Agents,
        base: &BaseImage,
        container: &str,
        reference: &str,
        name: &str,
        digest: &str,
        trust: Trust,
    ) -> Result<String, Problem> {
        let passwd = self.read_text(container, "/etc/passwd").await?;
        let group = self.read_text(container, "/etc/group").await?;
        let mark = agents.mark(&base.arch, trust)?;
        let contents = Contents {
            agent: &agents.agent_for(&base.arch)?.bytes,
            certificates: agents.certificates(trust).map(|(path, c)| (path, c.bytes.as_ref())).collect(),
            passwd: passwd.as_deref(),
            group: group.as_deref(),
        };
        let tar = archive(&contents)
            .map_err(|e| Problem::new(Code::Internal, format!("The agent could not be packed: {e}.")))?;
        let upload = UploadToContainerOptions { path: "/".to_owned(), ..Default::default() };
        self.api
            .upload_to_container(container, Some(upload), body_full(tar.into()))
            .await
            .map_err(|e| problem("preparing the image", &e))?;
        let (repo, tag) = reference.split_once(':').unwrap_or((reference, "latest"));
        let options = CommitContainerOptions {
            container: Some(container.to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            pause: false,
            ..Default::default()
        };
        let config = ContainerConfig {
            labels: Some(HashMap::from([
                (super::container::INSTANCE.to_owned(), agents.instance.clone()),
                (BASE.to_owned(), name.to_owned()),
                (DIGEST.to_owned(), digest.to_owned()),
                (AGENT.to_owned(), mark),
                ("slipway.role".to_owned(), "image".to_owned()),
            ])),
            ..Default::default()
        };
        let made = self
            .api
            .commit_container(options, config)
            .await
            .map_err(|e| problem("preparing the image", &e))?;
        made.id
            .is_empty()
            .then(|| Problem::new(Code::Internal, "Docker gave the prepared image no id."))
            .map_or(Ok(made.id), Err)
    }

    /// A small text file out of a container that never ran. `None`: there is none, or it is not a plain file.
    async fn read_text(&self, container: &str, path: &str) -> Result<Option<String>, Problem> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let mut stream = std::pin::pin!(self.api.download_from_container(container, Some(options)));
        let mut tar = Vec::new();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Err(e) if is_missing(&e) => return Ok(None),
                Err(e) => return Err(problem("preparing the image", &e)),
                Ok(chunk) if tar.len() + chunk.len() > MOST_TEXT => return Ok(None),
                Ok(chunk) => tar.extend_from_slice(&chunk),
            }
        }
        let mut archive = tar::Archive::new(tar.as_slice());
        let entry = archive.entries().ok().and_then(|mut entries| entries.next()).and_then(Result::ok);
        let Some(mut entry) = entry.filter(|e| e.header().entry_type().is_file()) else { return Ok(None) };
        let mut text = String::new();
        Ok(io::Read::read_to_string(&mut entry, &mut text).ok().map(|_| text))
    }

    /// Removes prepared images of ours whose base is gone or that another agent or other certificates replaced.
    /// Those a container still uses stay until the next time.
    pub(crate) async fn sweep_prepared(&self, agents: &Agents) -> Result<usize, Problem> {
        let options = ListImagesOptions {
            filters: Some(HashMap::from([(
                "label".to_owned(),
                vec![DIGEST.to_owned(), format!("{}={}", super::container::INSTANCE, agents.instance)],
            )])),
            ..Default::default()
        };
        let doing = "listing prepared images";
        let images = self.api.list_images(Some(options)).await.map_err(|e| problem(doing, &e))?;
        let mut removed = 0;
        for image in images {
            let (Some(base), Some(digest)) = (image.labels.get(BASE), image.labels.get(DIGEST)) else {
                continue;
            };
            // The filter is the daemon's word. Only what carries our own repository name as well as our labels goes.
            let instance = image.labels.get(super::container::INSTANCE);
            if instance != Some(&agents.instance)
                || !image.repo_tags.iter().any(|tag| *tag == format!("{}:{digest}", repository(base)))
            {
                continue;
            }
            let current = match self.image(base).await? {
                None => false,
                Some(found) => {
                    let digests = [true, false].map(|wanted| agents.digest(&found, agents.trust(wanted)));
                    digests.iter().flatten().any(|d| d == digest)
                }
            };
            if !current && self.remove_image(&image.id).await? {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// `node:24-alpine` becomes `slipway/node`, `ghcr.io/a/b:1` becomes `slipway/ghcr.io-a-b`.
fn repository(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let untagged = match name.rsplit_once(':') {
        Some((before, after)) if !after.contains('/') => before,
        _ => name,
    };
    let flat: String = untagged
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    format!("slipway/{}", flat.trim_matches(['-', '.']))
}

/// What is put into a base.
struct Contents<'a> {
    agent: &'a [u8],
    /// Paths and what they hold.
    certificates: Vec<(&'static str, &'a [u8])>,
    /// What is in the base's own files, if it has them.
    passwd: Option<&'a str>,
    group: Option<&'a str>,
}

fn archive(contents: &Contents<'_>) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(contents.agent.len() + 64 * 1024));
    owned(&mut tar, "/.slipway", tar::EntryType::Directory, 0o755, 0, &[])?;
    owned(&mut tar, AGENT_PATH, tar::EntryType::Regular, 0o755, 0, contents.agent)?;
    owned(&mut tar, NODE_PROXY_PATH, tar::EntryType::Regular, 0o644, 0, NODE_PROXY)?;
    for (path, pem) in &contents.certificates {
        owned(&mut tar, path, tar::EntryType::Regular, 0o644, 0, pem)?;
    }
    directory(&mut tar, HOME, 0o755)?;
    directory(&mut tar, WORKSPACE, 0o755)?;
    owned(&mut tar, "/tmp", tar::EntryType::Directory, 0o1777, 0, &[])?;
    // Some tools insist on a name for their user. An image that has one for 1000 keeps it.
    for (path, text, line) in [
        ("/etc/passwd", contents.passwd, format!("slipway:x:{UID}:{UID}:slipway:{HOME}:/bin/sh\n")),
        ("/etc/group", contents.group, format!("slipway:x:{UID}:\n")),
    ] {
        let text = text.unwrap_or_default();
        let known = text.lines().any(|l| l.split(':').nth(2) == Some(UID.to_string().as_str()));
        if !known {
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            owned(
                &mut tar,
                path,
                tar::EntryType::Regular,
                0o644,
                0,
                format!("{text}{newline}{line}").as_bytes(),
            )?;
        }
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_image_is_named_after_its_base() {
        assert_eq!(repository("node:24-alpine"), "slipway/node");
        assert_eq!(repository("ghcr.io/a/b:1"), "slipway/ghcr.io-a-b");
        assert_eq!(repository("host:5000/x@sha256:00"), "slipway/host-5000-x");
    }

    #[test]
    fn node_is_told_of_the_proxy_that_is_there() {
        let text = std::str::from_utf8(NODE_PROXY).unwrap();
        let ours = format!("'http://127.0.0.1:{}'", slipway_agent_api::EGRESS_PORT);
        assert!(text.contains(&ours), "the module knows another proxy than {ours}");
    }

    #[test]
    fn the_user_is_added_only_where_it_is_missing() {
        let names = |passwd: Option<&str>| -> Vec<String> {
            let group = Some("node:x:1000:\n");
            let contents = Contents { agent: b"x", certificates: Vec::new(), passwd, group };
            let bytes = archive(&contents).unwrap();
            let mut archive = tar::Archive::new(bytes.as_slice());
            archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect()
        };
        assert!(names(Some("root:x:0:0::/root:/bin/sh")).contains(&"etc/passwd".to_owned()));
        assert!(!names(Some("node:x:1000:1000::/home/node:/bin/sh\n")).contains(&"etc/passwd".to_owned()));
        assert!(!names(None).contains(&"etc/group".to_owned()));
    }
}
