//! The program's own standard input and output as a connection: how an engine reaches the agent without a `docker exec`.
//! Input comes in records (`agent-api`'s `records`), so that an engine which comes later attaches to the container and
//! begins a connection anew, however the one before was cut off. Nothing tells the agent that an engine has gone; what
//! would wait for it forever asks the [`Link`].

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use slipway_agent_api::MAX_FRAME;
use slipway_agent_api::records::{Came, NUMBER, Opener};
use slipway_agent_api::v1::agent_server::AgentServer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::listener;
use crate::service::Service;

/// The pipe capacity asked for, in bytes. The kernel's default limit for an unprivileged pipe.
const PIPE_BYTES: usize = 1024 * 1024;

/// So many bytes that begin no frame end an HTTP/2 connection, also in the middle of the longest frame: how an engine
/// learns that something else came between its records, and comes back.
const BREAKS: usize = MAX_FRAME as usize + 64;

/// What a call knows of the connection it came over, when that is the program's own streams.
#[derive(Default)]
pub(crate) struct Link {
    heard: AtomicU64,
}

impl Link {
    /// How often something was heard from the engine. One that lives is heard every few seconds.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both streams. The connection of the moment holds them, and who waits for the next one.
#[derive(Clone)]
pub(crate) struct Stdio {
    streams: Arc<Mutex<Streams>>,
    link: Arc<Link>,
}

struct Streams {
    input: Receiver,
    output: Sender,
    opener: Opener,
    /// Of the record that is being handed on, what is left.
    payload: Bytes,
    stand: Stand,
}

#[derive(Clone, Copy)]
enum Stand {
    /// A connection is there, or may be.
    Open,
    /// It is over; another has begun, whose engine waits for this number.
    Anew([u8; NUMBER]),
    /// It is over, and nothing came yet that begins another.
    Lost,
    /// Nobody can come any more.
    Ended,
}

/// Takes both streams over and leaves nothing in their place, so that no program started later holds them open.
///
/// # Errors
/// They are no pipes, or there is no `/dev/null`.
pub(crate) fn take() -> io::Result<Stdio> {
    let input = own(rustix::stdio::stdin())?;
    let output = own(rustix::stdio::stdout())?;
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    let streams = Streams {
        input: Receiver::from_owned_fd(input)?,
        output: Sender::from_owned_fd(output)?,
        opener: Opener::default(),
        payload: Bytes::new(),
        stand: Stand::Open,
    };
    Ok(Stdio { streams: Arc::new(Mutex::new(streams)), link: Arc::default() })
}

/// Serves one connection after the other until there can be none any more.
pub(crate) async fn serve(mut stdio: Stdio, server: AgentServer<Service>) {
    loop {
        listener::connection(stdio.clone(), server.clone(), Some(Arc::clone(&stdio.link))).await;
        let lost = matches!(stdio.streams().stand, Stand::Lost);
        if lost && stdio.write_all(&vec![0xFF; BREAKS]).await.is_err() {
            return;
        }
        let Some(number) = stdio.anew().await else { return };
        if stdio.write_all(&number).await.is_err() {
            return;
        }
    }
}

impl Stdio {
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the engine that begins the next connection, past all that the one before still sends.
    async fn anew(&self) -> Option<[u8; NUMBER]> {
        std::future::poll_fn(|cx| {
            let mut streams = self.streams();
            loop {
                streams.payload.clear();
                match streams.stand {
                    Stand::Anew(number) => {
                        streams.stand = Stand::Open;
                        return Poll::Ready(Some(number));
                    }
                    Stand::Ended => return Poll::Ready(None),
                    Stand::Open | Stand::Lost => match ready!(streams.poll_more(cx, &self.link)) {
                        Ok(()) => {}
                        Err(_) => return Poll::Ready(None),
                    },
                }
            }
        })
        .await
    }
}

impl Streams {
    /// Takes in what comes next: a payload, or another stand.
    fn poll_more(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        loop {
            match self.opener.open() {
                Came::Payload(payload) => self.payload = payload,
                Came::Anew(number) => self.stand = Stand::Anew(number),
                Came::Lost => self.stand = Stand::Lost,
                Came::Part => {
                    let read = pin!(self.input.read_buf(self.opener.room())).poll(cx);
                    if ready!(read)? > 0 {
                        link.heard.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    self.stand = Stand::Ended;
                }
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncRead for Stdio {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut streams = self.streams();
        while streams.payload.is_empty() {
            // Over for the one that reads here: it ends as at the end of any stream.
            let Stand::Open = streams.stand else { return Poll::Ready(Ok(())) };
            ready!(streams.poll_more(cx, &self.link))?;
        }
        let length = streams.payload.len().min(buf.remaining());
        buf.put_slice(&streams.payload[..length]);
        streams.payload.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.streams().output).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.streams().output).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.streams().output.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The next connection uses it too.
        Poll::Ready(Ok(()))
    }
}

/// One of the program's own streams as a file, which is read and written without a buffer of its own.
///
/// # Errors
/// It is closed.
pub(crate) fn file(stream: impl AsFd) -> io::Result<File> {
    own(stream).map(File::from)
}

fn own(stream: impl AsFd) -> io::Result<OwnedFd> {
    // An administrator may have lowered the limit; it works with any size.
    let _ = rustix::pipe::fcntl_setpipe_size(&stream, PIPE_BYTES);
    Ok(rustix::io::fcntl_dupfd_cloexec(stream, 3)?)
}
