//! `slipway doctor`: looks at everything Slipway needs on this machine and names the mend of whatever is amiss.
//! Changes nothing but starting an owner when none runs.

use crate::{
    exit::{Code, Failure},
    list, out,
    session::Session,
    text,
};
use serde::Serialize;
use slipway_http::{Answer, Environment, Places, agent_file, answer};
use slipway_wire::{Api as _, EngineState, EngineStatus, Nothing};
use std::path::Path;

/// Less free space than this is too little for an image and a project.
const LITTLE_DISK: u64 = 2 << 30;
/// Less memory than this is too little for one medium workspace.
const LITTLE_MEMORY: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

pub(crate) async fn run(args: crate::args::Json) -> Result<Code, Failure> {
    let environment = Environment::read()?;
    let mut checks = vec![Check::ok("slipway", env!("CARGO_PKG_VERSION"))];
    checks.push(disk(&environment.places));
    checks.extend(memory());
    let engine = match Session::at(environment.places.clone()).await {
        Ok(session) => {
            checks.push(owner(&environment.places).await);
            match session.api.engine_retry(Nothing {}).await {
                Ok(status) => {
                    engine(&status, &mut checks);
                    Some(status)
                }
                Err(problem) => {
                    checks.push(Check::fail("docker", problem.message, problem.hint.unwrap_or_default()));
                    None
                }
            }
        }
        Err(Failure::Problem(problem)) => {
            checks.push(Check::fail("owner", problem.message, problem.hint.unwrap_or_default()));
            None
        }
        Err(other) => return Err(other),
    };
    checks.push(agent(&environment, engine.as_ref()));
    checks.push(match &environment.samples_dir {
        Some(dir) => Check::ok("samples", dir.display().to_string()),
        None => Check::warn("samples", "none found", "Set SLIPWAY_SAMPLES to the folder that holds them."),
    });
    if args.json {
        out::line(&list::json(&checks)?)?;
    } else {
        words(&checks)?;
    }
    Ok(exit(&checks, engine.as_ref()))
}

fn exit(checks: &[Check], engine: Option<&EngineStatus>) -> Code {
    if engine.is_some_and(|status| status.state != EngineState::Connected) {
        Code::NO_ENGINE
    } else if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        Code::FAILED
    } else {
        Code::OK
    }
}

fn words(checks: &[Check]) -> Result<(), Failure> {
    let paint = text::Paint::stdout();
    for check in checks {
        let sign = match check.verdict {
            Verdict::Ok => paint.green("✓"),
            Verdict::Warn => paint.yellow("!"),
            Verdict::Fail => paint.red("✗"),
        };
        out::line(&format!("{sign} {:<10} {}", check.name, text::clean(&check.found)))?;
        if let Some(mend) = check.mend.as_deref().filter(|mend| !mend.is_empty()) {
            out::line(&format!("  {:<10} {}", "", paint.dim(&format!("→ {}", text::clean(mend)))))?;
        }
    }
    Ok(())
}

async fn owner(places: &Places) -> Check {
    match answer(places).await {
        Answer::Owner(_, health) => Check::ok(
            "owner",
            format!(
                "process {}, version {}, previews at http://{}",
                health.pid, health.version, health.gateway
            ),
        ),
        Answer::Nobody(problem) => {
            Check::fail("owner", problem.message, format!("Its log is {}.", places.log.display()))
        }
    }
}

fn engine(status: &EngineStatus, checks: &mut Vec<Check>) {
    let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".into());
    if status.state == EngineState::Connected {
        checks.push(Check::ok(
            "docker",
            format!(
                "{} {} ({}) at {}",
                or(&status.product),
                or(&status.version),
                or(&status.platform),
                or(&status.endpoint)
            ),
        ));
    } else {
        let (found, mend) = status.problem.as_ref().map_or_else(
            || ("no Docker engine answers".into(), "Start Docker, or set DOCKER_HOST.".into()),
            |problem| (problem.message.clone(), problem.hint.clone().unwrap_or_default()),
        );
        checks.push(Check::fail("docker", found, mend));
        for place in &status.looked_at {
            checks.push(Check::warn(
                "looked at",
                format!("{}: {}: {}", place.origin, place.endpoint, place.outcome),
                "",
            ));
        }
    }
    for warning in &status.warnings {
        checks.push(Check::warn("docker", warning.message.clone(), warning.hint.clone()));
    }
}

fn agent(environment: &Environment, engine: Option<&EngineStatus>) -> Check {
    let found: Vec<String> =
        environment.agents.iter().map(|a| format!("{} {}", a.arch, a.path.display())).collect();
    let arch =
        engine.and_then(|status| status.platform.as_deref()).and_then(|platform| platform.split('/').nth(1));
    let missing = arch.filter(|arch| environment.agents.iter().all(|agent| agent.arch != **arch));
    match (missing, found.is_empty()) {
        (None, false) => Check::ok("agent", found.join(", ")),
        (Some(arch), _) => Check::fail(
            "agent",
            format!("none for {arch}, which the Docker engine runs"),
            format!(
                "Put {} beside this program, or build it with `cargo xtask agent`.",
                agent_file(arch).unwrap_or_else(|| "one for it".into())
            ),
        ),
        (None, true) => {
            Check::fail("agent", "none found", "Build it with `cargo xtask agent`, or set SLIPWAY_AGENT.")
        }
    }
}

#[cfg(unix)]
fn disk(places: &Places) -> Check {
    match free_space(&places.data_dir) {
        Ok(free) => {
            let found = format!("{}, {} free", places.data_dir.display(), text::size(free));
            if free < LITTLE_DISK {
                Check::warn("data", found, "Free some space; images and projects need a few GB.")
            } else {
                Check::ok("data", found)
            }
        }
        Err(error) => {
            Check::fail("data", format!("{}: {error}", places.data_dir.display()), "Set SLIPWAY_DATA_DIR.")
        }
    }
}

#[cfg(unix)]
fn free_space(path: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn disk(places: &Places) -> Check {
    Check::ok("data", places.data_dir.display().to_string())
}

/// What the kernel says is free for new programs; nothing where it says nothing.
fn memory() -> Option<Check> {
    let text = std::fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    let free = kilobytes * 1024;
    let found = format!("{} available", text::size(free));
    Some(if free < LITTLE_MEMORY {
        Check::warn("memory", found, "Close something, or deploy with --preset small.")
    } else {
        Check::ok("memory", found)
    })
}
