//! Watch, on a real file system: what is told is what is there at the end, and what cannot be told is said.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use slipway_agent_api::v1::{WatchReply, WatchRequest, watch_event::Kind};
use tonic::{Code, Streaming};

use crate::support::{Agent, Client, bytes, within};

/// A watching, and what it has told of each path so far: the size of what is there, or that it is gone.
struct Watching {
    replies: Streaming<WatchReply>,
    known: BTreeMap<String, Option<u64>>,
    unwatched: Vec<String>,
    rescans: u32,
}

impl Watching {
    async fn begin(client: &mut Client, agent: &Agent, directories: u32) -> Self {
        let folded = vec![Bytes::from_static(b"node_modules")];
        let request = WatchRequest { root: bytes(agent.home.path()), folded, directories };
        let replies = within("watch", client.watch(request)).await.expect("watched").into_inner();
        let mut watching = Self { replies, known: BTreeMap::new(), unwatched: Vec::new(), rescans: 0 };
        while !watching.next().await {}
        watching
    }

    /// Takes one reply; whether it said that everything is watched.
    async fn next(&mut self) -> bool {
        let reply = within("a change", self.replies.message()).await.expect("a reply").expect("no end");
        let mut watching = false;
        assert!(!reply.events.is_empty(), "an empty reply");
        for event in reply.events {
            let path = event.path.escape_ascii().to_string();
            match event.kind() {
                Kind::Watching => watching = true,
                Kind::Changed => drop(self.known.insert(path, Some(event.info.expect("what is there").size))),
                Kind::Gone => drop(self.known.insert(path, None)),
                Kind::Rescan => self.rescans += 1,
                Kind::Unwatched => self.unwatched.push(path),
            }
        }
        watching
    }

    async fn until(&mut self, path: &str, there: Option<u64>) {
        while self.known.get(path) != Some(&there) {
            self.next().await;
        }
    }
}

fn write(agent: &Agent, name: &str, content: &str) {
    let path = agent.path(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, content).expect("written");
}

#[tokio::test]
async fn what_is_made_changed_moved_and_removed_is_told() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    write(&agent, "old/deep/file", "12345");
    let mut watching = Watching::begin(&mut client, &agent, 0).await;
    write(&agent, "old/deep/file", "123");
    watching.until("old/deep/file", Some(3)).await;
    // A tree that is there at once, deeper than one event tells.
    write(&agent, "new/a/b/c/leaf", "1234");
    watching.until("new/a/b/c/leaf", Some(4)).await;
    fs::rename(agent.path("new/a"), agent.path("moved")).expect("moved");
    watching.until("moved/b/c/leaf", Some(4)).await;
    watching.until("new/a", None).await;
    // Where it is now, and no longer where it was.
    write(&agent, "moved/b/c/leaf", "1");
    watching.until("moved/b/c/leaf", Some(1)).await;
    fs::remove_dir_all(agent.path("moved")).expect("removed");
    watching.until("moved", None).await;
    fs::write(agent.home.path().join("new\nline"), "x").expect("written");
    watching.until("new\\nline", Some(1)).await;
    assert_eq!((watching.rescans, watching.unwatched.len()), (0, 0));
}

#[tokio::test]
async fn folded_directories_and_files_on_their_way_are_not_told_one_by_one() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    write(&agent, "node_modules/left/index.js", "x");
    let mut watching = Watching::begin(&mut client, &agent, 0).await;
    write(&agent, "node_modules/left/index.js", "xyz");
    write(&agent, "node_modules/right/index.js", "x");
    write(&agent, ".slipway-0123456789abcdef.tmp", "half a file");
    write(&agent, "last", "x");
    watching.until("last", Some(1)).await;
    let told: Vec<&str> = watching.known.keys().map(String::as_str).collect();
    assert_eq!(told, ["last", "node_modules"]);
}

#[tokio::test]
async fn a_burst_is_told_once_for_each_path_or_as_a_rescan() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut watching = Watching::begin(&mut client, &agent, 0).await;
    for n in 0..30_000 {
        fs::write(agent.path(&format!("file{n}")), "x").expect("written");
    }
    write(&agent, "last", "x");
    // Either it keeps pace and tells each, or it says that it did not.
    while watching.rescans == 0 && watching.known.len() < 30_001 {
        watching.next().await;
    }
    // What comes after is told in any case: itself, or by a rescan that the burst still had in the queue.
    for n in 0.. {
        let (name, rescans) = (format!("after{n}"), watching.rescans);
        write(&agent, &name, "12");
        while watching.known.get(&name) != Some(&Some(2)) && watching.rescans == rescans {
            watching.next().await;
        }
        if watching.rescans == rescans {
            return;
        }
    }
}

#[tokio::test]
async fn directories_beyond_the_limit_or_unreadable_are_named() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    for n in 0..5 {
        fs::create_dir(agent.path(&format!("dir{n}"))).expect("a folder");
    }
    let watching = Watching::begin(&mut client, &agent, 3).await;
    assert_eq!(watching.unwatched.len(), 3, "{:?}", watching.unwatched);
    drop(watching);
    if rustix::process::getuid().is_root() {
        return;
    }
    fs::set_permissions(agent.path("dir1"), fs::Permissions::from_mode(0o000)).expect("closed");
    let watching = Watching::begin(&mut client, &agent, 0).await;
    assert_eq!(watching.unwatched, ["dir1"]);
}

#[tokio::test]
async fn a_watching_ends_with_its_directory_and_their_number_is_bounded() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let root = agent.path("root");
    fs::create_dir(&root).expect("a folder");
    let request = || WatchRequest { root: bytes(&root), folded: Vec::new(), directories: 0 };
    let mut held = Vec::new();
    let refused = loop {
        match within("watch", client.watch(request())).await {
            Ok(replies) => held.push(replies.into_inner()),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(held.len(), 8);
    fs::remove_dir(&root).expect("removed");
    for replies in &mut held {
        let ended = loop {
            match within("the end", replies.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a word"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::NotFound, "{ended}");
    }
    let missing = within("watch", client.watch(request())).await.expect_err("there is none");
    assert_eq!(missing.code(), Code::NotFound);
}
