//! Projects that do not work, or that attack the machine: each ends in a state with a reason and a way on, and the
//! engine and its other workspaces do not notice. The projects are those of `samples/bad.py`.

use super::harness::{House, LONG, fetch, request, server};
use anyhow::{Context, Result, ensure};
use slipway_tests::{fixtures, process, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, PhaseName, PhaseState, Preset, ProcessRole, RedeployRequest, Workspace,
    WorkspaceRef, WorkspaceState,
};
use std::time::Duration;

/// Deploys a project of `bad.py` in a small container.
async fn deploy(house: &House, name: &str) -> Result<Workspace> {
    let folder = fixtures::bad_project(name, house.data.path())?;
    let small = DeployRequest { preset: Some(Preset::Small), ..request(&folder) };
    Ok(house.engine.workspace_deploy(small).await?)
}

fn phase(view: &Workspace, name: PhaseName) -> Option<PhaseState> {
    view.phases.iter().find(|p| p.name == name).map(|p| p.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_install_shows_the_end_of_its_output() -> Result<()> {
    let house = House::open().await?;
    let made = deploy(&house, "install-fails").await?;
    let (view, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::InstallFailed);
    assert!(problem.message.contains("ended with code 3"), "{problem}");
    assert!(problem.detail.context("the end of the output")?.contains("the compiler is not here"));
    assert_eq!(phase(&view, PhaseName::Install), Some(PhaseState::Failed));
    assert_eq!(phase(&view, PhaseName::Start), Some(PhaseState::Waiting));
    house.shell_answers(&made.id).await?;
    // The way on: another command, and the rest goes by itself.
    let again =
        RedeployRequest { id: made.id.clone(), from: PhaseName::Install, command: Some("true".into()) };
    house.engine.workspace_redeploy(again).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, "It opened\n");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_shows_the_end_of_its_output() -> Result<()> {
    let house = House::open().await?;
    let made = deploy(&house, "build-fails").await?;
    let (view, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert!(problem.message.contains("ended with code 2"), "{problem}");
    let detail = problem.detail.context("the end of the output")?;
    assert!(detail.contains("src/main.js:4:7: error: expected a comma"), "{detail}");
    assert_eq!(phase(&view, PhaseName::Build), Some(PhaseState::Failed));
    house.shell_answers(&made.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_at_once_says_its_last_words() -> Result<()> {
    let house = House::open().await?;
    let made = deploy(&house, "exits-at-once").await?;
    let (_, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::StartFailed);
    assert!(problem.message.contains("ended with code 7"), "{problem}");
    assert!(problem.detail.context("its output")?.contains("DATABASE_URL is not set"));
    house.shell_answers(&made.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_never_listens_fails_and_recovers_when_it_does() -> Result<()> {
    let house = House::with_settings("listen_timeout_s = 5\n").await?;
    let late = format!(
        "const fs = require('fs');\nconst wait = setInterval(() => {{\n  if (!fs.existsSync('go')) return;\n  \
         clearInterval(wait);\n  {};\n}}, 50);",
        server(3000, "late")
    );
    let entries = [("package.json", r#"{"scripts":{"start":"node late.js"}}"#), ("late.js", &*late)];
    let made = house.deploy(&house.zip("late", &entries)?).await?;
    let (view, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::NeverListened);
    assert!(problem.message.contains(" 5 s"), "{problem} does not say how long was waited");
    assert_eq!((view.url, view.ports.len()), (None, 0));
    house.shell_answers(&made.id).await?;
    house.run(&made.id, &["touch", "/workspace/go"]).await?;
    let view = wait_until("the late preview", LONG, || async {
        let view = house.status(&made.id).await?;
        ensure!(view.state == WorkspaceState::Running, "{view:?}");
        Ok(Some(view))
    })
    .await?;
    assert_eq!(view.problem, None);
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("late"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_port_is_found() -> Result<()> {
    let house = House::open().await?;
    let made = deploy(&house, "random-port").await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    let [port] = view.ports.as_slice() else { anyhow::bail!("one port, not {:?}", view.ports) };
    assert!(port.loopback && port.port > 1024, "{port:?}");
    assert_eq!(fetch(&view.url.context("a URL")?).await?, (200, "random\n".to_owned()));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_ports_both_are_listed_and_the_plans_is_shown() -> Result<()> {
    let house = House::open().await?;
    let made = deploy(&house, "two-ports").await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let view = wait_until("both ports", LONG, || async {
        let view = house.status(&made.id).await?;
        Ok((view.ports.len() == 2).then_some(view))
    })
    .await?;
    let numbers: Vec<u16> = view.ports.iter().map(|p| p.port).collect();
    assert_eq!(numbers, [3000, 4000]);
    assert_eq!(view.url.as_ref(), Some(&view.ports[0].url));
    for (port, page) in view.ports.iter().zip(["page\n", "api\n"]) {
        assert_eq!(fetch(&port.url).await?.1, page, "{port:?}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_lines_neither_stop_a_program_nor_fill_memory() -> Result<()> {
    const MOST_GROWTH: u64 = 64 << 20;
    let house = House::open().await?;
    let me: Vec<_> = process::all().into_iter().filter(|p| p.pid == std::process::id()).collect();
    let before = process::proportional_memory(&me)?;
    let made = deploy(&house, "million-lines").await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, "It opened\n");
    let grown = process::proportional_memory(&me)?.saturating_sub(before);
    assert!(grown < MOST_GROWTH, "the engine grew by {grown} bytes");
    let listed = house.engine.process_list(WorkspaceRef { id: made.id.clone() }).await?;
    let app = listed.iter().find(|p| p.role == ProcessRole::App).context("the program is listed")?;
    assert!(app.bytes > 20_000_000, "all was read: {} bytes", app.bytes);
    house.shell_answers(&made.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_bounded_and_its_neighbours_do_not_notice() -> Result<()> {
    const SMALL_PIDS: u32 = 512;
    let house = House::open().await?;
    let sibling = house.ready(&house.zip("sibling", &[("server.js", &server(3000, "calm"))])?).await?;
    let url = sibling.url.context("a URL")?;
    let made = deploy(&house, "fork-bomb").await?;
    let id = WorkspaceRef { id: made.id.clone() };
    wait_until("the bomb to go off", LONG, || async {
        let usage = house.engine.workspace_usage(id.clone()).await?;
        ensure!(usage.processes <= SMALL_PIDS, "{usage:?} is over the limit");
        ensure!(usage.processes > SMALL_PIDS / 2, "{usage:?}");
        Ok(Some(()))
    })
    .await?;
    let answered = tokio::time::timeout(Duration::from_secs(10), async {
        house.engine.workspace_usage(id.clone()).await?;
        fetch(&url).await
    });
    assert!(answered.await.context("agent and sibling within ten seconds")??.1.starts_with("calm"));
    // The way on: it can be stopped and is gone.
    assert_eq!(house.engine.workspace_stop(id.clone()).await?.state, WorkspaceState::Stopped);
    house.engine.workspace_remove(id).await?;
    assert_eq!(house.containers().await?.len(), 1, "only the sibling is left");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_memory_ends_only_the_program_and_is_named() -> Result<()> {
    let house = House::open().await?;
    let sibling = house.ready(&house.zip("sibling", &[("server.js", &server(3000, "calm"))])?).await?;
    let made = deploy(&house, "memory-bomb").await?;
    let (_, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::StartFailed);
    assert!(problem.message.contains("out of memory"), "{problem} {:?}", problem.detail);
    assert!(problem.hint.is_some_and(|hint| hint.contains("slipway limits")));
    assert!(fetch(&sibling.url.context("a URL")?).await?.1.starts_with("calm"));
    house.shell_answers(&made.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_without_a_project_opens_with_a_shell() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("notes", &[("notes.txt", "Buy rope.\n")])?;
    let made = house.deploy(&zip).await?;
    let (view, problem) = house.fails(&made.id).await?;
    assert_eq!(problem.code, Code::NoProject);
    assert_eq!(phase(&view, PhaseName::Upload), Some(PhaseState::Done), "the files are in");
    assert_eq!(view.plan, None);
    house.shell_answers(&made.id).await?;
    assert_eq!(house.run(&made.id, &["cat", "notes.txt"]).await?.0, "Buy rope.\n");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_is_cancelled_during_install_and_goes_on_later() -> Result<()> {
    let house = House::open().await?;
    let plan = "install = \"sleep 4711\"\nstart = \"node there.js\"\nport = 3000\n";
    let entries = [("slipway.toml", plan), ("there.js", &server(3000, "after all"))];
    let made = house.deploy(&house.zip("slow", &entries)?).await?;
    let id = WorkspaceRef { id: made.id.clone() };
    wait_until("the install", LONG, || async {
        let view = house.status(&made.id).await?;
        let install = view.phases.iter().find(|p| p.name == PhaseName::Install);
        Ok(install.is_some_and(|p| p.process.is_some()).then_some(()))
    })
    .await?;
    let view = house.engine.workspace_cancel(id.clone()).await?;
    assert_eq!(view.state, WorkspaceState::Failed);
    let problem = view.problem.context("why")?;
    assert_eq!(problem.code, Code::Cancelled);
    assert!(problem.hint.is_some());
    let (out, _, _) = house.run(&made.id, &["ps", "-o", "args"]).await?;
    assert!(!out.contains("4711"), "the install goes on: {out}");
    let twice = house.engine.workspace_cancel(id).await.expect_err("nothing is under way");
    assert_eq!(twice.code, Code::WrongState);
    let go_on = RedeployRequest { id: made.id.clone(), from: PhaseName::Start, command: None };
    house.engine.workspace_redeploy(go_on).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert!(fetch(&view.url.context("a URL")?).await?.1.starts_with("after all"));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_is_cancelled_while_the_program_is_waited_for() -> Result<()> {
    let house = House::open().await?;
    // It names a server, so that one is waited for.
    let text = format!("setInterval(() => {{}}, 1000);\nif (process.env.NEVER) {};", server(3000, "never"));
    let entries = [("package.json", r#"{"scripts":{"start":"node server.js"}}"#), ("server.js", &*text)];
    let made = house.deploy(&house.zip("silent", &entries)?).await?;
    let id = WorkspaceRef { id: made.id.clone() };
    wait_until("the program to be waited for", LONG, || async {
        let view = house.status(&made.id).await?;
        Ok((phase(&view, PhaseName::Ready) == Some(PhaseState::Running)).then_some(()))
    })
    .await?;
    let view = house.engine.workspace_cancel(id).await?;
    assert_eq!(view.problem.map(|problem| problem.code), Some(Code::Cancelled));
    let (left, _, _) = house.run(&made.id, &["ps", "-o", "args"]).await?;
    assert!(!left.contains("server.js"), "the program goes on: {left}");
    house.shell_answers(&made.id).await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_own_plan_is_followed() -> Result<()> {
    let house = House::open().await?;
    let plan = "name = \"Harbour\"\ninstall = \"echo installed > marks\"\nbuild = \"echo built >> marks\"\n\
                start = \"node own.js\"\nport = 4200\n\n[env]\nGREETING = \"ahoy\"\n\n[processes]\nworker = \
                \"echo worked > worker; exec sleep 4712\"\n";
    let own = "const { readFileSync } = require('fs');\nrequire('http').createServer((q, r) => \
               r.end([process.env.GREETING, process.env.PORT, readFileSync('marks')].join(' ')))\
               .listen(process.env.PORT)";
    let view = house.ready(&house.zip("own", &[("slipway.toml", plan), ("own.js", own)])?).await?;
    assert_eq!(view.name, "Harbour");
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, "ahoy 4200 installed\nbuilt\n");
    let listed = house.engine.process_list(WorkspaceRef { id: view.id.clone() }).await?;
    let worker = listed.iter().find(|p| p.name == "worker").context("the worker is listed")?;
    assert_eq!((worker.role, worker.exit), (ProcessRole::App, None));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_procfile_is_followed() -> Result<()> {
    let house = House::open().await?;
    let procfile = "web: node web.js\nworker: sh -c 'echo worked > worker; exec sleep 4713'\n";
    let web = "require('http').createServer((q, r) => r.end('web on ' + process.env.PORT))\
               .listen(process.env.PORT)";
    let view = house.ready(&house.zip("procs", &[("Procfile", procfile), ("web.js", web)])?).await?;
    assert_eq!(view.plan.as_ref().map(|plan| plan.id.as_str()), Some("procfile"));
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, "web on 5000");
    wait_until("the worker", LONG, || async {
        let (out, _, _) = house.run(&view.id, &["cat", "worker"]).await?;
        Ok((out == "worked\n").then_some(()))
    })
    .await?;
    house.close().await
}
