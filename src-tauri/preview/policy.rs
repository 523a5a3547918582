//! What a page in the pane may do, on WebKitGTK: navigations, new windows, downloads, permissions. Decisions only; the
//! webview itself is `linux`'s.

use gtk::prelude::*;
use tauri::{AppHandle, Url};
use webkit2gtk::{
    NavigationPolicyDecision, NavigationPolicyDecisionExt, NavigationType, PermissionRequestExt,
    PolicyDecision, PolicyDecisionExt, PolicyDecisionType, ResponsePolicyDecision, ResponsePolicyDecisionExt,
    URIRequestExt, URIResponseExt, WebView, WebViewExt,
};

use super::{guard::Verdict, pane::site_of};
use crate::{
    bridge::events::{DesktopEvent, tell},
    outside,
};

/// Puts the rules on a webview that shows the pane of `window`.
pub(super) fn apply(app: &AppHandle, window: &str, view: &WebView) {
    let (app_then, label) = (app.clone(), window.to_owned());
    view.connect_decide_policy(move |view, decision, kind| {
        match kind {
            PolicyDecisionType::NavigationAction => navigation(&app_then, &label, decision),
            PolicyDecisionType::NewWindowAction => new_window(&app_then, &label, view, decision),
            _ => response(&app_then, &label, decision),
        }
        true
    });
    // A page that opens a window without asking for an address first.
    view.connect_create(|_, _| None);
    // The pane is ours to close.
    view.connect_close(|_| ());
    view.connect_permission_request(|_, request| {
        request.deny();
        true
    });
    let (app_then, label) = (app.clone(), window.to_owned());
    view.connect_web_process_terminated(move |_, _| {
        notice(&app_then, &label, "The page used too much memory or crashed. Reload it to see it again.");
    });
}

fn notice(app: &AppHandle, window: &str, text: impl Into<String>) {
    tell(app, window, &DesktopEvent::Notice { text: text.into() });
}

fn target(decision: &PolicyDecision) -> Option<(String, NavigationType)> {
    let decision = decision.downcast_ref::<NavigationPolicyDecision>()?;
    let action = decision.navigation_action()?;
    Some((action.request()?.uri()?.to_string(), action.navigation_type()))
}

/// A page or one of its frames goes somewhere. Which of the two cannot be told here, so what a script or a frame starts
/// is judged once more when the answer is there; a link a person clicked is judged at once.
fn navigation(app: &AppHandle, window: &str, decision: &PolicyDecision) {
    let (Some((url, kind)), Some(site)) = (target(decision), site_of(window)) else {
        return decision.ignore();
    };
    match site.judge(&url) {
        Verdict::Outside if kind == NavigationType::LinkClicked || kind == NavigationType::FormSubmitted => {
            decision.ignore();
            ask(app, &url);
        }
        Verdict::Stay | Verdict::Outside => decision.use_(),
        Verdict::Refuse => {
            decision.ignore();
            notice(
                app,
                window,
                "The page tried to open an address that is not a web page. Slipway did not follow it.",
            );
        }
    }
}

fn new_window(app: &AppHandle, window: &str, view: &WebView, decision: &PolicyDecision) {
    decision.ignore();
    let (Some((url, _)), Some(site)) = (target(decision), site_of(window)) else { return };
    match site.judge(&url) {
        Verdict::Stay => view.load_uri(&url),
        Verdict::Outside => ask(app, &url),
        Verdict::Refuse => (),
    }
}

fn response(app: &AppHandle, window: &str, decision: &PolicyDecision) {
    let Some(answer) = decision.downcast_ref::<ResponsePolicyDecision>() else { return decision.ignore() };
    let uri = answer.response().and_then(|r| r.uri()).map(|u| u.to_string()).unwrap_or_default();
    if answer.is_main_frame_main_resource() {
        let verdict = site_of(window).map_or(Verdict::Refuse, |site| site.judge(&uri));
        if verdict != Verdict::Stay {
            decision.ignore();
            if verdict == Verdict::Outside {
                ask(app, &uri);
            }
            return;
        }
    }
    if answer.is_mime_type_supported() {
        decision.use_();
    } else {
        decision.ignore();
        notice(
            app,
            window,
            "The page offered a download. The preview does not download files; open the page in your browser for that.",
        );
    }
}

fn ask(app: &AppHandle, url: &str) {
    if let Ok(url) = Url::parse(url) {
        outside::ask(app, &url);
    }
}
