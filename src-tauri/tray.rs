//! The tray: running workspaces, the window, quit. A system without one goes without; nothing else depends on it.

use futures_util::StreamExt;
use slipway_wire::{Api, Event, EventBody, Nothing, Workspace, WorkspaceId, WorkspaceState};
use std::{collections::BTreeMap, str::FromStr, sync::Once};
use tauri::{
    AppHandle, Manager,
    menu::{Menu, MenuBuilder, MenuItemBuilder},
    tray::TrayIconBuilder,
};

use crate::{
    app::Desktop,
    bridge::events::{DesktopEvent, tell},
    shutdown, window,
};

const ID: &str = "slipway";
const OPEN: &str = "open";
const QUIT: &str = "quit";
const WORKSPACE: &str = "workspace:";
/// Workspaces listed, at most.
const MOST: usize = 20;

type Running = BTreeMap<WorkspaceId, String>;

/// Makes the tray, once, after the window can be used.
pub(crate) fn make(app: &AppHandle) {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        if !is_there() {
            tracing::info!("no tray library on this system");
            return;
        }
        let app = app.clone();
        let then = app.clone();
        let made = app.run_on_main_thread(move || {
            if let Err(error) = build(&then) {
                tracing::warn!(%error, "no tray");
                return;
            }
            tauri::async_runtime::spawn(follow(then));
        });
        if let Err(error) = made {
            tracing::warn!(%error, "no tray");
        }
    });
}

/// The tray library on Linux is loaded at run time, and its binding panics without it.
fn is_there() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let known = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
    ["libayatana-appindicator3.so.1", "libappindicator3.so.1"]
        .iter()
        .any(|name| known.windows(name.len()).any(|window| window == name.as_bytes()))
}

fn build(app: &AppHandle) -> tauri::Result<()> {
    let mut tray = TrayIconBuilder::with_id(ID)
        .tooltip("Slipway")
        .menu(&menu(app, &Running::new())?)
        // Linux reads a tray's picture from a file.
        .temp_dir_path(app.state::<Desktop>().directory.join("tray"))
        .on_menu_event(|app, event| match event.id().as_ref() {
            OPEN => window::raise(app),
            QUIT => shutdown::begin(app, None),
            other => {
                let id = other.strip_prefix(WORKSPACE).and_then(|id| WorkspaceId::from_str(id).ok());
                if let Some(id) = id {
                    window::raise(app);
                    tell(app, window::MAIN, &DesktopEvent::Show { id });
                }
            }
        });
    if let Some(icon) = app.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    tray.build(app).map(drop)
}

fn menu(app: &AppHandle, running: &Running) -> tauri::Result<Menu<tauri::Wry>> {
    let mut menu = MenuBuilder::new(app);
    for (id, name) in running.iter().take(MOST) {
        let name: String = name.chars().take(60).collect();
        menu = menu.item(&MenuItemBuilder::with_id(format!("{WORKSPACE}{id}"), name).build(app)?);
    }
    if running.is_empty() {
        menu = menu.item(&MenuItemBuilder::new("Nothing is running").enabled(false).build(app)?);
    }
    menu.separator().text(OPEN, "Open Slipway").text(QUIT, "Quit").build()
}

/// Keeps the list of running workspaces true.
async fn follow(app: AppHandle) {
    let Ok(engine) = app.state::<Desktop>().owner.engine().await else { return };
    let mut events = engine.events(None);
    let mut running = Running::new();
    let mut stale = true;
    loop {
        if stale {
            let list = engine.workspace_list(Nothing {}).await.unwrap_or_default();
            running = list.into_iter().filter(runs).map(|w| (w.id, w.name)).collect();
            show(&app, &running);
            stale = false;
        }
        let Some(event) = events.next().await else { return };
        if take(&mut running, &event, &mut stale) {
            show(&app, &running);
        }
    }
}

fn runs(workspace: &Workspace) -> bool {
    workspace.state == WorkspaceState::Running
}

/// True when the list changed.
fn take(running: &mut Running, event: &Event, stale: &mut bool) -> bool {
    match &event.body {
        EventBody::Gap => {
            *stale = true;
            false
        }
        EventBody::Workspace(workspace) if runs(workspace) => {
            running.insert(workspace.id.clone(), workspace.name.clone()).as_deref() != Some(&*workspace.name)
        }
        EventBody::Workspace(workspace) => running.remove(&workspace.id).is_some(),
        EventBody::Removed => event.workspace.as_ref().is_some_and(|id| running.remove(id).is_some()),
        _ => false,
    }
}

fn show(app: &AppHandle, running: &Running) {
    let (then, running) = (app.clone(), running.clone());
    let shown = app.run_on_main_thread(move || {
        let Some(tray) = then.tray_by_id(ID) else { return };
        let result = menu(&then, &running).and_then(|menu| tray.set_menu(Some(menu)));
        if let Err(error) = result {
            tracing::warn!(%error, "the tray's menu");
        }
    });
    if let Err(error) = shown {
        tracing::warn!(%error, "the tray's menu");
    }
}
