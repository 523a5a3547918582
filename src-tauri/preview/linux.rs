//! The pane on Linux: a WebKitGTK webview in a `gtk::Overlay` above the interface's. Tauri packs child webviews into a
//! box that ignores positions (tauri#10420), so the interface's webview is moved into the overlay and the preview is
//! given its place in it by the overlay's own question: a size request is only the least, and WebKit's natural size is
//! the one it has, so that it would never shrink. Everything here runs on the main thread, where GTK lives.

use gtk::{gdk, glib, prelude::*};
use slipway_wire::{Code, Problem};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};
use tauri::{AppHandle, Url};
use webkit2gtk::{
    CacheModel, DownloadExt, MemoryPressureSettings, SettingsExt, SnapshotOptions, SnapshotRegion,
    WebContext, WebContextExt, WebView, WebViewExt, WebsiteDataManager,
};

use super::{Act, Place, drawing, guard::Site, keys::Chords, policy};
use crate::{
    bridge::events::{DesktopEvent, tell},
    drag::{self, Over},
};

/// Memory a page may use before WebKit ends it, MB. The machine is not the page's to fill.
const PAGE_MEMORY_MB: u32 = 1536;

struct Pane {
    overlay: gtk::Overlay,
    ui: WebView,
    view: Option<WebView>,
    site: Option<Site>,
    /// Shared with the overlay, which may ask while the panes are in use.
    place: Rc<Cell<Place>>,
    chords: Chords,
}

thread_local! {
    static PANES: RefCell<HashMap<String, Pane>> = RefCell::default();
    static CONTEXT: RefCell<Option<WebContext>> = const { RefCell::new(None) };
}

fn with<T>(window: &str, then: impl FnOnce(&mut Pane) -> T) -> Option<T> {
    PANES.with_borrow_mut(|panes| panes.get_mut(window).map(then))
}

/// The site a window's pane shows.
pub(super) fn site_of(window: &str) -> Option<Site> {
    PANES.with_borrow(|panes| panes.get(window)?.site.clone())
}

/// Takes the interface's webview out of Tauri's box and puts an overlay in its place.
pub(crate) fn adopt(window: &str, ui: WebView) {
    let Some(parent) = ui.parent().and_then(|parent| parent.downcast::<gtk::Box>().ok()) else {
        tracing::error!(window, "the interface's webview is not in the window's box: no preview pane");
        return;
    };
    let overlay = gtk::Overlay::new();
    parent.remove(&ui);
    overlay.add(&ui);
    parent.pack_start(&overlay, true, true, 0);
    let place = Rc::new(Cell::new(Place::default()));
    let asked = place.clone();
    overlay.connect_get_child_position(move |_, _| {
        let place = asked.get();
        let [x, y, width, height] = [place.x, place.y, place.width, place.height].map(|side| side as i32);
        Some(gdk::Rectangle::new(x, y, width.max(1), height.max(1)))
    });
    overlay.show_all();
    // Moving it took the keyboard from it.
    ui.grab_focus();
    let pane = Pane { overlay, ui, view: None, site: None, place, chords: Chords::default() };
    PANES.with_borrow_mut(|panes| panes.insert(window.to_owned(), pane));
}

/// The window is gone.
pub(crate) fn forget(window: &str) {
    let pane = PANES.with_borrow_mut(|panes| panes.remove(window));
    if let Some(view) = pane.and_then(|pane| pane.view) {
        view.try_close();
    }
}

/// Moves, shows or hides the pane.
pub(crate) fn place(window: &str, place: Place) {
    with(window, |pane| {
        pane.place.set(place.bounded());
        lay(pane);
    });
}

fn lay(pane: &Pane) {
    let Some(view) = &pane.view else { return };
    pane.overlay.queue_allocate();
    let visible = pane.place.get().visible && pane.site.is_some();
    if !visible && view.is_focus() {
        // What is hidden would keep the keyboard, and every key would be lost.
        pane.ui.grab_focus();
    }
    view.set_visible(visible);
}

/// Says which shortcuts are the interface's own while the page has the keyboard.
pub(crate) fn shortcuts(window: &str, chords: Chords) {
    with(window, |pane| pane.chords = chords);
}

/// Lets the interface have its shortcuts, before WebKit and with it the page sees the key.
fn follow_keys(app: &AppHandle, window: &str, view: &WebView) {
    let (app, window) = (app.clone(), window.to_owned());
    view.connect_key_press_event(move |_, event| {
        let state = event.state();
        let held = |mask: gdk::ModifierType| state.contains(mask);
        let name = key_name(event.keyval());
        let found = with(&window, |pane| {
            let (ctrl, shift, alt) = (
                held(gdk::ModifierType::CONTROL_MASK),
                held(gdk::ModifierType::SHIFT_MASK),
                held(gdk::ModifierType::MOD1_MASK),
            );
            let chord = pane.chords.find(&name?, ctrl, shift, alt)?;
            Some((chord.clone(), pane.ui.clone()))
        });
        let Some((chord, ui)) = found.flatten().filter(|_| !held(gdk::ModifierType::MOD4_MASK)) else {
            return glib::Propagation::Proceed;
        };
        if !chord.stay {
            ui.grab_focus();
        }
        let (key, shift) = (chord.key, chord.shift);
        tell(&app, &window, &DesktopEvent::Shortcut { key, ctrl: chord.ctrl, shift, alt: chord.alt });
        glib::Propagation::Stop
    });
}

/// A key as `KeyboardEvent.key` has it, lower case; `None` for those no shortcut has.
fn key_name(key: gdk::keys::Key) -> Option<String> {
    use gdk::keys::constants as keys;
    let named = match key {
        keys::Up => "arrowup",
        keys::Down => "arrowdown",
        keys::Left => "arrowleft",
        keys::Right => "arrowright",
        keys::Page_Up => "pageup",
        keys::Page_Down => "pagedown",
        other => return other.to_unicode().map(|letter| letter.to_lowercase().collect()),
    };
    Some(named.to_owned())
}

/// Shows an address of a workspace; `None` empties the pane.
pub(crate) fn load(app: &AppHandle, window: &str, to: Option<(Url, Site)>) -> Result<(), Problem> {
    let Some((url, site)) = to else {
        with(window, |pane| {
            pane.site = None;
            if let Some(view) = pane.view.take() {
                if view.is_focus() {
                    pane.ui.grab_focus();
                }
                pane.overlay.remove(&view);
                view.try_close();
            }
        });
        return Ok(());
    };
    let Some((old, ui)) = with(window, |pane| (pane.view.clone(), pane.ui.clone())) else {
        return Err(Problem::new(Code::WrongState, "This window has no preview pane."));
    };
    let view = old.unwrap_or_else(|| make(app, window, &ui));
    with(window, |pane| {
        pane.site = Some(site);
        if pane.view.is_none() {
            pane.overlay.add_overlay(&view);
            pane.view = Some(view.clone());
        }
        lay(pane);
    });
    view.load_uri(url.as_str());
    Ok(())
}

/// A new webview for a pane, with the rules on it.
fn make(app: &AppHandle, window: &str, ui: &WebView) -> WebView {
    // WebKit automates one context only: under test the pane shares the interface's. A page gains nothing by that, the
    // test suite proves it.
    let automated = ui.is_controlled_by_automation();
    let context = if automated { ui.context() } else { None }.unwrap_or_else(own_context);
    if automated {
        refuse_downloads(&context, ui);
    }
    let view: WebView = glib::Object::builder()
        .property("web-context", &context)
        .property("is-controlled-by-automation", automated)
        .build();
    drawing::choose(&view);
    if let Some(settings) = WebViewExt::settings(&view) {
        settings.set_enable_developer_extras(true);
        settings.set_enable_media_stream(false);
        settings.set_javascript_can_open_windows_automatically(false);
    }
    view.set_no_show_all(true);
    policy::apply(app, window, &view);
    report_state(app, window, &view);
    follow_keys(app, window, &view);
    drag::linux::follow(app, window, Over::Preview, &view);
    view
}

/// The previews' own context: nothing on disk, gone with the app, its pages' memory bounded.
fn own_context() -> WebContext {
    CONTEXT.with_borrow_mut(|kept| {
        kept.get_or_insert_with(|| {
            let mut bounds = MemoryPressureSettings::new();
            bounds.set_memory_limit(PAGE_MEMORY_MB);
            bounds.set_kill_threshold(1.0);
            let context = WebContext::builder()
                .website_data_manager(&WebsiteDataManager::new_ephemeral())
                .memory_pressure_settings(&bounds)
                .build();
            context.set_cache_model(CacheModel::DocumentViewer);
            context.connect_download_started(|_, download| download.cancel());
            context
        })
        .clone()
    })
}

/// In a shared context, a download that is not the interface's own is a page's.
fn refuse_downloads(context: &WebContext, ui: &WebView) {
    let ui = ui.downgrade();
    context.connect_download_started(move |_, download| {
        if download.web_view() != ui.upgrade() {
            download.cancel();
        }
    });
}

fn report_state(app: &AppHandle, window: &str, view: &WebView) {
    let (app, window) = (app.clone(), window.to_owned());
    let report = move |view: &WebView| {
        let event = DesktopEvent::Preview {
            url: view.uri().map(|u| u.to_string()).unwrap_or_default(),
            title: view.title().map(|t| t.chars().take(500).collect()).unwrap_or_default(),
            loading: view.is_loading(),
            can_back: view.can_go_back(),
            can_forward: view.can_go_forward(),
        };
        tell(&app, &window, &event);
    };
    let again = report.clone();
    view.connect_title_notify(move |view| again(view));
    let again = report.clone();
    view.connect_uri_notify(move |view| again(view));
    view.connect_is_loading_notify(report);
}

/// Does what a button of the pane's bar says.
pub(crate) fn act(window: &str, act: Act) {
    let Some(view) = with(window, |pane| pane.view.clone()).flatten() else { return };
    match act {
        Act::Back => view.go_back(),
        Act::Forward => view.go_forward(),
        Act::Reload => view.reload(),
        Act::HardReload => view.reload_bypass_cache(),
        Act::Stop => view.stop_loading(),
    }
}

/// Zooms the page; 1 is its own size.
pub(crate) fn zoom(window: &str, factor: f64) {
    if let Some(view) = with(window, |pane| pane.view.clone()).flatten() {
        view.set_zoom_level(factor.clamp(0.25, 5.0));
    }
}

/// A picture of what the pane shows, as PNG; `None` when it shows nothing.
pub(crate) fn snapshot(window: &str, then: impl FnOnce(Result<Option<Vec<u8>>, Problem>) + 'static) {
    let Some(view) = with(window, |pane| pane.view.clone()).flatten().filter(WebView::is_mapped) else {
        return then(Ok(None));
    };
    let failed = |e: &dyn std::fmt::Display| {
        Problem::new(Code::Internal, "The preview could not be photographed.").detail(e.to_string())
    };
    view.snapshot(
        SnapshotRegion::Visible,
        SnapshotOptions::NONE,
        gtk::gio::Cancellable::NONE,
        move |surface| {
            let png = surface.map_err(|e| failed(&e)).and_then(|surface| {
                let image = cairo::ImageSurface::try_from(surface)
                    .map_err(|_| failed(&"WebKit gave no image surface"))?;
                let mut png = Vec::new();
                image.write_to_png(&mut png).map_err(|e| failed(&e))?;
                Ok(Some(png))
            });
            then(png);
        },
    );
}
