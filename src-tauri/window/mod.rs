//! Windows: the main one and further ones, made in code. A window `main` or `window-N` holds the interface's webview `ui`
//! or `ui-N` and a preview pane. Placing webviews is the platform's (`preview`); sizes are remembered in `remembered`.

pub(crate) mod colours;
pub(crate) mod remembered;

use slipway_wire::{Theme, WorkspaceId};
use std::sync::atomic::{AtomicU32, Ordering};
use tauri::{
    AppHandle, LogicalPosition, LogicalSize, Manager, Webview, WebviewUrl, Window, WindowEvent,
    webview::{Color, PageLoadEvent, WebviewBuilder},
    window::WindowBuilder,
};

#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
use crate::preview::drawing;
use crate::{
    app::Desktop,
    bridge::{events, streams},
    drag::{self, Over},
    preview::pane,
    shutdown,
};
use remembered::Remembered;

/// The label of the first window.
pub(crate) const MAIN: &str = "main";
const SMALLEST: (f64, f64) = (900.0, 600.0);

static NEXT: AtomicU32 = AtomicU32::new(2);

/// The label of a window's interface.
pub(crate) fn ui_of(window: &str) -> String {
    window.strip_prefix("window-").map_or_else(|| "ui".to_owned(), |n| format!("ui-{n}"))
}

/// The window an interface belongs to.
pub(crate) fn window_of(ui: &str) -> String {
    ui.strip_prefix("ui-").map_or_else(|| MAIN.to_owned(), |n| format!("window-{n}"))
}

/// Opens the first window, as large as it was last time.
pub(crate) fn open_main(app: &AppHandle) -> tauri::Result<()> {
    let size = app.state::<Desktop>().remembered.get();
    open(app, MAIN, "index.html", &size)
}

/// Opens a further window that shows one workspace.
pub(crate) fn open_another(app: &AppHandle, workspace: &WorkspaceId) -> tauri::Result<()> {
    let label = format!("window-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let size = Remembered { maximized: false, ..app.state::<Desktop>().remembered.get() };
    open(app, &label, &format!("index.html?workspace={workspace}"), &size)
}

fn open(app: &AppHandle, label: &str, page: &str, size: &Remembered) -> tauri::Result<()> {
    let window = WindowBuilder::new(app, label)
        .title("Slipway")
        .inner_size(size.width, size.height)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        .maximized(size.maximized)
        .theme(tauri_theme(size.theme))
        .background_color(background(size.theme))
        .build()?;
    let ui_label = ui_of(label);
    let builder = WebviewBuilder::new(&ui_label, WebviewUrl::App(page.into()))
        .data_directory(app.state::<Desktop>().directory.join("webview"))
        .background_color(background(size.theme))
        .on_navigation(is_own)
        .on_new_window(|_, _| tauri::webview::NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .on_page_load(|webview, load| {
            // A page that is loaded anew knows nothing of the streams of the one before.
            tracing::debug!(event = ?load.event(), at_ms = app_age(&webview), "the interface's page");
            if load.event() == PageLoadEvent::Started {
                streams::close_all_of(webview.app_handle(), webview.label());
            }
        });
    #[cfg(not(target_os = "linux"))]
    let builder = builder.auto_resize();
    #[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
    let builder = builder.disable_drag_drop_handler();
    let inner = LogicalSize::new(size.width, size.height);
    let ui = window.add_child(builder, LogicalPosition::new(0, 0), inner)?;
    adopt(&window, &ui)?;
    follow_window(&window);
    Ok(())
}

fn app_age(webview: &Webview) -> u64 {
    webview.state::<Desktop>().age_ms()
}

/// The interface is served by the app itself and never leaves it.
fn is_own(url: &tauri::Url) -> bool {
    url.scheme() == "tauri"
        || (matches!(url.scheme(), "http" | "https") && url.host_str() == Some("tauri.localhost"))
}

#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
fn adopt(window: &Window, ui: &Webview) -> tauri::Result<()> {
    let (app, label) = (window.app_handle().clone(), window.label().to_owned());
    ui.with_webview(move |platform| {
        let view = platform.inner();
        drawing::choose(&view);
        drag::linux::follow(&app, &label, Over::Ui, &view);
        pane::adopt(&label, view);
    })
}

#[cfg(any(not(target_os = "linux"), feature = "portable-preview"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every platform")]
fn adopt(window: &Window, ui: &Webview) -> tauri::Result<()> {
    follow_drags(window, ui);
    Ok(())
}

#[cfg(any(not(target_os = "linux"), feature = "portable-preview"))]
fn follow_drags(window: &Window, ui: &Webview) {
    use tauri::{DragDropEvent, WebviewEvent};

    use crate::drag::Report;

    let (app, label) = (window.app_handle().clone(), window.label().to_owned());
    let scaled = window.clone();
    ui.on_webview_event(move |event| {
        let WebviewEvent::DragDrop(event) = event else { return };
        // GTK and AppKit report logical pixels although the type says physical; Windows keeps to the type.
        let scale = if cfg!(windows) { scaled.scale_factor().unwrap_or(1.0) } else { 1.0 };
        let report = match event {
            DragDropEvent::Enter { paths, position } => {
                Report::Enter(paths.clone(), position.x / scale, position.y / scale)
            }
            DragDropEvent::Over { position } => Report::Over(position.x / scale, position.y / scale),
            DragDropEvent::Drop { paths, position } => {
                Report::Drop(paths.clone(), position.x / scale, position.y / scale)
            }
            _ => Report::Leave,
        };
        drag::report(&app, &label, Over::Ui, report);
    });
}

fn follow_window(window: &Window) {
    let (app, label) = (window.app_handle().clone(), window.label().to_owned());
    let own = window.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } if label == MAIN => {
            app.state::<Desktop>().remembered.keep_size(&own);
            api.prevent_close();
            shutdown::ask(&app);
        }
        WindowEvent::Destroyed => {
            streams::close_all_of(&app, &ui_of(&label));
            events::forget(&app, &label);
            pane::forget(&label);
        }
        _ => (),
    });
}

/// The first window comes to the front.
pub(crate) fn raise(app: &AppHandle) {
    if let Some(window) = app.get_window(MAIN) {
        let _ = window.show();
        let _ = window.unminimize();
        let _ = window.set_focus();
    }
}

/// Gives every window a theme, and remembers it so that the next start shows it from the first moment.
pub(crate) fn set_theme(app: &AppHandle, theme: Theme) {
    app.state::<Desktop>().remembered.keep_theme(theme);
    for window in app.windows().values() {
        let _ = window.set_theme(tauri_theme(theme));
        let _ = window.set_background_color(Some(background(theme)));
        for webview in window.webviews() {
            let _ = webview.set_background_color(Some(background(theme)));
        }
    }
}

fn tauri_theme(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => colours::of_system(),
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// What shows before the interface paints. Where the system's choice is not known yet, light, as the interface then is.
fn background(theme: Theme) -> Color {
    match tauri_theme(theme) {
        Some(tauri::Theme::Dark) => Color(16, 18, 22, 255),
        _ => Color(255, 255, 255, 255),
    }
}
