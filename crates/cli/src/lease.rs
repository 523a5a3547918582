//! `slipway lease`: what can be typed, one request, and the lease in words. The workspace may stand before the verb or
//! after it. What a duration may be is the engine's to say.

use clap::{Args, Subcommand};
use serde::Serialize;
use slipway_wire::{Api as _, Lease, LeaseChange, LeaseRequest, Workspace, WorkspaceId, WorkspaceState};
use std::time::Duration;

use crate::{
    args::duration,
    exit::{Code, Failure},
    list, out,
    session::Session,
    text,
};

pub(crate) const EXAMPLES: &str = "Examples:
  slipway lease shop                 when it ends
  slipway lease extend shop 15m      in its grace, this also brings it back as it was
  slipway lease set shop 2h
  slipway lease pause shop           everything stands still, and so does the clock
  slipway lease resume shop
  slipway lease keep shop
  slipway lease expire shop          end it now
  slipway lease shop extend 15m      the workspace may come first";

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct LeaseArgs {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE", required = true)]
    pub(crate) id: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) change: Option<LeaseVerb>,
}

#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The workspace, unless it stands before the verb
    #[arg(value_name = "WORKSPACE")]
    id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LeaseVerb {
    /// When it ends
    Show(Whose),
    /// Move its end
    #[command(allow_missing_positional = true)]
    Extend {
        /// The workspace, unless it stands before the verb
        #[arg(value_name = "WORKSPACE")]
        id: Option<String>,
        /// By how much: 15m, 2h
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// End this long from now
    #[command(allow_missing_positional = true)]
    Set {
        /// The workspace, unless it stands before the verb
        #[arg(value_name = "WORKSPACE")]
        id: Option<String>,
        /// 30m, 2h
        #[arg(value_parser = duration)]
        to: Duration,
    },
    /// Stop the clock and everything in the container
    Pause(Whose),
    /// Go on with what was left
    Resume(Whose),
    /// No end
    Keep(Whose),
    /// End it now
    Expire(Whose),
}

impl LeaseVerb {
    fn parts(self) -> (Option<String>, Option<LeaseChange>) {
        match self {
            Self::Show(whose) => (whose.id, None),
            Self::Extend { id, by } => (id, Some(LeaseChange::Extend { seconds: by.as_secs() })),
            Self::Set { id, to } => (id, Some(LeaseChange::Set { seconds: to.as_secs() })),
            Self::Pause(whose) => (whose.id, Some(LeaseChange::Pause)),
            Self::Resume(whose) => (whose.id, Some(LeaseChange::Resume)),
            Self::Keep(whose) => (whose.id, Some(LeaseChange::Keep)),
            Self::Expire(whose) => (whose.id, Some(LeaseChange::Expire)),
        }
    }
}

impl LeaseArgs {
    /// Whose lease, and what to do with it.
    fn parts(self) -> Result<(String, Option<LeaseChange>), Failure> {
        let (after, change) = self.change.map_or((None, None), LeaseVerb::parts);
        match (self.id, after) {
            (Some(id), None) | (None, Some(id)) => Ok((id, change)),
            (Some(_), Some(_)) => Err(Failure::usage("One workspace at a time, please.".to_owned())),
            (None, None) => Err(Failure::usage("Say which workspace: `slipway lease shop`.".to_owned())),
        }
    }
}

/// What `lease --json` gives. Scripts rely on exactly these fields.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a WorkspaceId,
    state: WorkspaceState,
    kept: bool,
    paused: bool,
    expires_at: Option<String>,
    remaining_s: Option<u64>,
    duration_s: Option<u64>,
    deleted_at: Option<String>,
}

pub(crate) async fn run(args: LeaseArgs) -> Result<Code, Failure> {
    let json = args.json;
    let (text, change) = args.parts()?;
    let session = Session::open().await?;
    let mut workspace = session.find(&text).await?;
    if let Some(change) = change {
        let request = LeaseRequest { id: workspace.id.clone(), change };
        workspace = session.api.workspace_lease(request).await?;
    }
    if json {
        let lease = workspace.lease;
        out::line(&list::json(&Shown {
            id: &workspace.id,
            state: workspace.state,
            kept: lease == Lease::default(),
            paused: workspace.state == WorkspaceState::Paused,
            expires_at: lease.expires_at_ms.map(text::rfc3339),
            remaining_s: remaining_ms(&lease, text::now_ms()).map(|ms| ms / 1000),
            duration_s: lease.duration_s,
            deleted_at: lease.deleted_at_ms.map(text::rfc3339),
        })?)?;
    } else {
        out::line(&long(&workspace))?;
    }
    Ok(Code::OK)
}

/// What is left of a lease; `None`: it is kept.
pub(crate) fn remaining_ms(lease: &Lease, now_ms: u64) -> Option<u64> {
    lease.remaining_ms.or_else(|| lease.expires_at_ms.map(|end| end.saturating_sub(now_ms)))
}

/// `in 12 min`, `12 min left, paused`, `kept`, `ended, deleted in 8 min`.
pub(crate) fn short(workspace: &Workspace) -> String {
    let lease = &workspace.lease;
    words(workspace.state, lease.expires_at_ms, lease.remaining_ms, lease.deleted_at_ms)
}

/// The same of its parts: its end, what it has left while its clock stands still, when it is deleted.
pub(crate) fn words(
    state: WorkspaceState,
    expires_at_ms: Option<u64>,
    held_ms: Option<u64>,
    deleted_at_ms: Option<u64>,
) -> String {
    match (deleted_at_ms, expires_at_ms, held_ms) {
        (at, ..) if state == WorkspaceState::Deleted => at.map_or_else(String::new, text::relative),
        _ if state == WorkspaceState::Terminated => String::new(),
        (Some(at), ..) => format!("ended, deleted {}", text::relative(at)),
        (None, Some(at), _) => text::relative(at),
        (None, None, Some(left)) => format!("{} left, paused", text::span(left)),
        (None, None, None) => "kept".to_owned(),
    }
}

fn long(workspace: &Workspace) -> String {
    let lease = &workspace.lease;
    let again = if workspace.state == WorkspaceState::Creating { ", being started" } else { "" };
    match (lease.deleted_at_ms, lease.expires_at_ms) {
        (Some(at), _) => {
            format!("{}  ended; deleted {} unless it is extended", text::rfc3339(at), text::relative(at))
        }
        (None, Some(at)) => format!("{}  ends {}{again}", text::rfc3339(at), text::relative(at)),
        (None, None) => short(workspace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn parsed(words: &[&str]) -> Option<(String, Option<LeaseChange>)> {
        let cli = Cli::try_parse_from([&["slipway", "lease"], words].concat()).ok()?;
        let Command::Lease(args) = cli.command else { return None };
        args.parts().ok()
    }

    #[test]
    fn the_workspace_stands_before_or_after_the_verb() {
        let extend = Some(LeaseChange::Extend { seconds: 900 });
        for (words, change) in [
            (&["shop"][..], None),
            (&["show", "shop"], None),
            (&["shop", "extend", "15m"], extend),
            (&["extend", "shop", "15m"], extend),
            (&["set", "shop", "2h"], Some(LeaseChange::Set { seconds: 7200 })),
            (&["shop", "keep"], Some(LeaseChange::Keep)),
            (&["keep", "shop", "--json"], Some(LeaseChange::Keep)),
            (&["pause", "shop"], Some(LeaseChange::Pause)),
            (&["shop", "resume"], Some(LeaseChange::Resume)),
            (&["expire", "shop"], Some(LeaseChange::Expire)),
        ] {
            assert_eq!(parsed(words), Some(("shop".to_owned(), change)), "{words:?}");
        }
        for words in [&[][..], &["pause"], &["extend", "15m"], &["a", "pause", "b"], &["shop", "extend", "x"]]
        {
            assert_eq!(parsed(words), None, "{words:?}");
        }
    }

    #[test]
    fn a_lease_in_words() {
        let mut shop = crate::session::tests::workspace("shop-a1", "shop");
        assert_eq!(short(&shop), "kept");
        shop.lease.remaining_ms = Some(125_000);
        assert_eq!(short(&shop), "2 min left, paused");
        shop.lease = Lease { deleted_at_ms: Some(text::now_ms() + 599_000), ..Lease::default() };
        assert_eq!(short(&shop), "ended, deleted in 9 min");
        assert!(long(&shop).contains("unless it is extended"));
    }
}
