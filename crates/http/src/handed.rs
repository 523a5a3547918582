//! Files that a client hands over open: the owner reads or fills them itself, and the bytes do not go through one more
//! process. Only over the local socket, which carries descriptors; whoever has it is the same user.
//!
//! A request with its upgrade, then on the bare connection: one byte with the file from the client, and from the owner a
//! line of JSON for each tenth of a second and one for the end. A client that leaves ends the copying.

use crate::{
    client::{UnixClient, broken, full, query},
    server::{Failure, Shared},
};
use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse as _, Response},
};
use http::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use slipway_engine::{Transfer, Upload};
use slipway_wire::{Code, FileEntry, FileRef, Problem, WorkspaceId};
use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, Interest},
    net::UnixStream,
    time::MissedTickBehavior,
};

/// What both sides ask for in the head of the request.
const PROTOCOL: &str = "slipway-file";
/// A client that has not handed a file over by then will not.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two lines.
const TOLD: Duration = Duration::from_millis(100);
/// A line is a number, an entry or a problem, which are bounded.
const MAX_LINE: u64 = 1024 * 1024;

#[derive(Deserialize, Serialize)]
pub(crate) struct Copying {
    id: WorkspaceId,
    path: String,
    /// Of the whole file, bytes.
    size: u64,
    /// Bytes that are there already.
    #[serde(default)]
    offset: u64,
    /// Into the workspace; else out of it.
    into: bool,
    /// Only into it: permission bits, decimal, and whether what arrives stays for a day when this is cut.
    mode: Option<u32>,
    #[serde(default)]
    resumable: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Moved(u64),
    Sent(FileEntry),
    Filled,
    Failed(Problem),
}

pub(crate) async fn copy(
    State(shared): State<Arc<Shared>>,
    Query(copying): Query<Copying>,
    request: Request,
) -> Result<Response, Failure> {
    let asked = request.headers().get(header::UPGRADE).is_some_and(|wanted| wanted == PROTOCOL);
    if !asked {
        let wrong = "A file is handed over on a connection that is taken over for it.";
        return Err(Problem::new(Code::Invalid, wrong).into());
    }
    let upgrading = hyper::upgrade::on(request);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let taken = upgrading.await.ok().and_then(|taken| taken.downcast::<TokioIo<UnixStream>>().ok());
        // Whoever gave up in between, or came another way than by the local socket, is not there to be told.
        let Some(parts) = taken.filter(|parts| parts.read_buf.is_empty()) else { return };
        let counted = shared.count();
        let stream = parts.io.into_inner();
        if let Some(Err(error)) = shared.closing.run_until_cancelled(serve(&shared, stream, copying)).await {
            tracing::debug!(%error, "the copying of a file was left");
        }
        drop(counted);
    });
    let head = [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, head).into_response())
}

async fn serve(shared: &Shared, mut stream: UnixStream, copying: Copying) -> io::Result<()> {
    let handed = tokio::time::timeout(PATIENCE, receive(&stream)).await;
    let file = handed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let (mut from, mut to) = stream.split();
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            let problem = Problem::new(Code::Invalid, format!("No file was handed over: {error}."));
            return say(&mut to, &Told::Failed(problem)).await;
        }
    };
    let transfer = Arc::new(Transfer::default());
    let mut copied = std::pin::pin!(carry(shared, copying, file, Arc::clone(&transfer)));
    let (mut every, mut told) = (tokio::time::interval(TOLD), 0);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut nothing = [0];
    let last = loop {
        tokio::select! {
            done = &mut copied => break done.unwrap_or_else(Told::Failed),
            // No more is ever said: what comes is the client's end.
            _ = from.read(&mut nothing) => return Ok(()),
            _ = every.tick() => {
                let now = transfer.moved.load(Ordering::Relaxed);
                if now != told {
                    say(&mut to, &Told::Moved(now)).await?;
                    told = now;
                }
            }
        }
    };
    say(&mut to, &last).await
}

async fn carry(
    shared: &Shared,
    copying: Copying,
    file: File,
    transfer: Arc<Transfer>,
) -> Result<Told, Problem> {
    let Copying { id, path, size, offset, into, mode, resumable } = copying;
    let there = FileRef { id, path };
    if into {
        let upload = Upload { mode, size, offset, resumable, ..Upload::default() };
        return Ok(Told::Sent(shared.engine.send_file(&there, upload, file, transfer).await?));
    }
    shared.engine.fetch_file(&there, offset, size, file, transfer).await?;
    Ok(Told::Filled)
}

async fn say(to: &mut (impl AsyncWrite + Unpin), told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    to.write_all(&line).await
}

/// One byte, and the file that comes with it.
async fn receive(stream: &UnixStream) -> io::Result<File> {
    let handed = stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let got =
                recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
            // More than one does not fit, and is closed by the kernel.
            let mut files = control.drain().flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<OwnedFd>>(),
                _ => Vec::new(),
            });
            Ok(files.next().filter(|_| got.bytes == 1 && !got.flags.contains(ReturnFlags::CTRUNC)))
        })
        .await?;
    let file = handed.map(File::from).ok_or(io::ErrorKind::InvalidData)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

async fn hand_over(stream: &UnixStream, file: &File) -> io::Result<()> {
    stream
        .async_io(Interest::WRITABLE, || {
            let files = [file.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            // There is room for one.
            control.push(SendAncillaryMessage::ScmRights(&files));
            sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
            Ok(())
        })
        .await
}

impl UnixClient {
    /// Sends what of a file comes after the upload's offset; the owner reads it. `moved` is told how many bytes went so far.
    pub async fn send_file(
        &self,
        id: &WorkspaceId,
        path: &str,
        upload: Upload,
        file: &File,
        moved: impl FnMut(u64),
    ) -> Result<FileEntry, Problem> {
        let Upload { mode, size, offset, resumable, .. } = upload;
        let (id, path) = (id.clone(), path.to_owned());
        let copying = Copying { id, path, size, offset, into: true, mode, resumable };
        match self.hand(copying, file, moved).await? {
            Told::Sent(entry) => Ok(entry),
            _ => Err(broken("The upload", &"another answer was expected")),
        }
    }

    /// Fills a file from `offset` to `end` with what the workspace's has there; the owner writes it. Cut, it may have holes:
    /// see [`arrived`](slipway_engine::arrived).
    pub async fn fetch_file(
        &self,
        id: &WorkspaceId,
        path: &str,
        (offset, end): (u64, u64),
        file: &File,
        moved: impl FnMut(u64),
    ) -> Result<(), Problem> {
        let (id, path) = (id.clone(), path.to_owned());
        let copying = Copying { id, path, size: end, offset, into: false, mode: None, resumable: false };
        match self.hand(copying, file, moved).await? {
            Told::Filled => Ok(()),
            _ => Err(broken("The download", &"another answer was expected")),
        }
    }

    /// What came of it at the end.
    async fn hand(&self, copying: Copying, file: &File, mut moved: impl FnMut(u64)) -> Result<Told, Problem> {
        let failed = |error: &dyn std::fmt::Display| broken("The copying", error);
        let mut pairs = vec![
            ("id", copying.id.to_string()),
            ("path", copying.path),
            ("size", copying.size.to_string()),
            ("offset", copying.offset.to_string()),
            ("into", copying.into.to_string()),
            ("resumable", copying.resumable.to_string()),
        ];
        pairs.extend(copying.mode.map(|mode| ("mode", mode.to_string())));
        let request = Self::to(Method::POST, &format!("/v1/files/handed?{}", query(&pairs)))
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, PROTOCOL);
        let reply = self.send(request, full(Vec::new())).await?;
        let taken = hyper::upgrade::on(reply).await.map_err(|e| failed(&e))?;
        let parts = taken
            .downcast::<TokioIo<UnixStream>>()
            .map_err(|_| failed(&"the connection cannot carry a file"))?;
        let stream = parts.io.into_inner();
        hand_over(&stream, file).await.map_err(|e| failed(&e))?;
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await;
            read.map_err(|e| failed(&e))?;
            match serde_json::from_slice(&line).map_err(|e| failed(&e))? {
                Told::Moved(bytes) => moved(bytes),
                Told::Failed(problem) => return Err(problem),
                last => return Ok(last),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    #[tokio::test]
    async fn a_file_arrives_open_and_nothing_else_does() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        file.rewind().unwrap();
        hand_over(&near, &file).await.unwrap();
        let mut text = String::new();
        receive(&far).await.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");

        near.try_write(b"x").unwrap();
        assert_eq!(receive(&far).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let folder = File::open("/").unwrap();
        hand_over(&near, &folder).await.unwrap();
        assert_eq!(receive(&far).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(near);
        assert_eq!(receive(&far).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
