//! Base images from a real registry: pulled with progress, with the login of the Docker configuration, and refused with
//! the reason. The engine is the test's own, on a small disk, so nobody's images are touched and it can be filled.

use super::harness::{House, LONG, config, fetch, request, skip};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use slipway_engine::{Config, DockerHints, Engine};
use slipway_tests::{
    private_engine::PrivateEngine,
    registry::{PASSWORD, Registry, USER},
    wait_until,
};
use slipway_wire::{
    Api, Code, EventBody, Phase, PhaseName, Problem, Workspace, WorkspaceRef, WorkspaceState,
};
use std::{fs, path::Path};

const MB: u64 = 1_000_000;

/// A registry and an engine that can pull from it; `None` with the reason where this machine allows neither.
async fn quay(room: &str, asks_for_a_login: bool) -> Result<Option<(PrivateEngine, Registry)>> {
    let Some(engine) = PrivateEngine::start(room).await? else {
        skip("this user may not start a Docker engine");
        return Ok(None);
    };
    let Some(registry) = Registry::start(&engine, asks_for_a_login).await? else {
        skip("there is no docker-registry program");
        return Ok(None);
    };
    if asks_for_a_login {
        engine.docker(&["login", "--username", USER, "--password", PASSWORD, registry.address()]).await?;
    }
    Ok(Some((engine, registry)))
}

/// Puts an image into the registry and takes it out of the engine again. Its name.
async fn stocked(engine: &PrivateEngine, registry: &Registry, name: &str, mb: u64) -> Result<String> {
    let image = registry.image(name);
    engine.make_image(&image, 3, mb * MB / 3).await?;
    engine.docker(&["push", "--quiet", &image]).await?;
    engine.docker(&["rmi", "--force", &image]).await?;
    engine.docker(&["image", "prune", "--force"]).await?;
    Ok(image)
}

/// A Slipway on that engine, with a person's Docker configuration or none.
async fn house(engine: &PrivateEngine, logins: Option<&Path>) -> Result<House> {
    let data = tempfile::tempdir()?;
    let docker = DockerHints {
        docker_host: Some(engine.host()),
        config_dir: logins.map(Path::to_owned),
        ..DockerHints::default()
    };
    let engine = Engine::open(Config { docker, ..config(data.path())? }).await?;
    Ok(House { engine, data })
}

/// Deploys one page on an image. The engine's disk is small on purpose, which the host guard would refuse.
async fn deploy(house: &House, image: &str) -> Result<Workspace> {
    let site = house.data.path().join("site");
    fs::create_dir_all(&site)?;
    fs::write(site.join("index.html"), "<h1>ashore</h1>")?;
    let request =
        slipway_wire::DeployRequest { image: Some(image.to_owned()), force: true, ..request(&site) };
    Ok(house.engine.workspace_deploy(request).await?)
}

/// Deploys on an image and must be refused: why.
async fn refused(house: &House, image: &str) -> Result<Problem> {
    let made = deploy(house, image).await?;
    let view = wait_until(&format!("the deploy on {image} to end"), LONG, async || {
        let view = house.status(&made.id).await?;
        ensure!(view.state != WorkspaceState::Creating, "it is {view:?}");
        Ok(Some(view))
    })
    .await?;
    ensure!(view.state == WorkspaceState::Terminated, "nothing was made: {view:?}");
    let problem = view.problem.context("what ended badly says why")?;
    ensure!(problem.hint.is_some() && problem.detail.is_some(), "{problem:?} has no way on");
    Ok(problem)
}

async fn answers(house: &House, made: &Workspace) -> Result<()> {
    let running = house.wait_for(&made.id, WorkspaceState::Running).await?;
    let (status, body) = fetch(&running.url.context("a URL")?).await?;
    ensure!(status == 200 && body.contains("ashore"), "{status}: {body}");
    Ok(())
}

/// Removes the workspaces, ends Slipway and then the engine.
async fn leave(house: House, engine: PrivateEngine) -> Result<()> {
    for view in house.engine.workspace_list(slipway_wire::Nothing {}).await? {
        house.engine.workspace_remove(WorkspaceRef { id: view.id }).await?;
    }
    house.engine.shutdown(LONG, true).await;
    let left = engine.docker(&["ps", "--all", "--quiet"]).await?;
    ensure!(left.trim().is_empty(), "containers are left: {left}");
    engine.stop().await
}

/// What was told of the image's phase since the engine was opened.
async fn told_of_the_image(house: &House) -> Vec<Phase> {
    let mut events = house.engine.events(Some(0));
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::ZERO, events.next()).await {
        if let EventBody::Workspace(view) = event.body {
            told.extend(view.phases.into_iter().filter(|phase| phase.name == PhaseName::Image));
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_with_progress_in_bytes_and_layers() -> Result<()> {
    let Some((engine, registry)) = quay("400m", false).await? else { return Ok(()) };
    let image = stocked(&engine, &registry, "slipway-test/laden:1", 60).await?;
    let house = house(&engine, None).await?;
    let made = deploy(&house, &image).await?;
    answers(&house, &made).await?;
    let told = told_of_the_image(&house).await;
    let pulling: Vec<_> = told.iter().filter(|phase| phase.total.is_some_and(|total| total > 0)).collect();
    ensure!(!pulling.is_empty(), "no progress was told: {told:?}");
    for phase in &pulling {
        ensure!(phase.done <= phase.total, "{phase:?}");
        let detail = phase.detail.as_deref().unwrap_or_default();
        ensure!(detail.contains("Pulling") && detail.contains(" of 3"), "{phase:?}");
    }
    ensure!(pulling.is_sorted_by_key(|phase| phase.total), "what there is to pull became less: {pulling:?}");
    // It is here now: neither registry nor network are asked again.
    drop(registry);
    let again = deploy(&house, &image).await?;
    answers(&house, &again).await?;
    leave(house, engine).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_needs_the_login_that_docker_keeps() -> Result<()> {
    let Some((engine, registry)) = quay("100m", true).await? else { return Ok(()) };
    let image = stocked(&engine, &registry, "slipway-test/private:1", 1).await?;
    let wrong = tempfile::tempdir()?;
    let login = serde_json::json!({ "auths": { registry.address(): { "auth": "YW5uOnNoZWxscw==" } } });
    fs::write(wrong.path().join("config.json"), login.to_string())?;
    for logins in [None, Some(wrong.path())] {
        let stranger = house(&engine, logins).await?;
        let problem = refused(&stranger, &image).await?;
        ensure!(problem.code == Code::ImageDenied, "{problem:?}");
        ensure!(problem.hint.as_deref().is_some_and(|hint| hint.contains("docker login")), "{problem:?}");
        stranger.engine.shutdown(LONG, true).await;
    }
    let logins = engine.config_dir();
    let house = house(&engine, Some(&logins)).await?;
    let made = deploy(&house, &image).await?;
    answers(&house, &made).await?;
    let told = serde_json::to_string(&told_of_the_image(&house).await)?;
    ensure!(!told.contains(PASSWORD), "the password was told");
    leave(house, engine).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_fails_says_why_and_makes_nothing() -> Result<()> {
    let Some((engine, mut registry)) = quay("100m", false).await? else { return Ok(()) };
    stocked(&engine, &registry, "slipway-test/there:1", 1).await?;
    let house = house(&engine, None).await?;
    let problem = refused(&house, &registry.image("slipway-test/there:2")).await?;
    ensure!(problem.code == Code::ImageNotFound, "no such tag: {problem:?}");
    let problem = refused(&house, &registry.image("slipway-test/elsewhere:1")).await?;
    ensure!(problem.code == Code::ImageNotFound, "no such name: {problem:?}");
    registry.stop().await?;
    let problem = refused(&house, &registry.image("slipway-test/there:1")).await?;
    ensure!(problem.code == Code::ImageUnreachable, "no registry: {problem:?}");
    leave(house, engine).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_room_says_so_and_goes_on_when_there_is_some() -> Result<()> {
    let Some((engine, registry)) = quay("100m", false).await? else { return Ok(()) };
    let image = stocked(&engine, &registry, "slipway-test/laden:1", 30).await?;
    let house = house(&engine, None).await?;
    let ballast = engine.disk.fill()?;
    let problem = refused(&house, &image).await?;
    ensure!(problem.code == Code::DiskFull, "while pulling: {problem:?}");
    ensure!(problem.hint.as_deref().is_some_and(|hint| hint.contains("docker system df")), "{problem:?}");
    fs::remove_file(&ballast)?;
    let made = deploy(&house, &image).await?;
    answers(&house, &made).await?;

    // Full again: what runs goes on, and nothing new is half made.
    let ballast = engine.disk.fill()?;
    let problem = refused(&house, &image).await?;
    ensure!(problem.code == Code::DiskFull, "while making a container: {problem:?}");
    answers(&house, &made).await?;
    fs::remove_file(&ballast)?;
    let again = deploy(&house, &image).await?;
    answers(&house, &again).await?;
    leave(house, engine).await
}
