//! Python projects: manifests say what to install, and the sources' own text says which framework they use and where
//! the application object is. Commands bind the container's loopback, which the preview reaches, and honour `PORT`.

use std::collections::{BTreeMap, BTreeSet};

use super::project::{Candidate, View};
use super::python_deps::{ACTIVATE, Dependencies};
use super::python_source::{has_factory, imports, needs_package, object};
use super::python_tables::{DEFAULT_IMAGE, ENV, FRAMEWORKS, Framework, Launch, MINORS, PROGRAMS, SOURCES};
use super::types::{Evidence, ImageChoice, Language, RunPlan, Start, Step, quote};
use crate::refusal::Refusal;

const FRAMEWORK: i32 = 780;
const SERVES: i32 = 640;
const PROGRAM: i32 = 340;
/// Sources that are looked into, and how far.
const SOURCE_FILES: usize = 40;
const SOURCE_BYTES: u64 = 64 << 10;

/// What was found out, and how to start it.
struct Found {
    framework: Option<&'static Framework>,
    file: String,
    command: String,
    fact: String,
    /// Runs before the start, inside the environment.
    prepare: Option<&'static str>,
}

pub(super) fn detect(view: &mut View<'_, '_>) -> Result<Vec<Candidate>, Refusal> {
    let sources = sources(view);
    let marked = ["requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py"]
        .iter()
        .any(|file| view.has(file));
    if sources.is_empty() && !marked {
        return Ok(Vec::new());
    }
    let mut dependencies = Dependencies::read(view)?;
    let Some(found) = find(view, &sources)? else { return Ok(Vec::new()) };
    add_missing(view, &found, &mut dependencies);
    Ok(vec![candidate(view, found, &dependencies)])
}

/// The usual names first, then whatever else lies at the top level.
fn sources(view: &View<'_, '_>) -> Vec<String> {
    let top: BTreeSet<&str> = view.below().filter(|path| !path.contains('/')).collect();
    let usual = SOURCES.iter().copied().filter(|path| view.has(path));
    let others = top.into_iter().filter(|name| {
        let python = name.rsplit_once('.').is_some_and(|(_, ending)| ending == "py");
        python
            && !SOURCES.contains(name)
            && !matches!(*name, "setup.py" | "conftest.py" | "manage.py")
            && !name.starts_with("test")
    });
    usual.chain(others).take(SOURCE_FILES).map(str::to_owned).collect()
}

fn find(view: &mut View<'_, '_>, sources: &[String]) -> Result<Option<Found>, Refusal> {
    if let Some(source) = view.peek("manage.py", SOURCE_BYTES)?
        && source.contains("django")
    {
        return Ok(Some(django()));
    }
    let mut weaker: Option<Found> = None;
    for file in sources {
        let Some(source) = view.peek(file, SOURCE_BYTES)? else { continue };
        for row in FRAMEWORKS.iter().filter(|row| imports(&source, row.module)) {
            match start(view, row, file, &source) {
                // An object or a page is certain; a script that imports a server may be one of its parts.
                Some(found) if row.launch != Launch::Script => return Ok(Some(found)),
                Some(found) if weaker.is_none() => weaker = Some(found),
                _ => {}
            }
        }
    }
    if weaker.is_some() {
        return Ok(weaker);
    }
    let program = PROGRAMS.iter().find(|file| view.has(file)).map(|file| (*file).to_owned());
    // One lone script is the program whatever its name.
    let lone = || match sources {
        [file] if !file.ends_with("__init__.py") => Some(file.clone()),
        _ => None,
    };
    Ok(program.or_else(lone).map(|file| Found {
        framework: None,
        command: format!("python3 {}", quote(&file)),
        fact: "is the program's entry".into(),
        file,
        prepare: None,
    }))
}

fn django() -> Found {
    const DJANGO: &Framework = &Framework {
        module: "django",
        package: "django",
        id: "django",
        title: "Django",
        port: 8000,
        launch: Launch::Django,
    };
    Found {
        framework: Some(DJANGO),
        file: "manage.py".into(),
        command: "python3 manage.py runserver \"127.0.0.1:${PORT:-8000}\"".into(),
        fact: "manages a Django project".into(),
        prepare: Some("python3 manage.py migrate --noinput"),
    }
}

/// The command that starts this framework from this file, if the file is where it starts.
fn start(view: &View<'_, '_>, row: &'static Framework, file: &str, source: &str) -> Option<Found> {
    let port = row.port;
    let (command, fact) = match row.launch {
        Launch::Flask(constructor) => {
            let name = object(source, constructor);
            if name.is_none() && !has_factory(source) {
                return None;
            }
            let module = module(view, file, source);
            let fact = name
                .as_ref()
                .map_or("makes a Flask application".into(), |name| format!("{name} = {constructor}(…)"));
            let target = match &name {
                Some(name) if name != "app" && name != "application" => format!("{}:{name}", module.path),
                _ => module.path,
            };
            let prefix = module.dir.map_or(String::new(), |dir| format!("cd {} && ", quote(dir)));
            (
                format!("{prefix}python3 -m flask --app {target} run --reload --port \"${{PORT:-{port}}}\""),
                fact,
            )
        }
        Launch::Asgi(constructor) => {
            let name = object(source, constructor)?;
            let module = module(view, file, source);
            let within = module.dir.map_or(String::new(), |dir| format!(" --app-dir {}", quote(dir)));
            let target = format!("{}:{name}", module.path);
            let command =
                format!("python3 -m uvicorn{within} {target} --reload --port \"${{PORT:-{port}}}\"");
            (command, format!("{name} = {constructor}(…)"))
        }
        Launch::Streamlit => {
            // The preview has another name and port than the server sees, which its own origin check would refuse.
            let flags = "--server.headless true --server.address 127.0.0.1 --server.enableCORS false \
                         --server.enableXsrfProtection false --browser.gatherUsageStats false";
            let command = format!(
                "python3 -m streamlit run {} --server.port \"${{PORT:-{port}}}\" {flags}",
                quote(file)
            );
            (command, "imports streamlit".into())
        }
        Launch::Script | Launch::Django => {
            let is_program =
                PROGRAMS.contains(&file) || source.contains("__main__") || !source.contains("def ");
            if !is_program || file.ends_with("__init__.py") {
                return None;
            }
            (format!("python3 {}", quote(file)), format!("imports {}", row.module))
        }
    };
    Some(Found { framework: Some(row), file: file.to_owned(), command, fact, prepare: None })
}

/// How Python names a file: from the project's root if its folder is a package or it imports like one, else from its
/// own folder.
struct Module<'f> {
    path: String,
    dir: Option<&'f str>,
}

fn module<'f>(view: &View<'_, '_>, file: &'f str, source: &str) -> Module<'f> {
    let stem = file.strip_suffix(".py").unwrap_or(file);
    let Some((dir, name)) = stem.rsplit_once('/') else { return Module { path: stem.to_owned(), dir: None } };
    if name == "__init__" {
        return Module { path: dir.replace('/', "."), dir: None };
    }
    if view.has(&format!("{dir}/__init__.py")) || needs_package(source, dir) {
        return Module { path: stem.replace('/', "."), dir: None };
    }
    Module { path: name.to_owned(), dir: Some(dir) }
}

/// A framework that is imported and not named, and the server that ASGI frameworks need to run.
fn add_missing(view: &View<'_, '_>, found: &Found, dependencies: &mut Dependencies) {
    let Some(row) = found.framework else { return };
    let mut missing = Vec::new();
    if !row.package.is_empty() && !dependencies.names(row.package) {
        missing
            .push((row.package, format!("uses {}, which no manifest names: installed as well", row.package)));
    }
    let brings_own =
        dependencies.text.contains("fastapi[standard]") || dependencies.text.contains("fastapi[all]");
    if matches!(row.launch, Launch::Asgi(_)) && !dependencies.names("uvicorn") && !brings_own {
        missing.push(("uvicorn", format!("{} needs a server: uvicorn is installed as well", row.title)));
    }
    for (package, fact) in missing {
        dependencies.add(package, view.evidence(&found.file, fact));
    }
}

fn candidate(view: &View<'_, '_>, found: Found, dependencies: &Dependencies) -> Candidate {
    let (image, image_evidence) = image(view, dependencies);
    let (install, fallback_install) = dependencies.steps();
    let inside = |line: &str| {
        let line = if line.starts_with("cd ") { line.to_owned() } else { format!("exec {line}") };
        let line = if dependencies.installs() { format!("{ACTIVATE} && {line}") } else { line };
        Step::shell(line)
    };
    let build = found.prepare.map(inside);
    let serves = found.framework.is_some();
    let mut evidence = vec![view.evidence(&found.file, found.fact)];
    evidence.extend(dependencies.evidence.iter().cloned());
    evidence.extend(image_evidence);
    let (id, title, port) = match found.framework {
        Some(row) => (format!("python-{}", row.id), row.title.to_owned(), Some(row.port)),
        None => ("python".into(), "Python".into(), None),
    };
    let why = match found.framework {
        Some(row) => format!("{} starts {} application.", found.file, with_article(row.title)),
        None => format!("{} is a Python program.", found.file),
    };
    let mut env: BTreeMap<String, String> =
        ENV.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Some(port) = port {
        env.insert("PORT".into(), port.to_string());
    }
    let score = match found.framework.map(|row| row.launch) {
        Some(Launch::Script) => SERVES,
        Some(_) => FRAMEWORK,
        None => PROGRAM,
    };
    let plan = RunPlan {
        id,
        title,
        name: None,
        language: Language::Python,
        image,
        workdir: String::new(),
        install,
        fallback_install,
        build,
        start: Start::Command(inside(&found.command)),
        env,
        port,
        processes: Vec::new(),
        expects_http: serves,
        health_path: None,
        network_allow: Vec::new(),
        evidence,
        why,
    };
    Candidate { score, plan }
}

fn with_article(title: &str) -> String {
    let vowel = title.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']);
    format!("{} {title}", if vowel { "an" } else { "a" })
}

/// The preferred minor that the project's words about Python allow.
fn image(view: &View<'_, '_>, dependencies: &Dependencies) -> (ImageChoice, Option<Evidence>) {
    let default = |why: &str| ImageChoice { reference: DEFAULT_IMAGE.into(), why: why.into() };
    let Some((file, range)) = &dependencies.python else {
        return (default("the release most packages are built for"), None);
    };
    let evidence = Some(view.evidence(file, format!("asks for Python {range}")));
    match MINORS.iter().find(|&&minor| python_allows(range, minor) == Some(true)) {
        Some(minor) => {
            let why = format!("{file} asks for Python {range}");
            (ImageChoice { reference: format!("python:3.{minor}-slim"), why }, evidence)
        }
        None => (default(&format!("no kept image is Python {range}")), evidence),
    }
}

/// Whether Python 3.`minor` satisfies a PEP 440 or Poetry range; `None` if it cannot be read. Patches are not judged.
fn python_allows(range: &str, minor: u32) -> Option<bool> {
    let mut all = true;
    for part in range.split([',', ' ']).filter(|part| !part.is_empty()) {
        let digits = part.find(|c: char| c.is_ascii_digit() || c == '*')?;
        let (operator, version) = part.split_at(digits);
        if version == "*" {
            continue;
        }
        let mut numbers = version.split('.');
        let major: u32 = numbers.next()?.parse().ok()?;
        let wanted: Option<u32> =
            numbers.next().filter(|number| *number != "*").map(str::parse).transpose().ok()?;
        let patch = numbers.next().is_some_and(|patch| patch != "*" && patch != "0");
        let this = (3, minor);
        let that = (major, wanted.unwrap_or(0));
        all &= match operator {
            ">=" | "^" => this >= that && (operator != "^" || major == 3),
            "~=" if !patch && numbers.next().is_none() && version.matches('.').count() == 1 => {
                this >= that && major == 3
            }
            "" | "==" | "===" | "~" | "~=" => major == 3 && wanted.is_none_or(|wanted| wanted == minor),
            ">" => this > that || patch && this == that,
            "<=" => this <= that,
            "<" => this < that || patch && this == that,
            "!=" => patch || this != that,
            _ => return None,
        };
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_ranges_choose_the_right_minors() {
        for (range, expected) in [
            (">=3.9", vec![13, 12, 14, 11, 10]),
            (">=3.9,<3.12", vec![11, 10]),
            (">=3.10, <3.13", vec![12, 11, 10]),
            ("^3.11", vec![13, 12, 14, 11]),
            ("~3.11", vec![11]),
            ("~=3.11", vec![13, 12, 14, 11]),
            ("==3.12.*", vec![12]),
            ("3.11.4", vec![11]),
            (">=3.8,!=3.9.7", vec![13, 12, 14, 11, 10]),
            ("2.7", vec![]),
        ] {
            let allowed: Vec<u32> =
                MINORS.iter().copied().filter(|&minor| python_allows(range, minor) == Some(true)).collect();
            assert_eq!(allowed, expected, "for {range:?}");
        }
        assert_eq!(python_allows("pypy", 13), None);
    }
}
