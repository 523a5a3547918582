//! The pane on macOS and Windows: a child webview of the window, whose position Tauri keeps there. Its label has no
//! capability and the app's commands are declared, so Tauri refuses every call from it. Main thread only, as on Linux.

use slipway_wire::{Code, Problem};
use std::{cell::RefCell, collections::HashMap, sync::Arc};
use tauri::{
    AppHandle, DragDropEvent, LogicalPosition, LogicalSize, Manager, Url, Webview, WebviewEvent, WebviewUrl,
    webview::{NewWindowResponse, PageLoadEvent, WebviewBuilder},
};

use super::{
    Act, Place,
    guard::{Site, Verdict},
};
use crate::{
    bridge::events::{DesktopEvent, tell},
    drag::{self, Over, Report},
    outside,
};

#[derive(Default)]
struct Pane {
    view: Option<Webview>,
    site: Arc<std::sync::Mutex<Option<Site>>>,
    place: Place,
}

thread_local! {
    static PANES: RefCell<HashMap<String, Pane>> = RefCell::default();
}

fn with<T>(window: &str, then: impl FnOnce(&mut Pane) -> T) -> T {
    PANES.with_borrow_mut(|panes| then(panes.entry(window.to_owned()).or_default()))
}

fn set(site: &std::sync::Mutex<Option<Site>>, to: Option<Site>) {
    *site.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
}

/// The window is gone.
pub(crate) fn forget(window: &str) {
    PANES.with_borrow_mut(|panes| panes.remove(window));
}

/// The system's own webviews report no keys to the app: here a page keeps all of its keyboard.
pub(crate) fn shortcuts(_window: &str, _chords: super::keys::Chords) {}

/// Moves, shows or hides the pane.
pub(crate) fn place(window: &str, place: Place) {
    with(window, |pane| {
        pane.place = place.bounded();
        lay(pane);
    });
}

fn lay(pane: &Pane) {
    let (Some(view), place) = (&pane.view, pane.place) else { return };
    let laid = view
        .set_position(LogicalPosition::new(place.x, place.y))
        .and_then(|()| view.set_size(LogicalSize::new(place.width, place.height)))
        .and_then(|()| if place.visible { view.show() } else { view.hide() });
    if let Err(error) = laid {
        tracing::warn!(%error, "placing the preview");
    }
}

/// Shows an address of a workspace; `None` empties the pane.
pub(crate) fn load(app: &AppHandle, window: &str, to: Option<(Url, Site)>) -> Result<(), Problem> {
    let failed = |e: tauri::Error| {
        Problem::new(Code::Internal, "The preview could not show the page.").detail(e.to_string())
    };
    let Some((url, site)) = to else {
        return match with(window, |pane| {
            set(&pane.site, None);
            pane.view.take()
        }) {
            Some(view) => view.close().map_err(failed),
            None => Ok(()),
        };
    };
    let shown = with(window, |pane| {
        set(&pane.site, Some(site));
        pane.view.clone()
    });
    if let Some(view) = shown {
        view.navigate(url).map_err(failed)?;
    } else {
        let view = make(app, window, url).map_err(failed)?;
        with(window, |pane| pane.view = Some(view));
    }
    with(window, |pane| lay(pane));
    Ok(())
}

fn make(app: &AppHandle, window: &str, url: Url) -> tauri::Result<Webview> {
    let parent = app.get_window(window).ok_or(tauri::Error::WindowNotFound)?;
    let (site, place) = with(window, |pane| (pane.site.clone(), pane.place));
    let judge = move |url: &Url| {
        let site = site.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        site.as_ref().map_or(Verdict::Refuse, |site| site.judge(url.as_str()))
    };
    let judge = Arc::new(judge);
    let (go, new, notices) = (app.clone(), app.clone(), (app.clone(), window.to_owned()));
    let (judge_new, states) = (judge.clone(), window.to_owned());
    let titles = window.to_owned();
    let label = window.strip_prefix("window-").map_or_else(|| "preview".into(), |n| format!("preview-{n}"));
    let builder = WebviewBuilder::new(label, WebviewUrl::External(url))
        .incognito(true)
        .on_navigation(move |url| match judge(url) {
            Verdict::Stay => true,
            Verdict::Outside => {
                outside::ask(&go, url);
                false
            }
            Verdict::Refuse => false,
        })
        .on_new_window(move |url, _| {
            if judge_new(&url) != Verdict::Refuse {
                outside::ask(&new, &url);
            }
            NewWindowResponse::Deny
        })
        .on_download(move |_, _| {
            let text = "The page offered a download. The preview does not download files; open the page in your \
                        browser for that.";
            tell(&notices.0, &notices.1, &DesktopEvent::Notice { text: text.into() });
            false
        })
        .on_document_title_changed(move |view, title| state(&view, &titles, &title, false))
        .on_page_load(move |view, load| {
            state(&view, &states, "", load.event() == PageLoadEvent::Started);
        });
    let view = parent.add_child(
        builder,
        LogicalPosition::new(place.x, place.y),
        LogicalSize::new(place.width, place.height),
    )?;
    let (app, window) = (app.clone(), window.to_owned());
    view.on_webview_event(move |event| {
        let WebviewEvent::DragDrop(event) = event else { return };
        let scale = if cfg!(windows) { parent.scale_factor().unwrap_or(1.0) } else { 1.0 };
        let place = with(&window, |pane| pane.place);
        let at = |p: &tauri::PhysicalPosition<f64>| (place.x + p.x / scale, place.y + p.y / scale);
        let report = match event {
            DragDropEvent::Enter { paths, position } => {
                let (x, y) = at(position);
                Report::Enter(paths.clone(), x, y)
            }
            DragDropEvent::Over { position } => {
                let (x, y) = at(position);
                Report::Over(x, y)
            }
            DragDropEvent::Drop { paths, position } => {
                let (x, y) = at(position);
                Report::Drop(paths.clone(), x, y)
            }
            _ => Report::Leave,
        };
        drag::report(&app, &window, Over::Preview, report);
    });
    Ok(view)
}

/// Tauri does not say here whether there is a way back, so the buttons stay live; going nowhere harms nobody.
fn state(view: &Webview, window: &str, title: &str, loading: bool) {
    let url = view.url().map(String::from).unwrap_or_default();
    let title = title.chars().take(500).collect();
    let event = DesktopEvent::Preview { url, title, loading, can_back: true, can_forward: true };
    tell(view.app_handle(), window, &event);
}

/// Does what a button of the pane's bar says.
pub(crate) fn act(window: &str, act: Act) {
    let Some(view) = with(window, |pane| pane.view.clone()) else { return };
    let done = match act {
        Act::Back => view.eval("history.back()"),
        Act::Forward => view.eval("history.forward()"),
        Act::Reload | Act::HardReload => view.reload(),
        Act::Stop => view.eval("window.stop()"),
    };
    if let Err(error) = done {
        tracing::warn!(%error, ?act, "the preview's bar");
    }
}

/// Zooms the page; 1 is its own size.
pub(crate) fn zoom(window: &str, factor: f64) {
    if let Some(view) = with(window, |pane| pane.view.clone())
        && let Err(error) = view.set_zoom(factor.clamp(0.25, 5.0))
    {
        tracing::warn!(%error, "zooming the preview");
    }
}

/// Tauri offers no picture of a webview on these systems: there is none.
pub(crate) fn snapshot(_window: &str, then: impl FnOnce(Result<Option<Vec<u8>>, Problem>) + 'static) {
    then(Ok(None));
}
