//! The Logs tab on a real program's output: found, counted, filtered by level, by text and by time, held still and
//! followed, and saved to a file.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use serde_json::Value;
use slipway_tests::{app::App, project, wait_until};
use std::{fs, path::Path, time::Duration};

use crate::hand::{SOON, save_as, wait_until_ready};

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

/// Speaks at its start, and again when it is asked to.
const SPEAKER: &str = "
for (let n = 0; n < 20; n += 1) console.log(`INFO early ${n}`);
require('http').createServer((request, reply) => {
  if (request.url === '/late') for (let n = 0; n < 20; n += 1) console.log(`WARN late ${n}`);
  reply.end('It speaks');
}).listen(3000);
";

/// The second after the last early line, once it has begun: as Unix milliseconds, and as a person types it.
const BETWEEN: &str = "
    const done = arguments[arguments.length - 1];
    const body = { id: window.__slipway.selected(), grep: 'early 19' };
    window.__TAURI_INTERNALS__.invoke('rpc', { name: 'workspace.logs', body }).then(({ records }) => {
        if (records.length !== 1) return done(`${records.length} lines`);
        const second = Math.floor(records[0].at_ms / 1000) * 1000 + 1000;
        if (Date.now() <= second) return done('it is not over');
        const [at, two] = [new Date(second), (value) => String(value).padStart(2, '0')];
        const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
        done([second, `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`]);
    }, (problem) => done(problem.message));";

/// Lines in sight are those that say this, and there are some.
fn only(word: &str) -> String {
    format!(
        "const lines = [...document.querySelectorAll('[data-testid=log-line] .text')].map(line => line.innerText);
         return (lines.length > 3 && lines.every(line => line.includes('{word}'))) || lines"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_a_log_is_shown_alone_and_saved() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let zip = folder.path().join("speaks.zip");
    let files = [("slipway.toml", "start = \"node app.js\"\nport = 3000\n"), ("app.js", SPEAKER)];
    project::zip_of(&zip, &files)?;
    App::run("logtime", &[&zip], async |app| {
        wait_until_ready(app, Duration::from_mins(2)).await?;
        app.preview_shows("It speaks", SOON).await?;
        app.ui().await?;
        app.wait_for("[data-testid=tab-logs]").await?.click().await?;
        let between = wait_until("the early lines, and the second they were printed in to be over", SOON, async || {
            let seen = app.script_async(BETWEEN).await?;
            ensure!(seen.is_array(), "{seen}");
            Ok(Some(seen))
        })
        .await?;
        let moment = between.get(1).and_then(Value::as_str).context("a moment")?;
        let second = between.get(0).and_then(Value::as_u64).context("a time")?;
        app.preview().await?;
        app.script("fetch('/late')").await?;
        app.ui().await?;
        let newest = "return [...document.querySelectorAll('[data-testid=log-line] .text')].at(-1)?.innerText.includes('late 19') ?? 'nothing'";
        holds(app, "the late lines", newest).await?;

        of_a_time(app, "[data-testid=log-span-hour]").await?;
        holds(app, "the time that was chosen", "return document.querySelector('[data-testid=log-chips]')?.innerText.includes('Last hour') ?? 'nothing'").await?;
        holds(app, "an hour, with the newest", newest).await?;

        typed(app, moment, "").await?;
        holds(app, "the late lines alone", &only("late")).await?;
        let file = app.scratch.path().join("late.jsonl");
        save(app, "[data-testid=log-save-json]", &file).await?;
        let lines = fs::read_to_string(&file)?;
        let records: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let said: Vec<_> = records.iter().map(|record| record["message"].as_str().unwrap_or_default()).collect();
        let wanted: Vec<_> = (0..20).map(|n| format!("WARN late {n}")).collect();
        ensure!(said == wanted, "the file says {said:?}");
        ensure!(records.iter().all(|record| record["at_ms"].as_u64() >= Some(second)), "{lines}");
        ensure!(records.iter().all(|record| record["level"] == "warn"), "{lines}");

        typed(app, "", moment).await?;
        holds(app, "the early lines and no late one", &only("early")).await?;
        let file = app.scratch.path().join("early.log");
        save(app, "[data-testid=log-save]", &file).await?;
        let lines = fs::read_to_string(&file)?;
        let early: Vec<_> = lines.lines().filter(|line| line.contains("INFO early ")).collect();
        ensure!(early.len() == 20 && !lines.contains("late"), "the file says {lines}");
        ensure!(early.iter().all(|line| line.contains("Z INFO ")), "the file says {lines}");
        Ok(())
    })
    .await
}

/// Chooses a time in the menu of filters.
async fn of_a_time(app: &App, choice: &str) -> Result<()> {
    app.wait_for("[data-testid=log-filters]").await?.click().await?;
    let time = Locator::XPath("//*[contains(@class, 'menu-item')][contains(., 'Time: ')]");
    wait_until("the menu of filters", SOON, async || Ok(Some(app.client.find(time).await?)))
        .await?
        .click()
        .await?;
    app.wait_for(choice).await?.click().await?;
    Ok(())
}

/// Shows what was printed between two moments, as they are typed.
async fn typed(app: &App, from: &str, until: &str) -> Result<()> {
    of_a_time(app, "[data-testid=log-span-custom]").await?;
    for (field, moment) in [("[data-testid=log-from]", from), ("[data-testid=log-until]", until)] {
        let field = app.wait_for(field).await?;
        // By keys: what WebDriver empties itself, the page is not told of.
        field.send_keys(&("\u{e003}".repeat("2026-09-18 12:30:00".len()) + moment)).await?;
    }
    app.wait_for("[data-testid=log-time-do]:not([disabled])").await?.click().await?;
    Ok(())
}

/// Saves what is shown, by the menu and the system's own dialog.
async fn save(app: &App, way: &str, file: &Path) -> Result<()> {
    app.wait_for("[data-testid=log-more]").await?.click().await?;
    app.wait_for(way).await?.click().await?;
    save_as(app, file).await?;
    app.ui_shows(&format!("written to {}", file.display()), SOON).await
}
