//! `slipway restart-policy`: whether a workspace's program is started again when it ends. A command of its own, and not
//! an option of `restart`, because changing it restarts nothing.

use clap::{Args, ValueEnum};
use serde::Serialize;
use slipway_wire::{Api as _, RestartPolicy, RestartPolicyRequest, WorkspaceId};

use crate::{
    exit::{Code, Failure},
    list, out,
    session::Session,
};

pub(crate) const EXAMPLES: &str = "Examples:
  slipway restart-policy shop                what it is
  slipway restart-policy shop on-failure     again after 1 s, 2 s, 4 s … 60 s when it fails
  slipway restart-policy shop always --json

Five restarts within five minutes are a crash loop: then it is left as it is, and said so.";

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    id: String,
    /// From now on
    policy: Option<PolicyArg>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PolicyArg {
    /// A person decides
    Never,
    /// When it failed
    OnFailure,
    /// However it ended
    Always,
}

impl From<PolicyArg> for RestartPolicy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Never => Self::Never,
            PolicyArg::OnFailure => Self::OnFailure,
            PolicyArg::Always => Self::Always,
        }
    }
}

/// What `restart-policy --json` gives.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a WorkspaceId,
    restart: RestartPolicy,
    restarts: u32,
}

pub(crate) async fn run(args: RestartArgs) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let mut workspace = session.find(&args.id).await?;
    if let Some(policy) = args.policy {
        let request = RestartPolicyRequest { id: workspace.id, policy: policy.into() };
        workspace = session.api.workspace_restart_policy(request).await?;
    }
    if args.json {
        let shown =
            Shown { id: &workspace.id, restart: workspace.restart, restarts: workspace.health.restarts };
        out::line(&list::json(&shown)?)?;
    } else {
        out::line(word(workspace.restart))?;
    }
    Ok(Code::OK)
}

/// A policy as it is typed.
pub(crate) fn word(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Never => "never",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Always => "always",
    }
}
