//! The client's side of the local transport: commands, files, and a process's output and input. One connection per
//! request; a Unix socket makes that cost less than keeping a pool honest. Replies are bounded.

use crate::{attach::Control, files::Unpacked, local, server::Health, stream::Events};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, Stream, StreamExt as _, TryStreamExt as _,
    stream::{SplitSink, SplitStream},
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper_util::rt::TokioIo;
use slipway_engine::Upload;
use slipway_wire::{Code, FileEntry, Frame, Problem, ProcessRef, Transport, WindowSize, WorkspaceId};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// A reply: the largest are a text file of 4 MiB in JSON and a directory of 100,000 entries.
const MAX_REPLY: usize = 64 * 1024 * 1024;
/// A problem, which holds a bounded detail.
const MAX_PROBLEM: usize = 1024 * 1024;
/// Host of every request: nobody looks at it on this transport.
const HOST: &str = "slipway";

pub(crate) type OutBody = UnsyncBoxBody<Bytes, Problem>;

/// Speaks to the owner at a socket.
#[derive(Clone, Debug)]
pub struct UnixClient {
    socket: PathBuf,
}

impl UnixClient {
    /// A client for the owner at this socket. Connects at each request.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Where it connects.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Who owns the data folder.
    pub async fn health(&self) -> Result<Health, Problem> {
        let reply = self.request(Method::GET, "/v1/health", full(Vec::new())).await?;
        json(reply).await
    }

    /// The owner's metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> Result<Bytes, Problem> {
        collect(self.request(Method::GET, "/metrics", full(Vec::new())).await?).await
    }

    /// Asks a background owner to make room: containers go on running. It ends after it answered.
    pub async fn handover(&self) -> Result<(), Problem> {
        self.request(Method::POST, "/v1/owner/handover", full(Vec::new())).await.map(drop)
    }

    /// Asks a `slipway serve` to end.
    pub async fn stop(&self, keep: bool) -> Result<(), Problem> {
        self.request(Method::POST, &format!("/v1/owner/stop?keep={keep}"), full(Vec::new())).await.map(drop)
    }

    /// Events from now on, or after the event numbered `since`. Everything that happens after this returns is seen.
    pub async fn events(&self, since: Option<u64>) -> Result<Events, Problem> {
        Events::open(self.clone(), since).await
    }

    /// A file's content from `offset` on.
    pub async fn read_file(
        &self,
        id: &WorkspaceId,
        path: &str,
        offset: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, Problem>> + Send + Unpin + 'static, Problem> {
        let query = query(&[("id", id.as_str()), ("path", path), ("offset", &offset.to_string())]);
        let reply = self.request(Method::GET, &format!("/v1/files?{query}"), full(Vec::new())).await?;
        Ok(reply.into_body().into_data_stream().map_err(|e| broken("The download", &e)))
    }

    /// Writes a file whole, or goes on with an upload that was cut. The stream must bring exactly what comes after the
    /// offset.
    pub async fn write_file(
        &self,
        id: &WorkspaceId,
        path: &str,
        upload: Upload,
        bytes: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
    ) -> Result<FileEntry, Problem> {
        let Upload { mode, size, offset, resumable, .. } = upload;
        let mut pairs = vec![("id", id.to_string()), ("path", path.to_owned()), ("size", size.to_string())];
        pairs.extend(mode.map(|mode| ("mode", mode.to_string())));
        pairs.push(("offset", offset.to_string()));
        pairs.push(("resumable", resumable.to_string()));
        json(self.request(Method::PUT, &format!("/v1/files?{}", query(&pairs)), streamed(bytes)).await?).await
    }

    /// Everything below a folder as one stream, to be read by [`tree::Reader`](slipway_engine::tree::Reader).
    pub async fn read_tree(
        &self,
        id: &WorkspaceId,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Problem>> + Send + Unpin + 'static, Problem> {
        let query = query(&[("id", id.as_str()), ("path", path)]);
        let reply = self.request(Method::GET, &format!("/v1/tree?{query}"), full(Vec::new())).await?;
        Ok(reply.into_body().into_data_stream().map_err(|e| broken("The download", &e)))
    }

    /// Makes files of such a stream below a folder, all or none. Gives how many, and their bytes.
    pub async fn write_tree(
        &self,
        id: &WorkspaceId,
        path: &str,
        bytes: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
    ) -> Result<(u64, u64), Problem> {
        let query = query(&[("id", id.as_str()), ("path", path)]);
        let reply = self.request(Method::PUT, &format!("/v1/tree?{query}"), streamed(bytes)).await?;
        let done: Unpacked = json(reply).await?;
        Ok((done.files, done.bytes))
    }

    /// Unpacks a zip of `size` bytes at `root`. Returns the number of files and of bytes written.
    pub async fn unpack(
        &self,
        id: &WorkspaceId,
        root: &str,
        size: u64,
        zip: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
    ) -> Result<(u64, u64), Problem> {
        let query = query(&[("id", id.as_str()), ("root", root), ("size", &size.to_string())]);
        let reply = self.request(Method::PUT, &format!("/v1/unpack?{query}"), streamed(zip)).await?;
        let done: Unpacked = json(reply).await?;
        Ok((done.files, done.bytes))
    }

    /// Attaches to a process from byte `offset` of its output on. `lossless`: slow it down rather than leave a gap.
    /// `owned`: it ends with this connection.
    pub async fn attach(
        &self,
        process: &ProcessRef,
        offset: u64,
        lossless: bool,
        owned: bool,
    ) -> Result<(AttachOutput, AttachInput), Problem> {
        let query = query(&[
            ("id", process.id.as_str()),
            ("process", process.process.as_str()),
            ("offset", &offset.to_string()),
            ("lossless", if lossless { "1" } else { "0" }),
            ("owned", if owned { "1" } else { "0" }),
        ]);
        let stream = local::connect(&self.socket).await.map_err(|e| self.gone(&e))?;
        let mut limits = WebSocketConfig::default();
        limits.max_message_size = Some(slipway_wire::MAX_FRAME);
        limits.max_frame_size = Some(slipway_wire::MAX_FRAME);
        let address = format!("ws://{HOST}/v1/attach?{query}");
        match tokio_tungstenite::client_async_with_config(address, stream, Some(limits)).await {
            Ok((socket, _)) => {
                let (sink, source) = socket.split();
                Ok((AttachOutput { source }, AttachInput { sink }))
            }
            Err(tungstenite::Error::Http(reply)) => {
                let body = reply.body().as_deref().unwrap_or_default();
                Err(problem(reply.status(), body))
            }
            Err(error) => Err(broken("The attachment", &error)),
        }
    }

    /// Sends one request and gives the answer's head, with its body still to come. An error status is a problem.
    pub(crate) async fn request(
        &self,
        method: Method,
        target: &str,
        body: OutBody,
    ) -> Result<Response<Incoming>, Problem> {
        self.send(Self::to(method, target), body).await
    }

    pub(crate) fn to(method: Method, target: &str) -> http::request::Builder {
        Request::builder().method(method).uri(target).header(header::HOST, HOST)
    }

    /// The same with a head that says more. A connection that is handed over is no problem.
    pub(crate) async fn send(
        &self,
        head: http::request::Builder,
        body: OutBody,
    ) -> Result<Response<Incoming>, Problem> {
        let stream = local::connect(&self.socket).await.map_err(|e| self.gone(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| broken("The connection to Slipway's owner", &e))?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                // Whoever waits for the answer gets the same failure in their own words.
                tracing::debug!(%error, "a connection to the owner ended badly");
            }
        });
        let request = head
            .body(body)
            .map_err(|e| Problem::new(Code::Invalid, format!("The request could not be made: {e}.")))?;
        let reply = sender
            .send_request(request)
            .await
            .map_err(|e| broken("The connection to Slipway's owner", &e))?;
        let status = reply.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(reply);
        }
        let body = Limited::new(reply.into_body(), MAX_PROBLEM).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(problem(status, &body))
    }

    fn gone(&self, error: &io::Error) -> Problem {
        Problem::new(Code::OwnerBusy, format!("No Slipway answers at {}: {error}.", self.socket.display()))
            .hint("Try again: the command line starts one when none runs.")
    }
}

impl Transport for UnixClient {
    async fn call(&self, name: &'static str, body: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let reply = self.request(Method::POST, &format!("/v1/rpc/{name}"), full(body)).await?;
        Ok(collect(reply).await?.to_vec())
    }
}

/// What a process writes.
#[derive(Debug)]
pub struct AttachOutput {
    source: SplitStream<WebSocketStream<local::Stream>>,
}

impl AttachOutput {
    /// The next frame. None after the process's exit was given; a problem when the connection ends before it.
    pub async fn next(&mut self) -> Option<Result<Frame<Bytes>, Problem>> {
        loop {
            let message = match self.source.next().await? {
                Ok(message) => message,
                Err(tungstenite::Error::ConnectionClosed) => return None,
                Err(error) => return Some(Err(broken("The attachment", &error))),
            };
            match message {
                Message::Binary(bytes) => {
                    let frame = match Frame::decode(&bytes) {
                        Ok(Frame { kind, offset, payload }) => {
                            Ok(Frame { kind, offset, payload: bytes.slice_ref(payload) })
                        }
                        Err(error) => Err(broken("The attachment", &error)),
                    };
                    return Some(frame);
                }
                Message::Close(Some(why))
                    if why.code != tungstenite::protocol::frame::coding::CloseCode::Normal =>
                {
                    return Some(Err(broken("The attachment", &why.reason)));
                }
                Message::Close(_) => return None,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// Where a process's input goes. Waits when the process does not read.
#[derive(Debug)]
pub struct AttachInput {
    sink: SplitSink<WebSocketStream<local::Stream>, Message>,
}

impl AttachInput {
    /// Sends input, at most 256 KiB at once.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), Problem> {
        self.say(Message::Binary(bytes)).await
    }

    /// Tells the terminal its size.
    pub async fn resize(&mut self, size: WindowSize) -> Result<(), Problem> {
        self.control(&Control::Resize(size)).await
    }

    /// Says that no more input comes.
    pub async fn end(&mut self) -> Result<(), Problem> {
        self.control(&Control::EndOfInput(true)).await
    }

    async fn control(&mut self, control: &Control) -> Result<(), Problem> {
        let text = serde_json::to_string(control).map_err(|e| {
            Problem::new(Code::Internal, format!("A control message could not be written: {e}."))
        })?;
        self.say(Message::text(text)).await
    }

    async fn say(&mut self, message: Message) -> Result<(), Problem> {
        self.sink.send(message).await.map_err(|e| broken("The attachment", &e))
    }
}

/// A body that is here already.
pub(crate) fn full(body: Vec<u8>) -> OutBody {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
}

fn streamed(bytes: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static) -> OutBody {
    BodyExt::boxed_unsync(StreamBody::new(bytes.map_ok(BodyFrame::data)))
}

pub(crate) fn query<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn collect(reply: Response<Incoming>) -> Result<Bytes, Problem> {
    let body = Limited::new(reply.into_body(), MAX_REPLY).collect().await;
    Ok(body.map_err(|e| broken("The reply", &e))?.to_bytes())
}

async fn json<T: serde::de::DeserializeOwned>(reply: Response<Incoming>) -> Result<T, Problem> {
    let body = collect(reply).await?;
    serde_json::from_slice(&body).map_err(|e| broken("The reply", &e))
}

/// The problem an error answer carries, or one made of what it says instead.
fn problem(status: StatusCode, body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned();
        Problem::new(Code::Internal, format!("Slipway's owner answered {status}.")).detail(text)
    })
}

pub(crate) fn broken(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::OwnerBusy, format!("{what} broke off: {error}."))
        .hint("Slipway's owner may have ended; try again.")
}
