//! Reading archives: what ordinary tools write is understood, what is broken is refused by what is wrong with it.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use slipway_intake::{EntryKind, Limits, SkipReason, ZipSource};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::support::*;

fn paths(source: &ZipSource<Memory>) -> Vec<&str> {
    source.listing().entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[track_caller]
fn text(source: &mut ZipSource<Memory>, path: &str) -> String {
    let bytes = source.read(path, 1 << 20).expect("readable").unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(bytes).expect("text")
}

#[test]
fn stored_deflated_and_streamed_entries_are_read() {
    let streamed = Raw { descriptor: true, ..Raw::deflated("c.txt", b"streamed") };
    let entries = [
        Raw::file("a.txt", b"stored"),
        Raw::deflated("b.txt", b"deflated"),
        streamed,
        Raw::file("empty", b""),
    ];
    let mut source = open_good(zip(&entries));
    for (path, expected) in [("a.txt", "stored"), ("b.txt", "deflated"), ("c.txt", "streamed"), ("empty", "")]
    {
        assert_eq!(text(&mut source, path), expected);
    }
    assert_eq!((source.listing().files, source.listing().bytes), (4, 22));
    assert!(source.read("missing", 10).expect("no fault").is_none());
}

#[test]
fn zip64_entries_and_end_records_are_read() {
    let bytes = zip(&[Raw { zip64: true, ..Raw::deflated("a.txt", b"sixty-four") }]);
    assert_eq!(text(&mut open_good(bytes.clone()), "a.txt"), "sixty-four");

    let end_at = bytes.len() - 22;
    let (central, at) = (&bytes[end_at + 12..end_at + 16], &bytes[end_at + 16..end_at + 20]);
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let (central, at) = (number(central), number(at));
    let mut wide = bytes[..end_at].to_vec();
    end64(&mut wide, 1, central, at);
    end(&mut wide, u16::MAX, u32::MAX, u32::MAX);
    assert_eq!(text(&mut open_good(wide), "a.txt"), "sixty-four");

    // As Info-ZIP writes what it reads from a pipe: both records, the plain one complete.
    let both = |entries: u64| {
        let mut both = bytes[..end_at].to_vec();
        end64(&mut both, entries, central, at);
        both.extend(&bytes[end_at..]);
        both
    };
    assert_eq!(text(&mut open_good(both(1)), "a.txt"), "sixty-four");
    assert_refused(both(2), "zip-corrupt", "two end records disagree");
}

#[test]
fn bytes_before_and_after_the_archive_are_tolerated() {
    let bytes = zip(&[Raw::file("a.txt", b"inside")]);
    let mut before = b"#!/bin/sh\nexit 0\n".to_vec();
    before.extend(&bytes);
    assert_eq!(text(&mut open_good(before), "a.txt"), "inside");
    let mut after = bytes.clone();
    after.extend(b"\r\n\0\0");
    assert_eq!(text(&mut open_good(after), "a.txt"), "inside");
    let mut comment = bytes;
    let at = comment.len() - 2;
    comment[at..].copy_from_slice(&5_u16.to_le_bytes());
    comment.extend(b"hello");
    assert_eq!(text(&mut open_good(comment), "a.txt"), "inside");
}

#[test]
fn names_are_decoded_by_flag_field_maker_or_code_page() {
    let dos = |name: &[u8]| Raw { host: DOS, ..Raw::file(name, b"x") };
    let mut unicode = dos(b"caf?.txt");
    unicode.name = b"caf\x82.md".to_vec();
    let mut field = vec![1];
    put32(&mut field, &[crc32fast::hash(&unicode.name)]);
    field.extend("日本.md".as_bytes());
    put16(&mut unicode.extra, &[0x7075, field.len() as u16]);
    unicode.extra.extend(field);
    let entries = [
        dos(b"caf\x82.txt"),
        Raw::file("ä.txt", b"x"),
        Raw::file("ö.txt", b"x").utf8(),
        Raw { host: DOS, ..Raw::file("ü.txt", b"x").utf8() },
        unicode,
    ];
    let source = open_good(zip(&entries));
    assert_eq!(paths(&source), ["café.txt", "ä.txt", "ö.txt", "ü.txt", "日本.md"]);
    assert_refused(zip(&[Raw::file(b"\xff\xfe", b"x").utf8()]), "zip-bad-name", "marked as UTF-8");
}

#[test]
fn a_windows_made_zip_with_backslashes_is_a_tree() {
    let dos = |name: &str, data: &[u8]| Raw { host: DOS, mode: 0, ..Raw::file(name, data) };
    let mut source =
        open_good(zip(&[dos("app\\", b""), dos("app\\package.json", b"{}"), dos("app\\src\\a.js", b"1")]));
    assert_eq!(paths(&source), ["package.json", "src/a.js"]);
    assert_eq!(source.listing().root.as_deref(), Some("app"));
    assert_eq!(text(&mut source, "src/a.js"), "1");
    let unix = open_good(zip(&[Raw::file("a/b", b""), Raw::file("a\\c", b"")]));
    assert_eq!(paths(&unix), ["a/b", "a\\c"]);
}

#[test]
fn litter_git_and_installed_dependencies_are_left_out_and_counted() {
    let names = [
        "app/package.json",
        "app/index.js",
        "__MACOSX/app/._index.js",
        "app/.DS_Store",
        "app/Icon\r",
        "app/.git/config",
        "app/.git/hooks/pre-commit",
        "app/node_modules/x/index.js",
        "app/node_modules/.bin/x",
        "app/.venv/pyvenv.cfg",
        "app/.venv/bin/python",
        "app/.gitignore",
        "app/assets/node_modules/kept.js",
    ];
    let mut entries: Vec<_> = names.iter().map(|name| Raw::file(name, b"x")).collect();
    // What is left out cannot hurt: these links would otherwise be refused.
    entries.push(Raw::link("app/node_modules/.bin/evil", "/usr/bin/evil"));
    let source = open_good(zip(&entries));
    assert_eq!(paths(&source), ["package.json", "index.js", ".gitignore", "assets/node_modules/kept.js"]);
    let counts: Vec<_> = source.listing().skipped.iter().map(|skip| (skip.reason, skip.entries)).collect();
    assert_eq!(
        counts,
        [(SkipReason::Litter, 3), (SkipReason::GitMetadata, 2), (SkipReason::InstalledDependencies, 5)]
    );
}

#[test]
fn only_a_single_top_level_folder_is_stepped_into() {
    let root = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| Raw::file(name, b"x")).collect();
        open_good(zip(&entries)).listing().root.clone()
    };
    assert_eq!(root(&["app/a", "app/b/c"]).as_deref(), Some("app"));
    assert_eq!(root(&["app/a", "app2/b"]), None);
    assert_eq!(root(&["app/a", "README"]), None);
    assert_eq!(root(&["a"]), None);
    assert_eq!(root(&["app/app/a"]).as_deref(), Some("app"));
    let with_folder = open_good(zip(&[Raw::folder("app/"), Raw::file("app/a", b"")]));
    assert_eq!(paths(&with_folder), ["a"]);
}

#[test]
fn what_is_not_a_whole_zip_says_so() {
    let good = zip(&[Raw::deflated("a.txt", &b"some text ".repeat(100)), Raw::file("b.txt", b"b")]);
    assert_refused(Vec::new(), "zip-empty", "0 bytes");
    assert_refused(zip(&[]), "zip-empty", "no files");
    assert_refused(zip(&[Raw::folder("only/")]), "zip-empty", "no files");
    assert_refused(zip(&[Raw::file(".DS_Store", b"x")]), "zip-empty", "no files");
    assert_refused(b"<!DOCTYPE html><p>404".to_vec(), "not-a-zip", "not a zip");
    assert_refused(b"x".to_vec(), "not-a-zip", "not a zip");
    for cut in [1, 21, 22, 60, good.len() / 2, good.len() - 40] {
        let refusal = open(good[..good.len() - cut].to_vec()).err().expect("cut short");
        assert_eq!(refusal.code(), "zip-truncated", "cut by {cut}: {refusal}");
    }
    let mut middle = good.clone();
    middle.drain(10..30);
    assert_refused(middle, "zip-truncated", "cut short");
}

#[test]
fn damage_is_found_before_anything_is_moved_into_place() {
    let good = zip(&[Raw::file("ok", b"ok"), Raw::deflated("a.txt", &b"some text ".repeat(100))]);
    let mut flipped = good.clone();
    // Behind both local headers and the first file's data.
    flipped[32 + 2 + 35 + 8] ^= 0xff;
    assert_refused(flipped, "zip-corrupt", "a.txt");
    let mut wrong = Raw::file("a.txt", b"abc");
    wrong.crc ^= 1;
    assert_refused(zip(&[Raw::file("ok", b"ok"), wrong]), "zip-corrupt", "checksum");
    let two_names = Raw { local_name: Some(b"b.txt".to_vec()), ..Raw::file("a.txt", b"abc") };
    assert_refused(zip(&[two_names]), "zip-corrupt", "two headers disagree");
    let mut trailing = Raw::deflated("a.txt", b"abc");
    trailing.data.extend(b"hidden");
    trailing.compressed += 6;
    assert_refused(zip(&[trailing]), "zip-corrupt", "bytes after its data");
}

#[test]
fn encryption_and_unknown_methods_are_named() {
    let entry = |flags, method| Raw { flags, method, ..Raw::file("secret.txt", b"abc") };
    assert_refused(zip(&[entry(1, 0)]), "zip-encrypted", "“secret.txt” is protected by a password");
    assert_refused(zip(&[entry(1, 99)]), "zip-encrypted", "secret.txt");
    assert_refused(zip(&[entry(0, 14)]), "zip-unsupported", "LZMA");
    assert_refused(zip(&[entry(0, 1234)]), "zip-unsupported", "method 1234");
    let mut disks = zip(&[Raw::file("a", b"a")]);
    let at = disks.len() - 22 + 4;
    disks[at] = 1;
    assert_refused(disks, "zip-unsupported", "several volumes");
}

#[test]
fn a_bounded_read_gives_the_beginning() {
    let mut source = open_good(zip(&[Raw::deflated("big", &vec![b'x'; 1 << 20])]));
    assert_eq!(source.read("big", 10).expect("readable"), Some(vec![b'x'; 10]));
    assert_eq!(source.read("big", 0).expect("readable"), Some(Vec::new()));
    assert_eq!(source.read("big", 1 << 20).expect("readable").map(|bytes| bytes.len()), Some(1 << 20));
}

#[test]
fn an_archive_over_the_size_limit_is_refused_unread() {
    let limits = Limits { archive_bytes: 50, ..Limits::default() };
    let refusal = ZipSource::open(Cursor::new(vec![0; 51]), &limits).err().expect("too large");
    assert_eq!(refusal.code(), "zip-too-large");
}

fn entries() -> impl Strategy<Value = Vec<(String, Vec<u8>, bool, bool)>> {
    let name = "[a-z]{1,8}(/[a-z]{1,8}){0,3}(é|日)?";
    let entry = (name, prop::collection::vec(any::<u8>(), 0..2000), any::<bool>(), any::<bool>());
    prop::collection::vec(entry, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the `zip` crate writes is read here the same as it reads it itself.
    #[test]
    fn this_reader_and_the_zip_crate_agree(entries in entries()) {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, data, deflate, executable) in &entries {
            let method = if *deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
            let mode = if *executable { 0o755 } else { 0o644 };
            let options = SimpleFileOptions::default().compression_method(method).unix_permissions(mode);
            if writer.start_file(name.as_str(), options).is_ok() {
                writer.write_all(data).expect("memory");
            }
        }
        let bytes = writer.finish().expect("memory").into_inner();
        let mut theirs = ZipArchive::new(Cursor::new(bytes.clone())).expect("their own archive");
        // Random names may be file and folder at once; then there is nothing to compare.
        if let Ok(mut ours) = open(bytes) {
            let root = ours.listing().root.clone().map_or(String::new(), |root| root + "/");
            prop_assert_eq!(ours.listing().entries.len(), theirs.len());
            for entry in ours.listing().entries.clone() {
                let mut file = theirs.by_name(&format!("{root}{}", entry.path)).expect("the same name");
                let mut data = Vec::new();
                std::io::Read::read_to_end(&mut file, &mut data).expect("readable");
                let executable = file.unix_mode().expect("a mode") & 0o111 != 0;
                prop_assert_eq!(&entry.kind, &EntryKind::File { size: data.len() as u64, executable });
                prop_assert_eq!(ours.read(&entry.path, 1 << 20).expect("readable"), Some(data));
            }
        }
    }
}
