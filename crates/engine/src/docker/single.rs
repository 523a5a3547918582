//! One file in or out of a container over the daemon's archive endpoint, on a connection of our own to its socket: for a
//! large one half of what the way through the agent costs, for the daemon writes and reads the disk itself. What it
//! answers is foreign: only a regular file of a bounded head is taken out of it.

use bollard::errors::Error;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Frame, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use slipway_wire::Problem;
use std::{fmt::Write as _, io, path::Path};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::{Docker, hijack::refused, problem};

const BLOCK: usize = 512;
/// Two blocks of nothing end an archive.
const END: usize = 2 * BLOCK;
/// What stands before a file in an archive (its long name, its exact times), bytes.
const MOST_BEFORE: u64 = 64 * 1024;

/// A file as it is to be made.
pub(crate) struct NewFile<'a> {
    /// The folder it is made in, which is there.
    pub(crate) folder: &'a [u8],
    pub(crate) name: &'a str,
    /// User and group.
    pub(crate) owner: u32,
    pub(crate) size: u64,
}

/// A file as the daemon has it.
pub(crate) struct FoundFile<S> {
    pub(crate) size: u64,
    /// Its last change, Unix time in seconds.
    pub(crate) modified_s: u64,
    /// Its bytes, exactly as many as it has.
    pub(crate) bytes: S,
}

impl Docker {
    /// Whether the daemon can be asked this way.
    pub(crate) fn takes_single_files(&self) -> bool {
        self.socket.is_some()
    }

    /// Makes a file in the place of one that is there. `bytes` must be as many as announced, and end it early with an error.
    /// What is cut then has arrived, and is root's.
    pub(crate) async fn put_file(
        &self,
        container: &str,
        file: &NewFile<'_>,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Problem> {
        let doing = "writing a file in the container";
        let head = head(file).map_err(|e| problem(doing, &Error::from(e)))?;
        let filling = vec![0; padding(file.size) + END];
        let length = (head.len() + filling.len()) as u64 + file.size;
        let whole = stream::iter([Ok(head)]).chain(bytes).chain(stream::iter([Ok(filling.into())]));
        let body = StreamBody::new(whole.map(|part| part.map(Frame::data)));
        let target = target(container, file.folder);
        let request = Request::put(target)
            .header(header::CONTENT_TYPE, "application/x-tar")
            .header(header::CONTENT_LENGTH, length);
        let (response, _connection) = self.ask(request, body).await.map_err(|e| problem(doing, &e))?;
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        Err(problem(doing, &refused(response).await))
    }

    /// A regular file. `None`: the daemon has none there.
    pub(crate) async fn get_file(
        &self,
        container: &str,
        path: &[u8],
    ) -> Result<Option<FoundFile<impl Stream<Item = Result<Bytes, Problem>> + Send + use<>>>, Problem> {
        let doing = "reading a file in the container";
        // Before 1.1 there were no chunks: the bytes come as the socket has them, not 32 KiB at a time.
        let request =
            Request::builder().method(Method::GET).version(Version::HTTP_10).uri(target(container, path));
        let asked = self.ask(request, http_body_util::Empty::<Bytes>::new()).await;
        let (response, connection) = asked.map_err(|e| problem(doing, &e))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(problem(doing, &refused(response).await)),
        }
        let mut archive =
            Archive { body: response.into_body(), rest: BytesMut::new(), _connection: connection };
        let Some((size, modified_s)) = archive.file().await.map_err(|e| problem(doing, &Error::from(e)))?
        else {
            return Ok(None);
        };
        let bytes = stream::unfold(Some((archive, size)), move |state| async move {
            let (mut archive, left) = state.filter(|(_, left)| *left > 0)?;
            match archive.part(left).await {
                Ok(part) => {
                    let left = left - part.len() as u64;
                    Some((Ok(part), Some((archive, left))))
                }
                Err(error) => Some((Err(problem(doing, &Error::from(error))), None)),
            }
        });
        Ok(Some(FoundFile { size, modified_s, bytes }))
    }

    /// One question on a connection of its own, which ends with what is returned.
    async fn ask<B>(
        &self,
        request: hyper::http::request::Builder,
        body: B,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(socket) = &self.socket else {
            return Err(io::Error::from(io::ErrorKind::Unsupported).into());
        };
        let request = request.header(header::HOST, "docker").body(body)?;
        let stream = UnixStream::connect(Path::new(socket)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends is told by the answer, or by the lack of one.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        Ok((sender.send_request(request).await?, connection))
    }
}

/// The question for an archive of what is at a path, which may be any bytes.
fn target(container: &str, path: &[u8]) -> String {
    let mut target = format!("/containers/{container}/archive?path=");
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}

fn head(file: &NewFile<'_>) -> io::Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_path(file.name)?;
    header.set_entry_type(tar::EntryType::Regular);
    // Read by the agent also while it is root's: the daemon gives it its owner last.
    header.set_mode(0o644);
    header.set_uid(u64::from(file.owner));
    header.set_gid(u64::from(file.owner));
    header.set_size(file.size);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    header.set_mtime(now.as_secs());
    header.set_cksum();
    Ok(Bytes::copy_from_slice(header.as_bytes()))
}

/// What fills the last block of a file.
fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// An archive as it arrives.
struct Archive<B> {
    body: B,
    rest: BytesMut,
    _connection: AbortOnDropHandle<()>,
}

impl<B> Archive<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Size and time of the first entry, if it is a regular file; its bytes come next.
    async fn file(&mut self) -> io::Result<Option<(u64, u64)>> {
        let (mut before, mut real_size) = (0, None);
        loop {
            let block = self.exactly(BLOCK).await?;
            let header = tar::Header::from_byte_slice(&block);
            let (kind, size) = (header.entry_type(), header.entry_size()?);
            if kind == tar::EntryType::Regular {
                return Ok(Some((real_size.unwrap_or(size), header.mtime()?)));
            }
            let about_the_next = kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions()
                || kind.is_gnu_longname()
                || kind.is_gnu_longlink();
            before += size.saturating_add(BLOCK as u64);
            if !about_the_next || before > MOST_BEFORE {
                return Ok(None);
            }
            let told = self.exactly(size as usize + padding(size)).await?;
            if kind.is_pax_local_extensions() {
                real_size = pax_size(&told[..size as usize])?.or(real_size);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.rest.len() < length {
            let more = self.frame().await?;
            self.rest.extend_from_slice(&more);
        }
        Ok(self.rest.split_to(length).freeze())
    }

    /// The next bytes, at most so many and at least one.
    async fn part(&mut self, most: u64) -> io::Result<Bytes> {
        let mut part = if self.rest.is_empty() { self.frame().await? } else { self.rest.split().freeze() };
        part.truncate(usize::try_from(most).unwrap_or(usize::MAX).min(part.len()));
        Ok(part)
    }

    async fn frame(&mut self) -> io::Result<Bytes> {
        loop {
            let Some(frame) = self.body.frame().await else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let frame = frame.map_err(|e| io::Error::other(e.into()))?;
            // Trailers say nothing about the file.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(data);
            }
        }
    }
}

/// The size that stands in a header's extensions, where the header's own field is too small for it.
fn pax_size(told: &[u8]) -> io::Result<Option<u64>> {
    for extension in tar::PaxExtensions::new(told) {
        let extension = extension?;
        if extension.key_bytes() == b"size" {
            let size = extension.value().ok().and_then(|size| size.parse().ok());
            return size.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arriving(
        bytes: &[u8],
        cut: usize,
    ) -> Archive<impl Body<Data = Bytes, Error = io::Error> + Unpin + use<>> {
        let parts: Vec<_> =
            bytes.chunks(cut).map(|part| Ok(Frame::data(Bytes::copy_from_slice(part)))).collect();
        let connection = AbortOnDropHandle::new(tokio::spawn(async {}));
        Archive { body: StreamBody::new(stream::iter(parts)), rest: BytesMut::new(), _connection: connection }
    }

    fn entry(kind: tar::EntryType, size: u64, data: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mtime(4711);
        header.set_cksum();
        [header.as_bytes(), data, &vec![0; padding(data.len() as u64)]].concat()
    }

    #[tokio::test]
    async fn a_file_is_found_behind_what_is_said_of_it_however_it_is_cut() {
        let file = entry(tar::EntryType::Regular, 5, b"hello");
        let long = entry(tar::EntryType::GNULongName, 6, b"a name");
        let large =
            [entry(tar::EntryType::XHeader, 11, b"11 size=12\n"), entry(tar::EntryType::Regular, 0, b"")];
        for (archive, expected) in [
            (file.clone(), Some((5, 4711))),
            ([long, file].concat(), Some((5, 4711))),
            (large.concat(), Some((12, 4711))),
            (entry(tar::EntryType::Symlink, 0, b""), None),
            (entry(tar::EntryType::Directory, 0, b""), None),
            (entry(tar::EntryType::XHeader, MOST_BEFORE, b""), None),
        ] {
            for cut in [1, 100, 4096] {
                let found = arriving(&archive, cut).file().await.expect("a head");
                assert_eq!(found, expected, "{cut}");
            }
        }
    }

    #[tokio::test]
    async fn no_more_and_no_less_comes_out_than_the_file_has() {
        let mut archive = arriving(&entry(tar::EntryType::Regular, 5, b"hello"), 514);
        assert!(archive.file().await.expect("a head").is_some());
        assert_eq!(archive.part(5).await.expect("bytes"), "he");
        assert_eq!(archive.part(3).await.expect("bytes"), "llo");
        let mut cut = arriving(&entry(tar::EntryType::Regular, 5, b"hello")[..514], 514);
        assert!(cut.file().await.expect("a head").is_some());
        assert_eq!(cut.part(5).await.expect("bytes"), "he");
        assert!(cut.part(3).await.is_err());
    }

    #[test]
    fn a_path_of_any_bytes_is_one_question() {
        assert_eq!(
            target("c", b"/a b/\xff&path=/etc"),
            "/containers/c/archive?path=/a%20b/%FF%26path%3D/etc"
        );
    }
}
