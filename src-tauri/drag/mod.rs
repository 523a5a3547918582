//! Files dragged over the window. Each webview reports for itself; the interface hears of it in the window's
//! coordinates, and takes a leave followed by an enter as the move between two webviews that it is. Only files count:
//! dragged text and links are nobody's business here.

#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
pub(crate) mod linux;

use serde::Serialize;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use tauri::{AppHandle, Manager};

use crate::bridge::events::{DesktopEvent, tell};

/// Which webview the pointer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Over {
    /// The interface.
    Ui,
    /// The preview pane.
    Preview,
}

/// Where a drag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// It came into the window.
    Enter,
    /// It moved.
    Over,
    /// It left the window.
    Leave,
    /// The files were let go.
    Drop,
}

/// What a webview reports, with positions in CSS pixels of the window's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Report {
    /// Came in, with these paths.
    Enter(Vec<PathBuf>, f64, f64),
    /// Moved.
    Over(f64, f64),
    /// Left this webview.
    Leave,
    /// Let go here.
    Drop(Vec<PathBuf>, f64, f64),
}

/// The drags over every window.
#[derive(Default)]
pub(crate) struct Drags {
    windows: Mutex<HashMap<String, Drag>>,
}

#[derive(Default)]
struct Drag {
    inside: bool,
    paths: Vec<String>,
}

/// Takes a report of one of a window's webviews and tells the window's interface.
pub(crate) fn report(app: &AppHandle, window: &str, over: Over, report: Report) {
    let drags = app.state::<Drags>();
    let mut windows = drags.windows.lock().unwrap_or_else(PoisonError::into_inner);
    let drag = windows.entry(window.to_owned()).or_default();
    let (phase, x, y) = match report {
        Report::Enter(paths, x, y) => {
            let paths = files(paths);
            if paths.is_empty() {
                return;
            }
            drag.inside = true;
            drag.paths = paths;
            (Phase::Enter, x, y)
        }
        Report::Over(x, y) if drag.inside => (Phase::Over, x, y),
        Report::Drop(paths, x, y) => {
            let paths = files(paths);
            drag.inside = false;
            drag.paths = Vec::new();
            let event = DesktopEvent::Drag { phase: Phase::Drop, paths, over, x, y };
            drop(windows);
            tell(app, window, &event);
            return;
        }
        Report::Leave if drag.inside => {
            drag.inside = false;
            drag.paths = Vec::new();
            (Phase::Leave, 0.0, 0.0)
        }
        Report::Over(..) | Report::Leave => return,
    };
    let event = DesktopEvent::Drag { phase, paths: drag.paths.clone(), over, x, y };
    drop(windows);
    tell(app, window, &event);
}

/// The absolute paths among what was dragged, at most a hundred.
fn files(paths: Vec<PathBuf>) -> Vec<String> {
    paths
        .into_iter()
        .filter(|path| path.is_absolute())
        .filter_map(|path| path.into_os_string().into_string().ok())
        .take(100)
        .collect()
}
