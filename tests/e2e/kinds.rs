//! Other kinds of project through the same window, opened as the command line opens them.

use anyhow::Result;
use slipway_tests::{app::App, project};
use std::time::Duration;

use crate::hand::{INSTALLING, SOON, open_shell, type_line, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_flask_zip_installs_and_shows() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let zip = project::zip_sample("flask", folder.path())?;
    App::run("flask", &[&zip], async |app| {
        wait_until_ready(app, INSTALLING).await?;
        app.preview_shows(" m", SOON).await?;
        app.preview().await?;
        anyhow::ensure!(app.script("return document.title").await? == "Tides at the harbour mole");
        open_shell(app).await?;
        type_line(app, "tr a-z A-Z < requirements.txt", "FLASK").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_folder_shows_without_installing() -> Result<()> {
    let folder = project::sample("static")?;
    App::run("static", &[&folder], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("The sky is open", SOON).await
    })
    .await
}
