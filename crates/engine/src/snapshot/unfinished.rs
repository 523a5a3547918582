//! Files that an export writes outside of the data folder, noted in it before they are made: what a killed owner leaves
//! of them is removed at the next start. The data folder is believed.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What every such file is called at first.
pub(super) const PREFIX: &str = ".slipway-export-";

fn notes(data: &Path) -> PathBuf {
    data.join("exports")
}

/// That a file is being written, until this is dropped.
pub(super) struct Note(PathBuf);

impl Note {
    pub(super) fn write(data: &Path, file: &Path) -> io::Result<Self> {
        let Some(name) = file.file_name() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let folder = notes(data);
        fs::create_dir_all(&folder)?;
        let note = Self(folder.join(name));
        let mut out = fs::File::create(&note.0)?;
        out.write_all(file.as_os_str().as_encoded_bytes())?;
        out.sync_all()?;
        Ok(note)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // One that stays names a file that is not there.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what an owner that was killed left of its exports.
pub(crate) fn clean(data: &Path) {
    let Ok(all) = fs::read_dir(notes(data)) else { return };
    for note in all.flatten() {
        let note = note.path();
        let Ok(file) = fs::read_to_string(&note) else { continue };
        let file = Path::new(&file);
        let ours = file.is_absolute()
            && file.file_name() == note.file_name()
            && file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
            && file.symlink_metadata().is_ok_and(|meta| meta.is_file());
        if ours {
            match fs::remove_file(file) {
                Ok(()) => tracing::info!(file = %file.display(), "removed what was left of an export"),
                // The next start tries again.
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "what was left of an export stays");
                    continue;
                }
            }
        }
        drop(Note(note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_owner_left_of_an_export_is_removed_and_nothing_else() {
        let (data, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |name: &str| {
            let path = there.path().join(name);
            fs::write(&path, "x").unwrap();
            path
        };
        let (left, done, other) =
            (file(".slipway-export-left"), file(".slipway-export-done"), file("precious"));
        std::mem::forget(Note::write(data.path(), &left).unwrap());
        drop(Note::write(data.path(), &done).unwrap());
        std::mem::forget(Note::write(data.path(), &other).unwrap());
        std::mem::forget(Note::write(data.path(), &there.path().join(".slipway-export-gone")).unwrap());
        clean(data.path());
        assert!(!left.exists() && done.exists() && other.exists());
        assert_eq!(fs::read_dir(notes(data.path())).unwrap().count(), 0);
    }
}
