//! What matters here of a `pyproject.toml`: the dependencies as pip takes them, the Python it wants, who builds it.
//! Unknown keys are other tools' business; values that could be anything but a requirement are left out.

use toml::{Table, Value};

use super::project::{View, clip};
use super::types::quote;
use crate::refusal::Refusal;

pub(super) const FILE: &str = "pyproject.toml";
/// Direct dependencies taken over; real projects have dozens.
const DEPENDENCIES: usize = 300;

pub(super) struct Pyproject {
    /// Requirements in pip's form, from the standard table or translated from Poetry's.
    pub(super) dependencies: Vec<String>,
    /// Whether it says how it is built, so that pip can install the project itself.
    pub(super) builds: bool,
    pub(super) poetry: bool,
    /// What it says of Python's version.
    pub(super) python: Option<String>,
    /// The file in lower case, to look for names in.
    pub(super) text: String,
}

impl Pyproject {
    pub(super) fn read(view: &mut View<'_, '_>) -> Result<Option<Self>, Refusal> {
        let Some(text) = view.manifest(FILE)? else { return Ok(None) };
        let file: Table = toml::from_str(&text).map_err(|error| {
            let before = |end: usize| text.as_bytes()[..end.min(text.len())].split(|byte| *byte == b'\n');
            let line = error.span().map(|span| before(span.start).count());
            view.fault(FILE, line, format!("it is not valid TOML ({})", clip(error.message())))
        })?;
        let standard = file.get("project").and_then(Value::as_table);
        let poetry = file.get("tool").and_then(|tool| tool.get("poetry")).and_then(Value::as_table);
        let wanted = poetry.and_then(|table| table.get("dependencies")).and_then(Value::as_table);
        let mut dependencies: Vec<String> = standard.map(listed).unwrap_or_default();
        if dependencies.is_empty() {
            dependencies =
                wanted.into_iter().flatten().filter_map(|(name, value)| translated(name, value)).collect();
        }
        dependencies.retain(|requirement| is_requirement(requirement));
        dependencies.truncate(DEPENDENCIES);
        let range = standard.and_then(|table| table.get("requires-python"));
        let range = range.or_else(|| wanted.and_then(|table| table.get("python")));
        Ok(Some(Self {
            dependencies,
            builds: file.contains_key("build-system") && standard.is_some(),
            poetry: wanted.is_some() || poetry.is_some() && view.has("poetry.lock"),
            python: range.and_then(Value::as_str).map(clip),
            text: text.to_lowercase(),
        }))
    }

    /// The command that installs the dependencies themselves, if there are any.
    pub(super) fn direct(&self) -> Option<String> {
        let words: Vec<String> = self.dependencies.iter().map(|requirement| quote(requirement)).collect();
        (!words.is_empty()).then(|| format!("pip install {}", words.join(" ")))
    }
}

fn listed(project: &Table) -> Vec<String> {
    let array = project.get("dependencies").and_then(Value::as_array);
    array.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A requirement begins with a name: one that began with a dash would be an option of pip.
fn is_requirement(text: &str) -> bool {
    text.len() <= 300
        && !text.contains(char::is_control)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Poetry's `name = "^1.2"` as pip's `name>=1.2,<2`. What comes from a path or a repository has no such form.
fn translated(name: &str, value: &Value) -> Option<String> {
    if name == "python" {
        return None;
    }
    let (version, extras) = match value {
        Value::String(version) => (version.as_str(), String::new()),
        Value::Table(table) if table.get("optional").and_then(Value::as_bool) != Some(true) => {
            let extras = table.get("extras").and_then(Value::as_array).into_iter().flatten();
            let extras: Vec<_> = extras.filter_map(Value::as_str).collect();
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            (table.get("version")?.as_str()?, extras)
        }
        _ => return None,
    };
    let parts: Option<Vec<String>> = version.split(',').map(|part| specifier(part.trim())).collect();
    let parts: Vec<String> = parts?.into_iter().filter(|part| !part.is_empty()).collect();
    Some(format!("{name}{extras}{}", parts.join(",")))
}

/// One of Poetry's constraints in pip's words; empty for any version, `None` if it has none (`1 || 2`).
/// Source: python-poetry.org, "Dependency specification".
fn specifier(constraint: &str) -> Option<String> {
    let plain = |version: &str| {
        (!version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".*+!-".contains(&byte)))
        .then(|| version.to_owned())
    };
    let next = |version: &str, keep: usize| -> Option<String> {
        let mut numbers: Vec<u64> =
            version.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        numbers.truncate(keep);
        let last = numbers.last_mut()?;
        *last = last.checked_add(1)?;
        Some(numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
    };
    if constraint == "*" {
        return Some(String::new());
    }
    if let Some(version) = constraint.strip_prefix('^') {
        // The first number that is not zero may not change.
        let keep = version.split('.').position(|number| number != "0").map_or(usize::MAX, |at| at + 1);
        return Some(format!(">={},<{}", plain(version)?, next(version, keep)?));
    }
    if let Some(version) = constraint.strip_prefix('~').filter(|version| !version.starts_with('=')) {
        return Some(format!(">={},<{}", plain(version)?, next(version, 2)?));
    }
    let operators = ["==", ">=", "<=", "!=", "~=", ">", "<"];
    match operators.iter().find_map(|operator| Some((operator, constraint.strip_prefix(*operator)?))) {
        Some((operator, version)) => Some(format!("{operator}{}", plain(version.trim())?)),
        None => Some(format!("=={}", plain(constraint)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poetrys_constraints_become_pips() {
        for (poetry, pip) in [
            ("*", Some("x")),
            ("^2.3.1", Some("x>=2.3.1,<3")),
            ("^0.2.3", Some("x>=0.2.3,<0.3")),
            ("^0.0.3", Some("x>=0.0.3,<0.0.4")),
            ("^0.0", Some("x>=0.0,<0.1")),
            ("~1.2.3", Some("x>=1.2.3,<1.3")),
            ("~1", Some("x>=1,<2")),
            (">=1.2, <2.0", Some("x>=1.2,<2.0")),
            ("1.2.*", Some("x==1.2.*")),
            ("3.0.0", Some("x==3.0.0")),
            ("1 || 2", None),
            ("; rm -rf /", None),
        ] {
            assert_eq!(translated("x", &Value::String(poetry.into())).as_deref(), pip, "for {poetry:?}");
        }
        let table: Table = toml::from_str("version = \"^1.0\"\nextras = [\"standard\"]").expect("a table");
        assert_eq!(translated("uvicorn", &Value::Table(table)).as_deref(), Some("uvicorn[standard]>=1.0,<2"));
        let git: Table = toml::from_str("git = \"https://example.com/x\"").expect("a table");
        assert_eq!(translated("x", &Value::Table(git)), None);
    }

    #[test]
    fn options_of_pip_are_not_requirements() {
        for text in ["--index-url=http://evil", "-e .", "", "a\nb", " x"] {
            assert!(!is_requirement(text), "for {text:?}");
        }
        assert!(is_requirement("pydantic[email]; python_version > '3.8'"));
    }
}
