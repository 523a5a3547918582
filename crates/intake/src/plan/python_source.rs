//! What a Python source says by its text alone: what it imports, and which name holds the application object.
//! No parsing and no running: top-level lines are matched, which is how the frameworks' own documentation writes them.

/// Whether a line imports `module` or something in it.
pub(super) fn imports(source: &str, module: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        let named = |rest: &str| {
            rest.split(',').any(|name| {
                let name = name.split_whitespace().next().unwrap_or_default();
                within(name, module)
            })
        };
        match (line.strip_prefix("import "), line.strip_prefix("from ")) {
            (Some(rest), _) => named(rest),
            (_, Some(rest)) => within(rest.split_whitespace().next().unwrap_or_default(), module),
            _ => false,
        }
    })
}

fn within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The name assigned from `constructor(` at the top level: `app` in `app: FastAPI = fastapi.FastAPI(`.
pub(super) fn object(source: &str, constructor: &str) -> Option<String> {
    source.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let name = left.split(':').next().unwrap_or(left).trim_end();
        let call = right.trim_start().split('(').next().filter(|_| right.contains('('))?;
        let called = call.rsplit('.').next().unwrap_or(call).trim_end();
        (called == constructor && is_name(name)).then(|| name.to_owned())
    })
}

/// Whether the source defines a function that makes the application, as Flask looks for.
pub(super) fn has_factory(source: &str) -> bool {
    source.lines().any(|line| line.starts_with("def create_app(") || line.starts_with("def make_app("))
}

/// Whether imports are relative to the package the file is in, or name it.
pub(super) fn needs_package(source: &str, package: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| line.starts_with("from .")) || imports(source, package)
}

/// An identifier without leading blanks: indented lines are inside something and do not count.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_seen_in_every_form() {
        for line in [
            "import flask",
            "from flask import Flask",
            "import os, flask",
            "import flask as f",
            "  import flask.views",
            "from flask.views import View",
        ] {
            assert!(imports(line, "flask"), "for {line:?}");
        }
        for line in [
            "import flask_cors",
            "# import flask",
            "from myflask import x",
            "x = 'import flask'",
            "import os",
        ] {
            assert!(!imports(line, "flask"), "for {line:?}");
        }
        assert!(imports("from http.server import HTTPServer", "http.server"));
    }

    #[test]
    fn the_application_object_is_found_at_the_top_level() {
        for (line, name) in [
            ("app = Flask(__name__)", "app"),
            ("api: Flask = flask.Flask(", "api"),
            ("server=Flask (__name__)", "server"),
        ] {
            assert_eq!(object(line, "Flask").as_deref(), Some(name), "for {line:?}");
        }
        for line in [
            "    app = Flask(__name__)",
            "# app = Flask()",
            "app = FlaskForm()",
            "app.x = Flask()",
            "Flask(__name__)",
            "app = Flask",
            "a == Flask(",
        ] {
            assert_eq!(object(line, "Flask"), None, "for {line:?}");
        }
    }
}
