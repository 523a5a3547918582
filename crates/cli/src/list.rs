//! `slipway ps`: every workspace, one per line.

use crate::{
    args::Ps,
    exit::{Code, Failure},
    out,
    session::Session,
    text,
};
use serde::Serialize;
use slipway_wire::{Api as _, Nothing, Workspace, WorkspaceId, WorkspaceState};

/// What `ps --json` gives for a workspace. Scripts rely on exactly these fields.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a WorkspaceId,
    name: &'a str,
    state: WorkspaceState,
    url: Option<&'a str>,
    expires_at: Option<String>,
    image: &'a str,
}

impl<'a> From<&'a Workspace> for Row<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        Self {
            id: &workspace.id,
            name: &workspace.name,
            state: workspace.state,
            url: workspace.url.as_deref(),
            expires_at: workspace.lease.expires_at_ms.map(text::rfc3339),
            image: &workspace.image,
        }
    }
}

pub(crate) async fn run(args: Ps) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut all = session.api.workspace_list(Nothing {}).await?;
    if !args.all {
        all.retain(|w| !matches!(w.state, WorkspaceState::Deleted | WorkspaceState::Terminated));
    }
    if args.json {
        let rows: Vec<Row<'_>> = all.iter().map(Row::from).collect();
        out::line(&json(&rows)?)?;
    } else if args.quiet {
        for workspace in &all {
            out::line(workspace.id.as_str())?;
        }
    } else if all.is_empty() {
        out::note("No workspaces. `slipway deploy ZIP` makes one.");
    } else {
        out::bytes(words(&all).as_bytes())?;
    }
    Ok(Code::OK)
}

/// Plain data always becomes JSON; a failure would be a mistake of ours.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|e| {
        slipway_wire::Problem::new(
            slipway_wire::Code::Internal,
            format!("The answer could not be written: {e}."),
        )
        .into()
    })
}

fn words(all: &[Workspace]) -> String {
    let paint = text::Paint::stdout();
    let mut rows =
        vec![["ID", "NAME", "STATE", "ENDS", "IMAGE", "URL"].map(|head| paint.bold(head)).to_vec()];
    for workspace in all {
        rows.push(vec![
            workspace.id.to_string(),
            text::clean(&workspace.name),
            coloured(workspace.state, paint),
            workspace.lease.expires_at_ms.map_or_else(|| "kept".into(), text::relative),
            text::clean(&workspace.image),
            workspace.url.as_deref().map(text::clean).unwrap_or_default(),
        ]);
    }
    text::table(&rows)
}

/// A state as a word.
pub(crate) fn state_word(state: WorkspaceState) -> &'static str {
    match state {
        WorkspaceState::Creating => "creating",
        WorkspaceState::Running => "running",
        WorkspaceState::Failed => "failed",
        WorkspaceState::Stopped => "stopped",
        WorkspaceState::Terminated => "terminated",
        WorkspaceState::Deleted => "deleted",
    }
}

/// A state as a coloured word.
pub(crate) fn coloured(state: WorkspaceState, paint: text::Paint) -> String {
    let word = state_word(state);
    match state {
        WorkspaceState::Running => paint.green(word),
        WorkspaceState::Creating => paint.cyan(word),
        WorkspaceState::Failed | WorkspaceState::Terminated => paint.red(word),
        WorkspaceState::Stopped | WorkspaceState::Deleted => paint.dim(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::workspace;

    #[test]
    fn the_json_has_exactly_the_promised_fields() {
        let mut shop = workspace("shop-a1", "shop");
        shop.lease.expires_at_ms = Some(1_700_000_000_000);
        assert_eq!(
            serde_json::to_string(&[Row::from(&shop)]).unwrap(),
            r#"[{"id":"shop-a1","name":"shop","state":"running","url":null,"expires_at":"2023-11-14T22:13:20Z","image":"node:24-alpine"}]"#
        );
    }
}
