//! `init`: what runs as PID 1. Sets the process up, serves the contract on the abstract socket, reaps, and ends in an
//! orderly way on TERM or INT, or when the engine says so. One thread runs everything but blocking file work.

use std::io;
use std::sync::Arc;

use nix::sys::signal::SigSet;
use rustix::process::DumpableBehavior;
use tokio::sync::Notify;

use crate::arguments::InitOptions;
use crate::egress::{self, Gate};
use crate::listener;
use crate::process::Processes;
use crate::reaper::Reaper;
use crate::service::Service;
use crate::signals::{Event, Signals};
use crate::stdio;

/// Threads for blocking file work at one time.
const BLOCKING_THREADS: usize = 8;

/// Runs until TERM, INT or `ShutDown`.
pub(crate) fn run(options: &InitOptions) -> io::Result<()> {
    // Code under the same user must not be able to trace PID 1 or read its memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // PID 1 is given orphans anyway; elsewhere (tests) this makes it so.
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    let signals = Signals::block()?;
    crate::sys::return_large_memory();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(512 * 1024)
        .on_thread_start(crate::procfs::own_thread_started)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .build()?;
    runtime.block_on(serve(options, &signals))
}

async fn serve(options: &InitOptions, signals: &SigSet) -> io::Result<()> {
    let signals = Signals::listen(signals)?;
    let boot_id = boot_id()?;
    let reaper = Arc::new(Reaper::default());
    let processes = Arc::new(Processes::new(&boot_id[..8], Arc::clone(&reaper)));
    let socket = listener::bind(&options.socket)?;
    let gate = Gate::new();
    let egress_port = match egress::bind(options.egress_port).await {
        Ok(proxy) => {
            let port = proxy.local_addr()?.port();
            tokio::spawn(egress::serve(proxy, Arc::clone(&gate)));
            port
        }
        // Without it programs have no way out, but everything else works: 0 tells the engine.
        Err(error) => {
            crate::complain(&format!(
                "slipway-agent: no outgoing proxy on port {}: {error}\n",
                options.egress_port
            ));
            0
        }
    };
    let end = Arc::new(Notify::new());
    let service = Service::new(boot_id, Arc::clone(&processes), gate, egress_port, Arc::clone(&end));
    let server = listener::server(service);
    if options.stdio {
        tokio::spawn(stdio::serve(stdio::take()?, server.clone()));
    }
    tokio::spawn(listener::serve(socket, server));
    reaper.reap();
    loop {
        tokio::select! {
            event = signals.next() => match event? {
                Event::ChildEnded => reaper.reap(),
                Event::ShutDown => break,
            },
            () = end.notified() => break,
        }
    }
    // Children go on ending while they are being ended.
    let reaping = tokio::spawn(async move {
        while signals.next().await.is_ok() {
            reaper.reap();
        }
    });
    processes.shut_down().await;
    reaping.abort();
    Ok(())
}

/// 32 random hexadecimal digits, new at every start.
fn boot_id() -> io::Result<String> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}
