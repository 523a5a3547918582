//! The host tab: nothing of it before it is switched on, then a real shell of this machine, marked as such, that ends with
//! the app however that ends.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use slipway_tests::{app::App, wait_until};
use std::{path::Path, time::Duration};

use crate::{
    hand::{SOON, terminal_text, wait_until_ready},
    measures::still_page,
};

/// Types a line into the host's shell and waits for its answer.
async fn asks(app: &App, line: &str, answer: &str) -> Result<String> {
    let client = app.ui().await?;
    let keyboard = client.find(Locator::Css("[data-testid=host-terminal] .xterm-helper-textarea")).await?;
    keyboard.send_keys(&format!("{line}\u{e007}")).await?;
    wait_until(&format!("{answer:?} in the host's shell"), SOON, async || {
        let text = terminal_text(app).await?.replace('\n', "");
        ensure!(text.contains(answer), "it shows {text:?}");
        Ok(Some(text))
    })
    .await
}

async fn there(app: &App, css: &str) -> Result<bool> {
    Ok(!app.ui().await?.find_all(Locator::Css(css)).await?.is_empty())
}

async fn switch(app: &App) -> Result<()> {
    app.wait_for("[data-testid=settings]").await?.click().await?;
    app.wait_for("[data-testid=host-shell-setting]").await?.click().await?;
    app.wait_for("[data-testid=save-settings]").await?.click().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_tab_is_off_then_a_shell_of_this_machine_and_ends_with_the_app() -> Result<()> {
    let folder = still_page()?;
    App::run_with("host", &[folder.path()], &[], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        ensure!(!there(app, "[data-testid=host-tab]").await?, "it is there before it was switched on");
        switch(app).await?;
        app.wait_for("[data-testid=host-tab]").await?.click().await?;
        app.wait_for("[data-testid=host-shell] .warning").await?;
        app.wait_for("[data-testid=host-terminal] .xterm-helper-textarea").await?;
        asks(app, "echo here-$((40 + 2))", "here-42").await?;
        // Outside every container: this test's own process is to be seen.
        asks(
            app,
            &format!("test -d /proc/{} && echo same-$((1 + 1))-machine", std::process::id()),
            "same-2-machine",
        )
        .await?;
        asks(app, "echo [$SLIPWAY_RUN_MARK][$TAURI_WEBVIEW_AUTOMATION]", "[][]").await?;
        asks(app, "exit 3", "exit 3").await?;
        app.wait_for("[data-testid=host-exit][data-code='3']").await?;
        app.wait_for("[data-testid=host-restart]").await?.click().await?;
        let shell = pid(app).await?;
        // Switched off, it ends; on again, there is a new one, which the app takes with it.
        switch(app).await?;
        wait_until("the tab to be gone", SOON, async || {
            Ok((!there(app, "[data-testid=host-tab]").await?).then_some(()))
        })
        .await?;
        gone(&shell).await?;
        switch(app).await?;
        app.wait_for("[data-testid=host-tab]").await?.click().await?;
        let shell = pid(app).await?;
        app.restart("-KILL").await?;
        gone(&shell).await?;
        // It stays switched on; no shell is started before somebody asks for one.
        app.wait_for("[data-testid=host-tab]").await?;
        ensure!(!there(app, "[data-testid=host-shell]").await?, "a shell was started by itself");
        Ok(())
    })
    .await
}

/// The number of the shell in front.
async fn pid(app: &App) -> Result<String> {
    app.wait_for("[data-testid=host-terminal] .xterm-helper-textarea").await?;
    let text = asks(app, "echo pid-$$-$((2 + 2))", "-4").await?;
    let number =
        text.rsplit_once("-4").and_then(|(before, _)| before.rsplit_once("pid-")).context("a number")?.1;
    ensure!(Path::new("/proc").join(number).exists(), "{number} is no process");
    Ok(number.to_owned())
}

async fn gone(pid: &str) -> Result<()> {
    wait_until("the shell to be gone", SOON, async || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Ok((stat.is_empty() || stat.contains(") Z ")).then_some(()))
    })
    .await
}
