//! How a workspace is: probed from inside, by the path its project names, by its image's own check; and its program
//! started again, or not, when it ends.

use super::harness::{House, LONG, fetch, request};
use anyhow::{Context, Result, ensure};
use slipway_tests::{clock::TestClock, containers::docker, wait_until};
use slipway_wire::{
    Api, Code, DeployRequest, HealthState, LeaseChange, PhaseName, RestartPolicy, RestartPolicyRequest,
    Workspace, WorkspaceId, WorkspaceState,
};

/// Listens for three seconds at a time when told to, answers `/health` as told.
const MOODY: &str = "let well = true;
const server = require('http').createServer((q, r) => {
  if (q.url === '/ill') well = false;
  if (q.url === '/well') well = true;
  if (q.url === '/deaf') { r.end('deaf'); server.close(); server.closeAllConnections(); setInterval(() => {}, 1000); return; }
  if (q.url === '/die') { console.error('these are my last words'); process.exit(3); }
  console.log('asked', q.url);
  r.statusCode = q.url === '/health' && !well ? 503 : 200;
  r.end('moody ' + q.url);
}).listen(3000);";

async fn deployed(house: &House, toml: &str, restart: Option<RestartPolicy>) -> Result<Workspace> {
    let plan = format!("start = \"exec node app.js\"\nport = 3000\n{toml}");
    let zip = house.zip("moody", &[("slipway.toml", &plan), ("app.js", MOODY)])?;
    let made = house.engine.workspace_deploy(DeployRequest { restart, ..request(&zip) }).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await
}

async fn is_well(house: &House, id: &WorkspaceId, wanted: HealthState) -> Result<Workspace> {
    wait_until(&format!("{id} to be {wanted:?}"), LONG, || async {
        let view = house.status(id).await?;
        ensure!(view.health.state == wanted, "{:?} {:?}", view.state, view.health);
        Ok(Some(view))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_no_longer_listens_is_unhealthy() -> Result<()> {
    let house = House::open().await?;
    let view = deployed(&house, "", None).await?;
    let url = view.url.context("a URL")?;
    let well = is_well(&house, &view.id, HealthState::Healthy).await?;
    assert!(well.health.since_ms > 0);
    // Nothing was asked of the program: a probe is a connection and no more.
    let processes = house.engine.process_list(slipway_wire::WorkspaceRef { id: view.id.clone() }).await?;
    let app = processes.iter().find(|p| p.role == slipway_wire::ProcessRole::App).context("the program")?;
    assert_eq!(app.bytes, 0, "the program printed something");
    fetch(&format!("{url}deaf")).await?;
    let ill = is_well(&house, &view.id, HealthState::Unhealthy).await?;
    assert_eq!(ill.state, WorkspaceState::Running);
    assert!(ill.health.why.is_some_and(|why| why.contains("port 3000 refuses")));
    house.is_told(&view.id, "Unhealthy: port 3000").await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_a_project_names_is_asked() -> Result<()> {
    let house = House::open().await?;
    let view = deployed(&house, "[health]\npath = \"/health\"\n", None).await?;
    let url = view.url.context("a URL")?;
    is_well(&house, &view.id, HealthState::Healthy).await?;
    fetch(&format!("{url}ill")).await?;
    let ill = is_well(&house, &view.id, HealthState::Unhealthy).await?;
    assert!(ill.health.why.is_some_and(|why| why.contains("GET /health on port 3000 answered 503")));
    fetch(&format!("{url}well")).await?;
    is_well(&house, &view.id, HealthState::Healthy).await?;
    house.is_told(&view.id, "Healthy again").await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_images_own_check_is_run() -> Result<()> {
    let house = House::open().await?;
    let tag = format!(
        "slipway-test-check:{}",
        house.data.path().file_name().context("a name")?.to_string_lossy().to_lowercase().replace('.', "")
    );
    let made = docker(&["create", "node:24-alpine"]).await?;
    let container = made.trim();
    let change = "HEALTHCHECK --interval=5s --timeout=2s --retries=1 CMD test ! -e /tmp/ill || { echo feeling poorly; exit 1; }";
    docker(&["commit", "--change", change, container, &tag]).await?;
    docker(&["rm", container]).await?;
    let zip = house
        .zip("checked", &[("app.js", MOODY), ("slipway.toml", "start = \"node app.js\"\nport = 3000\n")])?;
    let deploy = DeployRequest { image: Some(tag.clone()), ..request(&zip) };
    let id = house.engine.workspace_deploy(deploy).await?.id;
    house.wait_for(&id, WorkspaceState::Running).await?;
    is_well(&house, &id, HealthState::Healthy).await?;
    house.run(&id, &["touch", "/tmp/ill"]).await?;
    let ill = is_well(&house, &id, HealthState::Unhealthy).await?;
    assert!(ill.health.output.is_some_and(|said| said.contains("feeling poorly")));
    house.run(&id, &["rm", "/tmp/ill"]).await?;
    is_well(&house, &id, HealthState::Healthy).await?;
    let listed = house.engine.process_list(slipway_wire::WorkspaceRef { id }).await?;
    assert!(listed.iter().all(|process| process.name != "health"), "{listed:?}");
    house.close().await?;
    for image in
        docker(&["images", "--quiet", "--filter", &format!("label=slipway.base={tag}")]).await?.lines()
    {
        docker(&["rmi", "--force", image]).await?;
    }
    docker(&["rmi", "--force", &tag]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_started_again_when_that_was_asked_for() -> Result<()> {
    let house = House::open().await?;
    let view = deployed(&house, "", Some(RestartPolicy::OnFailure)).await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    is_well(&house, &id, HealthState::Healthy).await?;
    // It hangs up and dies.
    let _page_of_ours = fetch(&format!("{url}die")).await?;
    let said = house.is_told(&id, "started again in").await?;
    assert!(said.detail.is_some_and(|detail| detail.contains("my last words")));
    let back = wait_until("it to be back", LONG, || async {
        let view = house.status(&id).await?;
        ensure!(view.state != WorkspaceState::Failed, "{view:?}");
        Ok((view.state == WorkspaceState::Running && view.health.restarts == 1).then_some(view))
    })
    .await?;
    assert!(fetch(&back.url.context("a URL")?).await?.1.starts_with("moody"));
    // Never again, then: it stays down, with its last words.
    let request = RestartPolicyRequest { id: id.clone(), policy: RestartPolicy::Never };
    house.engine.workspace_restart_policy(request).await?;
    let _page_of_ours = fetch(&format!("{url}die")).await?;
    let crashed = is_well(&house, &id, HealthState::Crashed).await?;
    assert_eq!(crashed.state, WorkspaceState::Failed);
    assert!(crashed.health.output.is_some_and(|said| said.contains("my last words")));
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_ends_with_one_clear_message() -> Result<()> {
    let house = House::open().await?;
    let plan = "start = \"echo nothing will do; exit 7\"\nport = 3000\n";
    let zip = house.zip("loop", &[("slipway.toml", plan)])?;
    let deploy = DeployRequest { restart: Some(RestartPolicy::Always), ..request(&zip) };
    let id = house.engine.workspace_deploy(deploy).await?.id;
    let ended = wait_until("the loop to end", 2 * LONG, || async {
        let view = house.status(&id).await?;
        ensure!(view.state == WorkspaceState::Failed, "{:?} {:?}", view.state, view.health);
        Ok(Some(view))
    })
    .await?;
    let problem = ended.problem.context("why")?;
    assert_eq!(problem.code, Code::StartFailed);
    assert!(problem.message.contains("5 times within five minutes"), "{problem}");
    assert!(problem.detail.is_some_and(|detail| detail.contains("nothing will do")));
    assert_eq!(ended.health.restarts, 5);
    let told = house.told(&id).await?;
    let errors: Vec<_> = told.iter().filter(|m| m.level == slipway_wire::Level::Error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_was_due_survives_the_owner_and_the_container() -> Result<()> {
    let clock = TestClock::new();
    let house = House::with_clock(&clock, "").await?;
    let view = deployed(&house, "", Some(RestartPolicy::Always)).await?;
    let (id, url) = (view.id, view.url.context("a URL")?);
    let _page_of_ours = fetch(&format!("{url}die")).await?;
    house.is_told(&id, "started again in").await?;
    let house = House::reopen_with(house.leave().await, &clock).await?;
    house.wait_for(&id, WorkspaceState::Running).await?;
    // As when Docker itself was restarted.
    let container = house.containers().await?.pop().context("a container")?;
    docker(&["kill", &container]).await?;
    let again = |text: &'static str| house.is_told(&id, text);
    again("ended with its container").await?;
    let back = wait_until("it to run again", LONG, || async {
        let view = house.status(&id).await?;
        Ok((view.state == WorkspaceState::Running && view.problem.is_none()).then_some(view))
    })
    .await?;
    assert!(back.phases.iter().any(|phase| phase.name == PhaseName::Start));
    // A person's stop is no failure.
    assert_eq!(house.lease(&id, LeaseChange::Expire).await?.state, WorkspaceState::Stopped);
    house.look_at_the_clock(&id).await?;
    assert_eq!(house.status(&id).await?.state, WorkspaceState::Stopped);
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_answer_is_noticed_and_found_again() -> Result<()> {
    let house = House::open().await?;
    let view = deployed(&house, "", None).await?;
    is_well(&house, &view.id, HealthState::Healthy).await?;
    // PID 1 stands still; Docker knows nothing of it.
    let container = house.containers().await?.pop().context("a container")?;
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &container]).await?;
    let signal = |name: &'static str| {
        let pid = pid.trim().to_owned();
        async move {
            let status = tokio::process::Command::new("kill").args([name, &pid]).status().await?;
            ensure!(status.success(), "kill {name} {pid}: only root may");
            anyhow::Ok(())
        }
    };
    if signal("-STOP").await.is_err() {
        super::harness::skip("this user may not stop a container's process");
        return house.close().await;
    }
    is_well(&house, &view.id, HealthState::Degraded).await?;
    house.is_told(&view.id, "Degraded").await?;
    signal("-CONT").await?;
    is_well(&house, &view.id, HealthState::Healthy).await?;
    house.shell_answers(&view.id).await?;
    house.close().await
}
