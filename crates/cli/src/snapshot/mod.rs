//! `slipway snapshot`: one request each, and snapshots in words. What may be taken, started or deleted is the engine's to
//! say.

mod show;
mod transfer;
mod work;

use slipway_wire::{
    Api as _, Code as Why, Nothing, Problem, Snapshot, SnapshotCreate, SnapshotEdit, SnapshotRef,
    SnapshotStart,
};
use std::time::Instant;

use crate::{
    args::{Create, Edit, Remove, SnapshotArgs, StartSnapshot, Verb},
    deploy,
    exit::{self, Code, Failure},
    list::json,
    out,
    session::Session,
    text,
};
use work::Work;

pub(crate) async fn run(args: SnapshotArgs) -> Result<Code, Failure> {
    match args.verb {
        Verb::Create(args) => create(args).await,
        Verb::Ls(args) => show::list(args).await,
        Verb::Show(args) => show::one(args).await,
        Verb::Start(args) => start(*args).await,
        Verb::Edit(args) => edit(args).await,
        Verb::Rm(args) => remove(args).await,
        Verb::Export(args) => transfer::export(args).await,
        Verb::Import(args) => transfer::import(args).await,
    }
}

async fn create(args: Create) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let workspace = session.find(&args.id).await?.id;
    let request =
        SnapshotCreate { workspace: workspace.clone(), name: args.name, note: args.note, force: args.force };
    let work = Work::begin(&session, args.json).await?;
    let ours = |snapshot: &Snapshot| snapshot.workspace.as_ref() == Some(&workspace);
    let made = work.until(ours, session.api.snapshot_create(request)).await?;
    tell(&made, args.json, "taken")
}

/// Says that a snapshot is there: its id on standard output.
fn tell(snapshot: &Snapshot, as_json: bool, how: &str) -> Result<Code, Failure> {
    if as_json {
        out::line(&json(&show::Row::from(snapshot))?)?;
    } else {
        let paint = text::Paint::stderr();
        let (name, size) = (paint.bold(&text::clean(&snapshot.name)), text::size(snapshot.bytes));
        out::note(&format!("{} {name} is {how}, {size}", paint.green("✓")));
        out::line(snapshot.id.as_str())?;
    }
    Ok(Code::OK)
}

async fn start(args: StartSnapshot) -> Result<Code, Failure> {
    let begun = Instant::now();
    let env = deploy::environment(&args.terms.env, &args.terms.env_file)?;
    let session = Session::open().await?;
    let request = SnapshotStart {
        id: find(&session, &args.id).await?.id,
        name: args.name,
        duration_s: args.terms.duration.map(crate::args::Life::seconds),
        env,
        preset: args.terms.preset.map(Into::into),
        network: args.terms.network.map(Into::into),
        restart: args.terms.restart.map(Into::into),
        force: args.terms.force,
    };
    // Before the start begins, so that nothing of it is missed.
    let events = session.client.events(None).await?;
    let workspace = session.api.snapshot_start(request).await?;
    deploy::tell(session, events, workspace, begun, &args.terms).await
}

async fn edit(args: Edit) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = find(&session, &args.id).await?.id;
    let edited = session.api.snapshot_edit(SnapshotEdit { id, name: args.name, note: args.note }).await?;
    out::line(edited.id.as_str())?;
    Ok(Code::OK)
}

/// Each is tried; the first failure decides the exit code.
async fn remove(args: Remove) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut code = Code::OK;
    for text in &args.ids {
        let removed = async {
            let id = find(&session, text).await?.id;
            session.api.snapshot_remove(SnapshotRef { id: id.clone() }).await.map(|_| id)
        };
        match removed.await {
            Ok(id) => out::line(id.as_str())?,
            Err(problem) => {
                exit::explain(&problem);
                code = if code == Code::OK { Code::from(&problem) } else { code };
            }
        }
    }
    Ok(code)
}

/// The snapshot that `text` names: by its id, its name, or the beginning of its id.
async fn find(session: &Session, text: &str) -> Result<Snapshot, Problem> {
    pick(session.api.snapshot_list(Nothing {}).await?, text)
}

fn pick(all: Vec<Snapshot>, text: &str) -> Result<Snapshot, Problem> {
    if let Some(exact) =
        all.iter().find(|s| s.id.as_str() == text).or_else(|| all.iter().find(|s| s.name == text))
    {
        return Ok(exact.clone());
    }
    let mut begun = all.into_iter().filter(|s| !text.is_empty() && s.id.as_str().starts_with(text));
    match (begun.next(), begun.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Problem::new(Why::NotFound, format!("There is no snapshot {text:?}."))
            .hint("`slipway snapshot ls` lists what there is.")),
        (Some(one), Some(other)) => {
            Err(Problem::new(Why::Invalid, format!("{text:?} may be {}, {} or more.", one.id, other.id))
                .hint("Write more of the id."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_wire::{NetworkProfile, Preset, SnapshotState};

    pub(super) fn snapshot(id: &str, name: &str) -> Snapshot {
        Snapshot {
            id: id.parse().unwrap(),
            name: name.into(),
            note: String::new(),
            state: SnapshotState::Ready,
            progress: None,
            created_at_ms: 1_700_000_000_000,
            imported: false,
            workspace: None,
            workspace_name: "shop".into(),
            image: "node:24-alpine".into(),
            plan: None,
            root: "/workspace".into(),
            port: None,
            preset: Preset::Medium,
            network: NetworkProfile::Strict,
            bytes: 7,
            used_by: Vec::new(),
        }
    }

    #[test]
    fn a_snapshot_is_found_by_id_name_or_beginning() {
        let all =
            vec![snapshot("shop-a1", "before"), snapshot("shop-b2", "shop-a1"), snapshot("docs-c3", "after")];
        for (text, wanted) in
            [("shop-a1", "shop-a1"), ("before", "shop-a1"), ("docs", "docs-c3"), ("after", "docs-c3")]
        {
            assert_eq!(pick(all.clone(), text).unwrap().id.as_str(), wanted, "{text}");
        }
        for (text, code) in [("shop", Why::Invalid), ("x", Why::NotFound), ("", Why::NotFound)] {
            assert_eq!(pick(all.clone(), text).unwrap_err().code, code, "{text}");
        }
    }
}
