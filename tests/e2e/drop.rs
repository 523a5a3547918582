//! The main job: a zip is dropped by the mouse, installs through the egress, shows in the native preview, answers in
//! the terminal, and changes under the eye when a file changes.

use anyhow::{Result, ensure};
use slipway_tests::{app::App, project, wait_until};

use crate::hand::{INSTALLING, SOON, open_shell, type_line, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_vite_zip_runs_answers_and_changes_under_the_eye() -> Result<()> {
    App::run("vite", &[], async |app| {
        let zip = project::zip_sample("vite-react", app.scratch.path())?;
        app.ui().await?;
        app.wait_for("[data-testid=choose]").await?;
        app.drop_file(&zip, 640, 420).await?;
        wait_until_ready(app, INSTALLING).await?;
        app.preview_shows("Made to be used at sea.", SOON).await?;
        the_preview_lies_over_its_pane(app).await?;

        open_shell(app).await?;
        type_line(app, "echo slip-$((6*7))", "slip-42").await?;

        // A full reload would take this away; an update in place keeps it.
        app.preview().await?;
        app.script("window.__kept = 'kept'").await?;
        let edit =
            "sed -i 's/Made to be used at sea/Made for the long voyage/' src/App.tsx && echo edi\"\"ted";
        type_line(app, edit, "edited").await?;
        app.preview_shows("Made for the long voyage.", SOON).await?;
        ensure!(app.script("return window.__kept").await? == "kept", "the page was reloaded whole");
        Ok(())
    })
    .await
}

/// The page fills the pane and nothing else: its viewport is as large as the interface's own rectangle for it.
async fn the_preview_lies_over_its_pane(app: &App) -> Result<()> {
    wait_until("the preview to fill its pane", SOON, async || {
        app.ui().await?;
        let pane = app
            .script(
                "const r = document.querySelector('[data-testid=preview-pane]').getBoundingClientRect();
                 return [Math.round(r.width), Math.round(r.height)]",
            )
            .await?;
        app.preview().await?;
        let page = app.script("return [window.innerWidth, window.innerHeight]").await?;
        ensure!(pane == page, "the pane is {pane}, the page {page}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_zip_gets_one_sentence_and_changes_nothing() -> Result<()> {
    App::run("hostile", &[], async |app| {
        let zip = app.scratch.path().join("holiday.zip");
        project::zip_of(&zip, &[("index.html", "<h1>hello</h1>"), ("../../escaped.txt", "out")])?;
        app.ui().await?;
        app.wait_for("[data-testid=choose]").await?;
        app.drop_file(&zip, 640, 420).await?;
        app.ui_shows("../../escaped.txt", SOON).await?;
        app.ui().await?;
        let rows =
            app.script("return document.querySelectorAll('[data-testid=workspace-row]').length").await?;
        ensure!(rows == 0, "{rows} workspaces were made of a refused zip");
        let instance = slipway_tests::containers::instance(&app.data())?;
        ensure!(slipway_tests::containers::of(&instance).await?.is_empty(), "it left a container");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_dropped_on_the_preview_replaces_the_files_of_its_workspace() -> Result<()> {
    let folder = project::sample("static")?;
    App::run("replace", &[&folder], async |app| {
        wait_until_ready(app, SOON * 2).await?;
        app.preview_shows("The sky is open", SOON).await?;
        let zip = app.scratch.path().join("next.zip");
        project::zip_of(
            &zip,
            &[("index.html", "<!doctype html><title>Next</title><h1>The next version</h1>")],
        )?;
        app.ui().await?;
        let pane = app
            .script(
                "const r = document.querySelector('[data-testid=preview-pane]').getBoundingClientRect();
                 return [Math.round(r.right - r.width / 8), Math.round(r.top + r.height / 2)]",
            )
            .await?;
        let at = |n: usize| pane.get(n).and_then(serde_json::Value::as_i64).unwrap_or_default() as i32;
        app.drop_file(&zip, at(0), at(1)).await?;
        app.preview_shows("The next version", SOON * 2).await?;
        app.ui().await?;
        let rows =
            app.script("return document.querySelectorAll('[data-testid=workspace-row]').length").await?;
        ensure!(rows == 1, "{rows} workspaces where one was replaced");
        Ok(())
    })
    .await
}
