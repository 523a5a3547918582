//! From an agent to a log: one pump for each program, however many wait for its end. A pump ends with the program or with
//! the connection; the next one goes on from the offset reached.

use slipway_agent_api::v1::{Stream, attach_reply::Event};
use slipway_wire::{Code, LogStream, Problem, ProcessExit, ProcessId, WorkspaceId};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

use super::book::Book;
use crate::{
    agent_link::AgentLink,
    deploy::{Printed, exit_view, how_ended},
    shared::Shared,
};

/// How long what a stopped container still printed may be on its way.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A program to be followed.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: ProcessId,
    /// Its short name.
    pub(crate) name: String,
    /// The command as a person would type it.
    pub(crate) command: String,
}

/// How a program ended, and the last lines it wrote; or why it could not be followed to its end.
pub(crate) type Outcome = Result<(ProcessExit, String), Problem>;

type Waiting = watch::Receiver<Option<Outcome>>;

/// The pumps there are, and the connection each reads from.
#[derive(Default)]
pub(crate) struct Pumps(Mutex<BTreeMap<(WorkspaceId, ProcessId), (AgentLink, Waiting)>>);

impl Pumps {
    /// Those of one workspace that still run.
    pub(super) fn of(&self, workspace: &WorkspaceId) -> Running {
        let pumps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = pumps.iter().filter(|((of, _), _)| of == workspace).map(|(_, (_, waiting))| waiting);
        let goes_on = |waiting: &&Waiting| waiting.borrow().is_none() && waiting.has_changed().is_ok();
        Running(mine.filter(goes_on).cloned().collect())
    }
}

/// Pumps that run.
pub(super) struct Running(Vec<Waiting>);

impl Running {
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Waits until none of them runs.
    pub(super) async fn over(self) {
        for mut waiting in self.0 {
            // Gone or told: nothing more comes of it.
            let _ = waiting.wait_for(Option::is_some).await;
        }
    }
}

impl Shared {
    /// Keeps what a program prints, from where its log stands to its end. Whoever waits for that may come and go.
    pub(crate) fn keep_log(self: &Arc<Self>, link: &AgentLink, program: &Followed) -> Waiting {
        let key = (program.workspace.clone(), program.id.clone());
        let mut pumps = self.logs.pumps.0.lock().unwrap_or_else(PoisonError::into_inner);
        pumps.retain(|_, (_, waiting)| waiting.borrow().is_none() && waiting.has_changed().is_ok());
        if let Some((from, waiting)) = pumps.get(&key)
            && !from.is_closed()
        {
            return waiting.clone();
        }
        let (tell, waiting) = watch::channel(None);
        pumps.insert(key, (link.clone(), waiting.clone()));
        drop(pumps);
        let book = self.logs.book(&program.workspace, self.settings.get().log_limit_mb);
        let (shared, link, program) = (self.clone(), link.clone(), program.clone());
        self.tracker.spawn(async move {
            let work = pump(&shared, &book, &link, &program);
            if let Some(outcome) = shared.cancel.run_until_cancelled(work).await {
                tell.send_replace(Some(outcome));
            }
        });
        waiting
    }

    /// Waits for a program's end while its output is kept.
    pub(crate) async fn follow(self: &Arc<Self>, link: &AgentLink, program: &Followed) -> Outcome {
        let mut waiting = self.keep_log(link, program);
        let outcome = waiting.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| Err(Problem::new(Code::Cancelled, "Slipway is ending.")))
    }

    /// Whether the log of a workspace has a program's end.
    pub(crate) async fn log_has_end(&self, workspace: &WorkspaceId, process: &ProcessId) -> bool {
        let book = self.logs.book(workspace, self.settings.get().log_limit_mb);
        let process = process.clone();
        on_disk(&book, move |book| book.has_ended(&process)).await.unwrap_or_else(|problem| {
            tracing::warn!(%workspace, %problem, "what a log holds is not known");
            false
        })
    }

    /// The container has stopped: what it printed last is waited for a moment, then every program's log is closed.
    pub(crate) fn leave_log(self: &Arc<Self>, workspace: &WorkspaceId, why: &'static str) {
        let running = self.logs.pumps.of(workspace);
        let book = self.logs.book(workspace, self.settings.get().log_limit_mb);
        // Only those: by the time of writing the container may have been started anew.
        let begun = book.begun();
        let (shared, workspace) = (self.clone(), workspace.clone());
        self.tracker.spawn(async move {
            let over = tokio::time::timeout(LAST_WORDS, running.over()).await;
            tracing::trace!(%workspace, in_time = over.is_ok(), "the log is left");
            let at_ms = shared.config.clock.now_ms();
            if let Err(problem) = on_disk(&book, move |book| book.leave(at_ms, begun, why)).await {
                tracing::warn!(%problem, "a log was not closed");
            }
        });
    }
}

async fn pump(shared: &Arc<Shared>, book: &Arc<Book>, link: &AgentLink, program: &Followed) -> Outcome {
    let now = || shared.config.clock.now_ms();
    let Followed { id, name, command, .. } = program.clone();
    let at_ms = now();
    let offset = on_disk(book, move |book| book.begin(at_ms, &id, &name, &command)).await?;
    let id = &program.id;
    // Lossless: a program that prints faster than a disk writes waits, as it would for a terminal.
    let mut printed = Printed::follow(link, id.as_str(), offset, true).await?;
    while let Some(reply) = printed.next().await? {
        let (at_ms, id) = (now(), id.clone());
        match reply.event {
            Some(Event::Output(output)) => {
                let from = match output.stream() {
                    Stream::Terminal => LogStream::Terminal,
                    Stream::Stdout => LogStream::Stdout,
                    Stream::Stderr => LogStream::Stderr,
                };
                on_disk(book, move |book| book.feed(at_ms, &id, from, output.offset, &output.data)).await?;
            }
            Some(Event::Gap(gap)) => on_disk(book, move |book| book.skip(at_ms, &id, gap.to)).await?,
            Some(Event::Exit(exit)) => {
                let exit = exit_view(&exit);
                let (well, how) = (exit.code == Some(0), how_ended(exit));
                let tail = on_disk(book, move |book| book.end(at_ms, &id, well, &how)).await?;
                return Ok((exit, tail));
            }
            None => {}
        }
    }
    Err(Problem::new(Code::AgentLost, "The container stopped answering."))
}

/// Files are written where waiting holds nobody up.
async fn on_disk<T: Send + 'static>(
    book: &Arc<Book>,
    work: impl FnOnce(&Book) -> T + Send + 'static,
) -> Result<T, Problem> {
    let book = book.clone();
    let done = tokio::task::spawn_blocking(move || work(&book)).await;
    done.map_err(|e| Problem::new(Code::Internal, format!("Keeping a log broke: {e}.")))
}
