//! What the command line may say. Raw argument strings come in; a checked [`Invocation`] or one plain sentence goes out.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use slipway_agent_api::{EGRESS_PORT, SOCKET_NAME, lane as contract};

use crate::lane::Way;

/// Shown for `help` and after a mistake.
pub(crate) const USAGE: &str = "\
Usage: slipway-agent init [--socket NAME] [--egress-port N] [--stdio]
       slipway-agent connect [--socket NAME]
       slipway-agent lane into|out-of PATH-IN-HEXADECIMAL
       slipway-agent hosts
       slipway-agent static --root DIR --port N [--host ADDRESS] [--spa]
       slipway-agent version
";

/// One parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Init(InitOptions),
    Connect { socket: Vec<u8> },
    Lane { way: Way, path: PathBuf },
    Hosts,
    Static(StaticOptions),
    Version,
    Help,
}

/// What `init` may be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InitOptions {
    /// Abstract socket name, without the leading NUL.
    pub(crate) socket: Vec<u8>,
    /// Where the outgoing proxy listens on loopback; 0 lets the kernel choose.
    pub(crate) egress_port: u16,
    /// Serve one connection over standard input and output as well.
    pub(crate) stdio: bool,
}

/// What `static` may be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StaticOptions {
    pub(crate) root: PathBuf,
    pub(crate) host: IpAddr,
    /// The first port tried.
    pub(crate) port: u16,
    /// Answer unknown paths with the root's `index.html`.
    pub(crate) single_page: bool,
}

/// A command line that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ArgumentError {
    #[error("no command given")]
    NoCommand,
    #[error("unknown command `{0}`")]
    UnknownCommand(String),
    #[error("unknown option `{0}`")]
    UnknownOption(String),
    #[error("`{0}` needs a value")]
    NoValue(String),
    #[error("`{1}` is not a valid value for `{0}`")]
    BadValue(String, String),
    #[error("`{0}` is required")]
    Missing(&'static str),
}

/// Reads the arguments after the program's own name.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, ArgumentError> {
    let mut rest = Rest { arguments };
    let Some(command) = rest.arguments.next() else { return Err(ArgumentError::NoCommand) };
    match command.to_str() {
        Some("init") => init(rest),
        Some("connect") => connect(rest),
        Some("lane") => lane(rest),
        Some("hosts") => match rest.option()? {
            None => Ok(Invocation::Hosts),
            Some(name) => Err(ArgumentError::UnknownOption(name)),
        },
        Some("static") => website(rest),
        Some("version" | "--version" | "-V") => Ok(Invocation::Version),
        Some("help" | "--help" | "-h") => Ok(Invocation::Help),
        _ => Err(ArgumentError::UnknownCommand(command.to_string_lossy().into_owned())),
    }
}

fn init<I: Iterator<Item = OsString>>(mut rest: Rest<I>) -> Result<Invocation, ArgumentError> {
    let mut options = InitOptions { socket: SOCKET_NAME.into(), egress_port: EGRESS_PORT, stdio: false };
    while let Some(name) = rest.option()? {
        match name.as_str() {
            "--socket" => options.socket = rest.value(&name)?.into_vec(),
            "--stdio" => options.stdio = true,
            "--egress-port" => options.egress_port = rest.parsed(&name)?,
            _ => return Err(ArgumentError::UnknownOption(name)),
        }
    }
    Ok(Invocation::Init(options))
}

fn connect<I: Iterator<Item = OsString>>(mut rest: Rest<I>) -> Result<Invocation, ArgumentError> {
    let mut socket = SOCKET_NAME.into();
    while let Some(name) = rest.option()? {
        match name.as_str() {
            "--socket" => socket = rest.value(&name)?.into_vec(),
            _ => return Err(ArgumentError::UnknownOption(name)),
        }
    }
    Ok(Invocation::Connect { socket })
}

fn lane<I: Iterator<Item = OsString>>(mut rest: Rest<I>) -> Result<Invocation, ArgumentError> {
    let way = match rest.option()?.as_deref() {
        Some(contract::INTO) => Way::Into,
        Some(contract::OUT_OF) => Way::OutOf,
        Some(other) => return Err(ArgumentError::UnknownOption(other.to_owned())),
        None => return Err(ArgumentError::Missing("which way")),
    };
    let digits = rest.option()?.ok_or(ArgumentError::Missing("the path"))?;
    let path =
        bytes(&digits).ok_or_else(|| ArgumentError::BadValue("the path".to_owned(), digits.clone()))?;
    match rest.option()? {
        None => Ok(Invocation::Lane { way, path: OsString::from_vec(path).into() }),
        Some(more) => Err(ArgumentError::UnknownOption(more)),
    }
}

/// Bytes written as two hexadecimal digits each: what Docker takes as an argument must be text, and a path may not be.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

fn website<I: Iterator<Item = OsString>>(mut rest: Rest<I>) -> Result<Invocation, ArgumentError> {
    let (mut root, mut port, mut single_page) = (None, None, false);
    let mut host = IpAddr::from([127, 0, 0, 1]);
    while let Some(name) = rest.option()? {
        match name.as_str() {
            "--root" => root = Some(PathBuf::from(rest.value(&name)?)),
            "--port" => port = Some(rest.parsed(&name)?),
            "--host" => host = rest.parsed(&name)?,
            "--spa" => single_page = true,
            _ => return Err(ArgumentError::UnknownOption(name)),
        }
    }
    let root = root.ok_or(ArgumentError::Missing("--root"))?;
    let port = port.ok_or(ArgumentError::Missing("--port"))?;
    Ok(Invocation::Static(StaticOptions { root, host, port, single_page }))
}

struct Rest<I> {
    arguments: I,
}

impl<I: Iterator<Item = OsString>> Rest<I> {
    fn option(&mut self) -> Result<Option<String>, ArgumentError> {
        let Some(next) = self.arguments.next() else { return Ok(None) };
        next.into_string()
            .map(Some)
            .map_err(|raw| ArgumentError::UnknownOption(raw.to_string_lossy().into_owned()))
    }

    fn value(&mut self, name: &str) -> Result<OsString, ArgumentError> {
        self.arguments.next().ok_or_else(|| ArgumentError::NoValue(name.to_owned()))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str) -> Result<T, ArgumentError> {
        let raw = self.value(name)?;
        raw.to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| ArgumentError::BadValue(name.to_owned(), raw.to_string_lossy().into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Invocation, ArgumentError> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn init_defaults_to_the_contract() {
        let expected = |stdio| {
            Ok(Invocation::Init(InitOptions { socket: SOCKET_NAME.into(), egress_port: EGRESS_PORT, stdio }))
        };
        assert_eq!(parsed(&["init"]), expected(false));
        assert_eq!(parsed(&["init", "--stdio"]), expected(true));
        assert_eq!(parsed(&["hosts"]), Ok(Invocation::Hosts));
        assert_eq!(parsed(&["hosts", "--all"]), Err(ArgumentError::UnknownOption("--all".to_owned())));
    }

    #[test]
    fn static_takes_all_its_options_in_any_order() {
        let expected = StaticOptions {
            root: "/workspace".into(),
            host: IpAddr::from([0, 0, 0, 0]),
            port: 8080,
            single_page: true,
        };
        assert_eq!(
            parsed(&["static", "--spa", "--port", "8080", "--host", "0.0.0.0", "--root", "/workspace"]),
            Ok(Invocation::Static(expected))
        );
    }

    #[test]
    fn a_lane_takes_a_path_of_any_bytes() {
        let expected =
            |way| Ok(Invocation::Lane { way, path: OsString::from_vec(b"/a\n\xff".to_vec()).into() });
        assert_eq!(parsed(&["lane", "into", "2f610aff"]), expected(Way::Into));
        assert_eq!(parsed(&["lane", "out-of", "2f610aff"]), expected(Way::OutOf));
        for wrong in ["2f6", "2fxx", "/a"] {
            let bad = ArgumentError::BadValue("the path".to_owned(), wrong.to_owned());
            assert_eq!(parsed(&["lane", "into", wrong]), Err(bad));
        }
        assert_eq!(parsed(&["lane", "into"]), Err(ArgumentError::Missing("the path")));
        assert_eq!(parsed(&["lane"]), Err(ArgumentError::Missing("which way")));
        assert_eq!(
            parsed(&["lane", "into", "2f", "more"]),
            Err(ArgumentError::UnknownOption("more".to_owned()))
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed(&[]), Err(ArgumentError::NoCommand));
        assert_eq!(parsed(&["run"]), Err(ArgumentError::UnknownCommand("run".into())));
        assert_eq!(parsed(&["static", "--port", "80"]), Err(ArgumentError::Missing("--root")));
        assert_eq!(parsed(&["init", "--socket"]), Err(ArgumentError::NoValue("--socket".into())));
        assert_eq!(
            parsed(&["static", "--port", "70000"]),
            Err(ArgumentError::BadValue("--port".into(), "70000".into()))
        );
        assert_eq!(parsed(&["connect", "extra"]), Err(ArgumentError::UnknownOption("extra".into())));
    }
}
