//! One end of a live sync: what a folder holds and changing it, one path at a time, without ever following a link. The
//! engine uses it on the person's folder, the agent on the container's, so both ends mean the same by every word.
//! Synchronous; no Docker, no network, no clock but what the file system says. It decides nothing: plans are the engine's.

mod contract;
mod node;
mod path;

#[cfg(unix)]
mod draft;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod scan;

pub use node::{Digest, Found, Hasher, Node, Stamp, safe_target};
pub use path::{BadPath, NAME_BYTES, RelPath};

#[cfg(unix)]
pub use draft::Draft;
#[cfg(unix)]
pub use folder::{Folder, Manner, Refused, is_ours};
#[cfg(unix)]
pub use scan::{Bounds, Cache, Scan, ScanError};
