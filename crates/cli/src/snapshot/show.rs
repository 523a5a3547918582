//! Snapshots in words: `slipway snapshot ls` and `show`. Filtering and sorting only what the engine listed.

use serde::Serialize;
use slipway_wire::{Api as _, Nothing, Snapshot, SnapshotId, SnapshotState, SnapshotWork, WorkspaceId};

use super::find;
use crate::{
    args::{ListSnapshots, Sort, Which},
    exit::{Code, Failure},
    list::json,
    out,
    session::Session,
    text,
};

/// What `--json` gives for a snapshot. Scripts rely on exactly these fields.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    id: &'a SnapshotId,
    name: &'a str,
    note: &'a str,
    state: SnapshotState,
    created_at: String,
    bytes: u64,
    image: &'a str,
    workspace: &'a str,
    used_by: &'a [WorkspaceId],
}

impl<'a> From<&'a Snapshot> for Row<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            id: &snapshot.id,
            name: &snapshot.name,
            note: &snapshot.note,
            state: snapshot.state,
            created_at: text::rfc3339(snapshot.created_at_ms),
            bytes: snapshot.bytes,
            image: &snapshot.image,
            workspace: snapshot.workspace.as_ref().map_or(&snapshot.workspace_name, |id| id.as_str()),
            used_by: &snapshot.used_by,
        }
    }
}

pub(super) async fn list(args: ListSnapshots) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let all = chosen(session.api.snapshot_list(Nothing {}).await?, &args);
    if args.json {
        out::line(&json(&all.iter().map(Row::from).collect::<Vec<_>>())?)?;
    } else if args.quiet {
        for snapshot in &all {
            out::line(snapshot.id.as_str())?;
        }
    } else if all.is_empty() {
        out::note("No snapshots. `slipway snapshot create WORKSPACE` takes one.");
    } else {
        out::bytes(table(&all).as_bytes())?;
    }
    Ok(Code::OK)
}

fn chosen(mut all: Vec<Snapshot>, args: &ListSnapshots) -> Vec<Snapshot> {
    if let Some(words) = args.text.as_deref().map(str::to_lowercase) {
        all.retain(|s| {
            [s.name.as_str(), s.id.as_str(), &s.note, &s.image, &s.workspace_name]
                .iter()
                .any(|text| text.to_lowercase().contains(&words))
        });
    }
    match args.sort {
        Sort::Created => all.sort_by_key(|s| std::cmp::Reverse(s.created_at_ms)),
        Sort::Name => all.sort_by_key(|s| s.name.to_lowercase()),
        Sort::Size => all.sort_by_key(|s| std::cmp::Reverse(s.bytes)),
    }
    if args.reverse {
        all.reverse();
    }
    all.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    all
}

fn table(all: &[Snapshot]) -> String {
    let paint = text::Paint::stdout();
    let heads = ["ID", "NAME", "STATE", "TAKEN", "SIZE", "IMAGE", "USED BY", "NOTE"];
    let mut rows = vec![heads.map(|head| paint.bold(head)).to_vec()];
    for snapshot in all {
        let used: Vec<&str> = snapshot.used_by.iter().map(WorkspaceId::as_str).collect();
        rows.push(vec![
            snapshot.id.to_string(),
            text::clean(&snapshot.name),
            state(snapshot, paint),
            text::relative(snapshot.created_at_ms),
            size(snapshot.bytes),
            text::clean(&snapshot.image),
            if used.is_empty() { "-".to_owned() } else { used.join(",") },
            text::clean(snapshot.note.lines().next().unwrap_or_default()),
        ]);
    }
    text::table(&rows)
}

fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { text::size(bytes) }
}

/// Where it stands, or what is under way with it.
fn state(snapshot: &Snapshot, paint: text::Paint) -> String {
    if let Some(progress) = &snapshot.progress {
        return paint.cyan(work_word(progress.work));
    }
    match snapshot.state {
        SnapshotState::Ready => paint.green("ready"),
        SnapshotState::Making => paint.cyan("making"),
        SnapshotState::Gone => paint.red("gone"),
    }
}

/// What is under way, as a word.
pub(super) fn work_word(work: SnapshotWork) -> &'static str {
    match work {
        SnapshotWork::Take => "taking",
        SnapshotWork::Export => "exporting",
        SnapshotWork::Check => "checking",
        SnapshotWork::Import => "importing",
    }
}

pub(super) async fn one(args: Which) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let snapshot = find(&session, &args.id).await?;
    if args.json {
        out::line(&json(&snapshot)?)?;
        return Ok(Code::OK);
    }
    let paint = text::Paint::stdout();
    let origin = if snapshot.imported { "imported, taken of" } else { "taken of" };
    let mut rows = vec![
        ("id", snapshot.id.to_string()),
        ("name", text::clean(&snapshot.name)),
        ("state", state(&snapshot, paint)),
        (origin, text::clean(&snapshot.workspace_name)),
        ("taken", text::rfc3339(snapshot.created_at_ms)),
        ("size", size(snapshot.bytes)),
        ("image", text::clean(&snapshot.image)),
        ("folder", text::clean(&snapshot.root)),
        ("network", format!("{:?}", snapshot.network).to_lowercase()),
    ];
    for step in snapshot.plan.iter().flat_map(|plan| &plan.steps) {
        rows.push((step.phase.word(), text::clean(&step.command)));
    }
    for user in &snapshot.used_by {
        rows.push(("used by", user.to_string()));
    }
    for line in snapshot.note.lines() {
        rows.push(("note", text::clean(line)));
    }
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(head, value)| vec![paint.bold(head), value]).collect();
    out::bytes(text::table(&rows).as_bytes())?;
    Ok(Code::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::{Cli, Command, Verb},
        snapshot::tests::snapshot,
    };
    use clap::Parser as _;

    #[test]
    fn the_json_has_exactly_the_promised_fields() {
        assert_eq!(
            serde_json::to_string(&Row::from(&snapshot("shop-a1", "before"))).unwrap(),
            r#"{"id":"shop-a1","name":"before","note":"","state":"ready","created_at":"2023-11-14T22:13:20Z","bytes":7,"image":"node:24-alpine","workspace":"shop","used_by":[]}"#
        );
    }

    #[test]
    fn a_listing_is_filtered_sorted_and_cut() {
        let all = || {
            let (mut a, mut b, mut c) =
                (snapshot("a-1", "Beta"), snapshot("b-2", "alpha"), snapshot("c-3", "gamma"));
            (a.bytes, b.bytes, c.bytes) = (3, 1, 2);
            (a.created_at_ms, b.created_at_ms, c.created_at_ms) = (1, 3, 2);
            c.note = "Needle".into();
            vec![a, b, c]
        };
        for (words, wanted) in [
            (&[][..], "b-2 c-3 a-1"),
            (&["--sort", "name"], "b-2 a-1 c-3"),
            (&["--sort", "size"], "a-1 c-3 b-2"),
            (&["--sort", "size", "--reverse", "--limit", "2"], "b-2 c-3"),
            (&["--text", "needle"], "c-3"),
        ] {
            let cli = Cli::try_parse_from([&["slipway", "snapshot", "ls"], words].concat()).unwrap();
            let Command::Snapshot(args) = cli.command else { panic!("{words:?}") };
            let Verb::Ls(args) = args.verb else { panic!("{words:?}") };
            let ids: Vec<String> = chosen(all(), &args).iter().map(|s| s.id.to_string()).collect();
            assert_eq!(ids.join(" "), wanted, "{words:?}");
        }
    }
}
