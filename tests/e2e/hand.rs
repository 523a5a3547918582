//! What a person does with the window, step by step, for the tests to put together.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use slipway_tests::{app::App, wait_until};
use std::{path::Path, time::Duration};

/// A first install from a registry, on two cores that others use as well.
pub(crate) const INSTALLING: Duration = Duration::from_mins(5);
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Waits until the workspace in front runs; a failed deploy ends the wait at once, with what the window says.
pub(crate) async fn wait_until_ready(app: &App, deadline: Duration) -> Result<()> {
    let look = "const pill = document.querySelector('[data-testid=state-pill]');
        const failed = document.querySelector('[data-testid=failed], [data-testid=error-title]');
        return [pill?.dataset.state ?? '', failed?.innerText ?? ''];";
    let state = wait_until("the workspace to run", deadline, async || {
        app.ui().await?;
        let seen = app.script(look).await?;
        let at = |n: usize| seen.get(n).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let (state, failed) = (at(0), at(1));
        match state.as_str() {
            "running" => Ok(Some(Ok(()))),
            "failed" | "terminated" | "deleted" => Ok(Some(Err(format!("it is {state}: {failed}")))),
            _ => anyhow::bail!("it is {state:?} {failed}"),
        }
    })
    .await?;
    state.map_err(anyhow::Error::msg)
}

/// Opens a shell by its button and waits for its prompt.
pub(crate) async fn open_shell(app: &App) -> Result<()> {
    let before = terminals(app).await?;
    app.wait_for("[data-testid=new-terminal]:not([disabled])").await?.click().await?;
    wait_until("a shell's prompt", SOON, async || {
        let text = terminal_text(app).await?;
        ensure!(terminals(app).await? > before, "no new tab; the terminal shows {text:?}");
        ensure!(text.contains('$') || text.contains('#'), "the terminal shows {text:?}");
        Ok(Some(()))
    })
    .await
}

async fn terminals(app: &App) -> Result<usize> {
    let client = app.ui().await?;
    Ok(client.find_all(Locator::Css("[data-testid=terminal-tab]")).await?.len())
}

/// What the terminal in front shows, scrollback included.
pub(crate) async fn terminal_text(app: &App) -> Result<String> {
    app.ui().await?;
    let text = app.script("return window.__slipway.terminalText()").await?;
    Ok(text.as_str().context("the terminal's text is text")?.to_owned())
}

/// Types a line into the terminal in front, key by key, and waits for `answer` in what it shows.
pub(crate) async fn type_line(app: &App, line: &str, answer: &str) -> Result<()> {
    let client = app.ui().await?;
    client.find(Locator::Css("[data-testid=terminal]")).await?.click().await?;
    let keyboard = client.find(Locator::Css("[data-testid=terminal] .xterm-helper-textarea")).await?;
    keyboard.send_keys(&format!("{line}\u{e007}")).await?;
    wait_until(&format!("{answer:?} in the terminal"), SOON, async || {
        let text = terminal_text(app).await?;
        // Long output wraps at the terminal's width.
        ensure!(text.replace('\n', "").contains(answer), "it shows {text:?}");
        Ok(Some(()))
    })
    .await
}

/// Types a path into the system's dialog that asks where to save.
pub(crate) async fn save_as(app: &App, file: &Path) -> Result<()> {
    let path = file.to_str().context("a path that is not text")?;
    let dialog = wait_until("the dialog that asks where", SOON, async || {
        let found = app.display.xdotool(&["search", "--onlyvisible", "--name", "^Save$"]).await?;
        Ok(found.lines().last().map(str::to_owned))
    })
    .await?;
    app.display.xdotool(&["windowactivate", "--sync", &dialog]).await?;
    app.display.xdotool(&["key", "ctrl+a"]).await?;
    app.display.xdotool(&["type", path]).await?;
    app.display.xdotool(&["key", "Return"]).await?;
    wait_until("the dialog to close", SOON, async || {
        let found = app.display.run("xdotool", &["search", "--onlyvisible", "--name", "^Save$"]).await?;
        Ok(found.stdout.is_empty().then_some(()))
    })
    .await
}
