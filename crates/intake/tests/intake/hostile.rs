//! Archives changed at random: opening and unpacking must end in a refusal or in files below the root, never in a
//! panic, never in a write elsewhere, never in more bytes than allowed.

use std::io::Cursor;
use std::ops::ControlFlow;

use proptest::prelude::*;
use slipway_intake::{Limits, ZipSource, plans};

use crate::support::*;

fn seed() -> Vec<u8> {
    zip(&[
        Raw::file("package.json", br#"{"scripts":{"dev":"vite"},"devDependencies":{"vite":"1"}}"#),
        Raw::deflated("src/main.js", &b"console.log(1);\n".repeat(40)),
        Raw { descriptor: true, ..Raw::deflated("src/a/b/c.txt", b"deep") },
        Raw { zip64: true, ..Raw::file("wide.bin", &[7; 300]) },
        Raw::folder("empty/"),
        Raw::link("bin/run", "../src/main.js"),
        Raw::link("bin/other", "../src/a/../main.js"),
        Raw { host: DOS, ..Raw::file("dos\\name.txt", b"x") },
        Raw::file("requirements.txt", b"flask\n"),
        Raw::file("app.py", b"from flask import Flask\napp = Flask(__name__)\n"),
        Raw::file("Procfile", b"web: flask run\n"),
    ])
}

/// One change to the bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Name(usize, String),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => index().prop_map(Change::Cut),
        2 => (index(), index()).prop_map(|(one, two)| Change::Swap(one, two)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        6 => (0..11_usize, "(\\.\\./|/|\\.\\.\\\\|a|bin/run/|src|CON|\\x00|é|:|C:)[a-z./\\\\]{0,9}").prop_map(|(entry, name)| Change::Name(entry, name)),
    ]
}

/// Replaces a name in both headers by one of the same length, so that the structure stays whole.
fn rename(bytes: &mut [u8], entry: usize, name: &str) {
    const NAMES: [&str; 11] = [
        "package.json",
        "src/main.js",
        "src/a/b/c.txt",
        "wide.bin",
        "empty/",
        "bin/run",
        "bin/other",
        "dos\\name.txt",
        "requirements.txt",
        "app.py",
        "Procfile",
    ];
    let old = NAMES[entry].as_bytes();
    let new: Vec<u8> = name.bytes().chain(std::iter::repeat(b'x')).take(old.len()).collect();
    for at in 0..bytes.len().saturating_sub(old.len()) {
        if &bytes[at..at + old.len()] == old {
            bytes[at..at + old.len()].copy_from_slice(&new);
        }
    }
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, byte) => bytes[at.index(length)] = *byte,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Swap(one, two) => bytes.swap(one.index(length), two.index(length)),
            Change::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Name(entry, name) => rename(&mut bytes, *entry, name),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_archive_never_leaves_its_root_and_never_panics(changes in prop::collection::vec(change(), 1..6)) {
        let limits = Limits { produced_bytes: 100_000, ..Limits::default() };
        let outer = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(outer.path().join("canary"), "x").expect("writable");
        let root = outer.path().join("root");
        let bytes = apply(seed(), &changes);
        if let Ok(mut source) = ZipSource::open(Cursor::new(bytes), &limits) {
            let listed = source.listing().clone();
            for entry in &listed.entries {
                prop_assert!(!entry.path.starts_with('/') && !entry.path.split('/').any(|part| part == ".."), "{}", entry.path);
            }
            drop(plans(&mut source));
            let result = source.unpack(&root, &mut |_| ControlFlow::Continue(()));
            let found = tree(&root);
            match result {
                Ok(done) => {
                    prop_assert_eq!(done.files, listed.files);
                    prop_assert_eq!(done.bytes, listed.bytes);
                    prop_assert!(done.bytes <= limits.produced_bytes);
                }
                Err(_) => prop_assert!(found.is_empty(), "left behind: {:?}", found),
            }
        }
        let mut beside: Vec<_> = std::fs::read_dir(outer.path()).expect("readable").flatten().map(|entry| entry.file_name()).collect();
        beside.retain(|name| name != "root" && name != "canary");
        prop_assert!(beside.is_empty(), "outside the root: {:?}", beside);
        prop_assert_eq!(std::fs::read(outer.path().join("canary")).expect("still there"), b"x");
    }

    #[test]
    fn random_bytes_with_a_zip_ending_never_panic(start in prop::collection::vec(any::<u8>(), 0..400), entries in 0..5_u16, central in 0..500_u32, at in 0..500_u32) {
        let mut bytes = start;
        end(&mut bytes, entries, central, at);
        prop_assert!(open(bytes).is_err());
    }

    #[test]
    fn any_manifests_give_plans_or_a_sentence(package in "(\\{|\\}|\"|:|,|scripts|dev|start|build|vite|dependencies|\\[|\\]|[a-z ]|\\PC){0,80}", python in "(import |from |flask|fastapi|app|=|\\(|Flask|\n|[a-z_.]|\\PC){0,80}", pyproject in "(\\[project\\]|\n|dependencies|=|\\[|\"|[a-z]|requires-python|\\PC){0,60}") {
        let entries = [
            Raw::file("package.json", package.as_bytes()),
            Raw::file("app.py", python.as_bytes()),
            Raw::file("pyproject.toml", pyproject.as_bytes()),
        ];
        match plans(&mut open_good(zip(&entries))) {
            Ok(found) => prop_assert!(found.len() <= 16),
            Err(refusal) => prop_assert_eq!(refusal.code(), "manifest-invalid"),
        }
    }
}
