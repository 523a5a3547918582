//! Waiting for something that takes a while with a snapshot: a bar that follows the events, and Ctrl-C, which cancels;
//! pressed again it leaves.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use slipway_http::Events;
use slipway_wire::{Api as _, EventBody, Problem, Snapshot, SnapshotId, SnapshotProgress, SnapshotRef};
use std::{io::IsTerminal as _, time::Duration};

use super::show::work_word;
use crate::{
    exit::{Code, Failure},
    interrupts::Interrupts,
    out,
    session::Session,
};

/// Something under way. Begun before it is asked for, so that nothing of it is missed.
pub(super) struct Work {
    session: Session,
    events: Option<Events>,
    interrupts: Interrupts,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Work {
    pub(super) async fn begin(session: &Session, quiet: bool) -> Result<Self, Failure> {
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(12));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Ok(Self {
            events: Some(session.client.events(None).await?),
            session: session.clone(),
            interrupts: Interrupts::listen()?,
            bar,
            quiet,
        })
    }

    /// Waits for `asked`, showing how far the snapshot is that is `ours`.
    pub(super) async fn until<T>(
        mut self,
        ours: impl Fn(&Snapshot) -> bool,
        asked: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Failure> {
        let mut asked = std::pin::pin!(asked);
        let mut id = None;
        let mut cancelled = false;
        let done = loop {
            tokio::select! {
                done = &mut asked => break done,
                event = next(&mut self.events) => match event {
                    Ok(EventBody::Snapshot(snapshot)) if ours(&snapshot) => {
                        if let Some(progress) = &snapshot.progress {
                            id = Some(snapshot.id.clone());
                            self.show(progress);
                        }
                    }
                    Ok(_) => {}
                    // The bar stands still; what was asked for still answers.
                    Err(_) => self.events = None,
                },
                () = self.interrupts.next() => {
                    let Some(id) = id.clone().filter(|_| !cancelled) else {
                        return Err(Failure::Said(Code::INTERRUPTED));
                    };
                    cancelled = true;
                    self.cancel(id).await?;
                }
            }
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        Ok(done?)
    }

    async fn cancel(&self, id: SnapshotId) -> Result<(), Failure> {
        if !self.quiet {
            out::note("Cancelling. Ctrl-C again leaves it to itself.");
        }
        match self.session.api.snapshot_cancel(SnapshotRef { id }).await {
            // It has just come to its end: its answer tells.
            Ok(_) | Err(Problem { code: slipway_wire::Code::WrongState, .. }) => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    fn show(&self, progress: &SnapshotProgress) {
        let Some(bar) = &self.bar else { return };
        let template = match progress.total {
            Some(_) => {
                "  {spinner:.cyan} {msg:<10} {bar:24.cyan/dim} {bytes:>10} of about {total_bytes:<10} {elapsed:>4}"
            }
            None => "  {spinner:.cyan} {msg:<10} {elapsed:>4}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if let Some(total) = progress.total {
            bar.set_length(total.max(progress.done));
            bar.set_position(progress.done);
        }
        bar.set_message(work_word(progress.work));
    }
}

async fn next(events: &mut Option<Events>) -> Result<EventBody, Problem> {
    match events {
        Some(events) => events.next().await.map(|event| event.body),
        None => std::future::pending().await,
    }
}
