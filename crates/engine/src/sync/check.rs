//! Which folders may be synced: not one whose sync would be a mistake.

use slipway_wire::{Code, Problem};
use std::path::{Component, Path, PathBuf};

use crate::config::Config;

fn refuse(what: String, hint: &str) -> Problem {
    Problem::new(Code::Invalid, what).hint(hint)
}

/// The folder of this machine, with links resolved.
pub(super) fn dir(text: &str, config: &Config) -> Result<String, Problem> {
    let asked = Path::new(text);
    if !asked.is_absolute() {
        return Err(Problem::new(Code::Invalid, format!("{text:?} is not an absolute path.")));
    }
    let dir = asked.canonicalize().map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Invalid };
        Problem::new(code, format!("{} cannot be synced: {error}.", asked.display()))
            .hint("Name a folder that is there.")
    })?;
    if !dir.is_dir() {
        return Err(refuse(format!("{} is not a folder.", dir.display()), "Name the folder it is in."));
    }
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if dir.parent().is_none() {
        return Err(refuse(
            "The whole file system is not synced.".to_owned(),
            "Name the project's own folder.",
        ));
    }
    if let Some(home) = config.docker.home.as_deref().map(resolved)
        && home.starts_with(&dir)
    {
        return Err(refuse(
            format!("{} holds your whole home folder; it is not synced.", dir.display()),
            "Name the project's own folder.",
        ));
    }
    let data = resolved(&config.data_dir);
    if dir.starts_with(&data) || data.starts_with(&dir) {
        return Err(refuse(
            format!("{} holds Slipway's own data, or is part of it; it is not synced.", dir.display()),
            "Name the project's own folder.",
        ));
    }
    dir.into_os_string().into_string().map_err(|dir| {
        refuse(format!("{} is not text.", PathBuf::from(dir).display()), "Give the folder another name.")
    })
}

/// The folder in the workspace.
pub(super) fn root(text: &str) -> Result<String, Problem> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let system = ["proc", "sys", "dev", ".slipway"];
    if !text.starts_with('/') || !plain || text.len() > 1024 || text.contains('\0') {
        return Err(refuse(
            format!("{text:?} is not an absolute path in the workspace."),
            "Write /workspace/…",
        ));
    }
    if parts.is_empty() || parts.first().is_some_and(|first| system.contains(first)) {
        return Err(refuse(
            format!("{text} of a workspace is not synced."),
            "Name a folder of the project's, such as /workspace.",
        ));
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_the_project_s_is_taken_in_a_workspace() {
        assert_eq!(root("/workspace//a/").unwrap(), "/workspace/a");
        for wrong in ["/", "//", "workspace", "/a/../b", "/proc/1", "/dev", "/.slipway/x", ""] {
            assert!(root(wrong).is_err(), "{wrong:?}");
        }
    }
}
