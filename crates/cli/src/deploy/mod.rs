//! `slipway deploy`: a request made of the arguments, then its phases followed to the end. What a phase is and when
//! one failed is the engine's to say.

mod environment;
mod follow;
mod plan;
mod show;

pub(crate) use environment::collect as environment;
pub(crate) use follow::{Ended, Follow};
pub(crate) use show::{Human, Lines, Show};

use crate::{
    args::{Deploy, Terms},
    browser,
    exit::{Code, Failure},
    line::Line,
    out,
    session::Session,
    text,
};
use slipway_http::Events;
use slipway_wire::{Api as _, DeployRequest, Source, Workspace};
use std::time::Instant;

pub(crate) async fn run(args: Deploy) -> Result<Code, Failure> {
    let begun = Instant::now();
    let source = source(&args)?;
    let env = environment::collect(&args.terms.env, &args.terms.env_file)?;
    let session = Session::open().await?;
    if args.dry_run {
        return plan::show(&session, source, args.terms.json).await;
    }
    let replace = match &args.replace {
        Some(text) => Some(session.find(text).await?.id),
        None => None,
    };
    let request = DeployRequest {
        source,
        name: args.name,
        image: args.image,
        env,
        duration_s: args.terms.duration.map(crate::args::Life::seconds),
        plan: args.plan,
        root: args.root,
        preset: args.terms.preset.map(Into::into),
        network: args.terms.network.map(Into::into),
        restart: args.terms.restart.map(Into::into),
        replace,
        force: args.terms.force,
    };
    // Before the deploy begins, so that nothing of it is missed.
    let events = session.client.events(None).await?;
    let workspace = session.api.workspace_deploy(request).await?;
    tell(session, events, workspace, begun, &args.terms).await
}

/// Tells what becomes of a workspace that was just made, as far as the command line asks to know. `events` were asked
/// for before it was, so that nothing is missed.
pub(crate) async fn tell(
    session: Session,
    events: Events,
    workspace: Workspace,
    begun: Instant,
    terms: &Terms,
) -> Result<Code, Failure> {
    if terms.detach {
        if terms.json {
            Line::from(&workspace).print()?;
        } else {
            out::line(workspace.id.as_str())?;
        }
        return Ok(Code::OK);
    }
    let mut show: Box<dyn Show> =
        if terms.json { Box::new(Lines::default()) } else { Box::new(Human::new()) };
    show.accepted(&workspace);
    let ended = Follow::new(session.clone(), events, workspace).finish(show.as_mut()).await?;
    finish(&session, ended, begun, terms.json, terms.open).await
}

/// Words the end of a deploy or a start.
pub(crate) async fn finish(
    session: &Session,
    ended: Ended,
    begun: Instant,
    json: bool,
    open: bool,
) -> Result<Code, Failure> {
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match ended {
        Ended::Ready(workspace) => {
            if json {
                Line::Ready { id: &workspace.id, url: workspace.url.as_deref(), elapsed_ms }.print()?;
            } else {
                let paint = text::Paint::stderr();
                out::note(&format!(
                    "{} {} {} after {}",
                    paint.green("✓"),
                    paint.bold(&text::clean(&workspace.name)),
                    if workspace.url.is_some() { "is ready" } else { "runs, and listens on no port," },
                    text::elapsed(elapsed_ms),
                ));
                out::line(workspace.url.as_deref().unwrap_or(workspace.id.as_str()))?;
            }
            if open {
                match &workspace.url {
                    Some(url) => browser::launch(url),
                    None => out::note("It listens on no port, so there is no page to open."),
                }
            }
            Ok(Code::OK)
        }
        Ended::Failed(workspace, mut problem) => {
            if problem.detail.is_none() && !json {
                problem.detail = follow::transcript(session, &workspace).await;
            }
            if problem.hint.is_none() {
                problem.hint = Some(format!(
                    "`slipway logs {0}` shows it all; `slipway rm {0}` removes it.",
                    workspace.id
                ));
            }
            Err(problem.into())
        }
        Ended::Left => Err(Failure::Said(Code::INTERRUPTED)),
    }
}

fn source(args: &Deploy) -> Result<Source, Failure> {
    if let Some(name) = &args.sample {
        return Ok(Source::Sample { name: name.clone() });
    }
    let Some(path) = &args.source else {
        return Err(Failure::usage("Say which zip or folder to deploy."));
    };
    let absolute = path.canonicalize().map_err(|e| {
        let code = match e.kind() {
            std::io::ErrorKind::NotFound => slipway_wire::Code::NotFound,
            _ => slipway_wire::Code::Invalid,
        };
        slipway_wire::Problem::new(code, format!("{} cannot be read: {e}.", path.display()))
            .hint("Give the path of a zip file or of a folder.")
    })?;
    let path = absolute.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("{} is not text in UTF-8; rename it first.", path.to_string_lossy()))
    })?;
    Ok(Source::Path { path })
}
