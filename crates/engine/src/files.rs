//! Files in a container, through its agent. Every path that goes in is checked, every reply is bounded.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use slipway_agent_api::{
    MAX_CHUNK,
    v1::{
        FileInfo, FileKind as AgentKind, ListRequest, MkdirRequest, ReadRequest, RemoveRequest,
        RenameRequest, StatRequest, WriteOpen, WriteRequest, write_request::Part,
    },
};
use slipway_wire::{Code, DirectoryListing, FileEntry, FileKind, FileText, Problem};
use std::{
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use crate::agent_link::{AgentClient, agent_problem};

/// Bytes as they come, or why no more come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Problem>> + Send>>;

/// Entries of one directory that are given out.
const MOST_ENTRIES: usize = 100_000;
/// A text file beyond this is not opened whole.
const MOST_TEXT: u64 = 4 * 1024 * 1024;
const MOST_PATH: usize = 4096;

/// A path as people write it, as bytes: absolute, bounded. `\xNN` stands for a byte that is not UTF-8, `\\` for a
/// backslash: the reverse of [`shown`].
fn path_bytes(path: &str) -> Result<Bytes, Problem> {
    let wrong = |why: &str| {
        Err(Problem::new(Code::Invalid, format!("{path:?} is not a path in the container: {why}.")))
    };
    if !path.starts_with('/') {
        return wrong("it is not absolute");
    }
    if path.len() > MOST_PATH * 4 {
        return wrong("it is too long");
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [b'x', high, low, after @ ..] => {
                let digit = |d: u8| char::from(d).to_digit(16);
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                    return wrong("a \\x must be followed by two hexadecimal digits");
                };
                out.push((high * 16 + low) as u8);
                rest = after;
            }
            _ => return wrong("a backslash is written \\\\"),
        }
    }
    if out.contains(&0) || out.len() > MOST_PATH {
        return wrong("it holds a zero byte or is too long");
    }
    Ok(out.into())
}

/// A name as people see it, reversible.
fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut out, byte));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut out, byte));
    }
    out
}

fn escape(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

fn entry(info: &FileInfo) -> FileEntry {
    let kind = match info.kind() {
        AgentKind::File => FileKind::File,
        AgentKind::Directory => FileKind::Directory,
        AgentKind::Symlink => FileKind::Symlink,
        AgentKind::Other => FileKind::Other,
    };
    FileEntry {
        name: shown(info.name.get(..MOST_PATH.min(info.name.len())).unwrap_or_default()),
        kind,
        size: info.size,
        mode: info.mode & 0o7777,
        modified_ms: info.modified_ms,
        target: (kind == FileKind::Symlink)
            .then(|| shown(info.target.get(..MOST_PATH.min(info.target.len())).unwrap_or_default())),
    }
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
        entries
            .extend(page.entries.iter().filter(|e| !e.name.is_empty() && !e.name.contains(&b'/')).map(entry));
    }
    entries.sort_by(|a, b| {
        let file = |e: &FileEntry| e.kind != FileKind::Directory;
        file(a).cmp(&file(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(DirectoryListing { entries, truncated })
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

/// Writes a file whole: all `size` bytes or none.
pub(crate) async fn write(
    mut client: AgentClient,
    path: &str,
    mode: Option<u32>,
    size: u64,
    if_modified_ms: Option<i64>,
    bytes: ByteStream,
) -> Result<FileEntry, Problem> {
    let open = WriteOpen {
        path: path_bytes(path)?,
        mode: mode.unwrap_or(0) & 0o777,
        size,
        if_modified_ms: if_modified_ms.unwrap_or(0),
    };
    let failure = Failure::default();
    let data = pieces(bytes, failure.clone()).map(|data| WriteRequest { part: Some(Part::Data(data)) });
    let first = futures_util::stream::iter([WriteRequest { part: Some(Part::Open(open)) }]);
    let reply = client.write(Owned::new(first.chain(data))).await;
    if let Some(problem) = failure.take() {
        return Err(problem);
    }
    let reply = reply.map_err(|s| {
        if s.code() == tonic::Code::Aborted {
            return Problem::new(
                Code::WrongState,
                format!("{path} was changed by something else in the meantime."),
            )
            .hint("Read it again, or save over it.");
        }
        agent_problem(&format!("writing {path}"), &s)
    })?;
    reply.into_inner().info.as_ref().map(entry).ok_or_else(|| absent(path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_shown_and_sent_back() {
        for name in [
            &b"/plain"[..],
            b"/new\nline",
            b"/back\\slash",
            b"/\xff\xfe",
            "/\u{e9}\u{1f600}".as_bytes(),
            b"/\\x41",
        ] {
            assert_eq!(path_bytes(&shown(name)).unwrap(), name, "{}", shown(name));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "relative", "/a\\", "/a\\q", "/a\\x0", "/a\\x00", "/a\0"] {
            assert!(path_bytes(wrong).is_err(), "{wrong:?}");
        }
    }
}
