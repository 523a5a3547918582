//! Out of a workspace. The container says what there is and may lie about all of it: names are checked, sizes and
//! counts bounded, and every write goes through [`Place`], which cannot leave the chosen folder.

use super::{
    MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, Side, There, last,
    place::{self, Place},
};
use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
    text,
};
use futures_util::StreamExt as _;
use slipway_wire::{Api as _, Code as Why, FileEntry, FileKind, FileRef, Problem};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::io::AsyncWriteExt as _;

pub(crate) async fn run(
    session: &Session,
    there: There,
    content: bool,
    target: Side,
) -> Result<Code, Failure> {
    let Some(found) = there.found.clone() else {
        return Err(Problem::new(
            Why::NotFound,
            format!("There is no {} in {}.", there.path, there.workspace.id),
        )
        .into());
    };
    let mut copying = Copying { session, there: &there, entries: 0, bytes: 0, notes: 0 };
    match (target, found.kind) {
        (Side::Stream, FileKind::File) => copying.pour().await?,
        (Side::Stream, _) => return Err(Failure::usage("Only a file can go to standard output.")),
        (Side::Here(text), FileKind::Directory) => {
            let target = PathBuf::from(&text);
            let inside = target.is_dir() && !content;
            let target = if inside { target.join(named(&there.path)?) } else { target };
            fs::create_dir_all(&target).map_err(|e| unwritable(&target, &e))?;
            let place = Place::open(&target).map_err(|e| unwritable(&target, &e))?;
            copying.folder(place, there.path.clone(), 0).await?;
        }
        (Side::Here(text), FileKind::File) => {
            let target = PathBuf::from(&text);
            let inside = target.is_dir() || text.ends_with('/');
            let target = if inside { target.join(named(&there.path)?) } else { target };
            let parent =
                target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = target
                .file_name()
                .and_then(|name| name.to_str())
                .ok_or_else(|| Failure::usage(format!("{} does not name a file.", target.display())))?;
            let place = Place::open(parent).map_err(|e| unwritable(parent, &e))?;
            copying.file(&place, name, &there.path, &found).await?;
        }
        (Side::Here(_), FileKind::Symlink | FileKind::Other) => {
            return Err(Failure::usage(format!("{} is neither a file nor a folder.", there.path)));
        }
        (Side::There { .. }, _) => return Err(Failure::usage("One side must be here.")),
    }
    Ok(Code::OK)
}

/// The name that something from the workspace gets here.
fn named(path: &str) -> Result<&str, Failure> {
    let name = last(path).unwrap_or("root");
    if place::legal(name) {
        Ok(name)
    } else {
        Err(Failure::usage(format!("{name:?} cannot be a name here; name the target.")))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Problem::new(Why::Storage, format!("{} cannot be written: {error}.", path.display())).into()
}

struct Copying<'a> {
    session: &'a Session,
    there: &'a There,
    entries: u64,
    bytes: u64,
    notes: u64,
}

impl Copying<'_> {
    /// The most notes shown: a container could make a million files of no use.
    const MAX_NOTES: u64 = 50;

    fn left_out(&mut self, path: &str, why: &str) {
        self.notes += 1;
        match self.notes {
            0..=Self::MAX_NOTES => out::note(&format!("Left out: {} ({why})", text::clean(path))),
            _ if self.notes == Self::MAX_NOTES + 1 => out::note("More was left out."),
            _ => {}
        }
    }

    async fn folder(&mut self, place: Place, path: String, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Err(over("folders inside one another"));
        }
        let id = self.there.workspace.id.clone();
        let listing = self.session.api.file_list(FileRef { id, path: path.clone() }).await?;
        if listing.truncated {
            self.left_out(&path, "it holds more than can be listed");
        }
        for entry in listing.entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(over("entries"));
            }
            let inner = format!("{}/{}", path.trim_end_matches('/'), entry.name);
            if !place::legal(&entry.name) {
                self.left_out(&inner, "its name cannot be used here");
                continue;
            }
            match entry.kind {
                FileKind::Directory => {
                    let below =
                        place.folder(&entry.name).map_err(|e| unwritable(Path::new(&entry.name), &e))?;
                    Box::pin(self.folder(below, inner, depth + 1)).await?;
                }
                FileKind::File => self.file(&place, &entry.name, &inner, &entry).await?,
                FileKind::Symlink => match entry.target.as_deref() {
                    Some(target) if place::safe_target(target, depth) => {
                        place
                            .link(&entry.name, target)
                            .map_err(|e| unwritable(Path::new(&entry.name), &e))?;
                    }
                    _ => self.left_out(&inner, "a link out of the folder"),
                },
                FileKind::Other => self.left_out(&inner, "not a file, folder or link"),
            }
        }
        Ok(())
    }

    async fn file(
        &mut self,
        place: &Place,
        name: &str,
        path: &str,
        entry: &FileEntry,
    ) -> Result<(), Failure> {
        let id = self.there.workspace.id.clone();
        let mut bytes = match self.session.client.read_file(&id, path, 0).await {
            Ok(bytes) => bytes,
            Err(problem) if problem.code == Why::NotFound => {
                self.left_out(path, "it went away meanwhile");
                return Ok(());
            }
            Err(problem) => return Err(problem.into()),
        };
        let failed = |e: std::io::Error| unwritable(Path::new(name), &e);
        let file = place.begin(name).map_err(failed)?;
        let mut writer = tokio::fs::File::from_std(file.handle().map_err(failed)?);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            self.count(chunk.len())?;
            writer.write_all(&chunk).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        file.finish(entry.mode).map_err(failed)
    }

    async fn pour(&mut self) -> Result<(), Failure> {
        let mut bytes = self.session.client.read_file(&self.there.workspace.id, &self.there.path, 0).await?;
        let mut stdout = tokio::io::stdout();
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            self.count(chunk.len())?;
            stdout.write_all(&chunk).await?;
        }
        stdout.flush().await?;
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes += bytes as u64;
        if self.bytes > MAX_BYTES { Err(over("bytes")) } else { Ok(()) }
    }
}

fn over(what: &str) -> Failure {
    Problem::new(Why::Limit, format!("There are too many {what} to copy; what was copied stays.")).into()
}
