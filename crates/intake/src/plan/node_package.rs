//! What a Node project says about itself: its `package.json`, the Node it wants, the file it starts from.
//! Foreign text: fields of an unexpected type count as absent, sources are only searched, never run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::node_range;
use super::node_tables::{DEFAULT_IMAGE, ENTRIES, LISTENS, MAJORS};
use super::project::{View, clip};
use super::types::{Evidence, ImageChoice};
use crate::refusal::Refusal;

/// Bytes of a source file that are searched for a server.
pub(super) const SOURCE_BYTES: u64 = 128 << 10;

/// What matters of a `package.json`. Fields of an unexpected type count as absent: npm itself is that lenient.
#[derive(Default)]
pub(super) struct Package {
    pub(super) scripts: BTreeMap<String, String>,
    pub(super) dependencies: BTreeSet<String>,
    pub(super) main: Option<String>,
    pub(super) node: Option<String>,
    pub(super) manager: Option<String>,
    pub(super) workspaces: bool,
}

pub(super) fn parse(view: &View<'_, '_>, text: &str) -> Result<Package, Refusal> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        view.fault("package.json", Some(error.line()), format!("it is not valid JSON ({error})"))
    })?;
    let string = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut package = Package {
        main: string(value.get("main")),
        node: string(value.pointer("/engines/node")).or_else(|| string(value.pointer("/volta/node"))),
        manager: string(value.get("packageManager")),
        workspaces: value.get("workspaces").is_some() || view.has("pnpm-workspace.yaml"),
        ..Package::default()
    };
    if let Some(scripts) = value.get("scripts").and_then(Value::as_object) {
        let pairs = scripts.iter().filter_map(|(name, line)| Some((name.clone(), line.as_str()?.to_owned())));
        package.scripts = pairs.filter(|(_, line)| !line.trim().is_empty()).collect();
    }
    for kind in ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] {
        if let Some(named) = value.get(kind).and_then(Value::as_object) {
            package.dependencies.extend(named.keys().cloned());
        }
    }
    Ok(package)
}

/// The newest kept major that the project allows. `engines` first, then the version files of the version managers.
pub(super) fn choose_image(
    view: &mut View<'_, '_>,
    package: &Package,
) -> Result<(ImageChoice, u32, Option<Evidence>), Refusal> {
    let mut asked = package.node.clone().map(|range| ("package.json", range));
    for file in [".nvmrc", ".node-version"] {
        if asked.is_none() {
            asked = view.peek(file, 64)?.map(|text| (file, text.trim().to_owned()));
        }
    }
    let default =
        |why: String, evidence| (ImageChoice { reference: DEFAULT_IMAGE.into(), why }, MAJORS[0], evidence);
    let Some((file, range)) = asked else {
        return Ok(default("the current long-term release of Node".into(), None));
    };
    let range = clip(&range);
    let evidence = Some(view.evidence(file, format!("asks for Node {range}")));
    let Some(allowed) =
        MAJORS.iter().map(|&major| node_range::allows(&range, major)).collect::<Option<Vec<_>>>()
    else {
        return Ok(default(format!("Node “{range}” was not understood, so the current release"), evidence));
    };
    let Some(at) = allowed.iter().position(|&allowed| allowed) else {
        let oldest = MAJORS[MAJORS.len() - 1];
        let older = (0..oldest).any(|major| node_range::allows(&range, major) == Some(true));
        let major = if older { oldest } else { MAJORS[0] };
        let why = format!("no kept image is Node {range}; {major} is the nearest");
        return Ok((ImageChoice { reference: format!("node:{major}-alpine"), why }, major, evidence));
    };
    let major = MAJORS[at];
    let why = format!("{file} asks for Node {range}");
    Ok((ImageChoice { reference: format!("node:{major}-alpine"), why }, major, evidence))
}

/// The file to start and whether it looks like a server: `main` if it exists, else a usual name, servers preferred.
pub(super) fn entry(view: &mut View<'_, '_>, main: Option<&str>) -> Result<Option<(String, bool)>, Refusal> {
    let main = main.map(|path| path.trim_start_matches("./").to_owned());
    let named = main.into_iter().flat_map(|path| [format!("{path}.js"), format!("{path}/index.js"), path]);
    let usual = ENTRIES.iter().map(|&path| path.to_owned());
    let mut first = None;
    for path in named.chain(usual).collect::<Vec<_>>() {
        if let Some(source) = view.peek(&path, SOURCE_BYTES)? {
            if listens(&source) {
                return Ok(Some((path, true)));
            }
            first = first.or(Some((path, false)));
        }
    }
    Ok(first)
}

pub(super) fn listens(source: &str) -> bool {
    LISTENS.iter().any(|sign| source.contains(sign))
}
