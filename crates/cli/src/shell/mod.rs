//! `slipway shell`: a program in a workspace with this terminal, or with these pipes, as its own. Ends with the
//! program's exit code.

pub(crate) mod pipes;
mod terminal;

pub(crate) use terminal::size;

use crate::{
    args::Shell,
    exit::{self, Code, Failure},
    session::Session,
};
use slipway_wire::{Api as _, Code as Why, OpenProcess, Problem, Process, ProcessExit, ProcessRef};
use std::{collections::BTreeMap, io::IsTerminal as _};

pub(crate) async fn run(args: Shell) -> Result<Code, Failure> {
    let mut env = environment(&args.env)?;
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let size = if interactive { Some(terminal::size()?) } else { None };
    if size.is_some() {
        for name in ["TERM", "COLORTERM"] {
            if let (Ok(value), false) = (std::env::var(name), env.contains_key(name)) {
                env.insert(name.to_owned(), value);
            }
        }
    }
    let request =
        OpenProcess { id, argv: args.command, cwd: args.cwd, env, terminal: size, stdin: true, name: None };
    let process = match started(session.api.process_open(request).await)? {
        Ok(process) => ProcessRef { id: process.workspace, process: process.id },
        Err(code) => return Ok(code),
    };
    let ended = match size {
        Some(size) => terminal::run(&session, &process, size).await,
        None => pipes::run(&session, &process, None).await,
    };
    forget(&session, process).await;
    ended
}

/// What `--env` says.
pub(crate) fn environment(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut env = BTreeMap::new();
    for pair in pairs {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("--env {pair}: write KEY=VALUE.")))?;
        env.insert(key.to_owned(), value.to_owned());
    }
    Ok(env)
}

/// A process that was started, or the code to end with. The workspace is there, so what is not is the command: as a
/// shell ends then.
pub(crate) fn started(result: Result<Process, Problem>) -> Result<Result<Process, Code>, Failure> {
    match result {
        Err(problem) if problem.code == Why::NotFound => {
            exit::explain(&problem);
            Ok(Err(Code::COMMAND_NOT_FOUND))
        }
        other => Ok(Ok(other?)),
    }
}

/// Ends what may be left of it. Its transcript was shown here; nobody asks for it again.
pub(crate) async fn forget(session: &Session, process: ProcessRef) {
    match session.api.process_close(process).await {
        Ok(_) | Err(Problem { code: Why::NotFound, .. }) => {}
        Err(problem) => tracing::debug!(%problem, "the process's transcript stays"),
    }
}

/// The payload of an exit frame.
fn exit_of(payload: &[u8]) -> Result<ProcessExit, Failure> {
    serde_json::from_slice(payload).map_err(|e| {
        Problem::new(Why::Internal, format!("The program ended, but how could not be read: {e}.")).into()
    })
}

fn cut() -> Failure {
    Problem::new(Why::AgentLost, "The connection to the program ended before the program did.")
        .hint("`slipway status` shows whether the workspace still runs.")
        .into()
}
