//! A zip or a folder of somebody's code becomes a checked listing, and the listing becomes ranked run plans.
//! Everything that comes in is hostile: bounded, validated, refused whole with one sentence that names the entry.
//! Synchronous; no Docker, no network, no clock, no environment. Nothing here prints.
//!
//! Two programs use it. The engine, on the host, calls [`ZipSource::open`], [`ZipSource::read`], [`pack_folder`] and
//! [`plans`]; it never unpacks. The agent, inside the container, opens the same bytes with the same checks and then
//! calls [`ZipSource::unpack`]. Both sides share one parser, so they cannot disagree about what an archive holds.

mod archive;
mod folder;
mod limits;
mod listing;
mod paths;
mod plan;
mod progress;
mod refusal;
mod tree;

#[cfg(unix)]
pub use archive::Unpacked;
pub use archive::ZipSource;
pub use folder::{DOCKERIGNORE, GITIGNORE, IgnoreRules, Verdict, is_installed, pack_folder};
pub use limits::{InvalidLimit, Limits};
pub use listing::{Entry, EntryKind, Listing, SkipReason, Skipped};
pub use plan::{
    Evidence, ImageChoice, Language, NamedStep, ProjectFiles, RunPlan, Start, Step, describe_unknown, plans,
};
pub use progress::Progress;
pub use refusal::{Reason, Refusal, Shown};
