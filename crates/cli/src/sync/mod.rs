//! `slipway sync`: asks the owner to keep two folders alike and follows what it tells. The sync runs in the owner; ending
//! this command with Ctrl-C ends it there too.

mod show;

use slipway_http::Events;
use slipway_wire::{
    Api as _, Code as Why, EventBody, LiveSync, Nothing, Problem, SyncId, SyncRef, SyncStart, SyncState,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    args::Sync as Args,
    exit::{Code, Failure},
    interrupts::Interrupts,
    list::json,
    out,
    session::Session,
    text,
};
use show::Show;

/// How long the owner may be away.
const PATIENCE: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: Args) -> Result<Code, Failure> {
    let session = Session::open().await?;
    if args.list {
        return list(&session, args.json).await;
    }
    if let Some(which) = &args.stop {
        return stop(&session, which).await;
    }
    let (Some(dir), Some(workspace)) = (&args.dir, &args.workspace) else {
        return Err(Failure::usage("Name a folder and a workspace."));
    };
    let request = request(&session, &args, dir, workspace).await?;
    if args.dry_run {
        let preview = session.api.sync_preview(request).await?;
        return Ok(show::preview(&preview, args.json)?);
    }
    // Before it begins, so that nothing of it is missed.
    let events = session.client.events(None).await?;
    let interrupts = Interrupts::listen()?;
    let begun = session.api.sync_start(request).await?;
    if args.detach {
        return Ok(show::detached(&begun, args.json)?);
    }
    let show = Show::begin(&begun, args.json, args.once);
    Following { session, events, interrupts, show, id: begun.id, once: args.once }.run().await
}

async fn request(session: &Session, args: &Args, dir: &Path, workspace: &str) -> Result<SyncStart, Failure> {
    let (name, path) = match workspace.split_once(':') {
        Some((name, path)) => (name, Some(path).filter(|path| !path.is_empty())),
        None => (workspace, None),
    };
    let found = session.find(name).await?;
    let root = path
        .map(|path| if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", found.root) });
    let dir = std::path::absolute(dir)?;
    let dir =
        dir.to_str().ok_or_else(|| Failure::usage(format!("{} is not text.", dir.display())))?.to_owned();
    Ok(SyncStart { workspace: found.id, dir, root, both: args.both, once: args.once })
}

async fn list(session: &Session, as_json: bool) -> Result<Code, Failure> {
    let all = session.api.sync_list(Nothing {}).await?;
    if as_json {
        out::line(&json(&all)?)?;
    } else if all.is_empty() {
        out::note("Nothing is kept in sync. `slipway sync DIR WORKSPACE` begins.");
    } else {
        out::bytes(show::table(&all).as_bytes())?;
    }
    Ok(Code::OK)
}

async fn stop(session: &Session, which: &str) -> Result<Code, Failure> {
    let all = session.api.sync_list(Nothing {}).await?;
    let folder = Path::new(which).canonicalize().ok();
    let named = |sync: &LiveSync| {
        sync.id.as_str() == which
            || folder.as_deref() == Some(Path::new(&sync.dir))
            || sync.workspace.as_str() == which
    };
    let mut meant: Vec<&LiveSync> = all.iter().filter(|sync| named(sync)).collect();
    if meant.is_empty()
        && let Ok(workspace) = session.find(which).await
    {
        meant = all.iter().filter(|sync| sync.workspace == workspace.id).collect();
    }
    if meant.is_empty() {
        return Err(Problem::new(Why::NotFound, format!("Nothing named {which:?} is kept in sync."))
            .hint("`slipway sync --list` lists what is.")
            .into());
    }
    for sync in meant {
        session.api.sync_stop(SyncRef { id: sync.id.clone() }).await?;
        out::note(&format!("{} and {} are no longer kept alike.", text::clean(&sync.dir), sync.workspace));
    }
    Ok(Code::OK)
}

/// A sync that is shown while it runs.
struct Following {
    session: Session,
    events: Events,
    interrupts: Interrupts,
    show: Show,
    id: SyncId,
    once: bool,
}

impl Following {
    async fn run(mut self) -> Result<Code, Failure> {
        // What came between its start and now.
        let mut view = self.session.api.sync_status(SyncRef { id: self.id.clone() }).await?;
        loop {
            self.show.view(&view)?;
            match view.state {
                SyncState::Stopped => {
                    self.show.end(&view)?;
                    return Ok(if self.once && view.waiting > 0 { Code::FAILED } else { Code::OK });
                }
                SyncState::Halted => {
                    self.show.clear();
                    let unsaid = || Problem::new(Why::Internal, "The sync was halted.");
                    return Err(view.problem.unwrap_or_else(unsaid).into());
                }
                _ => {}
            }
            view = tokio::select! {
                next = next(&mut self.events, &self.session, &self.id) => match next {
                    Ok(view) => view,
                    Err(_) => self.again().await?,
                },
                () = self.interrupts.next() => return self.interrupted().await,
            };
        }
    }

    /// The owner went away: another one goes on with the sync.
    async fn again(&mut self) -> Result<LiveSync, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = async {
                self.session = Session::at(self.session.places.clone()).await?;
                self.events = self.session.client.events(None).await?;
                Ok::<_, Failure>(self.session.api.sync_status(SyncRef { id: self.id.clone() }).await?)
            };
            match found.await {
                Ok(view) => return Ok(view),
                Err(failure) if Instant::now() >= deadline => return Err(failure),
                Err(_) => tokio::time::sleep(BETWEEN).await,
            }
        }
    }

    async fn interrupted(mut self) -> Result<Code, Failure> {
        self.show.clear();
        let ended = self.session.api.sync_stop(SyncRef { id: self.id.clone() });
        tokio::select! {
            ended = ended => self.show.end(&ended?)?,
            // Pressed again: it is left to itself.
            () = self.interrupts.next() => {}
        }
        Ok(Code::INTERRUPTED)
    }
}

/// The next that is told of a sync.
async fn next(events: &mut Events, session: &Session, id: &SyncId) -> Result<LiveSync, Problem> {
    loop {
        match events.next().await?.body {
            EventBody::Sync(view) if view.id == *id => return Ok(*view),
            EventBody::Gap => return session.api.sync_status(SyncRef { id: id.clone() }).await,
            _ => {}
        }
    }
}
