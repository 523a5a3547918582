//! Following a workspace until its program is ready or has failed. Ctrl-C cancels; pressed again it leaves. The state
//! is always the engine's: a gap in the events is filled by reading it again.

use super::show::Show;
use crate::{exit::Failure, interrupts::Interrupts, out, session::Session};
use slipway_http::Events;
use slipway_wire::{
    Api as _, Code, Event, EventBody, FrameKind, PhaseState, Problem, ProcessRef, Workspace, WorkspaceRef,
    WorkspaceState,
};
use std::time::Duration;

/// How much of a failed phase's output is fetched, and how long that may take.
const TAIL_BYTES: u64 = 16 * 1024;
const TAIL_TIME: Duration = Duration::from_secs(3);

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The program runs.
    Ready(Box<Workspace>),
    /// It does not, and why.
    Failed(Box<Workspace>, Problem),
    /// The person left it to itself.
    Left,
}

/// A workspace on its way.
pub(crate) struct Follow {
    session: Session,
    events: Events,
    workspace: Workspace,
    /// It has been seen on its way: only then does a state of rest mean that it ended.
    under_way: bool,
    /// The person asked for it to be cancelled.
    cancelled: bool,
}

impl Follow {
    /// `events` were subscribed to before whatever set the workspace in motion.
    pub(crate) fn new(session: Session, events: Events, workspace: Workspace) -> Self {
        Self { session, events, workspace, under_way: false, cancelled: false }
    }

    pub(crate) async fn finish(mut self, show: &mut dyn Show) -> Result<Ended, Failure> {
        let mut presses = Interrupts::listen()?;
        let mut interrupts = 0;
        loop {
            show.workspace(&self.workspace);
            if let Some(ended) = self.ended() {
                show.done();
                return Ok(ended);
            }
            tokio::select! {
                event = self.events.next() => match event {
                    Ok(event) => self.take(event, show).await?,
                    Err(problem) => self.reconnect(problem).await?,
                },
                () = presses.next() => {
                    interrupts += 1;
                    if interrupts > 1 {
                        show.done();
                        out::note(&format!("It is left as it is: slipway status {}", self.workspace.id));
                        return Ok(Ended::Left);
                    }
                    show.note("Cancelling. Ctrl-C again leaves it to itself.");
                    self.cancel().await?;
                }
            }
        }
    }

    async fn cancel(&mut self) -> Result<(), Failure> {
        self.cancelled = true;
        let id = WorkspaceRef { id: self.workspace.id.clone() };
        let cancelled = match self.session.api.workspace_cancel(id.clone()).await {
            // The work is done and only the program's listening is awaited: then stopping is what is meant.
            Err(Problem { code: Code::WrongState, .. })
                if self.workspace.state == WorkspaceState::Creating =>
            {
                self.session.api.workspace_stop(id).await
            }
            other => other,
        };
        match cancelled {
            Ok(workspace) => self.workspace = workspace,
            // It has just become ready, or failed: the next event tells.
            Err(Problem { code: Code::WrongState, .. }) => {}
            Err(problem) => return Err(problem.into()),
        }
        Ok(())
    }

    async fn take(&mut self, event: Event, show: &mut dyn Show) -> Result<(), Failure> {
        if matches!(event.body, EventBody::Gap) {
            self.workspace = self.read().await?;
            return Ok(());
        }
        if event.workspace.as_ref() != Some(&self.workspace.id) {
            return Ok(());
        }
        match event.body {
            EventBody::Workspace(workspace) => self.workspace = *workspace,
            EventBody::Removed => self.workspace.state = WorkspaceState::Deleted,
            EventBody::Message(message) => show.message(&message),
            _ => {}
        }
        Ok(())
    }

    /// The owner went away for good: perhaps it was killed. Another one knows what became of the workspace.
    async fn reconnect(&mut self, lost: Problem) -> Result<(), Failure> {
        if lost.code != Code::OwnerBusy {
            return Err(lost.into());
        }
        self.session = Session::at(self.session.places.clone()).await?;
        self.events = self.session.client.events(None).await?;
        self.workspace = self.read().await?;
        Ok(())
    }

    async fn read(&self) -> Result<Workspace, Problem> {
        self.session.api.workspace_status(WorkspaceRef { id: self.workspace.id.clone() }).await
    }

    fn ended(&mut self) -> Option<Ended> {
        let workspace = &self.workspace;
        let unfinished = workspace.phases.iter().any(|phase| phase.state == PhaseState::Running);
        match workspace.state {
            WorkspaceState::Running if workspace.url.is_some() || !unfinished => {
                Some(Ended::Ready(Box::new(workspace.clone())))
            }
            WorkspaceState::Creating | WorkspaceState::Running => {
                self.under_way = true;
                None
            }
            _ if !self.under_way && workspace.problem.is_none() => None,
            state => {
                let problem = workspace.problem.clone().unwrap_or_else(|| {
                    let said = if self.cancelled {
                        "The deploy was cancelled.".to_owned()
                    } else {
                        format!("{} was {} meanwhile.", workspace.id, crate::list::state_word(state))
                    };
                    Problem::new(Code::Cancelled, said)
                });
                Some(Ended::Failed(Box::new(workspace.clone()), problem))
            }
        }
    }
}

/// The end of what the failed phase printed, if it had a process.
pub(crate) async fn transcript(session: &Session, workspace: &Workspace) -> Option<String> {
    let failed = workspace.phases.iter().find(|phase| phase.state == PhaseState::Failed)?;
    let process = ProcessRef { id: workspace.id.clone(), process: failed.process.clone()? };
    let processes = session.api.process_list(WorkspaceRef { id: workspace.id.clone() }).await.ok()?;
    let known = processes.iter().find(|one| one.id == process.process)?;
    let offset = known.bytes.saturating_sub(TAIL_BYTES);
    let (mut output, _input) = session.client.attach(&process, offset, false, false).await.ok()?;
    let mut bytes = Vec::new();
    let read = async {
        while let Some(Ok(frame)) = output.next().await {
            match frame.kind {
                FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr => {
                    bytes.extend_from_slice(&frame.payload);
                }
                FrameKind::Gap => {}
                FrameKind::Exit => break,
            }
            if bytes.len() as u64 > 2 * TAIL_BYTES {
                break;
            }
        }
    };
    // A program that goes on printing is cut here; what came is enough.
    let _ = tokio::time::timeout(TAIL_TIME, read).await;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}
