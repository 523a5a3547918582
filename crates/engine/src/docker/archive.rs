//! Tar archives that are put into containers which never ran: what they need before they start.

use bollard::{body_full, query_parameters::UploadToContainerOptions};
use slipway_agent_api::UID;
use slipway_wire::{Code, Problem};
use std::{io, path::Path};

use super::{Docker, problem};

impl Docker {
    /// Puts into a container that was not started yet its project's folder, owned by the workspace's user.
    pub(super) async fn furnish(&self, container: &str, folder: &str) -> Result<(), Problem> {
        let packed = (|| {
            let mut tar = tar::Builder::new(Vec::new());
            directory(&mut tar, folder, 0o755)?;
            tar.into_inner()
        })();
        let packed: Vec<u8> = packed.map_err(|e: io::Error| {
            Problem::new(Code::Internal, format!("The project's folder could not be made: {e}."))
        })?;
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            no_overwrite_dir_non_dir: Some("1".to_owned()),
            ..Default::default()
        };
        self.api
            .upload_to_container(container, Some(options), body_full(packed.into()))
            .await
            .map_err(|e| problem("making the project's folder", &e))
    }
}

/// A directory of the workspace's user.
pub(super) fn directory<W: io::Write>(tar: &mut tar::Builder<W>, path: &str, mode: u32) -> io::Result<()> {
    // Implicit parents are root's, which is right for all but the last.
    owned(tar, path, tar::EntryType::Directory, mode, u64::from(UID), &[])
}

/// An entry with this owner and mode.
pub(super) fn owned<W: io::Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    owner: u64,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, Path::new(path.trim_start_matches('/')), bytes)
}
