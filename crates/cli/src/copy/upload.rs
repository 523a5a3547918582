//! Into a workspace: a file as it is, going on where an earlier copying of it was cut, a folder as one stream, and a zip
//! that is unpacked there and never here.

use super::{
    RESUMABLE, Side, There, content_only, digest_of,
    pack::{bytes_of, pack},
    pipe::{self, Bar},
};
use crate::{
    exit::{Code, Failure},
    session::Session,
};
use slipway_http::{Upload, mode, tree::MAX_BYTES};
use slipway_wire::{Api as _, Code as Why, DigestFile, Problem, WorkspaceId, shown_name};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    path::Path,
};

pub(crate) async fn run(session: &Session, source: Side, there: There) -> Result<Code, Failure> {
    match source {
        Side::Stream => {
            if there.is_folder() || there.folder {
                return Err(Failure::usage("Name the file that standard input becomes: WORKSPACE:PATH."));
            }
            // Its size must be known before it is sent.
            let file = tokio::task::spawn_blocking(spool).await.map_err(|e| pipe::internal(&e))??;
            file_up(session, &there, there.path.clone(), file, None).await?;
        }
        Side::Here(path) => {
            let found = fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
            if found.is_dir() {
                folder_up(session, &path, there).await?;
            } else if found.is_file() {
                let target = into(&there, &path)?;
                let mode = mode(&found);
                let file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
                file_up(session, &there, target, file, mode).await?;
            } else {
                return Err(Failure::usage(format!("{} is neither a file nor a folder.", path.display())));
            }
        }
        Side::There { .. } => return Err(Failure::usage("One side must be here.")),
    }
    Ok(Code::OK)
}

/// A zip becomes what it holds: in a folder, which is made if it is missing.
pub(crate) async fn unpacked(session: &Session, source: Side, there: There) -> Result<Code, Failure> {
    if there.found.is_some() && !there.is_folder() {
        return Err(not_a_folder(&there));
    }
    let file = match source {
        Side::Stream => tokio::task::spawn_blocking(spool).await.map_err(|e| pipe::internal(&e))??,
        Side::Here(path) => {
            let file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
            if !file.metadata()?.is_file() {
                return Err(Failure::usage(format!(
                    "{} is not a zip; a folder is copied without --zip.",
                    path.display()
                )));
            }
            file
        }
        Side::There { .. } => return Err(Failure::usage("One side must be here.")),
    };
    let size = file.metadata()?.len();
    let bar = Bar::new(Some(size));
    let (bytes, broke) = pipe::read(file.take(size), bar.clone());
    let done = session.client.unpack(&there.workspace.id, &there.path, size, bytes).await;
    bar.done();
    broke.over(done)?;
    Ok(Code::OK)
}

fn not_a_folder(there: &There) -> Failure {
    Problem::new(Why::AlreadyExists, format!("{} is there and is not a folder.", there.path)).into()
}

/// Where something named like `source` lands.
fn into(there: &There, source: &Path) -> Result<String, Failure> {
    if !there.is_folder() && !there.folder {
        return Ok(there.path.clone());
    }
    // `cp ..` has no name of its own but the folder it stands for has.
    let named = source.file_name().map_or_else(|| source.canonicalize(), |_| Ok(source.to_owned()))?;
    let name = named.file_name().ok_or_else(|| {
        Failure::usage(format!("{} has no name; name the target in full.", source.display()))
    })?;
    Ok(format!("{}/{}", there.path.trim_end_matches('/'), shown_name(bytes_of(name))))
}

async fn file_up(
    session: &Session,
    there: &There,
    path: String,
    file: File,
    mode: Option<u32>,
) -> Result<(), Failure> {
    let size = file.metadata()?.len();
    let resumable = size >= RESUMABLE;
    let offset = if resumable { arrived(session, there, &path, &file, size).await? } else { 0 };
    let bar = Bar::new(Some(size));
    bar.at(offset);
    if offset > 0 {
        bar.note(&format!("Going on after {offset} of {size} bytes."));
    }
    let upload = Upload { mode, size, offset, resumable, if_modified_ms: None };
    let sent = send(session, (&there.workspace.id, &path), upload, file, &bar).await;
    bar.done();
    sent.map_err(|failure| match failure {
        Failure::Problem(problem) if resumable && is_cut(&problem) => {
            problem.hint("What arrived is kept for a day: the same command goes on from there.").into()
        }
        failure => failure,
    })
}

fn is_cut(problem: &Problem) -> bool {
    matches!(problem.code, Why::AgentLost | Why::OwnerBusy | Why::DockerLost | Why::Cancelled)
}

/// The owner reads the file itself: what does not go through this process goes faster.
#[cfg(unix)]
async fn send(
    session: &Session,
    (id, path): (&WorkspaceId, &str),
    upload: Upload,
    file: File,
    bar: &Bar,
) -> Result<(), Failure> {
    let moved = |bytes| bar.to(upload.offset + bytes);
    session.client.send_file(id, path, upload, &file, moved).await?;
    Ok(())
}

#[cfg(not(unix))]
async fn send(
    session: &Session,
    (id, path): (&WorkspaceId, &str),
    upload: Upload,
    mut file: File,
    bar: &Bar,
) -> Result<(), Failure> {
    file.seek(io::SeekFrom::Start(upload.offset))?;
    let (bytes, broke) = pipe::read(file.take(upload.size - upload.offset), bar.clone());
    broke.over(session.client.write_file(id, path, upload, bytes).await).map(drop)
}

/// How much of the file an earlier copying brought there, if that is what it still begins with.
async fn arrived(
    session: &Session,
    there: &There,
    path: &str,
    file: &File,
    size: u64,
) -> Result<u64, Failure> {
    let id = there.workspace.id.clone();
    let asked = DigestFile { id, path: path.to_owned(), length: None, partial: true };
    let theirs = match session.api.file_digest(asked).await {
        Ok(theirs) if (1..=size).contains(&theirs.size) && theirs.digested == theirs.size => theirs,
        // Internal: an agent from before there was this. From the beginning then.
        Ok(_) | Err(Problem { code: Why::NotFound | Why::WrongState | Why::Internal, .. }) => return Ok(0),
        Err(problem) => return Err(problem.into()),
    };
    let ours = digest_of(file, theirs.size).await?;
    Ok(if ours == theirs.sha256 { theirs.size } else { 0 })
}

async fn folder_up(session: &Session, path: &Path, there: There) -> Result<(), Failure> {
    if there.found.is_some() && !there.is_folder() {
        return Err(not_a_folder(&there));
    }
    let whole = content_only(bytes_of(path.as_os_str())) || !there.is_folder();
    let root = if whole { there.path.clone() } else { into(&there, path)? };
    let bar = Bar::new(None);
    let (bytes, broke) = pack(path, bar.clone());
    let written = session.client.write_tree(&there.workspace.id, &root, bytes).await;
    bar.done();
    broke.over(written).map(drop)
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

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    slipway_http::unreadable(path, error).into()
}
