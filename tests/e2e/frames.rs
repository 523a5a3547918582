//! How long the window's frames take, read in the webview itself.

use anyhow::{Context, Result};
use serde_json::Value;
use slipway_tests::app::App;

/// Notes how long every frame takes.
const WATCH: &str = "
    window.__frames = [];
    let last = performance.now();
    const frame = () => {
        const now = performance.now();
        window.__frames.push(now - last);
        last = now;
        window.__frame = requestAnimationFrame(frame);
    };
    window.__frame = requestAnimationFrame(frame);";

/// Milliseconds, sorted.
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    /// The value below which this share of them lies; 1.0 is the worst.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let at = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(f64::MAX)
    }

    pub(crate) fn n(&self) -> usize {
        self.0.len()
    }
}

/// Begins to watch.
pub(crate) async fn watch(app: &App) -> Result<()> {
    app.ui().await?;
    app.script(WATCH).await?;
    Ok(())
}

/// Ends it, and gives what was seen.
pub(crate) async fn taken(app: &App) -> Result<Figures> {
    app.ui().await?;
    let frames = app.script("cancelAnimationFrame(window.__frame); return window.__frames").await?;
    Ok(Figures::of(frames.as_array().context("frames")?.iter().filter_map(Value::as_f64).collect()))
}
