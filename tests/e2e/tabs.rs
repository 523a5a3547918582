//! Every tab beside the messages shows what it is for, in the real webview.

use anyhow::{Context, Result};
use slipway_tests::app::App;
use std::time::Duration;

use crate::hand::{SOON, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn every_tab_shows_what_it_is_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("index.html"), "<!doctype html><title>Tabs</title><p>Here")?;
    App::run("tabs", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        for (tab, inside) in [
            ("logs", "[data-testid=log-lines]"),
            ("metrics", "[data-testid=chart-memory] canvas"),
            ("processes", "[id^=process-]"),
            ("messages", "[data-testid=messages] li"),
        ] {
            app.wait_for(&format!("[data-testid=tab-{tab}]")).await?.click().await?;
            app.wait_for(inside).await.with_context(|| format!("the tab {tab} stays empty"))?;
        }
        app.ui_shows("Ready", SOON).await
    })
    .await
}
