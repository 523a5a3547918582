//! A program's streams over a connection of our own to the daemon's socket, wherever the daemon has one on this machine.
//! bollard's way reads a container's output 8 KiB at a time and writes the head and the body of a frame apart, and a large
//! file then costs the engine more than all that Docker does with it.

use bollard::errors::Error;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net,
    },
    path::Path,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};
use tokio_util::io::poll_read_buf;

use super::exec::Errors;

/// Read at most this many bytes of the daemon's stream at once.
const CAPACITY: usize = 256 * 1024;
/// A daemon that has not said by then whether it hands the connection over will not.
const PATIENCE: Duration = Duration::from_mins(5);
/// Its words when it does not, bytes.
const MOST_WORDS: usize = 64 * 1024;
/// Before each piece of output: one byte whose it is, three of nothing, four of how much.
const HEAD: usize = 8;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;

type Asking = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

/// A connection that the daemon has handed over to a program's standard streams, none of them a terminal.
pub(super) struct Hijacked<S = UnixStream> {
    stream: S,
    output: Output,
}

/// What the daemon sends of the program's output, and how far it is taken apart.
struct Output {
    buffer: Vec<u8>,
    /// Taken out of the buffer, bytes.
    taken: usize,
    /// Of the piece under way: whose it is, and how much of it is still to come.
    from: u8,
    left: usize,
}

/// The same for a thread that may wait. What the program says on standard error is kept.
pub(crate) struct Blocking {
    stream: net::UnixStream,
    output: Output,
    errors: Errors,
}

/// Ends the connection when it is let go of, whatever thread waits on it.
pub(crate) struct Hangup(net::UnixStream);

impl Drop for Hangup {
    fn drop(&mut self) {
        // One that has ended cannot be ended.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Asks for a program's streams: a POST with this JSON, or with no body.
pub(super) async fn hijack(socket: &Path, target: &str, json: Vec<u8>) -> Result<Hijacked, Error> {
    tokio::time::timeout(PATIENCE, ask(socket, target, json)).await.map_err(|_| Error::RequestTimeoutError)?
}

async fn ask(socket: &Path, target: &str, json: Vec<u8>) -> Result<Hijacked, Error> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(header::HOST, "docker")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "tcp")
        .body(Full::new(Bytes::from(json)))?;
    let mut over = false;
    let response = meanwhile(&mut connection, &mut over, sender.send_request(request)).await??;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(meanwhile(&mut connection, &mut over, refused(response)).await?);
    }
    if !over {
        poll_fn(|cx| connection.poll_without_shutdown(cx)).await?;
    }
    let parts = connection.into_parts();
    Ok(Hijacked::new(parts.io.into_inner(), &parts.read_buf))
}

/// What `wanted` gives, the connection being driven until then.
async fn meanwhile<T>(
    connection: &mut Asking,
    over: &mut bool,
    wanted: impl Future<Output = T>,
) -> Result<T, Error> {
    let mut wanted = pin!(wanted);
    loop {
        tokio::select! {
            value = &mut wanted => return Ok(value),
            done = poll_fn(|cx| connection.poll_without_shutdown(cx)), if !*over => {
                done?;
                *over = true;
            }
        }
    }
}

/// Why the daemon hands nothing over, as bollard tells it.
async fn refused(response: Response<Incoming>) -> Error {
    let status_code = response.status().as_u16();
    let words = Limited::new(response.into_body(), MOST_WORDS).collect().await;
    let words = words.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let told = serde_json::from_slice::<serde_json::Value>(&words).ok();
    let told = told.and_then(|told| Some(told.get("message")?.as_str()?.to_owned()));
    let message = told.unwrap_or_else(|| String::from_utf8_lossy(&words).into_owned());
    Error::DockerResponseServerError { status_code, message }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Hijacked<S> {
    fn new(stream: S, read_already: &[u8]) -> Self {
        let output = Output { buffer: read_already.to_vec(), taken: 0, from: STDOUT, left: 0 };
        Self { stream, output }
    }

    /// Fills `buf` with what the program writes to its standard output; what it says on standard error goes to `errors`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        errors: &Errors,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.output.take(buf, errors)? {
                return Poll::Ready(Ok(()));
            }
            let room = self.output.room();
            if ready!(poll_read_buf(Pin::new(&mut self.stream), cx, room))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The way to the program's standard input.
    pub(super) fn input(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }
}

impl Hijacked {
    pub(super) fn into_blocking(self, errors: Errors) -> io::Result<Blocking> {
        let stream = self.stream.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(Blocking { stream, output: self.output, errors })
    }
}

impl Output {
    /// Takes out of the buffer what there is room for, and says whether that is something.
    fn take(&mut self, buf: &mut ReadBuf<'_>, errors: &Errors) -> io::Result<bool> {
        let before = buf.filled().len();
        loop {
            let here = &self.buffer[self.taken..];
            if self.left == 0 {
                let Some(head) = here.first_chunk::<HEAD>() else { break };
                let [from, _, _, _, length @ ..] = *head;
                if !matches!(from, STDOUT | STDERR) {
                    let what = format!("the daemon sends output of stream {from}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                (self.from, self.left) = (from, u32::from_be_bytes(length) as usize);
                self.taken += HEAD;
                continue;
            }
            let here = &here[..self.left.min(here.len())];
            let piece = if self.from == STDOUT { &here[..here.len().min(buf.remaining())] } else { here };
            if piece.is_empty() {
                break;
            }
            if self.from == STDOUT {
                buf.put_slice(piece);
            } else {
                errors.add(piece);
            }
            self.taken += piece.len();
            self.left -= piece.len();
        }
        Ok(buf.filled().len() > before)
    }

    /// Where more is to be read to. Of what came before no more than the beginning of a head is left.
    fn room(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.reserve(CAPACITY);
        &mut self.buffer
    }
}

impl Blocking {
    /// A handle on what the program says on standard error.
    pub(crate) fn errors(&self) -> &Errors {
        &self.errors
    }

    /// What ends it from another thread.
    pub(crate) fn hangup(&self) -> io::Result<Hangup> {
        self.stream.try_clone().map(Hangup)
    }

    /// How long a read may wait; as long as it takes if none.
    pub(crate) fn wait_for(&self, most: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(most)
    }

    /// No more comes to the program's standard input.
    pub(crate) fn end_input(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

impl io::Read for Blocking {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(into);
        loop {
            if self.output.take(&mut buf, &self.errors)? {
                return Ok(buf.filled().len());
            }
            let room = rustix::buffer::spare_capacity(self.output.room());
            match rustix::io::read(&self.stream, room) {
                Ok(0) => return Ok(0),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl io::Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl AsFd for Blocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, DuplexStream};

    fn piece(from: u8, text: &[u8]) -> Vec<u8> {
        [&[from, 0, 0, 0][..], &(text.len() as u32).to_be_bytes(), text].concat()
    }

    /// Reads to the end in reads of at most `at_once` bytes.
    async fn read(
        hijacked: &mut Hijacked<DuplexStream>,
        at_once: usize,
        errors: &Errors,
    ) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let mut space = vec![0; at_once];
            let mut buf = ReadBuf::new(&mut space);
            poll_fn(|cx| hijacked.poll_read(cx, &mut buf, errors)).await?;
            if buf.filled().is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(buf.filled());
        }
    }

    #[tokio::test]
    async fn pieces_become_one_stream_however_they_are_cut() {
        let stream = [
            piece(STDOUT, b"one "),
            piece(STDERR, b"said"),
            piece(STDOUT, b""),
            piece(STDOUT, &[b'x'; 300]),
            piece(STDERR, b" twice"),
            piece(STDOUT, b" end"),
        ]
        .concat();
        let expected = [&b"one "[..], &[b'x'; 300], b" end"].concat();
        for (cut, at_once) in [(1, 1), (3, 1000), (7, 5), (1000, 2), (1000, 1000)] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (already, rest) = stream.split_at(5.min(cut));
            let (errors, mut hijacked) = (Errors::default(), Hijacked::new(near, already));
            let writing = async {
                for part in rest.chunks(cut) {
                    far.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(far);
            };
            let (read, ()) = tokio::join!(read(&mut hijacked, at_once, &errors), writing);
            assert_eq!(read.unwrap(), expected, "cut {cut}, read {at_once}");
            assert_eq!(errors.said(), "said twice");
        }
    }

    #[tokio::test]
    async fn a_thread_reads_the_same_and_is_not_left_waiting() {
        use std::io::{Read as _, Write as _};
        let (near, mut far) = net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let stream = UnixStream::from_std(near).unwrap();
        let already = &piece(STDOUT, b"one ")[..9];
        let mut blocking = Hijacked::new(stream, already).into_blocking(Errors::default()).unwrap();
        far.write_all(&[b"ne ", &piece(STDERR, b"said")[..], &piece(STDOUT, b"two")].concat()).unwrap();
        let mut read = [0; 7];
        blocking.read_exact(&mut read).unwrap();
        assert_eq!((&read, blocking.errors().said().as_str()), (b"one two", "said"));
        blocking.wait_for(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(blocking.read(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        blocking.wait_for(None).unwrap();
        let hangup = blocking.hangup().unwrap();
        let waiting = std::thread::spawn(move || blocking.read(&mut read));
        drop(hangup);
        assert_eq!(waiting.join().unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn what_is_no_piece_is_an_error_and_what_is_cut_is_an_end() {
        for (stream, good) in
            [(&b"HTTP/1.1 200 OK"[..], false), (&piece(STDOUT, b"cut")[..9], true), (&[1, 0, 0], true)]
        {
            let (near, mut far) = tokio::io::duplex(64);
            far.write_all(stream).await.unwrap();
            drop(far);
            let read = read(&mut Hijacked::new(near, b""), 100, &Errors::default()).await;
            assert_eq!(read.is_ok(), good, "{stream:?}: {read:?}");
        }
    }
}
