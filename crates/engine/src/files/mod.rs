//! Files in a container, through its agent. Every path that goes in is checked, every reply is bounded.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use slipway_agent_api::{
    FOLDED, MAX_CHUNK,
    v1::{
        DigestReply, DigestRequest, FileInfo, FileKind as AgentKind, ListRequest, ListedEntry, MkdirRequest,
        ReadRequest, RemoveRequest, RenameRequest, StatRequest, WriteOpen, WriteRequest, write_request::Part,
    },
};
use slipway_wire::{
    Code, DigestFile, DirectoryEntry, DirectoryListing, FileDigest, FileEntry, FileKind, FileText, Problem,
    shown_name as shown,
};
use std::{
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

mod aside;
#[cfg(target_os = "linux")]
mod direct;
mod handed;
#[cfg(unix)]
mod lanes;
mod names;
mod pack;
mod received;
mod trees;
mod watch;
mod zipped;

pub(crate) use self::aside::put_aside;
pub use self::handed::Transfer;
pub(crate) use self::handed::{fetch, send};
pub(crate) use self::names::path_bytes;
pub use self::pack::{Packed, mode, pack, unreadable};
pub use self::received::received;
pub(crate) use self::trees::{read_tree, write_tree};
pub(crate) use self::watch::{FileWatches, changes};
pub use self::zipped::{Odd, Zipped};
use crate::agent_link::{AgentClient, agent_problem};

/// Bytes as they come, or why no more come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Problem>> + Send>>;

/// Entries of one directory that are given out.
const MOST_ENTRIES: usize = 100_000;
/// A text file beyond this is not opened whole.
const MOST_TEXT: u64 = 4 * 1024 * 1024;
/// A path, and a name or target out of a container; the kernel takes no longer one.
const MOST_PATH: usize = 4096;

fn kind(kind: AgentKind) -> FileKind {
    match kind {
        AgentKind::File => FileKind::File,
        AgentKind::Directory => FileKind::Directory,
        AgentKind::Symlink => FileKind::Symlink,
        AgentKind::Other => FileKind::Other,
    }
}

/// A name or target out of a container, no longer than one can be.
fn bounded(name: &[u8]) -> String {
    shown(&name[..name.len().min(MOST_PATH)])
}

/// Where a symlink points.
fn target(kind: FileKind, told: &[u8]) -> Option<String> {
    (kind == FileKind::Symlink).then(|| bounded(told))
}

fn entry(info: &FileInfo) -> FileEntry {
    let kind = kind(info.kind());
    FileEntry {
        name: bounded(&info.name),
        kind,
        size: info.size,
        mode: info.mode & 0o7777,
        modified_ms: info.modified_ms,
        target: target(kind, &info.target),
    }
}

fn listed(entry: &ListedEntry) -> DirectoryEntry {
    let kind = kind(entry.kind());
    DirectoryEntry { name: bounded(&entry.name), kind, target: target(kind, &entry.target) }
}

fn absent(path: &str) -> Problem {
    Problem::new(Code::Internal, format!("The container told nothing of {path}."))
}

/// A directory's entries: directories first, then by name.
pub(crate) async fn list(mut client: AgentClient, path: &str) -> Result<DirectoryListing, Problem> {
    let doing = format!("listing {path}");
    let request = ListRequest { path: path_bytes(path)? };
    let mut stream = client.list(request).await.map_err(|s| agent_problem(&doing, &s))?.into_inner();
    let mut entries = Vec::new();
    let mut truncated = false;
    while let Some(page) = stream.message().await.map_err(|s| agent_problem(&doing, &s))? {
        if entries.len() + page.entries.len() > MOST_ENTRIES {
            truncated = true;
            break;
        }
        // A name with a slash is none; an agent that sends one is lying.
        entries.extend(
            page.entries.iter().filter(|e| !e.name.is_empty() && !e.name.contains(&b'/')).map(listed),
        );
    }
    entries.sort_by(|a, b| {
        let file = |e: &DirectoryEntry| e.kind != FileKind::Directory;
        file(a).cmp(&file(b)).then_with(|| a.name.cmp(&b.name))
    });
    let is_folded = |e: &&DirectoryEntry| e.kind == FileKind::Directory && FOLDED.contains(&e.name.as_str());
    let folded = entries.iter().filter(is_folded).map(|e| e.name.clone()).collect();
    Ok(DirectoryListing { entries, truncated, folded })
}

/// What is known of a path. Symbolic links are not followed.
pub(crate) async fn stat(mut client: AgentClient, path: &str) -> Result<FileEntry, Problem> {
    let request = StatRequest { path: path_bytes(path)?, follow: false };
    let reply = client.stat(request).await.map_err(|s| agent_problem(&format!("looking at {path}"), &s))?;
    reply.into_inner().info.as_ref().map(entry).ok_or_else(|| absent(path))
}

/// A file's bytes from an offset on.
pub(crate) async fn read(mut client: AgentClient, path: &str, offset: u64) -> Result<ByteStream, Problem> {
    let doing = format!("reading {path}");
    let request = ReadRequest { path: path_bytes(path)?, offset, length: 0 };
    let stream = client.read(request).await.map_err(|s| agent_problem(&doing, &s))?.into_inner();
    Ok(Box::pin(stream.map(move |part| part.map(|p| p.data).map_err(|s| agent_problem(&doing, &s)))))
}

/// A text file whole.
pub(crate) async fn read_text(client: AgentClient, path: &str) -> Result<FileText, Problem> {
    let mut entry = stat(client.clone(), path).await?;
    if entry.kind == FileKind::Symlink {
        let mut follow = client.clone();
        let request = StatRequest { path: path_bytes(path)?, follow: true };
        let reply =
            follow.stat(request).await.map_err(|s| agent_problem(&format!("looking at {path}"), &s))?;
        entry = reply.into_inner().info.as_ref().map(self::entry).ok_or_else(|| absent(path))?;
    }
    if entry.kind != FileKind::File {
        return Err(Problem::new(Code::Invalid, format!("{path} is not a file.")));
    }
    let too_large = || {
        Problem::new(Code::Limit, format!("{path} is too large to be edited here."))
            .hint("Copy it out with `slipway cp`, or open it in a terminal.")
    };
    if entry.size > MOST_TEXT {
        return Err(too_large());
    }
    let mut stream = read(client, path, 0).await?;
    let mut bytes = Vec::with_capacity(entry.size as usize);
    while let Some(part) = stream.next().await {
        bytes.extend_from_slice(&part?);
        // It may have grown, or the agent may lie.
        if bytes.len() as u64 > MOST_TEXT {
            return Err(too_large());
        }
    }
    Ok(FileText { text: String::from_utf8(bytes).ok(), entry })
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upload {
    /// Permission bits; those of the file it replaces without.
    pub mode: Option<u32>,
    /// Bytes of the whole file.
    pub size: u64,
    /// Bytes that arrived before, with `resumable`; the rest follows.
    pub offset: u64,
    /// What arrives of it stays for a day when it is cut, so that another upload can go on.
    pub resumable: bool,
    /// Refuse when the file's last change is not this, Unix time in milliseconds.
    pub if_modified_ms: Option<i64>,
}

impl Upload {
    /// What the agent is told of it.
    fn open(self, path: &str) -> Result<WriteOpen, Problem> {
        if self.offset > self.size || (self.offset > 0 && !self.resumable) {
            return Err(Problem::new(
                Code::Invalid,
                "An upload goes on from an offset within the file, and only a resumable one.",
            ));
        }
        Ok(WriteOpen {
            path: path_bytes(path)?,
            mode: self.mode.unwrap_or(0) & 0o777,
            size: self.size,
            if_modified_ms: self.if_modified_ms.unwrap_or(0),
            resumable: self.resumable,
            offset: self.offset,
        })
    }
}

/// Writes a file whole: all of its bytes or none.
pub(crate) async fn write(
    mut client: AgentClient,
    path: &str,
    upload: Upload,
    bytes: ByteStream,
) -> Result<FileEntry, Problem> {
    let open = upload.open(path)?;
    let failure = Failure::default();
    let data = pieces(bytes, failure.clone()).map(|data| WriteRequest { part: Some(Part::Data(data)) });
    let first = futures_util::stream::iter([WriteRequest { part: Some(Part::Open(open)) }]);
    let reply = client.write(Owned::new(first.chain(data))).await;
    if let Some(problem) = failure.take() {
        return Err(problem);
    }
    let info = reply.map(|reply| reply.into_inner().info);
    written(path, upload, info.and_then(|info| info.ok_or_else(|| tonic::Status::unknown("no answer"))))
}

/// What came of a write.
fn written(path: &str, upload: Upload, reply: Result<FileInfo, tonic::Status>) -> Result<FileEntry, Problem> {
    let info = reply.map_err(|s| {
        if s.code() == tonic::Code::Aborted && upload.if_modified_ms.is_some() {
            return Problem::new(
                Code::WrongState,
                format!("{path} was changed by something else in the meantime."),
            )
            .hint("Read it again, or save over it.");
        }
        agent_problem(&format!("writing {path}"), &s)
    })?;
    Ok(entry(&info))
}

/// The digest of a file, or of what arrived of one.
pub(crate) async fn digest(mut client: AgentClient, request: &DigestFile) -> Result<FileDigest, Problem> {
    let path = &request.path;
    let asked = DigestRequest {
        path: path_bytes(path)?,
        length: request.length.unwrap_or(0),
        partial: request.partial,
    };
    let reply = client.digest(asked).await.map_err(|s| agent_problem(&format!("reading {path}"), &s))?;
    let DigestReply { size, digested, sha256 } = reply.into_inner();
    let sha256 = sha256.iter().take(32).fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(FileDigest { size, digested, sha256 })
}

/// Why a source of bytes broke off, for whoever was fed from it.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Problem>>>);

impl Failure {
    pub(crate) fn take(&self) -> Option<Problem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A stream without a lifetime in its type: in a future that is sent between threads the compiler cannot prove that a
/// plain boxed one borrows nothing.
pub(crate) struct Owned<T>(Pin<Box<dyn Stream<Item = T> + Send>>);

impl<T> Owned<T> {
    pub(crate) fn new(stream: impl Stream<Item = T> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl<T> Stream for Owned<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// The bytes in chunks an agent takes. A source that breaks off ends them early, so that the agent sees bytes missing
/// and changes nothing, and leaves the reason in `failure`.
pub(crate) fn pieces(bytes: ByteStream, failure: Failure) -> Owned<Bytes> {
    let whole = bytes.scan((), move |(), chunk| {
        std::future::ready(match chunk {
            Ok(data) => Some(data),
            Err(problem) => {
                *failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                None
            }
        })
    });
    Owned::new(whole.flat_map(|mut chunk| {
        let split = std::iter::from_fn(move || {
            (!chunk.is_empty()).then(|| chunk.split_to(chunk.len().min(MAX_CHUNK)))
        });
        futures_util::stream::iter(split)
    }))
}

/// Removes a path.
pub(crate) async fn remove(mut client: AgentClient, path: &str, recursive: bool) -> Result<(), Problem> {
    let request = RemoveRequest { path: path_bytes(path)?, recursive };
    client.remove(request).await.map(|_| ()).map_err(|s| agent_problem(&format!("removing {path}"), &s))
}

/// Moves a path; never over one that is there.
pub(crate) async fn rename(mut client: AgentClient, from: &str, to: &str) -> Result<(), Problem> {
    let request = RenameRequest { from: path_bytes(from)?, to: path_bytes(to)?, replace: false };
    client.rename(request).await.map(|_| ()).map_err(|s| agent_problem(&format!("moving {from}"), &s))
}

/// Makes a directory and its parents.
pub(crate) async fn mkdir(mut client: AgentClient, path: &str) -> Result<(), Problem> {
    let request = MkdirRequest { path: path_bytes(path)?, parents: true };
    client.mkdir(request).await.map(|_| ()).map_err(|s| agent_problem(&format!("making {path}"), &s))
}
