//! Files that look like exported snapshots and are none, or say what is not so: what anybody could send.

use anyhow::{Context, Result};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
};

pub(crate) type Entries = Vec<(String, Vec<u8>)>;

pub(crate) fn unpack(path: &Path) -> Result<Entries> {
    let mut entries = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(File::open(path)?)).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        entries.push((entry.path()?.display().to_string(), bytes));
    }
    Ok(entries)
}

fn header(name: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    // As it is: the library's own way refuses some of what a test wants.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

pub(crate) fn pack(entries: &Entries) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in entries {
        tar.append(&header(name, bytes.len() as u64), bytes.as_slice())?;
    }
    Ok(tar.into_inner()?.finish()?)
}

pub(crate) fn part(entries: &mut Entries, wanted: impl Fn(&str) -> bool) -> Result<&mut (String, Vec<u8>)> {
    entries.iter_mut().find(|(name, _)| wanted(name)).context("the part is there")
}

struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Makes the sums say what the parts are: somebody who makes a file up can do so too.
pub(crate) fn sum_up(entries: &mut Entries) -> Result<()> {
    use sha2::Digest as _;
    let sums: serde_json::Map<String, Value> = entries
        .iter()
        .filter(|(name, _)| name.starts_with("image/") && name != "image/manifest.json")
        .map(|(name, bytes)| {
            let sha256 = format!("{:x}", HexOf(&sha2::Sha256::digest(bytes)));
            (name.clone(), json!({ "bytes": bytes.len(), "sha256": sha256 }))
        })
        .collect();
    part(entries, |name| name == "slipway-sums.json")?.1 = serde_json::to_vec(&sums)?;
    Ok(())
}

pub(crate) fn config_name(entries: &Entries) -> Result<String> {
    let list = &entries.iter().find(|(name, _)| name == "image/manifest.json").context("a list")?.1;
    let list: Value = serde_json::from_slice(list)?;
    Ok(format!("image/{}", list[0]["Config"].as_str().context("a name")?))
}

pub(crate) fn change_json(entry: &mut (String, Vec<u8>), change: impl Fn(&mut Value)) -> Result<()> {
    let mut value = serde_json::from_slice(&entry.1)?;
    change(&mut value);
    entry.1 = serde_json::to_vec(&value)?;
    Ok(())
}

pub(crate) type Bad = Vec<(&'static str, Vec<u8>)>;

fn manifest(name: &str) -> bool {
    name == "slipway-snapshot.json"
}

fn layer(name: &str) -> bool {
    name.ends_with("/layer.tar") || name.starts_with("image/blobs/")
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

/// Puts another layer in the place of the first one, and makes the image name it.
fn another_layer(entries: &mut Entries, bytes: Vec<u8>, unpacked: &[u8]) -> Result<()> {
    use sha2::Digest as _;
    let list: Value = serde_json::from_slice(&part(entries, |name| name == "image/manifest.json")?.1)?;
    let name = format!("image/{}", list[0]["Layers"][0].as_str().context("a layer")?);
    part(entries, |found| found == name)?.1 = bytes;
    let digest = format!("sha256:{:x}", HexOf(&sha2::Sha256::digest(unpacked)));
    let config = config_name(entries)?;
    change_json(part(entries, |name| name == config)?, |c| {
        c["rootfs"]["diff_ids"][0] = digest.as_str().into();
    })?;
    sum_up(entries)
}

/// A file of 3 GiB that is nothing but a hole.
fn holes() -> Vec<u8> {
    let mut hole = header("hole", 0);
    hole.set_entry_type(tar::EntryType::GNUSparse);
    if let Some(gnu) = hole.as_gnu_mut() {
        gnu.set_real_size(3 << 30);
    }
    hole.set_cksum();
    [hole.as_bytes().as_slice(), &[0; 1024]].concat()
}

/// Files that are none of ours, or were changed on the way.
pub(crate) fn broken(path: &Path) -> Result<Bad> {
    let whole = fs::read(path)?;
    let entries = unpack(path)?;
    let mut garbled = whole.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 0x55;
    let mut tail = whole.clone();
    tail.extend(b"more");
    let mut huge = Vec::new();
    let text = &entries.iter().find(|(name, _)| manifest(name)).context("a manifest")?.1;
    huge.extend(header("slipway-snapshot.json", text.len() as u64).as_bytes());
    huge.extend(text);
    huge.resize(huge.len().next_multiple_of(512), 0);
    huge.extend(header("image/a/layer.tar", 100 << 30).as_bytes());
    huge.extend([0; 4096]);
    let mut link = huge[..huge.len() - 4096 - 512].to_vec();
    let mut linked = header("image/a/layer.tar", 0);
    linked.set_entry_type(tar::EntryType::Symlink);
    linked.set_link_name("/etc/passwd")?;
    linked.set_cksum();
    link.extend(linked.as_bytes());
    link.extend([0; 1024]);
    Ok(vec![
        ("nothing", Vec::new()),
        ("no archive", b"#!/bin/sh\necho hello\n".repeat(100)),
        ("compressed text", gzip(&b"hello ".repeat(1000))?),
        ("a tar archive that is not compressed", {
            let mut tar = tar::Builder::new(Vec::new());
            for (name, bytes) in &entries {
                tar.append(&header(name, bytes.len() as u64), bytes.as_slice())?;
            }
            tar.into_inner()?
        }),
        ("cut in its head", whole[..20].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut before its last byte", whole[..whole.len() - 1].to_vec()),
        ("a changed bit", garbled),
        ("something after its end", tail),
        ("a larger part than may be", gzip(&huge)?),
        ("a link", gzip(&link)?),
    ])
}

/// Files whose entries are not those of a snapshot.
pub(crate) fn made_up(path: &Path) -> Result<Bad> {
    let entries = unpack(path)?;
    let with = |change: &dyn Fn(&mut Entries) -> Result<()>| -> Result<Vec<u8>> {
        let mut entries = entries.clone();
        change(&mut entries)?;
        pack(&entries)
    };
    Ok(vec![
        (
            "what docker save writes",
            with(&|e| {
                e.retain(|(name, _)| name.starts_with("image/"));
                Ok(())
            })?,
        ),
        ("another manifest", with(&|e| change_json(part(e, manifest)?, |m| m["format"] = "other".into()))?),
        ("a newer version", with(&|e| change_json(part(e, manifest)?, |m| m["version"] = 99.into()))?),
        (
            "a root outside",
            with(&|e| change_json(part(e, manifest)?, |m| m["snapshot"]["root"] = "/etc".into()))?,
        ),
        (
            "no sums",
            with(&|e| {
                e.retain(|(name, _)| name != "slipway-sums.json");
                Ok(())
            })?,
        ),
        (
            "no list",
            with(&|e| {
                e.retain(|(name, _)| name != "image/manifest.json");
                Ok(())
            })?,
        ),
        (
            "a missing layer",
            with(&|e| {
                let at = e.iter().position(|(name, _)| layer(name)).context("a layer")?;
                e.remove(at);
                sum_up(e)
            })?,
        ),
        (
            "a part that was not summed",
            with(&|e| {
                part(e, layer)?.1[700] ^= 1;
                Ok(())
            })?,
        ),
        (
            "another layer than the image names",
            with(&|e| {
                part(e, layer)?.1[700] ^= 1;
                sum_up(e)
            })?,
        ),
        ("a layer with holes", with(&|e| another_layer(e, holes(), &holes()))?),
        ("a compressed layer with holes", with(&|e| another_layer(e, gzip(&holes())?, &holes()))?),
        (
            "a compressed layer the image does not name",
            with(&|e| another_layer(e, gzip(&[0; 1024])?, b"other"))?,
        ),
        (
            "a layer nobody here can open",
            with(&|e| another_layer(e, [&[0x28, 0xb5, 0x2f, 0xfd], &[0; 600][..]].concat(), &[]))?,
        ),
        (
            "another system",
            with(&|e| {
                let config = config_name(e)?;
                change_json(part(e, |name| name == config)?, |c| c["os"] = "windows".into())?;
                sum_up(e)
            })?,
        ),
        (
            "another processor",
            with(&|e| {
                let config = config_name(e)?;
                change_json(part(e, |name| name == config)?, |c| c["architecture"] = "pdp11".into())?;
                sum_up(e)
            })?,
        ),
    ])
}

/// Files with entries that do not belong into a snapshot.
pub(crate) fn crowded(path: &Path) -> Result<Bad> {
    let entries = unpack(path)?;
    let with = |change: &dyn Fn(&mut Entries) -> Result<()>| -> Result<Vec<u8>> {
        let mut entries = entries.clone();
        change(&mut entries)?;
        pack(&entries)
    };
    Ok(vec![
        (
            "a way out",
            with(&|e| {
                e.insert(1, ("image/../../../../tmp/evil".into(), b"x".to_vec()));
                sum_up(e)
            })?,
        ),
        (
            "an absolute name",
            with(&|e| {
                e.insert(1, ("/etc/evil".into(), b"x".to_vec()));
                Ok(())
            })?,
        ),
        (
            "a part twice",
            with(&|e| {
                let again = part(e, layer)?.clone();
                e.insert(1, again);
                Ok(())
            })?,
        ),
        (
            "more parts than may be",
            with(&|e| {
                let many = (0..1001).map(|n| (format!("image/{n}"), Vec::new()));
                e.splice(1..1, many);
                sum_up(e)
            })?,
        ),
        (
            "something after the sums",
            with(&|e| {
                e.push(("image/late".into(), b"x".to_vec()));
                Ok(())
            })?,
        ),
    ])
}
