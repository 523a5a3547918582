//! The contract's messages and what the sync speaks of: only translation. What comes from an agent is checked here.

use bytes::Bytes;
use slipway_agent_api::v1::{SyncEntry, SyncFound, sync_found};
use slipway_mirror::{Found, Node, RelPath, Stamp, safe_target};

use super::books::Seen;

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

pub(super) fn found(message: SyncFound) -> Option<Found> {
    Some(match message.kind? {
        sync_found::Kind::Folder(_) => Found::Folder,
        sync_found::Kind::File(file) => Found::File {
            stamp: Stamp {
                size: file.size,
                modified_ns: file.modified_ns,
                changed_ns: file.changed_ns,
                inode: file.inode,
            },
            executable: file.executable,
        },
        sync_found::Kind::Link(target) => Found::Link { target: target.to_vec() },
    })
}

/// An entry of an agent's scan; none when it is nonsense, or a link that would lead out.
pub(super) fn entry(entry: SyncEntry) -> Option<(RelPath, Seen)> {
    let path = RelPath::new(&entry.path).ok().filter(|path| !path.is_root())?;
    let found = found(entry.found?)?;
    let node = match &found {
        Found::Folder => Node::Folder,
        Found::File { executable, .. } => {
            Node::File { digest: entry.digest.as_ref().try_into().ok()?, executable: *executable }
        }
        Found::Link { target } if safe_target(target, path.depth() - 1) => {
            Node::Link { target: target.clone() }
        }
        Found::Link { .. } => return None,
    };
    Some((path, Seen { found, node }))
}
