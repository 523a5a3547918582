//! A directory as one stream: walked on a thread of its own, small files gathered into full messages. It goes no faster
//! than its caller reads. Nothing is followed, and what cannot be read is said.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use rustix::fs::OFlags;
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::tree::{self, Kind, MAX_DEPTH};
use slipway_agent_api::v1::ReadReply;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{blocking, on_its_way, status};

/// Directories packed at one time. Each holds a thread for as long as its caller takes, and other file work needs some.
const AT_ONCE: usize = 2;
static SLOTS: Semaphore = Semaphore::const_new(AT_ONCE);

type Replies = mpsc::Sender<Result<ReadReply, Status>>;

/// The caller is gone.
struct Gone;

/// Everything below `root`.
pub(crate) async fn read_tree(
    root: PathBuf,
) -> Result<impl Stream<Item = Result<ReadReply, Status>> + use<>, Status> {
    let (replies, stream) = mpsc::channel(4);
    let root = blocking(move || {
        let meta = root.metadata().map_err(|error| status(&root.display().to_string(), &error))?;
        if !meta.is_dir() {
            return Err(Status::failed_precondition(format!("{}: not a directory", root.display())));
        }
        Ok(root)
    })
    .await?;
    let slot = SLOTS.acquire().await.map_err(|_| Status::internal("the agent is shutting down"))?;
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let mut packer = Packer { replies, root, out: BytesMut::with_capacity(2 * MAX_CHUNK) };
        // Without a caller there is nobody to tell that the stream is not whole.
        let _ = packer.run();
    });
    Ok(ReceiverStream::new(stream))
}

struct Packer {
    replies: Replies,
    root: PathBuf,
    out: BytesMut,
}

impl Packer {
    fn run(&mut self) -> Result<(), Gone> {
        self.directory(&mut Vec::new(), 0)?;
        tree::put_end(&mut self.out);
        self.send()
    }

    /// What a directory holds, by name, so that the same directory gives the same stream.
    fn directory(&mut self, path: &mut Vec<u8>, depth: usize) -> Result<(), Gone> {
        let full = self.full(path);
        let names = std::fs::read_dir(&full).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let mut names = match names {
            Ok(names) => names,
            Err(error) => return self.missing(path, &error.to_string()),
        };
        names.sort();
        for name in names {
            if on_its_way(name.as_bytes()) {
                continue;
            }
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            if path.len() <= tree::PATH {
                self.entry(path, depth)?;
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &mut Vec<u8>, depth: usize) -> Result<(), Gone> {
        let full = self.full(path);
        let meta = match full.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) => return self.missing(path, &error.to_string()),
        };
        let (kind, mode) = (meta.file_type(), meta.permissions().mode());
        if kind.is_file() {
            return self.file(path, &full);
        }
        if kind.is_dir() {
            tree::put_entry(&mut self.out, path, &Kind::Directory, mode);
            if depth + 1 > MAX_DEPTH {
                return self.missing(path, "too many folders inside one another");
            }
            return self.directory(path, depth + 1);
        }
        let kind = if kind.is_symlink() {
            match std::fs::read_link(&full) {
                Ok(target) => Kind::Symlink(Bytes::copy_from_slice(target.as_os_str().as_bytes())),
                Err(error) => return self.missing(path, &error.to_string()),
            }
        } else {
            Kind::Other
        };
        tree::put_entry(&mut self.out, path, &kind, mode);
        self.send_if_full()
    }

    fn file(&mut self, path: &[u8], full: &Path) -> Result<(), Gone> {
        let opened = open(full).and_then(|file| file.metadata().map(|meta| (file, meta)));
        let (mut file, meta) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.missing(path, &error.to_string()),
        };
        if !meta.is_file() {
            return self.missing(path, "it was replaced meanwhile");
        }
        tree::put_entry(&mut self.out, path, &Kind::File(meta.len()), meta.permissions().mode());
        // At most what it had: one that grows as fast as it is read has no end.
        let mut left = meta.len();
        while left > 0 {
            let part = left.min(tree::CONTENT as u64) as usize;
            let begin = self.out.len();
            tree::put_data_head(&mut self.out, part);
            let from = self.out.len();
            self.out.resize(from + part, 0);
            match file.read_exact(&mut self.out[from..]) {
                Ok(()) => left -= part as u64,
                Err(error) => {
                    self.out.truncate(begin);
                    return self.missing(path, &format!("it changed while it was read: {error}"));
                }
            }
            self.send_if_full()?;
        }
        self.send_if_full()
    }

    fn missing(&mut self, path: &[u8], why: &str) -> Result<(), Gone> {
        // The root itself has no name.
        tree::put_missing(&mut self.out, if path.is_empty() { b"(the directory itself)" } else { path }, why);
        self.send_if_full()
    }

    fn send_if_full(&mut self) -> Result<(), Gone> {
        if self.out.len() < MAX_CHUNK / 2 { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), Gone> {
        let data = self.out.split().freeze();
        self.out.reserve(MAX_CHUNK);
        self.replies.blocking_send(Ok(ReadReply { data })).map_err(|_| Gone)
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(OsStr::from_bytes(path)) }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}
