//! The environment a program begins with: the container's own, which the agent has, what the request says, and what no
//! program should have to be told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use slipway_agent_api::NODE_PROXY_PATH;
use slipway_agent_api::v1::ExecRequest;

use crate::procfs::PROCESS_VARIABLE;

/// Where programs are looked for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// PATH of the agent itself, which children inherit.
pub(crate) fn own_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// Sets what `request` asks for, and `id` as the Exec its descendants are known by.
pub(super) fn set(command: &mut Command, request: &ExecRequest, id: &str) {
    if std::env::var_os("PATH").is_none() {
        command.env("PATH", DEFAULT_PATH);
    }
    if std::env::var_os("LANG").is_none() && std::env::var_os("LC_ALL").is_none() {
        command.env("LANG", "C.UTF-8");
    }
    if request.pty.is_some() {
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    }
    command.envs(request.env.iter().map(|variable| (&variable.name, &variable.value)));
    let value = |name: &str| -> Option<OsString> {
        let asked = request.env.iter().rev().find(|variable| variable.name == name);
        asked.map(|variable| OsString::from(&variable.value)).or_else(|| std::env::var_os(name))
    };
    if value("NODE_USE_ENV_PROXY").as_deref() == Some(OsStr::new("1"))
        && !value("NODE_VERSION").as_deref().is_some_and(before_24)
        && let Some(options) = node_options(value("NODE_OPTIONS"), Path::new(NODE_PROXY_PATH))
    {
        command.env("NODE_OPTIONS", options);
    }
    command.env(PROCESS_VARIABLE, id);
}

/// Whether the image says that its Node is one for which the module does nothing. Node's own images do; with 20 and its
/// `--experimental-permission` the module could not even be read.
fn before_24(version: &OsStr) -> bool {
    let major = version.to_str().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major < 24)
}

/// `NODE_OPTIONS` with `module` before what the project or its image says there. Nothing where the image has no such file
/// (a Node that is told of one and misses it does not start), or where it is named already.
fn node_options(options: Option<OsString>, module: &Path) -> Option<OsString> {
    if !module.is_file() {
        return None;
    }
    // One word with `=`: there are tools that take these options apart and put them together again.
    let mut all = OsString::from("--require=");
    all.push(module);
    let options = options.unwrap_or_default();
    if options.as_bytes().windows(all.len()).any(|part| part == all.as_bytes()) {
        return None;
    }
    if !options.is_empty() {
        all.push(" ");
        all.push(options);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_project_tells_node_is_kept_behind_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let module = folder.path().join("m.cjs");
        std::fs::write(&module, "").expect("a file");
        let ours = format!("--require={}", module.display());
        let asked = |options: Option<&str>| node_options(options.map(OsString::from), &module);
        assert_eq!(asked(None), Some(OsString::from(&ours)));
        assert_eq!(asked(Some("")), Some(OsString::from(&ours)));
        let both = format!("{ours} --max-old-space-size=512");
        assert_eq!(asked(Some("--max-old-space-size=512")), Some(OsString::from(&both)));
        assert_eq!(asked(Some(&both)), None, "once is enough");
        assert_eq!(node_options(None, &folder.path().join("none")), None);
        let told =
            ["24.14.0", "26.0.0", "20.18.0", "22", "", "x"].map(|version| before_24(OsStr::new(version)));
        assert_eq!(told, [false, false, true, true, false, false]);
    }
}
