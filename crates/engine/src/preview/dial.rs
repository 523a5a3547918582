//! A TCP connection to a port on the container's loopback, carried by the agent's `Dial`. In: a port. Out: something to
//! read and write like a socket, with HTTP/2's flow control behind it. The agent's replies are bounded and not trusted.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use slipway_agent_api::{
    MAX_CHUNK,
    v1::{DialOpen, DialReply, DialRequest, dial_request::Part},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::{Stream as _, wrappers::ReceiverStream};
use tokio_util::sync::PollSender;
use tonic::{Code, Status, Streaming};

use super::{AgentClient, Traffic};

/// How long the agent may take to connect to its own loopback.
const CONNECT: Duration = Duration::from_secs(10);
/// Chunks on their way to the agent before the writer waits.
const QUEUE: usize = 4;
/// Largest message taken from an agent, bytes.
const MESSAGE: usize = 1 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing listens on that port.
    #[error("nothing listens there")]
    Refused,
    /// The agent does not answer, or not as it should.
    #[error("the agent does not answer: {0}")]
    Lost(String),
}

/// A connection through the agent. Dropping it cuts the connection.
pub struct DialStream {
    replies: Streaming<DialReply>,
    requests: PollSender<DialRequest>,
    unread: Bytes,
    heard: Arc<AtomicBool>,
    traffic: Option<Arc<Traffic>>,
}

impl DialStream {
    /// Connects. Waits ten seconds at most.
    pub async fn open(client: &AgentClient, port: u16) -> Result<Self, DialError> {
        timeout(CONNECT, Self::connect(client, port))
            .await
            .unwrap_or_else(|_| Err(DialError::Lost("it took too long".to_owned())))
    }

    async fn connect(client: &AgentClient, port: u16) -> Result<Self, DialError> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let open = DialRequest { part: Some(Part::Open(DialOpen { port: u32::from(port) })) };
        requests.try_send(open).map_err(|_| DialError::Lost("the queue is closed".to_owned()))?;
        let mut client = client.clone().max_decoding_message_size(MESSAGE);
        let mut replies =
            client.dial(ReceiverStream::new(queue)).await.map_err(|status| failed(&status))?.into_inner();
        let first = replies.message().await.map_err(|status| failed(&status))?;
        let DialReply { data: unread } = first.ok_or_else(|| DialError::Lost("it hung up".to_owned()))?;
        Ok(Self {
            replies,
            requests: PollSender::new(requests),
            unread,
            heard: Arc::default(),
            traffic: None,
        })
    }

    /// Counts what passes as the workspace's traffic.
    pub(super) fn counted(self, traffic: Option<Arc<Traffic>>) -> Self {
        Self { traffic, ..self }
    }

    /// Turns true with the first byte read.
    pub fn heard(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.heard)
    }

    fn send(&mut self, data: Bytes) -> io::Result<usize> {
        let sent = data.len();
        self.requests
            .send_item(DialRequest { part: Some(Part::Data(data)) })
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        if let Some(traffic) = &self.traffic {
            traffic.received(sent as u64);
        }
        Ok(sent)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.requests.poll_reserve(cx).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The agent's own "unavailable" has no cause behind it; that of a broken channel has.
fn failed(status: &Status) -> DialError {
    let refused = matches!(status.code(), Code::Unavailable | Code::PermissionDenied);
    if refused && std::error::Error::source(status).is_none() {
        DialError::Refused
    } else {
        DialError::Lost(format!("{:?}: {}", status.code(), status.message()))
    }
}

impl AsyncRead for DialStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.replies).poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(reply)) => self.unread = reply.data,
                Some(Err(status)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, status)));
                }
            }
        }
        self.heard.store(true, Ordering::Relaxed);
        let taken = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..taken]);
        self.unread.advance(taken);
        if let Some(traffic) = &self.traffic {
            traffic.sent(taken as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for DialStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        Poll::Ready(self.send(Bytes::copy_from_slice(&buf[..buf.len().min(MAX_CHUNK)])))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut chunk = BytesMut::with_capacity(all.min(MAX_CHUNK));
        for buf in bufs {
            let room = MAX_CHUNK - chunk.len();
            chunk.extend_from_slice(&buf[..buf.len().min(room)]);
        }
        Poll::Ready(self.send(chunk.freeze()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.requests.close();
        Poll::Ready(Ok(()))
    }
}
