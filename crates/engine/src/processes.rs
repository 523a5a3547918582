//! Processes of a workspace that have a transcript, through its agent: listing, starting, signals, the end. What the agent
//! answers is hostile input: bounded and made plain before anybody sees it.

use slipway_agent_api::v1::{
    EnvironmentVariable, ExecRequest, ForgetRequest, Process as AgentProcess, ProcessesRequest,
    SignalRequest, signal_request::Scope,
};
use slipway_wire::{
    Code, Nothing, OpenProcess, Problem, Process, ProcessRef, ProcessRole, Resize, Signal, WorkspaceId,
};

use crate::{
    agent_link::{AgentLink, agent_problem},
    attachment::agent_size,
    deploy::{HEALTH_TAG, app_tag, exit_view, hang_up, role_of},
    workspace::Handle,
};

/// A process as skins see it; none of Slipway's own checks.
pub(crate) fn process_view(id: &WorkspaceId, process: &AgentProcess) -> Option<Process> {
    if process.tag == HEALTH_TAG {
        return None;
    }
    let words: Vec<String> = process.argv.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
    let shell = matches!(words.as_slice(), [sh, c, _] if sh.ends_with("/sh") && c == "-c");
    let command = if shell { words[2].clone() } else { words.join(" ") };
    let bounded =
        |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect::<String>();
    Some(Process {
        id: process.process.parse().ok()?,
        workspace: id.clone(),
        name: bounded(&process.name, 80),
        role: role_of(&process.tag),
        command: bounded(&command, 1000),
        terminal: process.pty,
        bytes: process.bytes,
        exit: process.exit.as_ref().map(exit_view),
    })
}

pub(crate) async fn list(handle: &Handle, id: &WorkspaceId) -> Result<Vec<Process>, Problem> {
    let link = if handle.paused() { Some(handle.agent()?) } else { handle.link() };
    let Some(link) = link else { return Ok(Vec::new()) };
    let reply = link.client.clone().processes(ProcessesRequest {}).await;
    let reply = reply.map_err(|s| agent_problem("listing programs", &s))?.into_inner();
    Ok(reply.processes.iter().take(1000).filter_map(|p| process_view(id, p)).collect())
}

/// Starts a process; its environment has been checked.
pub(crate) async fn open(handle: &Handle, request: &OpenProcess) -> Result<Process, Problem> {
    let link = handle.agent()?;
    handle.activity().note();
    let pty = request.terminal.map(agent_size).transpose()?;
    let role = if pty.is_some() { ProcessRole::Terminal } else { ProcessRole::Exec };
    let argv = request.argv.iter().map(|a| bytes::Bytes::copy_from_slice(a.as_bytes())).collect();
    let shell = link.hello.shell.rsplit('/').next().unwrap_or("sh").to_owned();
    let fallback = request.argv.first().map_or(shell, |p| p.rsplit('/').next().unwrap_or(p).to_owned());
    let name = request.name.clone().unwrap_or(fallback);
    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let cwd = request.cwd.clone().unwrap_or_else(|| handle.view().root);
    let variable =
        |(name, value): (&String, &String)| EnvironmentVariable { name: name.clone(), value: value.clone() };
    let exec = ExecRequest {
        argv,
        cwd: bytes::Bytes::from(cwd),
        env: request.env.iter().map(variable).collect(),
        pty,
        name: name.clone(),
        stdin: request.stdin,
        tag: app_tag(role),
    };
    let started = link.client.clone().exec(exec).await;
    let started = started.map_err(|s| agent_problem("starting the program", &s))?.into_inner();
    Ok(Process {
        id: started.process.parse()?,
        workspace: request.id.clone(),
        name,
        role,
        command: if request.argv.is_empty() { link.hello.shell.clone() } else { request.argv.join(" ") },
        terminal: request.terminal.is_some(),
        bytes: 0,
        exit: None,
    })
}

pub(crate) async fn resize(link: &AgentLink, request: &Resize) -> Result<Nothing, Problem> {
    let size = Some(agent_size(request.size)?);
    let resize = slipway_agent_api::v1::ResizeRequest { process: request.process.to_string(), size };
    let done = link.client.clone().resize(resize).await;
    done.map_err(|s| agent_problem("changing the terminal's size", &s))?;
    Ok(Nothing {})
}

/// A signal's number, checked.
fn number(signal: i32) -> Result<i32, Problem> {
    if (1..=64).contains(&signal) {
        return Ok(signal);
    }
    Err(Problem::new(Code::Invalid, format!("{signal} is not a signal's number.")))
}

pub(crate) async fn signal(link: &AgentLink, request: &Signal) -> Result<Nothing, Problem> {
    let scope = if request.tree { Scope::Tree } else { Scope::Foreground };
    let signal = SignalRequest {
        process: request.process.to_string(),
        signal: number(request.signal)?,
        scope: scope.into(),
    };
    link.client.clone().signal(signal).await.map_err(|s| agent_problem("sending a signal", &s))?;
    Ok(Nothing {})
}

/// Ends a process and drops its transcript.
pub(crate) async fn close(link: &AgentLink, request: &ProcessRef) -> Result<Nothing, Problem> {
    hang_up(link, &request.process).await?;
    let forget = ForgetRequest { process: request.process.to_string() };
    link.client.clone().forget(forget).await.map_err(|s| agent_problem("closing the terminal", &s))?;
    Ok(Nothing {})
}
