//! `slipway ps`: workspaces, one per line; also those that are gone, filtered and sorted by the engine, a page at a time.

use clap::{Args, ValueEnum};
use serde::Serialize;
use slipway_wire::{
    Api as _, HealthState, WorkspaceId, WorkspaceQuery, WorkspaceRow, WorkspaceSort, WorkspaceState,
};

use crate::{
    exit::{Code, Failure},
    lease, out,
    session::Session,
    text,
};

/// Rows asked for at a time.
const PAGE: u32 = 1000;

pub(crate) const EXAMPLES: &str = "Examples:
  slipway ps
  slipway ps --all --json
  slipway ps --state running --sort expires
  slipway ps --all --text shop --limit 20
  slipway rm $(slipway ps -q)";

#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Also those that are terminated or deleted (remembered for 30 days)
    #[arg(short, long)]
    all: bool,
    /// Only those in this state
    #[arg(long)]
    state: Option<StateArg>,
    /// Only those with this in their name, id or image
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// The order; the newest, the soonest or the first of the alphabet comes first
    #[arg(long, default_value = "created")]
    sort: SortArg,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print JSON: a list of id, name, state, health, url, `expires_at`, `remaining_s` and image
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortArg {
    /// When it was made
    Created,
    /// Its name
    Name,
    /// Its state
    State,
    /// When its lease ends
    Expires,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateArg {
    Creating,
    Running,
    Paused,
    Failed,
    Stopped,
    Terminated,
    Deleted,
}

impl From<StateArg> for WorkspaceState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Creating => Self::Creating,
            StateArg::Running => Self::Running,
            StateArg::Paused => Self::Paused,
            StateArg::Failed => Self::Failed,
            StateArg::Stopped => Self::Stopped,
            StateArg::Terminated => Self::Terminated,
            StateArg::Deleted => Self::Deleted,
        }
    }
}

/// What `ps --json` gives for a workspace. Scripts rely on exactly these fields.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a WorkspaceId,
    name: &'a str,
    state: WorkspaceState,
    health: HealthState,
    url: Option<&'a str>,
    expires_at: Option<String>,
    remaining_s: Option<u64>,
    image: &'a str,
}

impl<'a> From<&'a WorkspaceRow> for Row<'a> {
    fn from(row: &'a WorkspaceRow) -> Self {
        Self {
            id: &row.id,
            name: &row.name,
            state: row.state,
            health: row.health,
            url: row.url.as_deref(),
            expires_at: row.expires_at_ms.map(text::rfc3339),
            remaining_s: row.remaining_ms.map(|ms| ms / 1000),
            image: &row.image,
        }
    }
}

impl Ps {
    fn query(&self) -> WorkspaceQuery {
        let (sort, descending) = match self.sort {
            SortArg::Created => (WorkspaceSort::Created, true),
            SortArg::Name => (WorkspaceSort::Name, false),
            SortArg::State => (WorkspaceSort::State, false),
            SortArg::Expires => (WorkspaceSort::Expires, false),
        };
        WorkspaceQuery {
            state: self.state.map(Into::into),
            text: self.text.clone(),
            sort,
            descending: descending != self.reverse,
            limit: PAGE,
            cursor: None,
            deleted: self.all,
        }
    }
}

pub(crate) async fn run(args: Ps) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let most = args.limit.map_or(usize::MAX, |limit| limit as usize);
    let gone = args.all || args.state.is_some();
    let mut query = args.query();
    let mut rows = Vec::new();
    loop {
        let page = session.api.workspace_query(query.clone()).await?;
        rows.extend(page.rows.into_iter().filter(|row| gone || row.state != WorkspaceState::Terminated));
        query.cursor = page.next;
        if query.cursor.is_none() || rows.len() >= most {
            break;
        }
    }
    rows.truncate(most);
    if args.json {
        let rows: Vec<Row<'_>> = rows.iter().map(Row::from).collect();
        out::line(&json(&rows)?)?;
    } else if args.quiet {
        for row in &rows {
            out::line(row.id.as_str())?;
        }
    } else if rows.is_empty() {
        out::note("No workspaces. `slipway deploy ZIP` makes one.");
    } else {
        out::bytes(words(&rows).as_bytes())?;
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

fn words(all: &[WorkspaceRow]) -> String {
    let paint = text::Paint::stdout();
    let mut rows =
        vec![["ID", "NAME", "STATE", "HEALTH", "ENDS", "IMAGE", "URL"].map(|head| paint.bold(head)).to_vec()];
    for row in all {
        let held = row.remaining_ms.filter(|_| row.expires_at_ms.is_none());
        rows.push(vec![
            row.id.to_string(),
            text::clean(&row.name),
            coloured(row.state, paint),
            health(row.health, paint),
            lease::words(row.state, row.expires_at_ms, held, row.deleted_at_ms),
            text::clean(&row.image),
            row.url.as_deref().map(text::clean).unwrap_or_default(),
        ]);
    }
    text::table(&rows)
}

/// A state as a word.
pub(crate) fn state_word(state: WorkspaceState) -> &'static str {
    match state {
        WorkspaceState::Creating => "creating",
        WorkspaceState::Running => "running",
        WorkspaceState::Paused => "paused",
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
        WorkspaceState::Paused => paint.yellow(word),
        WorkspaceState::Failed | WorkspaceState::Terminated => paint.red(word),
        WorkspaceState::Stopped | WorkspaceState::Deleted => paint.dim(word),
    }
}

/// How a workspace is, as a coloured word.
pub(crate) fn health(health: HealthState, paint: text::Paint) -> String {
    match health {
        HealthState::None => "-".to_owned(),
        HealthState::Starting => paint.cyan("starting"),
        HealthState::Healthy => paint.green("healthy"),
        HealthState::Degraded => paint.yellow("degraded"),
        HealthState::Unhealthy => paint.red("unhealthy"),
        HealthState::Crashed => paint.red("crashed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    #[test]
    fn the_json_has_exactly_the_promised_fields() {
        let shop = WorkspaceRow {
            id: "shop-a1".parse().unwrap(),
            name: "shop".into(),
            state: WorkspaceState::Running,
            health: HealthState::Healthy,
            image: "node:24-alpine".into(),
            url: None,
            why: None,
            created_at_ms: 0,
            expires_at_ms: Some(1_700_000_000_000),
            remaining_ms: Some(61_500),
            deleted_at_ms: None,
        };
        assert_eq!(
            serde_json::to_string(&[Row::from(&shop)]).unwrap(),
            r#"[{"id":"shop-a1","name":"shop","state":"running","health":"healthy","url":null,"expires_at":"2023-11-14T22:13:20Z","remaining_s":61,"image":"node:24-alpine"}]"#
        );
    }

    #[test]
    fn the_newest_come_first_unless_asked_otherwise() {
        let query = |words: &[&str]| match Cli::try_parse_from([&["slipway", "ps"], words].concat()) {
            Ok(Cli { command: Command::Ps(ps) }) => Some(ps.query()),
            _ => None,
        };
        let plain = query(&[]).unwrap();
        assert_eq!((plain.sort, plain.descending, plain.deleted), (WorkspaceSort::Created, true, false));
        let sorted = query(&["--all", "--sort", "name", "--state", "stopped"]).unwrap();
        assert_eq!((sorted.sort, sorted.descending, sorted.deleted), (WorkspaceSort::Name, false, true));
        assert_eq!(sorted.state, Some(WorkspaceState::Stopped));
        assert!(query(&["--sort", "name", "--reverse"]).unwrap().descending);
        assert!(query(&["--limit", "0"]).is_none() && query(&["--sort", "size"]).is_none());
    }
}
