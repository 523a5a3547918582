//! What workspaces use and may use: figures that follow the load, limits changed while it runs, memory that runs out, a
//! disk that fills, a machine without room.

use super::harness::{House, LONG, config, fetch, request, server};
use anyhow::{Context, Result, ensure};
use slipway_engine::{Config, Engine, Host, HostMemory};
use slipway_tests::wait_until;
use slipway_wire::{
    Api, Code, DeployRequest, EventBody, Level, LimitsRequest, Message, Settings, Stats, StatsRequest,
    StatsResolution, Workspace, WorkspaceId, WorkspaceRef, WorkspaceState,
};
use std::{path::Path, sync::Arc};

const MIB: u64 = 1 << 20;

impl House {
    async fn stats(&self, id: &WorkspaceId, since_s: u64) -> Result<Stats> {
        let request = StatsRequest { id: id.clone(), since_s: Some(since_s), resolution: None };
        Ok(self.engine.workspace_stats(request).await?)
    }

    /// Waits for a message with these words.
    async fn said(&self, id: &WorkspaceId, words: &str) -> Result<Message> {
        wait_until(&format!("{words:?} to be said"), LONG, || async {
            // Looking is watching: what there is to say is found sooner.
            let _ = self.stats(id, 0).await;
            let events = self.engine.workspace_messages(WorkspaceRef { id: id.clone() }).await?;
            Ok(events.into_iter().find_map(|event| match event.body {
                EventBody::Message(said) if said.text.contains(words) => Some(said),
                _ => None,
            }))
        })
        .await
    }

    /// A workspace that serves and does nothing else.
    async fn idle(&self) -> Result<Workspace> {
        let zip = self.zip("idle", &[("server.js", &server(3000, "here"))])?;
        self.ready(&zip).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_follow_what_a_workspace_does() -> Result<()> {
    let house = House::open().await?;
    let made = house.idle().await?;
    let quiet = wait_until("a workspace to be quiet", LONG, || async {
        let stats = house.stats(&made.id, 60).await?;
        Ok(stats.now.filter(|now| now.cpu_percent < 10.0).map(|_| stats))
    })
    .await?;
    let now = quiet.now.context("it runs")?;
    ensure!(now.memory_bytes > MIB && now.processes >= 2, "{now:?}");
    assert_eq!((quiet.memory_limit, quiet.processes_limit), (Some(2048 * MIB), Some(1024)));
    assert_eq!(quiet.disk_limit, Some(10 * 1024 * MIB));

    let busy = "const end = Date.now() + 20000; while (Date.now() < end);";
    let argv = ["node", "-e", busy];
    let burning = house.run(&made.id, &argv);
    let watching = wait_until("the load to be seen", LONG, || async {
        let now = house.stats(&made.id, 0).await?.now.context("it runs")?;
        Ok((now.cpu_percent > 25.0 && now.processes > quiet.now.map_or(0, |q| q.processes)).then_some(now))
    });
    tokio::select! {
        seen = watching => { seen?; }
        ended = burning => { ended?; anyhow::bail!("nothing was seen of a program that was busy") }
    }
    fetch(made.url.as_deref().context("a URL")?).await?;
    let after = house.stats(&made.id, 60).await?;
    ensure!(after.received_total > 0 && after.sent_total > after.received_total / 2, "{after:?}");
    ensure!(after.samples.len() > 1 && after.samples.windows(2).all(|w| w[0].at_ms <= w[1].at_ms));
    ensure!(after.samples.iter().any(|sample| sample.cpu_percent > 25.0), "{after:?}");
    let minutes =
        StatsRequest { id: made.id.clone(), since_s: Some(3600), resolution: Some(StatsResolution::Minutes) };
    let minutes = house.engine.workspace_stats(minutes).await?.samples;
    ensure!(minutes.last().is_some_and(|minute| minute.span_ms > 0), "{minutes:?}");

    house.engine.workspace_stop(WorkspaceRef { id: made.id.clone() }).await?;
    let stopped = house.stats(&made.id, 60).await?;
    ensure!(stopped.now.is_none() && !stopped.samples.is_empty(), "what was stays known: {stopped:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_at_once_and_outlive_stop_and_engine() -> Result<()> {
    let house = House::open().await?;
    let made = house.idle().await?;
    let change = |memory_mb, cpus, pids| LimitsRequest { id: made.id.clone(), memory_mb, cpus, pids };
    let in_force = house.engine.workspace_limits(change(None, None, None)).await?;
    assert_eq!((in_force.memory_mb, in_force.cpus, in_force.pids), (2048, None, 1024));
    let limits = house.engine.workspace_limits(change(Some(300), Some(0.5), Some(100))).await?;
    assert_eq!((limits.memory_mb, limits.cpus, limits.pids), (300, Some(0.5), 100));
    // What the kernel says, from inside.
    let kernel = || async {
        wait_until("the new limits in force", LONG, || async {
            let stats = house.stats(&made.id, 0).await?;
            ensure!(stats.memory_limit == Some(300 * MIB), "{stats:?}");
            ensure!(stats.processes_limit == Some(100), "{stats:?}");
            Ok(Some(()))
        })
        .await
    };
    kernel().await?;
    house.engine.workspace_stop(WorkspaceRef { id: made.id.clone() }).await?;
    house.engine.workspace_start(WorkspaceRef { id: made.id.clone() }).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    kernel().await?;

    let too_little = house.engine.workspace_limits(change(Some(1), None, None)).await.unwrap_err();
    assert_eq!(too_little.code, Code::Invalid);
    let too_many = house.engine.workspace_limits(change(None, Some(1000.0), None)).await.unwrap_err();
    assert_eq!(too_many.code, Code::Invalid, "{too_many:?}");

    let house = House::reopen(house.leave().await).await?;
    let kept = house.engine.workspace_limits(change(None, None, None)).await?;
    assert_eq!(kept, limits);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_runs_out_beside_the_program_is_named_with_what_to_do() -> Result<()> {
    let house = House::open().await?;
    let made = house.idle().await?;
    let small = LimitsRequest { id: made.id.clone(), memory_mb: Some(256), cpus: None, pids: None };
    house.engine.workspace_limits(small).await?;
    // Known before, so that it can be seen to grow.
    house.stats(&made.id, 0).await?;
    let greedy = "const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1));";
    let (_, _, exit) = house.run(&made.id, &["node", "-e", greedy]).await?;
    assert_eq!(exit.signal, Some(9), "{exit:?}");
    let said = house.said(&made.id, "memory ran out (256 MiB)").await?;
    let hint = said.hint.context("what to do")?;
    ensure!(hint.contains(&format!("slipway limits {} --memory 512m", made.id)), "{hint}");
    assert_eq!(said.level, Level::Warning);
    assert_eq!(house.status(&made.id).await?.state, WorkspaceState::Running, "the rest lives on");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_killed_for_memory_is_told_once_with_the_command_that_helps() -> Result<()> {
    let house = House::open().await?;
    let program = format!(
        "{}; setTimeout(() => {{ const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1)); }}, 2000)",
        server(3000, "hungry")
    );
    let zip = house.zip("hungry", &[("server.js", &program)])?;
    let small = DeployRequest { preset: Some(slipway_wire::Preset::Small), ..request(&zip) };
    let made = house.engine.workspace_deploy(small).await?;
    let (_, problem) = house.fails(&made.id).await?;
    ensure!(problem.message.contains("ran out of memory"), "{problem}");
    let hint = problem.hint.clone().context("what to do")?;
    ensure!(hint.contains("slipway limits hungry-") && hint.contains("--memory 1024m"), "{hint}");
    // Three readings later nobody has said it a second time.
    let begun = house.stats(&made.id, 60).await?.samples.len();
    wait_until("three more readings", LONG, || async {
        Ok((house.stats(&made.id, 60).await?.samples.len() > begun + 3).then_some(()))
    })
    .await?;
    let events = house.engine.workspace_messages(WorkspaceRef { id: made.id.clone() }).await?;
    let told = events.iter().filter(|event| match &event.body {
        EventBody::Message(said) => said.text.contains("memory"),
        _ => false,
    });
    assert_eq!(told.count(), 1);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_is_warned_about_and_then_the_writer_is_stopped() -> Result<()> {
    let house = House::with_settings("disk_limit_mb = 64").await?;
    let write = |mib: u64| {
        format!(
            "require('fs').writeFileSync('/tmp/fill', Buffer.alloc({mib} << 20, 1)); {}",
            server(3000, "x")
        )
    };
    let near = house.zip("near", &[("server.js", &write(56))])?;
    let over = house.zip("over", &[("server.js", &write(80))])?;
    let (near, over) = (house.ready(&near).await?, house.ready(&over).await?);

    let said = house.said(&near.id, "of the 67 MB it may write").await?;
    assert_eq!(said.level, Level::Warning);
    ensure!(house.stats(&near.id, 0).await?.now.and_then(|now| now.disk_bytes) >= Some(56 * MIB));
    assert_eq!(house.status(&near.id).await?.state, WorkspaceState::Running);

    let full = wait_until("the writer to be stopped", LONG, || async {
        let _watching = house.stats(&over.id, 0).await?;
        Ok(Some(house.status(&over.id).await?).filter(|view| view.state == WorkspaceState::Failed))
    })
    .await?;
    let problem = full.problem.context("why")?;
    assert_eq!(problem.code, Code::DiskFull);
    ensure!(problem.message.contains("84 MB") && problem.message.contains("67 MB"), "{problem}");
    ensure!(problem.hint.is_some_and(|hint| hint.contains("disk_limit_mb 128")));
    let (out, ..) = house.run(&over.id, &["sh", "-c", "ps | grep -c '[s]erver.js'"]).await?;
    assert_eq!(out.trim(), "0", "the program is gone and a shell still opens");

    // The way on: what was written goes, and it starts again.
    house.run(&over.id, &["rm", "/tmp/fill"]).await?;
    let raised =
        Settings { disk_limit_mb: 1024, ..house.engine.settings_get(slipway_wire::Nothing {}).await? };
    house.engine.settings_set(raised).await?;
    house.engine.workspace_start(WorkspaceRef { id: over.id.clone() }).await?;
    house.wait_for(&over.id, WorkspaceState::Running).await?;
    house.close().await
}

/// A machine with these figures.
struct Machine {
    memory: HostMemory,
    free_disk: u64,
}

impl Host for Machine {
    fn memory(&self) -> Option<HostMemory> {
        Some(self.memory)
    }

    fn free_disk(&self, _: &Path) -> Option<u64> {
        Some(self.free_disk)
    }

    fn own_memory(&self) -> Option<u64> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_room_refuses_a_new_workspace_unless_forced() -> Result<()> {
    const GB: u64 = 1_000_000_000;
    for (available, free_disk, code, words) in [
        (GB / 2, 100 * GB, Code::Limit, "500 MB of 10 GB memory left"),
        (5 * GB, GB, Code::DiskFull, "1.0 GB left"),
    ] {
        let data = tempfile::tempdir()?;
        let machine = Machine { memory: HostMemory { total: 10 * GB, available }, free_disk };
        let engine = Engine::open(Config { host: Arc::new(machine), ..config(data.path())? }).await?;
        let house = House { engine, data };
        let zip = house.zip("late", &[("server.js", &server(3000, "late"))])?;
        let refused = house.engine.workspace_deploy(request(&zip)).await.unwrap_err();
        assert_eq!(refused.code, code);
        ensure!(refused.message.contains(words), "{refused}");
        ensure!(refused.hint.is_some_and(|hint| hint.contains("--force")));
        ensure!(house.containers().await?.is_empty(), "nothing was begun");

        let forced = DeployRequest { force: true, ..request(&zip) };
        let made = house.engine.workspace_deploy(forced).await?;
        let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
        // New files for what is there already need no room for another one.
        let again = DeployRequest { replace: Some(view.id.clone()), ..request(&zip) };
        house.engine.workspace_deploy(again).await?;
        house.wait_for(&view.id, WorkspaceState::Running).await?;
        house.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() -> Result<()> {
    let house = House::open().await?;
    let made = house.idle().await?;
    fetch(made.url.as_deref().context("a URL")?).await?;
    let unknown = serde_json::json!({"id": "none"}).to_string();
    house.engine.dispatch("workspace.status", unknown.as_bytes()).await.unwrap_err();
    let text = house.engine.metrics()?;
    for line in [
        "slipway_workspaces{state=\"running\"} 1",
        "slipway_workspaces{state=\"failed\"} 0",
        "slipway_leases 1",
        "slipway_deploy_phase_seconds_count{phase=\"ready\",result=\"done\"} 1",
        "slipway_gateway_requests_total{status=\"2xx\"} 1",
        "slipway_problems_total{code=\"not-found\"} 1",
        "slipway_sweeps_total{result=\"done\"} 1",
        "# EOF",
    ] {
        ensure!(text.contains(line), "{line} in\n{text}");
    }
    ensure!(!text.contains(made.id.as_str()), "no label holds an id");
    house.close().await
}
