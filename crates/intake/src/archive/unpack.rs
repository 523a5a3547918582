//! A checked archive becomes files below a root, all or nothing. Runs only inside the container.
//! Everything is first written into a hidden staging folder in the root and moved into place once every byte and
//! checksum has been verified; a refusal before that leaves the root as it was. See `place` for how writing is confined.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::body::Want;
use super::place::{Folders, Staging};
use super::{Data, ZipSource};
use crate::listing::EntryKind;
use crate::progress::Progress;
use crate::refusal::{Reason, Refusal, Shown};

/// What an unpacking made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Regular files.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Bytes really written.
    pub bytes: u64,
}

impl<R: Read + Seek> ZipSource<R> {
    /// Unpacks everything listed into `root`, which is made if it is missing. Files are 0644, or 0755 if executable;
    /// folders are 0755; setuid, setgid and sticky bits never survive. Existing files are replaced, files that the
    /// archive does not name stay, and an existing symbolic link is replaced and never followed (`root` itself may be
    /// reached through one: the caller chose it).
    ///
    /// `progress` is called every 64 files or MiB, and once at the end; `Break` stops with [`Refusal::Cancelled`].
    /// On any refusal up to the last check nothing in `root` has changed. If the operating system fails while
    /// verified files are moved into place, those already moved stay; the staging folder is removed in every case.
    pub fn unpack(
        &mut self,
        root: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Unpacked, Refusal> {
        let staging = Staging::create(root)?;
        let result = self.fill(&staging, progress).and_then(|done| staging.move_in().map(|()| done));
        let removed = staging.remove();
        let done = result?;
        removed?;
        Ok(done)
    }

    fn fill(
        &mut self,
        staging: &Staging,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Unpacked, Refusal> {
        let mut folders = Folders::new(staging)?;
        let (total_files, total_bytes) = (self.listing.files, self.listing.bytes);
        let mut now = Progress { total_files, total_bytes, ..Progress::default() };
        let mut told = now;
        let mut tell = |now: Progress, force: bool| {
            if force || now.is_worth_telling(&told) {
                told = now;
                if progress(now).is_break() {
                    return Err(Refusal::Cancelled);
                }
            }
            Ok(())
        };
        for index in self.in_archive_order() {
            let (path, executable) = match (&self.listing.entries[index].kind, self.places[index]) {
                (EntryKind::File { executable, .. }, Some(_)) => {
                    (self.listing.entries[index].path.clone(), *executable)
                }
                (EntryKind::Directory, _) => {
                    folders.enter(&self.listing.entries[index].path)?;
                    continue;
                }
                _ => continue,
            };
            let Some(data) = self.places[index] else { continue };
            let file = folders.create_file(&path, executable)?;
            self.write_file(&path, data, file, &mut now, &mut tell)?;
            now.files += 1;
            tell(now, false)?;
        }
        let symlinks = self.create_links(&mut folders)?;
        tell(now, true)?;
        Ok(Unpacked { files: now.files, symlinks, bytes: now.bytes })
    }

    /// By place in the archive, so that it is read once from front to back.
    fn in_archive_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|&index| self.places[index].map_or(0, |data| data.at));
        order
    }

    fn write_file(
        &mut self,
        path: &str,
        data: Data,
        mut file: File,
        now: &mut Progress,
        tell: &mut dyn FnMut(Progress, bool) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let limit = self.limits.produced_bytes;
        self.pourer.pour(&mut self.reader, path, data, &mut |piece| {
            now.bytes += piece.len() as u64;
            if now.bytes > limit {
                let what = "all files together".into();
                return Err(Refusal::Zip(Reason::TooLarge { what, bytes: now.bytes, limit }));
            }
            file.write_all(piece)
                .map_err(|source| Refusal::Io { doing: format!("write {}", Shown::from(path)), source })?;
            tell(*now, false)?;
            Ok(Want::More)
        })
    }

    /// Last of all, so that no file of this archive can be written through one.
    fn create_links(&self, folders: &mut Folders) -> Result<u64, Refusal> {
        let mut count = 0;
        for entry in &self.listing.entries {
            if let EntryKind::Symlink { target } = &entry.kind {
                folders.create_link(&entry.path, target)?;
                count += 1;
            }
        }
        Ok(count)
    }
}
