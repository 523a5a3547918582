//! `slipway logs`: the transcripts of a workspace's phases and programs, oldest first; with `-f` also what comes.
//! On a terminal only text and colours are let through; elsewhere the bytes are as the programs wrote them.

use crate::{
    args::Logs,
    exit::{Code, Failure},
    out,
    session::Session,
    text::{self, OutputFilter},
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use slipway_http::{AttachOutput, Events};
use slipway_wire::{
    Api as _, Code as Why, EventBody, FrameKind, Problem, Process, ProcessId, ProcessRef, ProcessRole,
    WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::{
    collections::HashSet,
    io::{IsTerminal as _, Write as _},
};

pub(crate) async fn run(args: Logs) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    // Before the list, so that no process is missed between the two.
    let events = if args.follow { Some(session.client.events(None).await?) } else { None };
    let processes = chosen(&session, &id, args.process.as_deref()).await?;
    let mut printer = Printer::new(processes.len() > 1 || args.follow);
    match events {
        None => {
            for process in &processes {
                print_past(&session, process, &mut printer).await?;
            }
        }
        Some(events) => {
            follow(&session, &id, args.process.as_deref(), events, processes, &mut printer).await?;
        }
    }
    Ok(Code::OK)
}

async fn chosen(session: &Session, id: &WorkspaceId, wanted: Option<&str>) -> Result<Vec<Process>, Failure> {
    let mut all = session.api.process_list(WorkspaceRef { id: id.clone() }).await?;
    all.retain(|process| matches(process, wanted));
    if let (Some(name), true) = (wanted, all.is_empty()) {
        return Err(Problem::new(Why::NotFound, format!("{id} has no process {name:?}."))
            .hint(format!("`slipway logs {id}` shows all of them."))
            .into());
    }
    Ok(all)
}

/// Without a name: the phases and programs, not people's terminals.
fn matches(process: &Process, wanted: Option<&str>) -> bool {
    match wanted {
        Some(name) => process.name == name || process.id.as_str() == name,
        None => matches!(process.role, ProcessRole::Install | ProcessRole::Build | ProcessRole::App),
    }
}

fn reference(process: &Process) -> ProcessRef {
    ProcessRef { id: process.workspace.clone(), process: process.id.clone() }
}

/// What a process has printed up to now.
async fn print_past(session: &Session, process: &Process, printer: &mut Printer) -> Result<(), Failure> {
    let (mut output, _input) = session.client.attach(&reference(process), 0, false, false).await?;
    printer.begin(process)?;
    // One that runs would go on; its listing says how much there was.
    let until = if process.exit.is_none() { Some(process.bytes) } else { None };
    let mut at = 0;
    while until.is_none_or(|until| at < until) {
        let Some(frame) = output.next().await else { break };
        let frame = frame?;
        at = frame.offset + if frame.kind == FrameKind::Gap { 0 } else { frame.payload.len() as u64 };
        match frame.kind {
            FrameKind::Exit => break,
            FrameKind::Gap => out::note("slipway: earlier output is no longer kept."),
            FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr => {
                printer.print(frame.kind, &frame.payload)?;
            }
        }
    }
    Ok(())
}

async fn follow(
    session: &Session,
    id: &WorkspaceId,
    wanted: Option<&str>,
    mut events: Events,
    known: Vec<Process>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let mut outputs = FuturesUnordered::new();
    let mut arrived = known;
    let mut over = false;
    loop {
        for process in arrived.drain(..) {
            if seen.insert(process.id.clone()) {
                // The input half keeps the connection open.
                let (output, input) = session.client.attach(&reference(&process), 0, false, false).await?;
                outputs.push(next(process, output, input));
            }
        }
        if over && outputs.is_empty() {
            return Ok(());
        }
        tokio::select! {
            Some((process, output, input, frame)) = outputs.next() => match frame {
                Some(Ok(frame)) if frame.kind == FrameKind::Exit => {}
                Some(Ok(frame)) => {
                    if frame.kind == FrameKind::Gap {
                        out::note("slipway: some output is no longer kept.");
                    } else {
                        printer.begin(&process)?;
                        printer.print(frame.kind, &frame.payload)?;
                    }
                    outputs.push(next(process, output, input));
                }
                Some(Err(problem)) => return Err(problem.into()),
                None => {}
            },
            event = events.next() => {
                let event = event?;
                if matches!(event.body, EventBody::Gap) {
                    arrived = chosen(session, id, None).await?;
                    arrived.retain(|process| matches(process, wanted));
                    continue;
                }
                if event.workspace.as_ref() != Some(id) {
                    continue;
                }
                match event.body {
                    EventBody::Process(process) if matches(&process, wanted) => arrived.push(process),
                    EventBody::Removed => over = true,
                    EventBody::Workspace(workspace) => {
                        over = !matches!(workspace.state, WorkspaceState::Creating | WorkspaceState::Running);
                    }
                    _ => {}
                }
            }
        }
    }
}

async fn next<I>(
    process: Process,
    mut output: AttachOutput,
    input: I,
) -> (Process, AttachOutput, I, Option<Result<slipway_wire::Frame<bytes::Bytes>, Problem>>) {
    let frame = output.next().await;
    (process, output, input, frame)
}

/// Writes transcripts, saying whose turn it is when there are several.
struct Printer {
    headed: bool,
    last: Option<ProcessId>,
    filter: Option<OutputFilter>,
}

impl Printer {
    fn new(headed: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { headed: headed && terminal, last: None, filter: terminal.then(OutputFilter::default) }
    }

    fn begin(&mut self, process: &Process) -> Result<(), Failure> {
        if self.last.as_ref() == Some(&process.id) {
            return Ok(());
        }
        if let Some(filter) = &mut self.filter {
            *filter = OutputFilter::default();
        }
        if self.headed {
            let title = format!("── {} ── {}", text::clean(&process.name), text::clean(&process.command));
            let paint = text::Paint::stdout();
            // A program may have left its colour on, or its line open.
            out::line(&format!(
                "\x1b[0m{}{}",
                if self.last.is_some() { "\n" } else { "" },
                paint.dim(&title)
            ))?;
        }
        self.last = Some(process.id.clone());
        Ok(())
    }

    fn print(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.filter {
            Some(filter) => out::bytes(&filter.pass(bytes))?,
            None if kind == FrameKind::Stderr => std::io::stderr().lock().write_all(bytes)?,
            None => out::bytes(bytes)?,
        }
        Ok(())
    }
}
