//! Every process of a container: seen with its figures and ports, its hostile arguments made plain; signalled by number,
//! alone or as a tree that grows meanwhile; never the first.

use super::harness::{House, LONG, server};
use anyhow::{Context, Result, ensure};
use slipway_tests::wait_until;
use slipway_wire::{
    Api, Code, ContainerProcess, KillRequest, Killed, OpenProcess, Problem, Process, Signal, TreeRequest,
    WorkspaceId,
};
use std::collections::BTreeMap;

const TERM: i32 = 15;
const KILL: i32 = 9;

async fn house() -> Result<(House, WorkspaceId)> {
    let house = House::open().await?;
    let zip = house.zip("app", &[("server.js", &server(3000, "app"))])?;
    let id = house.ready(&zip).await?.id;
    Ok((house, id))
}

async fn tree(house: &House, id: &WorkspaceId) -> Result<Vec<ContainerProcess>> {
    let tree = house.engine.process_tree(TreeRequest { id: id.clone(), sample_ms: Some(50) }).await?;
    ensure!(!tree.cut && tree.processes.windows(2).all(|pair| pair[0].pid < pair[1].pid));
    Ok(tree.processes)
}

async fn open(house: &House, id: &WorkspaceId, line: &str) -> Result<Process> {
    let argv = ["sh", "-c", line].map(str::to_owned).to_vec();
    let (env, name) = (BTreeMap::new(), Some("mine".to_owned()));
    let open = OpenProcess { id: id.clone(), argv, cwd: None, env, terminal: None, stdin: false, name };
    Ok(house.engine.process_open(open).await?)
}

async fn kill(house: &House, id: &WorkspaceId, pid: u32, signal: i32, tree: bool) -> Result<Killed, Problem> {
    house.engine.process_kill(KillRequest { id: id.clone(), pid, signal, tree, born: None }).await
}

/// Waits until so many processes have these words in their command, and gives them.
async fn seen(house: &House, id: &WorkspaceId, words: &str, least: usize) -> Result<Vec<ContainerProcess>> {
    wait_until(&format!("{least} of {words:?}"), LONG, || async {
        let found: Vec<_> =
            tree(house, id).await?.into_iter().filter(|p| p.command.contains(words)).collect();
        ensure!(found.len() >= least, "{} are there", found.len());
        Ok(Some(found))
    })
    .await
}

/// Waits until nothing has these words in its command but what has ended and waits to be collected.
async fn gone(house: &House, id: &WorkspaceId, words: &str) -> Result<()> {
    wait_until(&format!("no {words:?} to be left"), LONG, || async {
        let left: Vec<_> = tree(house, id).await?.into_iter().filter(|p| p.command.contains(words)).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_runs_is_seen_and_hostile_arguments_are_plain() -> Result<()> {
    let (house, id) = house().await?;
    let mine =
        open(&house, &id, "while :; do :; done & sleep 4801; echo '\n\x1b]0;title\x07\u{202e}'").await?;
    let hostile = seen(&house, &id, "sleep 4801; echo", 1).await?.remove(0);
    ensure!(hostile.command.contains("'\\n\\u{1b}]0;title\\u{7}\\u{202e}'"), "{}", hostile.command);
    ensure!(!hostile.command.chars().any(char::is_control));
    assert_eq!(hostile.process, Some(mine.id));
    let all = tree(&house, &id).await?;
    let first = all.iter().find(|p| p.pid == 1).context("the first")?;
    assert_eq!(first.parent, 0);
    let app =
        all.iter().find(|p| p.command.contains("server.js") && !p.ports.is_empty()).context("the app")?;
    assert_eq!(app.ports, [3000]);
    ensure!(app.memory_bytes > 1 << 20 && app.threads > 1, "{app:?}");
    assert_eq!(app.user, "node");
    let sleep = all.iter().find(|p| p.command == "sleep 4801").context("the child")?;
    assert_eq!((sleep.parent, sleep.state.as_str()), (hostile.pid, "S"));
    wait_until("a busy process to be seen busy", LONG, || async {
        Ok(tree(&house, &id)
            .await?
            .iter()
            .any(|p| p.parent == hostile.pid && p.cpu_percent > 20.0)
            .then_some(()))
    })
    .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_signalled_by_number_and_never_the_first() -> Result<()> {
    let (house, id) = house().await?;
    open(&house, &id, "sleep 4802 & sleep 4803").await?;
    let one = seen(&house, &id, "sleep 4802", 1)
        .await?
        .into_iter()
        .find(|p| p.command == "sleep 4802")
        .context("it")?;
    let wrong =
        KillRequest { id: id.clone(), pid: one.pid, signal: TERM, tree: false, born: Some(one.born + 1) };
    assert_eq!(house.engine.process_kill(wrong).await.unwrap_err().code, Code::NotFound);
    assert_eq!(kill(&house, &id, one.pid, TERM, false).await?.signalled, 1);
    wait_until("it to end", LONG, || async {
        Ok((!tree(&house, &id)
            .await?
            .iter()
            .any(|p| p.pid == one.pid && p.born == one.born && p.state != "Z"))
        .then_some(()))
    })
    .await?;
    seen(&house, &id, "sleep 4803", 1).await?;
    for tree in [false, true] {
        let first = kill(&house, &id, 1, KILL, tree).await.unwrap_err();
        ensure!(first.code == Code::WrongState && first.message.contains("stop the workspace"), "{first}");
    }
    assert_eq!(kill(&house, &id, 4_000_000, TERM, false).await.unwrap_err().code, Code::NotFound);
    assert_eq!(kill(&house, &id, 7, 65, false).await.unwrap_err().code, Code::Invalid);
    house.shell_answers(&id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_goes_on_forking_is_ended_to_the_last() -> Result<()> {
    let (house, id) = house().await?;
    // A link of the chain starts the next and is gone: by the time it is looked at, its parent is the first process.
    let chain =
        open(&house, &id, "x() { ( sleep 0.0$((1 + $$ % 3)); : link-4804; x ) & }; x; x; x; sleep 4804")
            .await?;
    // Children that pile up below a parent that is not the beginning of anything.
    open(&house, &id, "sh -c 'while :; do sleep 4805 & sleep 0.005; done' & sleep 4806").await?;
    seen(&house, &id, "sleep 4805", 20).await?;
    let spawner = seen(&house, &id, "while :; do sleep 4805", 1).await?;
    // Its children look like it for a moment, before they become what they are to be.
    let inner = spawner.iter().filter(|p| p.command.starts_with("sh -c while"));
    let spawner = inner.min_by_key(|p| p.pid).context("the inner shell")?;
    let killed = kill(&house, &id, spawner.pid, KILL, true).await?.signalled;
    ensure!(killed >= 20, "{killed} were signalled");
    wait_until("no child to be left", LONG, || async {
        Ok((!tree(&house, &id).await?.iter().any(|p| p.command == "sleep 4805")).then_some(()))
    })
    .await?;
    seen(&house, &id, "sleep 4806", 1).await?;
    let signal = Signal { id: id.clone(), process: chain.id.clone(), signal: KILL, tree: true };
    house.engine.process_signal(signal).await?;
    gone(&house, &id, "link-4804").await?;
    let after: Vec<_> =
        tree(&house, &id).await?.into_iter().filter(|p| p.process.as_ref() == Some(&chain.id)).collect();
    ensure!(after.is_empty(), "{after:?}");
    house.shell_answers(&id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_left_to_itself_is_in_the_log_of_the_next_owner_too() -> Result<()> {
    let (house, id) = house().await?;
    let argv = ["sh", "-c", "echo out one; echo WARN err one >&2; sleep 3; echo out two; exit 4"];
    let argv = argv.map(str::to_owned).to_vec();
    let (env, name) = (BTreeMap::new(), Some("aside".to_owned()));
    let alone = OpenProcess { id: id.clone(), argv, cwd: None, env, terminal: None, stdin: true, name };
    house.engine.process_detach(alone).await?;
    let query: slipway_wire::LogQuery =
        serde_json::from_str(&format!("{{\"id\":\"{id}\",\"process\":\"aside\",\"wait_ms\":0}}"))?;
    wait_until("its first lines", LONG, || async {
        Ok((house.engine.workspace_logs(query.clone()).await?.records.len() == 3).then_some(()))
    })
    .await?;
    let house = House::reopen(house.leave().await).await?;
    let lines = wait_until("its end", LONG, || async {
        let records = house.engine.workspace_logs(query.clone()).await?.records;
        Ok(records.last().is_some_and(|r| r.message == "ended with code 4").then_some(records))
    })
    .await?;
    let mut texts: Vec<String> =
        lines[1..].iter().map(|r| format!("{:?} {:?} {}", r.stream, r.level, r.message)).collect();
    texts[..2].sort();
    assert_eq!(
        texts,
        [
            "Stderr Warn WARN err one",
            "Stdout Info out one",
            "Stdout Info out two",
            "Slipway Error ended with code 4"
        ]
    );
    house.close().await
}
