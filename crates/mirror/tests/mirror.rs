//! One end of a sync on a real disk: nothing is written through a link, nothing that was not seen is replaced, a file is
//! there whole or not at all, and a scan tells what there is.
#![cfg(unix)]

use slipway_intake::IgnoreRules;
use slipway_mirror::{Bounds, Cache, Folder, Found, Manner, Node, Refused, RelPath, Scan};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

const BOUNDS: Bounds = Bounds { entries: 1000, file_bytes: 1 << 20, rules_bytes: 1 << 16 };

struct Place {
    temp: tempfile::TempDir,
    folder: Folder,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(temp.path().join("top")).expect("a folder");
        fs::create_dir_all(temp.path().join("outside")).expect("a folder");
        fs::write(temp.path().join("outside/victim"), "untouched").expect("a file");
        let folder = Folder::open(&temp.path().join("top"), "t").expect("the top");
        Self { temp, folder }
    }

    fn top(&self, name: &str) -> PathBuf {
        self.temp.path().join("top").join(name)
    }

    fn look(&self, name: &str) -> Option<Found> {
        self.folder.look(&path(name)).expect("a look")
    }

    fn write(
        &self,
        name: &str,
        text: &str,
        expected: Option<&Found>,
        manner: &Manner,
    ) -> Result<(), Refused> {
        let mut draft = self.folder.begin(&path(name))?;
        draft.write(text.as_bytes())?;
        draft.finish(expected, false, manner).map(drop)
    }

    fn outside_is_untouched(&self) {
        let outside = self.temp.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("victim")).expect("a file"), "untouched");
        assert_eq!(fs::read_dir(outside).expect("a folder").count(), 1);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.top("")).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn scan(&self, cache: &mut Cache, only: &[&str]) -> (BTreeMap<String, Node>, Vec<String>) {
        let (mut told, mut left_out) = (BTreeMap::new(), Vec::new());
        let mut rules = IgnoreRules::default();
        let mut tell = |path: RelPath, _: Found, node: Node| drop(told.insert(path.to_string(), node));
        let mut leave = |path: RelPath, why| left_out.push(format!("{path}: {why}"));
        let scan = Scan::new(&self.folder, BOUNDS, &mut rules, cache, &mut tell, &mut leave);
        if only.is_empty() {
            scan.learning().whole().expect("a scan");
        } else {
            let only: Vec<RelPath> = only.iter().map(|name| path(name)).collect();
            scan.doubting().of(&only).expect("a scan");
        }
        (told, left_out)
    }
}

fn path(name: &str) -> RelPath {
    RelPath::new(name.as_bytes()).expect("a path")
}

fn careful() -> Manner {
    Manner { careful: true, aside: None }
}

#[test]
fn nothing_is_written_made_or_removed_through_a_link() {
    let place = Place::new();
    let outside = place.temp.path().join("outside");
    symlink(&outside, place.top("out")).expect("a link");
    symlink(outside.join("victim"), place.top("file")).expect("a link");
    let manner = careful();
    assert!(place.write("out/victim", "bad", None, &manner).is_err());
    assert!(place.write("out/new/deep", "bad", None, &manner).is_err());
    assert!(place.folder.make(&path("out/new"), None, &manner).is_err());
    assert!(place.folder.link(&path("out/new"), b"x", None, &manner).is_err());
    assert_eq!(place.look("out/victim"), None, "what lies behind a link is not there");
    assert!(place.folder.read(&path("file")).is_err());
    let link = place.look("file").expect("the link itself");
    assert!(matches!(&link, Found::Link { .. }));
    // The link itself may be replaced or removed; what it leads to is not touched.
    place.write("file", "mine", Some(&link), &manner).expect("in its place");
    assert_eq!(fs::read_to_string(place.top("file")).expect("a file"), "mine");
    place.folder.remove(&path("out"), &place.look("out").expect("the link")).expect("removed");
    place.outside_is_untouched();
}

#[test]
fn what_was_not_seen_is_not_replaced_or_removed() {
    let place = Place::new();
    for manner in [Manner::default(), careful(), Manner { careful: false, aside: Some(b"aside".to_vec()) }] {
        fs::write(place.top("a"), "one").expect("a file");
        let seen = place.look("a");
        fs::write(place.top("a"), "edited").expect("a file");
        assert!(matches!(place.write("a", "new", seen.as_ref(), &manner), Err(Refused::Changed)));
        assert!(matches!(place.write("a", "new", None, &manner), Err(Refused::Changed)));
        assert!(matches!(
            place.folder.remove(&path("a"), &seen.expect("it is there")),
            Err(Refused::Changed)
        ));
        assert_eq!(fs::read_to_string(place.top("a")).expect("a file"), "edited");
        assert_eq!(place.names(), ["a"], "nothing of ours is left");
    }
}

#[test]
fn what_gives_way_can_be_kept_beside() {
    let place = Place::new();
    fs::write(place.top("a"), "theirs").expect("a file");
    let manner = Manner { careful: false, aside: Some(b"a.aside".to_vec()) };
    place.write("a", "ours", place.look("a").as_ref(), &manner).expect("both are there");
    assert_eq!(fs::read_to_string(place.top("a")).expect("a file"), "ours");
    assert_eq!(fs::read_to_string(place.top("a.aside")).expect("a file"), "theirs");
    fs::create_dir(place.top("d")).expect("a folder");
    fs::write(place.top("d/in"), "in").expect("a file");
    assert!(matches!(place.write("d", "file", Some(&Found::Folder), &careful()), Err(Refused::NotEmpty)));
    let manner = Manner { careful: false, aside: Some(b"d.aside".to_vec()) };
    place.write("d", "file", Some(&Found::Folder), &manner).expect("both are there");
    assert_eq!(fs::read_to_string(place.top("d.aside/in")).expect("a file"), "in");
    assert!(matches!(place.folder.remove(&path("d.aside"), &Found::Folder), Err(Refused::NotEmpty)));
}

#[test]
fn an_unfinished_file_leaves_nothing_and_a_killed_one_is_swept_by_its_own_sync_alone() {
    let place = Place::new();
    let mut draft = place.folder.begin(&path("a/b")).expect("begun");
    draft.write(b"half").expect("written");
    drop(draft);
    assert_eq!(fs::read_dir(place.top("a")).expect("a folder").count(), 0);
    fs::write(place.top(".slipway-sync-in-t-1-0.tmp"), "half").expect("a file");
    fs::write(place.top(".slipway-sync-in-other-1-0.tmp"), "half").expect("a file");
    fs::write(place.top(".slipway-sync-out-t-1-0.tmp"), "perhaps somebody's work").expect("a file");
    assert_eq!(place.scan(&mut Cache::default(), &[]).0.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(place.names(), [".slipway-sync-in-other-1-0.tmp", ".slipway-sync-out-t-1-0.tmp", "a"]);
}

#[test]
fn a_scan_tells_what_there_is_and_what_cannot_be() {
    let place = Place::new();
    let odd = Path::new(OsStr::from_bytes(b"new\nline\xff"));
    fs::write(place.top("").join(odd), "odd").expect("a file");
    fs::write(place.top(".gitignore"), "*.log\n").expect("a file");
    fs::create_dir_all(place.top("d/e")).expect("a folder");
    fs::write(place.top("d/x.log"), "no").expect("a file");
    fs::write(place.top("d/y"), "yes").expect("a file");
    fs::write(place.top("large"), vec![0; (1 << 20) + 1]).expect("a file");
    symlink("../..", place.top("d/up")).expect("a link");
    symlink("../d/y", place.top("d/fine")).expect("a link");
    let mut cache = Cache::default();
    let (told, left_out) = place.scan(&mut cache, &[]);
    let names: Vec<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(names, [".gitignore", "d", "d/e", "d/fine", "d/y", "new\\u{a}line\\xff"]);
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert_eq!(place.scan(&mut cache, &["d/y", "gone", "d/y/below"]).0.len(), 1);
    // The same size at the same moment: who says it changed is believed.
    let meta = fs::metadata(place.top("d/y")).expect("a file");
    fs::write(place.top("d/y"), "YES").expect("a file");
    let file = fs::File::options().append(true).open(place.top("d/y")).expect("a file");
    file.set_modified(meta.modified().expect("a time")).expect("set");
    assert_ne!(place.scan(&mut cache, &["d/y"]).0["d/y"], told["d/y"]);
}

#[test]
fn more_than_the_bounds_is_refused() {
    let place = Place::new();
    for n in 0..30 {
        fs::write(place.top(&format!("f{n}")), "").expect("a file");
    }
    let bounds = Bounds { entries: 20, ..BOUNDS };
    let (mut rules, mut cache) = (IgnoreRules::default(), Cache::default());
    let (mut tell, mut leave) = (|_, _, _| (), |_, _| ());
    let scan = Scan::new(&place.folder, bounds, &mut rules, &mut cache, &mut tell, &mut leave);
    assert!(matches!(scan.whole(), Err(slipway_mirror::ScanError::TooMany(_))));
}
