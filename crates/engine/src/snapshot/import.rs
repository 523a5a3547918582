//! Reading a snapshot from a file. All of it is checked before the Docker engine gets any of it; then the engine gets an
//! archive of our own making, with the file's layers and nothing else of the file.

use flate2::bufread::GzDecoder;
use slipway_wire::{Code, Problem, Snapshot, SnapshotImport, SnapshotProgress, SnapshotWork};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    Busy, SnapshotRecord, Stand, cancelled,
    file::{
        Config, Digesting, MANIFEST, MOST_BYTES, MOST_KEPT, MOST_PARTS, MOST_TEXT, Manifest, PARTS, Parts,
        SUMS, Sum, Sums, append, damaged, is_part, not_ours, unread,
    },
    finish, free_id, free_name,
    layer::{self, Budget, Layer, too_large},
    mark,
    pipe::{StreamWriter, stream},
    seed, undo,
};
use crate::{docker::Docker, resources, shared::Shared};

/// Imports a snapshot. When the asker goes away it is called off, and nothing is left.
pub(crate) async fn import(shared: &Arc<Shared>, request: SnapshotImport) -> Result<Snapshot, Problem> {
    shared.docker.first_look().await;
    let docker = shared.docker.current()?;
    super::room_for_another(shared)?;
    let wanted = request.name.as_deref().map(seed::check_name).transpose()?;
    let path = PathBuf::from(&request.path);
    let (file, manifest) = blocking(move || open(&path)).await?;
    let name = free_name(shared, wanted.as_deref().unwrap_or(&manifest.snapshot.name))?;
    let id = free_id(shared, &name)?;
    let mut record = SnapshotRecord {
        id: id.clone(),
        stand: Stand::Making,
        seed: manifest.snapshot,
        bytes: 0,
        env: BTreeMap::new(),
        check: None,
    };
    record.seed.name = name;
    let progress =
        SnapshotProgress { work: SnapshotWork::Check, done: 0, total: None, path: Some(request.path) };
    let busy = Arc::new(Busy::begin(shared, &id, Some(progress.clone()))?);
    let _called_off_with_the_asker = busy.cancel.clone().drop_guard();
    if !shared.store.snapshot_add(&record)? {
        return Err(super::taken(&record.seed.name));
    }
    busy.publish();
    // A task of its own: what was begun is taken back also when the asker is gone.
    let job = Job { shared: shared.clone(), docker, busy, progress, force: request.force };
    let done = shared.tracker.spawn(job.run(file, record));
    done.await.map_err(|e| Problem::new(Code::Internal, format!("The import broke: {e}.")))??;
    super::status(shared, &id)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Problem::new(Code::Internal, format!("The import broke: {e}.")))?
}

struct Job {
    shared: Arc<Shared>,
    docker: Docker,
    busy: Arc<Busy>,
    progress: SnapshotProgress,
    force: bool,
}

impl Job {
    async fn run(self, file: File, record: SnapshotRecord) -> Result<(), Problem> {
        let (shared, docker) = (self.shared.clone(), self.docker.clone());
        let given = self.give(file, &record).await;
        let whole = if self.busy.cancel.is_cancelled() { Err(cancelled()) } else { given };
        if let Err(problem) = whole {
            undo(&shared, &docker, record).await;
            return Err(problem);
        }
        finish(&shared, &docker, record).await
    }

    /// Tells how far a step is, from a thread; an error when it was called off.
    fn teller(&self, work: SnapshotWork, total: u64) -> impl FnMut(u64) -> io::Result<()> + Send + use<> {
        let (busy, progress) = (self.busy.clone(), self.progress.clone());
        move |done| {
            busy.tell(SnapshotProgress { work, done, total: Some(total), ..progress.clone() });
            called_off(&busy.cancel)
        }
    }

    async fn give(&self, file: File, record: &SnapshotRecord) -> Result<(), Problem> {
        let size = file.metadata().map_or(0, |meta| meta.len());
        let tell = self.teller(SnapshotWork::Check, size);
        let (file, checked) = {
            let budget = Budget::new(MOST_BYTES, self.busy.cancel.clone());
            blocking(move || check(file, budget, tell)).await?
        };
        // Said now rather than by an image that no agent of ours can be put into.
        self.shared.agents.mark(&checked.config.architecture, self.shared.agents.trust(false))?;
        if !self.force {
            let doing = "slipway snapshot import";
            // Docker keeps all it is given until it has unpacked it.
            let room = checked.disk.saturating_mul(2);
            resources::room_to_keep(&self.shared, &self.docker, room, doing).await?;
        }
        let mark = mark(&self.shared, &record.id);
        let config = checked.config.ours(&mark.labels(&record.seed.to_text()?), &record.seed.root);
        let reference = mark.reference();
        let tell = self.teller(SnapshotWork::Import, checked.given_bytes());
        let (out, pieces) = stream();
        let fed = tokio::task::spawn_blocking(move || feed(file, &checked, &config, &reference, out, tell));
        let loaded = self.docker.load(ReceiverStream::new(pieces)).await;
        let fed = fed.await.map_err(|e| Problem::new(Code::Internal, format!("The import broke: {e}.")))?;
        // Ours is why it broke off; Docker's is that it did.
        match (fed, loaded) {
            (Err(Fed::Ours(problem)), _) | (_, Err(problem)) => Err(problem),
            (Err(Fed::Docker), Ok(())) => {
                Err(Problem::new(Code::Internal, "Docker did not read all of the image."))
            }
            (Ok(()), Ok(())) => Ok(()),
        }
    }
}

fn called_off(cancel: &CancellationToken) -> io::Result<()> {
    if cancel.is_cancelled() { Err(io::Error::other(cancelled())) } else { Ok(()) }
}

/// Opens the file and reads its first entry: what is not ours is refused before anything is begun.
fn open(path: &Path) -> Result<(File, Manifest), Problem> {
    let unreadable = |e: io::Error| {
        let code = if e.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::Refused };
        Problem::new(code, format!("{} cannot be read.", path.display()))
            .hint("Check the path and that you may read it.")
            .detail(e.to_string())
    };
    if !path.is_absolute() {
        return Err(Problem::new(Code::Invalid, format!("{} is not an absolute path.", path.display())));
    }
    // Before it is opened: opening a pipe would wait for somebody to write.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(not_ours());
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(&file)));
    let first = tar.entries().ok().and_then(|entries| entries.raw(true).next());
    let Some(Ok(mut entry)) = first else { return Err(not_ours()) };
    if name_of(&entry) != Some(MANIFEST) || !entry.header().entry_type().is_file() {
        return Err(not_ours());
    }
    let text = text_of(&mut entry).map_err(|_| not_ours())?;
    let manifest = Manifest::read(&text)?;
    drop(entry);
    drop(tar);
    file.rewind().map_err(unreadable)?;
    Ok((file, manifest))
}

/// The name as the header has it: names of other kinds are none of ours.
fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Option<&'static str> {
    // Borrowed from the header, which the entry lends: compared here, so that nothing foreign gets further.
    let name = entry.path_bytes();
    [MANIFEST, PARTS, SUMS].into_iter().find(|known| known.as_bytes() == &*name)
}

fn text_of(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(MOST_TEXT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_TEXT {
        return Err(io::Error::other("it is too long"));
    }
    Ok(text)
}

/// What is known of a file that was read to its end.
pub(super) struct Checked {
    config: Config,
    /// Layers in the image's order, by name in the archive.
    layers: Vec<String>,
    sums: Sums,
    /// What the layers take unpacked: one that is there twice is unpacked twice.
    disk: u64,
}

impl Checked {
    /// What Docker is given.
    fn given_bytes(&self) -> u64 {
        let unique: BTreeSet<&String> = self.layers.iter().collect();
        unique.into_iter().filter_map(|name| self.sums.get(name)).map(|sum| sum.bytes).sum()
    }
}

/// Counts what is read of the file itself.
struct Counted<'a, F> {
    file: BufReader<&'a File>,
    done: u64,
    tell: F,
}

impl<F: FnMut(u64) -> io::Result<()>> Read for Counted<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        (self.tell)(self.done)?;
        Ok(count)
    }
}

/// Reads all of it and checks every size, name and digest. Nothing is kept but descriptions.
fn check(
    file: File,
    mut budget: Budget,
    tell: impl FnMut(u64) -> io::Result<()>,
) -> Result<(File, Checked), Problem> {
    let counted = Counted { file: BufReader::with_capacity(256 * 1024, &file), done: 0, tell };
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(64 * 1024, counted)));
    let (mut seen, mut looked) = (Sums::new(), Looked::new());
    let mut texts = BTreeMap::new();
    let (mut total, mut list, mut sums) = (0_u64, None, None);
    for entry in tar.entries().map_err(|e| unread(&e))?.raw(true) {
        let mut entry = entry.map_err(|e| unread(&e))?;
        if sums.is_some() {
            return Err(damaged("something comes after its end"));
        }
        total = total.saturating_add(entry.size());
        if total > MOST_BYTES {
            return Err(too_large());
        }
        if !entry.header().entry_type().is_file() {
            return Err(damaged("it holds something other than files"));
        }
        match name_of(&entry) {
            // Read when the file was opened.
            Some(MANIFEST) if seen.is_empty() => drop(text_of(&mut entry).map_err(|e| unread(&e))?),
            Some(PARTS) if list.is_none() => {
                list = Some(Parts::read(&text_of(&mut entry).map_err(|e| unread(&e))?)?);
            }
            Some(SUMS) => {
                let text = text_of(&mut entry).map_err(|e| unread(&e))?;
                let read: Sums =
                    serde_json::from_slice(&text).map_err(|_| damaged("its sums cannot be read"))?;
                sums = Some(read);
            }
            _ => {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                if !is_part(&name) || name == PARTS || seen.contains_key(&name) || seen.len() >= MOST_PARTS {
                    return Err(damaged("it holds what does not belong into it"));
                }
                let keep = texts.len() < MOST_KEPT;
                let part = read_part(&mut entry, keep, &mut budget).map_err(|e| unread(&e))?;
                texts.extend(part.text.map(|text| (name.clone(), text)));
                looked.insert(name.clone(), part.layer);
                seen.insert(name, part.sum);
            }
        }
    }
    // To the end of the compressed bytes: their own checksum comes last.
    let mut rest = tar.into_inner();
    let mut tail = Vec::new();
    (&mut rest).take(64 * 1024).read_to_end(&mut tail).map_err(|e| unread(&e))?;
    let mut beyond = [0];
    if tail.iter().any(|byte| *byte != 0) || rest.get_mut().read(&mut beyond).map_err(|e| unread(&e))? != 0 {
        return Err(damaged("something comes after its end"));
    }
    drop(rest);
    let (Some(list), Some(sums)) = (list, sums) else { return Err(damaged("it is cut short")) };
    if sums != seen {
        return Err(damaged("a part is not what was written"));
    }
    let checked = put_together(&list, sums, &looked, &texts)?;
    Ok((file, checked))
}

/// Every part, as a layer: which of them are is said last.
type Looked = BTreeMap<String, Result<Layer, Problem>>;

struct Part {
    sum: Sum,
    layer: Result<Layer, Problem>,
    /// All of it when it is short and was to be kept.
    text: Option<Vec<u8>>,
}

fn read_part(entry: &mut impl Read, keep: bool, budget: &mut Budget) -> io::Result<Part> {
    let mut digesting = Digesting::new(entry);
    let mut text = Vec::new();
    (&mut digesting).take(MOST_TEXT).read_to_end(&mut text)?;
    let layer = layer::look(text.as_slice().chain(&mut digesting), &text, budget)?;
    io::copy(&mut digesting, &mut io::sink())?;
    let sum = digesting.sum();
    let whole = sum.bytes == text.len() as u64;
    Ok(Part { sum, layer, text: Some(text).filter(|text| keep && whole && text.first() == Some(&b'{')) })
}

fn put_together(
    list: &Parts,
    sums: Sums,
    looked: &Looked,
    texts: &BTreeMap<String, Vec<u8>>,
) -> Result<Checked, Problem> {
    let full = |name: &String| format!("image/{name}");
    let text =
        texts.get(&full(&list.config)).ok_or_else(|| damaged("its image's configuration is missing"))?;
    let config = Config::read(text, list.layers.len())?;
    let layers: Vec<String> = list.layers.iter().map(full).collect();
    let mut disk = 0_u64;
    for (name, digest) in layers.iter().zip(config.digests()) {
        let (Some(sum), Some(layer)) = (sums.get(name), looked.get(name)) else {
            return Err(damaged("a layer is missing"));
        };
        let layer = layer.as_ref().map_err(Problem::clone)?;
        // Docker digests a compressed layer when it has unpacked it.
        if layer.sha256.as_ref().unwrap_or(&sum.sha256) != digest {
            return Err(damaged("a layer is not the one its image names"));
        }
        disk = disk.saturating_add(layer.disk);
    }
    if disk > MOST_BYTES {
        return Err(too_large());
    }
    Ok(Checked { config, layers, sums, disk })
}

enum Fed {
    Ours(Problem),
    /// Docker stopped reading, and says itself why.
    Docker,
}

/// Writes what `docker load` takes: the layers, digested again, under names of ours, and our own description.
fn feed(
    mut file: File,
    checked: &Checked,
    config: &str,
    reference: &str,
    out: StreamWriter,
    mut tell: impl FnMut(u64) -> io::Result<()>,
) -> Result<(), Fed> {
    let mut tar = tar::Builder::new(out);
    let written = write_image(&mut file, checked, config, reference, &mut tar, &mut tell);
    let failed = match written.and_then(|()| tar.finish()).and_then(|()| tar.get_mut().flush()) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Fed::Docker),
        Err(error) => unread(&error),
    };
    // Docker must not take for whole what is not: neither is the archive ended.
    tar.get_mut().fail(&failed.message);
    Err(Fed::Ours(failed))
}

fn write_image(
    file: &mut File,
    checked: &Checked,
    config: &str,
    reference: &str,
    tar: &mut tar::Builder<StreamWriter>,
    tell: &mut impl FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    file.rewind()?;
    let mut names = BTreeMap::new();
    for name in &checked.layers {
        let number = names.len();
        names.entry(name.as_str()).or_insert_with(|| format!("{number}/layer.tar"));
    }
    let mut source = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(256 * 1024, &*file)));
    let mut done = 0;
    for entry in source.entries()?.raw(true) {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (Some(ours), Some(sum)) = (names.get(name.as_str()), checked.sums.get(&name)) else { continue };
        let changed = || io::Error::other(damaged("it changed while it was read"));
        // What is longer than its header says would be read as headers.
        if entry.size() != sum.bytes {
            return Err(changed());
        }
        let before = done;
        let mut telling = Telling { inner: Digesting::new(entry), tell: |bytes| tell(before + bytes) };
        append(tar, ours, sum.bytes, &mut telling)?;
        done += sum.bytes;
        if telling.inner.sum() != *sum {
            return Err(changed());
        }
    }
    append(tar, "config.json", config.len() as u64, config.as_bytes())?;
    let layers: Vec<&String> = checked.layers.iter().filter_map(|name| names.get(name.as_str())).collect();
    let list = serde_json::json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": layers }])
        .to_string();
    append(tar, "manifest.json", list.len() as u64, list.as_bytes())
}

struct Telling<T, F> {
    inner: Digesting<T>,
    tell: F,
}

impl<T: Read, F: FnMut(u64) -> io::Result<()>> Read for Telling<T, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.tell)(self.inner.bytes)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(layers: &[&str]) -> Vec<u8> {
        let ids: Vec<String> = layers.iter().map(|digest| format!("sha256:{digest}")).collect();
        serde_json::json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": ids } })
            .to_string()
            .into_bytes()
    }

    fn checked(bytes: u64, disk: u64, times: usize) -> Result<Checked, Problem> {
        let digest = "0a".repeat(32);
        let list =
            Parts { config: "c".to_owned(), tags: None, layers: vec!["a/layer.tar".to_owned(); times] };
        put_together(
            &list,
            [("image/a/layer.tar".to_owned(), Sum { bytes, sha256: digest.clone() })].into(),
            &[("image/a/layer.tar".to_owned(), Ok(Layer { disk, sha256: None }))].into(),
            &[("image/c".to_owned(), config(&vec![digest.as_str(); times]))].into(),
        )
    }

    #[test]
    fn a_layer_that_is_there_often_is_unpacked_as_often() {
        let twice = checked(10, 4096, 2).unwrap();
        assert_eq!((twice.given_bytes(), twice.disk), (10, 8192));
        assert_eq!(checked(10, MOST_BYTES / 2 + 1, 2).err(), Some(too_large()));
    }

    #[test]
    fn a_part_that_grew_since_it_was_checked_writes_nothing() {
        let mut file = tempfile::tempfile().unwrap();
        let packed = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
        let mut tar = tar::Builder::new(packed);
        append(&mut tar, "image/a/layer.tar", 2048, [7; 2048].as_slice()).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let (out, mut pieces) = stream();
        let fed = feed(file, &checked(512, 4096, 1).unwrap(), "{}", "x:y", out, |_| Ok(()));
        let Err(Fed::Ours(problem)) = fed else { panic!("it was written") };
        assert_eq!(problem.code, Code::Refused);
        assert!(pieces.blocking_recv().unwrap().is_err(), "not a byte of it, nor an end");
        assert!(pieces.blocking_recv().is_none());
    }
}
