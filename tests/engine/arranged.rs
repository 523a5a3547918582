//! Terminals as a person left them: their order, names and halves over another owner, and what a restart of one keeps.

use super::{
    harness::{House, LONG, server},
    shell::Shell,
};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use slipway_tests::wait_until;
use slipway_wire::{
    Api, ArrangeTerminals, Code, EventBody, FrameKind, OpenProcess, Process, ProcessRef, ProcessRole,
    RestartProcess, TerminalLayout, TerminalTab, WindowSize, WorkspaceId, WorkspaceRef,
};
use std::collections::BTreeMap;

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("quay", &[("server.js", &server(3000, "quay"))])?).await?.id)
}

const SIZE: WindowSize = WindowSize { columns: 80, rows: 24 };

async fn open(house: &House, id: &WorkspaceId, argv: &[&str], terminal: bool) -> Result<Process> {
    let open = OpenProcess {
        id: id.clone(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: Some("/tmp".into()),
        env: BTreeMap::from([("QUAY".to_owned(), "seven words, and a 'quote'".to_owned())]),
        terminal: terminal.then_some(SIZE),
        stdin: false,
        name: Some("mine".into()),
    };
    Ok(house.engine.process_open(open).await?)
}

async fn restart(house: &House, process: &Process, folder: Option<&str>) -> Result<Process> {
    let restart = RestartProcess {
        id: process.workspace.clone(),
        process: process.id.clone(),
        folder: folder.map(str::to_owned),
        terminal: Some(WindowSize { columns: 101, rows: 31 }),
    };
    Ok(house.engine.process_restart(restart).await?)
}

async fn attached(house: &House, process: &Process) -> Result<Shell> {
    let process = ProcessRef { id: process.workspace.clone(), process: process.id.clone() };
    let attached = house.engine.attach(&process, 0, false).await?;
    Ok(Shell::of(process, attached))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_terminal_has_its_environment_and_the_folder_it_was_left_in() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let first = open(&house, &id, &[], true).await?;
    let mut shell = attached(&house, &first).await?;
    shell.asks("mkdir -p /tmp/left && cd /tmp/left && pwd -P | tr a-z A-Z", "/TMP/LEFT").await?;
    shell.types("exit 3\n").await?;
    shell.ends().await?;
    let again = restart(&house, &first, Some("/tmp/left")).await?;
    ensure!(again.id != first.id && again.exit.is_none(), "{again:?}");
    assert_eq!((again.name.as_str(), again.role), ("mine", ProcessRole::Terminal));
    let mut shell = attached(&house, &again).await?;
    shell
        .asks("echo \"[$QUAY]\" $(pwd) $(stty size)", "[seven words, and a 'quote'] /tmp/left 31 101")
        .await?;
    // The folder went meanwhile, and the one it is started again from runs: it begins where it was begun first.
    shell.asks("rmdir /tmp/left; echo gone-$((1 + 1))", "gone-2").await?;
    let third = restart(&house, &again, Some("/tmp/left")).await?;
    attached(&house, &third)
        .await?
        .asks("echo \"<$QUAY>\" $(pwd)", "<seven words, and a 'quote'> /tmp")
        .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_program_has_exactly_its_words_and_steps_of_a_plan_have_their_own_way() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let words = ["sh", "-c", "printf '<%s>' \"$@\"", "sh", "two words", "", "*", "\"quoted\""];
    let first = open(&house, &id, &words, false).await?;
    let again = restart(&house, &first, None).await?;
    assert_eq!(again.role, ProcessRole::Exec);
    let process = ProcessRef { id: id.clone(), process: again.id.clone() };
    let mut output = house.engine.attach(&process, 0, true).await?.output;
    let mut printed = Vec::new();
    while let Some(frame) = tokio::time::timeout(LONG, output.recv()).await? {
        if frame.kind == FrameKind::Stdout {
            printed.extend_from_slice(&frame.payload);
        }
    }
    assert_eq!(String::from_utf8(printed)?, "<two words><><*><\"quoted\">");
    let all = house.engine.process_list(WorkspaceRef { id: id.clone() }).await?;
    let app = all.iter().find(|one| one.role == ProcessRole::App).context("the app")?;
    let code =
        |refused: Result<Process>| refused.err().and_then(|e| e.downcast::<slipway_wire::Problem>().ok());
    assert_eq!(code(restart(&house, app, None).await).map(|p| p.code), Some(Code::WrongState));
    let unknown = Process { id: "p-none".parse()?, ..first };
    assert_eq!(code(restart(&house, &unknown, None).await).map(|p| p.code), Some(Code::NotFound));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn how_terminals_stand_is_told_to_all_outlives_the_owner_and_goes_with_the_workspace() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let asked = WorkspaceRef { id: id.clone() };
    assert_eq!(house.engine.terminal_layout(asked.clone()).await?, TerminalLayout::default());
    let shell = open(&house, &id, &[], true).await?;
    let tab = TerminalTab {
        process: shell.id.clone(),
        name: Some("the quay, at night".into()),
        folder: Some("/workspace/src".into()),
    };
    let layout = TerminalLayout {
        tabs: vec![tab.clone()],
        beside: Some(shell.id.clone()),
        second: true,
        share: Some(33),
        font_px: Some(17),
        ..TerminalLayout::default()
    };
    let mut events = house.engine.events(None);
    let arrange = ArrangeTerminals { id: id.clone(), layout: layout.clone() };
    assert_eq!(house.engine.terminal_arrange(arrange.clone()).await?, layout);
    let told = async {
        while let Some(event) = events.next().await {
            if let EventBody::Terminals(told) = event.body {
                return Some((event.workspace, *told));
            }
        }
        None
    };
    assert_eq!(tokio::time::timeout(LONG, told).await?, Some((Some(id.clone()), layout.clone())));
    let two_lines = TerminalTab { name: Some("two\nlines".into()), ..tab };
    let wrong = ArrangeTerminals {
        layout: TerminalLayout { tabs: vec![two_lines], ..TerminalLayout::default() },
        ..arrange
    };
    let refused = house.engine.terminal_arrange(wrong).await.unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (Code::Invalid, Some("name")));
    let house = House::reopen(house.leave().await).await?;
    assert_eq!(house.engine.terminal_layout(asked.clone()).await?, layout);
    house.engine.workspace_remove(asked.clone()).await?;
    wait_until("the workspace to be gone", LONG, || async {
        Ok(house
            .engine
            .terminal_layout(asked.clone())
            .await
            .is_err_and(|p| p.code == Code::NotFound)
            .then_some(()))
    })
    .await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn as_much_of_a_programs_output_is_kept_as_the_setting_says() -> Result<()> {
    const MIB: u64 = 1 << 20;
    let house = House::with_settings("terminal_history_mb = 8\n").await?;
    let id = workspace(&house).await?;
    let loud = open(&house, &id, &["sh", "-c", "head -c 14680064 /dev/zero"], false).await?;
    let process = ProcessRef { id: id.clone(), process: loud.id.clone() };
    let read = async || -> Result<(u64, Option<(u64, u64)>)> {
        let mut output = house.engine.attach(&process, 0, true).await?.output;
        let (mut bytes, mut gap) = (0, None);
        while let Some(frame) = tokio::time::timeout(LONG, output.recv()).await? {
            match frame.kind {
                FrameKind::Gap => {
                    let from: [u8; 8] = frame.payload.as_ref().try_into()?;
                    gap = Some((u64::from_le_bytes(from), frame.offset));
                }
                FrameKind::Exit => break,
                _ => bytes += frame.payload.len() as u64,
            }
        }
        Ok((bytes, gap))
    };
    assert_eq!(read().await?, (14 * MIB, None), "who listens from the beginning misses nothing");
    assert_eq!(read().await?, (9 * MIB, Some((MIB, 6 * MIB))), "the first and the last are kept");
    house.close().await
}
