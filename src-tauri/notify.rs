//! A sentence said outside the window while nobody is at it: by the desktop's notification service where there is one,
//! else by asking for attention. In comes text of our own interface; it is bounded, and never read as markup.

use serde::Deserialize;
use slipway_wire::{Code, Problem};
use std::collections::VecDeque;
use tauri::{AppHandle, Manager, UserAttentionType};
use tokio::sync::Mutex;

/// Longest title and text, characters.
const TITLE: usize = 100;
const TEXT: usize = 500;
/// So many are remembered, so that what several windows ask for is shown once.
const REMEMBERED: usize = 32;

/// Tags of what was shown, newest last. Held while one is being shown: another window's waits for what comes of it.
static SHOWN: Mutex<VecDeque<String>> = Mutex::const_new(VecDeque::new());

/// What is to be said.
#[derive(Deserialize)]
pub(crate) struct Note {
    title: String,
    text: String,
    /// The same for the same news, whichever window tells it.
    tag: String,
}

/// Says it. False: one of our windows has the focus, or nothing outside can show it, so the window has to.
pub(crate) async fn say(app: &AppHandle, note: &Note) -> Result<bool, Problem> {
    let chars = |text: &str| text.chars().count();
    if chars(&note.title) > TITLE || chars(&note.text) > TEXT || chars(&note.tag) > TITLE {
        return Err(Problem::new(Code::Limit, "A notification has at most 500 characters."));
    }
    let windows = app.windows();
    if windows.values().any(|window| window.is_focused().unwrap_or(false)) {
        return Ok(false);
    }
    let mut shown = SHOWN.lock().await;
    if shown.contains(&note.tag) {
        return Ok(true);
    }
    if show(note).await {
        if shown.len() == REMEMBERED {
            shown.pop_front();
        }
        shown.push_back(note.tag.clone());
        return Ok(true);
    }
    drop(shown);
    for window in windows.values() {
        if let Err(error) = window.request_user_attention(Some(UserAttentionType::Informational)) {
            tracing::debug!(%error, "the window system takes no request for attention");
        }
    }
    Ok(false)
}

#[cfg(target_os = "linux")]
async fn show(note: &Note) -> bool {
    let asked = tokio::time::timeout(std::time::Duration::from_secs(5), linux::send(note)).await;
    match asked {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::info!(%error, "the desktop shows no notifications");
            false
        }
        Err(_) => {
            tracing::info!("the desktop's notification service did not answer");
            false
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "the same signature on every platform")]
async fn show(_note: &Note) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use zbus::zvariant::Value;

    use super::Note;

    pub(super) async fn send(note: &Note) -> zbus::Result<()> {
        let bus = zbus::Connection::session().await?;
        let service = NotificationsProxy::new(&bus).await?;
        let markup = service.get_capabilities().await?.iter().any(|able| able == "body-markup");
        let body = if markup { escaped(&note.text) } else { note.text.clone() };
        let hints = HashMap::from([("desktop-entry", Value::from("slipway"))]);
        service.notify("Slipway", 0, "slipway", &note.title, &body, &[], hints, -1).await?;
        Ok(())
    }

    /// As text for a service that reads a subset of HTML: names of workspaces come from anywhere.
    pub(super) fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    #[zbus::proxy(
        interface = "org.freedesktop.Notifications",
        default_service = "org.freedesktop.Notifications",
        default_path = "/org/freedesktop/Notifications",
        gen_blocking = false
    )]
    trait Notifications {
        fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

        #[expect(clippy::too_many_arguments, reason = "as the service has them")]
        fn notify(
            &self,
            app_name: &str,
            replaces_id: u32,
            app_icon: &str,
            summary: &str,
            body: &str,
            actions: &[&str],
            hints: HashMap<&str, Value<'_>>,
            expire_timeout: i32,
        ) -> zbus::Result<u32>;
    }

    #[cfg(test)]
    mod tests {
        use super::escaped;

        #[test]
        fn a_name_is_never_markup() {
            assert_eq!(escaped("<b>shop</b> & co"), "&lt;b&gt;shop&lt;/b&gt; &amp; co");
        }
    }
}
