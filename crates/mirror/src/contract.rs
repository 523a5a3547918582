//! What is found at a path, as the contract between engine and agent carries it: the same translation for both ends.

use bytes::Bytes;
use slipway_agent_api::v1::{SyncFound, sync_found};

use crate::node::{Found, Stamp};

impl From<&Found> for SyncFound {
    fn from(found: &Found) -> Self {
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
        Self { kind: Some(kind) }
    }
}

impl Found {
    /// What a message says. `None`: it names no kind. Where a link leads is not judged here.
    pub fn told(message: SyncFound) -> Option<Self> {
        Some(match message.kind? {
            sync_found::Kind::Folder(_) => Self::Folder,
            sync_found::Kind::File(file) => Self::File {
                stamp: Stamp {
                    size: file.size,
                    modified_ns: file.modified_ns,
                    changed_ns: file.changed_ns,
                    inode: file.inode,
                },
                executable: file.executable,
            },
            sync_found::Kind::Link(target) => Self::Link { target: target.to_vec() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_as_it_was() {
        let stamp = Stamp { size: 1, modified_ns: -2, changed_ns: 3, inode: 4 };
        let link = Found::Link { target: b"../\xff".to_vec() };
        for found in [Found::Folder, Found::File { stamp, executable: true }, link] {
            assert_eq!(Found::told(SyncFound::from(&found)), Some(found));
        }
        assert_eq!(Found::told(SyncFound { kind: None }), None);
    }
}
