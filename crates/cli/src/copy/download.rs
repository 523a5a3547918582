//! Out of a workspace. The container says what there is and may lie about all of it: names are checked, sizes and
//! counts bounded, and every write goes through [`Place`], which cannot leave the chosen folder.

use super::{
    RESUMABLE, Side, There, digest_of,
    folder::Folder,
    pipe::{self, Bar},
    place::{self, Place},
    sink::{Sink, receive},
    zipped::Zipped,
};
use crate::{
    exit::{Code, Failure},
    session::Session,
};
use slipway_http::{arrived, tree::MAX_BYTES};
use slipway_wire::{Api as _, Code as Why, DigestFile, FileEntry, FileKind, Problem, shown_name};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

pub(crate) async fn run(
    session: &Session,
    there: There,
    content: bool,
    target: Side,
    zip: bool,
) -> Result<Code, Failure> {
    let Some(found) = there.found.clone() else {
        return Err(Problem::new(
            Why::NotFound,
            format!("There is no {} in {}.", there.path, there.workspace.id),
        )
        .into());
    };
    let copying = Copying { session, there: &there };
    match (target, found.kind) {
        (Side::There { .. }, _) => return Err(Failure::usage("One side must be here.")),
        (target, FileKind::Directory) if zip => copying.zip(target).await?,
        (_, _) if zip => return Err(Failure::usage("--zip is for a folder.")),
        (Side::Stream, FileKind::File) => copying.pour(0, File::from_stdout()?, found.size).await?,
        (Side::Stream, _) => {
            return Err(Failure::usage("Only a file can go to standard output, or a folder with --zip."));
        }
        (Side::Here(path), FileKind::Directory) => {
            let inside = path.is_dir() && !content;
            let target = if inside { path.join(there.name_here()?) } else { path };
            copying.folder(target).await?;
        }
        (Side::Here(path), FileKind::File) => {
            let inside = path.is_dir() || ends_in_slash(&path);
            let target = if inside { path.join(there.name_here()?) } else { path };
            copying.file(&target, &found).await?;
        }
        (Side::Here(_), FileKind::Symlink | FileKind::Other) => {
            return Err(Failure::usage(format!("{} is neither a file nor a folder.", there.path)));
        }
    }
    Ok(Code::OK)
}

/// Standard output as a file, which is written to without a buffer of its own.
trait FromStdout: Sized {
    fn from_stdout() -> io::Result<Self>;
}

#[cfg(unix)]
impl FromStdout for File {
    fn from_stdout() -> io::Result<Self> {
        use std::os::fd::AsFd as _;
        Ok(Self::from(io::stdout().as_fd().try_clone_to_owned()?))
    }
}

#[cfg(windows)]
impl FromStdout for File {
    fn from_stdout() -> io::Result<Self> {
        use std::os::windows::io::AsHandle as _;
        Ok(Self::from(io::stdout().as_handle().try_clone_to_owned()?))
    }
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Problem::new(Why::Storage, format!("{} cannot be written: {error}.", path.display())).into()
}

/// The folder a file lands in, and its name there.
fn split(target: &Path) -> Result<(&Path, OsString), Failure> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = target
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} does not name a file.", target.display())))?;
    Ok((parent, name.to_owned()))
}

fn too_large() -> Failure {
    Problem::new(Why::Limit, "The file is larger than 64 GiB.").into()
}

struct Copying<'a> {
    session: &'a Session,
    there: &'a There,
}

impl Copying<'_> {
    async fn file(&self, target: &Path, found: &FileEntry) -> Result<(), Failure> {
        let (parent, name) = split(target)?;
        let failed = |e: io::Error| unwritable(target, &e);
        let place = Place::open(parent).map_err(failed)?;
        let resumable = found.size >= RESUMABLE;
        let mut file = if resumable { place.resume(&name) } else { place.begin(&name) }.map_err(failed)?;
        let handle = file.handle().map_err(failed)?;
        let offset = if resumable { self.arrived(&handle, found.size).await? } else { 0 };
        // Only where it shortens the file: of one that was cut to nothing, ext4 writes all to the disk when it is closed.
        if handle.metadata().map_err(failed)?.len() > offset {
            handle.set_len(offset).map_err(failed)?;
        }
        match self.fill(offset, handle, found.size).await {
            Ok(()) => file.finish(found.mode).map_err(failed),
            Err(Failure::Problem(problem)) if resumable && problem.code != Why::Storage => {
                Err(Failure::Problem(
                    problem.hint("What came is kept for a day: the same command goes on from there."),
                ))
            }
            Err(failure) => {
                file.spoilt();
                Err(failure)
            }
        }
    }

    /// How much of the file an earlier copying brought, if that is what the file still begins with.
    async fn arrived(&self, file: &File, size: u64) -> Result<u64, Failure> {
        let length = arrived(file)?;
        if length == 0 || length > size {
            return Ok(0);
        }
        let (id, path) = (self.there.workspace.id.clone(), self.there.path.clone());
        let theirs = DigestFile { id, path, length: Some(length), partial: false };
        let theirs = self.session.api.file_digest(theirs).await?;
        let ours = digest_of(file, length).await?;
        Ok(if theirs.digested == length && theirs.sha256 == ours { length } else { 0 })
    }

    /// The file's bytes from an offset on, into a file here. The owner writes it itself: what does not go through this
    /// process goes faster.
    #[cfg(unix)]
    async fn fill(&self, offset: u64, file: File, size: u64) -> Result<(), Failure> {
        if size > MAX_BYTES {
            return Err(too_large());
        }
        let bar = Bar::new(Some(size));
        bar.at(offset);
        if offset > 0 {
            bar.note(&format!("Going on after {offset} of {size} bytes."));
        }
        let (id, path) = (&self.there.workspace.id, &self.there.path);
        let moved = |bytes| bar.to(offset + bytes);
        let filled = self.session.client.fetch_file(id, path, (offset, size), &file, moved).await;
        bar.done();
        Ok(filled?)
    }

    #[cfg(not(unix))]
    async fn fill(&self, offset: u64, file: File, size: u64) -> Result<(), Failure> {
        self.pour(offset, file, size).await
    }

    /// The file's bytes from an offset on, into what takes them one after the other.
    async fn pour(&self, offset: u64, mut file: File, size: u64) -> Result<(), Failure> {
        let bytes = self.session.client.read_file(&self.there.workspace.id, &self.there.path, offset).await?;
        let bar = Bar::new(Some(size));
        bar.at(offset);
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
            bar.note(&format!("Going on after {offset} of {size} bytes."));
        }
        let shown = bar.clone();
        let poured = pipe::drain(
            bytes,
            move || Ok((file, offset)),
            move |(file, written), chunk| {
                *written += chunk.len() as u64;
                if *written > MAX_BYTES {
                    return Err(too_large());
                }
                shown.add(chunk.len());
                Ok(file.write_all(&chunk)?)
            },
            |_, _| Ok(()),
        )
        .await;
        bar.done();
        poured
    }

    async fn folder(&self, target: PathBuf) -> Result<(), Failure> {
        fs::create_dir_all(&target).map_err(|e| unwritable(&target, &e))?;
        self.tree(move |bar| Folder::open(&target, bar)).await
    }

    async fn zip(&self, target: Side) -> Result<(), Failure> {
        match target {
            Side::Stream => {
                let stdout = File::from_stdout()?;
                self.tree(move |bar| Ok(Zipped::stream(stdout, bar))).await
            }
            Side::Here(path) => {
                let inside = path.is_dir() || ends_in_slash(&path);
                let path = if inside {
                    let mut name = self.there.name_here()?;
                    name.push(".zip");
                    path.join(name)
                } else {
                    path
                };
                let (parent, name) = split(&path)?;
                let parent = parent.to_owned();
                self.tree(move |bar| Zipped::file(&parent, &name, bar)).await
            }
            Side::There { .. } => Err(Failure::usage("One side must be here.")),
        }
    }

    async fn tree<T: Sink + 'static>(
        &self,
        make: impl FnOnce(Bar) -> Result<T, Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let bytes = self.session.client.read_tree(&self.there.workspace.id, &self.there.path).await?;
        receive(bytes, make).await
    }
}

impl There {
    /// The name that something from the workspace gets here.
    fn name_here(&self) -> Result<OsString, Failure> {
        let name = super::last(&self.raw).unwrap_or(b"root");
        place::legal(name).map(OsStr::to_owned).ok_or_else(|| {
            Failure::usage(format!("{:?} cannot be a name here; name the target.", shown_name(name)))
        })
    }
}
