//! What killed transfers leave: folders of trees and archives on their way, removed by the next agent that writes beside
//! them, but for those somebody is at work on, and those that hold what a cut move had set aside.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use slipway_agent_api::tree::{self, Kind};
use slipway_agent_api::v1::{self, unpack_request, write_request, write_tree_request};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Agent, Client, bytes, until, within};

/// A folder both of two agents write into; neither's own.
fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn hidden(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").path());
    names
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".slipway-")))
        .collect()
}

/// Begins a tree with one file and does not end it. It goes on as long as the sender lives.
async fn half_a_tree(client: &Client, root: &Path) -> mpsc::Sender<v1::WriteTreeRequest> {
    let (requests, stream) = mpsc::channel(4);
    let open = v1::WriteTreeOpen { root: bytes(root) };
    let mut out = BytesMut::new();
    tree::put_entry(&mut out, b"half.txt", &Kind::File(10), 0o644);
    tree::put_data(&mut out, b"half");
    for part in [write_tree_request::Part::Open(open), write_tree_request::Part::Data(out.freeze())] {
        requests.send(v1::WriteTreeRequest { part: Some(part) }).await.expect("room");
    }
    let mut client = client.clone();
    tokio::spawn(async move { client.write_tree(ReceiverStream::new(stream)).await });
    until("half of the tree is there", async || {
        hidden(root).iter().any(|path| std::fs::read(path.join("new/half.txt")).is_ok_and(|t| t == b"half"))
    })
    .await;
    requests
}

async fn write(client: &mut Client, path: &Path) {
    let open = v1::WriteOpen { path: bytes(path), size: 1, ..v1::WriteOpen::default() };
    let parts = [write_request::Part::Open(open), write_request::Part::Data(Bytes::from_static(b"x"))];
    let requests = parts.map(|part| v1::WriteRequest { part: Some(part) });
    within("write", client.write(tokio_stream::iter(requests))).await.expect("written");
}

async fn unpack(client: &mut Client, root: &Path) {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("one.txt", zip::write::SimpleFileOptions::default()).expect("an entry");
    let archive = writer.finish().expect("an archive").into_inner();
    let archive_bytes = archive.len() as u64;
    let open = v1::UnpackOpen { root: bytes(root), archive_bytes, ..v1::UnpackOpen::default() };
    let parts = [unpack_request::Part::Open(open), unpack_request::Part::Data(archive.into())];
    let requests = parts.map(|part| v1::UnpackRequest { part: Some(part) });
    let mut replies =
        within("unpack", client.unpack(tokio_stream::iter(requests))).await.expect("unpack").into_inner();
    while within("an event", replies.message()).await.expect("no error").is_some() {}
    assert!(root.join("one.txt").is_file(), "it was unpacked");
}

#[tokio::test]
async fn a_tree_whose_agent_was_killed_is_gone_with_the_next_write() {
    let place = place();
    let mut killed = Agent::start();
    let _unfinished = half_a_tree(&killed.client().await, place.path()).await;
    killed.child.kill().expect("it is ours");
    killed.child.wait().expect("it has ended");
    assert_eq!(hidden(place.path()).len(), 1, "a killed agent cannot clear away");
    let next = Agent::start();
    write(&mut next.client().await, &place.path().join("file")).await;
    assert_eq!(hidden(place.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_tree_on_its_way_is_let_alone_and_one_that_is_cut_leaves_nothing() {
    let place = place();
    let (busy, other) = (Agent::start(), Agent::start());
    let unfinished = half_a_tree(&busy.client().await, place.path()).await;
    write(&mut other.client().await, &place.path().join("file")).await;
    assert_eq!(hidden(place.path()).len(), 1, "somebody is at work on it");
    drop(unfinished);
    until("what came of it is gone", async || hidden(place.path()).is_empty()).await;
}

#[tokio::test]
async fn the_folder_of_an_unpacking_is_swept_by_lock_and_never_with_what_it_set_aside() {
    let place = place();
    let left = |name: &str, inside: &str| {
        let folder = place.path().join(name);
        std::fs::create_dir_all(folder.join(inside)).expect("a folder");
        std::fs::write(folder.join(inside).join("file"), "x").expect("a file");
        folder
    };
    left(".slipway-incoming-0", "new/deep");
    left(".slipway-0123456789abcdef.tmp", "new");
    let set_aside = left(".slipway-incoming-1", "old/1");
    let mine = left(".slipway-mine", "new");
    let busy = left(".slipway-incoming-2", "new");
    let lock = std::fs::File::open(&busy).expect("a folder");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
    let agent = Agent::start();
    unpack(&mut agent.client().await, place.path()).await;
    let mut expected = vec![busy.clone(), mine, set_aside];
    let mut found = hidden(place.path());
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    drop(lock);
    let next = Agent::start();
    unpack(&mut next.client().await, place.path()).await;
    assert!(!busy.exists() && hidden(place.path()).len() == 2, "{:?}", hidden(place.path()));
}
