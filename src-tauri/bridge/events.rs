//! What the app tells the interface by itself: drags, the preview's state, a second launch, the wish to close. One
//! channel per window; what is told before an interface listens is dropped, except what the interface asks for later.

use serde::Serialize;
use slipway_wire::WorkspaceId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tauri::{
    AppHandle, Manager,
    ipc::{Channel, InvokeResponseBody},
};

use super::carry::running::Far;
use crate::{
    app::Desktop,
    drag::{Over, Phase},
};

/// Something the app tells the interface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum DesktopEvent {
    /// Files are dragged over the window; positions in CSS pixels of its content.
    Drag { phase: Phase, paths: Vec<String>, over: Over, x: f64, y: f64 },
    /// What the preview shows.
    Preview { url: String, title: String, loading: bool, can_back: bool, can_forward: bool },
    /// A second launch handed its paths over.
    Open { paths: Vec<String> },
    /// The window's close button was pressed; `desktop.close` answers.
    CloseRequested,
    /// Something about the preview a person should know.
    Notice { text: String },
    /// The host tab was switched on or off.
    HostShell { on: bool },
    /// How far something is that goes over the window's edge.
    Carry(Far),
    /// That is over, however it ended; whoever asked for it has the answer.
    CarryEnded { carry: u32 },
    /// A workspace was chosen in the tray.
    Show { id: WorkspaceId },
    /// One of the interface's own chords was pressed while the page had the keyboard.
    #[cfg_attr(
        any(not(target_os = "linux"), feature = "portable-preview"),
        expect(dead_code, reason = "only GTK tells")
    )]
    Shortcut { key: String, ctrl: bool, shift: bool, alt: bool },
}

/// Who listens, by window.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<HashMap<String, Channel<InvokeResponseBody>>>);

/// Lets a window's interface listen, in place of the one before.
pub(super) fn listen(app: &AppHandle, window: &str, channel: Channel<InvokeResponseBody>) {
    let desktop = app.state::<Desktop>();
    desktop.listeners.0.lock().unwrap_or_else(PoisonError::into_inner).insert(window.to_owned(), channel);
}

/// The window is gone.
pub(crate) fn forget(app: &AppHandle, window: &str) {
    app.state::<Desktop>().listeners.0.lock().unwrap_or_else(PoisonError::into_inner).remove(window);
}

/// Tells a window's interface. False when none listens.
pub(crate) fn tell(app: &AppHandle, window: &str, event: &DesktopEvent) -> bool {
    let desktop = app.state::<Desktop>();
    let channel = desktop.listeners.0.lock().unwrap_or_else(PoisonError::into_inner).get(window).cloned();
    let Some(channel) = channel else { return false };
    match super::json(event) {
        Ok(json) => channel.send(InvokeResponseBody::Json(json)).is_ok(),
        Err(problem) => {
            tracing::error!(%problem, "an event for the interface");
            false
        }
    }
}
