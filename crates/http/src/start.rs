//! How a client finds the owner of a data folder, or starts one in the background and waits until it serves. What the
//! new owner says about itself comes over its standard output: one line, `ready` or a problem.

use crate::{
    client::UnixClient,
    log,
    owner::{self, Role},
    paths::{Places, storage},
    server::Health,
};
use slipway_wire::{Code, Problem};
use std::{
    fs::OpenOptions,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    time::{Instant, sleep, timeout},
};

/// How long an owner may take to answer, and a new one to serve.
const ANSWER: Duration = Duration::from_secs(5);
const START: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// One line of a new owner.
const MAX_LINE: u64 = 64 * 1024;
/// The line of a new owner that serves.
pub const READY: &str = "ready";

/// Who answers at the socket.
#[derive(Debug)]
pub enum Answer {
    /// An owner.
    Owner(UnixClient, Health),
    /// Nobody: none runs, or it is just starting or ending.
    Nobody(Problem),
}

/// Asks who owns the data folder.
pub async fn answer(places: &Places) -> Answer {
    let client = UnixClient::new(&places.socket);
    match timeout(ANSWER, client.health()).await {
        Ok(Ok(health)) => Answer::Owner(client, health),
        Ok(Err(problem)) => Answer::Nobody(problem),
        Err(_) => Answer::Nobody(Problem::new(
            Code::OwnerBusy,
            format!("The Slipway at {} does not answer.", places.socket.display()),
        )),
    }
}

/// A client of the owner, if there is one.
pub async fn connect(places: &Places) -> Option<UnixClient> {
    match answer(places).await {
        Answer::Owner(client, _) => Some(client),
        Answer::Nobody(_) => None,
    }
}

/// A client of the owner. Starts `program serve --background` when there is none; replaces a background owner of
/// another version, whose containers go on running.
pub async fn connect_or_start(places: &Places, program: &Path) -> Result<UnixClient, Problem> {
    let deadline = Instant::now() + START;
    loop {
        match answer(places).await {
            Answer::Owner(client, health) => {
                if health.role != Role::Background || health.version == env!("CARGO_PKG_VERSION") {
                    return Ok(client);
                }
                client.handover().await?;
            }
            // Somebody has the folder and does not answer: an owner that starts or ends.
            Answer::Nobody(_) if owner::lock(&places.lock)?.is_none() => sleep(POLL).await,
            Answer::Nobody(_) => match start(places, program).await {
                // Another process won the race for the folder: look again.
                Ok(()) | Err(Problem { code: Code::OwnerBusy, .. }) => {}
                Err(other) => return Err(other),
            },
        }
        if Instant::now() >= deadline {
            return Err(Problem::new(Code::OwnerBusy, "Slipway's owner process does not answer.")
                .hint(format!("Its log is {}.", places.log.display())));
        }
    }
}

/// Starts an owner in a session of its own (it calls setsid itself) and waits for its line.
async fn start(places: &Places, program: &Path) -> Result<(), Problem> {
    let log = OpenOptions::new().create(true).append(true).open(&places.log);
    let log = log.map_err(|e| storage(&places.log, "open", &e))?;
    let mut command = Command::new(program);
    command
        .args(["serve", "--background"])
        .current_dir(&places.data_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log));
    if std::env::var_os("SLIPWAY_DATA_DIR").is_some() {
        // It may have been relative to a folder that the owner does not start in.
        command.env("SLIPWAY_DATA_DIR", &places.data_dir);
    }
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(false)
        .spawn()
        .map_err(|e| storage(program, "start", &e))?;
    let mut line = String::new();
    let read = async {
        match child.stdout.take() {
            Some(out) => BufReader::new(out.take(MAX_LINE)).read_line(&mut line).await,
            None => Ok(0),
        }
    };
    let failed = |why: String| {
        Problem::new(Code::Internal, format!("Slipway's background process {why}."))
            .hint(format!("Its log is {}.", places.log.display()))
            .detail(log::recent(places))
    };
    match timeout(START, read).await {
        Err(_) => Err(failed("did not start in time".into())),
        Ok(Err(e)) => Err(failed(format!("could not be read: {e}"))),
        Ok(Ok(_)) if line.trim_end() == READY => Ok(()),
        Ok(Ok(_)) => {
            if let Ok(problem) = serde_json::from_str(&line) {
                return Err(problem);
            }
            let status = timeout(ANSWER, child.wait()).await;
            let how = status.ok().and_then(Result::ok).map_or_else(String::new, |s| format!(" ({s})"));
            Err(failed(format!("ended while starting{how}")))
        }
    }
}
