//! A second launch is no second app: it hands its project over to the one that is open, and ends.

use anyhow::{Context, Result, ensure};
use slipway_tests::{app, app::App, built, project};
use std::{process::Stdio, time::Duration};
use tokio::process::Command;

use crate::hand::{SOON, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_launch_hands_its_project_to_the_open_window() -> Result<()> {
    let folder = project::sample("static")?;
    App::run("second", &[], async |app| {
        app.ui().await?;
        app.wait_for("[data-testid=choose]").await?;
        let mut second = Command::new(built("SLIPWAY_APP", "slipway-desktop")?);
        app.display.dress(&mut second);
        app::environment(&mut second, app.scratch.path())?;
        second
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let status =
            tokio::time::timeout(SOON, second.status()).await.context("the second launch goes on")??;
        ensure!(status.success(), "the second launch ended with {status}");
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("The sky is open", SOON).await
    })
    .await
}
