//! `slipway status`: one workspace with its phases, ports, lease and what it uses.

use crate::{
    args::One,
    exit::{Code, Failure},
    list, out,
    session::Session,
    text,
};
use slipway_wire::{
    Api as _, HealthState, PhaseState, RestartPolicy, Usage, Workspace, WorkspaceRef, WorkspaceState,
};
use std::{fmt::Write as _, time::Duration};

/// How long a workspace may take to say what it uses: the rest is worth showing without.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: One) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let workspace = session.find(&args.id).await?;
    if args.json {
        out::line(&list::json(&workspace)?)?;
        return Ok(Code::OK);
    }
    let usage = if workspace.state == WorkspaceState::Running {
        let asked = session.api.workspace_usage(WorkspaceRef { id: workspace.id.clone() });
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(usage)) => Some(usage),
            Ok(Err(problem)) => {
                out::note(&format!("What it uses is not known: {}", text::clean(&problem.message)));
                None
            }
            Err(_) => {
                out::note("What it uses is not known: its container does not answer.");
                None
            }
        }
    } else {
        None
    };
    out::bytes(words(&workspace, usage).as_bytes())?;
    Ok(Code::OK)
}

/// Writing to a String cannot fail.
fn words(workspace: &Workspace, usage: Option<Usage>) -> String {
    let paint = text::Paint::stdout();
    let mut rows = Vec::new();
    let mut row = |key: &str, value: String| rows.push(vec![paint.dim(key), value]);
    row("id", workspace.id.to_string());
    row("name", text::clean(&workspace.name));
    row("state", list::coloured(workspace.state, paint));
    if workspace.health.state != HealthState::None {
        let why = workspace.health.why.as_deref().map(text::clean).unwrap_or_default();
        row("health", format!("{}  {}", list::health(workspace.health.state, paint), paint.dim(&why)));
    }
    if workspace.restart != RestartPolicy::Never || workspace.health.restarts > 0 {
        let word = crate::restart::word(workspace.restart);
        row("restart", format!("{word}, {} so far", workspace.health.restarts));
    }
    if let Some(url) = &workspace.url {
        row("url", text::clean(url));
    }
    for port in &workspace.ports {
        row("port", format!("{}  {}", port.port, text::clean(&port.url)));
    }
    row("image", text::clean(&workspace.image));
    if let Some(plan) = &workspace.plan {
        row("plan", format!("{}  {}", text::clean(&plan.id), paint.dim(&text::clean(&plan.why))));
    }
    row("files", text::clean(&workspace.root));
    row("made", text::relative(workspace.created_at_ms));
    row("ends", crate::lease::short(workspace));
    if let Some(ready) = workspace.ready_ms {
        row("ready in", text::elapsed(ready));
    }
    if let Some(usage) = usage {
        let limit = usage.memory_limit.map(|limit| format!(" of {}", text::size(limit))).unwrap_or_default();
        row("cpu", format!("{:.1} %", usage.cpu_percent));
        row("memory", format!("{}{limit}", text::size(usage.memory_bytes)));
        row("processes", usage.processes.to_string());
    }
    let mut said = text::table(&rows);
    let phases: Vec<Vec<String>> = workspace
        .phases
        .iter()
        .filter(|phase| phase.state != PhaseState::Waiting)
        .map(|phase| {
            let sign = match phase.state {
                PhaseState::Done => paint.green("✓"),
                PhaseState::Failed => paint.red("✗"),
                PhaseState::Running => paint.cyan("…"),
                PhaseState::Skipped | PhaseState::Waiting => paint.dim("-"),
            };
            let took = phase.elapsed_ms.map(text::elapsed).unwrap_or_default();
            let what = phase.command.as_deref().or(phase.detail.as_deref()).unwrap_or_default();
            vec![sign, phase.name.word().into(), took, paint.dim(&text::clean(what))]
        })
        .collect();
    if !phases.is_empty() {
        said.push('\n');
        said.push_str(&text::table(&phases));
    }
    if let Some(problem) = &workspace.problem {
        let _ = writeln!(said, "\n{} {}", paint.red("problem:"), text::clean(&problem.message));
        if let Some(hint) = &problem.hint {
            let _ = writeln!(said, "{} {}", paint.bold("next:"), text::clean(hint));
        }
    }
    said
}
