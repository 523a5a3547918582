//! The keyboard, pressed for real: a started window has it, and the interface keeps its own shortcuts while the page has
//! it, whatever the page does.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use slipway_tests::{app::App, wait_until};
use std::time::Duration;

use crate::hand::{SOON, wait_until_ready};

/// Swallows every key it sees, remembers them, and presses Ctrl+K itself all the time.
const GREEDY: &str = "<!doctype html><title>Greedy</title><h1>All keys are mine</h1><script>
    window.seen = [];
    for (const kind of ['keydown', 'keypress', 'keyup'])
        window.addEventListener(kind, (event) => {
            if (event.isTrusted && kind === 'keydown') seen.push(event.key);
            event.preventDefault();
            event.stopImmediatePropagation();
        }, true);
    setInterval(() => {
        for (const on of [window, document, document.body])
            on.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', code: 'KeyK', ctrlKey: true, bubbles: true }));
    }, 50);
</script>";

#[tokio::test(flavor = "multi_thread")]
async fn shortcuts_work_from_the_start_and_over_a_page_that_wants_every_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("index.html"), GREEDY)?;
    App::run("keys", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("All keys are mine", SOON).await?;
        // Nothing was clicked yet: the keyboard is the interface's.
        palette_opens(app, "layout").await?;

        let (left, top) = app.display.window_at("^Slipway").await?;
        app.ui().await?;
        let middle = app
            .script(
                "const box = document.querySelector('[data-testid=preview-pane]').getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2]",
            )
            .await?;
        let at = |n: usize| middle.get(n).and_then(serde_json::Value::as_f64).unwrap_or_default() as i32;
        let (x, y) = ((left + at(0)).to_string(), (top + at(1)).to_string());
        app.display.xdotool(&["mousemove", &x, &y, "click", "1"]).await?;
        wait_until("the page to get the keys", SOON, async || {
            app.display.xdotool(&["key", "a"]).await?;
            app.preview().await?;
            Ok((app.script("return seen.includes('a')").await? == true).then_some(()))
        })
        .await?;
        app.ui().await?;
        ensure!(
            app.client.find_all(Locator::Css("[data-testid=palette]")).await?.is_empty(),
            "the page opened it"
        );
        palette_opens(app, "shell").await?;
        app.preview().await?;
        let seen = app.script("return seen").await?;
        ensure!(
            !seen.as_array().is_some_and(|keys| keys.iter().any(|key| key == "k")),
            "the page saw {seen}"
        );
        Ok(())
    })
    .await
}

/// Ctrl+K opens the palette, what is typed then goes into it, and Escape closes it.
async fn palette_opens(app: &App, word: &str) -> Result<()> {
    app.display.xdotool(&["key", "ctrl+k"]).await?;
    app.ui().await?;
    app.wait_for("[data-testid=palette-input]:focus").await?;
    app.display.xdotool(&["type", word]).await?;
    wait_until("what was typed in the palette", SOON, async || {
        let typed = app.script("return document.querySelector('[data-testid=palette-input]').value").await?;
        ensure!(typed == word, "it holds {typed}");
        Ok(Some(()))
    })
    .await?;
    app.display.xdotool(&["key", "Escape"]).await?;
    wait_until("the palette to close", SOON, async || {
        Ok(app.client.find_all(Locator::Css("[data-testid=palette]")).await?.is_empty().then_some(()))
    })
    .await
}
