//! What to do about a path, from three states: what both sides last agreed on, what is here, what is there. Pure: no
//! disk, no container, no clock. Nothing that only one side knows is ever planned away.
//!
//! | here changed | there changed | inward | both ways |
//! |---|---|---|---|
//! | no | no | – | – |
//! | yes | no | send | send |
//! | no | yes | leave it | fetch |
//! | to the same | to the same | agree | agree |
//! | yes | yes | send | conflict |
//! | removed | yes | leave it | fetch |
//! | yes | removed | send | send |
//!
//! In a conflict this machine's version keeps the name and the workspace's is kept beside it, whoever claims to be
//! newer: a container's clock can say anything.

use slipway_intake::{DOCKERIGNORE, GITIGNORE};
use slipway_mirror::{Node, RelPath};

/// Which way changes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From here into the workspace.
    Inward,
    /// Both ways.
    Both,
    /// Both ways, once, after something other than a person's work has changed the workspace's files (a deploy, a new
    /// container): where the two differ, this side is right.
    HereFirst,
}

/// What both sides were last known to hold at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// The same.
    Same(Node),
    /// A folder that one side removed and the other keeps for what is in it and not synced.
    Kept,
}

/// What to do about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing, and nothing to remember.
    Nothing,
    /// Both hold the same: remember that.
    Agree,
    /// Make it there as it is here.
    Send,
    /// Make it here as it is there.
    Fetch,
    /// Keep the workspace's version beside, and send ours.
    Conflict,
    /// The workspace has changed what it may not: said, not done.
    Refuse,
}

/// Whether a path tells what is synced. Those come from this machine alone: a container that could change them could have
/// a file sent that its owner keeps out.
pub(crate) fn is_rule(path: &RelPath) -> bool {
    let name = path.name();
    name.eq_ignore_ascii_case(GITIGNORE.as_bytes()) || name.eq_ignore_ascii_case(DOCKERIGNORE.as_bytes())
}

/// What to do about one path.
pub(crate) fn act(
    path: &RelPath,
    agreed: Option<&Agreed>,
    here: Option<&Node>,
    there: Option<&Node>,
    way: Way,
) -> Act {
    let base = match agreed {
        Some(Agreed::Same(node)) => Some(node),
        Some(Agreed::Kept) => match (here, there) {
            (Some(Node::Folder), None) | (None, Some(Node::Folder)) => return Act::Nothing,
            _ => None,
        },
        None => None,
    };
    if here == there {
        let remembered = match agreed {
            Some(Agreed::Same(node)) => Some(node) == here,
            Some(Agreed::Kept) => false,
            None => here.is_none(),
        };
        return if remembered { Act::Nothing } else { Act::Agree };
    }
    let ours = here != base;
    let act = match (ours, there != base, way) {
        // Something of the workspace's own: it stays.
        (_, true, Way::Inward) if !ours || here.is_none() => Act::Nothing,
        (true, false, _) | (true, true, Way::Inward) => Act::Send,
        (_, true, Way::HereFirst) if here.is_some() => Act::Send,
        (false, _, _) => Act::Fetch,
        // A change wins over a removal.
        (true, true, _) if here.is_none() => Act::Fetch,
        (true, true, _) if there.is_none() => Act::Send,
        (true, true, _) => Act::Conflict,
    };
    match act {
        Act::Fetch if is_rule(path) => Act::Refuse,
        Act::Conflict if is_rule(path) => Act::Send,
        other => other,
    }
}

/// The name a version gets that is kept beside another: as Syncthing makes them, `name.sync-conflict-date-time-who.ext`.
/// `stamp` is `YYYYMMDD-HHMMSS`, `who` seven characters. Cut so that it fits a file system's bound.
pub(crate) fn conflict_name(name: &[u8], stamp: &str, who: &str) -> Vec<u8> {
    let dot = name.iter().rposition(|&b| b == b'.').filter(|&at| at > 0 && name.len() - at <= 32);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    let middle = format!(".sync-conflict-{stamp}-{who}");
    let room = slipway_mirror::NAME_BYTES - middle.len() - ending.len();
    let mut stem = &stem[..stem.len().min(room)];
    // A character is not cut in two.
    if let Err(error) = std::str::from_utf8(stem)
        && error.error_len().is_none()
    {
        stem = &stem[..error.valid_up_to()];
    }
    [stem, middle.as_bytes(), ending].concat()
}

#[cfg(test)]
mod tests;
