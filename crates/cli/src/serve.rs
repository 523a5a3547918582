//! `slipway serve`: this process becomes the owner of the data folder until it is told to end, or, in the background,
//! until nobody has needed it for a while.

use crate::{
    args::Serve,
    exit::{Code, Failure},
    out, text,
};
use slipway_http::{Answer, Ending, Environment, Options, Owner, READY, Role, answer, own, start_log};
use slipway_wire::{Code as Why, Problem};
use std::time::Duration;

pub(crate) async fn run(args: Serve) -> Result<Code, Failure> {
    let environment = match Environment::read() {
        Ok(environment) => environment,
        Err(problem) if args.background => return Err(hand_up(&problem)),
        Err(problem) => return Err(problem.into()),
    };
    if args.stop {
        return stop(&environment, args.keep).await;
    }
    let filter = std::env::var("SLIPWAY_LOG").ok();
    start_log(&environment.places, filter.as_deref())?;
    for note in &environment.notes {
        tracing::warn!("{note}");
    }
    let role = if args.background { Role::Background } else { Role::Serve };
    if args.background {
        leave_session();
    }
    let options = Options { environment, role, listen: args.listen, origins: args.origin.clone() };
    let owner = match own(options).await {
        Ok(owner) => owner,
        Err(problem) if args.background => return Err(hand_up(&problem)),
        Err(problem) => return Err(problem.into()),
    };
    if args.background {
        // Whoever started us waits for this line and then goes away.
        out::line(READY)?;
    } else {
        greet(&owner);
    }
    let idle = args.background.then_some(args.idle);
    serve(owner, idle, args.keep).await
}

async fn serve(mut owner: Owner, idle: Option<Duration>, keep: bool) -> Result<Code, Failure> {
    let mut signals = Signals::listen()?;
    let ending = tokio::select! {
        ending = owner.ending(idle) => ending,
        () = signals.next() => Ending { keep, why: "a signal" },
    };
    tracing::info!(why = ending.why, keep = ending.keep, "ending");
    owner.shutdown(ending.keep).await;
    Ok(Code::OK)
}

/// The process that started us reads the problem from our standard output and words it.
fn hand_up(problem: &Problem) -> Failure {
    tracing::error!(%problem, "could not start");
    if let Ok(line) = serde_json::to_string(problem) {
        // If it is gone, the log tells.
        let _ = out::line(&line);
    }
    Failure::Said(Code::FAILED)
}

fn greet(owner: &Owner) {
    let paint = text::Paint::stderr();
    out::note(&format!("Serving {} at {}", owner.places().data_dir.display(), owner.socket().display()));
    if let Some(address) = owner.address() {
        out::note(&format!("Listening at {}", paint.bold(&format!("http://{address}"))));
        out::note(&format!("The token is in {}", owner.places().token.display()));
    }
    out::note("Ctrl-C ends it.");
}

async fn stop(environment: &Environment, keep: bool) -> Result<Code, Failure> {
    match answer(&environment.places).await {
        Answer::Owner(client, _) => {
            client.stop(keep).await?;
            Ok(Code::OK)
        }
        Answer::Nobody(_) => Err(Problem::new(Why::NotFound, "No `slipway serve` is running.").into()),
    }
}

/// Becomes the leader of a session of its own, so that closing the terminal does not end it.
#[cfg(unix)]
fn leave_session() {
    if let Err(error) = rustix::process::setsid() {
        // A leader already, as under a service manager: that is as good.
        tracing::debug!(%error, "kept its session");
    }
}

#[cfg(not(unix))]
fn leave_session() {}

/// What asks a server to end.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
