//! What the window looked like last time (size, theme) and whether the host tab is switched on, in one small file in the data directory. Losing it loses
//! nothing, so what cannot be read is taken as absent and what cannot be written is only logged.

use serde::{Deserialize, Serialize};
use slipway_wire::Theme;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tauri::Window;

/// Size in logical pixels, theme, and the one setting that only this app may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Remembered {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) maximized: bool,
    pub(crate) theme: Theme,
    /// The host tab is switched on.
    pub(crate) host_shell: bool,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { width: 1280.0, height: 800.0, maximized: false, theme: Theme::System, host_shell: false }
    }
}

impl Remembered {
    fn bounded(mut self) -> Self {
        let side = |value: f64, least: f64, usual: f64| {
            if value.is_finite() { value.clamp(least, 16_384.0) } else { usual }
        };
        self.width = side(self.width, super::SMALLEST.0, 1280.0);
        self.height = side(self.height, super::SMALLEST.1, 800.0);
        self
    }
}

/// The file and what it says.
pub(crate) struct Memory {
    path: PathBuf,
    now: Mutex<Remembered>,
}

impl Memory {
    /// Reads the file of a data directory.
    pub(crate) fn read(directory: &Path) -> Self {
        let path = directory.join("window.json");
        let now: Remembered =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, now: Mutex::new(now.bounded()) }
    }

    /// What is remembered.
    pub(crate) fn get(&self) -> Remembered {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a window's size.
    pub(crate) fn keep_size(&self, window: &Window) {
        let (Ok(size), Ok(scale), Ok(maximized)) =
            (window.inner_size(), window.scale_factor(), window.is_maximized())
        else {
            return;
        };
        self.change(|now| {
            now.maximized = maximized;
            if !maximized {
                now.width = f64::from(size.width) / scale;
                now.height = f64::from(size.height) / scale;
            }
        });
    }

    /// Remembers the theme.
    pub(crate) fn keep_theme(&self, theme: Theme) {
        self.change(|now| now.theme = theme);
    }

    /// Remembers whether the host tab is switched on.
    pub(crate) fn keep_host_shell(&self, on: bool) {
        self.change(|now| now.host_shell = on);
    }

    fn change(&self, by: impl FnOnce(&mut Remembered)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.clone();
        by(&mut now);
        *now = now.clone().bounded();
        if *now == before {
            return;
        }
        let written = serde_json::to_vec_pretty(&*now).map_err(std::io::Error::from).and_then(|bytes| {
            let next = self.path.with_extension("json.new");
            fs::write(&next, bytes)?;
            fs::rename(&next, &self.path)
        });
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.path.display(), "what the window looks like is not remembered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_and_nonsense_does_not() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        assert!(!Memory::read(folder.path()).get().host_shell);
        Memory::read(folder.path()).keep_theme(Theme::Dark);
        Memory::read(folder.path()).keep_host_shell(true);
        let kept = Memory::read(folder.path()).get();
        assert_eq!((kept.theme, kept.host_shell), (Theme::Dark, true));
        fs::write(folder.path().join("window.json"), r#"{"width": 3, "height": 1e300}"#)?;
        let odd = Memory::read(folder.path()).get();
        assert_eq!((odd.width, odd.height, odd.host_shell), (900.0, 16_384.0, false));
        fs::write(folder.path().join("window.json"), "{")?;
        assert_eq!(Memory::read(folder.path()).get(), Remembered::default());
        Ok(())
    }
}
