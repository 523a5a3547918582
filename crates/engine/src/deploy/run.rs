//! Running one command in a workspace and following it to its end.

use slipway_agent_api::v1::{
    AttachOpen, AttachReply, AttachRequest, EnvironmentVariable, ExecRequest, Exit, UsageRequest, WindowSize,
    attach_reply::Event, attach_request::Part,
};
use slipway_wire::{Code, Problem, Process, ProcessExit, ProcessRole, WorkspaceId};
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    agent_link::{AgentLink, agent_problem},
    logs::{Ending, Followed},
    shared::Shared,
    workspace::{Record, Update, Updates},
};

/// What a transcript is as wide as before anybody looks at it.
const SIZE: WindowSize = WindowSize { columns: 120, rows: 32 };

/// One command of a plan.
pub(super) struct Command {
    pub(super) name: String,
    pub(super) role: ProcessRole,
    pub(super) argv: Vec<String>,
    pub(super) cwd: String,
    pub(super) env: BTreeMap<String, String>,
    /// As a person would type it.
    pub(super) shown: String,
}

/// How the agent is told what a process is for.
pub(crate) fn app_tag(role: ProcessRole) -> String {
    format!("{role:?}").to_lowercase()
}

/// What a process is for, from its tag.
pub(crate) fn role_of(tag: &str) -> ProcessRole {
    [ProcessRole::Install, ProcessRole::Build, ProcessRole::App, ProcessRole::Terminal]
        .into_iter()
        .find(|&role| app_tag(role) == tag)
        .unwrap_or(ProcessRole::Exec)
}

/// Starts a command with a terminal of its own.
pub(super) async fn start(
    link: &AgentLink,
    workspace: &WorkspaceId,
    command: &Command,
) -> Result<Process, Problem> {
    let request = ExecRequest {
        argv: command.argv.iter().map(|a| bytes::Bytes::copy_from_slice(a.as_bytes())).collect(),
        cwd: bytes::Bytes::copy_from_slice(command.cwd.as_bytes()),
        env: command
            .env
            .iter()
            .map(|(name, value)| EnvironmentVariable { name: name.clone(), value: value.clone() })
            .collect(),
        pty: Some(SIZE),
        name: command.name.clone(),
        stdin: false,
        tag: app_tag(command.role),
        history: 0,
    };
    let started = link.client.clone().exec(request).await;
    let started = started.map_err(|s| agent_problem(&format!("starting {}", command.name), &s))?.into_inner();
    Ok(Process {
        id: started.process.parse()?,
        workspace: workspace.clone(),
        name: command.name.clone(),
        role: command.role,
        command: command.shown.clone(),
        terminal: true,
        bytes: 0,
        exit: None,
    })
}

/// The end of a process.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) exit: ProcessExit,
    /// The last lines it wrote, plain text.
    pub(crate) tail: String,
    /// The kernel killed something of the workspace for want of memory while it was followed, and it did not end well:
    /// how many it has killed since the container started.
    pub(crate) memory_kills: Option<u64>,
}

impl Ended {
    /// `ended with code 1`, `was ended by signal 9 (KILL) when the workspace ran out of memory`.
    pub(crate) fn how(&self) -> String {
        let how = how_ended(self.exit);
        if self.memory_kills.is_some() { format!("{how} when the workspace ran out of memory") } else { how }
    }

    /// What to do about it.
    pub(crate) fn hint(&self, record: &Record) -> String {
        if self.memory_kills.is_some() {
            record.more_memory()
        } else {
            "Read the end of its output; edit the command and retry, or open a shell and look.".to_owned()
        }
    }
}

/// Kills for want of memory since the container began; `None` when the agent cannot tell.
async fn memory_kills(link: &AgentLink) -> Option<u64> {
    let usage = link.client.clone().usage(UsageRequest {}).await.ok()?;
    Some(usage.into_inner().out_of_memory_kills)
}

/// Follows a process to its end, its output kept in the workspace's log.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    link: &AgentLink,
    program: &Followed,
) -> Result<Ended, Problem> {
    let kills_before = memory_kills(link).await;
    let (exit, tail) = shared.follow(link, program).await?;
    let failed = exit.code != Some(0);
    let memory_kills = match (failed, kills_before) {
        (true, Some(before)) => memory_kills(link).await.filter(|after| *after > before),
        _ => None,
    };
    Ok(Ended { exit, tail, memory_kills })
}

/// How the agent is told of a check of ours. Such processes are shown to nobody.
pub(crate) const HEALTH_TAG: &str = "health";

/// Reads all a process writes that has no log: how it ended, and the last lines.
pub(crate) async fn output(link: &AgentLink, process: &str) -> Result<(ProcessExit, String), Problem> {
    let mut ending = Ending::default();
    let exit = attached(link, process, 0, |bytes| ending.push(bytes)).await?;
    Ok((exit, ending.text()))
}

/// Waits for the end of a process.
pub(super) async fn exit_of(link: &AgentLink, process: &str) -> Result<ProcessExit, Problem> {
    attached(link, process, u64::MAX, |_| ()).await
}

/// What a program prints, for who only listens.
pub(crate) struct Printed {
    replies: tonic::Streaming<AttachReply>,
    /// Stays open for as long as we listen: its end would mean end of input.
    _requests: tokio::sync::mpsc::Sender<AttachRequest>,
}

impl Printed {
    /// From an offset on. With `lossless`, the program waits for a listener that is slow.
    pub(crate) async fn follow(
        link: &AgentLink,
        process: &str,
        offset: u64,
        lossless: bool,
    ) -> Result<Self, Problem> {
        let open = AttachOpen { process: process.to_owned(), offset, lossless, acknowledging: None };
        let (keep_open, requests) = tokio::sync::mpsc::channel(1);
        keep_open
            .send(AttachRequest { part: Some(Part::Open(open)) })
            .await
            .map_err(|_| Problem::new(Code::Internal, "A program could not be followed."))?;
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let replies = link.client.clone().attach(requests).await;
        let replies = replies.map_err(|s| agent_problem(FOLLOWING, &s))?.into_inner();
        Ok(Self { replies, _requests: keep_open })
    }

    /// The next that the agent tells; `None`: it tells no more.
    pub(crate) async fn next(&mut self) -> Result<Option<AttachReply>, Problem> {
        self.replies.message().await.map_err(|s| agent_problem(FOLLOWING, &s))
    }
}

const FOLLOWING: &str = "following a program";

async fn attached(
    link: &AgentLink,
    process: &str,
    offset: u64,
    mut see: impl FnMut(&[u8]),
) -> Result<ProcessExit, Problem> {
    let mut printed = Printed::follow(link, process, offset, false).await?;
    while let Some(reply) = printed.next().await? {
        match reply.event {
            Some(Event::Output(output)) => see(&output.data),
            Some(Event::Exit(exit)) => return Ok(exit_view(&exit)),
            Some(Event::Gap(_)) | None => {}
        }
    }
    Err(Problem::new(Code::AgentLost, "The container stopped answering."))
}

/// An exit as skins see it.
pub(crate) fn exit_view(exit: &Exit) -> ProcessExit {
    if exit.signal == 0 {
        ProcessExit { code: Some(exit.code), signal: None }
    } else {
        ProcessExit { code: None, signal: Some(exit.signal) }
    }
}

/// `ended with code 1`, `was ended by signal 9 (KILL)`.
pub(crate) fn how_ended(exit: ProcessExit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => match signal_name(signal) {
            Some(name) => format!("was ended by signal {signal} ({name})"),
            None => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    const NAMES: [(i32, &str); 9] = [
        (1, "HUP"),
        (2, "INT"),
        (3, "QUIT"),
        (4, "ILL"),
        (6, "ABRT"),
        (8, "FPE"),
        (9, "KILL"),
        (11, "SEGV"),
        (15, "TERM"),
    ];
    NAMES.iter().find(|(n, _)| *n == signal).map(|(_, name)| *name)
}

/// Follows the program for as long as it runs and tells the driver when it ends.
pub(crate) async fn watch_app(shared: Arc<Shared>, link: AgentLink, program: Followed, updates: Updates) {
    match follow(&shared, &link, &program).await {
        Ok(ended) => updates.tell(Update::AppExited { process: program.id, ended }).await,
        // The link is gone: whoever mends it looks at the program again.
        Err(problem) => tracing::debug!(process = %program.id, %problem, "no longer following the program"),
    }
}

/// A process as its log names it.
pub(crate) fn followed(process: &Process) -> Followed {
    Followed {
        workspace: process.workspace.clone(),
        id: process.id.clone(),
        name: process.name.clone(),
        command: process.command.clone(),
    }
}
