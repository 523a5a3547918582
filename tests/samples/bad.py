#!/usr/bin/env python3
"""Writes the hostile, broken and peculiar inputs of the tests: `bad.py FOLDER`.

In: a folder name. Out: FOLDER/zips/*.zip, FOLDER/projects/*/ and FOLDER/index.json, which says of each zip whether it is
`refused` whole, `fails` while being unpacked, or `opens`. Only the standard library; the same bytes every time.
The projects fork-bomb and memory-bomb harm whatever runs them: they are for a container with limits.
"""

import json
import struct
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

PAGE = b"<!doctype html><title>fixture</title><h1>It opened</h1>\n"
SERVER = b"require('http').createServer((q, r) => r.end('It opened\\n')).listen(process.env.PORT || 3000)\n"
FILE, FOLDER, LINK = 0o100644, 0o040755, 0o120777


@dataclass
class Entry:
    """One zip entry, written as told, however wrong: `name` as raw bytes, `flags` as in the format's own numbering."""

    name: bytes
    body: bytes = b""
    mode: int = FILE
    flags: int = 0
    deflate: bool = True
    packed: bytes | None = None  # The stored bytes, where they are not simply the deflated body.
    size: int | None = None  # The size claimed, where it is not the body's.
    crc: int | None = None
    descriptor: bool = False  # Sizes after the data instead of before it.
    zip64: bool = False
    at: int | None = None  # The offset of another entry's local header, for overlaps; nothing local is written then.
    extra: bytes = field(default=b"")


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def make_zip(entries: list[Entry]) -> bytes:
    out, directory = bytearray(), bytearray()
    for e in entries:
        packed = e.packed if e.packed is not None else (raw_deflate(e.body) if e.deflate else e.body)
        size = len(e.body) if e.size is None else e.size
        crc = zlib.crc32(e.body) if e.crc is None else e.crc
        method = 8 if e.deflate else 0
        flags = e.flags | (8 if e.descriptor else 0)
        here = len(out) if e.at is None else e.at
        wide = struct.pack("<HHQQ", 1, 16, size, len(packed)) if e.zip64 else b""
        sizes = (0xFFFFFFFF, 0xFFFFFFFF) if e.zip64 else (len(packed), size)
        if e.at is None:
            local = (0, 0, 0) if e.descriptor else (crc, *sizes)
            local_extra = e.extra + (b"" if e.descriptor else wide)
            out += struct.pack("<IHHHHHIIIHH", 0x04034B50, 45 if e.zip64 else 20, flags, method, 0, 0x5A21, *local,
                               len(e.name), len(local_extra)) + e.name + local_extra + packed
            if e.descriptor:
                out += struct.pack("<IIII", 0x08074B50, crc, len(packed), size)
        extra = e.extra + wide
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 3 << 8 | 20, 45 if e.zip64 else 20, flags, method, 0,
                                 0x5A21, crc, *sizes, len(e.name), len(extra), 0, 0, 0, e.mode << 16, here) + e.name + extra
    start, count = len(out), len(entries)
    out += directory
    if count > 0xFFFF or any(e.zip64 for e in entries):
        end = len(out)
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), start)
        out += struct.pack("<IIQI", 0x07064B50, 0, end, 1)
        count = min(count, 0xFFFF)
    return bytes(out + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), start, 0))


def zip_crypto(body: bytes, password: bytes, crc: int) -> bytes:
    """The format's traditional encryption: what an archiver writes when asked for a password."""
    table = [0] * 256
    for i in range(256):
        c = i
        for _ in range(8):
            c = c >> 1 ^ (0xEDB88320 if c & 1 else 0)
        table[i] = c
    k0, k1, k2 = 0x12345678, 0x23456789, 0x34567890

    def turn(byte: int) -> None:
        nonlocal k0, k1, k2
        k0 = k0 >> 8 ^ table[(k0 ^ byte) & 255]
        k1 = ((k1 + (k0 & 255)) * 134775813 + 1) & 0xFFFFFFFF
        k2 = k2 >> 8 ^ table[(k2 ^ k1 >> 24) & 255]

    for byte in password:
        turn(byte)
    out = bytearray()
    for byte in bytes(range(11)) + bytes([crc >> 24]) + body:
        mask = (k2 | 2) & 0xFFFF
        out.append(byte ^ (mask * (mask ^ 1) >> 8 & 255))
        turn(byte)
    return bytes(out)


def zeros(chunks: int) -> tuple[bytes, int, int]:
    """(packed, size, crc) of `chunks` times 16 MiB of zeros: a thousandth of that on disk."""
    chunk = bytes(16 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = packer.compress(chunk) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(chunks):
        crc = zlib.crc32(chunk, crc)
    return one * chunks + packer.flush(), len(chunk) * chunks, crc


def zips() -> dict[str, tuple[str, str, bytes]]:
    """name -> (expectation, what is wrong or special, the file)."""
    page = Entry(b"index.html", PAGE)
    long_page = Entry(b"index.html", PAGE * 400)
    good = make_zip([long_page, Entry(b"style.css", b"h1 { color: teal }\n" * 40)])
    corrupt = bytearray(good)
    corrupt[60:64] = b"\xff\xff\xff\xff"
    garbled = bytearray(good)
    where = garbled.find(b"PK\x01\x02")
    garbled[where:where + 20] = bytes(20)
    secret = zip_crypto(raw_deflate(PAGE), b"harbour", zlib.crc32(PAGE))
    gib, gib_size, gib_crc = zeros(64)
    link = lambda name, to: Entry(name, to, LINK, deflate=False)  # noqa: E731
    kernel = [Entry(b"kernel", gib, packed=gib, size=gib_size, crc=gib_crc)]
    # Overlapping entries share one local header, whose name can only be the first one's.
    overlap = kernel + [Entry(b"copy-%d" % i, at=0, packed=gib, size=gib_size, crc=gib_crc) for i in range(40)]
    table: dict[str, tuple[str, str, bytes]] = {
        # Broken.
        "zero-byte": ("refused", "a file of no bytes", b""),
        "empty": ("refused", "a zip of no entries", make_zip([])),
        "not-a-zip": ("refused", "text with the name of a zip", b"This is a letter, not an archive.\n" * 20),
        "truncated": ("refused", "the second half is missing", good[: len(good) // 2]),
        "corrupt-data": ("fails", "compressed bytes were changed", bytes(corrupt)),
        "corrupt-directory": ("refused", "the central directory was overwritten", bytes(garbled)),
        "wrong-crc": ("fails", "the checksum is another file's", make_zip([Entry(b"index.html", PAGE, crc=1)])),
        "password": ("refused", "the entries are encrypted", make_zip([Entry(b"index.html", PAGE, packed=secret, flags=1)])),
        # Names that lead elsewhere.
        "traversal": ("refused", "../", make_zip([page, Entry(b"../escaped.txt", b"x")])),
        "traversal-inside": ("refused", "../ after a folder", make_zip([page, Entry(b"a/../../escaped.txt", b"x")])),
        "traversal-backslash": ("refused", "..\\", make_zip([page, Entry(b"..\\escaped.txt", b"x")])),
        "absolute": ("refused", "an absolute path", make_zip([page, Entry(b"/etc/escaped.txt", b"x")])),
        "drive": ("refused", "a Windows drive", make_zip([page, Entry(b"C:\\escaped.txt", b"x")])),
        "unc": ("refused", "a network path", make_zip([page, Entry(b"\\\\server\\share\\escaped.txt", b"x")])),
        "nul-name": ("refused", "a NUL in a name", make_zip([page, Entry(b"escaped\0.txt", b"x")])),
        "control-name": ("refused", "a terminal escape in a name", make_zip([page, Entry(b"a\x1b]0;owned\x07.txt", b"x")])),
        "symlink-escape": ("refused", "a link out, and a file through it",
                           make_zip([page, link(b"out", b"../../../tmp"), Entry(b"out/escaped.txt", b"x")])),
        "symlink-absolute": ("refused", "a link to an absolute path", make_zip([page, link(b"passwd", b"/etc/passwd")])),
        "symlink-chain": ("refused", "links that leave only together",
                          make_zip([page, link(b"a/b", b".."), link(b"c", b"a/b/../.."), Entry(b"c/escaped.txt", b"x")])),
        "through-symlink": ("refused", "a file through a link that stays inside",
                            make_zip([page, Entry(b"real/", mode=FOLDER), link(b"way", b"real"), Entry(b"way/x.txt", b"x")])),
        # Names that collide.
        "duplicate": ("refused", "one name twice", make_zip([page, Entry(b"index.html", b"another")])),
        "case-collision": ("refused", "names that differ in case", make_zip([page, Entry(b"INDEX.html", b"another")])),
        "nfc-collision": ("refused", "one name in two Unicode forms", make_zip([
            page, Entry("caf\u00e9.txt".encode(), b"x", flags=0x800), Entry("cafe\u0301.txt".encode(), b"y", flags=0x800)])),
        "file-and-folder": ("refused", "one name as file and folder", make_zip([page, Entry(b"a", b"x"), Entry(b"a/b", b"y")])),
        # Bombs.
        "bomb": ("refused", "4 GiB of zeros in 4 MB", make_zip(
            [page] + [Entry(b"zeros-%d" % i, gib, packed=gib, size=gib_size, crc=gib_crc) for i in range(4)])),
        "bomb-lying": ("fails", "1 GiB that claims to be 100 bytes",
                       make_zip([page, Entry(b"zeros", gib, packed=gib, size=100, crc=gib_crc)])),
        "bomb-declared": ("refused", "10 bytes that claim to be 16 EiB",
                          make_zip([page, Entry(b"huge", b"0123456789", size=0xFFFFFFFFFFFFFF00, zip64=True)])),
        "bomb-overlap": ("refused", "forty names for the same bytes", make_zip(overlap)),
        "bomb-entries": ("refused", "400,000 entries", make_zip(
            [page] + [Entry(b"f/%d" % i, deflate=False) for i in range(400_000)])),
        "bomb-depth": ("refused", "a path of 2,000 folders", make_zip([page, Entry(b"d/" * 2000 + b"x", b"x")])),
        "bomb-name": ("refused", "a name of 60,000 letters", make_zip([page, Entry(b"n" * 60_000, b"x")])),
        # Nothing to run.
        "no-project": ("opens", "notes and a picture, but no project", make_zip(
            [Entry(b"notes.txt", b"Buy rope.\n"), Entry(b"holiday.jpg", bytes(range(256)) * 8)])),
        # Peculiar, and fine.
        "single-folder": ("opens", "everything in one folder", make_zip(
            [Entry(b"my-site/", mode=FOLDER), Entry(b"my-site/index.html", PAGE), Entry(b"__MACOSX/._my-site", b"x")])),
        "data-descriptor": ("opens", "sizes after the data", make_zip([Entry(b"index.html", PAGE, descriptor=True)])),
        "zip64": ("opens", "sizes in 64 bits", make_zip([Entry(b"index.html", PAGE, zip64=True)])),
        "utf8-names": ("opens", "names in UTF-8", make_zip(
            [page, Entry("Übergröße/日本.txt".encode(), b"x", flags=0x800)])),
        "cp437-names": ("opens", "names in code page 437", make_zip([page, Entry("Größe.txt".encode("cp437"), b"x")])),
        "stored": ("opens", "nothing compressed", make_zip([Entry(b"index.html", PAGE, deflate=False)])),
        "executable-bit": ("opens", "a script that may be run", make_zip(
            [page, Entry(b"run.sh", b"#!/bin/sh\necho ran\n", mode=0o100755)])),
        "setuid": ("opens", "setuid and setgid bits, to be dropped", make_zip([page, Entry(b"tool", b"x", mode=0o106755)])),
        "safe-symlink": ("opens", "a link to a sibling", make_zip(
            [page, Entry(b"a/real.txt", b"inside\n"), link(b"a/link.txt", b"real.txt")])),
        "nested-zip": ("opens", "a zip in a zip stays a file", make_zip([page, Entry(b"inner.zip", good, deflate=False)])),
    }
    return table


def package(**scripts: str) -> bytes:
    return json.dumps({"name": "fixture", "version": "1.0.0", "private": True, "scripts": scripts}, indent=2).encode() + b"\n"


def projects() -> dict[str, tuple[str, dict[str, bytes]]]:
    """name -> (what it does, its files). Node projects without dependencies, unless the name says otherwise."""
    start = package(start="node server.js")
    return {
        "install-fails": ("npm install ends with status 3", {
            "package.json": package(preinstall="node -e \"console.error('the compiler is not here'); process.exit(3)\"",
                                    start="node server.js"), "server.js": SERVER}),
        "build-fails": ("npm run build ends with status 2", {
            "package.json": package(build="node build.js"),
            "build.js": b"console.error('src/main.js:4:7: error: expected a comma');\nprocess.exit(2);\n"}),
        "exits-at-once": ("the server ends with status 7", {
            "package.json": start, "server.js": b"console.error('DATABASE_URL is not set');\nprocess.exit(7);\n"}),
        "never-listens": ("runs and opens no port", {
            "package.json": start, "server.js": b"console.log('working');\nsetInterval(() => {}, 1000);\n"}),
        "random-port": ("listens on a port that the system picks", {
            "package.json": start,
            "server.js": b"const s = require('http').createServer((q, r) => r.end('random\\n'));\n"
                         b"s.listen(0, '127.0.0.1', () => console.log('listening somewhere'));\n"}),
        "two-ports": ("a page on 3000 and an API on 4000", {
            "package.json": start,
            "server.js": b"const http = require('http');\nhttp.createServer((q, r) => r.end('page\\n')).listen(3000);\n"
                         b"http.createServer((q, r) => r.end('api\\n')).listen(4000);\n"}),
        "million-lines": ("prints a million lines, then listens", {
            "package.json": start,
            "server.js": b"const { writeSync } = require('fs');\nlet text = '';\n"
                         b"const put = (text) => {\n"
                         b"  const bytes = Buffer.from(text);\n"
                         b"  for (let at = 0; at < bytes.length; ) {\n"
                         b"    try { at += writeSync(1, bytes, at); } catch (e) { if (e.code !== 'EAGAIN') throw e; }\n  }\n};\n"
                         b"for (let i = 1; i <= 1e6; i++) {\n  text += `line ${i} of a million\\n`;\n"
                         b"  if (i % 1000 === 0) { put(text); text = ''; }\n}\n" + SERVER}),
        "fork-bomb": ("listens, then forks without end", {
            "package.json": start,
            "server.js": b"if (process.argv[2] !== 'child') " + SERVER +
                         b"const spawn = () => {\n"
                         b"  const child = require('child_process').spawn(process.execPath, [__filename, 'child']);\n"
                         b"  child.on('error', () => {});\n};\nsetInterval(() => { spawn(); spawn(); }, 20);\n"}),
        "memory-bomb": ("listens, then takes all memory", {
            "package.json": start,
            "server.js": SERVER + b"const kept = [];\nsetInterval(() => kept.push(Buffer.alloc(64 << 20, 1)), 50);\n"}),
        "ignores-sigterm": ("listens and will not end when asked", {
            "package.json": start,
            "server.js": b"for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => console.log('no'));\n" + SERVER}),
    }


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: bad.py FOLDER")
    out = Path(sys.argv[1])
    (out / "zips").mkdir(parents=True, exist_ok=True)
    index: dict[str, dict] = {"zips": {}, "projects": {}}
    for name, (expect, why, content) in zips().items():
        (out / "zips" / f"{name}.zip").write_bytes(content)
        index["zips"][name] = {"expect": expect, "why": why, "bytes": len(content)}
    for name, (why, files) in projects().items():
        folder = out / "projects" / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        index["projects"][name] = {"why": why}
    (out / "index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    main()
