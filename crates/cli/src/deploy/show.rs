//! How a deploy looks: bars on a terminal, plain lines without one, JSON objects for scripts. Shows what it is given;
//! decides nothing.

use crate::{line::Line, out, text};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use slipway_wire::{Level, Message, Phase, PhaseName, PhaseState, Workspace};
use std::{collections::HashMap, io::IsTerminal as _, time::Duration};

/// Somewhere a deploy is shown.
pub(crate) trait Show: Send {
    /// The engine took it on.
    fn accepted(&mut self, workspace: &Workspace);
    /// How it stood before anything was asked of it: what is done already is not shown again.
    fn before(&mut self, workspace: &Workspace);
    /// Where it stands now; also when nothing changed.
    fn workspace(&mut self, workspace: &Workspace);
    /// Something the engine says.
    fn message(&mut self, message: &Message);
    /// Something the command says.
    fn note(&mut self, text: &str);
    /// Nothing more comes.
    fn done(&mut self);
}

fn what(phase: &Phase) -> String {
    text::clean(phase.detail.as_deref().or(phase.command.as_deref()).unwrap_or_default())
}

/// A bar where something is counted, a spinner where not.
fn dress(bar: &ProgressBar, phase: &Phase) {
    let counted = phase.total.filter(|total| *total > 0);
    let template = match counted {
        Some(_) => {
            "  {spinner:.cyan} {prefix} {bar:24.cyan/dim} {bytes:>10} of {total_bytes:<10} {elapsed:>4}  {wide_msg}"
        }
        None => "  {spinner:.cyan} {prefix} {elapsed:>4}  {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if let Some(total) = counted {
        bar.set_length(total);
        bar.set_position(phase.done.unwrap_or(0).min(total));
    }
    bar.set_message(what(phase));
}

/// For people.
pub(crate) struct Human {
    bars: Option<MultiProgress>,
    open: HashMap<PhaseName, ProgressBar>,
    seen: HashMap<PhaseName, PhaseState>,
    paint: text::Paint,
}

impl Human {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            bars: terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12))),
            open: HashMap::new(),
            seen: HashMap::new(),
            paint: text::Paint::stderr(),
        }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            // Printed above the bars; a terminal that is gone is noticed by whatever is written next.
            Some(bars) => drop(bars.println(line)),
            None => out::note(line),
        }
    }

    fn begin(&mut self, phase: &Phase) {
        match &self.bars {
            Some(bars) => {
                let bar = ProgressBar::new_spinner();
                bar.set_prefix(format!("{:<8}", phase.name.word()));
                // Drawn from the first tick on, so it must look right before it is added.
                dress(&bar, phase);
                let bar = bars.add(bar);
                bar.enable_steady_tick(Duration::from_millis(120));
                self.open.insert(phase.name, bar);
            }
            None => out::note(format!("{:<8} {}", phase.name.word(), what(phase)).trim_end()),
        }
    }

    fn progress(&self, phase: &Phase) {
        if let Some(bar) = self.open.get(&phase.name) {
            dress(bar, phase);
        }
    }

    fn end(&mut self, phase: &Phase) {
        if let Some(bar) = self.open.remove(&phase.name) {
            bar.finish_and_clear();
        }
        let took = phase.elapsed_ms.map(text::elapsed).unwrap_or_default();
        let paint = self.paint;
        let sign = if phase.state == PhaseState::Failed { paint.red("✗") } else { paint.green("✓") };
        let what = what(phase);
        let what = if what.is_empty() { what } else { paint.dim(&what) };
        self.say(format!("  {sign} {:<8} {took:>9}  {what}", phase.name.word()).trim_end());
    }
}

impl Show for Human {
    fn accepted(&mut self, workspace: &Workspace) {
        self.say(&format!(
            "Deploying {} as {}",
            self.paint.bold(&text::clean(&workspace.name)),
            workspace.id
        ));
    }

    fn before(&mut self, workspace: &Workspace) {
        self.seen.extend(workspace.phases.iter().map(|phase| (phase.name, phase.state)));
    }

    fn workspace(&mut self, workspace: &Workspace) {
        for phase in &workspace.phases {
            let before = self.seen.insert(phase.name, phase.state).unwrap_or(PhaseState::Waiting);
            if phase.state == before && phase.state != PhaseState::Running {
                continue;
            }
            match phase.state {
                PhaseState::Running => {
                    if before != PhaseState::Running {
                        self.begin(phase);
                    }
                    self.progress(phase);
                }
                // A phase that was too quick to be seen running is shown all the same.
                PhaseState::Done | PhaseState::Failed => self.end(phase),
                PhaseState::Waiting | PhaseState::Skipped => {
                    if let Some(bar) = self.open.remove(&phase.name) {
                        bar.finish_and_clear();
                    }
                }
            }
        }
    }

    fn message(&mut self, message: &Message) {
        let paint = self.paint;
        let sign = match message.level {
            Level::Warning => paint.yellow("!"),
            Level::Ask => paint.cyan("?"),
            // Errors are worded at the end; the rest is what the phases show.
            Level::Error | Level::Ok | Level::Info => return,
        };
        self.say(&format!("  {sign} {}", text::clean(&message.text)));
        if let Some(hint) = &message.hint {
            self.say(&format!("    {}", paint.dim(&text::clean(hint))));
        }
    }

    fn note(&mut self, text: &str) {
        self.say(&format!("  {text}"));
    }

    fn done(&mut self) {
        for (_, bar) in self.open.drain() {
            bar.finish_and_clear();
        }
        if let Some(bars) = &self.bars {
            // A terminal that is gone cannot be cleared.
            let _ = bars.clear();
        }
    }
}

/// For scripts: one JSON object per line.
#[derive(Default)]
pub(crate) struct Lines {
    seen: HashMap<PhaseName, Phase>,
}

impl Lines {
    fn print(line: &Line<'_>) {
        // A reader that went away does not stop the deploy; the end will fail to be written and say so.
        let _ = line.print();
    }
}

impl Show for Lines {
    fn accepted(&mut self, workspace: &Workspace) {
        Self::print(&Line::from(workspace));
    }

    fn before(&mut self, workspace: &Workspace) {
        self.seen.extend(workspace.phases.iter().map(|phase| (phase.name, phase.clone())));
    }

    fn workspace(&mut self, workspace: &Workspace) {
        for phase in &workspace.phases {
            let before = self.seen.get(&phase.name);
            let known = before.map_or(phase.state == PhaseState::Waiting, |before| same(before, phase));
            if !known {
                self.seen.insert(phase.name, phase.clone());
                Self::print(&Line::from(phase));
            }
        }
    }

    fn message(&mut self, message: &Message) {
        Self::print(&Line::from(message));
    }

    fn note(&mut self, _text: &str) {}

    fn done(&mut self) {}
}

/// Nothing changed but the time that passed.
fn same(a: &Phase, b: &Phase) -> bool {
    a.state == b.state
        && a.detail == b.detail
        && a.command == b.command
        && a.done == b.done
        && a.total == b.total
}
