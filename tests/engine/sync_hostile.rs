//! Live sync both ways with a container that wants out: nothing is written outside the folder, nothing of `.git`, no
//! ignore file is taken, odd names arrive as they are, too much is refused.

use super::{
    harness::{House, LONG},
    sync::{Pair, put},
};
use anyhow::{Context, Result, ensure};
use slipway_tests::wait_until;
use slipway_wire::{Api, Code, SyncRef, SyncState};
use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
};

/// A folder outside of what is synced that nobody may touch.
fn outside(pair: &Pair) -> Result<std::path::PathBuf> {
    let outside = pair.temp.path().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("victim"), "untouched")?;
    Ok(outside)
}

fn untouched(outside: &Path) -> Result<()> {
    ensure!(fs::read_to_string(outside.join("victim"))? == "untouched", "it was written");
    ensure!(fs::read_dir(outside)?.count() == 1, "something was made outside");
    Ok(())
}

/// Waits until something made there after everything else is here.
async fn seen(pair: &Pair, name: &str) -> Result<()> {
    pair.inside(&format!("echo last > {name}")).await?;
    wait_until("the last change", LONG, || async { Ok(pair.dir().join(name).exists().then_some(())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_nothing_out_of_the_folder() -> Result<()> {
    let pair = Pair::of(&[("d/file", "file"), ("e/victim", "inside")]).await?;
    let outside = outside(&pair)?;
    // The person's own links, one out of the folder.
    symlink(&outside, pair.dir().join("out"))?;
    let sync = pair.sync(true).await?;
    let there = outside.display();
    pair.inside(&format!(
        "rm -rf d && ln -s {there} d; ln -s ../../outside up; ln -s e/../../outside chain; mkdir out && echo bad > out/victim && echo bad > out/new; \
         rm -rf e && ln -s {there} e; mkfifo pipe; ln -s fine.txt good; echo fine > fine.txt"
    ))
    .await?;
    seen(&pair, "last1").await?;
    untouched(&outside)?;
    for link in ["d", "e", "up", "chain", "pipe"] {
        let found = fs::symlink_metadata(pair.dir().join(link));
        assert!(!found.is_ok_and(|found| found.is_symlink()), "{link} came");
    }
    assert!(fs::symlink_metadata(pair.dir().join("out"))?.is_symlink(), "the person's own link stays");
    assert_eq!(fs::read_to_string(pair.dir().join("good"))?, "fine\n");
    // A folder and a link out of it changing places as fast as they can, with files being written below.
    pair.inside(&format!(
        "mkdir swap swap/real; (for n in $(seq 400); do mkdir -p swap/x; echo $n > swap/x/victim; rm -rf swap/x; ln -s {there} swap/x; rm swap/x; done); \
         mkdir swap/x; echo end > swap/x/victim"
    ))
    .await?;
    // Here a folder of the sync becomes a link out of it, made by somebody else, while the container writes below.
    pair.inside("mkdir -p real; echo 1 > real/victim").await?;
    seen(&pair, "last2").await?;
    fs::remove_dir_all(pair.dir().join("real"))?;
    symlink(&outside, pair.dir().join("real"))?;
    pair.inside("mkdir -p real; echo 2 > real/victim; echo 3 > real/new").await?;
    seen(&pair, "last3").await?;
    untouched(&outside)?;
    let view = pair.house.engine.sync_status(SyncRef { id: sync.id }).await?;
    assert!(view.left_out.iter().any(|one| one.path == "out"), "{:?}", view.left_out);
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn git_and_the_ignore_files_are_this_machine_s_alone() -> Result<()> {
    let files = [
        (".gitignore", ".env\n*.key\n"),
        (".env", "SECRET=1"),
        ("a.key", "secret"),
        ("sub/b.key", "secret"),
        ("sub/c.txt", "c"),
        (".git/config", "mine"),
    ];
    let pair = Pair::of(&files).await?;
    let sync = pair.sync(true).await?;
    pair.inside(
        "echo > .gitignore; echo '!*.key' > sub/.gitignore; echo '*' > .dockerignore; mkdir -p .git/hooks .GIT; \
         echo bad > .git/hooks/pre-commit; echo bad > .git/config; echo bad > .GIT/config; echo bad > stolen.key; rm sub/c.txt",
    )
    .await?;
    seen(&pair, "last").await?;
    let here = pair.here()?;
    assert_eq!(here["/.gitignore"], ".env\n*.key\n");
    assert_eq!(here["/.git/config"], "mine");
    for path in ["/sub/.gitignore", "/.dockerignore", "/.git/hooks", "/.GIT", "/stolen.key", "/sub/c.txt"] {
        assert!(!here.contains_key(path), "{path}");
    }
    let there = pair.there().await?;
    for secret in ["/.env", "/a.key", "/sub/b.key"] {
        assert!(!there.contains_key(secret), "{secret} was sent");
    }
    let view = pair.house.engine.sync_status(SyncRef { id: sync.id }).await?;
    assert!(view.left_out.iter().any(|one| one.path == ".gitignore" && one.detail.is_some()), "{view:?}");
    // A save of the file here is right again.
    put(&pair.dir(), ".gitignore", ".env\n*.key\n# saved\n")?;
    wait_until("the save", LONG, || async {
        Ok((pair.there().await?["/.gitignore"] == ".env\n*.key\n# saved\n").then_some(()))
    })
    .await?;
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_arrives_as_it_is_both_ways() -> Result<()> {
    let pair = Pair::of(&[("a.txt", "a")]).await?;
    pair.sync(true).await?;
    let script = "const fs=require('fs');for(const n of [Buffer.from('new\\nline'),Buffer.from([0x6e,0xff,0xfe]),Buffer.from('n'.repeat(255)),\
        Buffer.from('esc\\x1b[2J'),Buffer.from('-rf'),Buffer.from('日本 $(x)')])fs.writeFileSync(Buffer.concat([Buffer.from('app/'),n]),n)";
    let (_, err, exit) = pair.house.run(&pair.id, &["node", "-e", script]).await?;
    ensure!(exit.code == Some(0), "{err}");
    let names: [&[u8]; 6] =
        [b"new\nline", b"n\xff\xfe", &[b'n'; 255], b"esc\x1b[2J", b"-rf", "日本 $(x)".as_bytes()];
    for name in names {
        let path = pair.dir().join(OsStr::from_bytes(name));
        // Its content too: a file made there and then written may come over empty first.
        wait_until("a name and its content", LONG, || async {
            Ok(fs::read(&path).is_ok_and(|content| content == name).then_some(()))
        })
        .await
        .with_context(|| format!("{name:?}"))?;
    }
    fs::rename(
        pair.dir().join(OsStr::from_bytes(b"n\xff\xfe")),
        pair.dir().join(OsStr::from_bytes(b"m\xff\n")),
    )?;
    let look = "process.exit(require('fs').readdirSync('app','buffer').some(n=>n.equals(Buffer.from([0x6d,0xff,0x0a])))?0:1)";
    wait_until("the new name there", LONG, || async {
        let (_, _, exit) = pair.house.run(&pair.id, &["node", "-e", look]).await?;
        Ok((exit.code == Some(0)).then_some(()))
    })
    .await?;
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_be_taken_halts_the_sync_and_fills_nothing() -> Result<()> {
    let house = House::with_settings("[intake]\nentries = 300\nfile_bytes = 100000\n").await?;
    let pair = Pair::with(house, &[("a.txt", "a")]).await?;
    let sync = pair.sync(true).await?;
    pair.inside("head -c 200000 /dev/zero > large.bin").await?;
    seen(&pair, "last").await?;
    assert!(!pair.dir().join("large.bin").exists());
    pair.inside("mkdir many; for n in $(seq 400); do echo $n > many/$n; done").await?;
    let halted = wait_until("the sync to halt", LONG, || async {
        let view = pair.house.engine.sync_status(SyncRef { id: sync.id.clone() }).await?;
        ensure!(view.state == SyncState::Halted, "{view:?}");
        Ok(Some(view))
    })
    .await?;
    let problem = halted.problem.context("it says why")?;
    assert_eq!(problem.code, Code::Limit);
    assert!(problem.hint.is_some());
    assert!(pair.here()?.len() <= 301);
    pair.house.close().await
}
