//! Puts the app together: plugins, the bridge, the first window, the engine in the background. The window comes first;
//! nothing in here waits for Docker or the disk before it shows.

use serde::Serialize;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
    time::Instant,
};
use tauri::{AppHandle, Manager, RunEvent};

use crate::{
    arguments::{self, Arguments},
    bridge::{
        self,
        events::{DesktopEvent, Listeners, tell},
        owner::Owner,
        streams::Streams,
    },
    drag::Drags,
    outside::Outside,
    shutdown::{self, Shutdown},
    window::{self, remembered::Memory},
};

/// What the parts of the app share.
pub(crate) struct Desktop {
    /// Where Slipway keeps everything.
    pub(crate) directory: PathBuf,
    /// Driven by tests: the preview can be automated and start times are printed.
    pub(crate) test: bool,
    /// What windows looked like last time.
    pub(crate) remembered: Memory,
    /// The engine.
    pub(crate) owner: Owner,
    /// What interfaces listen to.
    pub(crate) listeners: Listeners,
    /// What runs between interfaces and the engine.
    pub(crate) streams: Streams,
    started: Instant,
    paths: Mutex<Vec<PathBuf>>,
}

/// A bundled project, as the empty window offers it.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    name: &'static str,
    title: &'static str,
    detail: &'static str,
}

pub(crate) const SAMPLES: &[Sample] = &[
    Sample { name: "vite-react", title: "A React shop", detail: "Vite, installed from npm" },
    Sample { name: "flask", title: "A Flask page", detail: "Python, installed from PyPI" },
    Sample { name: "static", title: "A static site", detail: "No installing" },
];

impl Desktop {
    /// The paths given at the start, the first time only.
    pub(crate) fn take_paths(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where pictures a person takes are saved.
    pub(crate) fn pictures(&self) -> PathBuf {
        let own = self.directory.join("pictures");
        if self.test {
            return own;
        }
        directories::UserDirs::new().and_then(|dirs| dirs.picture_dir().map(Path::to_owned)).unwrap_or(own)
    }

    /// The first interactive frame was painted.
    pub(crate) fn report_interactive(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let elapsed = self.started.elapsed().as_millis();
            tracing::info!(elapsed_ms = elapsed as u64, "interactive");
            if self.test {
                let _ = writeln!(std::io::stdout(), "interactive after {elapsed} ms");
            }
        });
    }
}

/// Runs the app until it ends.
pub(crate) fn run(paths: Vec<PathBuf>, started: Instant) -> Result<(), Box<dyn std::error::Error>> {
    start_log();
    let directory = data_directory()?;
    std::fs::create_dir_all(&directory)?;
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    let desktop = Desktop {
        test: set("SLIPWAY_TEST", "1") || set("TAURI_WEBVIEW_AUTOMATION", "true"),
        remembered: Memory::read(&directory),
        owner: Owner::default(),
        listeners: Listeners::default(),
        streams: Streams::default(),
        started,
        paths: Mutex::new(paths),
        directory,
    };
    let app = tauri::Builder::default()
        .plugin(single_instance(&desktop.directory))
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_clipboard_manager::init())
        .manage(desktop)
        .manage(Drags::default())
        .manage(Outside::default())
        .manage(Shutdown::default())
        .invoke_handler(bridge::handle)
        .setup(|app| {
            window::open_main(app.handle())?;
            shutdown::follow_signals(app.handle());
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(|app, event| {
        if let RunEvent::ExitRequested { api, .. } = event
            && !app.state::<Shutdown>().is_done()
        {
            api.prevent_exit();
            shutdown::begin(app, None);
        }
    });
    Ok(())
}

/// One app per data directory and session; a second launch hands its paths over and ends.
fn single_instance(directory: &Path) -> tauri::plugin::TauriPlugin<tauri::Wry> {
    use std::hash::{Hash, Hasher};
    // Fixed keys: every launch of this build comes to the same name.
    let mut hasher = std::hash::DefaultHasher::new();
    directory.hash(&mut hasher);
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(format!("dev.slipway.desktop.d{:016x}", hasher.finish()))
        .callback(|app, words, from| second_launch(app, words, &from))
        .build()
}

fn second_launch(app: &AppHandle, words: Vec<String>, from: &str) {
    let words = words.into_iter().skip(1).map(Into::into);
    if let Arguments::Open(paths) = arguments::parse(words, Path::new(from)) {
        window::raise(app);
        let paths: Vec<_> = paths.into_iter().filter_map(|p| p.into_os_string().into_string().ok()).collect();
        if !paths.is_empty() {
            tell(app, window::MAIN, &DesktopEvent::Open { paths });
        }
    }
}

/// To standard error, what `SLIPWAY_LOG` says; warnings without it.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLIPWAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// `SLIPWAY_DATA_DIR`, or the system's place for an app's data.
fn data_directory() -> Result<PathBuf, Box<dyn std::error::Error>> {
    if let Some(directory) = std::env::var_os("SLIPWAY_DATA_DIR").filter(|d| !d.is_empty()) {
        return Ok(std::path::absolute(directory)?);
    }
    let dirs = directories::ProjectDirs::from("dev", "slipway", "slipway")
        .ok_or("this user has no home directory; set SLIPWAY_DATA_DIR")?;
    Ok(dirs.data_local_dir().to_owned())
}
