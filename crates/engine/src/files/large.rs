//! Large files over Docker's own archive endpoint, which is twice as fast as the way through the agent. Only the bytes go
//! there: where they go is tried out with a few of them first, the agent says what it sees of those, and it is the agent
//! that gives the file its name, as it does with one that came its own way.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use slipway_agent_api::{
    partial_name,
    v1::{DigestRequest, FileKind as AgentKind, MkdirRequest, StatRequest},
};
use slipway_wire::{Code, FileEntry, Problem};
use std::io;

use super::{ByteStream, Failure, Upload, names::path_bytes, pieces};
use crate::{agent_link::AgentLink, docker::Docker, docker::NewFile};

/// What is smaller is there before the trying out has paid.
const LARGE: u64 = 32 * 1024 * 1024;
/// Bytes that tell whether the daemon writes where the agent looks.
const TRIAL: usize = 16;

/// Writes a file whole, as [`super::write`] does, whichever way is the faster one.
pub(crate) async fn write(
    docker: &Docker,
    link: &AgentLink,
    path: &str,
    upload: Upload,
    bytes: ByteStream,
) -> Result<FileEntry, Problem> {
    let whole = upload.resumable && upload.offset == 0 && upload.if_modified_ms.is_none();
    if !whole || upload.size < LARGE || !docker.takes_single_files() {
        return super::write(link.client.clone(), path, upload, bytes).await;
    }
    let asked = path_bytes(path)?;
    let Some((folder, name)) = split(&asked) else {
        return super::write(link.client.clone(), path, upload, bytes).await;
    };
    let partial = partial_name(name);
    let file = NewFile { folder, name: &partial, owner: link.hello.uid, size: upload.size };
    if !lands(docker, link, &asked, &file).await {
        return super::write(link.client.clone(), path, upload, bytes).await;
    }
    let failure = Failure::default();
    let data = exactly(upload.size, bytes, failure.clone());
    let put = docker.put_file(&link.container, &file, data).await;
    if let Some(problem) = failure.take() {
        return Err(problem);
    }
    put?;
    // All of it has arrived: what is left to do is what follows the last byte of a resumed upload.
    let rest = Upload { offset: upload.size, ..upload };
    super::write(link.client.clone(), path, rest, stream::empty().boxed()).await
}

/// A file's bytes from its beginning, whichever way is the faster one.
pub(crate) async fn read(docker: &Docker, link: &AgentLink, path: &str) -> Result<ByteStream, Problem> {
    let asked = path_bytes(path)?;
    if docker.takes_single_files()
        && let Some((size, modified_ms)) = regular(link, &asked).await
        && size >= LARGE
    {
        match docker.get_file(&link.container, &asked).await {
            // Under a mount that the daemon does not know of there may be another file.
            Ok(Some(found)) if (found.size, found.modified_s) == (size, modified_ms / 1000) => {
                return Ok(found.bytes.boxed());
            }
            Ok(_) => {}
            Err(problem) => tracing::debug!(%path, %problem, "read through the agent"),
        }
    }
    super::read(link.client.clone(), path, 0).await
}

/// Whether the daemon writes where the agent sees it. False: the agent's way will do, or say why it does not.
async fn lands(docker: &Docker, link: &AgentLink, asked: &Bytes, file: &NewFile<'_>) -> bool {
    let mut client = link.client.clone();
    let found = client.stat(StatRequest { path: asked.clone(), follow: false }).await;
    let free = match found {
        Ok(reply) => reply.get_ref().info.as_ref().is_some_and(|info| info.kind() == AgentKind::File),
        Err(status) => status.code() == tonic::Code::NotFound,
    };
    let folder = Bytes::copy_from_slice(file.folder);
    if !free || client.mkdir(MkdirRequest { path: folder, parents: true }).await.is_err() {
        return false;
    }
    let mut trial = [0; TRIAL];
    fastrand::fill(&mut trial);
    let bytes = stream::iter([Ok(Bytes::copy_from_slice(&trial))]);
    if let Err(problem) =
        docker.put_file(&link.container, &NewFile { size: TRIAL as u64, ..*file }, bytes).await
    {
        tracing::debug!(%problem, "written through the agent");
        return false;
    }
    let seen = client.digest(DigestRequest { path: asked.clone(), length: 0, partial: true }).await;
    seen.is_ok_and(|reply| reply.get_ref().sha256 == Sha256::digest(trial)[..])
}

/// Size and last change of a regular file.
async fn regular(link: &AgentLink, asked: &Bytes) -> Option<(u64, u64)> {
    let request = StatRequest { path: asked.clone(), follow: false };
    let info = link.client.clone().stat(request).await.ok()?.into_inner().info?;
    (info.kind() == AgentKind::File).then_some((info.size, u64::try_from(info.modified_ms).ok()?))
}

/// The folder and the name of a file's path.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let name = &path[slash + 1..];
    let good = !matches!(name, b"" | b"." | b"..");
    good.then(|| (if slash == 0 { &b"/"[..] } else { &path[..slash] }, name))
}

/// The bytes, which must be so many; what is wrong with them is left in `failure`.
fn exactly(
    size: u64,
    bytes: ByteStream,
    failure: Failure,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let wrong =
        |why: &str| Err(Problem::new(Code::Invalid, format!("The upload brought {why} than it announced.")));
    let counted = stream::unfold(Some((bytes, size)), move |state| async move {
        let (mut bytes, left) = state?;
        match bytes.next().await {
            Some(Ok(part)) if part.len() as u64 > left => Some((wrong("more bytes"), None)),
            Some(Ok(part)) => {
                let left = left - part.len() as u64;
                Some((Ok(part), Some((bytes, left))))
            }
            Some(Err(problem)) => Some((Err(problem), None)),
            None => (left > 0).then(|| (wrong("fewer bytes"), None)),
        }
    });
    let broke = failure.clone();
    // What follows the last piece would be taken for the file's: an early end must be an error here.
    pieces(counted.boxed(), failure).map(Ok).chain(stream::poll_fn(move |_| {
        std::task::Poll::Ready(broke.has().then(|| Err(io::ErrorKind::UnexpectedEof.into())))
    }))
}
