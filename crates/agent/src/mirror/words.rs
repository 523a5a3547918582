//! What an engine names, checked: paths, and what it expects to be there.

use slipway_agent_api::v1::SyncFound;
use slipway_mirror::{Found, RelPath};
use tonic::Status;

pub(super) fn path(raw: &[u8]) -> Result<RelPath, Status> {
    RelPath::new(raw).map_err(|bad| Status::invalid_argument(bad.to_string()))
}

pub(super) fn expected(message: SyncFound) -> Result<Found, Status> {
    Found::told(message).ok_or_else(|| Status::invalid_argument("what is expected is missing its kind"))
}
