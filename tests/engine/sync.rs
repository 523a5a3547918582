//! Live sync with a real container: what a save, a removal or a rename here does there, and the other way where that was
//! asked for. What faults do is in `sync_faults`, what a hostile container tries in `sync_hostile`.

use super::harness::{House, LONG};
use anyhow::{Context, Result, ensure};
use slipway_tests::wait_until;
use slipway_wire::{Api, Code, LiveSync, SyncAct, SyncRef, SyncStart, SyncState, WorkspaceId};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// A workspace and a folder of this machine beside it.
pub(crate) struct Pair {
    pub(crate) house: House,
    pub(crate) id: WorkspaceId,
    pub(crate) temp: tempfile::TempDir,
}

impl Pair {
    /// A folder with these files, deployed as it is.
    pub(crate) async fn of(files: &[(&str, &str)]) -> Result<Self> {
        Self::with(House::open().await?, files).await
    }

    /// The same in a house of the test's own.
    pub(crate) async fn with(house: House, files: &[(&str, &str)]) -> Result<Self> {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("project");
        put(&dir, "package.json", "{\"scripts\":{\"start\":\"sleep 4718\"}}")?;
        for (name, text) in files {
            put(&dir, name, text)?;
        }
        let app = super::harness::server(3000, "synced");
        let zip = house
            .zip("server", &[("slipway.toml", "start = \"node app.js\"\nport = 3000\n"), ("app.js", &app)])?;
        let id = house.ready(&zip).await?.id;
        Ok(Self { house, id, temp })
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("project")
    }

    pub(crate) fn request(&self, both: bool) -> SyncStart {
        let dir = self.dir().to_string_lossy().into_owned();
        let root = Some("/workspace/app".to_owned());
        SyncStart { workspace: self.id.clone(), dir, root, both, once: false }
    }

    /// Begins a sync and waits until both sides are alike for the first time.
    pub(crate) async fn sync(&self, both: bool) -> Result<LiveSync> {
        let sync = self.house.engine.sync_start(self.request(both)).await?;
        self.at_rest(&sync).await
    }

    /// Waits until a sync has nothing to do.
    pub(crate) async fn at_rest(&self, sync: &LiveSync) -> Result<LiveSync> {
        wait_until("the sync to be at rest", LONG, || async {
            let view = self.house.engine.sync_status(SyncRef { id: sync.id.clone() }).await?;
            ensure!(view.state == SyncState::Watching && view.waiting == 0, "{view:?}");
            Ok(Some(view))
        })
        .await
    }

    /// What the workspace holds: every path with its content, `/` for a folder, `-> target` for a link.
    pub(crate) async fn there(&self) -> Result<BTreeMap<String, String>> {
        let script = "const fs=require('fs'),out={};(function walk(d){for(const e of fs.readdirSync('app'+d,{withFileTypes:true})){const p=d+'/'+e.name,f='app'+p;\
            if(e.isDirectory()){out[p]='/';walk(p)}else if(e.isSymbolicLink())out[p]='-> '+fs.readlinkSync(f);\
            else out[p]=(fs.statSync(f).mode&0o100?'x ':'')+fs.readFileSync(f,'latin1')}})('');console.log(JSON.stringify(out))";
        let (out, err, _) = self.house.run(&self.id, &["node", "-e", script]).await?;
        serde_json::from_str(&out).with_context(|| format!("{out}{err}"))
    }

    /// The same of this machine's folder.
    pub(crate) fn here(&self) -> Result<BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        walk(&self.dir(), "", &mut out)?;
        Ok(out)
    }

    /// Waits until both sides hold the same.
    pub(crate) async fn alike(&self) -> Result<BTreeMap<String, String>> {
        wait_until("both sides to be alike", LONG, || async {
            let (here, there) = (self.here()?, self.there().await?);
            ensure!(here == there, "here {:?}\nthere {:?}", shorten(&here), shorten(&there));
            Ok(Some(here))
        })
        .await
    }

    pub(crate) async fn inside(&self, script: &str) -> Result<String> {
        let script = format!("cd /workspace/app && {script}");
        let (out, err, exit) = self.house.run(&self.id, &["sh", "-c", &script]).await?;
        ensure!(exit.code == Some(0), "{script}: {err}");
        Ok(out)
    }
}

fn shorten(tree: &BTreeMap<String, String>) -> Vec<String> {
    tree.iter()
        .take(60)
        .map(|(path, text)| format!("{path}={}", text.chars().take(20).collect::<String>()))
        .collect()
}

fn walk(dir: &Path, at: &str, out: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{at}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            out.insert(path.clone(), "/".into());
            walk(&entry.path(), &path, out)?;
        } else if kind.is_symlink() {
            out.insert(path, format!("-> {}", fs::read_link(entry.path())?.display()));
        } else {
            let mode = if entry.metadata()?.permissions().mode() & 0o100 == 0 { "" } else { "x " };
            let text: String = fs::read(entry.path())?.into_iter().map(char::from).collect();
            out.insert(path, format!("{mode}{text}"));
        }
    }
    Ok(())
}

pub(crate) fn put(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().context("a parent")?)?;
    Ok(fs::write(path, text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_made_removed_and_renamed_here_is_so_there() -> Result<()> {
    let pair = Pair::of(&[("src/app.js", "one"), ("src/old/deep/a.txt", "a"), ("README.md", "read")]).await?;
    let dir = pair.dir();
    let sync = pair.sync(false).await?;
    assert_eq!(pair.alike().await?["/src/app.js"], "one");
    assert_eq!((sync.both, sync.left_out.len()), (false, 0));

    put(&dir, "src/app.js", "two")?;
    put(&dir, "new/folder/file.txt", "new")?;
    fs::create_dir(dir.join("empty"))?;
    fs::remove_file(dir.join("README.md"))?;
    fs::rename(dir.join("src/old"), dir.join("src/moved"))?;
    symlink("src/app.js", dir.join("link"))?;
    fs::write(dir.join("tool.sh"), "#!/bin/sh\n")?;
    fs::set_permissions(dir.join("tool.sh"), fs::Permissions::from_mode(0o755))?;
    let now = pair.alike().await?;
    assert_eq!(now["/src/moved/deep/a.txt"], "a");
    assert_eq!(now["/tool.sh"], "x #!/bin/sh\n");
    assert_eq!(now["/link"], "-> src/app.js");

    // A file becomes a folder and a folder a file; what was renamed goes on being watched.
    fs::remove_file(dir.join("link"))?;
    put(&dir, "link/inside", "was a link")?;
    fs::remove_dir_all(dir.join("new"))?;
    put(&dir, "new", "was a folder")?;
    put(&dir, "src/moved/deep/a.txt", "after the move")?;
    fs::set_permissions(dir.join("tool.sh"), fs::Permissions::from_mode(0o644))?;
    assert_eq!(pair.alike().await?["/src/moved/deep/a.txt"], "after the move");
    put(&dir, "src/moved/deep/b.txt", "also watched")?;
    pair.alike().await?;
    pair.house.engine.sync_stop(SyncRef { id: sync.id }).await?;
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ignore_files_name_stays_here_and_what_the_workspace_makes_stays_there() -> Result<()> {
    let files = [
        (".gitignore", "*.log\ndist/\nnode_modules\n"),
        (".dockerignore", "secret.txt\n"),
        ("a.log", "no"),
        ("dist/out.js", "no"),
        ("secret.txt", "no"),
        (".git/config", "no"),
        ("sub/.gitignore", "!keep.log\n"),
        ("sub/keep.log", "yes"),
    ];
    let pair = Pair::of(&files).await?;
    let sync = pair.sync(false).await?;
    let there = pair.there().await?;
    let paths: Vec<&str> = there.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        ["/.dockerignore", "/.gitignore", "/package.json", "/sub", "/sub/.gitignore", "/sub/keep.log"]
    );

    pair.inside("mkdir -p dist node_modules && echo built > dist/app.js && echo mine > made-there && echo changed >> package.json").await?;
    put(&pair.dir(), "b.log", "no")?;
    put(&pair.dir(), "c.txt", "yes")?;
    wait_until("the next file", LONG, || async { Ok(pair.there().await?.get("/c.txt").map(|_| ())) }).await?;
    let there = pair.there().await?;
    assert_eq!(there["/dist/app.js"], "built\n");
    assert_eq!(there["/made-there"], "mine\n");
    assert!(
        there["/package.json"].ends_with("changed\n"),
        "what only the workspace changed is left as it is"
    );
    assert!(!there.contains_key("/b.log") && !pair.dir().join("made-there").exists());

    // What comes to be left out is neither sent nor removed; what no longer is, is sent.
    put(&pair.dir(), ".gitignore", "dist/\nnode_modules\nc.txt\n")?;
    wait_until("the log", LONG, || async { Ok(pair.there().await?.get("/b.log").map(|_| ())) }).await?;
    assert_eq!(pair.there().await?["/c.txt"], "yes");
    // A save over what the workspace changed: this side is right.
    put(&pair.dir(), "package.json", "{}")?;
    wait_until("the save", LONG, || async {
        Ok((pair.there().await?["/package.json"] == "{}").then_some(()))
    })
    .await?;
    pair.at_rest(&sync).await?;
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_arrive_whole_and_large_ones_too() -> Result<()> {
    let pair = Pair::of(&[]).await?;
    pair.sync(false).await?;
    for n in 0..1000 {
        put(&pair.dir(), &format!("many/{}/f{n}.txt", n % 10), &format!("{n}").repeat(1000))?;
    }
    let large: String = (0..3_000_000_u32).map(|n| char::from(b'a' + (n ^ (n >> 7)) as u8 % 26)).collect();
    put(&pair.dir(), "large.bin", &large)?;
    put(&pair.dir(), "none.txt", "")?;
    let now = pair.alike().await?;
    assert_eq!(now.len(), 1000 + 11 + 3);
    fs::remove_dir_all(pair.dir().join("many"))?;
    assert_eq!(pair.alike().await?.len(), 3);
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_changes_meet_and_conflicts_are_kept_beside() -> Result<()> {
    let pair = Pair::of(&[("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"), ("d/e.txt", "e")]).await?;
    let sync = pair.sync(true).await?;
    pair.inside(
        "echo theirs > a.txt; rm b.txt; mkdir n; echo new > n/f.txt; chmod 755 n/f.txt; ln -s f.txt n/l",
    )
    .await?;
    put(&pair.dir(), "c.txt", "ours")?;
    let now = pair.alike().await?;
    assert_eq!((now["/a.txt"].as_str(), now["/c.txt"].as_str()), ("theirs\n", "ours"));
    assert_eq!((now["/n/f.txt"].as_str(), now["/n/l"].as_str()), ("x new\n", "-> f.txt"));
    assert!(!now.contains_key("/b.txt"));

    // Both change the same file while nobody looks.
    pair.at_rest(&sync).await?;
    pair.house.engine.sync_stop(SyncRef { id: sync.id.clone() }).await?;
    pair.inside("echo in there > c.txt; echo changed > d/e.txt; rm a.txt").await?;
    put(&pair.dir(), "c.txt", "in here")?;
    fs::remove_dir_all(pair.dir().join("d"))?;
    put(&pair.dir(), "a.txt", "saved")?;
    let again = pair.sync(true).await?;
    assert_eq!(again.id, sync.id);
    let now = pair.alike().await?;
    assert_eq!(now["/c.txt"], "in here", "this side keeps the name");
    let beside: Vec<&String> = now.keys().filter(|path| path.starts_with("/c.sync-conflict-")).collect();
    assert_eq!(beside.len(), 1, "{now:?}");
    assert_eq!(now[beside[0]], "in there\n");
    assert!(
        beside[0].strip_suffix(".txt").is_some()
            && beside[0].len() == "/c.sync-conflict-20260102-030405-ABCDEFG.txt".len()
    );
    assert_eq!(now["/d/e.txt"], "changed\n", "a change wins over a removal");
    assert_eq!(now["/a.txt"], "saved", "a change wins over a removal");
    let view = pair.at_rest(&again).await?;
    assert_eq!(view.conflicts, 1);
    let told = view.recent.iter().find(|change| change.act == SyncAct::Conflict).context("it is told")?;
    assert_eq!(told.path, "c.txt");
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_both_ways_loses_neither_side() -> Result<()> {
    let pair = Pair::of(&[("same.txt", "same\n"), ("both.txt", "here"), ("here.txt", "here")]).await?;
    pair.house
        .run(
            &pair.id,
            &[
                "sh",
                "-c",
                "mkdir app; cd app; echo same > same.txt; echo there > both.txt; echo there > there.txt",
            ],
        )
        .await?;
    pair.sync(true).await?;
    let now = pair.alike().await?;
    assert_eq!(now["/both.txt"], "here");
    assert_eq!(now["/there.txt"], "there\n");
    let beside = now.iter().find(|(path, _)| path.starts_with("/both.sync-conflict-")).context("a copy")?;
    assert_eq!(beside.1, "there\n");
    assert_eq!(now.keys().filter(|path| path.contains("sync-conflict")).count(), 1);
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_and_a_single_run_do_what_they_say() -> Result<()> {
    let pair = Pair::of(&[("a.txt", "a"), ("b.txt", "b")]).await?;
    let planned = pair.house.engine.sync_preview(pair.request(false)).await?;
    let paths: Vec<&str> = planned.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!((paths, planned.total), (vec!["a.txt", "b.txt", "package.json"], 3));
    let (there, _, _) = pair.house.run(&pair.id, &["ls", "/workspace"]).await?;
    assert_eq!(there, "app.js\nslipway.toml\n", "a preview changes nothing");

    let once = || async {
        let request = SyncStart { once: true, ..pair.request(false) };
        let sync = pair.house.engine.sync_start(request).await?;
        wait_until("the run to end", LONG, || async {
            let view = pair.house.engine.sync_status(SyncRef { id: sync.id.clone() }).await?;
            ensure!(view.state == SyncState::Stopped, "{view:?}");
            Ok(Some(view))
        })
        .await
    };
    assert_eq!(once().await?.sent, 3);
    assert!(pair.house.engine.sync_list(slipway_wire::Nothing {}).await?.is_empty());
    // What was removed between two runs is removed there: what both held is remembered.
    fs::remove_file(pair.dir().join("a.txt"))?;
    once().await?;
    assert_eq!(pair.alike().await?.keys().collect::<Vec<_>>(), ["/b.txt", "/package.json"]);
    pair.house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_folders_are_refused_with_a_sentence() -> Result<()> {
    let pair = Pair::of(&[]).await?;
    let data = pair.house.data.path().to_string_lossy().into_owned();
    let inside = pair.house.data.path().join("tmp").to_string_lossy().into_owned();
    let missing = pair.dir().join("missing").to_string_lossy().into_owned();
    let file = pair.dir().join("package.json").to_string_lossy().into_owned();
    for (dir, root) in [
        ("/", None),
        (data.as_str(), None),
        (inside.as_str(), None),
        ("relative", None),
        (missing.as_str(), None),
        (file.as_str(), None),
        (&*pair.dir().to_string_lossy(), Some("/")),
        (&*pair.dir().to_string_lossy(), Some("/proc/self")),
    ] {
        let request = SyncStart { dir: dir.into(), root: root.map(str::to_owned), ..pair.request(false) };
        let refused = pair.house.engine.sync_start(request).await.expect_err(dir);
        assert!(matches!(refused.code, Code::Invalid | Code::NotFound), "{dir}: {refused}");
        assert!(refused.message.ends_with('.'), "{refused}");
    }
    pair.house.close().await
}
