//! Owners and clients of a data folder, with the real engine and a Docker address where nothing listens: who may own
//! it, how one makes room for another, and what a client sees of that.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test, in helpers too")]

use slipway_engine::DockerHints;
use slipway_http::{Answer, Environment, Options, Owner, Places, Role, answer, own, take_over};
use slipway_wire::{Api as _, Client, Code, EventBody, Nothing, Preset, Problem, Theme};
use std::{future::Future, path::Path, time::Duration};

const LONG: Duration = Duration::from_mins(1);

fn options(data: &Path, role: Role) -> Options {
    let docker_host = Some(format!("unix://{}", data.join("no.sock").display()));
    let environment = Environment {
        places: Places::find(Some(data), None).unwrap(),
        docker: DockerHints { docker_host, ..DockerHints::default() },
        agents: Vec::new(),
        samples_dir: None,
        proxy: None,
        trusted_networks: Vec::new(),
        notes: Vec::new(),
        certificate_files: Vec::new(),
    };
    Options { environment, role, listen: None, origins: Vec::new() }
}

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(value) = tokio::time::timeout(LONG, future).await else { panic!("waited in vain for {what}") };
    value
}

/// An owner that does what its program does: ends when it is asked to.
async fn serving(data: &Path, role: Role) -> tokio::task::JoinHandle<()> {
    let mut owner = own(options(data, role)).await.unwrap();
    tokio::spawn(async move {
        let ending = owner.ending(None).await;
        owner.shutdown(ending.keep).await;
    })
}

async fn refused(attempt: impl Future<Output = Result<Owner, Problem>>) -> Problem {
    match within("an answer", attempt).await {
        Ok(_) => panic!("two owners of one folder"),
        Err(problem) => problem,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_owner_at_a_time() {
    let temp = tempfile::tempdir().unwrap();
    let first = own(options(temp.path(), Role::App)).await.unwrap();
    assert_eq!(refused(own(options(temp.path(), Role::Serve))).await.code, Code::OwnerBusy);
    let problem = refused(take_over(options(temp.path(), Role::App))).await;
    assert_eq!(problem.code, Code::OwnerBusy);
    assert!(problem.hint.is_some_and(|hint| hint.contains("window")));
    first.shutdown(false).await;
    assert!(matches!(answer(&Places::find(Some(temp.path()), None).unwrap()).await, Answer::Nobody(_)));
    own(options(temp.path(), Role::Serve)).await.unwrap().shutdown(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_owner_makes_room_and_clients_see_it_as_a_gap() {
    let temp = tempfile::tempdir().unwrap();
    let background = serving(temp.path(), Role::Background).await;
    let places = Places::find(Some(temp.path()), None).unwrap();
    let Answer::Owner(client, health) = answer(&places).await else { panic!("no owner answers") };
    assert_eq!(health.role, Role::Background);
    let api = Client(client.clone());
    let mut events = client.events(None).await.unwrap();

    let mut settings = api.settings_get(Nothing {}).await.unwrap();
    settings.preset = Preset::Large;
    api.settings_set(settings.clone()).await.unwrap();
    let seen = within("the change", async {
        loop {
            if let EventBody::Settings(seen) = events.next().await.unwrap().body {
                return *seen;
            }
        }
    });
    assert_eq!(seen.await, settings);

    let app = within("the handover", take_over(options(temp.path(), Role::App))).await.unwrap();
    within("the background owner's end", background).await.unwrap();
    within("a gap", async { while !matches!(events.next().await.unwrap().body, EventBody::Gap) {} }).await;
    settings.theme = Theme::Dark;
    api.settings_set(settings.clone()).await.unwrap();
    let seen = within("a change at the new owner", async {
        loop {
            if let EventBody::Settings(seen) = events.next().await.unwrap().body {
                return *seen;
            }
        }
    });
    assert_eq!(seen.await, settings);
    assert_eq!(client.handover().await.unwrap_err().code, Code::OwnerBusy);
    app.shutdown(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_owner_wants_to_end_but_not_while_somebody_listens() {
    let temp = tempfile::tempdir().unwrap();
    let idle = Duration::from_millis(200);
    let mut owner = own(options(temp.path(), Role::Background)).await.unwrap();
    let Answer::Owner(client, _) = answer(owner.places()).await else { panic!("no owner answers") };
    let events = client.events(None).await.unwrap();
    assert!(tokio::time::timeout(idle * 5, owner.ending(Some(idle))).await.is_err());
    drop(events);
    assert!(within("the idle end", owner.ending(Some(idle))).await.keep);
    owner.shutdown(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_come_through_whole_and_unknown_commands_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let owner = own(options(temp.path(), Role::Serve)).await.unwrap();
    let Answer::Owner(client, _) = answer(owner.places()).await else { panic!("no owner answers") };
    let unknown = slipway_wire::Transport::call(&client, "no.such", b"{}".to_vec()).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    let malformed = slipway_wire::Transport::call(&client, "workspace.stop", b"{\"id\":3}".to_vec()).await;
    assert_eq!(malformed.unwrap_err().code, Code::Invalid);
    let id = "nothing-here".parse().unwrap();
    let absent = Client(client).workspace_stop(slipway_wire::WorkspaceRef { id }).await.unwrap_err();
    assert_eq!(absent.code, Code::NotFound);
    owner.shutdown(false).await;
}
