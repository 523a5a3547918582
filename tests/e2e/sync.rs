//! A folder of this machine and a workspace kept in step by the switch in the title bar: what is saved here is in the
//! container, in the page, in the tree and in the open editor; and the other way where that was chosen.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use slipway_tests::{
    app::App,
    containers::{self, docker},
    wait_until,
};
use std::{fs, path::Path, time::Duration};

use crate::hand::{SOON, wait_until_ready};

fn page(text: &str) -> String {
    format!("<!doctype html><title>Kept in step</title>\n<h1>{text}</h1>\n")
}

async fn click(app: &App, css: &str) -> Result<()> {
    app.ui().await?;
    Ok(app.wait_for(css).await?.click().await?)
}

/// Waits until JavaScript in the interface gives true.
async fn holds(app: &App, what: &str, body: &str) -> Result<()> {
    wait_until(what, SOON, async || {
        app.ui().await?;
        Ok((app.script(body).await? == true).then_some(()))
    })
    .await
}

async fn inside(app: &App, script: &str) -> Result<String> {
    app.ui().await?;
    let id = app.script("return document.querySelector('[data-testid=workspace-row]').dataset.id").await?;
    // The instance has a warm container for the next one as well.
    let label = format!("label=slipway.workspace={}", id.as_str().context("its id")?);
    let ours = format!("label=slipway.instance={}", containers::instance(&app.data())?);
    let container = docker(&["ps", "--quiet", "--filter", &ours, "--filter", &label]).await?;
    let script = format!("cd /workspace && {script}");
    docker(&["exec", "--user", "1000", container.trim(), "sh", "-c", &script]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_in_step_with_page_tree_and_editor() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("index.html"), page("As it was dropped"))?;
    App::run("sync", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("As it was dropped", SOON).await?;
        click(app, "[data-testid=sync-pill]").await?;
        click(app, "[data-testid=sync-switch]").await?;
        in_step(app).await?;
        app.client.find(Locator::Css("body")).await?.send_keys("\u{e00c}").await?;
        a_save_is_in_the_page_and_the_tree(app, folder.path()).await?;
        the_editor_follows_and_asks(app, folder.path()).await?;
        both_ways_it_comes_here_too(app, folder.path()).await
    })
    .await
}

async fn in_step(app: &App) -> Result<()> {
    let look = "return document.querySelector('[data-testid=sync-pill]')?.dataset.sync === 'watching'";
    holds(app, "the sync to be in step", look).await
}

async fn a_save_is_in_the_page_and_the_tree(app: &App, folder: &Path) -> Result<()> {
    fs::write(folder.join("index.html"), page("As it was saved"))?;
    fs::write(folder.join("fresh.txt"), "fresh")?;
    wait_until("the save in the container", SOON, async || {
        let text = inside(app, "cat index.html fresh.txt").await?;
        Ok(text.contains("As it was saved").then_some(()))
    })
    .await?;
    click(app, "[data-testid=reload]").await?;
    app.preview_shows("As it was saved", SOON).await?;
    holds(app, "the new file in the tree", "return !!document.querySelector('[data-path$=\"/fresh.txt\"]')")
        .await
}

async fn the_editor_follows_and_asks(app: &App, folder: &Path) -> Result<()> {
    click(app, "[data-path$='/fresh.txt']").await?;
    let shows = |text: &str| {
        format!("return document.querySelector('.cm-content')?.innerText.includes({text:?}) === true")
    };
    holds(app, "the file in the editor", &shows("fresh")).await?;
    fs::write(folder.join("fresh.txt"), "changed while nobody typed\n")?;
    holds(app, "the editor to follow", &shows("changed while nobody typed")).await?;

    app.client.find(Locator::Css(".cm-content")).await?.send_keys("mine ").await?;
    holds(app, "what was typed", &shows("mine")).await?;
    fs::write(folder.join("fresh.txt"), "theirs\n")?;
    click(app, "[data-testid=compare]").await?;
    holds(
        app,
        "theirs beside mine",
        "return document.querySelector('.cm-deletedChunk')?.innerText.includes('theirs') === true",
    )
    .await?;
    holds(app, "mine to be still there", &shows("mine")).await?;
    click(app, "[data-testid=take-theirs]").await?;
    holds(
        app,
        "theirs alone",
        "return document.querySelector('.cm-content').innerText.trim() === 'theirs' &&
            document.querySelector('[data-testid=conflict]') === null",
    )
    .await?;
    fs::remove_file(folder.join("fresh.txt"))?;
    holds(
        app,
        "that it is gone",
        "return document.querySelector('[data-testid=conflict]')?.dataset.kind === 'gone' &&
            document.querySelector('[data-path$=\"/fresh.txt\"]') === null",
    )
    .await?;
    click(app, "[data-testid=close-gone]").await
}

async fn both_ways_it_comes_here_too(app: &App, folder: &Path) -> Result<()> {
    click(app, "[data-testid=sync-pill]").await?;
    click(app, "[data-testid=sync-both]").await?;
    click(app, "[data-testid=confirm]").await?;
    in_step(app).await?;
    inside(app, "echo made there > there.txt").await?;
    wait_until("what was made in the container", SOON, async || {
        let text = fs::read_to_string(folder.join("there.txt"))?;
        ensure!(text == "made there\n", "{text:?}");
        Ok(Some(()))
    })
    .await
}
