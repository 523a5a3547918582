//! Windows: `ConPTY` and its traps. Its output has no end when the child ends: the handles must be closed, which waits
//! for a reader (wezterm#4718, microsoft/terminal#4564). A slave dropped early breaks writing (wezterm#4206). It is made
//! to inherit a cursor and asks where that stands before anything else. Written, never run.

use portable_pty::{Child, ChildKiller, MasterPty, SlavePty};

use crate::Exit;
pub(crate) use crate::cursor::Questions;

/// The terminal's other end, which must live as long as the child.
pub(crate) type Kept = Option<Box<dyn SlavePty + Send>>;

pub(crate) fn keep(slave: Box<dyn SlavePty + Send>) -> Kept {
    Some(slave)
}

/// Waiting and collecting are one: a handle keeps the number.
pub(crate) fn ended(_child: &(dyn Child + Send + Sync)) {}

pub(crate) fn collect(child: &mut (dyn Child + Send + Sync)) -> Exit {
    child
        .wait()
        .map(|status| Exit { code: Some(status.exit_code() as i32), signal: None })
        .unwrap_or_default()
}

/// There are no groups.
pub(crate) type Foreground = ();

pub(crate) fn foreground(_master: Option<&(dyn MasterPty + Send + 'static)>) -> Foreground {}

/// A handle to end it with, apart from the one that is waited on.
pub(crate) struct Target(Box<dyn ChildKiller + Send + Sync>);

impl Target {
    pub(crate) fn of(child: &(dyn Child + Send + Sync)) -> Self {
        Self(child.clone_killer())
    }

    /// Nothing asks a console program to end; what it runs ends with its console.
    pub(crate) fn hang_up(&mut self, foreground: Foreground) {
        self.kill(foreground);
    }

    pub(crate) fn kill(&mut self, (): Foreground) {
        // Gone already when it fails.
        let _ = self.0.kill();
    }
}
