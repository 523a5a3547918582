//! From a key that is pressed to its character parsed by the terminal, in the real app: the way of a keystroke and back.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_tests::{app::App, wait_until};
use std::time::Duration;

use crate::{
    frames::Figures,
    hand::{SOON, open_shell, wait_until_ready},
    measures::{still_page, strict},
};

/// Milliseconds.
const MIDDLE: f64 = 16.0;
const SLOWEST: f64 = 60.0;
/// Typed over and over; no character follows itself.
const LETTERS: &str = "the quick brown fox jumps over a lazy dog";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_soon_on_the_screen() -> Result<()> {
    let folder = still_page()?;
    App::run("latency", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("Nothing moves here", SOON).await?;
        open_shell(app).await?;
        app.ui().await?;
        app.wait_for("[data-testid=terminal]").await?.click().await?;
        app.script("window.__slipway.watchKeys()").await?;
        let rounds = if strict() { 12 } else { 2 };
        for round in 1..=rounds {
            // A hand of the display, not of the driver: that would press keys through the page.
            app.display.xdotool(&["type", "--delay", "45", LETTERS]).await?;
            wait_until("every key on the screen", SOON, async || {
                let n = keys(app).await?.len();
                ensure!(n >= round * LETTERS.len(), "{n} are there after round {round}");
                Ok(Some(()))
            })
            .await?;
            app.display.xdotool(&["key", "ctrl+u"]).await?;
        }
        let figures = Figures::of(keys(app).await?);
        let (p50, p99) = (figures.at(0.5), figures.at(0.99));
        println!(
            "a key to its character: p50 {p50:.1} ms (bar {MIDDLE}), p99 {p99:.1} ms (bar {SLOWEST}), worst {:.1} ms, n {}",
            figures.at(1.0),
            figures.n()
        );
        ensure!(!strict() || p50 <= MIDDLE, "half of the keys take more than {p50:.1} ms");
        ensure!(!strict() || p99 <= SLOWEST, "one key of a hundred takes {p99:.1} ms");
        Ok(())
    })
    .await
}

async fn keys(app: &App) -> Result<Vec<f64>> {
    let keys = app.script("return window.__slipway.keys()").await?;
    Ok(keys.as_array().context("keys")?.iter().filter_map(Value::as_f64).collect())
}
