//! Into a workspace: a file as it is, a folder as one zip that the agent unpacks with the checks of every other zip.
//! Links that point out of the folder and special files are left out with a note.

use super::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, Side, There, content_only};
use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
    text,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use slipway_wire::{Api as _, Code as Why, Mkdir, Problem};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};
use tokio_util::io::ReaderStream;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Read at once.
const CHUNK: usize = 256 * 1024;
/// The agent steps into the one folder at the top of a zip: so there always is one, and it is never the user's.
const WRAPPER: &str = "copied";

pub(crate) async fn run(session: &Session, source: Side, there: There) -> Result<Code, Failure> {
    match source {
        Side::Stream => {
            if there.is_folder() || there.folder {
                return Err(Failure::usage("Name the file that standard input becomes: WORKSPACE:PATH."));
            }
            // Its size must be known before it is sent.
            let file = tokio::task::spawn_blocking(spool).await.map_err(|e| internal(&e))??;
            file_up(session, &there, there.path.clone(), file, None).await?;
        }
        Side::Here(text) => {
            let path = PathBuf::from(&text);
            let found = fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
            if found.is_dir() {
                folder_up(session, &text, &path, there).await?;
            } else if found.is_file() {
                let target = into(&there, &path)?;
                let mode = mode(&found);
                let file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
                file_up(session, &there, target, file, mode).await?;
            } else {
                return Err(Failure::usage(format!("{text} is neither a file nor a folder.")));
            }
        }
        Side::There { .. } => return Err(Failure::usage("One side must be here.")),
    }
    Ok(Code::OK)
}

/// Where something named like `source` lands.
fn into(there: &There, source: &Path) -> Result<String, Failure> {
    if !there.is_folder() && !there.folder {
        return Ok(there.path.clone());
    }
    // `cp ..` has no name of its own but the folder it stands for has.
    let named = source.file_name().map_or_else(|| source.canonicalize(), |_| Ok(source.to_owned()))?;
    let name = named.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::usage(format!("{} has no name in UTF-8; name the target in full.", source.display()))
    })?;
    Ok(format!("{}/{name}", there.path.trim_end_matches('/')))
}

async fn file_up(
    session: &Session,
    there: &There,
    path: String,
    file: File,
    mode: Option<u32>,
) -> Result<(), Failure> {
    let size = file.metadata()?.len();
    let entry = session.client.write_file(&there.workspace.id, &path, mode, size, chunks(file)).await?;
    tracing::debug!(size = entry.size, "written");
    Ok(())
}

async fn folder_up(session: &Session, text: &str, path: &Path, there: There) -> Result<(), Failure> {
    if there.found.is_some() && !there.is_folder() {
        return Err(Problem::new(
            Why::AlreadyExists,
            format!("{} is there and is not a folder.", there.path),
        )
        .into());
    }
    let root =
        if content_only(text) || !there.is_folder() { there.path.clone() } else { into(&there, path)? };
    session.api.file_mkdir(Mkdir { id: there.workspace.id.clone(), path: root.clone() }).await?;
    let folder = path.to_owned();
    let packed = tokio::task::spawn_blocking(move || pack(&folder)).await.map_err(|e| internal(&e))??;
    for note in &packed.notes {
        out::note(&format!("Left out: {}", text::clean(note)));
    }
    if packed.entries == 0 {
        return Ok(());
    }
    let size = packed.zip.metadata()?.len();
    session.client.unpack(&there.workspace.id, &root, size, chunks(packed.zip)).await?;
    Ok(())
}

fn chunks(file: File) -> impl Stream<Item = Result<Bytes, Problem>> + Send + 'static {
    ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK).map(|chunk| {
        chunk.map_err(|e| Problem::new(Why::Storage, format!("The file could not be read: {e}.")))
    })
}

fn spool() -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let copied = io::copy(&mut io::stdin().lock().take(MAX_BYTES + 1), &mut file)?;
    if copied > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is over 64 GiB"));
    }
    file.rewind()?;
    Ok(file)
}

#[derive(Debug)]
struct Packed {
    zip: File,
    entries: u64,
    notes: Vec<String>,
}

struct Packer {
    zip: ZipWriter<File>,
    entries: u64,
    notes: Vec<String>,
}

fn pack(folder: &Path) -> Result<Packed, Failure> {
    let mut packer = Packer { zip: ZipWriter::new(tempfile::tempfile()?), entries: 0, notes: Vec::new() };
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    packer.zip.add_directory(WRAPPER, options).map_err(|e| unzippable(folder, &e))?;
    packer.folder(folder, WRAPPER, 0)?;
    let mut zip = packer.zip.finish().map_err(|e| unzippable(folder, &e))?;
    zip.rewind()?;
    Ok(Packed { zip, entries: packer.entries, notes: packer.notes })
}

impl Packer {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
            inside.push(entry.map_err(|e| unreadable(folder, &e))?.path());
        }
        // The same folder gives the same zip.
        inside.sort();
        for path in inside {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                return Err(Problem::new(
                    Why::Limit,
                    format!("{} holds too much to copy.", folder.display()),
                )
                .into());
            }
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
                Failure::usage(format!("The name of {} is not UTF-8; rename it first.", path.display()))
            })?;
            self.entry(&path, &format!("{prefix}/{name}"), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), Failure> {
        let found = fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
        let failed = |e: zip::result::ZipError| unzippable(path, &e);
        // Nothing is won by compressing for a socket on this machine.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(mode(&found).unwrap_or(0o644));
        if found.is_dir() {
            self.zip.add_directory(name, options).map_err(failed)?;
            self.folder(path, name, depth + 1)
        } else if found.is_file() {
            self.zip
                .start_file(name, options.large_file(found.len() >= u64::from(u32::MAX)))
                .map_err(failed)?;
            let file = File::open(path).map_err(|e| unreadable(path, &e))?;
            io::copy(&mut file.take(MAX_BYTES), &mut self.zip)?;
            Ok(())
        } else if found.is_symlink() {
            let target = fs::read_link(path).map_err(|e| unreadable(path, &e))?;
            match target.to_str().filter(|target| super::place::safe_target(target, depth)) {
                Some(target) => self.zip.add_symlink(name, target, options).map_err(failed)?,
                None => self.notes.push(format!("{} (a link out of the folder)", path.display())),
            }
            Ok(())
        } else {
            self.notes.push(format!("{} (not a file, folder or link)", path.display()));
            Ok(())
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other platforms have none")]
fn mode(found: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::mode(found) & 0o777)
}

#[cfg(not(unix))]
fn mode(_found: &fs::Metadata) -> Option<u32> {
    None
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { Why::NotFound } else { Why::Storage };
    Problem::new(code, format!("{} cannot be read: {error}.", path.display())).into()
}

fn unzippable(path: &Path, error: &zip::result::ZipError) -> Failure {
    Problem::new(Why::Storage, format!("{} cannot be packed: {error}.", path.display()))
        .hint("The temporary folder may be full.")
        .into()
}

fn internal(error: &tokio::task::JoinError) -> Problem {
    Problem::new(Why::Internal, format!("The copying broke off: {error}."))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{
        collections::BTreeMap,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    #[test]
    fn a_folder_is_packed_below_one_wrapper_without_what_points_out_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("dir");
        fs::create_dir_all(dir.join("sub/empty")).unwrap();
        fs::write(dir.join("sub/run.sh"), b"#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.join("sub/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../top", dir.join("sub/up")).unwrap();
        symlink("/etc/passwd", dir.join("out")).unwrap();
        symlink("../../x", dir.join("sub/out")).unwrap();
        let packed = pack(&dir).unwrap();
        let mut zip = zip::ZipArchive::new(packed.zip).unwrap();
        let mut found = BTreeMap::new();
        for index in 0..zip.len() {
            let entry = zip.by_index(index).unwrap();
            found.insert(entry.name().unwrap().into_owned(), entry.unix_mode().unwrap());
        }
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["copied/", "copied/sub/", "copied/sub/empty/", "copied/sub/run.sh", "copied/sub/up"]
        );
        assert_eq!(found["copied/sub/run.sh"] & 0o777, 0o755);
        assert_eq!(packed.notes.len(), 2, "{:?}", packed.notes);
    }
}
