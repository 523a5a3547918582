//! What people and files may ask for, checked: where the project lies in the container, and its environment.

use slipway_wire::{Code, Problem};
use std::collections::BTreeMap;

/// Variables for every process: at most 500, 128 kB in all.
pub(crate) fn check_env(env: &BTreeMap<String, String>) -> Result<(), Problem> {
    let size: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if env.len() > 500 || size > 128 * 1024 {
        return Err(Problem::new(Code::Limit, "The environment has more than 500 variables or 128 kB."));
    }
    for (name, value) in env {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(legal)
            || value.contains('\0')
        {
            return Err(Problem::new(
                Code::Invalid,
                format!("{name:?} is not a variable's name, or its value holds a zero byte."),
            ));
        }
    }
    Ok(())
}

/// Folders a project may not lie in: the system, or the agent, needs them as they are.
const SYSTEM: [&str; 10] =
    ["/.slipway", "/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr"];

/// The project's folder in the container: absolute, below /, and none the system needs.
pub(crate) fn check_root(root: Option<&str>) -> Result<String, Problem> {
    let Some(root) = root else { return Ok(slipway_agent_api::WORKSPACE.to_owned()) };
    let clean = root.trim_end_matches('/');
    let wrong = |why: &str| {
        Err(Problem::new(Code::Invalid, format!("{root:?} cannot be the project's folder: {why}.")))
    };
    if !clean.starts_with('/') || clean.len() > 200 {
        return wrong("it must be an absolute path below /");
    }
    if clean.split('/').skip(1).any(|part| part.is_empty() || part == "." || part == "..")
        || clean.chars().any(char::is_control)
    {
        return wrong("it holds an empty, `.` or `..` part");
    }
    if SYSTEM.iter().any(|taken| clean == *taken || clean.starts_with(&format!("{taken}/"))) {
        return wrong("the system needs that folder");
    }
    Ok(clean.to_owned())
}
