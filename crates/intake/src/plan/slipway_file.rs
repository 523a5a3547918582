//! The format of `slipway.toml`: what may be in it and within what bounds. Hostile like every manifest: unknown keys
//! are refused with their line, and a value that passes here is safe to put into a plan.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::project::clip;
use super::types::Step;
use crate::paths::{self, Backslash};
use crate::{Limits, Reason};

const FILE_BYTES: usize = 64 << 10;
const COMMAND_BYTES: usize = 4096;
const ENV: usize = 64;
const PROCESSES: usize = 16;
const HOSTS: usize = 64;

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlipwayToml {
    pub(super) name: Option<String>,
    pub(super) image: Option<String>,
    pub(super) workdir: Option<String>,
    pub(super) install: Option<Command>,
    pub(super) build: Option<Command>,
    pub(super) start: Option<Command>,
    #[serde(rename = "static")]
    pub(super) files: Option<Files>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Scalar>,
    #[serde(default)]
    pub(super) processes: BTreeMap<String, Command>,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) health: HealthTable,
}

#[derive(Deserialize, Clone)]
#[serde(untagged, expecting = "a command is a string for the shell, a list of words, or false for none")]
pub(super) enum Command {
    Line(String),
    Words(Vec<String>),
    Off(bool),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "static is a folder, or { dir = \"…\", spa = true }")]
pub(super) enum Files {
    Dir(String),
    Table(FilesTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesTable {
    dir: String,
    #[serde(default)]
    spa: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an environment value is a string, a whole number or a truth value")]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
    Truth(bool),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    #[serde(default)]
    pub(super) allow: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthTable {
    pub(super) path: Option<String>,
}

/// What is wrong, and the line if it is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

fn fault<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { line: None, what: what.into() })
}

pub(super) fn parse(text: &str) -> Result<SlipwayToml, Fault> {
    if text.len() > FILE_BYTES {
        return fault("it is longer than 64 KiB");
    }
    let file: SlipwayToml = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text.as_bytes()[..span.start.min(text.len())].split(|byte| *byte == b'\n').count());
        Fault { line, what: clip(error.message()) }
    })?;
    check(&file)?;
    Ok(file)
}

fn check(file: &SlipwayToml) -> Result<(), Fault> {
    if file
        .name
        .as_ref()
        .is_some_and(|name| name.trim().is_empty() || name.len() > 64 || name.contains(char::is_control))
    {
        return fault("name must have 1 to 64 characters");
    }
    if let Some(image) = &file.image
        && !is_image(image)
    {
        return fault(format!("image “{}” is not an image reference like node:24-alpine", clip(image)));
    }
    let places = [("workdir", file.workdir.as_deref()), ("static", file.files.as_ref().map(Files::dir))];
    for (key, dir) in places {
        if let Some(dir) = dir {
            relative(dir)
                .or_else(|why| fault(format!("{key} must be a folder inside the project: {why}")))?;
        }
    }
    if file.start.is_some() && file.files.is_some() {
        return fault("it has both start and static; keep one");
    }
    if matches!(file.start, Some(Command::Off(_))) {
        return fault("start must be a command; to serve files use static = \"folder\"");
    }
    let commands = [("install", &file.install), ("build", &file.build), ("start", &file.start)];
    let named = file.processes.iter().map(|(name, command)| (name.as_str(), command));
    for (key, command) in
        commands.into_iter().filter_map(|(key, command)| Some((key, command.as_ref()?))).chain(named)
    {
        command.check().or_else(|why| fault(format!("{} {why}", clip(key))))?;
    }
    if file.port == Some(0) {
        return fault("port must be 1 to 65535");
    }
    check_env(&file.env)?;
    check_processes(&file.processes)?;
    check_health(file.health.path.as_deref())?;
    check_hosts(&file.network.allow)
}

/// It becomes part of a request line, so it holds nothing that could end one.
fn check_health(path: Option<&str>) -> Result<(), Fault> {
    let Some(path) = path else { return Ok(()) };
    if path.starts_with('/') && path.len() <= 512 && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    fault("health.path is a path like /health: from /, at most 512 characters, without spaces")
}

fn check_env(env: &BTreeMap<String, Scalar>) -> Result<(), Fault> {
    if env.len() > ENV {
        return fault(format!("env has more than {ENV} entries"));
    }
    for (name, value) in env {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > 128 || !plain || name.as_bytes()[0].is_ascii_digit() {
            return fault(format!("env name “{}” may hold letters, digits and _ only", clip(name)));
        }
        if matches!(value, Scalar::Text(text) if text.len() > 8192 || text.contains('\0')) {
            return fault(format!("the value of env {name} is longer than 8192 bytes or holds a zero byte"));
        }
    }
    Ok(())
}

fn check_processes(processes: &BTreeMap<String, Command>) -> Result<(), Fault> {
    if processes.len() > PROCESSES {
        return fault(format!("there are more than {PROCESSES} processes"));
    }
    for (name, command) in processes {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if name.is_empty() || name.len() > 64 || !plain {
            return fault(format!("process name “{}” may hold letters, digits, - and _ only", clip(name)));
        }
        if matches!(command, Command::Off(_)) {
            return fault(format!("process {name} must be a command"));
        }
    }
    Ok(())
}

fn check_hosts(hosts: &[String]) -> Result<(), Fault> {
    if hosts.len() > HOSTS {
        return fault(format!("network.allow has more than {HOSTS} hosts"));
    }
    for host in hosts {
        let name = host.strip_prefix("*.").unwrap_or(host);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let numeric =
            name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > 253 || !name.contains('.') || numeric || !name.split('.').all(label) {
            return fault(format!(
                "network.allow “{}” is not a host name like api.example.com or *.example.com",
                clip(host)
            ));
        }
    }
    Ok(())
}

/// `registry/name:tag@digest` in the characters Docker takes; what it means is for Docker to say.
fn is_image(image: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    (1..=255).contains(&image.len())
        && image.bytes().all(plain)
        && image.as_bytes()[0].is_ascii_alphanumeric()
        && !image.contains("//")
        && !image.ends_with(['/', ':', '@'])
}

/// A folder inside the project as a clean path; `.` and the empty string are the project itself.
pub(super) fn relative(dir: &str) -> Result<String, Reason> {
    paths::clean(dir, Backslash::Character, &Limits::default())
}

impl Files {
    pub(super) fn dir(&self) -> &str {
        match self {
            Self::Dir(dir) | Self::Table(FilesTable { dir, .. }) => dir,
        }
    }

    pub(super) fn spa(&self) -> bool {
        matches!(self, Self::Table(FilesTable { spa: true, .. }))
    }
}

impl Command {
    fn check(&self) -> Result<(), &'static str> {
        let (empty, bytes, zero) = match self {
            Self::Line(line) => (line.trim().is_empty(), line.len(), line.contains('\0')),
            Self::Words(words) => (
                words.first().is_none_or(String::is_empty),
                words.iter().map(|word| word.len() + 1).sum(),
                words.iter().any(|word| word.contains('\0')),
            ),
            Self::Off(true) => return Err("is true; give the command itself"),
            Self::Off(false) => return Ok(()),
        };
        match (empty, bytes > COMMAND_BYTES, zero) {
            (true, ..) => Err("is empty; leave it out or give a command"),
            (_, true, _) => Err("is longer than 4096 bytes; put it in a script"),
            (.., true) => Err("holds a zero byte"),
            _ => Ok(()),
        }
    }

    /// The step, with what makes the project's installed programs reachable before a shell line.
    pub(super) fn step(&self, prefix: &str) -> Option<Step> {
        match self {
            Self::Line(line) => Some(Step::shell(format!("{prefix}{line}"))),
            Self::Words(words) => Some(Step::argv(words.iter().cloned())),
            Self::Off(_) => None,
        }
    }

    pub(super) fn first_word(&self) -> &str {
        match self {
            Self::Line(line) => line,
            Self::Words(words) => words.first().map_or("", String::as_str),
            Self::Off(_) => "",
        }
    }
}

impl Scalar {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_file_is_read() {
        let text = r#"
            name = "shop"
            image = "ghcr.io/me/shop:1.2@sha256:abc"
            workdir = "web"
            install = ["npm", "ci"]
            build = false
            start = "npm start"
            port = 8080
            env = { DEBUG = "1", WORKERS = 2, FAST = true }
            processes = { queue = "node queue.js" }
            [network]
            allow = ["api.example.com", "*.example.org"]
            [health]
            path = "/health?deep=1"
        "#;
        let file = parse(text).map_err(|fault| fault.what).expect("valid");
        assert_eq!(file.workdir.as_deref(), Some("web"));
        assert_eq!(file.env["WORKERS"].text(), "2");
    }

    #[test]
    fn faults_say_the_line_and_what_is_allowed() {
        let fault = |text: &str| parse(text).map(drop).expect_err(text);
        let unknown = fault("start = \"x\"\nprot = 80\n");
        assert_eq!(unknown.line, Some(2));
        assert!(unknown.what.contains("unknown field `prot`, expected one of"), "{}", unknown.what);
        assert_eq!(fault("port = 99999").line, Some(1));
        assert!(fault("start = 5").what.contains("a command is a string"), "{}", fault("start = 5").what);
        for (text, says) in [
            ("start = \"\"", "start is empty"),
            ("start = \"a\"\nstatic = \"b\"", "both start and static"),
            ("workdir = \"../x\"", "inside the project"),
            ("static = \"/etc\"", "inside the project"),
            ("image = \"a b\"", "not an image reference"),
            ("port = 0", "1 to 65535"),
            ("env = { \"A-B\" = \"\" }", "letters, digits and _"),
            ("[processes]\n\"a b\" = \"x\"", "letters, digits, - and _"),
            ("[network]\nallow = [\"10.0.0.1\"]", "not a host name"),
            ("[network]\nallow = [\"localhost\"]", "not a host name"),
            ("[health]\npath = \"health\"", "a path like /health"),
            ("[health]\npath = \"/a b\"", "a path like /health"),
            ("[health]\npath = \"/a\\r\\nHost: x\"", "a path like /health"),
            ("start = false", "start must be a command"),
        ] {
            assert!(fault(text).what.contains(says), "{text:?} gives {:?}", fault(text).what);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_file_or_a_fault(text in "(start|static|port|env|\\[network\\]|allow| = |\"|\\[|\\]|\\{|\\}|\n|,|[a-z0-9./*-]|\\PC){0,60}") {
            // The outcome is free; that it ends without a panic, and that faults stay short, is not.
            if let Err(fault) = parse(&text) {
                prop_assert!(fault.what.chars().count() < 600);
            }
        }
    }
}
