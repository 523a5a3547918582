//! Base images: whether one is here, and pulling it with progress in bytes and layers.

use bollard::{
    models::CreateImageInfo,
    query_parameters::{CreateImageOptions, RemoveImageOptions},
};
use futures_util::StreamExt;
use slipway_wire::{Code, Problem};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::workspace::ImageCheck;

use super::{Docker, bounded, container::check_image_name, credentials, is_missing, problem};

/// A registry that says nothing for this long is not going to.
const SILENCE: Duration = Duration::from_secs(90);

/// How far a pull is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PullProgress {
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) layers_done: usize,
    pub(crate) layers: usize,
}

/// A base image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseImage {
    pub(crate) id: String,
    /// `amd64`, `arm64`.
    pub(crate) arch: String,
    /// Its own `HEALTHCHECK`, bounded.
    pub(crate) check: Option<ImageCheck>,
}

impl Docker {
    /// The image, if the engine has it.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<BaseImage>, Problem> {
        match self.api.inspect_image(name).await {
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(problem("looking for the image", &e)),
            Ok(image) => {
                if let Some(os) = image.os.filter(|os| os != "linux") {
                    return Err(Problem::new(
                        Code::Invalid,
                        format!("{name} is an image for {os}, not Linux."),
                    )
                    .hint("Switch Docker to Linux containers, or name another image."));
                }
                let check = image.config.and_then(|config| config.healthcheck).and_then(|check| {
                    ImageCheck::new(
                        &check.test.unwrap_or_default(),
                        check.interval.unwrap_or(0),
                        check.timeout.unwrap_or(0),
                        check.retries.unwrap_or(0),
                        check.start_period.unwrap_or(0),
                    )
                });
                Ok(image.id.map(|id| BaseImage {
                    check,
                    id,
                    arch: image.architecture.unwrap_or_else(|| "amd64".to_owned()),
                }))
            }
        }
    }

    /// Pulls an image, telling how far it is at most ten times a second.
    pub(crate) async fn pull(&self, name: &str, mut tell: impl FnMut(PullProgress)) -> Result<(), Problem> {
        check_image_name(name)?;
        let login = credentials::for_image(self.config_dir.as_deref(), name).await;
        let options = CreateImageOptions { from_image: Some(with_tag(name)), ..Default::default() };
        let mut stream = std::pin::pin!(self.api.create_image(Some(options), None, login));
        let mut layers = HashMap::new();
        let mut told = Instant::now();
        loop {
            let next = tokio::time::timeout(SILENCE, stream.next()).await.map_err(|_| {
                Problem::new(
                    Code::ImageUnreachable,
                    format!("The registry of {name} fell silent while pulling."),
                )
                .hint("Look at this machine's network, then try again; what is here already is kept.")
            })?;
            match next {
                None => return Ok(()),
                Some(Err(e)) => return Err(pull_problem(name, &e)),
                Some(Ok(line)) => {
                    if let Some(error) = line.error_detail.as_ref().and_then(|d| d.message.as_deref()) {
                        return Err(pull_failure(name, error));
                    }
                    note(&mut layers, line);
                    if told.elapsed() >= Duration::from_millis(100) {
                        told = Instant::now();
                        tell(sum(&layers));
                    }
                }
            }
        }
    }

    /// Removes an image of ours; one that is gone is fine, one in use stays until its last container goes.
    pub(crate) async fn remove_image(&self, id: &str) -> Result<bool, Problem> {
        let options = RemoveImageOptions { force: false, noprune: false, ..Default::default() };
        match self.api.remove_image(id, Some(options), None).await {
            Err(e) if is_missing(&e) => Ok(true),
            Err(e) if super::status_of(&e) == Some(409) => Ok(false),
            Err(e) => Err(problem("removing an old image", &e)),
            Ok(_) => Ok(true),
        }
    }
}

#[derive(Default)]
struct Layer {
    done: u64,
    total: u64,
    complete: bool,
}

/// More layers than any real image has are not counted: the map stays bounded whatever the daemon says.
const MOST_LAYERS: usize = 512;

fn note(layers: &mut HashMap<String, Layer>, line: CreateImageInfo) {
    let (Some(id), Some(status)) = (line.id, line.status) else { return };
    if status.starts_with("Pulling from") || (layers.len() >= MOST_LAYERS && !layers.contains_key(&id)) {
        return;
    }
    let layer = layers.entry(id).or_default();
    let detail = line.progress_detail.unwrap_or_default();
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    match status.as_str() {
        "Downloading" => {
            layer.total = number(detail.total).unwrap_or(layer.total);
            layer.done = number(detail.current).unwrap_or(layer.done);
        }
        "Download complete" | "Extracting" | "Verifying Checksum" => layer.done = layer.total,
        "Pull complete" | "Already exists" => {
            layer.done = layer.total;
            layer.complete = true;
        }
        _ => {}
    }
}

fn sum(layers: &HashMap<String, Layer>) -> PullProgress {
    layers.values().fold(PullProgress::default(), |mut all, layer| {
        all.done = all.done.saturating_add(layer.done);
        all.total = all.total.saturating_add(layer.total);
        all.layers += 1;
        all.layers_done += usize::from(layer.complete);
        all
    })
}

/// Docker pulls *every* tag of a name without one.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

fn pull_problem(name: &str, error: &bollard::errors::Error) -> Problem {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => pull_failure(name, message),
        bollard::errors::Error::DockerStreamError { error } => pull_failure(name, error),
        other => problem(&format!("pulling {name}"), other),
    }
}

/// What a registry's or daemon's words mean. The order matters: the first that fits.
fn pull_failure(name: &str, words: &str) -> Problem {
    let lower = words.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|n| lower.contains(n));
    let problem = if has(&["no space left"]) {
        Problem::new(Code::DiskFull, format!("There is no room for {name} on the Docker engine's disk."))
            .hint("Free some space: `docker system df` shows what uses it.")
    } else if has(&[
        "manifest unknown",
        "not found: manifest",
        "manifest for",
        "no such image",
        "tag does not exist",
    ]) {
        Problem::new(Code::ImageNotFound, format!("The registry has no image {name}."))
            .hint("Check the name and the tag, or choose another image with --image.")
    } else if has(&["no matching manifest"]) {
        Problem::new(Code::ImageNotFound, format!("{name} does not exist for this machine's processor."))
            .hint("Choose another image with --image.")
    } else if has(&["toomanyrequests", "rate limit"]) {
        Problem::new(
            Code::ImageDenied,
            format!("The registry has had too many requests and does not give {name} now."),
        )
        .hint("Wait a while, or log in with `docker login` for a higher limit.")
    } else if has(&["unauthorized", "denied", "authentication required", "no basic auth", "forbidden"]) {
        Problem::new(Code::ImageDenied, format!("The registry does not let this user have {name}.")).hint(
            "Log in with `docker login`, or check that the name is right: a registry says the same for both.",
        )
    } else if has(&[
        "dial tcp",
        "no such host",
        "lookup ",
        "i/o timeout",
        "connection refused",
        "network is",
        "tls",
        "eof",
        "x509",
    ]) {
        Problem::new(Code::ImageUnreachable, format!("The registry of {name} cannot be reached."))
            .hint("Look at this machine's network or Docker's proxy settings. An image that is already here is used without asking.")
    } else {
        Problem::new(Code::ImageUnreachable, format!("{name} could not be pulled."))
            .hint("The detail holds Docker's own words.")
    };
    problem.detail(bounded(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        assert_eq!(with_tag("node"), "node:latest");
        assert_eq!(with_tag("host:5000/a/node"), "host:5000/a/node:latest");
        assert_eq!(with_tag("node:24-alpine"), "node:24-alpine");
        assert_eq!(with_tag("node@sha256:00"), "node@sha256:00");
    }

    #[test]
    fn a_failed_pull_says_why() {
        for (words, code) in [
            ("manifest for node:99 not found: manifest unknown: manifest unknown", Code::ImageNotFound),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", Code::ImageNotFound),
            (
                "pull access denied for x, repository does not exist or may require 'docker login'",
                Code::ImageDenied,
            ),
            ("Head \"https://r/v2/x/manifests/1\": no basic auth credentials", Code::ImageDenied),
            ("toomanyrequests: You have reached your pull rate limit", Code::ImageDenied),
            (
                "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.2:53: no such host",
                Code::ImageUnreachable,
            ),
            ("Get \"https://r/v2/\": x509: certificate signed by unknown authority", Code::ImageUnreachable),
            ("write /var/lib/docker/tmp/x: no space left on device", Code::DiskFull),
        ] {
            assert_eq!(pull_failure("x", words).code, code, "{words}");
        }
    }
}
