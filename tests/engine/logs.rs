//! What programs print is kept: each line once, whatever ends in between, up to a cap, and longer than the container.

use super::{
    harness::{House, LONG, server},
    victim::{Orders, Victim},
};
use anyhow::{Context, Result, ensure};
use slipway_engine::Engine;
use slipway_tests::{engine::config, project, small_disk::SmallDisk, wait_until};
use slipway_wire::{
    Api, Code, LogLevel, LogPage, LogQuery, LogRecord, LogStream, WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::collections::BTreeMap;

/// Everything of a workspace's log.
fn all(id: &WorkspaceId) -> LogQuery {
    LogQuery {
        id: id.clone(),
        after: None,
        before: None,
        tail: None,
        since_ms: None,
        until_ms: None,
        level: None,
        process: None,
        grep: None,
        limit: Some(10_000),
        wait_ms: None,
    }
}

/// What fits a question, page by page, and the first page's gap.
async fn read(engine: &Engine, mut query: LogQuery) -> Result<(Vec<LogRecord>, LogPage)> {
    let mut records = Vec::new();
    let mut first = None;
    loop {
        let page = engine.workspace_logs(query.clone()).await?;
        first.get_or_insert_with(|| page.clone());
        records.extend(page.records);
        if !page.more {
            return Ok((records, first.context("a first page")?));
        }
        query.after = Some(page.next);
    }
}

/// Waits until a line is there.
async fn printed(engine: &Engine, id: &WorkspaceId, wanted: &str) -> Result<LogRecord> {
    wait_until(&format!("{wanted:?} in the log"), LONG, || async {
        let query = LogQuery { grep: Some(wanted.to_owned()), ..all(id) };
        Ok(read(engine, query).await?.0.pop())
    })
    .await
}

/// The numbers a counter printed, in the order of the log.
async fn counted(engine: &Engine, id: &WorkspaceId) -> Result<Vec<u64>> {
    let (records, _) = read(engine, LogQuery { grep: Some("^count ".into()), ..all(id) }).await?;
    records.iter().map(|record| Ok(record.message.trim_start_matches("count ").parse()?)).collect()
}

/// A server that counts: `burst` lines each time, to `last`, and says so.
fn counter(burst: u32, last: u32) -> String {
    format!(
        "{}; let n = 0; const t = setInterval(() => {{ for (let i = 0; i < {burst} && n < {last}; i++) console.log('count ' + n++); \
         if (n === {last}) {{ console.log('counted'); clearInterval(t) }} }}, 5)",
        server(3000, "counts")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_killed_in_the_middle_of_a_counter_loses_and_doubles_nothing() -> Result<()> {
    const LAST: u32 = 6000;
    let data = tempfile::tempdir()?;
    let zip = data.path().join("count.zip");
    project::zip_of(&zip, &[("server.js", &counter(3, LAST))])?;
    let mut victim = Victim::start(data.path(), &Orders { zip: Some(&zip), ..Orders::default() })?;
    let id = victim.workspace().await?;
    victim.says("running").await?;
    victim.kill().await?;
    // The program goes on meanwhile; two more owners are killed too, whatever they are doing.
    for _ in 0..2 {
        let mut short = Victim::start(data.path(), &Orders { watch: true, ..Orders::default() })?;
        short.says("line").await?;
        short.kill().await?;
    }
    let house = House::reopen(data).await?;
    printed(&house.engine, &id, "^counted$").await?;
    assert_eq!(counted(&house.engine, &id).await?, (0..u64::from(LAST)).collect::<Vec<_>>());
    let (records, _) = read(&house.engine, all(&id)).await?;
    let seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.missing_bytes.is_none()));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_stays_below_the_cap_and_outlives_its_workspace() -> Result<()> {
    const LAST: u32 = 60_000;
    let house = House::with_settings("log_limit_mb = 1\n").await?;
    let zip = house.zip("flood", &[("server.js", &counter(5000, LAST))])?;
    let made = house.ready(&zip).await?;
    printed(&house.engine, &made.id, "^counted$").await?;
    let folder = house.data.path().join("logs").join(made.id.as_str());
    let held =
        || -> Result<u64> { std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum() };
    ensure!(held()? <= 1 << 20, "{} bytes are held", held()?);
    let (records, first) = read(&house.engine, all(&made.id)).await?;
    let gap = first.gap.context("what is gone is told")?;
    assert_eq!((gap.from, gap.to), (1, records[0].seq));
    let numbers = counted(&house.engine, &made.id).await?;
    ensure!(numbers.len() > 5000, "only {} are kept", numbers.len());
    assert_eq!(numbers, (numbers[0]..u64::from(LAST)).collect::<Vec<_>>());

    house.engine.workspace_remove(WorkspaceRef { id: made.id.clone() }).await?;
    let last = printed(&house.engine, &made.id, "^counted$").await?;
    assert_eq!(last.process_id, records[records.len() - 1].process_id);
    wait_until("only the last part to be kept", LONG, || async {
        Ok((held()? <= (1 << 20) / 8 + 4096).then_some(()))
    })
    .await?;
    // Another owner reads it too; and nobody reads of what never was.
    let house = House::reopen(house.leave().await).await?;
    assert!(!counted(&house.engine, &made.id).await?.is_empty());
    let unknown = house.engine.workspace_logs(all(&"never-was".parse()?)).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_what_is_printed_while_it_is_stopped() -> Result<()> {
    let house = House::open().await?;
    let app = format!(
        "let told = 0; for (const s of ['SIGTERM', 'SIGHUP']) process.on(s, () => {{ if (told++) return; console.log('asked to go'); \
         setTimeout(() => {{ console.log('last words'); process.exit(0) }}, 1500) }}); {}",
        server(3000, "stops")
    );
    let zip = house.zip("stops", &[("server.js", &app)])?;
    let made = house.ready(&zip).await?;
    let after = read(&house.engine, all(&made.id)).await?.1.next;
    let following = async {
        let mut query = LogQuery { after: Some(after), wait_ms: Some(10_000), ..all(&made.id) };
        let mut seen = Vec::new();
        loop {
            let page = house.engine.workspace_logs(query.clone()).await?;
            seen.extend(page.records.into_iter().map(|record| record.message));
            if !page.live && !page.more {
                return Ok::<_, anyhow::Error>(seen);
            }
            query.after = Some(page.next);
        }
    };
    let stopping = house.engine.workspace_stop(WorkspaceRef { id: made.id.clone() });
    let (seen, stopped) = tokio::join!(following, stopping);
    assert_eq!(stopped?.state, WorkspaceState::Stopped);
    let seen = seen?;
    assert!(seen.iter().any(|line| line == "last words"), "{seen:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_has_its_name_its_levels_and_its_end() -> Result<()> {
    let house = House::open().await?;
    let plan = "install = \"echo installing; printf '\\\\033[33mnpm warn old\\\\033[0m\\\\n'\"\nbuild = \"echo building\"\nstart = \"node app.js\"\n\
                port = 3000\n[processes]\nworker = \"echo ERROR worker broke; echo '    at frame'; exit 3\"\n";
    let app = format!("{}; console.log(JSON.stringify({{level: 40, msg: 'slow'}}))", server(3000, "app"));
    let zip = house.zip("named", &[("slipway.toml", plan), ("app.js", &app)])?;
    let made = house.ready(&zip).await?;
    let id = &made.id;
    printed(&house.engine, id, "slow").await?;
    printed(&house.engine, id, "ended with code 3").await?;
    let (records, _) = read(&house.engine, all(id)).await?;
    let mut seen: BTreeMap<&str, Vec<(LogLevel, LogStream, &str)>> = BTreeMap::new();
    for record in &records {
        seen.entry(&record.process).or_default().push((record.level, record.stream, &record.message));
    }
    let install = &seen["install"];
    assert_eq!(install[1], (LogLevel::Info, LogStream::Terminal, "installing"));
    assert_eq!(install[2], (LogLevel::Warn, LogStream::Terminal, "npm warn old"));
    assert_eq!(install[3], (LogLevel::Info, LogStream::Slipway, "ended with code 0"));
    let warned = records.iter().find(|record| record.message == "npm warn old").context("the warning")?;
    ensure!(warned.coloured.as_deref().is_some_and(|text| text.starts_with("\x1b[33mnpm")), "{warned:?}");
    assert_eq!(seen["build"][1].2, "building");
    let worker: Vec<_> = seen["worker"].iter().map(|(level, _, text)| (*level, *text)).collect();
    assert_eq!(
        worker[1..],
        [
            (LogLevel::Error, "ERROR worker broke"),
            (LogLevel::Error, "    at frame"),
            (LogLevel::Error, "ended with code 3"),
        ]
    );
    let (warn, _) = read(&house.engine, LogQuery { level: Some(LogLevel::Warn), ..all(id) }).await?;
    assert_eq!(warn.len(), 5);
    let (only, _) = read(&house.engine, LogQuery { process: Some("worker".into()), ..all(id) }).await?;
    assert_eq!(only.len(), 4);
    let none = house.engine.workspace_logs(LogQuery { process: Some("none".into()), ..all(id) }).await;
    assert_eq!(none.unwrap_err().code, Code::NotFound);
    let bad = house.engine.workspace_logs(LogQuery { grep: Some("(".into()), ..all(id) }).await.unwrap_err();
    assert_eq!((bad.code, bad.hint.is_some()), (Code::Invalid, true));

    // Who waits is told at once, and of a stop as well.
    let last = records.last().map(|record| record.seq);
    let waiting = LogQuery { after: last, wait_ms: Some(10_000), ..all(id) };
    let (page, stopped) = tokio::join!(
        house.engine.workspace_logs(waiting.clone()),
        house.engine.workspace_stop(WorkspaceRef { id: id.clone() })
    );
    assert_eq!(stopped?.state, WorkspaceState::Stopped);
    ensure!(page?.next >= last.unwrap_or(0));
    wait_until("the app's log to be closed", LONG, || async {
        let (after, _) = read(&house.engine, LogQuery { after: last, ..all(id) }).await?;
        Ok(after.iter().any(|r| r.stream == LogStream::Slipway && r.process != "worker").then_some(()))
    })
    .await?;
    assert!(!house.engine.workspace_logs(waiting).await?.live);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_no_program_up_and_the_hole_is_marked() -> Result<()> {
    let Some(disk) = SmallDisk::mount("4m")? else {
        super::harness::skip("this user may not mount a small file system");
        return Ok(());
    };
    let zips = tempfile::tempdir()?;
    let zip = zips.path().join("app.zip");
    // It prints when it is asked for a page.
    let app = "let n = 0; require('http').createServer((q, r) => { for (let i = 0; i < 2000; i++) console.log('count ' + n++); \
               console.log('asked ' + q.url); r.end('ok') }).listen(3000, '127.0.0.1')";
    project::zip_of(&zip, &[("server.js", app)])?;
    let engine = Engine::open(config(disk.path())?).await?;
    let made = engine.workspace_deploy(slipway_tests::engine::request(&zip)).await?;
    let url = wait_until("the deploy", LONG, || async {
        Ok(engine.workspace_status(WorkspaceRef { id: made.id.clone() }).await?.url)
    })
    .await?;
    super::harness::fetch(&format!("{url}one")).await?;
    printed(&engine, &made.id, "^asked /one$").await?;
    let ballast = disk.fill()?;
    for _ in 0..5 {
        assert_eq!(super::harness::fetch(&format!("{url}two")).await?.1, "ok", "the program goes on");
    }
    std::fs::remove_file(ballast)?;
    super::harness::fetch(&format!("{url}three")).await?;
    printed(&engine, &made.id, "^asked /three$").await?;
    let (records, _) = read(&engine, all(&made.id)).await?;
    ensure!(records.iter().any(|record| record.missing_bytes.is_some()), "the hole is marked");
    let seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    engine.workspace_remove(WorkspaceRef { id: made.id }).await?;
    engine.shutdown(std::time::Duration::from_secs(20), true).await;
    Ok(())
}
