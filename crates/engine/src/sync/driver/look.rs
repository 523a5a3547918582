//! Looking: both sides as a whole, or at some paths, into the books.

use slipway_mirror::RelPath;
use slipway_wire::{Code, Problem};
use std::{collections::BTreeSet, sync::PoisonError};

use super::{
    super::{
        books::{self, Tree},
        here::Here,
        intent,
        tune::EMPTIED,
    },
    Driver, End, Sides, blocking,
    say::{emptied, ended},
};

impl Driver {
    /// Both sides as a whole.
    pub(super) async fn look_whole(&mut self, sides: &mut Sides) -> Result<(), End> {
        self.board.look_again();
        self.look_here(sides).await?;
        self.look_there(sides).await
    }

    /// The first look of a round, which also finds out what of the last steps was done that were not written down.
    pub(super) async fn look_first(&mut self, sides: &mut Sides) -> Result<(), End> {
        let intents = self.shared.store.sync_intents(&self.record.id).map_err(ended)?;
        let (folder, asked) = (sides.folder.clone(), intents.clone());
        // Before the scan, which removes the drafts that were left.
        let placed = blocking(move || intent::placed(&folder, &asked)).await.map_err(ended)?;
        let stages: Vec<_> = intents
            .iter()
            .filter(|(_, it)| !it.inward)
            .map(|(path, _)| {
                let stage = if placed.contains(path) { intent::Stage::Placed } else { intent::Stage::Meant };
                (path.clone(), stage)
            })
            .collect();
        self.shared.store.sync_stages(&self.record.id, &stages).map_err(ended)?;
        self.look_whole(sides).await?;
        if intents.is_empty() {
            return Ok(());
        }
        self.intended = true;
        // None are left where the look found another folder, of which they do not speak.
        let intents = self.shared.store.sync_intents(&self.record.id).map_err(ended)?;
        let proven = intent::proven(&intents, placed, &self.books.carried);
        self.books.believe(intents, &proven);
        // With what is known now, an empty side may be one that was lost.
        self.not_emptied(&self.books.here, "The folder", "in the folder")?;
        if self.record.both {
            self.not_emptied(&self.books.there, "The workspace's folder", "in the workspace")?;
        }
        Ok(())
    }

    pub(super) async fn look_here(&mut self, sides: &mut Sides) -> Result<(), End> {
        let look = sides.look_here(Here::look).await.map_err(ended)?;
        self.books.here = look.tree;
        for (path, why) in &look.left_out {
            self.board.left_out(path, true, why);
        }
        self.not_emptied(&self.books.here, "The folder", "in the folder")?;
        self.books.drop_left_out(&sides.rules);
        Ok(())
    }

    pub(super) async fn look_there(&mut self, sides: &mut Sides) -> Result<(), End> {
        let look = match sides.there.look(&[], &sides.rules).await {
            Err(problem) if problem.code == Code::NotFound => {
                if self.record.both && !self.books.agreed.is_empty() {
                    return Err(End::Halt(emptied("The workspace's folder", "in the workspace")));
                }
                self.forget_agreed().map_err(ended)?;
                sides.there.make().await.map_err(ended)?;
                books::Look::default()
            }
            other => other.map_err(ended)?,
        };
        self.books.there = look.tree;
        self.books.carried = look.carried;
        if self.record.both {
            self.not_emptied(&self.books.there, "The workspace's folder", "in the workspace")?;
            for (path, why) in &look.left_out {
                self.board.left_out(path, false, why);
            }
        }
        Ok(())
    }

    /// A side that held much and holds nothing was unmounted, or lost: that is not taken for a wish.
    pub(super) fn not_emptied(&self, tree: &Tree, which: &str, place: &str) -> Result<(), End> {
        if tree.is_empty() && self.books.agreed.len() >= EMPTIED {
            return Err(End::Halt(emptied(which, place)));
        }
        Ok(())
    }

    pub(super) async fn refresh_here(
        &mut self,
        sides: &mut Sides,
        paths: Vec<RelPath>,
    ) -> Result<BTreeSet<RelPath>, End> {
        let asked = paths.clone();
        let look = sides.look_here(move |here| here.look_at(&asked)).await.map_err(ended)?;
        for path in &paths {
            self.board.not_left_out(path);
        }
        for (path, why) in &look.left_out {
            self.board.left_out(path, true, why);
        }
        let touched = books::refresh(&mut self.books.here, &paths, look.tree);
        self.not_emptied(&self.books.here, "The folder", "in the folder")?;
        Ok(touched)
    }

    pub(super) async fn refresh_there(
        &mut self,
        sides: &Sides,
        paths: &[RelPath],
    ) -> Result<BTreeSet<RelPath>, End> {
        let look = sides.there.look(paths, &sides.rules).await.map_err(ended)?;
        Ok(books::refresh(&mut self.books.there, paths, look.tree))
    }
}

impl Sides {
    /// Looks at this machine's side where that may block.
    pub(super) async fn look_here(
        &mut self,
        look: impl FnOnce(&mut Here) -> Result<books::Look, Problem> + Send + 'static,
    ) -> Result<books::Look, Problem> {
        let here = self.here.clone();
        let (look, rules, folder, trouble) = blocking(move || {
            let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
            let look = look(&mut here);
            (look, here.rules.clone(), here.folder.clone(), here.trouble().map(str::to_owned))
        })
        .await?;
        (self.rules, self.folder, self.trouble) = (rules, folder, trouble);
        look
    }
}
