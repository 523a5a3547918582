//! Resumable uploads under way, by file: two of one file would write into each other.

use slipway_wire::{Code, FileRef, Problem, WorkspaceId};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

type Files = Arc<Mutex<HashSet<(WorkspaceId, String)>>>;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Files);

/// One of them, until dropped.
pub(crate) struct Uploading {
    all: Files,
    file: (WorkspaceId, String),
}

impl Uploads {
    /// Begins one; refused while there is another of the same file.
    pub(crate) fn begin(&self, file: &FileRef) -> Result<Uploading, Problem> {
        let name = (file.id.clone(), file.path.clone());
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            return Err(Problem::new(Code::WrongState, format!("{} is being written already.", file.path))
                .hint("Wait until the other upload has ended, or end it."));
        }
        Ok(Uploading { all: self.0.clone(), file: name })
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.file);
    }
}
