//! The arguments of `slipway sync`. Parsing only.

use clap::Args;
use std::path::PathBuf;

/// What `slipway sync --help` shows below the options.
pub(crate) const EXAMPLES: &str = "Examples:
  slipway sync . shop                 what is saved here is there a moment later, until Ctrl-C
  slipway sync . shop --both          and what changes there comes here
  slipway sync ./site shop:public     a path without / at its start is below the project's folder
  slipway sync . shop --once          make both alike and end
  slipway sync . shop --dry-run       say what would be done
  slipway sync . shop --detach        go on in the background, also after a restart
  slipway sync --list
  slipway sync --stop shop            by workspace, folder or the sync's id

What .gitignore and .dockerignore name, .git, node_modules and virtual environments stay out, as in a deploy. Without
--both, what only the workspace made or changed stays there until the same file is saved here. With --both, where both
sides changed a file, this machine's version keeps the name and the workspace's is kept beside it as
name.sync-conflict-DATE-TIME-ID.ext; a change wins over a removal; ignore files are never taken from the workspace.";

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// The folder of this machine
    #[arg(value_name = "DIR", required_unless_present_any = ["list", "stop"])]
    pub(crate) dir: Option<PathBuf>,
    /// The workspace, and perhaps a folder in it
    #[arg(value_name = "WORKSPACE[:PATH]", required_unless_present_any = ["list", "stop"])]
    pub(crate) workspace: Option<String>,
    /// Bring changes of the workspace here too
    #[arg(long)]
    pub(crate) both: bool,
    /// Make both sides alike and end
    #[arg(long, conflicts_with = "detach")]
    pub(crate) once: bool,
    /// Say what would be done, and do nothing
    #[arg(long, conflicts_with_all = ["once", "detach"])]
    pub(crate) dry_run: bool,
    /// Leave it to the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// List the syncs that are under way
    #[arg(long, conflicts_with_all = ["dir", "stop", "both", "once", "dry_run", "detach"])]
    pub(crate) list: bool,
    /// End a sync: its id, its folder, or its workspace
    #[arg(long, value_name = "WHICH", conflicts_with_all = ["dir", "both", "once", "dry_run", "detach"])]
    pub(crate) stop: Option<String>,
    /// Print one JSON object per line; with --list, a list
    #[arg(long)]
    pub(crate) json: bool,
}
