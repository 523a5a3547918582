//! The file of an exported snapshot: a tar archive, gzip-compressed. Written and read by blocking code; what is read is
//! hostile. `docs/snapshot-file.md` describes it for people.
//!
//! ```text
//! slipway-snapshot.json   first: what it is, and what it needs to be started again
//! image/…                 the image's parts, as `docker save` names them
//! image/manifest.json     which part is what; as Docker reads it
//! slipway-sums.json       last: size and SHA-256 of every part
//! ```

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_wire::{Code, Problem};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read, Write},
};

use super::Seed;

pub(super) const MANIFEST: &str = "slipway-snapshot.json";
pub(super) const IMAGE: &str = "image/";
pub(super) const PARTS: &str = "image/manifest.json";
pub(super) const SUMS: &str = "slipway-sums.json";
const FORMAT: &str = "slipway-snapshot";
const VERSION: u32 = 1;

/// Bytes an archive may hold, all parts together.
pub(super) const MOST_BYTES: u64 = 64 << 30;
/// Parts of an image: layers and descriptions.
pub(super) const MOST_PARTS: usize = 1000;
/// Layers of an image; Docker has no more.
const MOST_LAYERS: usize = 127;
/// A description: a manifest, a configuration, the sums.
pub(super) const MOST_TEXT: u64 = 1 << 20;
/// Descriptions kept in memory while the archive is read: which of them is needed is said last.
pub(super) const MOST_KEPT: usize = 64;

/// The first entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    /// For people: which Slipway wrote it.
    pub(super) made_by: String,
    pub(super) snapshot: Seed,
}

impl Manifest {
    pub(super) fn of(mut seed: Seed) -> Self {
        // What only means something where it was taken.
        seed.workspace = None;
        seed.limits = crate::docker::Changed::default();
        let made_by = concat!("slipway ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { format: FORMAT.to_owned(), version: VERSION, made_by, snapshot: seed }
    }

    /// Reads and checks it.
    pub(super) fn read(text: &[u8]) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_slice(text).map_err(|_| not_ours())?;
        if head.format != FORMAT {
            return Err(not_ours());
        }
        if head.version != VERSION {
            let text = format!("The file has version {}, and this Slipway reads {VERSION}.", head.version);
            return Err(
                Problem::new(Code::Refused, text).hint("Use the Slipway that wrote it, or a newer one.")
            );
        }
        let mut manifest: Self = serde_json::from_slice(text)
            .map_err(|e| damaged("its first entry cannot be read").detail(e.to_string()))?;
        manifest.snapshot = manifest.snapshot.checked()?;
        manifest.snapshot.workspace = None;
        manifest.snapshot.limits = crate::docker::Changed::default();
        manifest.snapshot.imported = true;
        Ok(manifest)
    }
}

/// Which part is what, in the words of `docker save`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    #[serde(rename = "Config")]
    pub(super) config: String,
    #[serde(rename = "RepoTags")]
    pub(super) tags: Option<Vec<String>>,
    #[serde(rename = "Layers")]
    pub(super) layers: Vec<String>,
}

impl Parts {
    /// Reads them; the names are not looked at.
    pub(super) fn read(text: &[u8]) -> Result<Self, Problem> {
        let mut all: Vec<Self> =
            serde_json::from_slice(text).map_err(|_| damaged("it does not say what its parts are"))?;
        match (all.pop(), all.is_empty()) {
            (Some(parts), true) if parts.layers.len() <= MOST_LAYERS => Ok(parts),
            _ => Err(damaged("it holds no single image")),
        }
    }
}

/// What the last entry says of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The last entry: every part by its name in the archive.
pub(super) type Sums = BTreeMap<String, Sum>;

/// What is taken of an image's own configuration. Nothing else of it is believed: not what it runs, as whom, which
/// volumes and ports it wants, how its health is checked, or its labels.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Config {
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) variant: Option<String>,
    os: String,
    #[serde(default, rename = "config")]
    inner: Inner,
    rootfs: Layers,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(rename = "Env")]
    env: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Layers {
    diff_ids: Vec<String>,
}

impl Config {
    /// Reads and checks it, for an image of `layers` layers.
    pub(super) fn read(text: &[u8], layers: usize) -> Result<Self, Problem> {
        let mut config: Self = serde_json::from_slice(text)
            .map_err(|e| damaged("its image's configuration cannot be read").detail(e.to_string()))?;
        let word = |text: &String| {
            !text.is_empty()
                && text.len() <= 32
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if config.os != "linux" || !word(&config.architecture) || !config.variant.as_ref().is_none_or(word) {
            return Err(damaged("its image is none for Linux"));
        }
        let ids = &config.rootfs.diff_ids;
        if ids.len() != layers || !ids.iter().all(|id| digest_of(id).is_some()) {
            return Err(damaged("its image's layers are not those it names"));
        }
        let env = config.inner.env.take().unwrap_or_default();
        config.inner.env = Some(env.into_iter().filter(|line| is_variable(line)).take(200).collect());
        Ok(config)
    }

    /// The hexadecimal SHA-256 of each layer, uncompressed.
    pub(super) fn digests(&self) -> impl Iterator<Item = &str> {
        self.rootfs.diff_ids.iter().filter_map(|id| digest_of(id))
    }

    /// The configuration of the image that is made of it: ours, but for the layers and the variables.
    pub(super) fn ours(&self, labels: &std::collections::HashMap<String, String>, root: &str) -> String {
        let layer = serde_json::json!({
            "created": "1970-01-01T00:00:00Z", "created_by": "slipway snapshot import"
        });
        let mut image = serde_json::json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": self.inner.env, "Labels": labels, "WorkingDir": root,
                "Cmd": [slipway_agent_api::AGENT_PATH],
            },
            "rootfs": { "type": "layers", "diff_ids": self.rootfs.diff_ids },
            "history": vec![layer; self.rootfs.diff_ids.len()],
        });
        if let Some(variant) = &self.variant {
            image["variant"] = variant.as_str().into();
        }
        image.to_string()
    }
}

fn digest_of(id: &str) -> Option<&str> {
    id.strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_variable(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && line.len() <= 4096
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(legal)
        && !value.contains('\0')
}

/// Whether a name may be that of a part: one that Docker writes, and nothing that a path could do.
pub(super) fn is_part(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(IMAGE) else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 100
        && rest
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(legal))
}

pub(super) fn not_ours() -> Problem {
    Problem::new(Code::Refused, "This file is not a snapshot that Slipway exported.")
        .hint("`slipway snapshot export SNAPSHOT FILE` writes one; a zip or a folder is deployed with `slipway deploy`.")
}

pub(super) fn damaged(why: &str) -> Problem {
    Problem::new(Code::Refused, format!("The snapshot in the file is damaged: {why}."))
        .hint("Copy the file again, or export the snapshot again where it was made.")
}

/// What went wrong with reading, in our words: what we said ourselves, or that the file is cut or garbled.
pub(super) fn unread(error: &io::Error) -> Problem {
    if let Some(said) = error.get_ref().and_then(|inner| inner.downcast_ref::<Problem>()) {
        return said.clone();
    }
    let why =
        if error.kind() == io::ErrorKind::UnexpectedEof { "it is cut short" } else { "it cannot be read" };
    damaged(why).detail(error.to_string())
}

/// Counts and digests what passes, on its way in or out.
pub(super) struct Digesting<T> {
    inner: T,
    hash: Sha256,
    pub(super) bytes: u64,
}

impl<T> Digesting<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    pub(super) fn sum(self) -> Sum {
        let mut sha256 = String::with_capacity(64);
        for byte in self.hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Sum { bytes: self.bytes, sha256 }
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// A plain entry.
pub(super) fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    bytes: u64,
    from: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(bytes);
    tar.append_data(&mut header, name, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
        let manifest = Manifest::of(super::super::seed::tests::seed());
        let mut value = serde_json::to_value(manifest).unwrap();
        change(&mut value);
        value.to_string().into_bytes()
    }

    #[test]
    fn a_manifest_is_read_and_grants_nothing() {
        let read = Manifest::read(&text(|m| {
            m["snapshot"]["network"] = "open".into();
            m["snapshot"]["workspace"] = "shop-a1b2".into();
            m["snapshot"]["limits"] =
                serde_json::json!({"memory_mb": 4096, "cpu_millis": null, "pids": null});
            m["snapshot"]["imported"] = false.into();
        }))
        .unwrap();
        let seed = read.snapshot;
        assert!(seed.imported && seed.workspace.is_none());
        assert_eq!(seed.limits, crate::docker::Changed::default());
        assert_eq!(seed.plan, super::super::seed::tests::seed().plan);
    }

    #[test]
    fn a_manifest_of_something_else_is_refused() {
        for (what, bytes) in [
            ("nothing", Vec::new()),
            ("no JSON", b"\x7fELF".to_vec()),
            ("another format", text(|m| m["format"] = "docker".into())),
            ("another version", text(|m| m["version"] = 2.into())),
            ("no snapshot", text(|m| m["snapshot"] = serde_json::Value::Null)),
            ("a root outside", text(|m| m["snapshot"]["root"] = "/proc".into())),
        ] {
            assert_eq!(Manifest::read(&bytes).unwrap_err().code, Code::Refused, "{what}");
        }
    }

    #[test]
    fn a_part_has_a_name_that_no_path_could_misuse() {
        for good in ["image/0a.json", "image/abc/layer.tar", "image/blobs/sha256/00", "image/manifest.json"] {
            assert!(is_part(good), "{good}");
        }
        for bad in [
            "",
            "image/",
            "x/a",
            "image/../a",
            "image//a",
            "image/a/",
            "/image/a",
            "image/a b",
            "image/a\u{0}",
        ] {
            assert!(!is_part(bad), "{bad:?}");
        }
        assert!(!is_part(&format!("image/{}", "x".repeat(100))));
    }

    #[test]
    fn a_configuration_keeps_layers_and_variables_only() {
        let id = format!("sha256:{}", "0a".repeat(32));
        let foreign = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [id]},
            "config": {
                "Env": ["PATH=/bin", "no variable", "1X=y", "B=\u{0}"], "User": "root", "Entrypoint": ["/evil"],
                "Volumes": {"/": {}}, "ExposedPorts": {"1/tcp": {}}, "OnBuild": ["RUN x"], "StopSignal": "9",
                "Healthcheck": {"Test": ["CMD", "/evil"]}, "Labels": {"slipway.instance": "other"}
            }
        });
        let config = Config::read(foreign.to_string().as_bytes(), 1).unwrap();
        let labels = [("slipway.instance".to_owned(), "mine".to_owned())].into();
        let ours: serde_json::Value = serde_json::from_str(&config.ours(&labels, "/workspace")).unwrap();
        let inner = ours["config"].as_object().unwrap();
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["Cmd", "Env", "Labels", "WorkingDir"]);
        assert_eq!(inner["Env"], serde_json::json!(["PATH=/bin"]));
        assert_eq!(inner["Labels"], serde_json::json!({"slipway.instance": "mine"}));
        assert!(!ours.to_string().contains("evil") && !ours.to_string().contains("other"));
    }

    #[test]
    fn a_configuration_that_cannot_be_is_refused() {
        let good = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": {"diff_ids": [format!("sha256:{}", "0a".repeat(32))]}
        });
        assert!(Config::read(good.to_string().as_bytes(), 1).is_ok());
        assert!(Config::read(good.to_string().as_bytes(), 2).is_err(), "another number of layers");
        for (key, value) in [
            ("os", serde_json::json!("windows")),
            ("architecture", serde_json::json!("../amd64")),
            ("architecture", serde_json::json!("")),
            ("variant", serde_json::json!("v 8")),
            ("rootfs", serde_json::json!({"diff_ids": ["sha256:xyz"]})),
            ("rootfs", serde_json::json!(null)),
        ] {
            let mut bad = good.clone();
            bad[key] = value.clone();
            assert!(Config::read(bad.to_string().as_bytes(), 1).is_err(), "{key}: {value}");
        }
    }

    #[test]
    fn there_is_one_image_in_a_file() {
        let one = r#"{"Config":"a.json","RepoTags":null,"Layers":["a/layer.tar"]}"#;
        assert_eq!(Parts::read(format!("[{one}]").as_bytes()).unwrap().config, "a.json");
        for bad in [String::new(), "[]".into(), "{}".into(), format!("[{one},{one}]"), "[{}]".into()] {
            assert!(Parts::read(bad.as_bytes()).is_err(), "{bad}");
        }
        let many = serde_json::json!([{"Config": "a", "RepoTags": null, "Layers": vec!["b"; 128]}]);
        assert!(Parts::read(many.to_string().as_bytes()).is_err());
    }
}
