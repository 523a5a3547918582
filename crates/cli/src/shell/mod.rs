//! `slipway shell`: a program in a workspace with this terminal, or with these pipes, as its own. Ends with the
//! program's exit code.

mod pipes;
mod terminal;

use crate::{
    args::Shell,
    exit::{self, Code, Failure},
    session::Session,
};
use slipway_wire::{Api as _, Code as Why, OpenProcess, Problem, ProcessExit, ProcessRef};
use std::{collections::BTreeMap, io::IsTerminal as _};

pub(crate) async fn run(args: Shell) -> Result<Code, Failure> {
    let mut env = BTreeMap::new();
    for pair in &args.env {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("--env {pair}: write KEY=VALUE.")))?;
        env.insert(key.to_owned(), value.to_owned());
    }
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
    let process = match session.api.process_open(request).await {
        // The workspace is there, so it is the command that is not: as a shell ends then.
        Err(problem) if problem.code == Why::NotFound => {
            exit::explain(&problem);
            return Ok(Code::COMMAND_NOT_FOUND);
        }
        other => other?,
    };
    let process = ProcessRef { id: process.workspace, process: process.id };
    let ended = match size {
        Some(size) => terminal::run(&session, &process, size).await,
        None => pipes::run(&session, &process).await,
    };
    // Its transcript was shown here; nobody asks for it again.
    match session.api.process_close(process).await {
        Ok(_) | Err(Problem { code: Why::NotFound, .. }) => {}
        Err(problem) => tracing::debug!(%problem, "the process's transcript stays"),
    }
    ended
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
