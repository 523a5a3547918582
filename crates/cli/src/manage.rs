//! `slipway stop`, `start`, `restart`, `rm`: one request each. Of several workspaces each is tried; the first
//! failure decides the exit code.

use crate::{
    args::{Many, One, Rm},
    deploy::{self, Follow, Human, Lines, Show},
    exit::{self, Code, Failure},
    out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, Nothing, Workspace, WorkspaceRef, WorkspaceState};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    time::Instant,
};

pub(crate) async fn stop(args: Many) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut code = Code::OK;
    for text in &args.ids {
        let stopped = async {
            let id = session.find(text).await?.id;
            Ok(session.api.workspace_stop(WorkspaceRef { id }).await?)
        };
        code = tell(code, stopped.await)?;
    }
    Ok(code)
}

/// Prints a workspace's id, or words its failure and goes on.
fn tell(so_far: Code, done: Result<Workspace, Failure>) -> Result<Code, Failure> {
    match done {
        Ok(workspace) => {
            out::line(workspace.id.as_str())?;
            Ok(so_far)
        }
        Err(Failure::Problem(problem)) => {
            exit::explain(&problem);
            Ok(if so_far == Code::OK { Code::from(&problem) } else { so_far })
        }
        Err(other) => Err(other),
    }
}

pub(crate) async fn start(args: One) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let workspace = session.find(&args.id).await?;
    run_again(session, workspace, args.json).await
}

pub(crate) async fn restart(args: One) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut workspace = session.find(&args.id).await?;
    if workspace.state != WorkspaceState::Stopped {
        workspace = session.api.workspace_stop(WorkspaceRef { id: workspace.id }).await?;
    }
    run_again(session, workspace, args.json).await
}

async fn run_again(session: Session, workspace: Workspace, json: bool) -> Result<Code, Failure> {
    let begun = Instant::now();
    let events = session.client.events(None).await?;
    let mut show: Box<dyn Show> = if json { Box::new(Lines::default()) } else { Box::new(Human::new()) };
    show.before(&workspace);
    let workspace = session.api.workspace_start(WorkspaceRef { id: workspace.id }).await?;
    let ended = Follow::new(session.clone(), events, workspace).finish(show.as_mut()).await?;
    deploy::finish(&session, ended, begun, json, false).await
}

pub(crate) async fn remove(args: Rm) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut code = Code::OK;
    let mut found = Vec::new();
    if args.all {
        found = session.api.workspace_list(Nothing {}).await?;
        found.retain(|workspace| workspace.state != WorkspaceState::Deleted);
    }
    for text in &args.ids {
        match session.find(text).await {
            Ok(workspace) => found.push(workspace),
            Err(failure) => code = tell(code, Err(failure))?,
        }
    }
    if found.is_empty() {
        if args.all {
            out::note("There is nothing to remove.");
        }
        return Ok(code);
    }
    if !args.yes && !agreed(&found)? {
        return Err(Failure::Said(Code::INTERRUPTED));
    }
    for workspace in found {
        let removed = session.api.workspace_remove(WorkspaceRef { id: workspace.id }).await;
        code = tell(code, removed.map_err(Failure::from))?;
    }
    Ok(code)
}

/// Asks on a terminal. Without one there is nobody to ask: naming workspaces is enough there.
fn agreed(found: &[Workspace]) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let names: Vec<String> = found.iter().map(|w| format!("{} ({})", w.id, text::clean(&w.name))).collect();
    let mut err = std::io::stderr().lock();
    write!(err, "Delete {} and everything in it? [y/N] ", names.join(", "))?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
