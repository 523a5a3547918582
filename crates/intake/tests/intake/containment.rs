//! Containment cases 1 to 8: each attack is refused whole, by its own code, naming the entry, with nothing written.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use slipway_intake::Limits;

use crate::support::*;

fn with(hostile: Raw) -> Vec<u8> {
    zip(&[Raw::file("package.json", b"{}"), hostile, Raw::file("src/a.js", b"1")])
}

#[test]
fn case_1_names_that_climb_out_are_refused() {
    for name in [
        "../x",
        "a/../../x",
        "..\\x",
        "a\\..\\..\\x",
        "src/..",
        "__MACOSX/../../x",
        "node_modules/../../x",
        ".git/../x",
    ] {
        assert_refused(with(Raw::file(name, b"x")), "zip-path-escape", "outside the project folder");
        assert_refused(
            with(Raw { host: DOS, ..Raw::file(name, b"x") }),
            "zip-path-escape",
            "outside the project folder",
        );
    }
    assert_refused(with(Raw::folder("../evil/")), "zip-path-escape", "../evil/");
    assert_refused(with(Raw::file("a/\u{2025}/../x", b"x").utf8()), "zip-path-escape", "outside");
}

#[test]
fn case_2_absolute_drive_share_and_zero_byte_names_are_refused() {
    for name in ["/etc/passwd", "C:\\x", "c:/x", "\\\\server\\share\\x", "//server/x", "\\x"] {
        assert_refused(with(Raw::file(name, b"x")), "zip-absolute-path", "absolute path");
    }
    assert_refused(with(Raw::file("a\0.js", b"x")), "zip-bad-name", "zero byte");
    assert_refused(with(Raw::file("package.json\0/../../x", b"x")), "zip-bad-name", "zero byte");
}

#[test]
fn case_3_writing_through_a_link_of_the_archive_is_refused() {
    let attack = [Raw::link("out", "/tmp"), Raw::file("out/x", b"x")];
    assert_refused(zip(&attack), "zip-through-symlink", "out/x");
    let inside = [Raw::file("a", b"a"), Raw::link("out", "dir"), Raw::file("out/x/y", b"x")];
    assert_refused(zip(&inside), "zip-through-symlink", "out/x/y");
    let reversed = [Raw::file("a", b"a"), Raw::file("out/x", b"x"), Raw::link("out", "dir")];
    assert_refused(zip(&reversed), "zip-through-symlink", "out");
    let same = [Raw::file("a", b"a"), Raw::link("out", "b"), Raw::file("out", b"x")];
    assert_refused(zip(&same), "zip-duplicate", "out");
}

#[test]
fn case_4_links_that_lead_out_directly_or_in_a_chain_are_refused() {
    for target in ["/etc/passwd", "../x", "a/../../x", "C:\\x", "\\\\server\\x", "./../x", "..\\..\\x"] {
        assert_refused(with(Raw::link("link", target)), "zip-symlink-escape", "link");
    }
    let chain = [Raw::file("x", b"x"), Raw::link("d/e/up", "../.."), Raw::link("out", "d/e/up/..")];
    assert_refused(zip(&chain), "zip-symlink-escape", "out");
    let ring = [Raw::file("x", b"x"), Raw::link("a", "b"), Raw::link("b", "a")];
    assert_refused(zip(&ring), "zip-symlink-escape", "never arrives");
    // After stepping into `top`, this link leaves what is unpacked.
    let stepped = [Raw::file("top/x", b"x"), Raw::link("top/link", "../other")];
    assert_refused(zip(&stepped), "zip-symlink-escape", "link");
}

#[test]
fn case_4_link_targets_are_read_with_a_bound() {
    let long = "a/".repeat(600);
    assert_refused(with(Raw::link("link", &long)), "zip-path-too-long", "link");
    let lie = Raw { mode: 0o120_777, size: 3, ..Raw::deflated("link", &b"a".repeat(100_000)) };
    assert_refused(with(lie), "zip-corrupt", "more than it declares");
    assert_refused(with(Raw::link("link", "a\nb")), "zip-bad-name", "control characters");
    assert_refused(with(Raw::link("link", "")), "zip-bad-name", "empty");
}

#[test]
fn case_5_set_id_and_sticky_bits_are_stripped_and_modes_normalised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entries = [
        Raw::file("setuid", b"x").mode(0o104_755),
        Raw::file("setgid", b"x").mode(0o102_755),
        Raw::file("sticky", b"x").mode(0o101_666),
        Raw::file("secret", b"x").mode(0o100_000),
        Raw::folder("dir/").mode(0o041_777),
        Raw::link("link", "secret").mode(0o127_777),
    ];
    unpack(&mut open_good(zip(&entries)), folder.path()).expect("unpacks");
    assert_eq!(
        tree(folder.path()),
        ["dir/", "link -> secret", "secret 1 644", "setgid 1 755", "setuid 1 755", "sticky 1 644"]
    );
    let mode = folder.path().join("dir").metadata().expect("a folder").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn case_6_a_bomb_of_zeroes_is_refused_by_its_ratio() {
    let bomb = Raw::bomb("zeroes", 200);
    let bytes = with(bomb);
    assert!(bytes.len() < 300_000, "{} bytes", bytes.len());
    assert_refused(bytes, "zip-ratio", "zeroes");
}

#[test]
fn case_6_a_bomb_that_lies_about_its_size_is_stopped_at_the_lie() {
    let mut bomb = Raw::bomb("zeroes", 100);
    bomb.size = 1000;
    assert_refused(with(bomb), "zip-corrupt", "more than it declares");
}

#[test]
fn case_6_overlapping_entries_are_refused() {
    let first = Raw::deflated("a", &[7].repeat(100_000));
    let mut quoted = vec![first.clone()];
    quoted.extend((0..50).map(|n| Raw {
        at: Some(0),
        name: format!("b{n}").into(),
        data: Vec::new(),
        ..first.clone()
    }));
    assert_refused(zip(&quoted), "zip-overlap", "shares its bytes");
    // The longer form: an entry whose data contains the next entry's header.
    let inner = zip(&[Raw::file("inner", b"inner")]);
    let outer = Raw::file("outer", &inner[..inner.len() - 22 - 46 - 5]);
    let at = 30 + 5;
    let entries = [outer, Raw { at: Some(at), data: Vec::new(), ..Raw::file("inner", b"inner") }];
    assert_refused(zip(&entries), "zip-overlap", "inner");
}

#[test]
fn case_6_a_million_entries_are_refused_at_once() {
    let count = 1_000_000_u64;
    let mut bytes = Vec::new();
    let mut central = Vec::with_capacity(50 << 20);
    let one = zip(&[Raw::file("x", b"")]);
    bytes.extend(&one[..31]);
    for _ in 0..count {
        central.extend(&one[31..31 + 47]);
    }
    let at = bytes.len() as u64;
    bytes.extend(&central);
    end64(&mut bytes, count, central.len() as u64, at);
    end(&mut bytes, u16::MAX, u32::MAX, u32::MAX);
    let start = Instant::now();
    assert_refused(bytes.clone(), "zip-too-many-entries", "1000000 entries");
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());

    // The same with an end record that says there is one entry.
    let end_at = bytes.len() - 22 - 20 - 56;
    bytes.truncate(end_at);
    end(&mut bytes, 1, central.len() as u32, at as u32);
    assert_refused(bytes, "zip-corrupt", "more than it says");
}

#[test]
fn case_6_limits_hold_for_totals_files_depth_and_length() {
    let limits = Limits { produced_bytes: 100, file_bytes: 80, entries: 5, ..Limits::default() };
    let code = |entries: &[Raw]| {
        let opened = slipway_intake::ZipSource::open(std::io::Cursor::new(zip(entries)), &limits);
        opened.err().map(|refusal| refusal.code())
    };
    assert_eq!(code(&[Raw::file("a", &[0; 81])]), Some("zip-too-large"));
    assert_eq!(code(&[Raw::file("a", &[0; 60]), Raw::file("b", &[0; 60])]), Some("zip-too-large"));
    assert_eq!(code(&[Raw::file("a", &[0; 50]), Raw::file("b", &[0; 50])]), None);
    let many: Vec<_> = (0..6).map(|n| Raw::file(format!("f{n}"), b"")).collect();
    assert_eq!(code(&many), Some("zip-too-many-entries"));
    assert_refused(with(Raw::file("d/".repeat(66) + "x", b"")), "zip-too-deep", "64 folders");
    assert_refused(with(Raw::file("d".repeat(300), b"")), "zip-path-too-long", "255 bytes");
    assert_refused(with(Raw::file("dir/".repeat(300) + "x", b"")), "zip-path-too-long", "1024 bytes");
}

#[test]
fn case_7_huge_declared_sizes_cost_nothing() {
    let lie = |size: u64| Raw { size, zip64: true, ..Raw::deflated("big", b"small") };
    assert_refused(with(lie(u64::MAX)), "zip-too-large", "big");
    assert_refused(with(lie(u64::MAX - 1)), "zip-too-large", "big");
    assert_refused(with(lie(1 << 30)), "zip-ratio", "big");
    assert_refused(with(lie(60 << 20)), "zip-corrupt", "less than it declares");
    let stored = Raw { size: 1 << 20, compressed: 1 << 20, ..Raw::file("big", b"small") };
    assert_refused(zip(&[stored]), "zip-corrupt", "outside the file");
    let huge = Raw { compressed: u64::MAX - 10, zip64: true, ..Raw::deflated("big", b"small") };
    assert_refused(zip(&[huge]), "zip-corrupt", "outside the file");
}

#[test]
fn case_8_names_that_collide_are_refused_in_any_order() {
    let pairs = [
        (Raw::file("README.md", b"1"), Raw::file("readme.md", b"2"), "zip-name-collision"),
        (Raw::file("caf\u{e9}", b"1").utf8(), Raw::file("cafe\u{301}", b"2").utf8(), "zip-name-collision"),
        (Raw::file("Src/a", b"1"), Raw::file("src/b", b"2"), "zip-name-collision"),
        (Raw::file("a", b"1"), Raw::file("a/b", b"2"), "zip-name-collision"),
        (Raw::file("a", b"1"), Raw::folder("a/"), "zip-name-collision"),
        (Raw::file("a", b"1"), Raw::file("a", b"2"), "zip-duplicate"),
        (Raw::file("a", b"1"), Raw::file("./a", b"2"), "zip-duplicate"),
        (Raw::file("d/a", b"1"), Raw::file("d//a", b"2"), "zip-duplicate"),
    ];
    for (one, two, code) in pairs {
        assert_refused(zip(&[Raw::file("x", b""), one.clone(), two.clone()]), code, "");
        assert_refused(zip(&[Raw::file("x", b""), two, one]), code, "");
    }
}

#[test]
fn case_8_windows_device_names_and_trailing_dots_are_refused() {
    for name in ["CON", "src/nul.txt", "aux", "COM1.log", "lpt9", "dir./x", "x ", "conin$"] {
        assert_refused(with(Raw::file(name, b"x")), "zip-bad-name", "cannot be used");
    }
}

#[test]
fn special_files_are_refused() {
    for kind in [0o010_644, 0o020_644, 0o060_644, 0o140_644] {
        assert_refused(with(Raw::file("odd", b"").mode(kind)), "zip-special-file", "odd");
    }
    assert_refused(with(Raw::link("link/", "target")), "zip-special-file", "link/");
}
