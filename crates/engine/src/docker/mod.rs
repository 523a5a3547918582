//! The Docker engine, and the only place that names bollard. What comes out are our own nouns and problems; what a
//! daemon answers is foreign input and is bounded here.

mod archive;
mod container;
mod credentials;
mod events;
mod exec;
#[cfg(unix)]
mod hijack;
mod image;
mod limits;
mod locate;
mod pause;
mod prepared;
mod snapshot;

pub(crate) use container::{Condition, ContainerSpec, FoundContainer, Labels, check_image_name};
pub(crate) use events::{Happened, Happening};
pub(crate) use exec::{Duplex, Errors};
#[cfg(unix)]
pub(crate) use hijack::{Blocking, Hangup};
pub(crate) use limits::Changed;
pub(crate) use locate::locate;
pub(crate) use prepared::{Agents, Prepared, Trust};
pub(crate) use snapshot::{PATIENCE as SNAPSHOT_PATIENCE, SnapshotMark};

use bollard::errors::Error;
use slipway_wire::{Code, Problem};

/// A Docker engine that answered.
#[derive(Clone)]
pub(crate) struct Docker {
    api: bollard::Docker,
    config_dir: Option<std::path::PathBuf>,
    /// Its socket on this machine, if it has one.
    #[cfg(unix)]
    socket: Option<std::path::PathBuf>,
    /// Reached without a network.
    local: bool,
    /// Where it keeps containers, once asked.
    root_dir: std::sync::Arc<tokio::sync::OnceCell<Option<std::path::PathBuf>>>,
}

impl Docker {
    /// Whether its socket is on this machine.
    #[cfg(unix)]
    pub(crate) fn has_socket(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether it still answers.
    pub(crate) async fn ping(&self) -> Result<(), Problem> {
        self.api
            .ping()
            .await
            .map(|_| ())
            .map_err(|e| problem("asking the Docker engine whether it is there", &e))
    }
}

/// The status a daemon answered with, if it answered at all.
fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the daemon said that there is no such thing.
fn is_missing(error: &Error) -> bool {
    status_of(error) == Some(404)
}

/// Turns a failure of `doing` into a problem with a mend. Text of the daemon goes into `detail`, bounded.
fn problem(doing: &str, error: &Error) -> Problem {
    let text = bounded(&error.to_string());
    let lower = text.to_lowercase();
    if lower.contains("no space left on device") {
        return Problem::new(Code::DiskFull, format!("The disk of the Docker engine is full ({doing})."))
            .hint("Free some space: `docker system df` shows what uses it, `slipway rm --all` removes Slipway's own.")
            .detail(text);
    }
    match status_of(error) {
        Some(404) => Problem::new(Code::NotFound, format!("Docker knows nothing of it ({doing})."))
            .hint("It may have been removed meanwhile; look at the list again.")
            .detail(text),
        Some(409) => Problem::new(Code::WrongState, format!("Docker cannot do that now ({doing})."))
            .hint("Try again in a moment.")
            .detail(text),
        Some(code) => Problem::new(Code::Internal, format!("Docker refused with {code} ({doing})."))
            .hint("The detail holds Docker's own words.")
            .detail(text),
        None if lower.contains("permission denied") => denied(&text),
        None => Problem::new(Code::DockerLost, format!("The Docker engine stopped answering ({doing})."))
            .hint("Slipway looks for it again by itself; see that Docker is running.")
            .detail(text),
    }
}

/// The socket is there and closed to us.
fn denied(detail: &str) -> Problem {
    Problem::new(Code::DockerDenied, "This user may not talk to the Docker engine.")
        .hint("On Linux: `sudo usermod -aG docker $USER`, then log out and in again.")
        .detail(detail)
}

/// Foreign text, cut to what a person can read and freed of control characters.
fn bounded(text: &str) -> String {
    const MOST: usize = 2000;
    let clean: String =
        text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).take(MOST).collect();
    clean.trim().to_owned()
}
