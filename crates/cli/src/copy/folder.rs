//! A tree out of a container becomes a folder here, by handles: whatever the container sends or somebody swaps
//! meanwhile, nothing is written outside the chosen folder. Containment case 9.

use super::{
    download::unwritable,
    pipe::Bar,
    place::{self, NewFile, Place},
    sink::{Notes, Sink},
};
use crate::exit::Failure;
use slipway_http::{safe_target, tree::Kind};
use slipway_wire::shown_name;
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _},
    path::Path,
};

/// Files told apart by case only are one here.
const FOLDS_CASE: bool = cfg!(any(windows, target_os = "macos"));

pub(super) struct Folder {
    root: Place,
    /// Handles of the folder written to last and of its parents.
    open: Vec<(Vec<u8>, Place)>,
    file: Option<(NewFile, File, u32)>,
    /// Bits of folders that get them when nothing more is written into them.
    modes: Vec<(Vec<u8>, u32)>,
    /// Where case does not tell names apart: which name each has.
    names: HashMap<String, Vec<u8>>,
    folds_case: bool,
    notes: Notes,
}

impl Folder {
    pub(super) fn open(target: &Path, bar: Bar) -> Result<Self, Failure> {
        let root = Place::open(target).map_err(|e| unwritable(target, &e))?;
        Ok(Self {
            root,
            open: Vec::new(),
            file: None,
            modes: Vec::new(),
            names: HashMap::new(),
            folds_case: FOLDS_CASE,
            notes: Notes::new(bar),
        })
    }

    /// The folder at a path, made where it is missing. Never through a link.
    fn enter(&mut self, path: &[u8]) -> io::Result<Place> {
        let parts = || path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let same = self.open.iter().zip(parts()).take_while(|((open, _), part)| open == part).count();
        self.open.truncate(same);
        for part in parts().skip(same) {
            let parent = self.open.last().map_or(&self.root, |(_, place)| place);
            let name = place::legal(part).ok_or(io::ErrorKind::InvalidFilename)?;
            let place = parent.folder(name)?;
            self.open.push((part.to_vec(), place));
        }
        Ok(self.open.last().map_or(&self.root, |(_, place)| place).clone())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let Some((file, _, mode)) = self.file.take() else { return Ok(()) };
        file.finish(mode).map_err(|e| unwritable(Path::new("a file"), &e))
    }

    /// Why a path cannot be here, if it cannot.
    fn impossible(&mut self, path: &[u8]) -> Option<&'static str> {
        if path.split(|byte| *byte == b'/').any(|part| place::legal(part).is_none()) {
            return Some("its name cannot be used here");
        }
        if self.folds_case {
            let folded = String::from_utf8_lossy(path).to_lowercase();
            let first = self.names.entry(folded).or_insert_with(|| path.to_vec());
            if first != path {
                return Some("another name differs only in upper and lower case");
            }
        }
        None
    }
}

impl Sink for Folder {
    fn entry(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<(), Failure> {
        self.settle()?;
        if let Some(why) = self.impossible(path) {
            self.notes.left_out(path, why);
            return Ok(());
        }
        let failed = |e: io::Error| unwritable(Path::new(&shown_name(path)), &e);
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = cut.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        let depth = parent.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count();
        let Some(name) = place::legal(name) else { return Ok(()) };
        match kind {
            Kind::Directory => {
                self.enter(path).map_err(failed)?;
                self.modes.push((path.to_vec(), mode));
            }
            Kind::File(_) => {
                let file = self.enter(parent).and_then(|place| place.begin(name)).map_err(failed)?;
                let handle = file.handle().map_err(failed)?;
                self.file = Some((file, handle, mode));
            }
            Kind::Symlink(target) if safe_target(&target, depth) => {
                self.enter(parent).and_then(|place| place.link(name, &target)).map_err(failed)?;
            }
            Kind::Symlink(_) => self.notes.left_out(path, "a link out of the folder"),
            Kind::Other => self.notes.left_out(path, "not a file, folder or link"),
        }
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        let Some((_, handle, _)) = &mut self.file else { return Ok(()) };
        handle.write_all(data).map_err(|e| unwritable(Path::new("a file"), &e))
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.settle()?;
        for (path, mode) in std::mem::take(&mut self.modes).into_iter().rev() {
            let place = self.enter(&path).map_err(|e| unwritable(Path::new(&shown_name(&path)), &e))?;
            place.set_mode(mode).map_err(|e| unwritable(Path::new(&shown_name(&path)), &e))?;
        }
        Ok(())
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::{fs, os::unix::fs::symlink};

    fn folder(target: &Path) -> Folder {
        Folder::open(target, Bar::new(None)).expect("a folder")
    }

    fn put(folder: &mut Folder, path: &[u8], kind: Kind) -> Result<(), Failure> {
        folder.entry(path, kind, 0o644)?;
        folder.data(b"content")
    }

    #[test]
    fn a_link_of_the_tree_is_never_a_way_for_the_rest_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let (outside, chosen) = (temp.path().join("outside"), temp.path().join("chosen"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&chosen).unwrap();
        let mut tree = folder(&chosen);
        // Honest-looking, inside, and then used as a folder.
        put(&mut tree, b"real", Kind::Directory).unwrap();
        put(&mut tree, b"way", Kind::Symlink(Bytes::from_static(b"real"))).unwrap();
        assert!(put(&mut tree, b"way/file", Kind::File(7)).is_err());
        // Left out, and its name then used for a folder of the stream's own.
        put(&mut tree, b"up", Kind::Symlink(Bytes::from_static(b"../outside"))).unwrap();
        put(&mut tree, b"up/file", Kind::File(7)).unwrap();
        tree.finish().unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(fs::read_dir(chosen.join("real")).unwrap().count(), 0);
        assert!(chosen.join("up/file").is_file());
    }

    #[test]
    fn a_folder_swapped_for_a_link_meanwhile_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let (outside, chosen) = (temp.path().join("outside"), temp.path().join("chosen"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&chosen).unwrap();
        let mut tree = folder(&chosen);
        put(&mut tree, b"a", Kind::Directory).unwrap();
        put(&mut tree, b"a/first", Kind::File(7)).unwrap();
        // Somebody moves the open folder away and puts a link where it was.
        fs::rename(chosen.join("a"), chosen.join("moved")).unwrap();
        symlink(&outside, chosen.join("a")).unwrap();
        put(&mut tree, b"a/second", Kind::File(7)).unwrap();
        put(&mut tree, b"b", Kind::Directory).unwrap();
        // No longer the folder written to last: opened anew, and refused.
        assert!(put(&mut tree, b"a/third", Kind::File(7)).is_err());
        drop(tree);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(chosen.join("moved/second").is_file());
    }

    #[test]
    fn names_that_differ_in_case_only_are_not_written_over_one_another_where_case_is_folded() {
        let temp = tempfile::tempdir().unwrap();
        let mut tree = folder(temp.path());
        tree.folds_case = true;
        for path in [&b"Read.me"[..], b"read.ME", b"other"] {
            put(&mut tree, path, Kind::File(7)).unwrap();
        }
        tree.finish().unwrap();
        let mut names: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["Read.me", "other"]);
    }

    #[test]
    fn a_tree_that_is_cut_leaves_no_half_file() {
        let temp = tempfile::tempdir().unwrap();
        let mut tree = folder(temp.path());
        put(&mut tree, b"whole", Kind::File(7)).unwrap();
        put(&mut tree, b"half", Kind::File(70)).unwrap();
        drop(tree);
        let names: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["whole"]);
    }
}
