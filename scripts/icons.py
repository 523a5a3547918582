#!/usr/bin/env python3
"""Draws every icon file from icons/slipway.svg: PNG for Linux, ICO for Windows, ICNS for macOS.

In: the SVG and the program rsvg-convert (Debian: librsvg2-bin). Out: the files in icons/, which are committed, so that no
build needs this script. The two containers are written by hand: both only wrap PNG pictures.
"""

import struct
import subprocess
import sys
from pathlib import Path

ICONS = Path(__file__).resolve().parent.parent / "icons"
SOURCE = ICONS / "slipway.svg"

PNG_FILES = {"32x32.png": 32, "128x128.png": 128, "128x128@2x.png": 256, "256x256.png": 256, "icon.png": 512}
ICO_SIZES = (16, 24, 32, 48, 64, 256)
# Apple's four-letter names of the PNG-carrying entries; those with @2x hold the doubled picture.
ICNS_ENTRIES = (
    ("icp4", 16), ("icp5", 32), ("icp6", 64), ("ic07", 128), ("ic08", 256), ("ic09", 512), ("ic10", 1024),
    ("ic11", 32), ("ic12", 64), ("ic13", 256), ("ic14", 512),
)


def png(size: int) -> bytes:
    command = ["rsvg-convert", "--width", str(size), "--height", str(size), str(SOURCE)]
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        sys.exit("icons: rsvg-convert is missing. Install it: sudo apt-get install librsvg2-bin (macOS: brew install librsvg)")


def ico(pictures: dict[int, bytes]) -> bytes:
    """An ICO whose entries are PNG pictures, which Windows reads since Vista; a side of 256 is written as 0."""
    offset = 6 + 16 * len(pictures)
    directory, bodies = struct.pack("<HHH", 0, 1, len(pictures)), b""
    for size, body in pictures.items():
        directory += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(body), offset + len(bodies))
        bodies += body
    return directory + bodies


def icns(entries: list[tuple[str, bytes]]) -> bytes:
    body = b"".join(name.encode() + struct.pack(">I", len(data) + 8) + data for name, data in entries)
    return b"icns" + struct.pack(">I", len(body) + 8) + body


def main() -> None:
    drawn = {size: png(size) for size in {*PNG_FILES.values(), *ICO_SIZES, *(size for _, size in ICNS_ENTRIES)}}
    files = {name: drawn[size] for name, size in PNG_FILES.items()}
    files["icon.ico"] = ico({size: drawn[size] for size in ICO_SIZES})
    files["icon.icns"] = icns([(name, drawn[size]) for name, size in ICNS_ENTRIES])
    for name, content in files.items():
        (ICONS / name).write_bytes(content)
        print(f"icons/{name}  {len(content):,} bytes")


if __name__ == "__main__":
    main()
