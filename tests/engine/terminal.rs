//! Terminals and programs: bytes both ways without loss, sizes, signals, ends, and reading again from an offset.

use super::{
    harness::{House, LONG, random, server},
    shell::Shell,
};
use anyhow::{Context, Result, bail, ensure};
use slipway_engine::Attachment;
use slipway_tests::{process, wait_until};
use slipway_wire::{
    Api, Code, FileRef, FrameKind, OpenProcess, ProcessExit, ProcessRef, ProcessRole, Resize, Signal,
    WindowSize, WorkspaceId, WorkspaceRef,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

const MB: usize = 1 << 20;

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("quay", &[("server.js", &server(3000, "quay"))])?).await?.id)
}

/// Starts a program: with a terminal of this size, or with pipes whose input stays open.
async fn start(
    house: &House,
    id: &WorkspaceId,
    argv: &[&str],
    terminal: Option<WindowSize>,
) -> Result<ProcessRef> {
    let open = OpenProcess {
        id: id.clone(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: None,
        env: BTreeMap::new(),
        terminal,
        stdin: terminal.is_none(),
        name: None,
    };
    Ok(ProcessRef { id: id.clone(), process: house.engine.process_open(open).await?.id })
}

const SIZE: WindowSize = WindowSize { columns: 80, rows: 24 };

/// Everything until the exit: the bytes of each kind, in order, and how it ended. Offsets must follow one another.
async fn drain(attached: &mut Attachment, mut offset: u64) -> Result<(Vec<u8>, Vec<u8>, ProcessExit)> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(frame) = tokio::time::timeout(LONG, attached.output.recv()).await? {
        match frame.kind {
            FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr => {
                ensure!(frame.offset == offset, "{} does not follow {offset}", frame.offset);
                offset += frame.payload.len() as u64;
                let to = if frame.kind == FrameKind::Stderr { &mut err } else { &mut out };
                to.extend_from_slice(&frame.payload);
            }
            FrameKind::Gap => bail!("a gap up to {}", frame.offset),
            FrameKind::Exit => {
                ensure!(frame.offset == offset, "it wrote {} bytes, {offset} came", frame.offset);
                return Ok((out, err, serde_json::from_slice(&frame.payload)?));
            }
        }
    }
    bail!("the attachment ended without an exit")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_echoes_resizes_is_interrupted_and_ends_with_its_code() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let mut shell = Shell::open(&house, &id).await?;
    shell.asks("stty size", "24 80").await?;
    shell.attached.input.resize(WindowSize { columns: 132, rows: 43 }).await?;
    shell.asks("stty size", "43 132").await?;
    let size = WindowSize { columns: 90, rows: 30 };
    let resize = Resize { id: id.clone(), process: shell.process.process.clone(), size };
    house.engine.process_resize(resize).await?;
    shell.asks("stty size", "30 90").await?;
    shell.asks("echo $((6 * 7)); sleep 4714", "42").await?;
    wait_until("the sleep", LONG, || async {
        Ok(house.run(&id, &["ps", "-o", "args"]).await?.0.contains("\nsleep 4714").then_some(()))
    })
    .await?;
    shell.types("\x03").await?;
    shell.asks("echo still-$((1 + 1))", "still-2").await?;
    shell.types("exit 7\n").await?;
    assert_eq!(shell.ends().await?, ProcessExit { code: Some(7), signal: None });
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_again_from_an_offset_gives_exactly_the_rest() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let process = start(&house, &id, &["seq", "1", "40000"], Some(SIZE)).await?;
    let mut whole = house.engine.attach(&process, 0, true).await?;
    let (all, _, exit) = drain(&mut whole, 0).await?;
    assert_eq!(exit.code, Some(0));
    assert!(all.starts_with(b"1\r\n2\r\n") && all.ends_with(b"40000\r\n"), "{} bytes", all.len());
    for offset in [0, 1, 4095, all.len() / 2, all.len() - 1, all.len()] {
        let mut rest = house.engine.attach(&process, offset as u64, false).await?;
        let (bytes, _, _) = drain(&mut rest, offset as u64).await?;
        assert_eq!(bytes, all[offset..], "from {offset}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_readers_see_the_same_and_both_may_type() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let mut one = Shell::open(&house, &id).await?;
    one.asks("echo from-$((0 + 1))", "from-1").await?;
    let attached = house.engine.attach(&one.process, 0, false).await?;
    let mut two = Shell::of(one.process.clone(), attached);
    two.reads("from-1").await?;
    two.asks("echo from-$((1 + 1))", "from-2").await?;
    one.reads("from-2").await?;
    one.types("exit\n").await?;
    assert_eq!(one.ends().await?.code, Some(0));
    assert_eq!(two.ends().await?.code, Some(0));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_megabytes_arrive_whole_and_memory_stays() -> Result<()> {
    const SIZE: usize = 64 * MB;
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let whole = random(SIZE)?;
    let file = FileRef { id: id.clone(), path: "/tmp/flood".into() };
    let source = Box::pin(futures_util::stream::iter([Ok(whole.clone())]));
    house.engine.write_file(&file, None, SIZE as u64, source).await?;
    let process = start(&house, &id, &["sh", "-c", "read go; cat /tmp/flood"], None).await?;
    let mut attached = house.engine.attach(&process, 0, true).await?;
    let me: Vec<_> = process::all().into_iter().filter(|p| p.pid == std::process::id()).collect();
    let before = process::proportional_memory(&me)?;
    attached.input.send("go\n".into()).await?;
    let (began, mut length, mut most) = (Instant::now(), 0, 0);
    loop {
        let frame = tokio::time::timeout(LONG, attached.output.recv()).await?.context("more")?;
        match frame.kind {
            FrameKind::Stdout => {
                let end = length + frame.payload.len();
                ensure!(whole.get(length..end) == Some(&*frame.payload), "other bytes at {length}");
                length = end;
                if length % (8 * MB) < frame.payload.len() {
                    most = process::proportional_memory(&me)?.max(most);
                }
            }
            FrameKind::Exit => break,
            other => bail!("{other:?} after {length} bytes"),
        }
    }
    let took = began.elapsed();
    assert_eq!(length, SIZE);
    let grown = most.saturating_sub(before);
    assert!(grown < 64 * MB as u64, "grew by {grown} bytes");
    // A bound against collapse, not the bar: `./dev bench` measures that in a release build.
    assert!(took < Duration::from_secs(30), "64 MB took {took:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_stops_only_its_own_program() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let flood = start(&house, &id, &["yes", "flood"], Some(SIZE)).await?;
    let mut unread = house.engine.attach(&flood, 0, true).await?;
    let bytes = || async {
        let listed = house.engine.process_list(WorkspaceRef { id: id.clone() }).await?;
        let found = listed.iter().find(|p| p.id == flood.process).map(|p| p.bytes);
        found.context("the flood is listed")
    };
    // It stands still once all that may be on its way is.
    let last = AtomicU64::new(0);
    wait_until("the flood to be held back", LONG, || async {
        let now = bytes().await?;
        let before = last.swap(now, Ordering::Relaxed);
        Ok((now == before && now > 0).then_some(()))
    })
    .await?;
    let mut shell = Shell::open(&house, &id).await?;
    let began = Instant::now();
    for n in 0..20 {
        shell.asks(&format!("echo key-$(({n} + 100))"), &format!("key-{}", n + 100)).await?;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "20 lines took {:?}", began.elapsed());
    // Ctrl-C into the flood itself, then it is read to its end without a gap.
    unread.input.send("\x03".into()).await?;
    let (_, _, exit) = drain(&mut unread, 0).await?;
    assert_eq!(exit.signal, Some(2));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_acknowledges_never_has_more_on_its_way_than_it_allowed() -> Result<()> {
    const WINDOW: u64 = 16 << 10;
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let flood = start(&house, &id, &["yes", "flood"], Some(SIZE)).await?;
    let mut slow = house.engine.attach_acknowledging(&flood, 0, WINDOW).await?;
    let line = b"flood\r\n";
    let (mut came, mut all) = (0, Vec::new());
    for round in 0..50 {
        let taken = round * WINDOW / 2;
        slow.taken.tell(taken, WINDOW).await?;
        while came < taken + WINDOW {
            let frame = tokio::time::timeout(LONG, slow.output.recv()).await?.context("output")?;
            ensure!(frame.offset == came, "{} does not follow {came}", frame.offset);
            came += frame.payload.len() as u64;
            all.extend_from_slice(&frame.payload);
        }
        assert_eq!(came, taken + WINDOW);
    }
    assert!(all.chunks(line.len()).all(|part| line.starts_with(part)), "what came is not what was printed");
    // Input nobody reads does not keep an acknowledgement back, and what is left after Ctrl-C is little.
    slow.input.send("\x03".into()).await?;
    slow.taken.tell(came, WINDOW).await?;
    wait_until("Ctrl-C to end it", LONG, || async {
        let listed = house.engine.process_list(WorkspaceRef { id: id.clone() }).await?;
        Ok(listed.into_iter().find(|p| p.id == flood.process).and_then(|p| p.exit).map(|_| ()))
    })
    .await?;
    let mut left = 0;
    loop {
        let frame = tokio::time::timeout(LONG, slow.output.recv()).await?.context("output")?;
        if frame.kind == FrameKind::Exit {
            break;
        }
        left += frame.payload.len() as u64;
        came = frame.offset + frame.payload.len() as u64;
        slow.taken.tell(came, WINDOW).await?;
    }
    // The window, and what the agent and the kernel's terminal held.
    assert!(left <= 2 * WINDOW, "{left} bytes came after Ctrl-C");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keystrokes_pass_a_flood_in_the_same_terminal() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let mut shell = Shell::open(&house, &id).await?;
    shell.asks("yes flood", "flood\r\nflood\r\nflood").await?;
    let began = Instant::now();
    shell.types("\x03").await?;
    shell.asks("echo calm-$((1 + 1))", "calm-2").await?;
    assert!(began.elapsed() < Duration::from_secs(10), "Ctrl-C took {:?}", began.elapsed());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_pipes_keeps_its_streams_apart() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let script = "while read line; do echo \"out $line\"; echo \"err $line\" >&2; done; exit 5";
    let process = start(&house, &id, &["sh", "-c", script], None).await?;
    let mut attached = house.engine.attach(&process, 0, true).await?;
    attached.input.send("one\ntwo\n".into()).await?;
    attached.input.end().await?;
    let (out, err, exit) = drain(&mut attached, 0).await?;
    assert_eq!(String::from_utf8(out)?, "out one\nout two\n");
    assert_eq!(String::from_utf8(err)?, "err one\nerr two\n");
    assert_eq!(exit, ProcessExit { code: Some(5), signal: None });
    // Large input arrives whole: the program says what it counted.
    let process = start(&house, &id, &["wc", "-c"], None).await?;
    let mut attached = house.engine.attach(&process, 0, true).await?;
    attached.input.send(vec![b'x'; 5 * MB].into()).await?;
    attached.input.end().await?;
    let (out, _, _) = drain(&mut attached, 0).await?;
    assert_eq!(String::from_utf8(out)?.trim(), (5 * MB).to_string());
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_program_and_the_list_tells_its_end() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let process = start(&house, &id, &["sh", "-c", "sleep 4715 & wait"], None).await?;
    let listed = |id: WorkspaceId| house.engine.process_list(WorkspaceRef { id });
    let entry = listed(id.clone()).await?.into_iter().find(|p| p.id == process.process);
    let entry = entry.context("it is listed")?;
    assert_eq!((entry.role, entry.terminal, entry.exit), (ProcessRole::Exec, false, None));
    let signal =
        |number| Signal { id: id.clone(), process: process.process.clone(), signal: number, tree: true };
    let wrong = house.engine.process_signal(signal(99)).await.expect_err("no such signal");
    assert_eq!(wrong.code, Code::Invalid);
    // What is started after the signal is not its business.
    wait_until("the whole tree", LONG, || async {
        let (there, _, _) = house.run(&id, &["ps", "-o", "args"]).await?;
        Ok(there.contains("sleep 4715").then_some(()))
    })
    .await?;
    house.engine.process_signal(signal(15)).await?;
    let ended = wait_until("its end", LONG, || async {
        let found = listed(id.clone()).await?.into_iter().find(|p| p.id == process.process);
        Ok(found.context("it stays listed")?.exit)
    })
    .await?;
    assert_eq!(ended, ProcessExit { code: None, signal: Some(15) });
    let (left, _, _) = house.run(&id, &["ps", "-o", "args"]).await?;
    assert!(!left.contains("sleep 4715"), "the whole tree is gone: {left}");
    house.engine.process_close(process.clone()).await?;
    assert!(!listed(id.clone()).await?.iter().any(|p| p.id == process.process), "closed is forgotten");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_or_found_says_so() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let open = |argv: &[&str], columns| OpenProcess {
        id: id.clone(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: Some("/workspace".into()),
        env: BTreeMap::new(),
        terminal: Some(WindowSize { columns, rows: 24 }),
        stdin: false,
        name: None,
    };
    let missing = house.engine.process_open(open(&["no-such-program"], 80)).await.expect_err("missing");
    assert_eq!(missing.code, Code::NotFound, "{missing}");
    assert!(missing.message.contains("no-such-program"), "{missing}");
    let wide = house.engine.process_open(open(&["true"], 5000)).await.expect_err("too wide");
    assert_eq!(wide.code, Code::Invalid);
    let elsewhere = OpenProcess { cwd: Some("/no/such/folder".into()), ..open(&["true"], 80) };
    let elsewhere = house.engine.process_open(elsewhere).await.expect_err("no such folder");
    assert!(elsewhere.message.contains("/no/such/folder"), "{elsewhere}");
    let unknown = ProcessRef { id: id.clone(), process: "0-0".parse()? };
    let unknown = house.engine.attach(&unknown, 0, false).await.err().context("an unknown process")?;
    assert_eq!(unknown.code, Code::NotFound, "{unknown}");
    house.close().await
}
