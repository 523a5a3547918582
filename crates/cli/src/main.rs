//! `slipway`, the command line: reads arguments, asks the owner of the data folder, shows what it answers. Product
//! decisions live in the engine; a command here only words them. Exit codes are in `exit`.

mod args;
mod browser;
mod copy;
mod deploy;
mod docs;
mod doctor;
mod exec;
mod exit;
mod interrupts;
mod lease;
mod limits;
mod line;
mod list;
mod logs;
mod manage;
mod metrics;
mod network;
mod out;
mod pool;
mod processes;
mod restart;
mod serve;
mod session;
mod settings;
mod shell;
mod snapshot;
mod stats;
mod status;
mod sync;
mod text;

use args::{Cli, Command};
use clap::Parser as _;
use exit::{Code, Failure};

fn main() {
    let cli = Cli::parse();
    let json = cli.command.json();
    let code = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(cli.command));
            // A thread may still wait in a read of standard input, which nothing can end: no joining.
            runtime.shutdown_background();
            ended.unwrap_or_else(|failure| failure.report(json))
        }
        Err(error) => {
            Failure::usage(format!("This machine gave no threads to run on: {error}.")).report(json)
        }
    };
    std::process::exit(code.into())
}

async fn run(command: Command) -> Result<Code, Failure> {
    match command {
        Command::Deploy(args) => deploy::run(*args).await,
        Command::Ps(args) => list::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Stats(args) => stats::run(args).await,
        Command::Limits(args) => limits::run(args).await,
        Command::Metrics(_) => metrics::run().await,
        Command::Shell(args) => shell::run(args).await,
        Command::Exec(args) => exec::run(args).await,
        Command::Top(args) => processes::top(args).await,
        Command::Kill(args) => processes::kill(args).await,
        Command::Logs(args) => logs::run(*args).await,
        Command::Cp(args) => copy::run(args).await,
        Command::Sync(args) => sync::run(*args).await,
        Command::Open(args) => browser::run(args).await,
        Command::Stop(args) => manage::stop(args).await,
        Command::Start(args) => manage::start(args).await,
        Command::Restart(args) => manage::restart(args).await,
        Command::RestartPolicy(args) => restart::run(args).await,
        Command::Rm(args) => manage::remove(args).await,
        Command::Lease(args) => lease::run(args).await,
        Command::Network(args) => network::run(args).await,
        Command::Pool(args) => pool::run(args).await,
        Command::Snapshot(args) => snapshot::run(*args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Settings(args) => settings::run(args).await,
        Command::Completions(args) => docs::completions(&args),
        Command::Man(args) => docs::man(&args),
    }
}
