//! Listing workspaces, also those that are gone: filtered, sorted, a page at a time.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{HealthState, WorkspaceId, WorkspaceState};

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceSort {
    /// When it was made.
    #[default]
    Created,
    /// Its name, without regard to case.
    Name,
    /// Its state, in the order of a life.
    State,
    /// When its lease ends; those without an end last.
    Expires,
}

/// Which workspaces, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct WorkspaceQuery {
    /// Only those in this state.
    #[ts(optional)]
    pub state: Option<WorkspaceState>,
    /// Only those with this in their name, id or image, without regard to case; at most 200 characters.
    #[ts(optional)]
    pub text: Option<String>,
    /// The order.
    pub sort: WorkspaceSort,
    /// The other way round.
    pub descending: bool,
    /// Rows of a page, 1 to 1,000; 0: 100.
    pub limit: u32,
    /// Where the page begins: `next` of the page before, with everything else the same.
    #[ts(optional)]
    pub cursor: Option<String>,
    /// Also those that were deleted; they are remembered for 30 days, 10,000 at most.
    pub deleted: bool,
}

/// A workspace in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WorkspaceRow {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: WorkspaceState,
    /// How it is.
    pub health: HealthState,
    /// The base image.
    pub image: String,
    /// Where its page is, while it listens.
    pub url: Option<String>,
    /// Why it failed or ended, in a sentence.
    pub why: Option<String>,
    /// Unix time in milliseconds.
    pub created_at_ms: u64,
    /// Unix time in milliseconds when its lease ends; absent: kept, paused or gone.
    pub expires_at_ms: Option<u64>,
    /// Milliseconds that are left of its lease; absent: kept or gone.
    pub remaining_ms: Option<u64>,
    /// Unix time in milliseconds when it was deleted, or, in its grace, will be.
    pub deleted_at_ms: Option<u64>,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WorkspacePage {
    /// The rows.
    pub rows: Vec<WorkspaceRow>,
    /// Where the next page begins; absent: this is the last.
    pub next: Option<String>,
    /// How many there are on all pages.
    pub total: u64,
}
