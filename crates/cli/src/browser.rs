//! `slipway open`: hands a workspace's page to the system's browser. Only http addresses are ever handed on.

use crate::{
    args::Open,
    exit::{Code, Failure},
    out,
    session::Session,
};
use slipway_wire::{Code as Why, Problem};
use std::process::{Command, Stdio};

pub(crate) async fn run(args: Open) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let workspace = session.find(&args.id).await?;
    let url = match args.port {
        None => workspace.url.as_deref(),
        Some(port) => workspace.ports.iter().find(|known| known.port == port).map(|known| known.url.as_str()),
    };
    let Some(url) = url else {
        let what =
            args.port.map_or_else(|| "on no port".into(), |port| format!("on other ports than {port}"));
        return Err(Problem::new(Why::WrongState, format!("{} listens {what} now.", workspace.id))
            .hint(format!("`slipway status {}` shows how it stands.", workspace.id))
            .into());
    };
    out::line(url)?;
    launch(url);
    Ok(Code::OK)
}

/// Starts the browser and does not wait for it. A machine without one has at least been told the address.
pub(crate) fn launch(url: &str) {
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        out::note("Only web pages are opened.");
        return;
    }
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new("xdg-open")
    };
    let started = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = started {
        out::note(&format!("No browser could be started here ({error}); open the address yourself."));
    }
}
