//! Whether the system wants dark colours. Linux desktops tell by the settings portal, which may take seconds to start, so
//! it is asked while the window is up already and listened to from then on; elsewhere the window system tells by itself.

use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const DARK: u8 = 1;
const LIGHT: u8 = 2;

static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);

/// What the system wants, as far as it has told.
pub(crate) fn of_system() -> Option<tauri::Theme> {
    match KNOWN.load(Ordering::Relaxed) {
        DARK => Some(tauri::Theme::Dark),
        LIGHT => Some(tauri::Theme::Light),
        _ => None,
    }
}

/// Asks the portal, and follows it. A system without one keeps GTK's own theme.
#[cfg(target_os = "linux")]
pub(crate) async fn follow(app: tauri::AppHandle) {
    if let Err(error) = listen(&app).await {
        tracing::info!(%error, "the desktop does not tell its colours");
    }
}

#[cfg(target_os = "linux")]
async fn listen(app: &tauri::AppHandle) -> zbus::Result<()> {
    use futures_util::StreamExt;
    let bus = zbus::Connection::session().await?;
    let portal = SettingsProxy::new(&bus).await?;
    let mut changes = portal.receive_setting_changed().await?;
    let now = portal.read("org.freedesktop.appearance", "color-scheme").await?;
    take(app, &now);
    while let Some(change) = changes.next().await {
        let change = change.args()?;
        if (change.namespace, change.key) == ("org.freedesktop.appearance", "color-scheme") {
            take(app, &change.value);
        }
    }
    Ok(())
}

/// The portal's own numbers: 1 prefers dark, 2 prefers light, 0 prefers nothing.
#[cfg(target_os = "linux")]
fn take(app: &tauri::AppHandle, value: &zbus::zvariant::Value<'_>) {
    use tauri::Manager;
    use zbus::zvariant::Value;
    let known = match value {
        Value::Value(inner) => return take(app, inner),
        Value::U32(1) => DARK,
        Value::U32(2) => LIGHT,
        _ => UNKNOWN,
    };
    if KNOWN.swap(known, Ordering::Relaxed) != known {
        let theme = app.state::<crate::app::Desktop>().remembered.get().theme;
        super::set_theme(app, theme);
    }
}

#[cfg(target_os = "linux")]
#[zbus::proxy(
    interface = "org.freedesktop.portal.Settings",
    default_service = "org.freedesktop.portal.Desktop",
    default_path = "/org/freedesktop/portal/desktop",
    gen_blocking = false
)]
trait Settings {
    fn read(&self, namespace: &str, key: &str) -> zbus::Result<zbus::zvariant::OwnedValue>;

    #[zbus(signal)]
    fn setting_changed(
        &self,
        namespace: &str,
        key: &str,
        value: zbus::zvariant::Value<'_>,
    ) -> zbus::Result<()>;
}
