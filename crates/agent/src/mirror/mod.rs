//! The container's end of a live sync: calls of the contract, in the words of the mirror crate. Scans, changes and
//! contents come and go on streams; each call has a thread of its own while it works, and ends with its caller.

mod apply;
mod carried;
mod fetch;
mod scan;
mod words;

use std::io;

use tonic::Status;

pub(crate) use self::fetch::fetch;
pub(crate) use self::scan::Mirrors;

/// The folder a call is about.
fn folder(root: &[u8], tag: &str) -> Result<slipway_mirror::Folder, Status> {
    let path = crate::files::absolute(root)?;
    let plain = tag.len() <= 64 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain {
        return Err(Status::invalid_argument("a tag is letters, digits and hyphens"));
    }
    slipway_mirror::Folder::open(&path, tag).map_err(|error| refused(&path.display().to_string(), &error))
}

fn refused(what: &str, error: &io::Error) -> Status {
    crate::files::status(what, error)
}
