//! The workspace's side: what its agent says its folder holds. Nothing of it is believed: paths, links, counts and sizes
//! are held to the same rules and bounds as our own, and what the rules leave out is dropped whoever names it.

use bytes::Bytes;
use slipway_agent_api::{
    MAX_CARRIED,
    v1::{SyncRules, SyncScanRequest},
};
use slipway_intake::IgnoreRules;
use slipway_mirror::{Found, Node, RelPath};
use slipway_wire::{Code, Problem};
use std::{collections::HashSet, os::unix::ffi::OsStrExt as _};

use super::{books::Look, words};
use crate::{
    agent_link::{AgentClient, agent_problem},
    files,
};

/// Bytes of paths named in one call.
const MOST_NAMED: usize = 1 << 20;

/// How much of a workspace is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) entries: u64,
    pub(super) file_bytes: u64,
    pub(super) bytes: u64,
}

/// The folder in the workspace.
#[derive(Clone)]
pub(super) struct There {
    pub(super) client: AgentClient,
    pub(super) root: String,
    pub(super) tag: String,
    pub(super) most: Most,
}

fn problem(doing: &str, status: &tonic::Status) -> Problem {
    if status.code() == tonic::Code::Unimplemented {
        return Problem::new(Code::WrongState, "The workspace was made by a Slipway that had no live sync.")
            .hint("Deploy the project again; then it can be synced.");
    }
    agent_problem(doing, status)
}

impl There {
    pub(super) fn root(&self) -> Bytes {
        Bytes::copy_from_slice(self.root.as_bytes())
    }

    pub(super) fn failed(&self, status: &tonic::Status) -> Problem {
        if status.code() == tonic::Code::ResourceExhausted {
            return self.too_much(&format!("more than {} files and folders", self.most.entries));
        }
        problem(&format!("syncing {}", self.root), status)
    }

    /// Makes the folder.
    pub(super) async fn make(&self) -> Result<(), Problem> {
        files::mkdir(self.client.clone(), &self.root).await
    }

    /// Looks at some paths and below them; at everything when there are none.
    pub(super) async fn look(&self, paths: &[RelPath], rules: &IgnoreRules) -> Result<Look, Problem> {
        let texts = rules.texts().iter().map(|(path, text)| SyncRules {
            path: Bytes::copy_from_slice(path.as_os_str().as_bytes()),
            text: text.clone(),
        });
        let long = paths.iter().map(|path| path.as_bytes().len() + 8).sum::<usize>() > MOST_NAMED;
        let named = paths.iter().map(|path| Bytes::copy_from_slice(path.as_bytes()));
        let request = SyncScanRequest {
            root: self.root(),
            tag: self.tag.clone(),
            // Too many to be said in one message are found by looking at everything.
            paths: if long { Vec::new() } else { named.collect() },
            rules: texts.collect(),
            most_entries: self.most.entries,
            most_file_bytes: self.most.file_bytes,
        };
        let mut client = self.client.clone();
        let mut stream = client.sync_scan(request).await.map_err(|s| self.failed(&s))?.into_inner();
        let mut look = Look::default();
        let (mut entries, mut bytes) = (0_u64, 0_u64);
        let wanted: HashSet<&RelPath> = paths.iter().collect();
        let asked = |path: &RelPath| {
            let mut at = Some(path.clone());
            while let Some(folder) = at {
                if wanted.contains(&folder) {
                    return true;
                }
                at = folder.parent();
            }
            wanted.is_empty()
        };
        while let Some(reply) = stream.message().await.map_err(|s| self.failed(&s))? {
            entries += (reply.entries.len() + reply.left_out.len()) as u64;
            if entries > self.most.entries {
                return Err(self.too_much(&format!("more than {} files and folders", self.most.entries)));
            }
            for (path, seen) in reply.entries.into_iter().filter_map(words::entry) {
                let is_folder = seen.node == Node::Folder;
                if let Found::File { stamp, .. } = &seen.found {
                    bytes = bytes.saturating_add(stamp.size);
                    if stamp.size > self.most.file_bytes {
                        continue;
                    }
                }
                if asked(&path) && !rules.leaves_out(&path.to_path(), is_folder) {
                    look.tree.insert(path, seen);
                }
            }
            if bytes > self.most.bytes {
                return Err(self.too_much(&format!("more than {} bytes", self.most.bytes)));
            }
            if reply.batch != 0 {
                look.carried.batch = reply.batch;
                let paths = reply.carried.iter().take(MAX_CARRIED).filter_map(|raw| RelPath::new(raw).ok());
                look.carried.paths.extend(paths);
            }
            for one in reply.left_out.into_iter().take(1000) {
                if let Ok(path) = RelPath::new(&one.path)
                    && look.left_out.len() < 1000
                {
                    look.left_out.push((path, one.why));
                }
            }
        }
        Ok(look)
    }

    fn too_much(&self, what: &str) -> Problem {
        Problem::new(Code::Limit, format!("{} of the workspace holds {what} to sync.", self.root)).hint(
            "Name what need not be synced in .gitignore here, or raise the intake limits in the settings.",
        )
    }
}
