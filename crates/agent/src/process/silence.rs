//! Whether the engine of a reader is still there, where nothing tells when it has gone.

use std::sync::Arc;
use std::time::Duration;

use crate::stdio::Link;

/// An engine that was not heard from in so many looks in a row, this far apart, is gone. Looks, not time: a container that
/// was frozen has not waited.
pub(super) const LOOK: Duration = Duration::from_secs(10);
pub(super) const LOOKS: u32 = 6;

/// How long nothing was heard over a connection.
pub(super) struct Silence {
    link: Arc<Link>,
    heard: u64,
    looks: u32,
}

impl Silence {
    pub(super) fn begins(link: Arc<Link>) -> Self {
        Self { heard: link.heard(), looks: 0, link }
    }

    pub(super) fn look(&mut self) {
        let heard = self.link.heard();
        self.looks = if heard == self.heard { self.looks.saturating_add(1) } else { 0 };
        self.heard = heard;
    }

    /// Until it is heard again.
    pub(super) fn is_of_one_gone(&self) -> bool {
        self.looks >= LOOKS && self.link.heard() == self.heard
    }
}
