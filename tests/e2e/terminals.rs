//! Terminals outlive the app: while a program counts, the app is killed, ended in order and cut off from its container,
//! and what the window shows at the end has every number once; tabs, names, halves and type are as they were left.

use anyhow::{Context, Result, ensure};
use fantoccini::{Locator, key::Key};
use slipway_tests::{
    app::{self, App},
    built,
    socket_proxy::SocketProxy,
    wait_until,
};
use std::time::Duration;
use tokio::process::Command;

use crate::{
    hand::{SOON, open_shell, terminal_text, type_line, wait_until_ready},
    measures::still_page,
};

/// Less than the terminal's scrollback, and as long as three starts of the app take.
const LAST: usize = 6000;

/// The numbers a counting program has printed so far, as the window shows them.
async fn counted(app: &App) -> Result<Vec<usize>> {
    let text = terminal_text(app).await?;
    Ok(text.lines().filter_map(|line| line.trim().strip_prefix("n=")?.parse().ok()).collect())
}

/// Waits until a number beyond `beyond` is shown, and that nothing before it is missing or there twice.
async fn counts_on(app: &App, beyond: usize) -> Result<usize> {
    wait_until("the program to count on", SOON, async || {
        let numbers = counted(app).await?;
        let last = numbers.last().copied().unwrap_or_default();
        ensure!(last > beyond || last == LAST, "{last} is the last after {beyond}");
        ensure!(numbers == (1..=last).collect::<Vec<_>>(), "{}", odd(&numbers));
        Ok(Some(last))
    })
    .await
}

fn odd(numbers: &[usize]) -> String {
    let at = numbers.iter().zip(1..).position(|(&number, wanted)| number != wanted).unwrap_or(numbers.len());
    format!("at {at}: {:?}", &numbers[at.saturating_sub(2)..(at + 3).min(numbers.len())])
}

async fn settings(app: &App, key: &str, value: &str) -> Result<()> {
    let mut command = Command::new(built("SLIPWAY_CLI", "slipway")?);
    app::environment(&mut command, app.scratch.path())?;
    let output = command.args(["settings", "set", key, value]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_or_twice_after_a_kill_an_end_and_a_cut() -> Result<()> {
    let folder = still_page()?;
    let sockets = tempfile::tempdir()?;
    let docker = SocketProxy::start(sockets.path())?;
    let address = docker.address();
    App::run_with("terminals", &[folder.path()], &[("DOCKER_HOST", &address)], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        open_shell(app).await?;
        // The end of the app is not to be the end of the program.
        settings(app, "keep_on_close", "true").await?;
        let line = format!(
            "i=0; while [ $i -lt {LAST} ]; do i=$((i+1)); echo n=$i; usleep 3000; done; echo done-$((1 + 1))"
        );
        let client = app.ui().await?;
        client.find(Locator::Css("[data-testid=terminal]")).await?.click().await?;
        let keyboard = client.find(Locator::Css("[data-testid=terminal] .xterm-helper-textarea")).await?;
        keyboard.send_keys(&format!("{line}\u{e007}")).await?;
        let outcome = count_through(app, &docker).await;
        // Whatever came of it: the end of the test is to be the end of everything.
        settings(app, "keep_on_close", "false").await?;
        outcome
    })
    .await
}

async fn count_through(app: &mut App, docker: &SocketProxy) -> Result<()> {
    let mut last = counts_on(app, 20).await?;
    for signal in ["-KILL", "-TERM"] {
        app.restart(signal).await?;
        last = counts_on(app, last).await?;
    }
    docker.cut();
    counts_on(app, last).await?;
    wait_until("the end of the counting", Duration::from_mins(2), async || {
        Ok(terminal_text(app).await?.contains("done-2").then_some(()))
    })
    .await?;
    let numbers = counted(app).await?;
    ensure!(numbers == (1..=LAST).collect::<Vec<_>>(), "{}", odd(&numbers));
    // What is typed goes to the same shell.
    type_line(app, "echo $i-$((2 + 3))", &format!("{LAST}-5")).await
}

/// What the tabs say, in their order.
async fn tabs(app: &App) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for tab in app.ui().await?.find_all(Locator::Css("[data-testid=terminal-tab]")).await? {
        names.push(tab.text().await?.trim().to_owned());
    }
    Ok(names)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_app_finds_tabs_names_halves_and_type_as_they_were() -> Result<()> {
    let folder = still_page()?;
    App::run_with("layout", &[folder.path()], &[], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        open_shell(app).await?;
        app.wait_for("[data-testid=split]").await?.click().await?;
        wait_until("two halves", SOON, async || Ok((halves(app).await?.len() == 2).then_some(()))).await?;
        // The newest tab: named by its dialog, then moved to the left twice, then in larger type.
        let newest = app.ui().await?.find_all(Locator::Css("[data-testid=terminal-tab]")).await?;
        let newest = newest.last().context("a tab")?;
        newest.click().await?;
        newest.send_keys(&char::from(Key::F2).to_string()).await?;
        let field = app.wait_for("[data-testid=ask-field]").await?;
        field.clear().await?;
        field.send_keys("the quay\u{e007}").await?;
        wait_until("the name", SOON, async || {
            let names = tabs(app).await?;
            ensure!(names.last().is_some_and(|name| name == "the quay"), "{names:?}");
            Ok(Some(()))
        })
        .await?;
        for keys in ["ctrl+shift+Prior", "ctrl+shift+Prior", "ctrl+equal", "ctrl+equal"] {
            app.display.xdotool(&["key", keys]).await?;
        }
        let before = wait_until("the tab to be moved and the type to grow", SOON, async || {
            let seen = (tabs(app).await?, halves(app).await?, type_px(app).await?);
            ensure!(seen.0.first().is_some_and(|name| name == "the quay") && seen.2 == "15px", "{seen:?}");
            Ok(Some(seen))
        })
        .await?;
        // All of it is kept before the app dies: what is asked of the engine is answered when it is on disk.
        wait_until("nothing to be on its way", SOON, async || {
            let kept = app.script("return window.__slipway.arranged()").await?;
            Ok((kept == true).then_some(()))
        })
        .await?;
        app.restart("-KILL").await?;
        wait_until("everything as it was", SOON, async || {
            let seen = (tabs(app).await?, halves(app).await?, type_px(app).await?);
            ensure!(seen == before, "{seen:?} instead of {before:?}");
            Ok(Some(()))
        })
        .await
    })
    .await
}

/// The processes in the halves.
async fn halves(app: &App) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for half in app.ui().await?.find_all(Locator::Css("[data-testid=terminal]")).await? {
        all.push(half.attr("data-process").await?.unwrap_or_default());
    }
    Ok(all)
}

async fn type_px(app: &App) -> Result<String> {
    let look = "const rows = document.querySelector('[data-testid=terminal] .xterm-rows');
        return rows === null ? '' : getComputedStyle(rows).fontSize";
    Ok(app.script(look).await?.as_str().unwrap_or_default().to_owned())
}
