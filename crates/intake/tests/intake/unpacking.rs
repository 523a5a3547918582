//! Unpacking: into nothing, over what is there, never through what is there; stopped, refused, and fast.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use slipway_intake::{Limits, Progress, ZipSource};

use crate::support::*;

#[test]
fn an_archive_of_files_keeps_its_outermost_folder_and_all_in_it_but_litter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entries = [
        Raw::folder("app/empty/"),
        Raw::file("app/package.json", b"{}"),
        Raw::file("app/node_modules/a.js", b"a"),
        Raw::file("app/.git/HEAD", b"ref"),
        Raw::file("__MACOSX/app/._package.json", b"x"),
    ];
    let whole = |entries: &[Raw]| ZipSource::open_whole(Cursor::new(zip(entries)), &Limits::default());
    let mut source = whole(&entries).expect("a good archive");
    assert_eq!(source.listing().root, None);
    unpack(&mut source, folder.path()).expect("unpacks");
    assert_eq!(
        tree(folder.path()),
        [
            "app/",
            "app/.git/",
            "app/.git/HEAD 3 644",
            "app/empty/",
            "app/node_modules/",
            "app/node_modules/a.js 1 644",
            "app/package.json 2 644"
        ]
    );
    // Folders alone are something; the checks are the same.
    assert_eq!(whole(&[Raw::folder("only/")]).expect("a good archive").listing().entries.len(), 1);
    for (bad, code) in [
        (vec![], "zip-empty"),
        (vec![Raw::file("../x", b"x")], "zip-path-escape"),
        (vec![Raw::link("a", "../../x")], "zip-symlink-escape"),
    ] {
        let Err(refusal) = whole(&bad) else { panic!("accepted, should be {code}") };
        assert_eq!(refusal.code(), code, "{refusal}");
    }
}

#[test]
fn files_links_folders_and_modes_arrive() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("made/on/the/way");
    let entries = [
        Raw::folder("empty/"),
        Raw::deflated("src/index.js", &b"hello ".repeat(100_000)),
        Raw::file("bin/run.sh", b"#!/bin/sh\n").mode(0o100_755),
        Raw::link("bin/start", "run.sh"),
        Raw::file("z", b""),
    ];
    let mut seen = Vec::new();
    let done = open_good(zip(&entries))
        .unpack(&root, &mut |progress| {
            seen.push(progress);
            ControlFlow::Continue(())
        })
        .expect("unpacks");
    assert_eq!((done.files, done.symlinks, done.bytes), (3, 1, 600_010));
    assert_eq!(
        tree(&root),
        [
            "bin/",
            "bin/run.sh 10 755",
            "bin/start -> run.sh",
            "empty/",
            "src/",
            "src/index.js 600000 644",
            "z 0 644"
        ]
    );
    let last = seen.last().expect("told at least once");
    assert_eq!(*last, Progress { files: 3, bytes: 600_010, total_files: 3, total_bytes: 600_010 });
}

#[test]
fn a_new_archive_replaces_what_it_names_and_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let first = [
        Raw::file("a", b"old"),
        Raw::file("dir/b", b"old"),
        Raw::file("was-dir/x", b"x"),
        Raw::file("was-file", b"x"),
    ];
    unpack(&mut open_good(zip(&first)), root).expect("first");
    std::fs::write(root.join("dir/own"), "mine").expect("writable");
    let second = [
        Raw::file("a", b"newer"),
        Raw::file("dir/c", b"c"),
        Raw::file("was-dir", b"now a file"),
        Raw::file("was-file/y", b"y"),
    ];
    unpack(&mut open_good(zip(&second)), root).expect("second");
    assert_eq!(
        tree(root),
        [
            "a 5 644",
            "dir/",
            "dir/b 3 644",
            "dir/c 1 644",
            "dir/own 4 644",
            "was-dir 10 644",
            "was-file/",
            "was-file/y 1 644"
        ]
    );
}

#[test]
fn links_that_are_already_there_are_replaced_and_never_followed() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(outside.path().join("victim"), "safe").expect("writable");
    symlink(outside.path(), folder.path().join("dir")).expect("a link");
    symlink(outside.path().join("victim"), folder.path().join("file")).expect("a link");
    symlink(outside.path().join("new"), folder.path().join("dangling")).expect("a link");
    let entries =
        [Raw::file("dir/victim", b"evil"), Raw::file("file", b"evil"), Raw::file("dangling", b"evil")];
    unpack(&mut open_good(zip(&entries)), folder.path()).expect("unpacks");
    assert_eq!(tree(outside.path()), ["victim 4 644"]);
    assert_eq!(std::fs::read(outside.path().join("victim")).expect("still there"), b"safe");
    assert_eq!(tree(folder.path()), ["dangling 4 644", "dir/", "dir/victim 4 644", "file 4 644"]);
}

#[test]
fn a_staging_name_that_is_taken_is_passed_over() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    symlink(outside.path(), folder.path().join(".slipway-incoming-0")).expect("a link");
    unpack(&mut open_good(zip(&[Raw::file("a", b"a")])), folder.path()).expect("unpacks");
    assert_eq!(tree(outside.path()), Vec::<String>::new());
    assert!(folder.path().join("a").is_file());
    assert!(folder.path().join(".slipway-incoming-0").is_symlink());
}

#[test]
fn a_refusal_changes_nothing_that_was_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("a"), "mine").expect("writable");
    let mut damaged = Raw::file("z", b"data");
    damaged.crc ^= 1;
    let refusal =
        unpack(&mut open_good(zip(&[Raw::file("a", b"new"), damaged])), folder.path()).expect_err("damaged");
    assert_eq!(refusal.code(), "zip-corrupt");
    assert_eq!(tree(folder.path()), ["a 4 644"]);
    assert_eq!(std::fs::read(folder.path().join("a")).expect("still there"), b"mine");
}

#[test]
fn a_break_stops_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entries: Vec<_> = (0..500).map(|n| Raw::file(format!("f{n}"), b"x")).collect();
    let mut calls = 0;
    let refusal = open_good(zip(&entries))
        .unpack(folder.path(), &mut |progress| {
            calls += 1;
            if progress.files >= 128 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect_err("stopped");
    assert_eq!((refusal.code(), calls), ("cancelled", 2));
    assert_eq!(tree(folder.path()), Vec::<String>::new());
}

#[test]
fn a_root_that_cannot_be_written_is_a_plain_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "x").expect("writable");
    let refusal = unpack(&mut open_good(zip(&[Raw::file("a", b"a")])), &folder.path().join("file"))
        .expect_err("not a folder");
    assert_eq!(refusal.code(), "io");
    assert!(refusal.to_string().starts_with("could not create"), "{refusal}");
}

/// Speed is held against the same machine's own file system, so that a slow machine does not fail it.
#[test]
fn thousands_of_small_files_unpack_near_file_system_speed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = b"export const value = 1; // a line of a small module\n".repeat(20);
    let name = |n: usize| format!("src/{}/{}/file{n}.js", n / 500, n / 50 % 10);
    let one = Raw::deflated("package.json", &text);
    let named = (0..3_000).map(|n| Raw { name: name(n).into(), ..one.clone() });
    let entries: Vec<_> = named.chain([one.clone()]).collect();
    let mut source = open_good(zip(&entries));

    let plain = folder.path().join("plain");
    let start = Instant::now();
    for n in 0..3_000 {
        let path = plain.join(name(n));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, &text).expect("a file");
    }
    let by_hand = start.elapsed();

    let start = Instant::now();
    unpack(&mut source, &folder.path().join("unpacked")).expect("unpacks");
    let unpacked = start.elapsed();
    assert!(
        unpacked < by_hand * 6 + Duration::from_secs(1),
        "plain writes {by_hand:?}, unpacked {unpacked:?}"
    );
    let mode = folder.path().join("unpacked").join(name(0)).metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}
