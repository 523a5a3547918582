//! A `Procfile`: the project's own list of processes, as Heroku and Foreman read it. `web` is the start, `release` runs
//! before it, the others run beside it. How to install comes from the project's other manifests.

use super::project::{Candidate, View};
use super::python_deps::ACTIVATE;
use super::types::{ImageChoice, Language, NamedStep, RunPlan, Start, Step};
use super::{node_tables, python_tables};
use crate::refusal::Refusal;

const SCORE: i32 = 900;
const PROCESSES: usize = 16;
const LINE_BYTES: usize = 4096;
/// What Foreman sets `PORT` to.
const PORT: u16 = 5000;

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    name: String,
    command: String,
}

/// The plan of the file, on top of the best plan found by other means in the same folder.
pub(super) fn detect(view: &mut View<'_, '_>, best: Option<&RunPlan>) -> Result<Option<Candidate>, Refusal> {
    let Some(text) = view.manifest("Procfile")? else { return Ok(None) };
    let processes = parse(&text).map_err(|(line, what)| view.fault("Procfile", Some(line), what))?;
    let Some(main) = processes.iter().find(|process| process.name == "web").or_else(|| processes.first())
    else {
        return Ok(None);
    };
    let language = best.map_or(Language::Other, |plan| plan.language);
    let prefix = prefix(best);
    let step = |process: &Process| Step::shell(format!("{prefix}{}", process.command));
    let release = processes.iter().find(|process| process.name == "release" && process != &main);
    let others = processes.iter().filter(|process| *process != main && process.name != "release");
    let (image, install, fallback_install, mut env) = match best {
        Some(plan) if language != Language::Static => {
            (plan.image.clone(), plan.install.clone(), plan.fallback_install.clone(), plan.env.clone())
        }
        _ => (
            image_for(&main.command, "chosen by the Procfile's command"),
            None,
            None,
            std::collections::BTreeMap::new(),
        ),
    };
    let serves = main.name == "web";
    env.insert("PORT".into(), PORT.to_string());
    let mut evidence = vec![view.evidence("Procfile", format!("{}: {}", main.name, main.command))];
    evidence.extend(best.into_iter().flat_map(|plan| plan.evidence.iter().cloned()));
    // What an unbuilt front end needs has already been decided for its own start script.
    let build =
        release.map(step).or_else(|| best.filter(|_| release.is_none()).and_then(|plan| plan.build.clone()));
    let plan = RunPlan {
        id: "procfile".into(),
        title: best.map_or("Procfile".into(), |plan| format!("{} · Procfile", plan.title)),
        name: None,
        language,
        image,
        workdir: String::new(),
        install,
        fallback_install,
        build,
        start: Start::Command(step(main)),
        env,
        port: serves.then_some(PORT),
        processes: others
            .map(|process| NamedStep { name: process.name.clone(), step: step(process) })
            .collect(),
        expects_http: serves,
        health_path: None,
        network_allow: Vec::new(),
        evidence,
        why: format!("The Procfile says how to start it: “{}”.", main.name),
    };
    Ok(Some(Candidate { score: SCORE, plan }))
}

/// Makes the project's installed programs (gunicorn, next, …) reachable by name.
pub(super) fn prefix(best: Option<&RunPlan>) -> String {
    match best {
        Some(plan) if plan.language == Language::Python && plan.install.is_some() => {
            format!("{ACTIVATE} && ")
        }
        Some(plan) if plan.language == Language::Node && plan.install.is_some() => {
            "export PATH=\"$PWD/node_modules/.bin:$PATH\" && ".into()
        }
        _ => String::new(),
    }
}

/// With no manifest to go by, the command's first word.
pub(super) fn image_for(command: &str, why: &str) -> ImageChoice {
    let program = command.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
    let python = ["python", "python3", "gunicorn", "uvicorn", "flask"].contains(&program);
    let reference = if python { python_tables::DEFAULT_IMAGE } else { node_tables::DEFAULT_IMAGE };
    ImageChoice { reference: reference.into(), why: why.into() }
}

/// `name: command` lines; comments and blank lines between. The fault is the line, from 1, and what is wrong with it.
fn parse(text: &str) -> Result<Vec<Process>, (usize, String)> {
    let mut found: Vec<Process> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |what: &str| Err((at + 1, what.to_owned()));
        let Some((name, command)) = line.split_once(':') else {
            return fault("a line must be a name, a colon and a command, as in: web: node server.js");
        };
        let (name, command) = (name.trim(), command.trim());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return fault("a process name may hold letters, digits, - and _ only");
        }
        if command.is_empty()
            || command.len() > LINE_BYTES
            || command.contains(|c: char| c.is_control() && c != '\t')
        {
            return fault("the command is empty, longer than 4096 bytes or holds control characters");
        }
        if found.iter().any(|process| process.name == name) {
            return fault("this process name appears twice");
        }
        if found.len() == PROCESSES {
            return fault("there are more than 16 processes");
        }
        found.push(Process { name: name.into(), command: command.into() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_become_processes() {
        let found =
            parse("# all\nweb: gunicorn app:app --bind :$PORT\r\n\nworker:  python w.py\n").expect("valid");
        let pairs: Vec<_> = found.iter().map(|process| (&*process.name, &*process.command)).collect();
        assert_eq!(pairs, [("web", "gunicorn app:app --bind :$PORT"), ("worker", "python w.py")]);
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in
            [("web node", 1), ("web: a\n\nweb: b", 3), ("a b: c", 1), ("web:", 1), ("web: a\x1b[0m", 1)]
        {
            assert_eq!(parse(text).expect_err(text).0, line, "for {text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_processes_or_a_fault(text in "([a-z #:\\n\\r\\t$=]|\\PC){0,300}") {
            if let Ok(found) = parse(&text) {
                prop_assert!(found.len() <= PROCESSES);
                prop_assert!(found.iter().all(|process| !process.command.is_empty()));
            }
        }
    }
}
