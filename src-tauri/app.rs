//! Puts the app together: plugins, the bridge, the first window, the engine in the background. The window comes first;
//! nothing in here waits for Docker or the disk before it shows.

use serde::Serialize;
use slipway_http::Environment;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tauri::{AppHandle, Manager, RunEvent};

use crate::{
    arguments::{self, Arguments},
    bridge::{
        self,
        carry::running::Carries,
        events::{DesktopEvent, Listeners, tell},
        host::Hosts,
        owner::{self, Owner},
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
    /// Shells of this machine.
    pub(crate) hosts: Hosts,
    /// What goes over the windows' edges.
    pub(crate) carries: Carries,
    started: Instant,
    paths: Mutex<Vec<PathBuf>>,
    samples: Option<PathBuf>,
}

/// A bundled project, as the empty window offers it.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    name: &'static str,
    title: &'static str,
    detail: &'static str,
}

const SAMPLES: &[Sample] = &[
    Sample { name: "vite-react", title: "A React shop", detail: "Vite, installed from npm" },
    Sample { name: "flask", title: "A Flask page", detail: "Python, installed from PyPI" },
    Sample { name: "static", title: "A static site", detail: "No installing" },
];

impl Desktop {
    /// The paths given at the start, the first time only.
    pub(crate) fn take_paths(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bundled projects that are there.
    pub(crate) fn samples(&self) -> Vec<&'static Sample> {
        let Some(folder) = &self.samples else { return Vec::new() };
        SAMPLES.iter().filter(|sample| folder.join(sample.name).is_dir()).collect()
    }

    /// Where is noted what is written elsewhere and not complete.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.directory.join("unfinished")
    }

    /// Where pictures a person takes are saved.
    pub(crate) fn pictures(&self) -> PathBuf {
        let own = self.directory.join("pictures");
        if self.test {
            return own;
        }
        directories::UserDirs::new().and_then(|dirs| dirs.picture_dir().map(Path::to_owned)).unwrap_or(own)
    }

    /// Milliseconds since the app was started.
    pub(crate) fn age_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// The first interactive frame was painted; `painted_at_ms` is when the first pixels were, by the webview's clock.
    pub(crate) fn report_interactive(&self, painted_at_ms: Option<f64>) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let elapsed = self.age_ms();
            let painted = painted_at_ms.map(|at| at - unix_ms() + elapsed as f64);
            tracing::info!(elapsed_ms = elapsed, painted_ms = painted, "interactive");
            if self.test {
                let mut out = std::io::stdout();
                if let Some(painted) = painted {
                    let _ = writeln!(out, "painted after {painted:.0} ms");
                }
                let _ = writeln!(out, "interactive after {elapsed} ms");
            }
        });
    }
}

fn unix_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

/// Runs the app until it ends.
pub(crate) fn run(paths: Vec<PathBuf>, started: Instant) -> Result<(), Box<dyn std::error::Error>> {
    let environment = Environment::read()?;
    slipway_http::start_log(&environment.places, std::env::var("SLIPWAY_LOG").ok().as_deref())?;
    let directory = environment.places.data_dir.clone();
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    let desktop = Desktop {
        test: set("SLIPWAY_TEST", "1") || set("TAURI_WEBVIEW_AUTOMATION", "true"),
        remembered: Memory::read(&directory),
        owner: Owner::default(),
        listeners: Listeners::default(),
        streams: Streams::default(),
        hosts: Hosts::default(),
        carries: Carries::default(),
        started,
        paths: Mutex::new(paths),
        samples: environment.samples_dir.clone(),
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
            tracing::debug!(at_ms = app.state::<Desktop>().age_ms(), "opening the window");
            window::open_main(app.handle())?;
            tracing::debug!(at_ms = app.state::<Desktop>().age_ms(), "the window is open");
            tauri::async_runtime::spawn(owner::run(app.handle().clone(), environment));
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
