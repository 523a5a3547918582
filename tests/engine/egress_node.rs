//! Node and the outgoing proxy: every client of it asks there, whatever a project says in `NODE_OPTIONS`, and a start does
//! not load the one that the project may never use.

use super::harness::{House, server};
use anyhow::{Context, Result, ensure};
use slipway_wire::{Api, WorkspaceId, WorkspaceRef};
use std::collections::{BTreeMap, BTreeSet};

/// Asks for `CLIENT-PREFIX.example.invalid` with each of Node's clients, one after the other, and says in a line when all
/// have been refused. `ask` is handed to the script in the way of the module system it is written for.
const CLIENTS: &str = r"
const host = (client) => `${client}-${prefix}.example.invalid`;
const by = (get) => (url) => new Promise((done) => get(url, (answer) => { answer.resume(); answer.on('end', done); }).on('error', done));
const socket = (url) => new Promise((done) => { const one = new WebSocket(url); one.onerror = done; one.onopen = done; });
const quietly = (asked) => Promise.resolve(asked).catch(() => {});
await quietly(by(http.get)('http://' + host('http') + '/'));
await quietly(by(https.get)('https://' + host('https') + '/'));
await quietly(fetch('http://' + host('fetch-plain') + '/'));
await quietly(fetch('https://' + host('fetch') + '/'));
await quietly(fetch(new Request('https://' + host('request') + '/', { headers: new Headers({ a: 'b' }) })));
await quietly(socket('ws://' + host('socket') + '/'));
console.log('asked');
";
const ASKED: [&str; 6] = ["http", "https", "fetch-plain", "fetch", "request", "socket"];

/// The same from a thread, from a child that is forked and from one that is a command of its own.
const OTHERS: &str = r"
const { Worker } = require('worker_threads');
const { fork, spawn } = require('child_process');
const prefix = process.argv[2];
const ended = (what) => new Promise((done) => what.on('exit', done));
(async () => {
  await ended(new Worker('./clients.cjs', { argv: [prefix + '-thread'] }));
  await ended(fork('./clients.cjs', [prefix + '-fork']));
  await ended(spawn(process.execPath, ['clients.mjs', prefix + '-child'], { stdio: 'inherit' }));
})();
";

/// What a program can see of us.
const SEEN: &str = "console.log(JSON.stringify({ arguments: process.execArgv, argv: process.argv.length, \
    modules: Object.keys(require.cache).length, plain: 'value' in Object.getOwnPropertyDescriptor(process, 'env'), \
    proxy: process.env.HTTP_PROXY, client: process.moduleLoadList.some((m) => m.includes('undici/undici')) }))";

async fn project() -> Result<(House, WorkspaceId)> {
    let house = House::with_settings("ask_hosts = false\n").await?;
    let cjs = format!(
        "const http = require('http'), https = require('https');\nconst prefix = process.argv[2];\n(async () => {{{CLIENTS}}})();\n"
    );
    let mjs = format!(
        "import http from 'node:http';\nimport https from 'node:https';\nconst prefix = process.argv[2];\n{CLIENTS}"
    );
    let files = [
        ("server.js", server(3000, "app")),
        ("clients.cjs", cjs),
        ("clients.mjs", mjs),
        ("others.cjs", OTHERS.to_owned()),
        ("seen.cjs", SEEN.to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let id = house.ready(&house.zip("clients", &files)?).await?.id;
    Ok((house, id))
}

fn variables(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The hosts that connections were refused to, below this prefix.
async fn refused(house: &House, id: &WorkspaceId, prefix: &str) -> Result<BTreeSet<String>> {
    let end = format!("-{prefix}.example.invalid");
    let entries = house.engine.network_list(WorkspaceRef { id: id.clone() }).await?;
    Ok(entries.into_iter().filter_map(|entry| Some(entry.host.strip_suffix(&end)?.to_owned())).collect())
}

/// Runs Node with this environment on top and asks for what was refused below each of `prefixes`.
async fn asks(
    house: &House,
    id: &WorkspaceId,
    env: &[(&str, &str)],
    argv: &[&str],
    prefixes: &[&str],
) -> Result<()> {
    let (out, errors, exit) = house.run_with(id, variables(env), argv).await?;
    let context = || format!("{argv:?} with {env:?}: {out} {errors}");
    ensure!(exit.code == Some(0) && errors.is_empty(), context());
    ensure!(out.lines().filter(|line| *line == "asked").count() == prefixes.len(), context());
    for prefix in prefixes {
        let seen = refused(house, id, prefix).await.with_context(context)?;
        let wanted: BTreeSet<String> = ASKED.iter().map(|&client| client.to_owned()).collect();
        ensure!(seen == wanted, "{}: below {prefix} came {seen:?}", context());
    }
    Ok(())
}

/// Node before 24.5 knows no proxy in its clients (22.21 and 24.0 half), and newer ones are asked here as they are.
async fn version(house: &House, id: &WorkspaceId) -> Result<(u32, u32)> {
    let (out, _, _) = house.run(id, &["node", "-p", "process.versions.node"]).await?;
    let mut parts = out.trim().split('.').map(str::parse);
    Ok((parts.next().context("a version")??, parts.next().context("a version")??))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_of_node_asks_at_the_proxy() -> Result<()> {
    let (house, id) = project().await?;
    let version = version(&house, &id).await?;
    ensure!(version >= (24, 5), "node:24-alpine is {version:?} here: pull it again");
    // As every program begins; with what a project says to Node; and with nothing of ours, as Node itself does it.
    let project = [("NODE_OPTIONS", "--max-old-space-size=256")];
    for (way, env) in [("ours", &[][..]), ("both", &project[..])] {
        asks(&house, &id, env, &["node", "clients.cjs", way], &[way]).await?;
        let esm = format!("{way}-esm");
        asks(&house, &id, env, &["node", "clients.mjs", &esm], &[&esm]).await?;
        let others = ["thread", "fork", "child"].map(|other| format!("{way}-{other}"));
        asks(&house, &id, env, &["node", "others.cjs", way], &others.each_ref().map(String::as_str)).await?;
    }
    for (script, way) in [("clients.cjs", "own"), ("clients.mjs", "own-esm")] {
        let bare = format!("NODE_OPTIONS= exec node {script} {way}");
        asks(&house, &id, &[], &["sh", "-c", &bare], &[way]).await?;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_node_loads_no_client_and_shows_nothing_of_ours() -> Result<()> {
    let (house, id) = project().await?;
    let ours = version(&house, &id).await? >= (24, 14);
    let seen = async |env: &[(&str, &str)], options: &[&str]| -> Result<serde_json::Value> {
        let argv: Vec<&str> = ["node"].iter().chain(options).copied().chain(["seen.cjs"]).collect();
        let (out, errors, exit) = house.run_with(&id, variables(env), &argv).await?;
        ensure!(exit.code == Some(0) && errors.is_empty(), "{argv:?} with {env:?}: {out} {errors}");
        Ok(serde_json::from_str(&out)?)
    };
    let plain = seen(&[], &[]).await?;
    let nothing = serde_json::json!({ "arguments": [], "argv": 2, "modules": 1, "plain": true,
        "proxy": "http://127.0.0.1:61128", "client": !ours });
    assert_eq!(plain, nothing, "the client is loaded only where nothing can be done about it");
    // Reading files is a right that a program may not have.
    let bounded = seen(&[], &["--permission"]).await?;
    assert_eq!((&bounded["proxy"], &bounded["client"]), (&plain["proxy"], &plain["client"]), "{bounded}");
    // A project may do without the proxy.
    let without = seen(&[("NODE_USE_ENV_PROXY", "0")], &[]).await?;
    assert_eq!((&without["client"], &without["proxy"]), (&false.into(), &plain["proxy"]), "{without}");
    let heap = "console.log(require('v8').getHeapStatistics().heap_size_limit < 400 * 2 ** 20, process.env.NODE_OPTIONS)";
    let options = variables(&[("NODE_OPTIONS", "--max-old-space-size=256")]);
    let (out, _, _) = house.run_with(&id, options, &["node", "-e", heap]).await?;
    assert!(
        out.starts_with("true --require=/.slipway/") && out.ends_with(" --max-old-space-size=256\n"),
        "{out}"
    );
    house.close().await
}
