//! The `desktop.*` calls: what only a desktop can do. Each is read, done and answered here; none branches on what the
//! product is doing.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use slipway_wire::{Code, Problem, Theme, WorkspaceId};
use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use tauri::{AppHandle, Manager, Url, Webview, image::Image};
use tauri_plugin_clipboard_manager::ClipboardExt;
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use super::{
    carry,
    events::{DesktopEvent, tell},
    log_file, streams, unreadable,
};
use crate::{
    app::Desktop,
    notify, outside,
    preview::{
        Act, Place,
        guard::Site,
        keys::{Chord, Chords},
        pane,
    },
    shutdown, tray,
    window::{self, window_of},
};

/// Longest text put on the clipboard, bytes.
const CLIPBOARD: usize = 16 << 20;

#[derive(Deserialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
struct Button {
    action: Act,
}

/// When the first pixels stood in the window, milliseconds since 1970, where the webview tells.
#[derive(Deserialize)]
struct Painted {
    painted_at_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Zoom {
    factor: f64,
}

#[derive(Deserialize)]
struct Snapshot {
    #[serde(default)]
    save: bool,
    #[serde(default)]
    clipboard: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Zip,
    Folder,
    /// The file of a snapshot.
    Snapshot,
    /// Where to write a file.
    Save,
}

#[derive(Deserialize)]
struct Choose {
    kind: Kind,
    /// Suggested for what is written.
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Colours {
    theme: Theme,
}

#[derive(Deserialize)]
struct Shown {
    id: WorkspaceId,
}

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
struct Shortcuts {
    chords: Vec<Chord>,
}

/// The number by which it is told of.
#[derive(Deserialize)]
struct Carry {
    carry: u32,
}

#[derive(Deserialize)]
struct Close {
    keep: bool,
}

fn read<T: for<'a> Deserialize<'a>>(body: Value) -> Result<T, Problem> {
    serde_json::from_value(if body.is_null() { json!({}) } else { body }).map_err(|e| unreadable(&e))
}

fn failed(doing: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::Internal, format!("{doing} did not work.")).detail(error.to_string())
}

/// Runs something on the main thread, where windows live, and waits for what it says.
async fn on_main<T: Send + 'static>(
    app: &AppHandle,
    then: impl FnOnce(oneshot::Sender<T>) + Send + 'static,
) -> Result<T, Problem> {
    let (say, heard) = oneshot::channel();
    app.run_on_main_thread(move || then(say)).map_err(|e| failed("Reaching the window", &e))?;
    heard.await.map_err(|e| failed("Reaching the window", &e))
}

/// Answers a `desktop.*` call.
pub(super) async fn answer(webview: &Webview, name: &str, body: Value) -> Result<String, Problem> {
    let app = webview.app_handle();
    let window = window_of(webview.label());
    let reply = match name {
        "desktop.start" => start(app, &window),
        "desktop.interactive" => interactive(app, &read(body)?),
        "desktop.preview-place" => {
            let place: Place = read(body)?;
            on_main(app, move |say| {
                pane::place(&window, place);
                let _ = say.send(());
            })
            .await?;
            Value::Null
        }
        "desktop.preview-load" => load(app, window, read(body)?).await?,
        "desktop.preview-act" => {
            let Button { action } = read(body)?;
            on_main(app, move |say| {
                pane::act(&window, action);
                let _ = say.send(());
            })
            .await?;
            Value::Null
        }
        "desktop.preview-zoom" => {
            let Zoom { factor } = read(body)?;
            on_main(app, move |say| {
                pane::zoom(&window, factor);
                let _ = say.send(());
            })
            .await?;
            Value::Null
        }
        "desktop.shortcuts" => {
            let Shortcuts { chords } = read(body)?;
            on_main(app, move |say| {
                pane::shortcuts(&window, Chords::new(chords));
                let _ = say.send(());
            })
            .await?;
            Value::Null
        }
        "desktop.preview-snapshot" => snapshot(app, window, read(body)?).await?,
        "desktop.open-external" => {
            let Address { url } = read(body)?;
            outside::open(&url)?;
            Value::Null
        }
        "desktop.choose" => choose(app, read(body)?).await,
        "desktop.save-log" => {
            let desktop = app.state::<Desktop>();
            let engine = desktop.owner.engine().await?;
            json!({ "lines": log_file::save(&engine, &desktop.unfinished(), read(body)?).await? })
        }
        "desktop.upload" => json!(carry::upload(app, read(body)?).await?),
        "desktop.download" => json!(carry::download(app, read(body)?).await?),
        "desktop.carry-cancel" => {
            let Carry { carry } = read(body)?;
            app.state::<Desktop>().carries.cancel(carry);
            Value::Null
        }
        "desktop.clipboard-write" => {
            let Text { text } = read(body)?;
            if text.len() > CLIPBOARD {
                return Err(Problem::new(Code::Limit, "The text is over 16 MiB and was not copied."));
            }
            app.clipboard().write_text(text).map_err(|e| failed("Copying", &e))?;
            Value::Null
        }
        "desktop.clipboard-read" => {
            // An empty clipboard and one that holds a picture are errors to the library; to a person there is no text.
            json!({ "text": app.clipboard().read_text().unwrap_or_default() })
        }
        "desktop.theme" => {
            let Colours { theme } = read(body)?;
            window::set_theme(app, theme);
            Value::Null
        }
        "desktop.host-shell" => {
            let Switch { on } = read(body)?;
            switch_host_shell(app, on);
            Value::Null
        }
        "desktop.new-window" => {
            let Shown { id } = read(body)?;
            window::open_another(app, &id).map_err(|e| failed("Opening a window", &e))?;
            Value::Null
        }
        "desktop.notify" => json!({ "shown": notify::say(app, &read(body)?).await? }),
        "desktop.close" => {
            let Close { keep } = read(body)?;
            shutdown::begin(app, Some(keep));
            Value::Null
        }
        _ => return Err(Problem::new(Code::NotFound, format!("There is no command {name:?}."))),
    };
    super::json(&reply)
}

fn start(app: &AppHandle, window: &str) -> Value {
    let desktop = app.state::<Desktop>();
    // A page that is loaded anew must not deploy them a second time.
    let open = if window == window::MAIN { desktop.take_paths() } else { Vec::new() };
    json!({
        "open": open,
        "samples": desktop.samples(),
        "os": match std::env::consts::OS { "macos" => "macos", "windows" => "windows", _ => "linux" },
        "version": env!("CARGO_PKG_VERSION"),
        "test": desktop.test,
        "host_shell": desktop.remembered.get().host_shell,
    })
}

/// Switches the host tab on or off, here and in every window. Off ends its shells.
fn switch_host_shell(app: &AppHandle, on: bool) {
    app.state::<Desktop>().remembered.keep_host_shell(on);
    if !on {
        streams::close_hosts(app);
    }
    for window in app.windows().keys() {
        // A window whose interface does not listen yet asks at its start.
        tell(app, window, &DesktopEvent::HostShell { on });
    }
}

fn interactive(app: &AppHandle, painted: &Painted) -> Value {
    app.state::<Desktop>().report_interactive(painted.painted_at_ms);
    tray::make(app);
    // Not before: starting the portal would take the processor from the first frame.
    #[cfg(target_os = "linux")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| drop(tauri::async_runtime::spawn(window::colours::follow(app.clone()))));
    }
    Value::Null
}

async fn load(app: &AppHandle, window: String, Address { url }: Address) -> Result<Value, Problem> {
    let refused = || {
        Problem::new(Code::Invalid, "The preview shows pages of workspaces only.")
            .hint("Open other addresses in your browser.")
    };
    let to = if url == "about:blank" {
        None
    } else {
        let gateway = app.state::<Desktop>().owner.engine().await?.gateway().port();
        let url = Url::parse(&url).map_err(|_| refused())?;
        let site = Site::of(&url, gateway).ok_or_else(refused)?;
        Some((url, site))
    };
    app.state::<outside::Outside>().forget();
    let handle = app.clone();
    on_main(app, move |say| {
        let _ = say.send(pane::load(&handle, &window, to));
    })
    .await??;
    Ok(Value::Null)
}

async fn snapshot(app: &AppHandle, window: String, wanted: Snapshot) -> Result<Value, Problem> {
    let png = on_main(app, move |say| {
        pane::snapshot(&window, move |png| {
            let _ = say.send(png);
        });
    })
    .await??;
    let Some(png) = png else {
        if wanted.save || wanted.clipboard {
            return Err(Problem::new(Code::WrongState, "There is no page to take a picture of."));
        }
        return Ok(json!({}));
    };
    if wanted.clipboard {
        let image = Image::from_bytes(&png).map_err(|e| failed("Copying the picture", &e))?;
        app.clipboard().write_image(&image).map_err(|e| failed("Copying the picture", &e))?;
    }
    let path = if wanted.save { Some(save(app, &png)?) } else { None };
    Ok(json!({ "png_base64": base64::engine::general_purpose::STANDARD.encode(&png), "path": path }))
}

fn save(app: &AppHandle, png: &[u8]) -> Result<PathBuf, Problem> {
    let folder = app.state::<Desktop>().pictures();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let path = folder.join(format!("slipway-{seconds}.png"));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&path, png)).map_err(|e| {
        Problem::new(Code::Storage, format!("The picture could not be saved in {}.", folder.display()))
            .hint("Make room there or copy the picture instead.")
            .detail(e.to_string())
    })?;
    Ok(path)
}

async fn choose(app: &AppHandle, Choose { kind, name }: Choose) -> Value {
    let (say, heard) = oneshot::channel();
    let dialog = app.dialog().file();
    let tell = move |paths: Option<Vec<_>>| {
        let _ = say.send(paths.unwrap_or_default());
    };
    match kind {
        Kind::Zip => dialog.set_title("Open zips").add_filter("Zip archives", &["zip"]).pick_files(tell),
        Kind::Folder => dialog.set_title("Open folders").pick_folders(tell),
        Kind::Snapshot => {
            dialog.set_title("Open a snapshot").add_filter("Snapshots", &["snapshot"]).pick_files(tell);
        }
        Kind::Save => dialog.set_title("Save").set_file_name(name).save_file(move |path| {
            tell(path.map(|path| vec![path]));
        }),
    }
    let paths: Vec<_> = heard
        .await
        .unwrap_or_default()
        .into_iter()
        .filter_map(|path: tauri_plugin_dialog::FilePath| path.into_path().ok())
        .collect();
    json!({ "paths": paths })
}
