//! Files this app writes where a person chose, until they are complete: under a name of their own beside their place, and
//! noted on disk. Dropped unfinished, one leaves nothing; what a killed app left is removed by the next.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const BEGINS: &str = ".slipway-";
const ENDS: &str = ".part";
/// A note beyond this is none of ours; the longest path is shorter.
const LONGEST_NOTE: u64 = 64 * 1024;

/// One that is being written.
pub(super) struct Unfinished {
    file: NamedTempFile,
    /// Goes when this does.
    _note: NamedTempFile,
}

impl Unfinished {
    /// Begins one in the folder it will lie in, as open to others as any new file of this person's. `notes` is a folder of
    /// our own.
    pub(super) fn begin(notes: &Path, folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(notes)?;
        let mut note = NamedTempFile::new_in(notes)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = tempfile::Builder::new().prefix(BEGINS).suffix(ENDS).make_in(folder, |path| {
            // Before the file is there, so that none is there without a note.
            note.as_file_mut().set_len(0)?;
            note.rewind()?;
            note.write_all(path.as_os_str().as_encoded_bytes())?;
            options.open(path)
        })?;
        Ok(Self { file, _note: note })
    }

    /// To write to from elsewhere.
    pub(super) fn reopen(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// It is complete: it goes in its place, over what is there.
    pub(super) fn finish(self, to: &Path) -> io::Result<()> {
        self.file.persist(to).map(drop).map_err(|e| e.error)
    }
}

impl io::Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The notes of an app that was killed. Read by the owner of the data folder, before anything else is begun in it.
pub(super) fn left(notes: &Path) -> Vec<PathBuf> {
    match fs::read_dir(notes) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "what files were left unfinished cannot be read");
            Vec::new()
        }
    }
}

/// Removes the files they name, and the notes.
pub(super) fn remove(left: &[PathBuf]) {
    for note in left {
        // It is tried again at the next start.
        if let Err(error) = put_away(note) {
            tracing::warn!(%error, note = %note.display(), "an unfinished file was left");
        }
    }
}

fn put_away(note: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    File::open(note)?.take(LONGEST_NOTE).read_to_end(&mut bytes)?;
    let path = path_of(bytes);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ours = path.is_absolute() && name.starts_with(BEGINS) && name.ends_with(ENDS);
    if ours && fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        fs::remove_file(&path)?;
        tracing::info!(path = %path.display(), "removed a file that was not written to its end");
    }
    fs::remove_file(note)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    <OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    // A path that is no text is one that is not found.
    OsString::from(String::from_utf8_lossy(&bytes).into_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_in_its_place_once_it_is_complete_and_leaves_no_note() {
        let (notes, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let to = folder.path().join("a.txt");
        fs::write(&to, "before").unwrap();
        let mut file = Unfinished::begin(notes.path(), folder.path()).unwrap();
        file.write_all(b"after").unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"before");
        assert_eq!(inside(notes.path()).len(), 1);
        file.finish(&to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"after");
        drop(Unfinished::begin(notes.path(), folder.path()).unwrap());
        assert_eq!(inside(folder.path()), ["a.txt"]);
        assert!(inside(notes.path()).is_empty());
    }

    #[test]
    fn what_a_killed_app_left_is_removed_and_nothing_else() {
        let (notes, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // No destructor runs in a killed process.
        std::mem::forget(Unfinished::begin(notes.path(), folder.path()).unwrap());
        let kept = folder.path().join(".slipway-thesis.txt");
        fs::write(&kept, "kept").unwrap();
        for (note, path) in [("thesis", &kept), ("gone", &folder.path().join(".slipway-1.part"))] {
            fs::write(notes.path().join(note), path.as_os_str().as_encoded_bytes()).unwrap();
        }
        fs::write(notes.path().join("cut"), "").unwrap();
        assert_eq!(inside(folder.path()).len(), 2);
        remove(&left(notes.path()));
        assert_eq!(inside(folder.path()), [".slipway-thesis.txt"]);
        assert!(inside(notes.path()).is_empty());
        assert!(left(&notes.path().join("none")).is_empty());
    }
}
