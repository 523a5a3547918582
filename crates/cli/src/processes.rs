//! `slipway top` and `slipway kill`: every process of a container as a tree, and signals to them by number. Names and
//! arguments come escaped from the engine; here they are cut to the window.

use crate::{
    args::{Kill, SortArg, Top},
    exit::{self, Code, Failure},
    interrupts::Interrupts,
    list, out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, ContainerProcess, KillRequest, ProcessTree, TreeRequest, WorkspaceId};
use std::{collections::BTreeMap, io::IsTerminal as _};

/// Over how long processor time is measured: once, and from look to look.
const ONCE_MS: u32 = 500;
const EACH_MS: u32 = 1000;
/// Deeper ones are shown as deep as this.
const DEEPEST: usize = 24;
/// Width where there is no terminal: nothing is cut.
const WIDE: usize = 10_000;

pub(crate) async fn top(args: Top) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    if !args.watch {
        show(&look(&session, &id, ONCE_MS).await?, &args, width())?;
        return Ok(Code::OK);
    }
    let mut interrupts = Interrupts::listen()?;
    let redraw = std::io::stdout().is_terminal() && !args.json;
    let mut drawn = 0;
    loop {
        // The measuring is the pause.
        let tree = tokio::select! {
            tree = look(&session, &id, EACH_MS) => tree?,
            () = interrupts.next() => return Ok(Code::OK),
        };
        if redraw {
            let (columns, rows) = size();
            let table = words(&tree, args.sort, columns);
            // What does not fit the window could not be drawn over.
            let table: String =
                table.lines().take(rows.saturating_sub(1)).fold(String::new(), |all, line| all + line + "\n");
            let up = if drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
            drawn = table.lines().count();
            out::bytes(format!("{up}{table}").as_bytes())?;
        } else {
            show(&tree, &args, WIDE)?;
        }
    }
}

async fn look(session: &Session, id: &WorkspaceId, sample_ms: u32) -> Result<ProcessTree, Failure> {
    let request = TreeRequest { id: id.clone(), sample_ms: Some(sample_ms) };
    Ok(session.api.process_tree(request).await?)
}

fn show(tree: &ProcessTree, args: &Top, columns: usize) -> Result<(), Failure> {
    if args.json && args.watch {
        out::line(&serde_json::to_string(tree).map_err(std::io::Error::from)?)?;
    } else if args.json {
        out::line(&list::json(tree)?)?;
    } else {
        out::bytes(words(tree, args.sort, columns).as_bytes())?;
    }
    Ok(())
}

fn width() -> usize {
    if std::io::stdout().is_terminal() { size().0 } else { WIDE }
}

/// Columns and rows of this terminal.
fn size() -> (usize, usize) {
    crate::shell::size().map_or((WIDE, WIDE), |size| (size.columns.into(), size.rows.into()))
}

fn words(tree: &ProcessTree, sort: Option<SortArg>, columns: usize) -> String {
    let paint = text::Paint::stdout();
    let head = ["PID", "USER", "STATE", "CPU", "MEMORY", "AGE", "PORTS", "COMMAND"];
    let mut table = vec![head.map(|head| paint.bold(head)).to_vec()];
    for (depth, process) in ordered(&tree.processes, sort) {
        let ports: Vec<String> = process.ports.iter().map(u16::to_string).collect();
        let branch = match depth {
            0 => String::new(),
            depth => format!("{}└ ", "  ".repeat(depth.min(DEEPEST) - 1)),
        };
        table.push(vec![
            process.pid.to_string(),
            text::clean(&process.user),
            text::clean(&process.state),
            format!("{:.0} %", process.cpu_percent),
            text::size(process.memory_bytes),
            text::span(process.age_ms),
            ports.join(","),
            format!("{branch}{}", text::clean(&process.command)),
        ]);
    }
    let mut shown = String::new();
    for line in text::table(&table).lines() {
        shown.push_str(&text::cut(line, columns));
        shown.push('\n');
    }
    if tree.cut {
        shown.push_str("… and more\n");
    }
    shown
}

/// As a tree, with how deep each lies; or by what it uses.
fn ordered(all: &[ContainerProcess], sort: Option<SortArg>) -> Vec<(usize, &ContainerProcess)> {
    if let Some(sort) = sort {
        let mut sorted: Vec<&ContainerProcess> = all.iter().collect();
        match sort {
            SortArg::Cpu => sorted.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent)),
            SortArg::Memory => sorted.sort_by_key(|process| std::cmp::Reverse(process.memory_bytes)),
        }
        return sorted.into_iter().map(|process| (0, process)).collect();
    }
    let known: BTreeMap<u32, &ContainerProcess> = all.iter().map(|process| (process.pid, process)).collect();
    let mut children: BTreeMap<u32, Vec<&ContainerProcess>> = BTreeMap::new();
    let mut open: Vec<(usize, &ContainerProcess)> = Vec::new();
    for process in all.iter().rev() {
        if known.contains_key(&process.parent) && process.parent != process.pid {
            children.entry(process.parent).or_default().push(process);
        } else {
            open.push((0, process));
        }
    }
    let mut rows = Vec::with_capacity(all.len());
    while let Some((depth, process)) = open.pop() {
        rows.push((depth, process));
        // Taken out: however the agent lies, each is shown once.
        open.extend(children.remove(&process.pid).into_iter().flatten().map(|child| (depth + 1, child)));
    }
    // A ring of parents has no root.
    rows.extend(children.into_values().flatten().map(|process| (0, process)));
    rows
}

pub(crate) async fn kill(args: Kill) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    let mut worst = Code::OK;
    for pid in args.pids {
        let request = KillRequest { id: id.clone(), pid, signal: args.signal, tree: args.tree, born: None };
        match session.api.process_kill(request).await {
            Ok(done) if args.tree => out::line(&format!("{pid}: {} signalled", done.signalled))?,
            Ok(_) => out::line(&pid.to_string())?,
            Err(problem) => {
                exit::explain(&problem);
                worst = Code::from(&problem);
            }
        }
    }
    if worst == Code::OK { Ok(worst) } else { Err(Failure::Said(worst)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, cpu: f64) -> ContainerProcess {
        ContainerProcess {
            pid,
            parent,
            user: "node".into(),
            state: "S".into(),
            cpu_percent: cpu,
            cpu_ms: 0,
            memory_bytes: 1000 * u64::from(pid),
            threads: 1,
            age_ms: 5000,
            ports: vec![3000],
            name: "x".into(),
            command: format!("cmd-{pid}"),
            process: None,
            born: 1,
        }
    }

    #[test]
    fn a_tree_is_drawn_and_no_lie_about_parents_hides_or_doubles_one() {
        let all = [
            process(1, 0, 0.0),
            process(2, 1, 50.0),
            process(3, 1, 0.0),
            process(4, 2, 0.0),
            process(8, 9, 0.0),
            process(9, 8, 0.0),
            process(7, 7, 1.0),
        ];
        let rows: Vec<(usize, u32)> = ordered(&all, None).iter().map(|(depth, p)| (*depth, p.pid)).collect();
        assert_eq!(rows[..4], [(0, 1), (1, 2), (2, 4), (1, 3)]);
        let mut pids: Vec<u32> = rows.iter().map(|(_, pid)| *pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [1, 2, 3, 4, 7, 8, 9]);
        let by: Vec<u32> = ordered(&all, Some(SortArg::Memory)).iter().map(|(_, p)| p.pid).collect();
        assert_eq!(by[..2], [9, 8]);
        let tree = ProcessTree { processes: all.to_vec(), cut: true };
        let text = words(&tree, None, 40);
        assert!(
            text.lines().all(|line| line.chars().count() <= 40) && text.ends_with("and more\n"),
            "{text}"
        );
    }
}
