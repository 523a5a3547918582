//! What an agent's scan says, checked.

use slipway_agent_api::v1::SyncEntry;
use slipway_mirror::{Found, Node, RelPath, safe_target};

use super::books::Seen;

/// An entry of an agent's scan; none when it is nonsense, or a link that would lead out.
pub(super) fn entry(entry: SyncEntry) -> Option<(RelPath, Seen)> {
    let path = RelPath::new(&entry.path).ok().filter(|path| !path.is_root())?;
    let found = Found::told(entry.found?)?;
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
