//! The Logs tab on a real program's output: found, counted, filtered by level and by text, held still and followed.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use slipway_tests::{app::App, project, wait_until};
use std::time::Duration;

use crate::hand::{SOON, wait_until_ready};

/// Prints much, one line of it worth finding long before the end, and then a line a second.
const PROGRAM: &str = "
for (let n = 0; n < 3000; n += 1) {
  console.log(n === 700 ? 'ERROR the needle is at 700' : `INFO straw number ${n}`);
}
let tick = 0;
setInterval(() => console.log(`INFO tick ${tick += 1}`), 1000);
require('http').createServer((_, reply) => reply.end('It prints')).listen(3000);
";

async fn holds(app: &App, what: &str, body: &str) -> Result<()> {
    wait_until(what, SOON, async || {
        let seen = app.script(body).await?;
        ensure!(seen == true, "it is {seen}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_searched_filtered_and_followed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let zip = folder.path().join("prints.zip");
    project::zip_of(
        &zip,
        &[("slipway.toml", "start = \"node app.js\"\nport = 3000\n"), ("app.js", PROGRAM)],
    )?;
    App::run("logs", &[&zip], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        let client = app.ui().await?;
        app.wait_for("[data-testid=tab-logs]").await?.click().await?;
        let newest = "return [...document.querySelectorAll('[data-testid=log-line] .text')].at(-1)?.innerText.includes('tick') ?? 'nothing'";
        holds(app, "the newest line", newest).await?;

        // The needle lies far before what is in sight, and was never scrolled to.
        let field = app.wait_for("[data-testid=log-find]").await?;
        field.send_keys("needle\u{e007}").await?;
        holds(
            app,
            "the needle, found, counted and in sight",
            "return document.querySelector('[data-testid=log-count]')?.innerText.trim() === '1 of 1' &&
                document.querySelector('[data-testid=log-line].current mark')?.innerText === 'needle'",
        )
        .await?;
        field.clear().await?;
        field.send_keys("straw number 12[0-4]").await?;
        app.wait_for("[data-testid=log-regex]").await?.click().await?;
        app.wait_for("[data-testid=log-only]").await?.click().await?;
        // 12 itself has no third digit; 120 to 124, and 1200 to 1249.
        holds(
            app,
            "only lines that fit",
            "const lines = [...document.querySelectorAll('[data-testid=log-line] .text')].map(line => line.innerText);
             return lines.length > 3 && lines.every(line => /straw number 12[0-4]/.test(line))",
        )
        .await?;
        field.send_keys("\u{e00c}").await?;

        app.wait_for("[data-testid=log-filters]").await?.click().await?;
        app.wait_for("[data-testid=log-level-error]").await?.click().await?;
        holds(
            app,
            "errors alone",
            "const lines = [...document.querySelectorAll('[data-testid=log-line]')];
             return lines.length === 1 && lines[0].dataset.level === 'error'",
        )
        .await?;
        client.find(Locator::Css("[data-testid=log-clear]")).await?.click().await?;
        app.wait_for("[data-testid=log-newest], [data-testid=log-follow]").await?;
        holds(app, "to be followed again", newest).await?;
        app.wait_for("[data-testid=log-follow]").await?.click().await?;
        app.wait_for("[data-testid=log-newest]").await?.click().await?;
        holds(app, "the newest line after a pause", newest).await
    })
    .await
}
