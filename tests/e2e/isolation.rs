//! A page in the preview is a stranger: it has no way to an app command, not by Tauri's objects, not by its protocol,
//! and it stays on its own site.

use anyhow::{Context, Result, ensure};
use slipway_tests::{app::App, project, wait_until};
use std::time::Duration;

use crate::hand::{SOON, wait_until_ready};

/// Tries every way to the bridge that Tauri has, from within a page, and tells which of them answered.
const TRIES: &str = r"
const done = arguments[arguments.length - 1];
const told = [];
const call = CALL;
const soon = (promise) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no('no answer'), 2000))]);
(async () => {
    for (const name of ['__TAURI__', '__TAURI_INTERNALS__', '__TAURI_INVOKE__', '__TAURI_IPC__', 'ipc', '__slipway']) {
        if (window[name] !== undefined) told.push('there is window.' + name);
    }
    try {
        told.push('invoke answered ' + JSON.stringify(await soon(window.__TAURI_INTERNALS__.invoke('rpc', call))));
    } catch (e) {}
    if (window.webkit?.messageHandlers?.ipc) told.push('there is the ipc message handler');
    for (const url of ['ipc://localhost/rpc', 'http://ipc.localhost/rpc', 'tauri://localhost/index.html']) {
        try {
            const answer = await soon(fetch(url, {
                method: url.startsWith('tauri') ? 'GET' : 'POST',
                headers: url.startsWith('tauri') ? {} : { 'Content-Type': 'application/json', 'Tauri-Callback': '1', 'Tauri-Error': '2', 'Tauri-Invoke-Key': 'x' },
                body: url.startsWith('tauri') ? undefined : JSON.stringify(call),
            }));
            const text = await answer.text();
            if (answer.ok) told.push(url + ' answered ' + answer.status + ' ' + text.slice(0, 80));
        } catch (e) {}
    }
    // Without reading the answer, which needs no leave of the other side.
    for (const url of ['ipc://localhost/rpc', 'http://ipc.localhost/rpc']) {
        try {
            await soon(fetch(url, { method: 'POST', mode: 'no-cors', body: JSON.stringify(call) }));
        } catch (e) {}
    }
    for (const url of ['tauri://localhost/index.html', 'ipc://localhost/rpc']) {
        await new Promise((resolve) => {
            const frame = document.createElement('iframe');
            frame.onload = () => {
                try {
                    if (frame.contentDocument === null) told.push(url + ' opened in a frame');
                } catch (e) { told.push(url + ' opened in a frame'); }
                resolve();
            };
            frame.onerror = resolve;
            setTimeout(resolve, 1500);
            frame.src = url;
            document.body.append(frame);
        });
    }
    done(told);
})().catch((e) => done(['the probe itself failed: ' + e]));
";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_call_no_app_command_and_stays_on_its_site() -> Result<()> {
    let folder = project::sample("static")?;
    App::run("isolation", &[&folder], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("The sky is open", SOON).await?;
        app.preview().await?;
        let url = app.client.current_url().await?;
        let label =
            url.host_str().and_then(|host| host.strip_suffix(".localhost")).context("a workspace's host")?;
        let id = label.split_once('-').context("port and id")?.1;
        // What it asks for would be seen: the workspace would be gone.
        let call = format!("{{ name: 'workspace.remove', body: {{ id: '{id}' }} }}");
        let told = app.script_async(&TRIES.replace("CALL", &call)).await?;
        ensure!(told == serde_json::json!([]), "a page reached the app: {told}");

        // The same probe from the interface does reach it, or it would prove nothing.
        app.ui().await?;
        let harmless = "{ name: 'workspace.list', body: {} }";
        let reached = app.script_async(&TRIES.replace("CALL", harmless)).await?;
        ensure!(
            reached
                .as_array()
                .is_some_and(|told| told.iter().any(|t| t.to_string().contains("invoke answered"))),
            "the probe finds nothing even in the interface: {reached}"
        );

        let client = app.preview().await?;
        let home = client.current_url().await?.to_string();
        for elsewhere in
            ["tauri://localhost/", "file:///etc/passwd", "http://127.0.0.1:1/", "ipc://localhost/rpc"]
        {
            app.script(&format!("location.href = {elsewhere:?}")).await?;
        }
        wait_until("the page to be where it was", SOON, async || {
            let now = app.preview().await?.current_url().await?.to_string();
            ensure!(now == home, "it is at {now}");
            app.preview_shows("The sky is open", SOON).await?;
            Ok(Some(()))
        })
        .await
        .context("a page left its site")
    })
    .await
}
