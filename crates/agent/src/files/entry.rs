//! What is known of one file: its metadata in the contract's form, and listings of directories.

use std::fs::{DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use slipway_agent_api::v1::{FileInfo, FileKind, ListReply, ListedEntry};
use tonic::Status;

use super::{blocking, status};

/// Entries in one message.
const BATCH: usize = 1000;

/// What `path` is; with `follow`, what a symlink leads to.
pub(crate) async fn stat(path: PathBuf, follow: bool) -> Result<FileInfo, Status> {
    blocking(move || {
        let meta = if follow { path.metadata() } else { path.symlink_metadata() };
        let meta = meta.map_err(|error| status(&path.display().to_string(), &error))?;
        Ok(info(&path, &meta))
    })
    .await
}

/// The entries of a directory, as the directory gives them, in batches.
pub(crate) async fn list(
    path: PathBuf,
) -> Result<impl Stream<Item = Result<ListReply, Status>> + use<>, Status> {
    let shown = path.display().to_string();
    let entries = blocking(move || std::fs::read_dir(&path).map_err(|error| status(&shown, &error))).await?;
    Ok(futures_util::stream::unfold(Some(entries), async |entries| {
        let mut entries = entries?;
        let read = blocking(move || {
            let batch: io::Result<Vec<ListedEntry>> = entries.by_ref().take(BATCH).map(listed).collect();
            Ok((batch.map_err(|error| status("the directory", &error))?, entries))
        });
        match read.await {
            Ok((batch, _)) if batch.is_empty() => None,
            Ok((batch, entries)) => Some((Ok(ListReply { entries: batch }), Some(entries))),
            Err(status) => Some((Err(status), None)),
        }
    }))
}

fn listed(entry: io::Result<DirEntry>) -> io::Result<ListedEntry> {
    let entry = entry?;
    // Most file systems tell it with the name. Gone since: whatever it was.
    let kind = entry.file_type().map_or(FileKind::Other, kind);
    let target = if kind == FileKind::Symlink { target(&entry.path()) } else { Bytes::new() };
    Ok(ListedEntry { name: entry.file_name().into_encoded_bytes().into(), kind: kind.into(), target })
}

fn kind(kind: FileType) -> FileKind {
    match kind {
        kind if kind.is_file() => FileKind::File,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

/// Where a symlink points; nothing where it is gone since.
fn target(path: &Path) -> Bytes {
    std::fs::read_link(path)
        .map(|target| Bytes::copy_from_slice(target.as_os_str().as_bytes()))
        .unwrap_or_default()
}

/// Metadata in the contract's form.
pub(super) fn info(path: &Path, meta: &Metadata) -> FileInfo {
    let kind = kind(meta.file_type());
    FileInfo {
        name: path.file_name().map(|name| Bytes::copy_from_slice(name.as_bytes())).unwrap_or_default(),
        kind: kind.into(),
        size: meta.len(),
        mode: meta.permissions().mode() & 0o7777,
        modified_ms: modified_ms(meta),
        target: if kind == FileKind::Symlink { target(path) } else { Bytes::new() },
    }
}

/// Modification time in milliseconds since 1970.
pub(super) fn modified_ms(meta: &Metadata) -> i64 {
    meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000)
}
