//! The way out to the system's browser: http and https only. Pages of a workspace get there only after a person said
//! yes, one question at a time, and a no holds for that host until the next page is loaded.

use slipway_wire::{Code, Problem};
use std::{
    collections::HashSet,
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tauri::{AppHandle, Manager, Url};
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons};

/// What was asked and refused.
#[derive(Default)]
pub(crate) struct Outside {
    state: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    open: bool,
    refused: HashSet<String>,
}

const MOST_REFUSED: usize = 256;

impl Outside {
    fn state(&self) -> MutexGuard<'_, Asked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets refusals: a person loaded another page.
    pub(crate) fn forget(&self) {
        self.state().refused.clear();
    }
}

/// Opens `url` in the system's browser. Refuses everything but http and https.
pub(crate) fn open(url: &str) -> Result<(), Problem> {
    let url =
        Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Problem::new(Code::Invalid, "Only web addresses can be opened in the browser."))?;
    let mut last = None;
    for mut command in open::commands(url.as_str()) {
        #[cfg(target_os = "linux")]
        command.env_remove(crate::run_mark::VARIABLE);
        match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(mut child) => {
                std::thread::spawn(move || child.wait());
                return Ok(());
            }
            Err(error) => last = Some(error.to_string()),
        }
    }
    Err(Problem::new(Code::NotFound, "No browser could be started on this system.")
        .hint("Set a default browser, or copy the address.")
        .detail(last.unwrap_or_default()))
}

/// Asks whether a page may open `url` outside, and opens it on a yes. Silent when a question is open already or the
/// host was refused, so a page that asks in a loop gets nowhere.
pub(crate) fn ask(app: &AppHandle, url: &Url) {
    if !matches!(url.scheme(), "http" | "https") {
        return;
    }
    let Some(host) = url.host_str().map(str::to_owned) else { return };
    let outside = app.state::<Outside>();
    {
        let mut state = outside.state();
        if state.open || state.refused.contains(&host) {
            return;
        }
        state.open = true;
    }
    let (app_then, url) = (app.clone(), url.to_string());
    let shown: String = url.chars().take(200).collect();
    app.dialog()
        .message(format!("The page in the preview wants to open this address in your browser:\n\n{shown}"))
        .title("Leave the preview?")
        .buttons(MessageDialogButtons::OkCancelCustom("Open in browser".into(), "Stay here".into()))
        .show(move |yes| {
            let outside = app_then.state::<Outside>();
            let mut state = outside.state();
            state.open = false;
            if yes {
                if let Err(problem) = open(&url) {
                    tracing::warn!(%problem, "opening the browser");
                }
            } else if state.refused.len() < MOST_REFUSED {
                state.refused.insert(host);
            }
        });
}
