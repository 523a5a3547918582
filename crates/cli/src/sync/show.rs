//! A sync in words: a line per change on standard output, one live line on a terminal, or JSON.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use slipway_wire::{LiveSync, SyncAct, SyncChange, SyncPreview, SyncState};
use std::{io, io::IsTerminal as _, time::Duration};

use crate::{
    exit::Code,
    out,
    text::{self, Paint},
};

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    /// Where it stands.
    Sync {
        id: &'a str,
        state: SyncState,
        entries: u64,
        sent: u64,
        received: u64,
        conflicts: u64,
        waiting: u64,
        problem: Option<&'a str>,
    },
    /// One change.
    Change { path: &'a str, to: &'static str, act: SyncAct, detail: Option<&'a str> },
}

fn print(line: &Line<'_>) -> io::Result<()> {
    out::line(&serde_json::to_string(line)?)
}

fn to(change: &SyncChange) -> &'static str {
    if change.inward { "workspace" } else { "here" }
}

fn change_line(change: &SyncChange) -> Line<'_> {
    Line::Change { path: &change.path, to: to(change), act: change.act, detail: change.detail.as_deref() }
}

/// `→ src/app.js`.
fn words(change: &SyncChange, paint: Paint) -> String {
    let arrow = if change.inward { "→" } else { "←" };
    let path = text::clean(&change.path);
    let detail = change.detail.as_deref().map(text::clean).unwrap_or_default();
    match change.act {
        SyncAct::Written => format!("{} {path}", paint.green(arrow)),
        SyncAct::Removed => format!("{} {path} {}", paint.green(arrow), paint.dim("removed")),
        SyncAct::Conflict => {
            format!(
                "{} {path} {}",
                paint.yellow(arrow),
                paint.yellow(&format!("both changed it; the workspace's is {detail}"))
            )
        }
        SyncAct::LeftOut => format!("{} {path} {}", paint.yellow("–"), paint.dim(&detail)),
    }
}

/// What a dry run found.
pub(super) fn preview(preview: &SyncPreview, as_json: bool) -> io::Result<Code> {
    let paint = Paint::stdout();
    for change in &preview.changes {
        if as_json {
            print(&change_line(change))?;
        } else {
            out::line(&words(change, paint))?;
        }
    }
    let shown = preview.changes.len() as u64;
    if preview.total > shown {
        out::note(&format!("… and {} more.", preview.total - shown));
    } else if preview.total == 0 && !as_json {
        out::note("Both sides are alike.");
    }
    Ok(Code::OK)
}

/// It goes on in the background.
pub(super) fn detached(view: &LiveSync, as_json: bool) -> io::Result<Code> {
    if as_json {
        print(&state_line(view))?;
    } else {
        out::note(&format!("Keeping {}. `slipway sync --stop {}` ends it.", pair(view), view.id));
        out::line(view.id.as_str())?;
    }
    Ok(Code::OK)
}

fn pair(view: &LiveSync) -> String {
    let arrow = if view.both { "⇄" } else { "→" };
    format!("{} {arrow} {}:{}", text::clean(&view.dir), view.workspace, text::clean(&view.root))
}

fn state_line(view: &LiveSync) -> Line<'_> {
    Line::Sync {
        id: view.id.as_str(),
        state: view.state,
        entries: view.entries,
        sent: view.sent,
        received: view.received,
        conflicts: view.conflicts,
        waiting: view.waiting,
        problem: view.problem.as_ref().map(|problem| problem.message.as_str()),
    }
}

fn state_word(state: SyncState) -> &'static str {
    match state {
        SyncState::Scanning => "comparing",
        SyncState::Syncing => "syncing",
        SyncState::Watching => "in sync",
        SyncState::Waiting => "waiting",
        SyncState::Halted => "halted",
        SyncState::Stopped => "stopped",
    }
}

/// The syncs as a table.
pub(super) fn table(all: &[LiveSync]) -> String {
    let paint = Paint::stdout();
    let head = ["ID", "STATE", "FOLDER", "", "WORKSPACE", "ENTRIES", "CHANGES", "WHY"];
    let mut rows = vec![head.map(|head| paint.bold(head)).to_vec()];
    for view in all {
        rows.push(vec![
            view.id.to_string(),
            state_word(view.state).to_owned(),
            text::clean(&view.dir),
            if view.both { "⇄" } else { "→" }.to_owned(),
            format!("{}:{}", view.workspace, text::clean(&view.root)),
            view.entries.to_string(),
            (view.sent + view.received).to_string(),
            view.problem.as_ref().map(|problem| text::clean(&problem.message)).unwrap_or_default(),
        ]);
    }
    text::table(&rows)
}

/// A sync being shown.
pub(super) struct Show {
    json: bool,
    bar: Option<ProgressBar>,
    paint: Paint,
    seq: u64,
    counted: u64,
    left_out: Vec<(String, Option<String>)>,
    told: Option<(SyncState, Option<String>)>,
}

impl Show {
    pub(super) fn begin(view: &LiveSync, json: bool, once: bool) -> Self {
        let bar = (!json && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(12));
            if let Ok(style) = ProgressStyle::with_template("  {spinner:.cyan} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if !json {
            let until = if once { "" } else { ", until Ctrl-C" };
            out::note(&format!("Keeping {} alike{until}.", pair(view)));
        }
        // What a sync that ran already had told is not told again.
        let (seq, counted) = (view.recent.last().map_or(0, |change| change.seq), view.sent + view.received);
        let paint = Paint::stdout();
        Self { json, bar, paint, seq, counted, left_out: Vec::new(), told: None }
    }

    /// Shows what is new.
    pub(super) fn view(&mut self, view: &LiveSync) -> io::Result<()> {
        let fresh: Vec<&SyncChange> = view.recent.iter().filter(|change| change.seq > self.seq).collect();
        for change in &fresh {
            self.line(change)?;
            self.seq = change.seq;
        }
        let counted = view.sent + view.received;
        let unseen = counted.saturating_sub(self.counted + fresh.len() as u64);
        // Another owner counts anew.
        self.counted = counted;
        if unseen > 0 && !self.json {
            self.note(&format!("… and {unseen} more"));
        }
        for change in &view.left_out {
            let known = (change.path.clone(), change.detail.clone());
            if !self.left_out.contains(&known) {
                self.line(change)?;
                self.left_out.push(known);
            }
        }
        self.state(view)
    }

    fn line(&self, change: &SyncChange) -> io::Result<()> {
        if self.json {
            return print(&change_line(change));
        }
        let text = words(change, self.paint);
        match &self.bar {
            Some(bar) => bar.suspend(|| out::line(&text)),
            None => out::line(&text),
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::note(text)),
            None => out::note(text),
        }
    }

    fn state(&mut self, view: &LiveSync) -> io::Result<()> {
        let why = view.problem.as_ref().map(|problem| problem.message.clone());
        let now = (view.state, why.clone());
        if self.json {
            if self.told.as_ref() != Some(&now) {
                print(&state_line(view))?;
            }
        } else if let Some(problem) = &view.problem
            && self.told.as_ref() != Some(&now)
            && view.state != SyncState::Halted
        {
            self.note(&format!(
                "{} {}",
                text::clean(&problem.message),
                problem.hint.as_deref().map(text::clean).unwrap_or_default()
            ));
        }
        self.told = Some(now);
        if let Some(bar) = &self.bar {
            let waiting =
                if view.waiting > 0 { format!(" · {} to go", view.waiting) } else { String::new() };
            let conflicts =
                if view.conflicts > 0 { format!(" · {} conflicts", view.conflicts) } else { String::new() };
            bar.set_message(format!(
                "{} · {} entries · {} in, {} out{conflicts}{waiting}",
                state_word(view.state),
                view.entries,
                view.sent,
                view.received
            ));
        }
        Ok(())
    }

    /// Takes the live line away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// It has ended.
    pub(super) fn end(&self, view: &LiveSync) -> io::Result<()> {
        self.clear();
        if self.json {
            if self.told.as_ref().is_none_or(|(state, _)| *state != view.state) {
                print(&state_line(view))?;
            }
        } else {
            let conflicts = match view.conflicts {
                0 => String::new(),
                1 => ", 1 conflict kept beside".to_owned(),
                many => format!(", {many} conflicts kept beside"),
            };
            out::note(&format!(
                "{} {} went in, {} came out{conflicts}.",
                Paint::stderr().green("✓"),
                view.sent,
                view.received
            ));
        }
        Ok(())
    }
}
