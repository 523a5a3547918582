//! The one way the app ends: streams first, then the engine in its own order, then the windows. Reached by the close
//! button, the tray, and the signals that ask a program to end; a second ask does not wait for an answer.

use slipway_wire::{Nothing, Settings, Workspace, WorkspaceRef, WorkspaceState};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tauri::{AppHandle, Manager};

use crate::{
    app::Desktop,
    bridge::{
        events::{DesktopEvent, tell},
        owner::Product,
        streams,
    },
    window,
};

/// How long the engine may take to end in order.
const ENGINE: Duration = Duration::from_secs(8);
/// How long stopping the workspaces may take.
const STOPPING: Duration = Duration::from_secs(20);

/// How far ending is.
#[derive(Default)]
pub(crate) struct Shutdown {
    asked: AtomicBool,
    begun: AtomicBool,
    done: AtomicBool,
}

impl Shutdown {
    /// Everything has ended; the process may.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// The close button: the interface may ask whether workspaces go on. Without one, or when pressed again, the setting
/// decides.
pub(crate) fn ask(app: &AppHandle) {
    let first = !app.state::<Shutdown>().asked.swap(true, Ordering::AcqRel);
    if !(first && tell(app, window::MAIN, &DesktopEvent::CloseRequested)) {
        begin(app, None);
    }
}

/// Ends the app. `keep` says whether workspaces go on; the setting decides without it.
pub(crate) fn begin(app: &AppHandle, keep: Option<bool>) {
    if app.state::<Shutdown>().begun.swap(true, Ordering::AcqRel) {
        return;
    }
    for window in app.windows().values() {
        let _ = window.hide();
    }
    streams::close_all(app);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(product) = app.state::<Desktop>().owner.open() {
            if tokio::time::timeout(STOPPING, stop_workspaces(&*product, keep)).await.is_err() {
                tracing::warn!("workspaces were still stopping; the next start sees to them");
            }
            product.shutdown(ENGINE).await;
        }
        app.state::<Shutdown>().done.store(true, Ordering::Release);
        app.exit(0);
    });
}

async fn call<T: serde::de::DeserializeOwned>(
    product: &dyn Product,
    name: &str,
    body: &impl serde::Serialize,
) -> Option<T> {
    let body = serde_json::to_vec(body).ok()?;
    match product.dispatch(name.to_owned(), body).await {
        Ok(reply) => serde_json::from_slice(&reply).ok(),
        Err(problem) => {
            tracing::warn!(%problem, name, "while ending");
            None
        }
    }
}

async fn stop_workspaces(product: &dyn Product, keep: Option<bool>) {
    let keep = match keep {
        Some(keep) => keep,
        None => call::<Settings>(product, "settings.get", &Nothing {}).await.is_none_or(|s| s.keep_on_close),
    };
    if keep {
        return;
    }
    let list: Vec<Workspace> = call(product, "workspace.list", &Nothing {}).await.unwrap_or_default();
    let live = |w: &Workspace| matches!(w.state, WorkspaceState::Running | WorkspaceState::Creating);
    let stops = list.into_iter().filter(live).map(|workspace| async move {
        call::<Workspace>(product, "workspace.stop", &WorkspaceRef { id: workspace.id }).await;
    });
    futures_util::future::join_all(stops).await;
}

/// Ends the app in order when the system or a terminal asks for it. Workspaces go on: nobody was asked.
#[cfg(unix)]
pub(crate) fn follow_signals(app: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (Ok(mut term), Ok(mut int), Ok(mut hup)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
        else {
            tracing::error!("signals cannot be followed: a terminated app will not end in order");
            return;
        };
        tokio::select! {
            _ = term.recv() => (),
            _ = int.recv() => (),
            _ = hup.recv() => (),
        }
        begin(&app, Some(true));
    });
}

#[cfg(not(unix))]
pub(crate) fn follow_signals(_app: &AppHandle) {}
