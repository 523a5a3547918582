//! The engine behind the window. The window opens first; meanwhile this process becomes the owner of the data folder,
//! taking over from one in the background, and calls that need the engine wait, not for ever. How owning works is
//! `slipway-http`'s business.

use slipway_engine::Engine;
use slipway_http::{Environment, Options, Role};
use slipway_wire::{Api, Code, Nothing, Problem};
use std::{env, path::PathBuf, sync::Mutex, time::Duration};
use tauri::{AppHandle, Manager};
use tokio::sync::{oneshot, watch};

use super::unfinished;
use crate::{app::Desktop, shutdown};

/// Longest a call waits for the engine.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two tries to own a folder that another process has.
const AGAIN: Duration = Duration::from_secs(2);
/// How long ending in order may take, stopping containers included.
const ENDING: Duration = Duration::from_secs(40);

#[derive(Clone)]
enum State {
    Opening,
    Open(Engine),
    Failed(Problem),
}

/// The engine, once it is open.
pub(crate) struct Owner {
    state: watch::Sender<State>,
    end: Mutex<Option<oneshot::Sender<End>>>,
}

struct End {
    keep: Option<bool>,
    done: oneshot::Sender<()>,
}

impl Default for Owner {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::Opening), end: Mutex::default() }
    }
}

impl Owner {
    /// The engine, as soon as it is open, or why it is not.
    pub(crate) async fn engine(&self) -> Result<Engine, Problem> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Opening));
        let late = || {
            Problem::new(Code::OwnerBusy, "Slipway's engine did not open in time.")
                .hint("Close Slipway, look whether another one is running, and start it again.")
        };
        let settled =
            tokio::time::timeout(PATIENCE, settled).await.map_err(|_| late())?.map_err(|_| late())?;
        match &*settled {
            State::Open(engine) => Ok(engine.clone()),
            State::Failed(problem) => Err(problem.clone()),
            State::Opening => Err(late()),
        }
    }

    /// Ends the engine in order and gives the data folder back. `keep` leaves workspaces running; without it the
    /// setting decides. Returns at once when it never opened.
    pub(crate) async fn end(&self, keep: Option<bool>) {
        let end = self.end.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(end) = end else { return };
        let (done, ended) = oneshot::channel();
        if end.send(End { keep, done }).is_ok() && tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("ending took too long; the next start puts right what is left");
        }
    }
}

/// Becomes the owner, however long that takes, and stays it until the app ends.
pub(crate) async fn run(app: AppHandle, environment: Environment) {
    let desktop = app.state::<Desktop>();
    let (end, mut ending) = oneshot::channel();
    *desktop.owner.end.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(end);
    let mut owner = loop {
        let options =
            Options { environment: environment.clone(), role: Role::App, listen: None, origins: Vec::new() };
        let problem = tokio::select! {
            owned = slipway_http::take_over(options) => match owned {
                Ok(owner) => break owner,
                Err(problem) => problem,
            },
            Ok(End { done, .. }) = &mut ending => {
                let _ = done.send(());
                return;
            }
        };
        tracing::warn!(%problem, "the engine is not open");
        desktop.owner.state.send_replace(State::Failed(problem));
        tokio::time::sleep(AGAIN).await;
    };
    let left = unfinished::left(&desktop.unfinished());
    // Where they lie may be slow to answer.
    tauri::async_runtime::spawn_blocking(move || unfinished::remove(&left));
    let engine = owner.engine().clone();
    desktop.owner.state.send_replace(State::Open(engine.clone()));
    let end = tokio::select! {
        asked = owner.ending(None) => {
            tracing::info!(why = asked.why, "asked to end");
            shutdown::begin(&app, Some(asked.keep));
            ending.await
        }
        end = &mut ending => end,
    };
    let Ok(End { keep, done }) = end else { return };
    let keep = match keep {
        Some(keep) => keep,
        None => engine.settings_get(Nothing {}).await.is_ok_and(|settings| settings.keep_on_close),
    };
    let goes_on = keep && engine.active() > 0;
    let places = owner.places().clone();
    owner.shutdown(keep).await;
    if goes_on {
        // Their addresses and leases need an owner.
        match slipway_http::connect_or_start(&places, &command_line()).await {
            Ok(_) => tracing::info!("a background owner goes on with the workspaces"),
            Err(problem) => tracing::warn!(%problem, "the workspaces go on without an owner"),
        }
    }
    let _ = done.send(());
}

/// The command line's program, which lies beside this one.
fn command_line() -> PathBuf {
    let name = format!("slipway{}", env::consts::EXE_SUFFIX);
    env::current_exe().ok().and_then(|own| Some(own.parent()?.join(&name))).unwrap_or_else(|| name.into())
}
