//! Unpack and the file calls, on a real file system.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::v1::unpack_reply::Event;
use slipway_agent_api::v1::{self, FileKind, unpack_request, write_request};
use tonic::{Code, Status};

use crate::support::{Agent, Client, bytes, within};

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
        writer.write_all(content).expect("room");
    }
    writer.finish().expect("an archive").into_inner()
}

async fn unpack(
    client: &mut Client,
    root: &Path,
    archive: &[u8],
    announced: u64,
) -> Result<Vec<Event>, Status> {
    let open = v1::UnpackOpen { root: bytes(root), archive_bytes: announced, ..v1::UnpackOpen::default() };
    unpack_as(client, open, archive).await
}

async fn unpack_as(client: &mut Client, open: v1::UnpackOpen, archive: &[u8]) -> Result<Vec<Event>, Status> {
    let mut requests = vec![v1::UnpackRequest { part: Some(unpack_request::Part::Open(open)) }];
    for chunk in archive.chunks(MAX_CHUNK) {
        let part = Some(unpack_request::Part::Data(Bytes::copy_from_slice(chunk)));
        requests.push(v1::UnpackRequest { part });
    }
    let mut replies = within("unpack", client.unpack(tokio_stream::iter(requests))).await?.into_inner();
    let mut events = Vec::new();
    while let Some(reply) = within("an event", replies.message()).await? {
        events.extend(reply.event);
    }
    Ok(events)
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_archive_is_unpacked_whole_and_nothing_is_left_beside_it() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let root = agent.path("work");
    let big: Vec<u8> = (0..3_000_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let zip = archive(&[("app/package.json", b"{}"), ("app/src/big.bin", &big)]);
    let events = unpack(&mut client, &root, &zip, zip.len() as u64).await.expect("unpacked");
    let Some(Event::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.files, done.bytes, done.stripped.as_str()), (2, 12_000_002, "app"));
    assert!(std::fs::read(root.join("src/big.bin")).expect("the file") == big);
    assert_eq!(names(agent.home.path()), ["work"]);
    assert_eq!(names(&root), ["package.json", "src"]);
}

#[tokio::test]
async fn all_of_an_archive_is_unpacked_where_it_is_no_project() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let root = agent.path("work");
    let zip =
        archive(&[("app/package.json", b"{}"), ("app/node_modules/a/b.js", b"b"), ("app/.git/HEAD", b"ref")]);
    let open = v1::UnpackOpen {
        root: bytes(&root),
        archive_bytes: zip.len() as u64,
        whole: true,
        ..v1::UnpackOpen::default()
    };
    let events = unpack_as(&mut client, open, &zip).await.expect("unpacked");
    let Some(Event::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.files, done.stripped.as_str(), done.whole), (3, "", true));
    assert_eq!(names(&root), ["app"]);
    assert_eq!(names(&root.join("app")), [".git", "node_modules", "package.json"]);
}

#[tokio::test]
async fn refused_and_cut_archives_change_nothing() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let root = agent.path("work");
    std::fs::create_dir(&root).expect("a root");
    for (zip, code) in [
        (archive(&[("good.txt", b"x"), ("../evil.txt", b"x")]), "zip-path-escape"),
        (b"not a zip at all".to_vec(), "not-a-zip"),
        (Vec::new(), "zip-empty"),
    ] {
        let events = unpack(&mut client, &root, &zip, zip.len() as u64).await.expect("an answer");
        let [Event::Refused(refused)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(refused.code, code);
        assert!(!refused.message.is_empty() && !refused.hint.is_empty());
    }
    let zip = archive(&[("good.txt", b"x")]);
    let cut = unpack(&mut client, &root, &zip[..zip.len() - 10], zip.len() as u64).await.expect_err("cut");
    assert_eq!(cut.code(), Code::Aborted, "{cut}");
    let more = unpack(&mut client, &root, &zip, zip.len() as u64 - 1).await.expect_err("more");
    assert_eq!(more.code(), Code::InvalidArgument, "{more}");
    let relative =
        unpack(&mut client, Path::new("work"), &zip, zip.len() as u64).await.expect_err("relative");
    assert_eq!(relative.code(), Code::InvalidArgument);
    assert!(names(&root).is_empty());
    assert_eq!(names(agent.home.path()), ["work"]);
}

fn writing(path: &Path, size: u64, content: &[u8]) -> Vec<v1::WriteRequest> {
    let open = v1::WriteOpen { path: bytes(path), size, ..v1::WriteOpen::default() };
    writing_with(open, content)
}

fn writing_with(open: v1::WriteOpen, content: &[u8]) -> Vec<v1::WriteRequest> {
    let mut requests = vec![v1::WriteRequest { part: Some(write_request::Part::Open(open)) }];
    for chunk in content.chunks(100_000) {
        requests
            .push(v1::WriteRequest { part: Some(write_request::Part::Data(Bytes::copy_from_slice(chunk))) });
    }
    requests
}

async fn write(client: &mut Client, requests: Vec<v1::WriteRequest>) -> Result<v1::FileInfo, Status> {
    let reply = within("write", client.write(tokio_stream::iter(requests))).await?;
    Ok(reply.into_inner().info.expect("an info"))
}

async fn read(client: &mut Client, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, Status> {
    let request = v1::ReadRequest { path: bytes(path), offset, length };
    let mut replies = within("read", client.read(request)).await?.into_inner();
    let mut all = Vec::new();
    while let Some(reply) = within("data", replies.message()).await? {
        all.extend_from_slice(&reply.data);
    }
    Ok(all)
}

#[tokio::test]
async fn files_are_written_whole_and_read_by_range() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let path = agent.path("made/on/the/way/file.bin");
    let content: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let info = write(&mut client, writing(&path, content.len() as u64, &content)).await.expect("written");
    assert_eq!((&info.name[..], info.size, info.mode), (&b"file.bin"[..], 1_000_000, 0o644));
    assert!(read(&mut client, &path, 0, 0).await.expect("read") == content);
    assert_eq!(read(&mut client, &path, 500_000, 10).await.expect("read"), &content[500_000..500_010]);
    assert_eq!(read(&mut client, &path, 999_995, 100).await.expect("read"), &content[999_995..]);
    assert!(read(&mut client, &path, 2_000_000, 0).await.expect("read").is_empty());
    // A replaced file keeps its permissions, and a link to it stays a link.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).expect("permissions");
    let link = agent.path("link");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let info = write(&mut client, writing(&link, 3, b"new")).await.expect("written");
    assert_eq!((info.size, info.mode), (3, 0o750));
    assert!(link.is_symlink());
    assert_eq!(std::fs::read(&path).expect("the file"), b"new");
    assert_eq!(names(path.parent().expect("a parent")), ["file.bin"]);
}

#[tokio::test]
async fn a_write_that_is_cut_or_out_of_date_changes_nothing() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let path = agent.path("file");
    let info = write(&mut client, writing(&path, 3, b"old")).await.expect("written");
    for (size, content, code) in [(10, &b"short"[..], Code::Aborted), (2, b"long", Code::InvalidArgument)] {
        let refused = write(&mut client, writing(&path, size, content)).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{refused}");
    }
    let open = |if_modified_ms| v1::WriteOpen {
        path: bytes(&path),
        size: 3,
        if_modified_ms,
        ..v1::WriteOpen::default()
    };
    let refused =
        write(&mut client, writing_with(open(info.modified_ms - 1), b"new")).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    assert_eq!(std::fs::read(&path).expect("the file"), b"old");
    assert_eq!(names(agent.home.path()), ["file"]);
    write(&mut client, writing_with(open(info.modified_ms), b"new")).await.expect("written");
    assert_eq!(std::fs::read(&path).expect("the file"), b"new");
}

#[tokio::test]
async fn directories_are_listed_whole_with_any_name() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let directory = agent.path("many");
    std::fs::create_dir(&directory).expect("a directory");
    for i in 0..2500 {
        std::fs::write(directory.join(format!("f{i}")), "x").expect("a file");
    }
    let raw = directory.join(std::ffi::OsStr::from_bytes(b"\xff\xfe raw\n"));
    std::fs::create_dir(&raw).expect("a directory");
    std::os::unix::fs::symlink("/nowhere", directory.join("link")).expect("a link");
    let mut replies =
        client.list(v1::ListRequest { path: bytes(&directory) }).await.expect("list").into_inner();
    let mut entries = BTreeMap::new();
    while let Some(reply) = within("entries", replies.message()).await.expect("no error") {
        assert!(reply.entries.len() <= 1000);
        entries.extend(reply.entries.into_iter().map(|info| (info.name.clone(), info)));
    }
    assert_eq!(entries.len(), 2502);
    assert_eq!(entries[&b"f7"[..]].kind(), FileKind::File);
    assert_eq!(entries[&b"\xff\xfe raw\n"[..]].kind(), FileKind::Directory);
    let link = &entries[&b"link"[..]];
    assert_eq!((link.kind(), &link.target[..]), (FileKind::Symlink, &b"/nowhere"[..]));
}

#[tokio::test]
async fn trees_are_made_renamed_and_removed() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let (a, b) = (agent.path("a"), agent.path("b"));
    let mkdir = |path: &Path, parents| v1::MkdirRequest { path: bytes(path), parents };
    client.mkdir(mkdir(&a.join("deep/er"), true)).await.expect("made");
    client.mkdir(mkdir(&a, true)).await.expect("there already");
    assert_eq!(client.mkdir(mkdir(&a, false)).await.expect_err("exists").code(), Code::AlreadyExists);
    std::fs::write(&b, "b").expect("a file");
    let rename = |replace| v1::RenameRequest { from: bytes(&b), to: bytes(&a.join("c")), replace };
    std::fs::write(a.join("c"), "c").expect("a file");
    assert_eq!(client.rename(rename(false)).await.expect_err("exists").code(), Code::AlreadyExists);
    client.rename(rename(true)).await.expect("renamed");
    assert_eq!(std::fs::read(a.join("c")).expect("the file"), b"b");
    assert_eq!(client.rename(rename(true)).await.expect_err("gone").code(), Code::NotFound);
    let outside = agent.path("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("kept"), "x").expect("a file");
    std::os::unix::fs::symlink(&outside, a.join("link")).expect("a link");
    let remove = |path: &Path, recursive| v1::RemoveRequest { path: bytes(path), recursive };
    assert_eq!(
        client.remove(remove(&a, false)).await.expect_err("not empty").code(),
        Code::FailedPrecondition
    );
    client.remove(remove(&a, true)).await.expect("removed");
    assert!(!a.exists() && outside.join("kept").exists());
    assert_eq!(client.remove(remove(&a, true)).await.expect_err("gone").code(), Code::NotFound);
    assert_eq!(
        client.remove(remove(Path::new("/"), true)).await.expect_err("never").code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_by_its_code() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let pipe = agent.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for (path, code) in [
        (agent.path("missing"), Code::NotFound),
        (agent.home.path().to_owned(), Code::FailedPrecondition),
        (pipe.clone(), Code::FailedPrecondition),
        ("relative".into(), Code::InvalidArgument),
    ] {
        let refused = read(&mut client, &path, 0, 0).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{refused}");
    }
    let refused = write(&mut client, writing(&pipe, 1, b"x")).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let stat = |path: &Path, follow| v1::StatRequest { path: bytes(path), follow };
    let info = client.stat(stat(&pipe, false)).await.expect("stat").into_inner().info.expect("an info");
    assert_eq!(info.kind(), FileKind::Other);
    let link = agent.path("link");
    std::os::unix::fs::symlink("missing", &link).expect("a link");
    let info = client.stat(stat(&link, false)).await.expect("stat").into_inner().info.expect("an info");
    assert_eq!((info.kind(), &info.target[..]), (FileKind::Symlink, &b"missing"[..]));
    assert_eq!(client.stat(stat(&link, true)).await.expect_err("broken").code(), Code::NotFound);
}

#[tokio::test]
async fn usage_tells_something_true() {
    let agent = Agent::start();
    let usage = agent.client().await.usage(v1::UsageRequest {}).await.expect("usage").into_inner();
    assert!(usage.cpu_us > 0 && usage.memory_bytes > 0 && usage.processes > 0, "{usage:?}");
}
