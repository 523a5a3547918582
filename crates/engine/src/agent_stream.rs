//! The byte stream to an agent, below HTTP/2: a container's own standard input and output, where what goes in is put into
//! records (`agent-api`'s `records`), or those of a `docker exec`, which are taken as they are. It tells when it is over.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;
use sha2::{Digest as _, Sha256};
use slipway_agent_api::records::{self, MARK, NUMBER};
use slipway_wire::{Code, Problem};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::docker::{Duplex, Errors};

/// What the marks of a data folder's containers are made of: who holds it can come back to their agents, whatever was
/// lost in between. It never leaves this machine.
pub(crate) struct StreamKey([u8; 32]);

impl StreamKey {
    /// Of 32 secret bytes.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The mark of a container, by Docker's id.
    fn mark(&self, container: &str) -> [u8; MARK] {
        let hash = Sha256::new().chain_update(self.0).chain_update(container).finalize();
        records::mark(hash.into())
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey")
    }
}

/// The problem of an agent that cannot be spoken with.
pub(crate) fn lost(what: &str, detail: String) -> Problem {
    Problem::new(Code::AgentLost, format!("The container's agent {what}."))
        .hint("Start the workspace again; if it stays so, deploy it anew.")
        .detail(detail)
}

/// Records on their way out, and the number of their connection.
struct Records {
    waiting: BytesMut,
    number: [u8; NUMBER],
}

/// The stream. Dropping it ends it.
pub(crate) struct AgentStream {
    duplex: Duplex,
    /// Came before the connection's first bytes were asked for.
    first: Bytes,
    /// Where what goes out are records.
    records: Option<Records>,
    closed: CancellationToken,
}

impl AgentStream {
    /// Bytes as they are.
    pub(crate) fn plain(duplex: Duplex) -> Self {
        Self { duplex, first: Bytes::new(), records: None, closed: CancellationToken::new() }
    }

    /// Begins a connection anew on a container's own streams, and waits until its agent has answered.
    ///
    /// # Errors
    ///
    /// It does not answer in time: it hangs or is frozen, or somebody else's mark came first.
    pub(crate) async fn begin(
        duplex: Duplex,
        key: &StreamKey,
        container: &str,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let lost = |e: io::Error| lost("could not be reached", e.to_string());
        let mut number = [0; NUMBER];
        getrandom::fill(&mut number).map_err(|e| lost(io::Error::other(e)))?;
        let number = records::number(number);
        let mut stream = Self::plain(duplex);
        stream.records = Some(Records { waiting: BytesMut::new(), number });
        let duplex = &mut stream.duplex;
        let begun = timeout(patience, async {
            duplex.write_all(&[&key.mark(container)[..], &number].concat()).await?;
            duplex.flush().await?;
            past(duplex, &number).await
        });
        let begun = begun.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        stream.first = begun.map_err(lost)?;
        Ok(stream)
    }

    /// A handle on what the agent says on standard error.
    pub(crate) fn errors(&self) -> Errors {
        self.duplex.errors()
    }

    /// Cancelled when it is over.
    pub(crate) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Writes out what is in records already.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Records { waiting, .. }) = &mut self.records else { return Poll::Ready(Ok(())) };
        while !waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.duplex).poll_write(cx, waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads past a number that nobody could know before, and gives what has come after it. What the connection before it
/// had on its way is let go of.
async fn past(stream: &mut (impl AsyncRead + Unpin), number: &[u8; NUMBER]) -> io::Result<Bytes> {
    let finder = memmem::Finder::new(number);
    let mut came = BytesMut::new();
    loop {
        if stream.read_buf(&mut came).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = finder.find(&came) {
            came.advance(at + NUMBER);
            return Ok(came.freeze());
        }
        came.advance(came.len().saturating_sub(NUMBER - 1));
    }
}

impl Drop for AgentStream {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl AsyncRead for AgentStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.duplex).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AgentStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let Some(Records { waiting, number }) = &mut self.records else {
            return Pin::new(&mut self.duplex).poll_write_vectored(cx, parts);
        };
        let taken = records::seal(parts, number, waiting);
        // What does not go out now goes out before the next, or when it is flushed.
        match self.poll_drain(cx) {
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.records.is_some() || self.duplex.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.duplex).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.duplex).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_before_the_number_is_let_go_of_and_what_comes_after_is_kept() {
        let number = *b"sixteen numbers!";
        let stream = [&[b's'; 100][..], b"sixteen", &number, b"after"].concat();
        for at_once in [1, 3, 16, 1000] {
            let (mut near, mut far) = tokio::io::duplex(at_once);
            let sent = stream.clone();
            let sending = async move { far.write_all(&sent).await.unwrap() };
            let reading = async {
                let mut after = past(&mut near, &number).await.unwrap().to_vec();
                near.read_to_end(&mut after).await.unwrap();
                after
            };
            let ((), after) = tokio::join!(sending, reading);
            assert_eq!(after, b"after", "{at_once} at once");
        }
        let cut = past(&mut &stream[..110], &number).await.expect_err("an end before it");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_mark_is_of_one_container_and_one_data_folder() {
        let (key, other) = (StreamKey::new([7; 32]), StreamKey::new([8; 32]));
        assert_eq!(key.mark("c1"), StreamKey::new([7; 32]).mark("c1"), "also after a restart");
        assert_ne!(key.mark("c1"), key.mark("c2"));
        assert_ne!(key.mark("c1"), other.mark("c1"));
        assert!(!format!("{key:?}").contains('7'), "a secret");
    }
}
