//! A folder of this machine as one stream for a workspace (`slipway_agent_api::tree`). Links that point out of it and what is
//! no file, folder or link are left out and told; names of any bytes go as they are.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use slipway_agent_api::tree::{self, Kind, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
use slipway_mirror::safe_target;
use slipway_wire::{Code, Problem};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// Sent at once.
const FULL: usize = 256 * 1024;
/// Pieces between the thread that reads and whoever takes them.
const QUEUE: usize = 8;

/// How far a packing is.
#[derive(Debug)]
pub enum Packed<'a> {
    /// So many bytes more were read.
    Bytes(usize),
    /// This path below the folder is not in it, and why.
    LeftOut(&'a [u8], &'static str),
}

/// Everything below a folder, read on a thread of its own as it is taken. What cannot be read ends it with the reason.
pub fn pack(
    folder: PathBuf,
    tell: impl FnMut(Packed<'_>) + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Problem>> + Send + 'static {
    let (send, receive) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let out = BytesMut::with_capacity(2 * FULL);
        let mut packer = Packer { send: &send, out, path: Vec::new(), entries: 0, bytes: 0, tell };
        let packed = packer.folder(&folder, 0).map(|()| {
            tree::put_end(&mut packer.out);
            packer.flush(0);
        });
        if let Err(problem) = packed {
            // Whoever took it may be gone.
            let _ = send.blocking_send(Err(problem));
        }
    });
    stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|piece| (piece, receive)) })
}

struct Packer<'a, T> {
    send: &'a mpsc::Sender<Result<Bytes, Problem>>,
    out: BytesMut,
    path: Vec<u8>,
    entries: u64,
    bytes: u64,
    tell: T,
}

impl<T: FnMut(Packed<'_>)> Packer<'_, T> {
    /// Sends what there is once it is so much. False: nobody takes it any more.
    fn flush(&mut self, from: usize) -> bool {
        if self.out.len() < from.max(1) {
            return true;
        }
        let full = self.out.split().freeze();
        self.out.reserve(2 * FULL);
        self.send.blocking_send(Ok(full)).is_ok()
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Problem> {
        let mut inside = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
            inside.push(entry.map_err(|e| unreadable(folder, &e))?.file_name());
        }
        // The same folder gives the same stream.
        inside.sort();
        for name in inside {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                return Err(too_much(folder));
            }
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_encoded_bytes());
            if self.path.len() > tree::PATH {
                return Err(too_much(folder));
            }
            self.entry(&folder.join(&name), depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, depth: usize) -> Result<(), Problem> {
        let found = fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
        let kind = if found.is_dir() {
            Kind::Directory
        } else if found.is_file() {
            Kind::File(found.len())
        } else if found.is_symlink() {
            let target = fs::read_link(path).map_err(|e| unreadable(path, &e))?;
            let target = target.as_os_str().as_encoded_bytes();
            if !safe_target(target, depth) {
                (self.tell)(Packed::LeftOut(&self.path, "a link out of the folder"));
                return Ok(());
            }
            Kind::Symlink(Bytes::copy_from_slice(target))
        } else {
            (self.tell)(Packed::LeftOut(&self.path, "not a file, folder or link"));
            return Ok(());
        };
        let otherwise = if kind == Kind::Directory { 0o755 } else { 0o644 };
        tree::put_entry(&mut self.out, &self.path, &kind, mode(&found).unwrap_or(otherwise));
        match kind {
            Kind::Directory => self.folder(path, depth + 1),
            Kind::File(size) => self.content(path, size),
            Kind::Symlink(_) | Kind::Other => Ok(()),
        }
    }

    /// At most what it had when it was looked at: one that grows as fast as it is read has no end.
    fn content(&mut self, path: &Path, size: u64) -> Result<(), Problem> {
        self.bytes += size;
        if self.bytes > MAX_BYTES {
            return Err(too_much(path));
        }
        let mut file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let mut left = size;
        while left > 0 {
            let part = left.min(tree::CONTENT as u64) as usize;
            tree::put_data_head(&mut self.out, part);
            let from = self.out.len();
            self.out.resize(from + part, 0);
            file.read_exact(&mut self.out[from..]).map_err(|e| unreadable(path, &e))?;
            (self.tell)(Packed::Bytes(part));
            left -= part as u64;
            if !self.flush(FULL) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Permission bits of a file of this machine; none where there are none.
#[cfg(unix)]
pub fn mode(found: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::mode(found) & 0o777)
}

/// Permission bits of a file of this machine; none where there are none.
#[cfg(not(unix))]
pub fn mode(_found: &fs::Metadata) -> Option<u32> {
    None
}

/// A file or folder of this machine cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let code = if error.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::Storage };
    Problem::new(code, format!("{} cannot be read: {error}.", path.display()))
}

fn too_much(path: &Path) -> Problem {
    Problem::new(Code::Limit, format!("{} holds too much to copy at once.", path.display()))
        .hint("Copy a part of it: 1,000,000 entries, 64 GiB and 200 folders inside one another go at once.")
}
