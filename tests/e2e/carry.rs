//! Files over the window's edge that take their time: how far they are stands in the sidebar, and one that is cancelled
//! leaves nothing where it was going.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_tests::{app::App, project, wait_until};
use std::{
    cell::Cell,
    fs::{self, File},
    time::Duration,
};

use crate::hand::{SOON, open_shell, type_line, wait_until_ready};

/// Long enough to be cancelled on any machine; nothing of it is on a disk before it is carried.
const BIG: u64 = 16 << 30;
const PROGRAM: &str = "require('http').createServer((_, reply) => reply.end('It carries')).listen(3000);";

/// What the first bar says: its value, its most, its name, and the figure beside it.
const BAR: &str = "const bar = document.querySelector('[data-testid=carry] progress');
    return bar && [bar.value, bar.max, bar.getAttribute('aria-label'), bar.getAttribute('aria-valuetext')];";

/// Begins to save a file, as the window does once a person has said where; what comes of it is looked at later.
const SAVE: &str = "
    const [path, to] = arguments;
    const id = window.__slipway.selected();
    window.__saved = null;
    window.__TAURI_INTERNALS__.invoke('rpc', { name: 'desktop.download', body: { id, path, to } })
        .then(() => { window.__saved = 'saved'; }, (problem) => { window.__saved = problem.code; });";

#[tokio::test(flavor = "multi_thread")]
async fn a_big_file_says_how_far_it_is_and_leaves_nothing_when_cancelled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let zip = folder.path().join("carries.zip");
    let files = [
        ("slipway.toml", "start = \"node app.js\"\nport = 3000\n"),
        ("app.js", PROGRAM),
        ("in/kept.txt", "kept"),
    ];
    project::zip_of(&zip, &files)?;
    App::run("carry", &[&zip], async |app| {
        wait_until_ready(app, Duration::from_mins(2)).await?;
        app.preview_shows("It carries", SOON).await?;
        open_shell(app).await?;
        into_the_workspace(app).await?;
        out_of_the_workspace(app).await
    })
    .await
}

async fn into_the_workspace(app: &App) -> Result<()> {
    let file = app.scratch.path().join("big.bin");
    File::create(&file)?.set_len(BIG)?;
    app.ui().await?;
    app.wait_for("[data-path='/workspace/in']").await?;
    let place = app
        .script(
            "const box = document.querySelector('[data-path=\"/workspace/in\"]').getBoundingClientRect();
             return [Math.round(box.left + 60), Math.round(box.top + box.height / 2)]",
        )
        .await?;
    let at = |n: usize| place.get(n).and_then(Value::as_i64).unwrap_or_default() as i32;
    app.drop_file(&file, at(0), at(1)).await?;
    moves(app, "Copying big.bin into /workspace/in").await?;
    cancel(app, "Cancelled. Nothing was copied into /workspace/in.").await?;
    // Also none of the names things have on their way, which the tree does not show.
    type_line(app, "echo there: $(ls -A in) end", "there: kept.txt end").await?;
    fs::remove_file(file)?;
    Ok(())
}

async fn out_of_the_workspace(app: &App) -> Result<()> {
    type_line(app, &format!("truncate -s {BIG} big.bin && echo ma\"\"de"), "made").await?;
    let folder = app.scratch.path().join("out");
    fs::create_dir(&folder)?;
    let to = folder.join("big.bin");
    let to = to.to_str().context("a path that is not text")?;
    let client = app.ui().await?;
    client.execute(SAVE, vec!["/workspace/big.bin".into(), to.into()]).await?;
    let name = format!("Saving big.bin in {}", folder.display());
    moves(app, &name).await?;
    app.wait_for("[data-testid=carry-cancel]").await?.click().await?;
    wait_until("the answer", SOON, async || {
        let saved = app.script("return window.__saved").await?;
        ensure!(saved == "cancelled", "it is {saved}");
        Ok(Some(()))
    })
    .await?;
    gone(app).await?;
    let left: Vec<_> = fs::read_dir(&folder)?.collect::<std::io::Result<_>>()?;
    ensure!(left.is_empty(), "it left {left:?}");
    Ok(())
}

/// The bar is named, knows how much it is, and is seen to move.
async fn moves(app: &App, name: &str) -> Result<()> {
    let first = Cell::new(f64::INFINITY);
    wait_until(&format!("{name:?} to move"), SOON, async || {
        app.ui().await?;
        let bar = app.script(BAR).await?;
        ensure!(bar.get(2).and_then(Value::as_str) == Some(name), "the bar is {bar}");
        ensure!(bar.get(1).and_then(Value::as_u64) == Some(BIG), "the bar is {bar}");
        let figure = bar.get(3).and_then(Value::as_str).unwrap_or_default();
        ensure!(figure.ends_with(" of 17 GB"), "the figure is {figure:?}");
        let value = bar.get(0).and_then(Value::as_f64).context("the bar has no value")?;
        let before = first.get();
        first.set(before.min(value));
        ensure!(value > before, "the bar stands at {value}");
        Ok(Some(()))
    })
    .await
}

async fn cancel(app: &App, said: &str) -> Result<()> {
    app.wait_for("[data-testid=carry-cancel]").await?.click().await?;
    app.ui_shows(said, SOON).await?;
    gone(app).await
}

async fn gone(app: &App) -> Result<()> {
    wait_until("the end of what was carried", SOON, async || {
        let there = app.script("return document.querySelector('[data-testid=carries]') !== null").await?;
        Ok((there == false).then_some(()))
    })
    .await
}
