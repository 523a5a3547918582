//! Packing folders: what goes in, what stays out, what is refused, and that the result is an archive of the same tree.

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use slipway_intake::{Limits, Listing, Refusal, SkipReason, pack_folder};

use crate::support::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn pack(dir: &Path) -> Result<(Listing, Vec<u8>), Refusal> {
    pack_within(dir, &Limits::default())
}

fn pack_within(dir: &Path, limits: &Limits) -> Result<(Listing, Vec<u8>), Refusal> {
    let mut out = Cursor::new(Vec::new());
    let listing = pack_folder(dir, &mut out, limits, &mut |_| ControlFlow::Continue(()))?;
    Ok((listing, out.into_inner()))
}

#[track_caller]
fn packed(dir: &Path) -> Vec<String> {
    let (listing, bytes) = pack(dir).unwrap_or_else(|refusal| panic!("refused: {refusal}"));
    let mut paths: Vec<_> = listing.entries.iter().map(|entry| entry.path.clone()).collect();
    // The archive says the same as the listing, less the folder entries both may imply.
    let source = open_good(bytes);
    if source.listing().root.is_none() {
        assert_eq!(source.listing().entries, listing.entries);
    }
    paths.sort();
    paths
}

#[track_caller]
fn refused(dir: &Path, code: &str, says: &str) {
    let refusal = pack(dir).err().unwrap_or_else(|| panic!("accepted, should be {code}"));
    assert_eq!(refusal.code(), code, "{refusal}");
    assert!(refusal.to_string().contains(says), "“{refusal}” does not say “{says}”");
}

#[test]
fn a_folder_travels_whole_with_links_and_modes() {
    let dir = folder(&[
        ("package.json", "{}"),
        ("bin/run.sh", "#!/bin/sh"),
        ("src/deep/a.js", "1"),
        (".env.example", "A=1"),
        ("logo.png", "png"),
    ]);
    fs::set_permissions(dir.path().join("bin/run.sh"), fs::Permissions::from_mode(0o4755)).expect("a mode");
    symlink("run.sh", dir.path().join("bin/start")).expect("a link");
    symlink("../src/deep", dir.path().join("bin/deep")).expect("a link");
    fs::create_dir(dir.path().join("empty")).expect("a folder");
    let (_, bytes) = pack(dir.path()).expect("packs");
    let out = tempfile::tempdir().expect("a temporary folder");
    unpack(&mut open_good(bytes), out.path()).expect("unpacks");
    assert_eq!(
        tree(out.path()),
        [
            ".env.example 3 644",
            "bin/",
            "bin/deep -> ../src/deep",
            "bin/run.sh 9 755",
            "bin/start -> run.sh",
            "empty/",
            "logo.png 3 644",
            "package.json 2 644",
            "src/",
            "src/deep/",
            "src/deep/a.js 1 644",
        ]
    );
}

#[test]
fn gitignore_is_honoured_without_a_repository_and_nested() {
    let dir = folder(&[
        (".gitignore", "*.log\n/build\n!keep.log\n"),
        ("a.log", ""),
        ("keep.log", ""),
        ("build/x", ""),
        ("sub/build/x", ""),
        ("sub/.gitignore", "secret\n"),
        ("sub/secret", ""),
        ("secret", ""),
        (".ignore", "secret\n"),
    ]);
    assert_eq!(
        packed(dir.path()),
        [".gitignore", ".ignore", "keep.log", "secret", "sub", "sub/.gitignore", "sub/build", "sub/build/x"]
    );
}

#[test]
fn dockerignore_is_honoured_as_docker_reads_it() {
    let dir = folder(&[
        (".dockerignore", "docs\n**/*.tmp\n!docs/keep.md\n"),
        ("docs/a.md", ""),
        ("docs/keep.md", ""),
        ("sub/docs/b.md", ""),
        ("x.tmp", ""),
        ("sub/y.tmp", ""),
        ("index.html", ""),
    ]);
    assert_eq!(
        packed(dir.path()),
        [".dockerignore", "docs/keep.md", "index.html", "sub", "sub/docs", "sub/docs/b.md"]
    );
    let bad = folder(&[(".dockerignore", "a\n[z-a]\n"), ("x", "")]);
    refused(bad.path(), "manifest-invalid", "line 2");
}

#[test]
fn git_litter_and_installed_dependencies_stay_out() {
    let dir = folder(&[
        ("package.json", "{}"),
        ("node_modules/x/index.js", ""),
        (".git/config", ""),
        (".DS_Store", ""),
        (".venv/pyvenv.cfg", ""),
        ("venv/pyvenv.cfg", ""),
        ("env/settings.py", ""),
        ("target/kept", ""),
        ("static/node_modules/kept.js", ""),
        ("ignored.txt", ""),
        (".gitignore", "ignored.txt\n"),
    ]);
    assert_eq!(
        packed(dir.path()),
        [
            ".gitignore",
            "env",
            "env/settings.py",
            "package.json",
            "static",
            "static/node_modules",
            "static/node_modules/kept.js",
            "target",
            "target/kept",
        ]
    );
    let (listing, _) = pack(dir.path()).expect("packs");
    let counts: Vec<_> = listing.skipped.iter().map(|skip| (skip.reason, skip.entries)).collect();
    assert_eq!(
        counts,
        [
            (SkipReason::Litter, 1),
            (SkipReason::GitMetadata, 1),
            (SkipReason::InstalledDependencies, 3),
            (SkipReason::Ignored, 1),
        ]
    );
}

#[test]
fn links_out_of_the_folder_are_refused_by_name_and_never_followed() {
    for target in ["/etc/passwd", "../outside", "sub/../../x"] {
        let dir = folder(&[("index.html", "")]);
        symlink(target, dir.path().join("link")).expect("a link");
        refused(dir.path(), "folder-symlink-escape", "“link” points outside");
    }
    let dir = folder(&[("index.html", ""), ("sub/x", "")]);
    symlink("sub", dir.path().join("inside")).expect("a link");
    assert_eq!(packed(dir.path()), ["index.html", "inside", "sub", "sub/x"]);
}

#[test]
fn sockets_and_pipes_are_left_out_and_counted() {
    let dir = folder(&[("index.html", "")]);
    let socket = std::os::unix::net::UnixListener::bind(dir.path().join("app.sock")).expect("a socket");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .expect("a pipe");
    let (listing, _) = pack(dir.path()).expect("packs");
    drop(socket);
    assert_eq!(listing.files, 1);
    assert_eq!(
        listing.skipped.iter().find(|skip| skip.reason == SkipReason::SpecialFile).map(|skip| skip.entries),
        Some(2)
    );
}

#[test]
fn what_is_no_project_folder_is_refused() {
    let dir = folder(&[("file", "")]);
    refused(&dir.path().join("missing"), "folder-not-found", "does not exist");
    refused(&dir.path().join("file"), "folder-not-a-folder", "not a folder");
    refused(tempfile::tempdir().expect("a temporary folder").path(), "folder-empty", "no files");
    refused(folder(&[("README", ""), ("readme", "")]).path(), "folder-name-collision", "differ only in case");
    refused(folder(&[("aux.c", "")]).path(), "folder-bad-name", "Windows device");
}

#[test]
fn limits_hold_for_folders() {
    let dir = folder(&[("a", "12345"), ("b", "12345"), ("c/d", "")]);
    let code = |limits: Limits| pack_within(dir.path(), &limits).err().map(|refusal| refusal.code());
    assert_eq!(code(Limits { file_bytes: 4, ..Limits::default() }), Some("folder-too-large"));
    assert_eq!(code(Limits { produced_bytes: 9, ..Limits::default() }), Some("folder-too-large"));
    assert_eq!(code(Limits { entries: 3, ..Limits::default() }), Some("folder-too-many-entries"));
    assert_eq!(code(Limits { entries: 4, produced_bytes: 10, file_bytes: 5, ..Limits::default() }), None);
}

#[test]
fn a_break_stops_packing() {
    let dir = folder(&[("a", "1")]);
    let stopped =
        pack_folder(dir.path(), Cursor::new(Vec::new()), &Limits::default(), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.err().map(|refusal| refusal.code()), Some("cancelled"));
}
