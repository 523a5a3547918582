//! The arguments of `slipway snapshot`. Parsing only.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  slipway snapshot create shop --name before-upgrade --note 'React 18'
  slipway snapshot ls
  slipway snapshot start before-upgrade --name shop-2 --open
  slipway snapshot export before-upgrade shop.snapshot
  slipway snapshot import shop.snapshot
  slipway snapshot export before-upgrade - | ssh other slipway snapshot import -
  slipway snapshot rm before-upgrade

A snapshot holds the files of a workspace, running, paused or stopped, and how it is started; not what is in memory.";

#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Snapshot {
    /// Whether failures are told as JSON too.
    pub(super) fn json(&self) -> bool {
        match &self.verb {
            Verb::Create(args) => args.json,
            Verb::Ls(args) => args.json,
            Verb::Show(args) => args.json,
            Verb::Start(args) => args.terms.json,
            Verb::Import(args) => args.json,
            Verb::Edit(_) | Verb::Rm(_) | Verb::Export(_) => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Take a snapshot of a workspace; it stands still meanwhile, and goes on
    #[command(
        after_help = "Examples:\n  slipway snapshot create shop\n  slipway snapshot create shop --name before-upgrade --note 'React 18'"
    )]
    Create(Create),
    /// List snapshots
    #[command(
        after_help = "Examples:\n  slipway snapshot ls\n  slipway snapshot ls --sort size --json\n  slipway snapshot ls --text shop --limit 5"
    )]
    Ls(Ls),
    /// Show one snapshot
    #[command(
        after_help = "Examples:\n  slipway snapshot show before-upgrade\n  slipway snapshot show before-upgrade --json"
    )]
    Show(Which),
    /// Start a new workspace from a snapshot and print where its page is
    #[command(after_help = "Examples:
  slipway snapshot start before-upgrade
  slipway snapshot start before-upgrade --name shop-2 --duration 2h --open
  slipway snapshot start before-upgrade --env API_URL=http://localhost:1 --json

An imported snapshot starts in the profile strict, whatever its file says; --network open is yours to say.")]
    Start(Box<Start>),
    /// Give a snapshot another name or note
    #[command(
        after_help = "Examples:\n  slipway snapshot edit before-upgrade --note 'works'\n  slipway snapshot edit shop --name good"
    )]
    Edit(Edit),
    /// Delete snapshots that no workspace uses
    #[command(
        after_help = "Examples:\n  slipway snapshot rm before-upgrade\n  slipway snapshot rm $(slipway snapshot ls -q)"
    )]
    Rm(Remove),
    /// Write a snapshot to one file
    #[command(
        after_help = "Examples:\n  slipway snapshot export before-upgrade shop.snapshot\n  slipway snapshot export before-upgrade - > shop.snapshot\n\nThe file holds the project's files, secrets among them; it does not hold the variables given with --env."
    )]
    Export(Export),
    /// Read a snapshot from a file that export wrote
    #[command(
        after_help = "Examples:\n  slipway snapshot import shop.snapshot\n  slipway snapshot import shop.snapshot --name theirs\n  slipway snapshot import - < shop.snapshot\n\nThe file is checked to its end before Docker gets any of it. What is in it is run like any zip: contained."
    )]
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// A name for it [default: the workspace's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Something to remember it by
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Take it although the disk is nearly full
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those with this in their name, id, note, image or workspace
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// The order; the newest, the largest or the first of the alphabet comes first
    #[arg(long, default_value = "created")]
    pub(crate) sort: Sort,
    /// The other way round
    #[arg(long)]
    pub(crate) reverse: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Print JSON: a list of id, name, note, state, `created_at`, bytes, image, workspace and `used_by`
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Print ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// When it was taken
    Created,
    /// Its name
    Name,
    /// Its size
    Size,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The snapshot: its name, its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The snapshot: its name, its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) id: String,
    /// A name for the new workspace [default: the snapshot's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) terms: super::Terms,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The snapshot: its name, its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) id: String,
    /// Another name
    #[arg(long, required_unless_present = "note")]
    pub(crate) name: Option<String>,
    /// Another note
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The snapshots: names, ids, or beginnings of ids
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The snapshot: its name, its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) id: String,
    /// The file to write; - is standard output
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file to read; - is standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Another name than the file says
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Read it although the disk is nearly full
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
