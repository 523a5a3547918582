//! Files in a container: whole or not at all, any name, conflicts told, large ones by the byte.

use super::harness::{House, random, server};
use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest as _, Sha256};
use slipway_engine::{ByteStream, Upload};
use slipway_wire::{
    Api, Code, DigestFile, FileKind, FileRef, Mkdir, Problem, RemoveFile, RenameFile, WorkspaceId, WriteText,
};

const MB: usize = 1 << 20;

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("hold", &[("server.js", &server(3000, "hold"))])?).await?.id)
}

fn at(id: &WorkspaceId, path: &str) -> FileRef {
    FileRef { id: id.clone(), path: path.to_owned() }
}

fn text(id: &WorkspaceId, path: &str, text: &str) -> WriteText {
    WriteText { id: id.clone(), path: path.to_owned(), text: text.to_owned(), if_modified_ms: None }
}

fn bytes(parts: Vec<Result<Bytes, Problem>>) -> ByteStream {
    Box::pin(stream::iter(parts))
}

async fn read(house: &House, file: &FileRef, offset: u64) -> Result<Vec<u8>> {
    let mut stream = house.engine.read_file(file, offset).await?;
    let mut all = Vec::new();
    while let Some(part) = stream.next().await {
        all.extend_from_slice(&part?);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_read_listed_moved_and_removed() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let written = house.engine.file_write(text(&id, "/workspace/a/b/note.txt", "ahoy\n")).await?;
    assert_eq!((written.name.as_str(), written.kind, written.size), ("note.txt", FileKind::File, 5));
    assert_eq!(written.mode, 0o644);
    let stat = house.engine.file_stat(at(&id, "/workspace/a/b/note.txt")).await?;
    assert_eq!(stat, written);
    let back = house.engine.file_read(at(&id, "/workspace/a/b/note.txt")).await?;
    assert_eq!(back.text.as_deref(), Some("ahoy\n"));
    house.engine.file_mkdir(Mkdir { id: id.clone(), path: "/workspace/a/deep/er".into() }).await?;
    house.run(&id, &["ln", "-s", "b/note.txt", "a/link"]).await?;
    let listed = house.engine.file_list(at(&id, "/workspace/a")).await?;
    let names: Vec<(&str, FileKind)> = listed.entries.iter().map(|e| (e.name.as_str(), e.kind)).collect();
    assert_eq!(
        names,
        [("b", FileKind::Directory), ("deep", FileKind::Directory), ("link", FileKind::Symlink)]
    );
    assert_eq!(listed.entries[2].target.as_deref(), Some("b/note.txt"));
    let linked = house.engine.file_read(at(&id, "/workspace/a/link")).await?;
    assert_eq!(linked.text.as_deref(), Some("ahoy\n"), "an editor follows links");

    let moved = |from: &str, to: &str| RenameFile { id: id.clone(), from: from.into(), to: to.into() };
    house.engine.file_rename(moved("/workspace/a/b/note.txt", "/workspace/a/deep/moved")).await?;
    house.engine.file_write(text(&id, "/workspace/other", "stays")).await?;
    let over = moved("/workspace/a/deep/moved", "/workspace/other");
    let refused = house.engine.file_rename(over).await.expect_err("it would replace a file");
    assert_eq!(refused.code, Code::AlreadyExists);
    let stays = house.engine.file_read(at(&id, "/workspace/other")).await?;
    assert_eq!(stays.text.as_deref(), Some("stays"));

    let remove =
        |recursive| RemoveFile { id: id.clone(), path: "/workspace/a".into(), recursive, keep: None };
    let refused = house.engine.file_remove(remove(false)).await.expect_err("it holds files");
    assert_eq!(refused.code, Code::WrongState, "{refused}");
    house.engine.file_remove(remove(true)).await?;
    let gone = house.engine.file_stat(at(&id, "/workspace/a")).await.expect_err("it is gone");
    assert_eq!(gone.code, Code::NotFound);
    assert!(gone.message.contains("/workspace/a"), "{gone}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_can_be_kept_and_brought_back() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    for name in ["a/one.txt", "a/b/two.txt", "single.txt"] {
        house.engine.file_write(text(&id, &format!("/workspace/{name}"), name)).await?;
    }
    let remove =
        |path: &str| RemoveFile { id: id.clone(), path: path.into(), recursive: true, keep: Some(true) };
    for path in ["/workspace/a", "/workspace/single.txt"] {
        let kept = house.engine.file_remove(remove(path)).await?.kept.context("where it lies")?;
        assert!(!kept.starts_with("/workspace/"), "{kept} is out of the project's way");
        let gone = house.engine.file_stat(at(&id, path)).await.expect_err("it is gone from its place");
        assert_eq!(gone.code, Code::NotFound);
        let back = RenameFile { id: id.clone(), from: kept, to: path.into() };
        house.engine.file_rename(back).await?;
    }
    let whole = house.engine.file_read(at(&id, "/workspace/a/b/two.txt")).await?;
    assert_eq!(whole.text.as_deref(), Some("a/b/two.txt"));
    let none = house.engine.file_remove(remove("/workspace/none")).await.expect_err("there is none");
    assert_eq!(none.code, Code::NotFound);
    // Those nobody brought back do not become ever more: the last ones are kept.
    let mut kept = Vec::new();
    for n in 0..20 {
        let path = format!("/workspace/n{n}");
        house.engine.file_write(text(&id, &path, "n")).await?;
        kept.push(house.engine.file_remove(remove(&path)).await?.kept.context("where it lies")?);
    }
    let aside = house.engine.file_list(at(&id, "/home/slipway/.slipway-removed")).await?;
    assert_eq!(aside.entries.len(), 16);
    let (gone, last) = kept.split_at(4);
    for path in gone {
        house.engine.file_stat(at(&id, path)).await.expect_err("it had to go");
    }
    for path in last {
        house.engine.file_stat(at(&id, path)).await?;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_can_be_listed_and_sent_back() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let long = "n".repeat(255);
    let names =
        ["new\\x0aline", "not\\xffutf\\xfe8", "back\\\\slash", "Übergröße 日本", "'quotes\" $(x)", &long];
    for name in names {
        house
            .engine
            .file_write(text(&id, &format!("/workspace/odd/{name}"), name))
            .await
            .context(name.to_owned())?;
    }
    let listed = house.engine.file_list(at(&id, "/workspace/odd")).await?;
    assert_eq!(listed.entries.len(), names.len());
    for entry in &listed.entries {
        assert!(names.contains(&entry.name.as_str()), "{:?} was never written", entry.name);
        let back = house.engine.file_read(at(&id, &format!("/workspace/odd/{}", entry.name))).await?;
        assert_eq!(back.text.as_deref(), Some(entry.name.as_str()));
    }
    let script =
        "require('fs').readdirSync('odd', 'buffer').forEach((name) => console.log(name.toString('hex')))";
    let (raw, _, _) = house.run(&id, &["node", "-e", script]).await?;
    let hex = |name: &[u8]| name.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert!(
        raw.lines().any(|name| name == hex(b"not\xffutf\xfe8")),
        "the bytes themselves are in the name: {raw}"
    );
    assert!(raw.lines().any(|name| name == hex(b"new\nline")), "{raw}");
    let longer = text(&id, &format!("/workspace/{}", "n".repeat(256)), "x");
    let refused = house.engine.file_write(longer).await.expect_err("no file system takes it");
    assert!(refused.message.contains("name too long"), "{refused}");
    for wrong in ["relative", "/zero\\x00", "/half\\x0"] {
        let refused = house.engine.file_stat(at(&id, wrong)).await.expect_err(wrong);
        assert_eq!(refused.code, Code::Invalid, "{wrong}: {refused}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_over_somebody_elses_change_is_refused() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let path = "/workspace/shared.txt";
    let first = house.engine.file_write(text(&id, path, "first")).await?;
    house
        .run(&id, &["sh", "-c", "echo theirs > shared.txt; touch -d '2001-02-03 04:05:06' shared.txt"])
        .await?;
    let mine = WriteText { if_modified_ms: Some(first.modified_ms), ..text(&id, path, "mine") };
    let refused = house.engine.file_write(mine).await.expect_err("it changed");
    assert_eq!(refused.code, Code::WrongState);
    assert!(refused.message.contains("changed") && refused.hint.is_some(), "{refused:?}");
    let theirs = house.engine.file_read(at(&id, path)).await?;
    assert_eq!(theirs.text.as_deref(), Some("theirs\n"));
    let again = WriteText { if_modified_ms: Some(theirs.entry.modified_ms), ..text(&id, path, "mine") };
    house.engine.file_write(again).await?;
    assert_eq!(house.engine.file_read(at(&id, path)).await?.text.as_deref(), Some("mine"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_megabytes_go_in_and_come_back() -> Result<()> {
    const SIZE: usize = 64 * MB;
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let whole = random(SIZE)?;
    let file = at(&id, "/workspace/large.bin");
    let parts =
        (0..SIZE).step_by(3 * MB + 17).map(|from| Ok(whole.slice(from..(from + 3 * MB + 17).min(SIZE))));
    let entry = house.engine.write_file(&file, Some(0o750), SIZE as u64, bytes(parts.collect())).await?;
    assert_eq!((entry.size, entry.mode), (SIZE as u64, 0o750));
    assert!(read(&house, &file, 0).await? == whole, "other bytes came back");
    let tail = read(&house, &file, SIZE as u64 - 100).await?;
    assert_eq!(tail, whole[SIZE - 100..]);
    let refused = house.engine.file_read(file).await.expect_err("too large to edit");
    assert_eq!(refused.code, Code::Limit);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_cut_short_changes_nothing() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let file = at(&id, "/workspace/kept.txt");
    house.engine.file_write(text(&id, &file.path, "before")).await?;
    let broken = Problem::new(Code::Invalid, "The source broke off.");
    let parts = vec![Ok(Bytes::from(vec![b'x'; MB])), Err(broken.clone())];
    let refused = house.engine.write_file(&file, None, 2 * MB as u64, bytes(parts)).await;
    assert_eq!(refused.expect_err("it broke off"), broken);
    let short = bytes(vec![Ok(Bytes::from_static(b"short"))]);
    house.engine.write_file(&file, None, 100, short).await.expect_err("bytes are missing");
    let long = bytes(vec![Ok(Bytes::from_static(b"too long"))]);
    house.engine.write_file(&file, None, 3, long).await.expect_err("bytes are over");
    assert_eq!(house.engine.file_read(file).await?.text.as_deref(), Some("before"));
    let (left, _, _) = house.run(&id, &["ls", "-A"]).await?;
    assert_eq!(left, "kept.txt\nserver.js\n", "no temporary file is left");
    house.close().await
}

/// The names in the workspace's folder, hidden ones too.
async fn names(house: &House, id: &WorkspaceId) -> Result<String> {
    Ok(house.run(id, &["ls", "-A"]).await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_cut_goes_on_from_what_arrived_and_is_whole_then() -> Result<()> {
    const SIZE: usize = 12 * MB;
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let whole = random(SIZE)?;
    let file = at(&id, "/workspace/slow.bin");
    let digest = |partial| DigestFile { id: id.clone(), path: file.path.clone(), length: None, partial };
    assert_eq!(house.engine.file_digest(digest(true)).await.expect_err("nothing yet").code, Code::NotFound);
    let cut = |from: usize, to: usize| {
        let gone = Problem::new(Code::OwnerBusy, "The connection broke off.");
        bytes(vec![Ok(whole.slice(from..to)), Err(gone)])
    };
    let upload = |offset: usize| Upload {
        mode: Some(0o640),
        size: SIZE as u64,
        offset: offset as u64,
        resumable: true,
        if_modified_ms: None,
    };
    house.engine.upload(&file, upload(0), cut(0, 5 * MB)).await.expect_err("it was cut");
    let arrived = house.engine.file_digest(digest(true)).await?;
    assert_eq!((arrived.size, arrived.digested), (5 * MB as u64, 5 * MB as u64));
    assert_eq!(arrived.sha256, hex(&Sha256::digest(&whole[..5 * MB])));
    assert_eq!(house.engine.file_stat(file.clone()).await.expect_err("not whole").code, Code::NotFound);
    // From further than arrived: refused. From within: the rest of what arrived is dropped.
    let hole = house.engine.upload(&file, upload(6 * MB), cut(6 * MB, 7 * MB)).await;
    hole.expect_err("bytes would be missing");
    house.engine.upload(&file, upload(4 * MB), cut(4 * MB, 8 * MB)).await.expect_err("cut again");
    assert_eq!(house.engine.file_digest(digest(true)).await?.size, 8 * MB as u64);
    let rest = bytes(vec![Ok(whole.slice(8 * MB..))]);
    let entry = house.engine.upload(&file, upload(8 * MB), rest).await?;
    assert_eq!((entry.size, entry.mode), (SIZE as u64, 0o640));
    assert!(read(&house, &file, 0).await? == whole, "other bytes came back");
    assert_eq!(house.engine.file_digest(digest(false)).await?.sha256, hex(&Sha256::digest(&whole)));
    assert_eq!(names(&house, &id).await?, "server.js\nslow.bin\n", "nothing is left beside it");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_transfers_left_is_removed_and_nothing_else() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let make = "echo half > .slipway-0123456789abcdef.tmp; echo half > .slipway-00000000000000ff.part; \
                echo half > .slipway-00000000000000aa.part; touch -d '2001-02-03 04:05:06' .slipway-00000000000000ff.part; \
                echo mine > .slipway-notes.tmp; echo mine > .slipway-0123456789abcdef.txt";
    house.run(&id, &["sh", "-c", make]).await?;
    house.engine.file_write(text(&id, "/workspace/new.txt", "new")).await?;
    assert_eq!(
        names(&house, &id).await?,
        ".slipway-00000000000000aa.part\n.slipway-0123456789abcdef.txt\n.slipway-notes.tmp\nnew.txt\nserver.js\n",
        "a young part is somebody's, other names are not ours"
    );
    house.close().await
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_touched_is_refused_with_a_reason() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let denied = house.engine.file_write(text(&id, "/etc/passwd", "root::0:0::/:/bin/sh")).await;
    let denied = denied.expect_err("root's file");
    assert_eq!(denied.code, Code::WrongState, "{denied}");
    let remove = RemoveFile { id: id.clone(), path: "/.slipway/agent".into(), recursive: false, keep: None };
    house.engine.file_remove(remove).await.expect_err("the agent");
    let directory = house.engine.file_read(at(&id, "/workspace")).await.expect_err("a directory");
    assert_eq!(directory.code, Code::Invalid);
    house.run(&id, &["sh", "-c", "head -c 300 /dev/urandom > binary; mkfifo pipe"]).await?;
    let binary = house.engine.file_read(at(&id, "/workspace/binary")).await?;
    assert_eq!((binary.text, binary.entry.size), (None, 300));
    let pipe = tokio::time::timeout(
        std::time::Duration::from_secs(20),
        house.engine.file_read(at(&id, "/workspace/pipe")),
    );
    assert_eq!(pipe.await?.expect_err("a pipe").code, Code::Invalid);
    house.shell_answers(&id).await?;
    house.close().await
}
