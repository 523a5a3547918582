//! Snapshots as the Docker engine has them: images with our labels and our tag. A snapshot is *both*: an image that only
//! looks like one, by its name or by some of the labels, is never taken for ours and never touched.

use bollard::{
    models::{ContainerConfig, ImageSummary},
    query_parameters::{
        CommitContainerOptions, ImportImageOptions, InspectContainerOptions, ListImagesOptions,
        RemoveImageOptions,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use slipway_wire::{Code, Problem, SnapshotId};
use std::{collections::HashMap, time::Duration};

use super::{
    Docker, bounded,
    container::{INSTANCE, ROLE, WORKSPACE},
    image::BaseImage,
    is_missing,
    prepared::{AGENT, BASE, DIGEST},
    problem, status_of,
};

/// What images that are snapshots carry as `slipway.role`.
pub(crate) const ROLE_SNAPSHOT: &str = "snapshot";
const SNAPSHOT: &str = "slipway.snapshot";
const SEED: &str = "slipway.snapshot.seed";
/// Committing and loading answer only when they are done, and gigabytes take their time.
pub(crate) const PATIENCE: Duration = Duration::from_hours(2);

/// What an image must carry to be a certain snapshot of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotMark<'a> {
    pub(crate) instance: &'a str,
    pub(crate) id: &'a SnapshotId,
}

impl SnapshotMark<'_> {
    /// Its name at the Docker engine.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.repository(), self.id)
    }

    fn repository(&self) -> String {
        format!("slipway-snapshot/{}", self.instance)
    }

    /// Its labels. Those that the image of a workspace has for other purposes are emptied: nobody can take them away.
    pub(crate) fn labels(&self, seed: &str) -> HashMap<String, String> {
        let set = [
            (INSTANCE, self.instance),
            (ROLE, ROLE_SNAPSHOT),
            (SNAPSHOT, self.id.as_str()),
            (SEED, seed),
            (WORKSPACE, ""),
            (BASE, ""),
            (DIGEST, ""),
        ];
        set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// A snapshot that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotImage {
    pub(crate) base: BaseImage,
    /// Which agent and certificates are in it, as [`super::Agents::mark`] says it; empty: it is not known.
    pub(crate) agent: String,
    /// Bytes, with the parts it shares with others.
    pub(crate) bytes: u64,
    /// What it says it needs to be started again: foreign text.
    pub(crate) seed: String,
}

impl Docker {
    /// For what answers late.
    fn patient(&self) -> bollard::Docker {
        self.api.clone().with_timeout(PATIENCE)
    }

    /// Makes an image of a container's file system, everything in it standing still meanwhile. Once begun it cannot be
    /// called off: the engine finishes it whether or not somebody waits.
    pub(crate) async fn commit(
        &self,
        container: &str,
        mark: &SnapshotMark<'_>,
        seed: &str,
    ) -> Result<(), Problem> {
        let options = CommitContainerOptions {
            container: Some(container.to_owned()),
            repo: Some(mark.repository()),
            tag: Some(mark.id.to_string()),
            // A container that is paused already stays so; one that is not goes on afterwards, by the engine's own hand.
            pause: true,
            ..Default::default()
        };
        let config = ContainerConfig { labels: Some(mark.labels(seed)), ..Default::default() };
        let made = self.patient().commit_container(options, config).await;
        made.map(|_| ()).map_err(|e| problem("taking the snapshot", &e))
    }

    /// A certain snapshot, if the engine has it and it carries all that makes it ours.
    pub(crate) async fn snapshot(&self, mark: &SnapshotMark<'_>) -> Result<Option<SnapshotImage>, Problem> {
        let doing = "looking for the snapshot";
        let image = match self.api.inspect_image(&mark.reference()).await {
            Err(e) if is_missing(&e) => return Ok(None),
            found => found.map_err(|e| problem(doing, &e))?,
        };
        let mut labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        let Some(id) = image.id.filter(|_| carries(&labels, mark)) else { return Ok(None) };
        Ok(Some(SnapshotImage {
            base: BaseImage {
                id,
                arch: image.architecture.unwrap_or_else(|| "amd64".to_owned()),
                check: None,
            },
            agent: labels.remove(AGENT).unwrap_or_default(),
            bytes: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            seed: labels.remove(SEED).unwrap_or_default(),
        }))
    }

    /// Every snapshot of an instance, by its labels and its tag; and images with our labels and no tag, which may be
    /// ours or somebody's who built upon one: labels are inherited.
    pub(crate) async fn snapshots(
        &self,
        instance: &str,
    ) -> Result<(Vec<SnapshotId>, Vec<(SnapshotId, String)>), Problem> {
        let labels = vec![format!("{INSTANCE}={instance}"), format!("{ROLE}={ROLE_SNAPSHOT}")];
        let options = ListImagesOptions {
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..Default::default()
        };
        let listed = self.api.list_images(Some(options)).await;
        let listed = listed.map_err(|e| problem("listing snapshots", &e))?;
        let (mut tagged, mut untagged) = (Vec::new(), Vec::new());
        for image in listed {
            match kind_of(&image, instance) {
                Kind::Tagged(id) => tagged.push(id),
                Kind::Untagged(id) => untagged.push((id, image.id)),
                Kind::Foreign => {}
            }
        }
        Ok((tagged, untagged))
    }

    /// Removes a snapshot and what was prepared of it. One that is gone is fine; one that a container uses is refused.
    pub(crate) async fn remove_snapshot(&self, mark: &SnapshotMark<'_>) -> Result<(), Problem> {
        if self.snapshot(mark).await?.is_none() {
            return Ok(());
        }
        let reference = mark.reference();
        let labels = vec![format!("{INSTANCE}={}", mark.instance), format!("{BASE}={reference}")];
        let options = ListImagesOptions {
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..Default::default()
        };
        let prepared = self.api.list_images(Some(options)).await;
        for image in prepared.map_err(|e| problem("listing prepared images", &e))? {
            // The filter is the daemon's word.
            let ours = |name: &str, value: &str| image.labels.get(name).is_some_and(|v| v == value);
            if ours(INSTANCE, mark.instance)
                && ours(BASE, &reference)
                && !self.remove_image(&image.id).await?
            {
                return Err(in_use());
            }
        }
        let options = RemoveImageOptions { force: false, noprune: false, ..Default::default() };
        match self.api.remove_image(&reference, Some(options), None).await {
            Err(e) if is_missing(&e) => Ok(()),
            Err(e) if status_of(&e) == Some(409) => Err(in_use().detail(bounded(&e.to_string()))),
            Err(e) => Err(problem("deleting the snapshot", &e)),
            Ok(_) => Ok(()),
        }
    }

    /// The image as `docker save` writes it: a tar archive.
    pub(crate) fn save(&self, image: &str) -> impl Stream<Item = Result<Bytes, Problem>> + Send + use<> {
        self.patient().export_image(image).map(|chunk| chunk.map_err(|e| problem("reading the snapshot", &e)))
    }

    /// Gives the engine images as `docker load` takes them. When `archive` ends with an error nothing comes of it.
    pub(crate) async fn load(
        &self,
        archive: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    ) -> Result<(), Problem> {
        let options = ImportImageOptions { quiet: true, ..Default::default() };
        let api = self.patient();
        let mut told = std::pin::pin!(api.import_image_stream(options, archive, None));
        while let Some(line) = told.next().await {
            let refused = |words: &str| {
                if words.to_lowercase().contains("no space left on device") {
                    return Problem::new(
                        Code::DiskFull,
                        "There is no room for the snapshot on the Docker engine's disk.",
                    )
                    .hint("Free some space: `docker system df` shows what uses it.")
                    .detail(bounded(words));
                }
                Problem::new(Code::Refused, "The Docker engine does not take the image in the file.")
                    .hint("Export the snapshot again where it was made.")
                    .detail(bounded(words))
            };
            match line {
                Err(bollard::errors::Error::DockerStreamError { error }) => return Err(refused(&error)),
                Err(e @ bollard::errors::Error::DockerResponseServerError { .. }) => {
                    return Err(refused(&e.to_string()));
                }
                Err(e) => return Err(problem("giving the snapshot to the Docker engine", &e)),
                Ok(info) => {
                    if let Some(words) = info.error_detail.and_then(|detail| detail.message) {
                        return Err(refused(&words));
                    }
                }
            }
        }
        Ok(())
    }

    /// The folders of a container that lie in volumes: no image of it holds them.
    pub(crate) async fn volumes(&self, container: &str) -> Result<Vec<String>, Problem> {
        let found = self.api.inspect_container(container, None::<InspectContainerOptions>).await;
        let found = found.map_err(|e| problem("looking at the container", &e))?;
        let mounts = found.mounts.unwrap_or_default();
        Ok(mounts
            .into_iter()
            .filter(|mount| mount.typ.as_ref().map(ToString::to_string).as_deref() == Some("volume"))
            .filter_map(|mount| mount.destination)
            .collect())
    }
}

fn in_use() -> Problem {
    Problem::new(Code::WrongState, "A container still uses this snapshot.")
        .hint("Delete the workspaces that were started from it first; `docker ps -a` shows every container.")
}

/// Whether these are all the labels that make an image this snapshot.
fn carries(labels: &HashMap<String, String>, mark: &SnapshotMark<'_>) -> bool {
    [(INSTANCE, mark.instance), (ROLE, ROLE_SNAPSHOT), (SNAPSHOT, mark.id.as_str())]
        .iter()
        .all(|(name, value)| labels.get(*name).is_some_and(|v| v == value))
}

/// What an image with some of our labels is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A snapshot of ours, by all labels and the tag.
    Tagged(SnapshotId),
    /// All labels, and no tag.
    Untagged(SnapshotId),
    Foreign,
}

fn kind_of(image: &ImageSummary, instance: &str) -> Kind {
    let Some(id) = image.labels.get(SNAPSHOT).and_then(|id| id.parse::<SnapshotId>().ok()) else {
        return Kind::Foreign;
    };
    let mark = SnapshotMark { instance, id: &id };
    let reference = mark.reference();
    if !carries(&image.labels, &mark) {
        return Kind::Foreign;
    }
    let mut tags = image.repo_tags.iter().filter(|tag| *tag != "<none>:<none>").peekable();
    if tags.peek().is_none() {
        return Kind::Untagged(id);
    }
    if tags.any(|tag| *tag == reference) { Kind::Tagged(id) } else { Kind::Foreign }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_labels_and_the_tag_make_a_snapshot() {
        let id: SnapshotId = "shop-a1b2".parse().unwrap();
        let mark = SnapshotMark { instance: "inst", id: &id };
        let image = |labels: HashMap<String, String>, tags: &[&str]| ImageSummary {
            labels,
            repo_tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            ..Default::default()
        };
        let tag = "slipway-snapshot/inst:shop-a1b2";
        let ours = mark.labels("{}");
        assert_eq!(kind_of(&image(ours.clone(), &["x:y", tag]), "inst"), Kind::Tagged(id.clone()));
        assert_eq!(kind_of(&image(ours.clone(), &[]), "inst"), Kind::Untagged(id.clone()));
        assert_eq!(kind_of(&image(ours.clone(), &["<none>:<none>"]), "inst"), Kind::Untagged(id.clone()));
        assert_eq!(kind_of(&image(ours.clone(), &["slipway-snapshot/inst:other"]), "inst"), Kind::Foreign);
        assert_eq!(kind_of(&image(ours.clone(), &[tag]), "else"), Kind::Foreign);
        for name in [INSTANCE, ROLE, SNAPSHOT] {
            let mut less = ours.clone();
            less.remove(name);
            assert_eq!(kind_of(&image(less.clone(), &[tag]), "inst"), Kind::Foreign, "{name}");
            less.insert(name.to_owned(), "-wrong-".to_owned());
            assert_eq!(kind_of(&image(less, &[tag]), "inst"), Kind::Foreign, "{name}");
        }
    }
}
