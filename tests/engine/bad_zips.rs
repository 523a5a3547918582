//! Every zip that `samples/bad.py` makes, through a deploy: refused whole with nothing left of it, or unpacked, as its
//! index says.

use super::harness::{House, LONG, fetch, request};
use anyhow::{Context, Result, ensure};
use slipway_tests::{fixtures, fixtures::BadZip, wait_until};
use slipway_wire::{Api, Code, Nothing, WorkspaceState};
use std::path::Path;

fn expecting(house: &House, expect: &str) -> Result<Vec<BadZip>> {
    let all = fixtures::bad_zips(&house.data.path().join("bad"))?;
    let some: Vec<BadZip> = all.into_iter().filter(|zip| zip.expect == expect).collect();
    ensure!(!some.is_empty(), "bad.py has no zip that {expect}");
    Ok(some)
}

/// What the refusal of some zips must name, among others.
const NAMED: [(&str, &str); 6] = [
    ("traversal", "../escaped.txt"),
    ("absolute", "/etc/escaped.txt"),
    ("symlink-absolute", "/etc/passwd"),
    ("password", "index.html"),
    ("duplicate", "index.html"),
    ("bomb-declared", "huge"),
];

/// Everything below a folder.
fn files(folder: &Path, into: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        }
        into.push(path.display().to_string());
    }
    into.sort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_zips_are_refused_whole_before_anything_is_made() -> Result<()> {
    let house = House::open().await?;
    let zips = expecting(&house, "refused")?;
    let mut before = Vec::new();
    files(house.data.path(), &mut before)?;
    for zip in &zips {
        let refused = house.engine.workspace_deploy(request(&zip.path)).await;
        let problem = refused.err().with_context(|| format!("{} ({}) was taken", zip.name, zip.why))?;
        assert_eq!(problem.code, Code::Refused, "{}: {problem}", zip.name);
        let file = format!("{}.zip", zip.name);
        assert!(problem.message.starts_with(&file), "{} is not named: {problem}", zip.name);
        assert!(problem.message.ends_with('.'), "{}: {problem}", zip.name);
        assert!(!problem.message.chars().any(char::is_control), "{}: {problem:?}", zip.name);
        for (_, entry) in NAMED.iter().filter(|(name, _)| *name == zip.name) {
            assert!(problem.message.contains(entry), "{}: {problem}", zip.name);
        }
        assert!(problem.hint.is_some() && problem.detail.is_some(), "{}: {problem:?}", zip.name);
    }
    let mut after = Vec::new();
    files(house.data.path(), &mut after)?;
    assert_eq!(after, before, "nothing is left on the host");
    assert!(house.engine.workspace_list(Nothing {}).await?.is_empty());
    assert!(house.containers().await?.is_empty());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn zips_that_lie_fail_while_being_unpacked_and_leave_no_file() -> Result<()> {
    let house = House::open().await?;
    for zip in expecting(&house, "fails")? {
        let made = house.deploy(&zip.path).await.with_context(|| zip.name.clone())?;
        let (view, problem) = house.fails(&made.id).await.with_context(|| zip.name.clone())?;
        assert_eq!(problem.code, Code::Refused, "{}: {problem}", zip.name);
        let (left, _, _) = house.run(&view.id, &["find", "/workspace", "-mindepth", "1"]).await?;
        assert_eq!(left, "", "{} left files", zip.name);
        house.shell_answers(&made.id).await?;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn peculiar_zips_open() -> Result<()> {
    let house = House::open().await?;
    let zips = expecting(&house, "opens")?;
    let mut made = Vec::new();
    for zip in zips.iter().filter(|zip| zip.name != "no-project") {
        made.push((zip, house.deploy(&zip.path).await.with_context(|| zip.name.clone())?.id));
    }
    for (zip, id) in &made {
        let view = house.wait_for(id, WorkspaceState::Running).await.with_context(|| zip.name.clone())?;
        let url = view.url.context("a URL")?;
        let page = wait_until("the page", LONG, || async { Ok(Some(fetch(&url).await?)) }).await?;
        assert_eq!(page.0, 200, "{}: {}", zip.name, page.1);
        assert!(page.1.contains("It opened"), "{}: {}", zip.name, page.1);
        let check: &[&str] = match zip.name.as_str() {
            "executable-bit" => &["sh", "-c", "test \"$(./run.sh)\" = ran"],
            "setuid" => &["sh", "-c", "test \"$(stat -c %a tool)\" = 755"],
            "safe-symlink" => &["sh", "-c", "test \"$(cat a/link.txt)\" = inside"],
            "utf8-names" => &["test", "-f", "Übergröße/日本.txt"],
            "cp437-names" => &["test", "-f", "Größe.txt"],
            "nested-zip" => &["test", "-f", "inner.zip"],
            "single-folder" => &["sh", "-c", "test -f index.html && test ! -e __MACOSX"],
            _ => &["test", "-f", "index.html"],
        };
        let (_, errors, exit) = house.run(id, check).await?;
        assert_eq!(exit.code, Some(0), "{}: {check:?} {errors}", zip.name);
    }
    house.close().await
}
