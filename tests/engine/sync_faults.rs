//! Live sync through faults: an owner killed at any moment, Docker that hangs up, a container that is another one, a
//! folder that goes away. Whatever was saved on either side is on both in the end.

use super::{
    harness::{House, LONG, config},
    sync::{Pair, put},
};
use anyhow::{Context, Result, ensure};
use slipway_engine::Engine;
use slipway_tests::{containers::docker, socket_proxy::Mode, wait_until};
use slipway_wire::{Api, LiveSync, Nothing, SyncRef, SyncState, WorkspaceRef, WorkspaceState};
use std::{env, fs, io::Write as _, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const DATA: &str = "SLIPWAY_SYNC_VICTIM";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test below, as the owner that it kills"]
async fn the_owner() -> Result<()> {
    let Some(data) = env::var_os(DATA) else { return Ok(()) };
    let engine = Engine::open(config(Path::new(&data))?).await?;
    wait_until("the sync", LONG, || async {
        let all = engine.sync_list(Nothing {}).await?;
        Ok(all.first().filter(|sync| sync.state == SyncState::Watching).map(drop))
    })
    .await?;
    writeln!(std::io::stdout(), "owner: in sync")?;
    std::future::pending::<()>().await;
    Ok(())
}

/// Begins an owner of a data folder in a process of its own, and waits until its sync is at rest.
async fn owner(data: &Path) -> Result<Child> {
    let mut owner = Command::new(env::current_exe()?)
        .args(["--exact", "sync_faults::the_owner", "--ignored", "--nocapture"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(owner.stdout.take().context("its output")?).lines();
    let said = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("owner: in sync") {
                return Ok(());
            }
        }
        anyhow::bail!("the owner ended")
    };
    tokio::time::timeout(LONG, said).await??;
    Ok(owner)
}

/// Opens the house again; its sync goes on by itself.
async fn reopened(data: tempfile::TempDir) -> Result<(House, LiveSync)> {
    let house = House::reopen(data).await?;
    let sync = wait_until("the sync to go on by itself", LONG, || async {
        Ok(house.engine.sync_list(Nothing {}).await?.pop())
    })
    .await?;
    Ok((house, sync))
}

/// What somebody does in the container while nobody owns it.
async fn inside(container: &str, script: &str) -> Result<String> {
    let script = format!("cd /workspace/app && {script}");
    docker(&["exec", "--user", "1000", container, "sh", "-c", &script]).await.context("in the container")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_killed_at_any_moment_loses_no_edit_of_either_side() -> Result<()> {
    let mut pair = Pair::of(&[("kept.txt", "kept")]).await?;
    for n in 0..4 {
        put(&pair.dir(), &format!("here{n}.txt"), "removed here")?;
        put(&pair.dir(), &format!("there{n}.txt"), "removed there")?;
    }
    pair.sync(true).await?;
    let container = pair.house.containers().await?.pop().context("a container")?;
    let dir = pair.dir();
    for round in 0..4_u32 {
        let data = pair.house.leave().await;
        let mut owner = owner(data.path()).await?;
        // Both sides change much; it is killed when the first, or a later part, has arrived.
        for n in 0..400 {
            put(&dir, &format!("r{round}/h{n}.txt"), &format!("here {round} {n}"))?;
        }
        inside(
            &container,
            &format!(
                "mkdir -p t{round}; for n in $(seq 200); do echo there {round} $n > t{round}/f$n.txt; done"
            ),
        )
        .await?;
        let late = round * 120;
        wait_until("a part to arrive", LONG, || async {
            let script = format!("ls r{round} 2>/dev/null | wc -l");
            let arrived: u32 = inside(&container, &script).await?.trim().parse()?;
            Ok((arrived >= late.max(1)).then_some(()))
        })
        .await?;
        owner.kill().await?;
        // And while nobody looks.
        put(&dir, "kept.txt", &format!("kept {round}"))?;
        fs::remove_file(dir.join(format!("here{round}.txt")))?;
        inside(&container, &format!("echo alone > alone{round}.txt; rm there{round}.txt")).await?;
        let (house, sync) = reopened(data).await?;
        pair.house = house;
        pair.at_rest(&sync).await?;
        let now = pair.alike().await?;
        let count = |begin: &str| now.keys().filter(|path| path.starts_with(begin)).count();
        assert_eq!(count(&format!("/r{round}/")), 400, "round {round}");
        assert_eq!(count(&format!("/t{round}/f")), 200, "round {round}");
        assert_eq!(
            (count("/here"), count("/there")),
            (3 - round as usize, 3 - round as usize),
            "round {round}"
        );
        assert_eq!(now["/kept.txt"], format!("kept {round}"));
        assert_eq!(now[&format!("/alone{round}.txt")], "alone\n");
        let odd: Vec<&String> =
            now.keys().filter(|path| path.contains("sync-conflict") || path.contains(".slipway-")).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
    pair.house.close().await
}

/// So long that an owner is killed while it is on its way, and what came before it is not written down.
const LONG_WAY: u64 = 1_000_000_000;

/// The files of a folder here, without those that have no place yet.
fn arrived(dir: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    Ok(names.into_iter().filter(|name| !name.starts_with('.')).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_carried_and_not_written_down_stays_removed() -> Result<()> {
    let mut pair = Pair::of(&[("kept.txt", "kept"), (".gitignore", "made/\n")]).await?;
    pair.sync(true).await?;
    let container = pair.house.containers().await?.pop().context("a container")?;
    let dir = pair.dir();

    let data = pair.house.leave().await;
    let mut killed = owner(data.path()).await?;
    for n in 0..60 {
        put(&dir, &format!("in/f{n}.txt"), &format!("{n}"))?;
    }
    fs::File::create(dir.join("large.bin"))?.set_len(LONG_WAY)?;
    wait_until("the small ones to arrive", LONG, || async {
        let count = inside(&container, "ls in 2>/dev/null | wc -l").await?;
        Ok((count.trim() == "60").then_some(()))
    })
    .await?;
    killed.kill().await?;
    inside(&container, "test ! -e large.bin").await.context("it was killed too late to prove anything")?;
    fs::remove_file(dir.join("large.bin"))?;
    for n in 0..30 {
        fs::remove_file(dir.join(format!("in/f{n}.txt")))?;
    }
    inside(&container, "cd in && for n in $(seq 30 50); do rm f$n.txt; done; echo mine > f51.txt").await?;
    let (house, sync) = reopened(data).await?;
    pair.house = house;
    pair.at_rest(&sync).await?;
    let now = pair.alike().await?;
    let left: Vec<&String> = now.keys().filter(|path| path.starts_with("/in/")).collect();
    let wanted: Vec<String> = (51..60).map(|n| format!("/in/f{n}.txt")).collect();
    assert_eq!(left, wanted.iter().collect::<Vec<_>>(), "neither removal came back");
    assert_eq!(now["/in/f51.txt"], "mine\n", "what was changed since is one side's change, no conflict");

    let data = pair.house.leave().await;
    let mut killed = owner(data.path()).await?;
    // Seen in one look: what is seen in two could be few files at a time, which get their places with the long one.
    let make = "mkdir -p made/out; for n in $(seq 100 239); do echo $n > made/out/f$n.txt; done";
    let long = format!("truncate -s {LONG_WAY} made/z.bin");
    inside(&container, &format!("{make}; {long}; mv made/out made/z.bin . && rmdir made")).await?;
    let first = wait_until("the first ones to arrive", LONG, || async {
        let names = arrived(&dir.join("out")).unwrap_or_default();
        Ok((names.len() >= 100).then_some(names))
    })
    .await?;
    killed.kill().await?;
    ensure!(!dir.join("z.bin").exists(), "it was killed too late to prove anything");
    let (here, there) = first.split_at(50);
    for name in here {
        fs::remove_file(dir.join("out").join(name))?;
    }
    inside(&container, &format!("rm z.bin; cd out; rm {}", there.join(" "))).await?;
    let (house, sync) = reopened(data).await?;
    pair.house = house;
    pair.at_rest(&sync).await?;
    let now = pair.alike().await?;
    let back: Vec<&String> = first.iter().filter(|name| now.contains_key(&format!("/out/{name}"))).collect();
    assert!(back.is_empty(), "{back:?}");
    let rest = now.keys().filter(|path| path.starts_with("/out/")).count();
    assert_eq!(rest, 140 - first.len(), "what had not arrived does");
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_link_loses_no_edit_of_either_side() -> Result<()> {
    let (house, mut proxy) = House::behind_proxy(tempfile::tempdir()?, |_| ()).await?;
    let pair = Pair::with(house, &[("a.txt", "a")]).await?;
    let sync = pair.sync(true).await?;
    let container = pair.house.containers().await?.pop().context("a container")?;
    let large: String = (0..30_000_000_u32).map(|n| char::from(b'a' + (n ^ (n >> 9)) as u8 % 26)).collect();
    for round in 0..3 {
        put(&pair.dir(), "large.bin", &format!("{round}{large}"))?;
        state(&pair, &sync, SyncState::Syncing).await?;
        if round == 2 {
            proxy.set(Mode::Gone)?;
        } else {
            proxy.cut();
        }
        put(&pair.dir(), "a.txt", &format!("saved {round}"))?;
        inside(&container, &format!("echo there > there{round}.txt")).await?;
        proxy.set(Mode::Forward)?;
        wait_until("both to be alike", LONG, || async {
            let text = inside(&container, "cat a.txt; head -c 1 large.bin; wc -c < large.bin").await?;
            let there = format!("saved {round}{round}{}\n", large.len() + 1);
            ensure!(text.replace(' ', "") == there.replace(' ', ""), "{text:?}");
            let here = fs::read_to_string(pair.dir().join(format!("there{round}.txt")))?;
            Ok((here == "there\n").then_some(()))
        })
        .await?;
        pair.at_rest(&sync).await?;
    }
    pair.alike().await?;
    pair.house.close().await
}

async fn state(pair: &Pair, sync: &LiveSync, wanted: SyncState) -> Result<LiveSync> {
    wait_until(&format!("the sync to be {wanted:?}"), LONG, || async {
        let view = pair.house.engine.sync_status(SyncRef { id: sync.id.clone() }).await?;
        ensure!(view.state == wanted, "{view:?}");
        Ok(Some(view))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_workspace_is_waited_for_and_a_folder_that_went_away_removes_nothing() -> Result<()> {
    let pair = Pair::of(&[("a.txt", "a"), ("b/c.txt", "c")]).await?;
    let sync = pair.sync(true).await?;
    let this = WorkspaceRef { id: pair.id.clone() };
    pair.house.engine.workspace_stop(this.clone()).await?;
    let waiting = state(&pair, &sync, SyncState::Waiting).await?;
    assert!(waiting.problem.context("it says why")?.hint.is_some());
    put(&pair.dir(), "a.txt", "saved while it was stopped")?;
    pair.house.engine.workspace_start(this).await?;
    pair.house.wait_for(&pair.id, WorkspaceState::Running).await?;
    assert_eq!(pair.alike().await?["/a.txt"], "saved while it was stopped");

    let away = pair.temp.path().join("away");
    fs::rename(pair.dir(), &away)?;
    state(&pair, &sync, SyncState::Waiting).await?;
    assert_eq!(pair.there().await?["/b/c.txt"], "c");
    fs::write(away.join("d.txt"), "made while it was away")?;
    fs::rename(&away, pair.dir())?;
    assert_eq!(pair.alike().await?["/d.txt"], "made while it was away");
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_is_empty_all_at_once_halts_the_sync() -> Result<()> {
    let files: Vec<(String, String)> = (0..12).map(|n| (format!("f{n}.txt"), format!("{n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let pair = Pair::of(&files).await?;
    let sync = pair.sync(true).await?;
    pair.inside("rm -f *").await?;
    let halted = state(&pair, &sync, SyncState::Halted).await?;
    assert!(halted.problem.context("it says why")?.hint.is_some());
    assert_eq!(pair.here()?.len(), 13);
    // Begun again, nothing is taken for removed.
    pair.sync(true).await?;
    assert_eq!(pair.alike().await?.len(), 13);
    pair.house.close().await
}
