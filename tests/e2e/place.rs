//! The preview lies exactly over its pane, whatever becomes of the window.

use anyhow::{Result, ensure};
use slipway_tests::{app::App, wait_until};
use std::time::Duration;

use crate::hand::{SOON, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_follows_its_pane_when_the_window_grows_and_shrinks() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("index.html"),
        "<!doctype html><title>Place</title><p>As large as I may be",
    )?;
    App::run("place", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("As large as I may be", SOON).await?;
        let window = app.display.xdotool(&["search", "--onlyvisible", "--name", "^Slipway"]).await?;
        let window = window.lines().last().unwrap_or_default().to_owned();
        for (width, height) in [(1200, 760), (1500, 980), (1100, 700), (1280, 800)] {
            app.display.xdotool(&["windowsize", &window, &width.to_string(), &height.to_string()]).await?;
            wait_until("the preview to be as large as its pane", SOON, async || {
                app.ui().await?;
                let pane = app
                    .script(
                        "const box = document.querySelector('[data-testid=preview-pane]').getBoundingClientRect();
                        return [innerWidth, Math.round(box.right) - Math.round(box.left),
                            Math.round(box.bottom) - Math.round(box.top)]",
                    )
                    .await?;
                app.preview().await?;
                let page = app.script("return [innerWidth, innerHeight]").await?;
                ensure!(pane[0] == width, "the window is {} wide", pane[0]);
                ensure!(pane[1] == page[0] && pane[2] == page[1], "the pane is {pane}, the page {page}");
                Ok(Some(()))
            })
            .await?;
        }
        Ok(())
    })
    .await
}
