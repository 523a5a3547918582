//! Intents: what a batch of steps is about to put where, written before it is carried. Whoever comes after a SIGKILL or a
//! cut finds them, and tells by them what was carried and has been removed since from what never came.
//!
//! A place that holds what was meant to come there speaks for itself. A place that holds nothing needs a witness. In the
//! workspace that is the agent, which outlives us and remembers its last stream. Here it is the draft: its names are
//! written down when it is whole and before it gets its place, so that where neither is left, it got there. Without
//! witness nothing is believed: then the file comes again, and nothing is lost.

use slipway_mirror::{Draft, Folder, Node, RelPath};
use slipway_wire::{Problem, SyncId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::books::{Step, Work};
use crate::shared::Shared;

/// How far a step out of the workspace had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is known of it.
    #[default]
    Meant,
    /// It lies here whole, under one of these names, or has its place.
    Placing([String; 2]),
    /// It has its place.
    Placed,
}

/// A step that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// The batch it belongs to.
    pub(crate) batch: u32,
    /// Into the workspace; else out of it.
    pub(crate) inward: bool,
    /// What was to be there; none: nothing.
    pub(crate) wanted: Option<Node>,
    pub(crate) stage: Stage,
}

pub(crate) type Intents = BTreeMap<RelPath, Intent>;

/// What the agent says it put in place on its last stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) batch: u32,
    pub(super) paths: BTreeSet<RelPath>,
}

/// A number that the batches before did not have, and not 0.
pub(super) fn batch() -> u32 {
    fastrand::u32(1..)
}

/// What these steps are about to do.
pub(super) fn of(steps: &[Step], batch: u32, inward: bool) -> Intents {
    let intent = |step: &Step| {
        let wanted = step.to.as_ref().map(|seen| seen.node.clone());
        (step.path.clone(), Intent { batch, inward, wanted, stage: Stage::Meant })
    };
    steps.iter().map(intent).collect()
}

/// The steps out of the workspace that got their place here, by what lies in the folder. To be asked before the folder is
/// scanned: a scan removes drafts that were left. It blocks.
pub(super) fn placed(folder: &Folder, intents: &Intents) -> BTreeSet<RelPath> {
    let got_there = |path: &RelPath, stage: &Stage| match stage {
        Stage::Meant => false,
        Stage::Placed => true,
        Stage::Placing(names) => {
            let Some(parent) = path.parent() else { return false };
            // Without its folder the draft may have gone with it.
            let there = parent.is_root() || matches!(folder.look(&parent), Ok(Some(_)));
            let gone = |name: &String| {
                parent.join(name.as_bytes()).is_ok_and(|draft| matches!(folder.look(&draft), Ok(None)))
            };
            there && names.iter().all(gone)
        }
    };
    let mine = intents.iter().filter(|(_, intent)| !intent.inward);
    mine.filter(|(path, intent)| got_there(path, &intent.stage)).map(|(path, _)| path.clone()).collect()
}

/// The steps that were done, as far as there are witnesses: a file that came into a folder says that the folder was there.
pub(super) fn proven(intents: &Intents, placed: BTreeSet<RelPath>, told: &Carried) -> BTreeSet<RelPath> {
    let mut proven = placed;
    let of_batch = |path: &&RelPath| intents.get(*path).is_some_and(|it| it.inward && it.batch == told.batch);
    proven.extend(told.paths.iter().filter(of_batch).cloned());
    for path in proven.clone() {
        let inward = intents.get(&path).map(|it| it.inward);
        let mut above = path.parent();
        while let Some(folder) = above {
            let made = |it: &Intent| Some(it.inward) == inward && it.wanted == Some(Node::Folder);
            if intents.get(&folder).is_some_and(made) {
                proven.insert(folder.clone());
            }
            above = folder.parent();
        }
    }
    proven
}

/// Writes down how far files are that come out of the workspace.
#[derive(Clone)]
pub(super) struct Notes {
    pub(super) shared: Arc<Shared>,
    pub(super) id: SyncId,
}

impl Notes {
    /// These lie here whole and are about to get their places.
    pub(super) fn placing(&self, drafts: &[(&RelPath, &Draft)]) -> Result<(), Problem> {
        let names = |draft: &Draft| Stage::Placing(draft.names().map(str::to_owned));
        let stages: Vec<_> = drafts.iter().map(|(path, draft)| ((*path).clone(), names(draft))).collect();
        self.shared.store.sync_stages(&self.id, &stages)
    }

    /// What came of it: who has its place, and who was refused and is about to be dropped.
    pub(super) fn settled(&self, stages: &[(RelPath, Stage)]) -> Result<(), Problem> {
        self.shared.store.sync_stages(&self.id, stages)
    }
}

impl Work {
    /// Both ways, in batches of at most so many steps, in order.
    pub(super) fn batches(&self, most: usize) -> impl Iterator<Item = (bool, &[Step])> {
        let send = self.send.chunks(most).map(|steps| (true, steps));
        send.chain(self.fetch.chunks(most).map(|steps| (false, steps)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn intent(batch: u32, inward: bool, wanted: Node, stage: Stage) -> Intent {
        Intent { batch, inward, wanted: Some(wanted), stage }
    }

    fn file() -> Node {
        Node::File { digest: [1; 32], executable: false }
    }

    #[test]
    fn a_draft_speaks_for_its_place_only_while_its_folder_is_there() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("d")).unwrap();
        std::fs::write(temp.path().join("d/.slipway-sync-in-x.tmp"), "whole").unwrap();
        let folder = Folder::open(temp.path(), "x").unwrap();
        let names = |name: &str| Stage::Placing([name.to_owned(), ".slipway-sync-out-x.tmp".to_owned()]);
        let intents = Intents::from([
            (path("d/left"), intent(1, false, file(), names(".slipway-sync-in-x.tmp"))),
            (path("d/came"), intent(1, false, file(), names(".slipway-sync-in-y.tmp"))),
            (path("gone/with-its-folder"), intent(1, false, file(), names(".slipway-sync-in-z.tmp"))),
            (path("gone/placed"), intent(1, false, file(), Stage::Placed)),
            (path("meant"), intent(1, false, file(), Stage::Meant)),
            (path("inward"), intent(1, true, file(), Stage::Placed)),
        ]);
        assert_eq!(placed(&folder, &intents), [path("d/came"), path("gone/placed")].into());
    }

    #[test]
    fn the_agent_speaks_for_the_batch_it_was_told_and_a_file_for_its_folders() {
        let intents = Intents::from([
            (path("d"), intent(7, true, Node::Folder, Stage::Meant)),
            (path("d/e"), intent(7, true, Node::Folder, Stage::Meant)),
            (path("d/e/f"), intent(7, true, file(), Stage::Meant)),
            (path("d/e/g"), intent(7, true, file(), Stage::Meant)),
            (path("out"), intent(7, false, file(), Stage::Meant)),
        ]);
        let told = |batch| Carried { batch, paths: [path("d/e/f"), path("out"), path("unasked")].into() };
        let seen = proven(&intents, BTreeSet::new(), &told(7));
        assert_eq!(seen, [path("d"), path("d/e"), path("d/e/f")].into());
        assert!(proven(&intents, BTreeSet::new(), &told(8)).is_empty(), "that was another batch");
    }
}
