//! The host tab: a shell of this machine, outside every container, with all the rights of the person. It is reached by
//! the interface's own bridge and by nothing else, and only while it is switched on in this app's own file: no command of
//! the engine, no socket and no page can switch it on or speak with it.

use bytes::Bytes;
use slipway_host_shell::{Exit, HostShell, HostShellError, Options, Output, Size, open};
use slipway_wire::{Code, Frame, FrameKind, Problem, ProcessExit};
use std::{
    ffi::OsString,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tauri::async_runtime::JoinHandle;
use tokio::sync::mpsc;

use crate::app::Desktop;

/// Of one app, at most.
const MOST: usize = 8;
/// Pieces of output between the shell and what goes to the interface.
const AHEAD: usize = 1;
/// How long the app waits at its end for shells that were told to end.
const ENDING: Duration = Duration::from_secs(2);

/// Shells that were started and have not ended: each a task that waits for its end.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<Vec<JoinHandle<()>>>);

impl Hosts {
    fn living(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !one.inner().is_finished());
        all
    }

    /// Waits for those that were told to end.
    pub(crate) async fn end(&self) {
        let all = std::mem::take(&mut *self.living());
        let ended = async {
            for one in all {
                // Only a runtime that is going down ends one otherwise.
                let _ = one.await;
            }
        };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("a shell of the host tab did not end; its terminal goes away with the app");
        }
    }
}

/// A shell and what it prints, as the interface's streams have it.
pub(super) struct Opened {
    pub(super) shell: Arc<HostShell>,
    pub(super) output: mpsc::Receiver<Frame<Bytes>>,
}

/// Starts one, if that is switched on.
pub(super) fn start(desktop: &Desktop, columns: u16, rows: u16) -> Result<Opened, Problem> {
    if !desktop.remembered.get().host_shell {
        return Err(Problem::new(Code::Refused, "The host shell is switched off.")
            .hint("Switch it on in the settings, under Terminal."));
    }
    let mut living = desktop.hosts.living();
    if living.len() >= MOST {
        return Err(Problem::new(Code::Limit, format!("{MOST} shells of this machine run already."))
            .hint("Close one of them."));
    }
    let without = [run_variable(), "TAURI_WEBVIEW_AUTOMATION"].map(OsString::from).to_vec();
    let options = Options { without, ..Options::default() };
    let (shell, output) = open(&options, Size { columns, rows }).map_err(|e| problem(&e))?;
    living.push(tauri::async_runtime::spawn(shell.ended()));
    let (to, frames) = mpsc::channel(AHEAD);
    tauri::async_runtime::spawn(carry(output, to));
    Ok(Opened { shell: Arc::new(shell), output: frames })
}

/// The mark by which what this run leaves behind is found: a shell is no such thing.
#[cfg(target_os = "linux")]
fn run_variable() -> &'static str {
    crate::run_mark::VARIABLE
}

#[cfg(not(target_os = "linux"))]
fn run_variable() -> &'static str {
    "SLIPWAY_RUN_MARK"
}

/// Numbers the output by bytes and makes frames of it, until nobody takes them.
async fn carry(mut output: mpsc::Receiver<Output>, to: mpsc::Sender<Frame<Bytes>>) {
    let mut offset = 0;
    while let Some(one) = output.recv().await {
        let frame = match one {
            Output::Bytes(payload) => Frame { kind: FrameKind::Terminal, offset, payload },
            Output::Exit(Exit { code, signal }) => {
                let Frame { kind, offset, payload } = Frame::exit(&ProcessExit { code, signal }, offset);
                Frame { kind, offset, payload: payload.into() }
            }
        };
        if frame.kind == FrameKind::Terminal {
            offset += frame.payload.len() as u64;
        }
        if to.send(frame).await.is_err() {
            return;
        }
    }
}

pub(super) fn resize(shell: &HostShell, columns: u16, rows: u16) -> Result<(), Problem> {
    shell.resize(Size { columns, rows }).map_err(|e| problem(&e))
}

pub(super) async fn write(shell: &HostShell, bytes: Bytes) -> Result<(), Problem> {
    shell.write(bytes).await.map_err(|e| problem(&e))
}

fn problem(error: &HostShellError) -> Problem {
    match error {
        HostShellError::Start(why) => {
            Problem::new(Code::Internal, "The shell of this machine did not start.")
                .hint("See that your login shell is installed.")
                .detail(why)
        }
        HostShellError::Size => Problem::new(Code::Invalid, "A terminal has 1 to 1,000 columns and rows."),
        HostShellError::Ended => Problem::new(Code::WrongState, "The shell has ended."),
        HostShellError::Full => Problem::new(Code::Limit, "The program does not read its input.")
            .hint("Wait for it, or press Ctrl+C."),
        HostShellError::Resize(why) => {
            Problem::new(Code::Internal, "The terminal's size could not be changed.").detail(why)
        }
    }
}
