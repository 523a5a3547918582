//! What tasks that work for a workspace tell its driver. Each carries the generation it belongs to, so that what a
//! cancelled task still says is not believed.

use slipway_wire::{Message, PhaseName, Port, Problem, Process, ProcessId};
use tokio::sync::mpsc;

use super::ImageCheck;
use crate::{agent_link::AgentLink, deploy::Ended};

/// A change in one phase.
#[derive(Debug)]
pub(crate) enum PhaseChange {
    Begin { detail: Option<String>, command: Option<String> },
    Progress { detail: Option<String>, done: u64, total: u64 },
    Process(ProcessId),
    Done { detail: Option<String> },
    Skip,
}

/// One thing that happened.
pub(crate) enum Update {
    Phase(PhaseName, PhaseChange),
    Container(String),
    Link(AgentLink),
    Uploaded,
    /// The install command that worked in place of the plan's.
    Installed(String),
    /// A process was started or ended.
    Process(Process),
    /// The program, as it was started.
    App(Process),
    Say(Message),
    /// The deploy job is over: the program was started, or the phase that failed and why.
    Ended(Result<(), (PhaseName, Problem)>),
    /// The program ended.
    AppExited {
        process: ProcessId,
        ended: Ended,
    },
    /// The check that the image brings.
    ImageCheck(Option<ImageCheck>),
    /// What came of a probe of a port, or why it is not well.
    Probed(Result<(), String>),
    /// What came of the image's check, or why it failed and what it printed.
    Checked(Result<(), (String, String)>),
    /// The agent was asked how it is: the processor time used so far in microseconds, or nothing in time.
    Beat(Option<u64>),
    PortOpened(Port, Option<ProcessId>),
    PortClosed(u16),
}

/// The sending end, for one generation.
#[derive(Clone)]
pub(crate) struct Updates {
    pub(super) generation: u64,
    pub(super) sender: mpsc::Sender<(u64, Update)>,
}

impl Updates {
    /// Tells the driver. A driver that is gone needs to know nothing more.
    pub(crate) async fn tell(&self, update: Update) {
        let _gone_is_fine = self.sender.send((self.generation, update)).await;
    }

    /// Tells the driver if it has room: for progress, of which the next will do as well.
    pub(crate) fn tell_if_room(&self, update: Update) {
        let _next_will_do = self.sender.try_send((self.generation, update));
    }
}
