//! Files dragged over a webview on Linux. WebKit would take them into the page, and says what is dragged only after a
//! round trip to the other program, so a quick drop can come first. The drag is therefore followed here, before WebKit
//! sees it, and a drop waits for what is dropped.

use gtk::{
    gdk::{self, DragAction, DragContext},
    glib,
    prelude::*,
};
use std::{cell::RefCell, path::PathBuf, rc::Rc};
use tauri::AppHandle;
use webkit2gtk::WebView;

use super::{Over, Report, report};

const ADDRESSES: &str = "text/uri-list";

#[derive(Default)]
struct Followed {
    /// Where the pointer was last, in pixels of the window's content.
    at: (i32, i32),
    /// Questions for the dragged files that have no answer yet. The toolkit answers every one, late or with nothing.
    questions: u32,
    /// The files, once they are known.
    files: Option<Vec<PathBuf>>,
    /// The drag is over the webview.
    inside: bool,
    /// Let go before the files were known, at this time of the display's clock.
    let_go: Option<u32>,
}

/// Makes a report of the files and where they are.
type Kind = fn(Vec<PathBuf>, f64, f64) -> Report;

/// Tells of every drag of files over a webview of a window, and keeps them from the page.
pub(crate) fn follow(app: &AppHandle, window: &str, over: Over, view: &WebView) {
    let (app, window) = (app.clone(), window.to_owned());
    let tell = Rc::new(move |what: Kind, followed: &Followed| {
        let (x, y) = followed.at;
        report(&app, &window, over, what(followed.files.clone().unwrap_or_default(), x.into(), y.into()));
    });
    let followed: Rc<RefCell<Followed>> = Rc::default();

    let (drag, say) = (followed.clone(), tell.clone());
    view.connect_drag_motion(move |view, context, x, y, time| {
        if !is_foreign_files(context) {
            return false;
        }
        let drag = &mut *drag.borrow_mut();
        drag.at = really(view, x, y);
        if !drag.inside {
            drag.inside = true;
            drag.files = None;
            ask(drag, view, context, time);
        }
        // Until the files are known they are taken to be some: the pointer must not say no for a moment.
        let taken = drag.files.as_ref().is_none_or(|files| !files.is_empty());
        context.drag_status(if taken { DragAction::COPY } else { DragAction::empty() }, time);
        say(|_, x, y| Report::Over(x, y), drag);
        true
    });

    let (drag, say) = (followed.clone(), tell.clone());
    view.connect_drag_data_received(move |view, context, _, _, data, _, _| {
        let drag = &mut *drag.borrow_mut();
        if drag.questions == 0 || data.target().name() != ADDRESSES {
            return;
        }
        drag.questions -= 1;
        view.stop_signal_emission_by_name("drag-data-received");
        if drag.questions > 0 || !(drag.inside || drag.let_go.is_some()) {
            return;
        }
        let files = data
            .uris()
            .into_iter()
            .filter_map(|uri| glib::filename_from_uri(&uri).ok())
            .map(|(path, _)| path);
        drag.files = Some(files.collect());
        match drag.let_go.take() {
            None => say(Report::Enter, drag),
            Some(time) => end(drag, context, time, &*say),
        }
    });

    let (drag, say) = (followed.clone(), tell.clone());
    view.connect_drag_drop(move |view, context, x, y, time| {
        if !is_foreign_files(context) {
            return false;
        }
        let drag = &mut *drag.borrow_mut();
        drag.at = really(view, x, y);
        if drag.files.is_some() {
            end(drag, context, time, &*say);
        } else {
            if drag.questions == 0 {
                ask(drag, view, context, time);
            }
            drag.let_go = Some(time);
        }
        true
    });

    view.connect_drag_leave(move |view, context, _| {
        if !is_foreign_files(context) {
            return;
        }
        // WebKit was told of no drag, so it must not hear of its end.
        view.stop_signal_emission_by_name("drag-leave");
        // A leave also comes just before a drop: wait for the drop to have been told.
        let (drag, say) = (followed.clone(), tell.clone());
        glib::idle_add_local_once(move || {
            let drag = &mut *drag.borrow_mut();
            if drag.let_go.is_none() && std::mem::take(&mut drag.inside) {
                drag.files = None;
                say(|_, _, _| Report::Leave, drag);
            }
        });
    });
}

/// Where the pointer is in the window's content. On X11 what a drag tells, and which view it tells, can be of where it was:
/// the other program says more only after an answer to the word before, and lets go without. The display itself knows.
fn really(view: &WebView, x: i32, y: i32) -> (i32, i32) {
    let told = (view.margin_start() + x, view.margin_top() + y);
    let display = view.display();
    let pointer = display.default_seat().and_then(|seat| seat.pointer());
    let window = view.toplevel().and_then(|top| top.window());
    let (true, Some(window), Some(pointer)) = (display.type_().name() == "GdkX11Display", window, pointer)
    else {
        return told;
    };
    let (_, x, y, _) = window.device_position(&pointer);
    let inside = (0..window.width()).contains(&x) && (0..window.height()).contains(&y);
    if inside { (x, y) } else { told }
}

/// Another program's files; what is dragged within the page is the page's own.
fn is_foreign_files(context: &DragContext) -> bool {
    context.drag_get_source_widget().is_none() && context.list_targets().iter().any(|t| t.name() == ADDRESSES)
}

fn ask(drag: &mut Followed, view: &WebView, context: &DragContext, time: u32) {
    drag.questions += 1;
    view.drag_get_data(context, &gdk::Atom::intern(ADDRESSES), time);
}

/// A drop whose files are known.
fn end(drag: &mut Followed, context: &DragContext, time: u32, say: &dyn Fn(Kind, &Followed)) {
    let some = drag.files.as_ref().is_some_and(|files| !files.is_empty());
    context.drag_finish(some, false, time);
    drag.inside = false;
    say(if some { Report::Drop } else { |_, _, _| Report::Leave }, drag);
    drag.files = None;
}
