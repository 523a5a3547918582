//! What can be typed: commands, options and their help. Parsing only; nothing here acts.

mod deploy;
mod logs;
mod owner;
mod processes;
mod resources;
mod snapshot;
mod sync;

pub(crate) use deploy::{Deploy, Life, Terms};
pub(crate) use logs::Logs;
pub(crate) use owner::{Completions, Man, Serve, Settings, SettingsAction};
pub(crate) use processes::{Exec, Kill, SortArg, Top};
pub(crate) use resources::{Limits, Metrics, Stats};
pub(crate) use snapshot::{
    Create, Edit, Export, Import, Ls as ListSnapshots, Remove, Snapshot as SnapshotArgs, Sort,
    Start as StartSnapshot, Verb, Which,
};

pub(crate) use sync::Sync;

use clap::{Args, Parser, Subcommand, builder::styling};
use std::{ffi::OsString, time::Duration};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    the command line is wrong
  3    no Docker engine answers
  4    the zip or folder is refused, or holds no project
  5    installing, building or starting the project failed
  6    no such workspace, process or file
  130  interrupted
  141  nobody reads what is printed any more
  `slipway exec` and `slipway shell ID -- CMD` hand on the command's own code;
  128 + n when signal n ended it, 127 when there is no such command, 124 when
  exec's --timeout ended it.

Environment:
  SLIPWAY_DATA_DIR  keep every file of Slipway's in this folder
  SLIPWAY_AGENT     the in-container agent, or the folder that holds it
  SLIPWAY_LOG       what the owner logs, such as `debug`
  SLIPWAY_TRUSTED_NETWORKS  private networks an allowed host may lie in: 10.20.0.0/16
  DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG  where the Docker engine is
  NO_COLOR          no colours";

const COLOURS: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// Drop a zip of somebody's code and see it running, without risk to your machine.
#[derive(Debug, Parser)]
#[command(
    name = "slipway",
    version,
    arg_required_else_help = true,
    styles = COLOURS,
    max_term_width = 100,
    after_help = "Examples:\n  slipway deploy shop.zip          run it and print where its page is\n  slipway ps                       what there is\n  slipway shell shop               a shell inside\n  slipway deploy . --json          one JSON object per line, for scripts",
    after_long_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a zip or a folder and print where its page is
    #[command(after_help = "Examples:
  slipway deploy shop.zip
  slipway deploy ./shop --name demo --duration 2h --open
  slipway deploy shop.zip --env API_URL=http://localhost:1 --env-file .env
  slipway deploy . --dry-run
  slipway deploy shop.zip --replace demo --json

The page goes on being served after the command returns. Ctrl-C cancels the deploy; pressed again it leaves it.")]
    Deploy(Box<Deploy>),
    /// List workspaces
    #[command(after_help = crate::list::EXAMPLES)]
    Ps(crate::list::Ps),
    /// Show one workspace
    #[command(after_help = "Examples:\n  slipway status shop\n  slipway status shop --json")]
    Status(One),
    /// Show what workspaces use: CPU, memory, network, disk, processes
    #[command(after_help = "Examples:
  slipway stats                    every workspace that runs; again each second on a terminal
  slipway stats shop --once        now, and no more
  slipway stats shop --history     the last 24 hours, a row a minute
  slipway stats --json | jq '.[].memory_bytes'

Network is what passed through Slipway since it began; disk is what the workspace has written on top of its image.")]
    Stats(Stats),
    /// Show or change what a workspace may use, while it runs
    #[command(after_help = "Examples:
  slipway limits shop
  slipway limits shop --memory 4g
  slipway limits shop --cpus 1.5 --pids 512

It applies at once, without a restart, and stays for later starts.")]
    Limits(Limits),
    /// Print figures about Slipway itself, as Prometheus reads them
    #[command(after_help = "Examples:
  slipway metrics
  slipway metrics | grep slipway_workspaces

The same is at /metrics of the owner's socket and of `slipway serve --listen`, there with the token as bearer.")]
    Metrics(Metrics),
    /// A shell, or one command, inside a workspace
    #[command(after_help = "Examples:
  slipway shell shop
  slipway shell shop -- npm test
  slipway shell shop -- tar c src | tar t
  slipway shell shop -- sh -c 'cat > notes.txt' < notes.txt

Without a terminal, bytes pass as they are and standard error stays apart. The exit code is the command's own.")]
    Shell(Shell),
    /// Run a command inside a workspace, without a terminal
    #[command(after_help = processes::EXEC)]
    Exec(Exec),
    /// Show the processes of a workspace as a tree
    #[command(after_help = processes::TOP)]
    Top(Top),
    /// Signal processes of a workspace
    #[command(after_help = processes::KILL)]
    Kill(Kill),
    /// Show what a workspace's programs printed
    #[command(after_help = logs::EXAMPLES)]
    Logs(Box<Logs>),
    /// Copy files into or out of a workspace
    #[command(after_help = "Examples:
  slipway cp notes.txt shop:/workspace/
  slipway cp ./assets shop:public        a path without / at its start is below the project's folder
  slipway cp shop:/workspace/dist ./dist
  slipway cp shop:package.json - | jq .name
  slipway cp --zip shop:/workspace site.zip
  slipway cp --zip shop:src - > src.zip
  slipway cp --zip site.zip shop:site    unpacked there, into the folder that is named
  echo hello | slipway cp - shop:hello.txt

As with cp: a folder copied to a folder that exists goes inside it; SRC/. copies what it holds. Files appear when they
are whole. What came of a file of 8 MiB or more is kept for a day when the copying is cut: the same command goes on. A
folder arrives whole or not at all; of a large one over a bad connection, `slipway sync --once` carries what is missing.")]
    Cp(Cp),
    /// Keep a folder and a workspace alike while you work
    #[command(after_help = sync::EXAMPLES)]
    Sync(Box<Sync>),
    /// Open a workspace's page in the browser
    #[command(after_help = "Examples:\n  slipway open shop\n  slipway open shop --port 9229")]
    Open(Open),
    /// Stop workspaces; their files are kept
    #[command(after_help = "Examples:\n  slipway stop shop\n  slipway stop shop docs")]
    Stop(Many),
    /// Start a stopped workspace
    #[command(after_help = "Examples:\n  slipway start shop")]
    Start(One),
    /// Stop a workspace and start it again
    #[command(after_help = "Examples:\n  slipway restart shop")]
    Restart(One),
    /// Say whether a workspace's program is started again when it ends
    #[command(after_help = crate::restart::EXAMPLES)]
    RestartPolicy(crate::restart::RestartArgs),
    /// Delete workspaces and everything in them
    #[command(after_help = "Examples:\n  slipway rm shop\n  slipway rm --all --yes")]
    Rm(Rm),
    /// Show or change how long a workspace lives
    #[command(after_help = crate::lease::EXAMPLES)]
    Lease(crate::lease::LeaseArgs),
    /// Show where a workspace connected to, allow or block a host
    #[command(
        after_help = "Examples:\n  slipway network shop\n  slipway network shop allow api.example.org\n  slipway network shop block '*.example.org'"
    )]
    Network(Network),
    /// Show the containers kept warm for the next deploy
    #[command(
        after_help = "Examples:\n  slipway pool\n  slipway pool --json\n  slipway settings set pool_size 4\n  slipway settings set pool_size 0    none"
    )]
    Pool(Json),
    /// Keep a workspace's files as a snapshot, and start new workspaces from it
    #[command(after_help = snapshot::EXAMPLES)]
    Snapshot(Box<snapshot::Snapshot>),
    /// Check this machine: Docker, disk, memory, Slipway's own files
    #[command(after_help = "Examples:\n  slipway doctor\n  slipway doctor --json")]
    Doctor(Json),
    /// Own the data folder and serve the commands; other commands start it when none runs
    #[command(after_help = "Examples:
  slipway serve
  slipway serve --listen 127.0.0.1:7700   also over HTTP on this machine, with a token
  slipway serve --stop

Ctrl-C ends it and stops what runs; with --keep containers go on running for the next owner.")]
    Serve(Serve),
    /// Show or change settings
    #[command(
        after_help = "Examples:\n  slipway settings\n  slipway settings get duration_s\n  slipway settings set preset large\n  slipway settings set allow_hosts '[\"registry.npmjs.org\"]'"
    )]
    Settings(Settings),
    /// Print a completion script
    #[command(
        after_help = "Examples:\n  slipway completions bash > ~/.local/share/bash-completion/completions/slipway\n  slipway completions zsh > ~/.zfunc/_slipway"
    )]
    Completions(Completions),
    /// Print the manual, or write every page into a folder
    #[command(after_help = "Examples:\n  slipway man | man -l -\n  slipway man ~/.local/share/man/man1")]
    Man(Man),
}

impl Command {
    /// Failures are to be printed as JSON too.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Deploy(args) => args.terms.json,
            Self::Ps(args) => args.json,
            Self::Status(args) | Self::Start(args) | Self::Restart(args) => args.json,
            Self::Doctor(args) | Self::Pool(args) => args.json,
            Self::Stats(args) => args.json,
            Self::Limits(args) => args.json,
            Self::Logs(args) => args.json,
            Self::Top(args) => args.json,
            Self::Lease(args) => args.json,
            Self::RestartPolicy(args) => args.json,
            Self::Snapshot(args) => args.json(),
            Self::Sync(args) => args.json,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Many {
    /// The workspaces: ids, beginnings of ids, or names
    #[arg(value_name = "WORKSPACE", required = true)]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Where to start; the project's folder without it
    #[arg(long, value_name = "PATH")]
    pub(crate) cwd: Option<String>,
    /// Add to the environment
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<String>,
    /// The command; the image's shell without it
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// A path here, WORKSPACE:PATH, or - for standard input
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// A path here, WORKSPACE:PATH, or - for standard output
    #[arg(value_name = "DST")]
    pub(crate) target: OsString,
    /// Out of a workspace, a folder as one zip; into one, a zip unpacked into a folder
    #[arg(long)]
    pub(crate) zip: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Another of the ports it listens on
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The workspaces: ids, beginnings of ids, or names
    #[arg(value_name = "WORKSPACE", required_unless_present = "all")]
    pub(crate) ids: Vec<String>,
    /// Every workspace
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Network {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    #[command(subcommand)]
    pub(crate) decision: Option<NetworkDecision>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkDecision {
    /// Let a host through
    Allow(HostArg),
    /// Refuse a host
    Block(HostArg),
}

#[derive(Debug, Args)]
pub(crate) struct HostArg {
    /// The host, or *.example.org for all below it
    pub(crate) host: String,
    /// For the next connection only
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|e| format!("{e}; write 90s, 30m, 2h or 1d"))?;
    if time.as_secs() == 0 { Err("it must be a second or more".into()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("slipway "), "{}", command.get_name());
        }
    }
}
