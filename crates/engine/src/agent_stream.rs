//! The byte stream to an agent, below HTTP/2: a container's own standard input and output, where what goes in is put into
//! records (`agent-api`'s `records`), or those of a `docker exec`, which are taken as they are. It tells when it is over.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use slipway_agent_api::{
    records::{self, MARK, NUMBER},
    v1::HelloReply,
};
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

use crate::docker::{Docker, Duplex, Errors};

/// An agent that has not answered a mark by then is asked for by `docker exec`. It answers at once, but many may be asked
/// in the same moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// What begins a connection anew on a container's own streams. A secret between an agent and its engine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Whose streams, by Docker's id.
    container: String,
    /// Which start of its agent.
    boot: String,
    secret: [u8; MARK],
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").field("container", &self.container).finish_non_exhaustive()
    }
}

impl Mark {
    /// What holds after an agent said this: what it told now, or what was known where it is still that agent.
    pub(crate) fn after(known: Option<Self>, container: &str, hello: &HelloReply) -> Option<Self> {
        let told = <[u8; MARK]>::try_from(&hello.mark[..]).ok();
        let told =
            told.map(|secret| Self { container: container.to_owned(), boot: hello.boot_id.clone(), secret });
        told.or(known.filter(|mark| mark.container == container && mark.boot == hello.boot_id))
    }

    /// It is of this container.
    pub(crate) fn of(&self, container: &str) -> bool {
        self.container == container
    }
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

    /// A container's own, to be attached to before it starts: records go out.
    pub(crate) fn first(duplex: Duplex) -> Self {
        Self::of_records(duplex, records::FIRST)
    }

    fn of_records(duplex: Duplex, number: [u8; NUMBER]) -> Self {
        let mut stream = Self::plain(duplex);
        stream.records = Some(Records { waiting: BytesMut::new(), number });
        stream
    }

    /// Attaches to a container that runs and has its agent begin a connection anew there.
    ///
    /// # Errors
    ///
    /// It does not answer: it hangs or is frozen, or it is another agent than the one the mark is of.
    pub(crate) async fn anew(docker: &Docker, mark: &Mark) -> Result<Self, Problem> {
        let lost = |e: io::Error| {
            Problem::new(Code::AgentLost, "The container's agent could not be reached.").detail(e.to_string())
        };
        let mut number = [0; NUMBER];
        getrandom::fill(&mut number).map_err(|e| lost(io::Error::other(e)))?;
        let mut stream = Self::of_records(docker.attach(&mark.container).await?, records::number(number));
        let begun = timeout(PATIENCE, stream.begin(&mark.secret)).await;
        begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(lost)?;
        Ok(stream)
    }

    async fn begin(&mut self, secret: &[u8; MARK]) -> io::Result<()> {
        let Some(Records { number, .. }) = &self.records else { return Ok(()) };
        self.duplex.write_all(&[&secret[..], number].concat()).await?;
        self.duplex.flush().await?;
        self.first = past(&mut self.duplex, number).await?;
        Ok(())
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
    fn a_mark_is_of_one_container_and_one_start_of_its_agent() {
        let hello = |boot: &str, mark: &'static [u8]| HelloReply {
            boot_id: boot.to_owned(),
            mark: mark.into(),
            ..HelloReply::default()
        };
        let told = Mark::after(None, "c1", &hello("b1", &[7; MARK])).expect("it told one");
        assert!(told.of("c1") && !told.of("c2"));
        assert!(!format!("{told:?}").contains('7'), "a secret");
        let after = |container, boot| Mark::after(Some(told.clone()), container, &hello(boot, b""));
        assert_eq!(after("c1", "b1"), Some(told.clone()), "asked over another connection");
        assert_eq!(after("c1", "b2"), None, "another start");
        assert_eq!(after("c2", "b1"), None, "another container");
        assert_eq!(Mark::after(None, "c1", &hello("b1", b"short")), None);
    }
}
