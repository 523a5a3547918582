//! The contract's messages and the mirror crate's types: only translation.

use bytes::Bytes;
use slipway_agent_api::v1::{SyncFound, sync_found};
use slipway_mirror::{Found, RelPath, Stamp};
use tonic::Status;

pub(super) fn path(raw: &[u8]) -> Result<RelPath, Status> {
    RelPath::new(raw).map_err(|bad| Status::invalid_argument(bad.to_string()))
}

pub(super) fn found(message: SyncFound) -> Result<Found, Status> {
    match message.kind {
        Some(sync_found::Kind::Folder(_)) => Ok(Found::Folder),
        Some(sync_found::Kind::File(file)) => {
            let stamp = Stamp {
                size: file.size,
                modified_ns: file.modified_ns,
                changed_ns: file.changed_ns,
                inode: file.inode,
            };
            Ok(Found::File { stamp, executable: file.executable })
        }
        Some(sync_found::Kind::Link(target)) => Ok(Found::Link { target: target.to_vec() }),
        None => Err(Status::invalid_argument("what is expected is missing its kind")),
    }
}

pub(super) fn message(found: &Found) -> SyncFound {
    let kind = match found {
        Found::Folder => sync_found::Kind::Folder(true),
        Found::File { stamp, executable } => sync_found::Kind::File(sync_found::File {
            size: stamp.size,
            modified_ns: stamp.modified_ns,
            changed_ns: stamp.changed_ns,
            inode: stamp.inode,
            executable: *executable,
        }),
        Found::Link { target } => sync_found::Kind::Link(Bytes::copy_from_slice(target)),
    };
    SyncFound { kind: Some(kind) }
}
