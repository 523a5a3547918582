//! Writing a snapshot to one file: as a stream from the Docker engine, under a temporary name, and renamed when it is whole.

use flate2::{Compression, write::GzEncoder};
use futures_util::StreamExt;
use slipway_wire::{Code, Problem, SnapshotExport, SnapshotFile, SnapshotProgress, SnapshotWork};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    Busy, cancelled,
    file::{
        Digesting, IMAGE, MANIFEST, MOST_BYTES, MOST_PARTS, MOST_TEXT, Manifest, PARTS, Parts, SUMS, Sums,
        append, is_part,
    },
    layer::{is_foreign, too_large},
    mark,
    pipe::{FedReader, feed},
    unfinished::{Note, PREFIX},
    usable,
};
use crate::shared::Shared;

/// Exports a snapshot. When the asker goes away it is called off, and nothing is left.
pub(crate) async fn export(shared: &Arc<Shared>, request: SnapshotExport) -> Result<SnapshotFile, Problem> {
    shared.docker.first_look().await;
    let docker = shared.docker.current()?;
    let record = usable(shared, &request.id)?;
    let target = target(&request)?;
    // None that large is imported.
    if record.bytes > MOST_BYTES {
        return Err(too_large());
    }
    let progress = SnapshotProgress {
        work: SnapshotWork::Export,
        done: 0,
        total: Some(record.bytes).filter(|bytes| *bytes > 0),
        path: Some(request.path.clone()),
    };
    let busy = Busy::begin(shared, &request.id, Some(progress.clone()))?;
    busy.publish();
    let image = docker.snapshot(&mark(shared, &request.id)).await?;
    let image = image.ok_or_else(|| Problem::new(Code::NotFound, "The snapshot's image is gone."))?;
    let manifest = serde_json::to_vec_pretty(&Manifest::of(record.seed))
        .map_err(|e| Problem::new(Code::Internal, format!("The snapshot could not be described: {e}.")))?;
    let (feed, reader) = feed();
    let (data, overwrite) = (shared.config.data_dir.clone(), request.overwrite);
    // Dropped with this future, the feed breaks off, and the thread removes what it has written.
    let written =
        tokio::task::spawn_blocking(move || write_file(&data, &target, overwrite, &manifest, reader));
    let mut saved = std::pin::pin!(docker.save(&image.base.id));
    let mut done = 0;
    let fed = async {
        while let Some(chunk) = saved.next().await {
            let chunk = chunk?;
            done += chunk.len() as u64;
            busy.tell(SnapshotProgress { done, ..progress.clone() });
            if !feed.send(chunk).await {
                return Ok(None);
            }
        }
        Ok(Some(feed))
    };
    let fed = busy.cancel.run_until_cancelled(fed).await.unwrap_or_else(|| Err(cancelled()));
    match fed {
        Ok(Some(feed)) => {
            feed.end().await;
            thread(written).await
        }
        // The thread ended before the archive did, and knows why.
        Ok(None) => thread(written).await,
        Err(problem) => {
            // It must have removed its file before anybody is told that nothing is left.
            let _why_it_broke_off_is_known = written.await;
            Err(problem)
        }
    }
}

async fn thread<T>(work: tokio::task::JoinHandle<Result<T, Problem>>) -> Result<T, Problem> {
    work.await.map_err(|e| Problem::new(Code::Internal, format!("The export broke: {e}.")))?
}

/// The file to write: absolute, in a folder that is there, in nobody's way.
fn target(request: &SnapshotExport) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(&request.path);
    let wrong = |why: &str| Problem::new(Code::Invalid, format!("{} {why}.", path.display()));
    if !path.is_absolute()
        || path.components().any(|part| part == Component::ParentDir)
        || path.file_name().is_none()
    {
        return Err(wrong("is not the absolute path of a file"));
    }
    if !path.parent().is_some_and(Path::is_dir) {
        return Err(Problem::new(Code::NotFound, format!("There is no folder for {}.", path.display()))
            .hint("Make the folder first."));
    }
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(wrong("is there already and is no plain file")),
        Ok(_) if !request.overwrite => {
            Err(Problem::new(Code::AlreadyExists, format!("{} is there already.", path.display()))
                .hint("Choose another name, or replace it: `slipway snapshot export --overwrite`."))
        }
        _ => Ok(path),
    }
}

fn write_file(
    data: &Path,
    target: &Path,
    overwrite: bool,
    manifest: &[u8],
    image: FedReader,
) -> Result<SnapshotFile, Problem> {
    let trouble = |e: io::Error| {
        let full = e.kind() == io::ErrorKind::StorageFull;
        let code = if full { Code::DiskFull } else { Code::Storage };
        let what = if full { "There is no room for" } else { "Slipway cannot write" };
        Problem::new(code, format!("{what} {}.", target.display()))
            .hint("Choose a folder with room that you may write to.")
            .detail(e.to_string())
    };
    let folder = target.parent().unwrap_or(Path::new("/"));
    // Dropped after the file.
    let mut _note = None;
    let create = |path: &Path| {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        _note = Some(Note::write(data, path)?);
        options.open(path)
    };
    let file = tempfile::Builder::new().prefix(PREFIX).make_in(folder, create).map_err(trouble)?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    write(manifest, image, &mut out).map_err(|failed| match failed {
        Failed::Io(e) => trouble(e),
        Failed::Problem(problem) => problem,
    })?;
    let file = out.into_inner().map_err(|e| trouble(e.into_error()))?;
    file.as_file().sync_all().map_err(trouble)?;
    let bytes = file.as_file().metadata().map_err(trouble)?.len();
    if overwrite {
        file.persist(target).map_err(|e| trouble(e.error))?;
    } else {
        file.persist_noclobber(target).map_err(|e| trouble(e.error))?;
    }
    Ok(SnapshotFile { path: target.display().to_string(), bytes })
}

pub(super) enum Failed {
    Io(io::Error),
    Problem(Problem),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Turns what `docker save` gives into our file.
fn write(manifest: &[u8], image: impl Read, out: impl Write) -> Result<(), Failed> {
    let mut tar = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    append(&mut tar, MANIFEST, manifest.len() as u64, manifest)?;
    let mut sums = Sums::new();
    // A layer that is in the image twice is saved once, and a link.
    let mut links = HashMap::new();
    let mut parts = None;
    let mut total = manifest.len() as u64;
    let mut saved = tar::Archive::new(image);
    for entry in saved.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
        let kind = entry.header().entry_type();
        if path == "manifest.json" {
            let mut text = Vec::new();
            (&mut entry).take(MOST_TEXT).read_to_end(&mut text)?;
            parts = Some(Parts::read(&text).map_err(Failed::Problem)?);
        } else if kind.is_symlink() || kind.is_hard_link() {
            let to = entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned();
            links.insert(path.clone(), if kind.is_symlink() { beside(&path, &to) } else { to });
        } else if kind.is_file() && is_wanted(&path) {
            let name = format!("{IMAGE}{path}");
            if !is_part(&name) {
                let text = format!("Docker gives the image a part called {path:?}.");
                return Err(Failed::Problem(Problem::new(Code::Internal, text)));
            }
            let size = entry.size();
            total = total.saturating_add(size);
            if total > MOST_BYTES {
                return Err(Failed::Problem(too_large()));
            }
            if sums.len() >= MOST_PARTS {
                let text = format!("The snapshot's image has more than {MOST_PARTS} parts.");
                return Err(Failed::Problem(Problem::new(Code::Refused, text).hint(
                    "None such can be imported again: deploy the project anew, and take the snapshot of that.",
                )));
            }
            let mut counted = Digesting::new(entry);
            let mut start = Vec::new();
            (&mut counted).take(8).read_to_end(&mut start)?;
            if is_foreign(&start) {
                return Err(Failed::Problem(unreadable()));
            }
            append(&mut tar, &name, size, start.as_slice().chain(&mut counted))?;
            sums.insert(name, counted.sum());
        }
    }
    let missing = |what: &str| {
        Failed::Problem(Problem::new(Code::Internal, format!("Docker gave the image without {what}.")))
    };
    let mut parts = parts.ok_or_else(|| missing("a list of its parts"))?;
    parts.tags = None;
    for name in parts.layers.iter_mut().chain([&mut parts.config]) {
        if let Some(to) = links.get(name) {
            name.clone_from(to);
        }
        if !sums.contains_key(&format!("{IMAGE}{name}")) {
            return Err(missing(name));
        }
    }
    let text = serde_json::to_vec(&[parts]).map_err(io::Error::other)?;
    append(&mut tar, PARTS, text.len() as u64, text.as_slice())?;
    let text = serde_json::to_vec_pretty(&sums).map_err(io::Error::other)?;
    append(&mut tar, SUMS, text.len() as u64, text.as_slice())?;
    tar.into_inner()?.finish()?.flush()?;
    Ok(())
}

fn unreadable() -> Problem {
    let text =
        "A layer of the snapshot's image is compressed in a way Slipway does not read (zstd, xz or bzip2).";
    Problem::new(Code::Refused, text).hint(
        "Deploy the project with an image whose layers are gzip-compressed, and take the snapshot of that.",
    )
}

/// Not what only older or other readers of such archives need.
fn is_wanted(path: &str) -> bool {
    !matches!(path, "repositories" | "index.json" | "oci-layout")
        && !path.ends_with("/json")
        && !path.ends_with("/VERSION")
}

/// Where a link beside `path` leads.
fn beside(path: &str, to: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    fn saved(entries: &[(&str, &str)], link: Option<(&str, &str)>) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in entries {
            append(&mut tar, name, text.len() as u64, text.as_bytes()).unwrap();
        }
        if let Some((name, to)) = link {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, to).unwrap();
        }
        tar.into_inner().unwrap()
    }

    const LIST: &str = r#"[{"Config":"c.json","RepoTags":["x:y"],"Layers":["a/layer.tar","b/layer.tar"]}]"#;

    #[test]
    fn what_docker_saves_becomes_our_file() {
        let image = saved(
            &[
                ("a/VERSION", "1.0"),
                ("a/json", "{}"),
                ("a/layer.tar", "layer"),
                ("c.json", "{}"),
                ("manifest.json", LIST),
                ("repositories", "{}"),
            ],
            Some(("b/layer.tar", "../a/layer.tar")),
        );
        let mut out = Vec::new();
        assert!(write(b"{}", image.as_slice(), &mut out).is_ok());
        let mut names = Vec::new();
        let mut tar = tar::Archive::new(GzDecoder::new(out.as_slice()));
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            if name == PARTS {
                let parts = Parts::read(text.as_bytes()).unwrap();
                assert_eq!((parts.layers, parts.tags), (vec!["a/layer.tar".to_owned(); 2], None));
            }
            names.push(name);
        }
        assert_eq!(names, [MANIFEST, "image/a/layer.tar", "image/c.json", PARTS, SUMS]);
    }

    #[test]
    fn what_could_not_be_imported_again_is_not_exported() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a/layer.tar").unwrap();
        header.set_size(MOST_BYTES + 1);
        header.set_cksum();
        let names: Vec<String> = (0..=MOST_PARTS).map(|number| format!("part{number}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        for image in [header.as_bytes().to_vec(), saved(&many, None)] {
            let Err(Failed::Problem(problem)) = write(b"{}", image.as_slice(), io::sink()) else {
                panic!("it was written")
            };
            assert_eq!(problem.code, Code::Refused);
            assert!(problem.hint.is_some());
        }
    }

    #[test]
    fn an_image_that_is_not_whole_is_no_file() {
        let without_layer =
            saved(&[("a/layer.tar", "layer"), ("c.json", "{}"), ("manifest.json", LIST)], None);
        let without_list = saved(&[("a/layer.tar", "layer")], None);
        let mut cut = saved(&[("a/layer.tar", &"x".repeat(5000))], None);
        cut.truncate(2000);
        let mut zstd = saved(&[("a/layer.tar", "zstd"), ("c.json", "{}"), ("manifest.json", LIST)], None);
        zstd[512..516].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
        for image in [without_layer, without_list, cut, zstd] {
            assert!(write(b"{}", image.as_slice(), io::sink()).is_err());
        }
    }
}
