//! `slipway stats`: what workspaces use, once, each second, or over the last day.

use crate::{
    args::Stats as Args,
    exit::{Code, Failure},
    interrupts::Interrupts,
    list, out,
    session::Session,
    text,
};
use futures_util::future::join_all;
use serde::Serialize;
use slipway_wire::{
    Api as _, Nothing, Problem, Sample, Stats, StatsRequest, StatsResolution, Workspace, WorkspaceId,
    WorkspaceState,
};
use std::{io::IsTerminal as _, time::Duration};

/// Between two looks.
const TURN: Duration = Duration::from_secs(1);
/// How long a workspace may take to say what it uses before it is shown without.
const PATIENCE: Duration = Duration::from_secs(3);
const DAY_S: u64 = 24 * 3600;

/// What `--json` gives for a workspace. Scripts rely on exactly these fields.
#[derive(Debug, Serialize)]
struct Row {
    id: WorkspaceId,
    name: String,
    state: WorkspaceState,
    /// When it was measured.
    at: Option<String>,
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
    memory_limit: Option<u64>,
    received_bytes: u64,
    sent_bytes: u64,
    disk_bytes: Option<u64>,
    disk_limit: Option<u64>,
    processes: Option<u32>,
    out_of_memory_kills: u64,
}

pub(crate) async fn run(args: Args) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let one = match &args.id {
        Some(text) => Some(session.find(text).await?.id),
        None => None,
    };
    if let Some(id) = one.as_ref().filter(|_| args.history) {
        return history(&session, id, args.json).await;
    }
    let terminal = std::io::stdout().is_terminal();
    if !args.watch && (args.once || args.json || !terminal) {
        show(&rows(&session, one.as_ref()).await?, args.json)?;
        return Ok(Code::OK);
    }
    let mut interrupts = Interrupts::listen()?;
    let mut drawn = 0;
    loop {
        let rows = tokio::select! {
            rows = rows(&session, one.as_ref()) => rows?,
            () = interrupts.next() => return Ok(Code::OK),
        };
        if terminal && !args.json {
            // Over what was there before; a line that is left over is wiped.
            let up = if drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
            let table = words(&rows);
            drawn = table.lines().count();
            out::bytes(format!("{up}{table}").as_bytes())?;
        } else {
            show(&rows, args.json)?;
        }
        tokio::select! {
            () = tokio::time::sleep(TURN) => {}
            () = interrupts.next() => return Ok(Code::OK),
        }
    }
}

/// What there is to show: one workspace, or all that run.
async fn rows(session: &Session, one: Option<&WorkspaceId>) -> Result<Vec<Row>, Failure> {
    let all = session.api.workspace_list(Nothing {}).await?;
    let chosen = all.into_iter().filter(|workspace| match one {
        Some(id) => workspace.id == *id,
        None => !matches!(
            workspace.state,
            WorkspaceState::Stopped | WorkspaceState::Terminated | WorkspaceState::Deleted
        ),
    });
    let rows = join_all(chosen.map(|workspace| row(session, workspace))).await;
    match (rows.is_empty(), one) {
        (true, Some(id)) => Err(gone(id).into()),
        _ => Ok(rows),
    }
}

fn gone(id: &WorkspaceId) -> Problem {
    Problem::new(slipway_wire::Code::NotFound, format!("There is no workspace {id} any more."))
        .hint("`slipway ps` lists what there is.")
}

/// A workspace that does not answer is listed without figures.
async fn row(session: &Session, workspace: Workspace) -> Row {
    let request = StatsRequest { id: workspace.id.clone(), since_s: Some(0), resolution: None };
    let asked = tokio::time::timeout(PATIENCE, session.api.workspace_stats(request)).await;
    let stats = asked.ok().and_then(Result::ok);
    let now = stats.as_ref().and_then(|stats| stats.now);
    Row {
        at: now.map(|now| text::rfc3339(now.at_ms)),
        cpu_percent: now.map(|now| now.cpu_percent),
        memory_bytes: now.map(|now| now.memory_bytes),
        memory_limit: stats.as_ref().and_then(|stats| stats.memory_limit),
        received_bytes: stats.as_ref().map_or(0, |stats| stats.received_total),
        sent_bytes: stats.as_ref().map_or(0, |stats| stats.sent_total),
        disk_bytes: now.and_then(|now| now.disk_bytes),
        disk_limit: stats.as_ref().and_then(|stats| stats.disk_limit),
        processes: now.map(|now| now.processes),
        out_of_memory_kills: stats.as_ref().map_or(0, |stats| stats.out_of_memory_kills),
        id: workspace.id,
        name: workspace.name,
        state: workspace.state,
    }
}

fn show(rows: &[Row], json: bool) -> Result<(), Failure> {
    if json {
        out::line(&list::json(&rows)?)?;
    } else if rows.is_empty() {
        out::note("No workspace runs. `slipway ps` lists what there is.");
    } else {
        out::bytes(words(rows).as_bytes())?;
    }
    Ok(())
}

fn words(rows: &[Row]) -> String {
    let paint = text::Paint::stdout();
    let head = ["ID", "NAME", "CPU", "MEMORY", "NETWORK IN / OUT", "DISK", "PROCESSES"];
    let mut table = vec![head.map(|head| paint.bold(head)).to_vec()];
    let unknown = || "-".to_owned();
    let of = |used: Option<u64>, limit: Option<u64>| match (used, limit) {
        (None, _) => unknown(),
        (Some(used), None) => text::size(used),
        (Some(used), Some(limit)) => format!("{} / {}", text::size(used), text::size(limit)),
    };
    for row in rows {
        table.push(vec![
            row.id.to_string(),
            text::clean(&row.name),
            row.cpu_percent.map_or_else(unknown, |cpu| format!("{cpu:.1} %")),
            of(row.memory_bytes, row.memory_limit),
            format!("{} / {}", text::size(row.received_bytes), text::size(row.sent_bytes)),
            of(row.disk_bytes, row.disk_limit),
            row.processes.map_or_else(unknown, |count| count.to_string()),
        ]);
    }
    text::table(&table)
}

async fn history(session: &Session, id: &WorkspaceId, json: bool) -> Result<Code, Failure> {
    let request =
        StatsRequest { id: id.clone(), since_s: Some(DAY_S), resolution: Some(StatsResolution::Minutes) };
    let Stats { samples, .. } = session.api.workspace_stats(request).await?;
    if json {
        out::line(&list::json(&samples)?)?;
    } else if samples.is_empty() {
        out::note("Nothing is known of it yet; it is measured while it runs.");
    } else {
        out::bytes(minutes(&samples).as_bytes())?;
    }
    Ok(Code::OK)
}

fn minutes(samples: &[Sample]) -> String {
    let paint = text::Paint::stdout();
    let head = ["UNTIL", "CPU", "PEAK", "MEMORY", "PEAK", "NETWORK IN / OUT", "DISK", "PROCESSES"];
    let mut table = vec![head.map(|head| paint.bold(head)).to_vec()];
    for sample in samples {
        table.push(vec![
            text::rfc3339(sample.at_ms),
            format!("{:.1} %", sample.cpu_percent),
            format!("{:.1} %", sample.cpu_max_percent),
            text::size(sample.memory_bytes),
            text::size(sample.memory_max_bytes),
            format!("{} / {}", text::size(sample.received_bytes), text::size(sample.sent_bytes)),
            sample.disk_bytes.map_or_else(|| "-".to_owned(), text::size),
            sample.processes.to_string(),
        ]);
    }
    text::table(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_that_does_not_answer_has_a_line_too() {
        let row = Row {
            id: "shop-a1".parse().unwrap(),
            name: "shop".into(),
            state: WorkspaceState::Running,
            at: None,
            cpu_percent: None,
            memory_bytes: None,
            memory_limit: None,
            received_bytes: 0,
            sent_bytes: 1500,
            disk_bytes: None,
            disk_limit: Some(1),
            processes: None,
            out_of_memory_kills: 0,
        };
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"id":"shop-a1","name":"shop","state":"running","at":null,"cpu_percent":null,"memory_bytes":null,"memory_limit":null,"received_bytes":0,"sent_bytes":1500,"disk_bytes":null,"disk_limit":1,"processes":null,"out_of_memory_kills":0}"#
        );
        let table = words(&[row]);
        assert_eq!(
            table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
            "shop-a1 shop - - 0 B / 1.5 kB - -"
        );
    }
}
