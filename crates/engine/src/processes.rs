//! Processes of a workspace that have a transcript, through its agent: listing, starting, signals, the end. What the agent
//! answers is hostile input: bounded and made plain before anybody sees it.

use slipway_agent_api::v1::{
    self, EnvironmentVariable, ExecRequest, ForgetRequest, Process as AgentProcess, ProcessesRequest,
    SignalRequest, signal_request::Scope,
};
use slipway_wire::{
    Code, ContainerProcess, KillRequest, Killed, Nothing, OpenProcess, Problem, Process, ProcessRef,
    ProcessRole, ProcessTree, Resize, RestartProcess, Signal, TreeRequest, WindowSize, WorkspaceId,
};

use crate::{
    agent_link::{AgentLink, agent_problem},
    attachment::agent_size,
    deploy::{HEALTH_TAG, app_tag, exit_view, hang_up, role_of},
    workspace::Handle,
};

/// How the agent is told of a program that goes on by itself: its output is kept, also by the next owner.
pub(crate) const DETACHED_TAG: &str = "detached";
/// Over how long processor time is measured where nobody says, milliseconds.
const SAMPLE_MS: u32 = 500;
/// Longest path, bytes: the kernel's.
const MOST_PATH: usize = 4096;
/// Characters shown of a command.
const COMMAND: usize = 1000;
/// How long an agent may take beyond the sample.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What an agent answers, unless it takes too long.
async fn within<T>(
    patience: std::time::Duration,
    asked: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
        Err(Problem::new(Code::AgentLost, "The workspace does not answer.")
            .hint("It may be short of processor time; `slipway stats` shows what it uses."))
    })
}

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

/// Starts a process; its environment has been checked. So many bytes of its latest output are kept in the container.
pub(crate) async fn open(handle: &Handle, request: &OpenProcess, history: u64) -> Result<Process, Problem> {
    let role = if request.terminal.is_some() { ProcessRole::Terminal } else { ProcessRole::Exec };
    start(handle, request, role, app_tag(role), history).await
}

/// Starts one that goes on by itself, without a terminal and without input.
pub(crate) async fn detach(handle: &Handle, request: &OpenProcess) -> Result<Process, Problem> {
    let alone = OpenProcess { terminal: None, stdin: false, ..request.clone() };
    // Its log keeps what it prints.
    start(handle, &alone, ProcessRole::Exec, DETACHED_TAG.to_owned(), 0).await
}

async fn start(
    handle: &Handle,
    request: &OpenProcess,
    role: ProcessRole,
    tag: String,
    history: u64,
) -> Result<Process, Problem> {
    let link = handle.agent()?;
    handle.activity().note();
    let pty = request.terminal.map(agent_size).transpose()?;
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
        tag,
        history,
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

/// Starts again what a terminal or a program a person ran was. True: one that goes on by itself.
pub(crate) async fn restart(handle: &Handle, request: &RestartProcess) -> Result<(Process, bool), Problem> {
    let link = handle.agent()?;
    handle.activity().note();
    let pty = Some(agent_size(request.terminal.unwrap_or(WindowSize { columns: 80, rows: 24 }))?);
    let all = link.client.clone().processes(ProcessesRequest {}).await;
    let all = all.map_err(|s| agent_problem("listing programs", &s))?.into_inner().processes;
    let unknown = || {
        Problem::new(Code::NotFound, format!("Process {} is not known any more.", request.process))
            .hint("Open a new terminal.")
    };
    let before = all.iter().find(|one| one.process == request.process.as_str()).ok_or_else(unknown)?;
    let view = process_view(&request.id, before).ok_or_else(unknown)?;
    if !matches!(view.role, ProcessRole::Terminal | ProcessRole::Exec) {
        return Err(Problem::new(Code::WrongState, "That is a step of the workspace's plan.")
            .hint("Deploy again from that step on."));
    }
    let folder = request.folder.clone().unwrap_or_default();
    if folder.len() > MOST_PATH {
        return Err(Problem::new(Code::Invalid, "The folder's path is over 4,096 bytes."));
    }
    let again = v1::AgainRequest { process: before.process.clone(), cwd: bytes::Bytes::from(folder), pty };
    let started = link.client.clone().again(again).await;
    let started = started.map_err(|s| newer("starting it again", &s))?.into_inner();
    let process = Process { id: started.process.parse()?, bytes: 0, exit: None, ..view };
    Ok((process, before.tag == DETACHED_TAG))
}

pub(crate) async fn resize(link: &AgentLink, request: &Resize) -> Result<Nothing, Problem> {
    let size = Some(agent_size(request.size)?);
    let resize = slipway_agent_api::v1::ResizeRequest { process: request.process.to_string(), size };
    within(PATIENCE, async {
        let done = link.client.clone().resize(resize).await;
        done.map(|_| Nothing {}).map_err(|s| agent_problem("changing the terminal's size", &s))
    })
    .await
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
    within(PATIENCE, async {
        let sent = link.client.clone().signal(signal).await;
        sent.map(|_| Nothing {}).map_err(|s| agent_problem("sending a signal", &s))
    })
    .await
}

/// Ends a process and drops its transcript.
pub(crate) async fn close(link: &AgentLink, request: &ProcessRef) -> Result<Nothing, Problem> {
    within(PATIENCE, async {
        hang_up(link, &request.process).await?;
        let forget = ForgetRequest { process: request.process.to_string() };
        let done = link.client.clone().forget(forget).await;
        done.map(|_| Nothing {}).map_err(|s| agent_problem("closing the terminal", &s))
    })
    .await
}

/// Every process of the container.
pub(crate) async fn tree(link: &AgentLink, request: &TreeRequest) -> Result<ProcessTree, Problem> {
    let sample_ms = request.sample_ms.unwrap_or(SAMPLE_MS);
    if sample_ms > 5000 {
        return Err(Problem::new(Code::Invalid, "Processor time is measured over at most 5,000 ms."));
    }
    let patience = std::time::Duration::from_millis(sample_ms.into()) + PATIENCE;
    let asked = async {
        let reply = link.client.clone().tree(v1::TreeRequest { sample_ms }).await;
        reply.map_err(|s| newer("listing processes", &s))
    };
    let reply = within(patience, asked).await?.into_inner();
    let processes = reply.processes.iter().take(4096).map(seen).collect();
    Ok(ProcessTree { processes, cut: reply.cut })
}

/// Signals a process by its number.
pub(crate) async fn kill(link: &AgentLink, request: &KillRequest) -> Result<Killed, Problem> {
    let kill = v1::KillRequest {
        pid: request.pid,
        signal: number(request.signal)?,
        tree: request.tree,
        born: request.born.unwrap_or(0),
    };
    within(PATIENCE, async {
        let reply = link.client.clone().kill(kill).await.map_err(|s| newer("sending a signal", &s))?;
        Ok(Killed { signalled: reply.into_inner().signalled })
    })
    .await
}

/// An agent from before these calls were there says so.
fn newer(doing: &str, status: &tonic::Status) -> Problem {
    if status.code() == tonic::Code::Unimplemented {
        return Problem::new(
            Code::WrongState,
            "The container was made by an older Slipway, whose agent cannot do this.",
        )
        .hint("Deploy the project again: the image is prepared anew by itself.");
    }
    agent_problem(doing, status)
}

/// A process as the agent tells of it, made plain.
fn seen(told: &v1::ContainerProcess) -> ContainerProcess {
    let name = shown(&told.name, 64);
    let words: Vec<&[u8]> = told.command_line.split(|byte| *byte == 0).collect();
    let words = words.strip_suffix(&[&b""[..]]).unwrap_or(&words);
    let mut command = words.iter().map(|word| shown(word, COMMAND + 1)).collect::<Vec<_>>().join(" ");
    if words.iter().all(|word| word.is_empty()) {
        // A kernel thread or one that wiped its arguments: as ps shows it.
        command = format!("[{name}]");
    }
    let long = told.command_cut || command.chars().count() > COMMAND;
    let mut command: String = command.chars().take(COMMAND).collect();
    if long {
        command.push('…');
    }
    ContainerProcess {
        pid: told.pid,
        parent: told.parent,
        user: if told.user.is_empty() { told.uid.to_string() } else { shown(told.user.as_bytes(), 32) },
        state: u8::try_from(told.state)
            .ok()
            .filter(u8::is_ascii_alphabetic)
            .map_or('?', char::from)
            .to_string(),
        cpu_percent: f64::from(told.cpu_permille) / 10.0,
        cpu_ms: told.cpu_ms,
        memory_bytes: told.memory_bytes,
        threads: told.threads,
        age_ms: told.started_ms_ago,
        ports: told.ports.iter().take(64).filter_map(|port| u16::try_from(*port).ok()).collect(),
        name,
        command,
        process: told.process.parse().ok(),
        born: told.born,
    }
}

/// Foreign bytes as text: controls and marks that turn the direction are escaped as in a string, `\n`, `\u{1b}`.
fn shown(bytes: &[u8], most: usize) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars().take(most) {
        if steers(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_does_not_answer_is_not_waited_for_for_ever() {
        let problem = within::<()>(PATIENCE, std::future::pending()).await.unwrap_err();
        assert_eq!(problem.code, Code::AgentLost);
    }

    #[test]
    fn hostile_arguments_are_shown_escaped_and_bounded() {
        let told = |line: &[u8]| {
            let line = bytes::Bytes::copy_from_slice(line);
            v1::ContainerProcess {
                command_line: line,
                name: "na\nme".into(),
                state: 27,
                uid: 7,
                ..Default::default()
            }
        };
        let process = seen(&told(b"sh\0-c\0echo\n\x1b]0;x\x07\xff\xe2\x80\xae\0"));
        assert_eq!(process.command, "sh -c echo\\n\\u{1b}]0;x\\u{7}\u{fffd}\\u{202e}");
        assert_eq!(
            (process.name.as_str(), process.user.as_str(), process.state.as_str()),
            ("na\\nme", "7", "?")
        );
        assert_eq!(seen(&told(b"")).command, "[na\\nme]");
        assert_eq!(seen(&told(b"\0\0")).command, "[na\\nme]");
        assert_eq!(seen(&told(&[b'x'; 5000])).command.chars().count(), COMMAND + 1);
    }
}
