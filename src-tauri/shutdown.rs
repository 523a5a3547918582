//! The one way the app ends: windows out of sight, streams, shells of the host tab and what is being copied, then the
//! engine in its own order. Reached by the close button, the tray, the signals that ask a program to end, and another
//! owner; a second ask does not wait for an answer.

use std::sync::atomic::{AtomicBool, Ordering};
use tauri::{AppHandle, Manager};

use crate::{
    app::Desktop,
    bridge::{
        events::{DesktopEvent, tell},
        streams,
    },
    window,
};

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
        let desktop = app.state::<Desktop>();
        tokio::join!(desktop.hosts.end(), desktop.carries.end());
        desktop.owner.end(keep).await;
        app.state::<Shutdown>().done.store(true, Ordering::Release);
        app.exit(0);
    });
}

/// Ends the app in order when the system or a terminal asks for it.
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
        begin(&app, None);
    });
}

#[cfg(not(unix))]
pub(crate) fn follow_signals(_app: &AppHandle) {}
