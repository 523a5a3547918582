//! The file tree with a directory of ten thousand entries: how long it takes from the click to the rows, and that only
//! those in sight exist; and a file dropped on it by the mouse.

use anyhow::{Context, Result, ensure};
use slipway_tests::{app::App, wait_until};
use std::{fs, time::Duration};

use crate::hand::{SOON, wait_until_ready};

const ENTRIES: usize = 10_000;
/// From the click to the rows, milliseconds, for a release build.
const OPENED_MS: f64 = 200.0;

/// Clicks the directory and waits, frame by frame, until its first entry has been drawn. Gives when it was asked for,
/// answered, read and drawn, milliseconds after the click.
const OPEN: &str = "
    const done = arguments[arguments.length - 1];
    const fetch = window.fetch;
    const begun = performance.now();
    const since = () => Math.round(performance.now() - begun);
    const at = [];
    window.fetch = async (url, request) => {
        const listing = String(request?.body).includes('file.list');
        if (listing) at.push(since());
        const answer = await fetch(url, request);
        if (!listing) return answer;
        at.push(since());
        const json = answer.json.bind(answer);
        answer.json = () => json().finally(() => at.push(since()));
        return answer;
    };
    document.querySelector('[data-path=\"/workspace/many\"]').click();
    const look = () => {
        if (document.querySelector('[data-path=\"/workspace/many/entry-00000.txt\"]') === null) requestAnimationFrame(look);
        else requestAnimationFrame(() => { window.fetch = fetch; done([...at, since()]); });
    };
    look();";

/// Asks for the listing as the window does, without showing it.
const LISTING: &str = "
    const done = arguments[arguments.length - 1];
    const id = document.querySelector('[data-testid=workspace-row]').dataset.id;
    const all = [];
    const ask = async () => {
        for (let n = 0; n < 5; n += 1) {
            const begun = performance.now();
            const body = { id, path: '/workspace/many' };
            await window.__TAURI_INTERNALS__.invoke('rpc', { name: 'file.list', body });
            all.push(Math.round(performance.now() - begun));
        }
    };
    ask().then(() => done(all), (thrown) => done(String(thrown)));";

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_ten_thousand_entries_opens_in_the_tree() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("index.html"), "<!doctype html><title>Many</title><p>So many")?;
    fs::create_dir(folder.path().join("many"))?;
    for n in 0..ENTRIES {
        fs::write(folder.path().join(format!("many/entry-{n:05}.txt")), "")?;
    }
    App::run("tree", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(2)).await?;
        app.preview_shows("So many", SOON).await?;
        app.ui().await?;
        app.wait_for("[data-path='/workspace/many']").await?;
        let steps = app.script_async(OPEN).await?;
        let took = steps.as_array().and_then(|all| all.last()?.as_f64()).context("figures")?;
        println!(
            "a directory of {ENTRIES} entries: {took:.0} ms from the click to its rows (bar {OPENED_MS}); asked, answered, read, drawn after {steps}"
        );
        let listing = app.script_async(LISTING).await?;
        println!("the listing alone, engine to window, milliseconds: {listing}");
        let rows = "return document.querySelectorAll('[role=treeitem]').length";
        let rows = app.script(rows).await?.as_u64().context("a count")?;
        ensure!((10..300).contains(&rows), "{rows} rows exist at once");
        app.script("document.querySelector('[role=tree]').scrollTop = 1e9").await?;
        wait_until("the last entry", SOON, async || {
            let last = "return document.querySelector('[data-path$=\"/entry-09999.txt\"]') !== null";
            Ok((app.script(last).await? == true).then_some(()))
        })
        .await?;
        a_file_dropped_on_a_folder_goes_into_it(app).await?;
        let held = std::env::var_os("SLIPWAY_STRESS").is_some() && std::env::var_os("SLIPWAY_APP").is_some();
        ensure!(!held || took < OPENED_MS, "it took {took:.0} ms");
        Ok(())
    })
    .await
}

/// By the mouse, as from a file manager.
async fn a_file_dropped_on_a_folder_goes_into_it(app: &App) -> Result<()> {
    let file = app.scratch.path().join("dropped.txt");
    fs::write(&file, "by the mouse")?;
    app.script("document.querySelector('[role=tree]').scrollTop = 0").await?;
    app.wait_for("[data-path='/workspace/many']").await?;
    let place = app
        .script(
            "const box = document.querySelector('[data-path=\"/workspace/many\"]').getBoundingClientRect();
             return [Math.round(box.left + 60), Math.round(box.top + box.height / 2)]",
        )
        .await?;
    let at = |n: usize| place.get(n).and_then(serde_json::Value::as_i64).unwrap_or_default() as i32;
    app.drop_file(&file, at(0), at(1)).await?;
    wait_until("the dropped file in the tree", SOON, async || {
        let there = "return document.querySelector('[data-path=\"/workspace/many/dropped.txt\"]') !== null";
        Ok((app.script(there).await? == true).then_some(()))
    })
    .await?;
    let rows = "return document.querySelectorAll('[data-testid=workspace-row]').length";
    ensure!(app.script(rows).await? == 1, "it became a workspace of its own");
    Ok(())
}
