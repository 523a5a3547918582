//! Processes started by Exec: the table of those that have a history, their start, their end, their signals. What
//! belongs to one connection is not kept here: processes outlive connections.

mod environment;
mod everyone;
mod history;
mod input;
mod output;
mod pump;
mod signal;
mod silence;
mod start;

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal};
use slipway_agent_api::v1;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(crate) use self::environment::own_path;
pub(crate) use self::everyone::list as everyone;
pub(crate) use self::input::Input;
pub(crate) use self::output::{Event, Output, Reader};
pub(crate) use self::start::{StartError, shell};
use crate::procfs;
use crate::reaper::{Ended, Reaper};

/// Processes with a history, running and ended together.
const PROCESSES: usize = 256;

/// What histories of ended processes may hold together, in bytes. The oldest are forgotten beyond it.
const ENDED_HISTORY: usize = 24 * 1024 * 1024;

/// How long an orderly shutdown waits between TERM and KILL. Under docker's own ten seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
const SHUTDOWN_ROUND: Duration = Duration::from_millis(10);

/// Why a request about processes was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("256 processes are running already: end one first")]
    TooMany,
    #[error("no process {0:?} is known here: it was forgotten, or the container was restarted")]
    Unknown(String),
    #[error("process {0} is still running: end it before forgetting it")]
    Running(String),
    #[error("{0} is not a signal that can be sent")]
    BadSignal(i32),
    #[error("there is no process {0}: it has ended")]
    Gone(u32),
    #[error("process {0} keeps the workspace itself running: stop the workspace instead")]
    Ours(u32),
    #[error("process {0} belongs to another user, who does not let it be signalled")]
    NotAllowed(u32),
}

/// One process started by Exec.
pub(crate) struct Process {
    pub(crate) id: String,
    pub(crate) pid: Pid,
    pub(crate) input: Input,
    pub(crate) output: Arc<Output>,
    description: v1::Process,
    /// What it was started with, so that it can be started again.
    asked: v1::ExecRequest,
    started: Instant,
    running: watch::Receiver<bool>,
    /// Memory the history holds once the process has ended, in bytes.
    kept: AtomicUsize,
    pumps: Vec<AbortHandle>,
}

impl Process {
    fn is_running(&self) -> bool {
        !*self.running.borrow()
    }

    /// What is known of it now.
    fn describe(&self) -> v1::Process {
        let (bytes, exit) = self.output.standing();
        let started_ms_ago = self.started.elapsed().as_millis() as u64;
        v1::Process { bytes, exit, started_ms_ago, ..self.description.clone() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for pump in &self.pumps {
            pump.abort();
        }
    }
}

/// All processes that have a history, oldest first.
pub(crate) struct Processes {
    table: Mutex<VecDeque<Arc<Process>>>,
    reaper: Arc<Reaper>,
    /// The agent's boot id begins every process id, so that an id from before a restart names nothing.
    prefix: String,
    next: AtomicU64,
    /// When something was last started: port discovery looks more often then.
    starts: watch::Sender<Instant>,
}

impl Processes {
    /// An empty table whose ids begin with `prefix`.
    pub(crate) fn new(prefix: &str, reaper: Arc<Reaper>) -> Self {
        Self {
            table: Mutex::default(),
            reaper,
            prefix: prefix.to_owned(),
            next: AtomicU64::new(1),
            starts: watch::Sender::new(Instant::now()),
        }
    }

    /// When something was last started; before the first, when the agent was.
    pub(crate) fn starts(&self) -> watch::Receiver<Instant> {
        self.starts.subscribe()
    }

    /// Starts a process. Must run on the runtime's own thread (see [`Reaper::expect`]).
    pub(crate) fn exec(self: &Arc<Self>, request: v1::ExecRequest) -> Result<v1::ExecReply, ProcessError> {
        let first = request.cwd.clone();
        self.begin(request, first)
    }

    /// `first` is the folder that a restart goes back to when the one it is asked for is gone.
    fn begin(
        self: &Arc<Self>,
        request: v1::ExecRequest,
        first: Bytes,
    ) -> Result<v1::ExecReply, ProcessError> {
        self.make_room()?;
        let id = format!("{}-{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed));
        let started = start::start(&request, &id)?;
        let exit = self.reaper.expect(started.pid);
        let pid = started.pid.as_raw_nonzero().get() as u32;
        let (end, running) = watch::channel(false);
        let output = Arc::new(Output::new(request.history));
        let (mut pumps, mut drained) = (Vec::new(), Vec::new());
        for (stream, source) in started.sources {
            let pump = pump::Pump { source, stream, output: Arc::clone(&output), ended: running.clone() };
            let (tell, told) = oneshot::channel();
            pumps.push(tokio::spawn(pump.run(tell)).abort_handle());
            drained.push(told);
        }
        let description = v1::Process {
            process: id.clone(),
            pid,
            name: request.name.clone(),
            tag: request.tag.clone(),
            argv: started.argv.iter().map(|argument| Bytes::copy_from_slice(argument.as_bytes())).collect(),
            cwd: Bytes::copy_from_slice(started.cwd.as_os_str().as_bytes()),
            pty: request.pty.is_some(),
            ..v1::Process::default()
        };
        let process = Arc::new(Process {
            id: id.clone(),
            pid: started.pid,
            input: started.input,
            output,
            description,
            asked: v1::ExecRequest { cwd: first, ..request },
            started: Instant::now(),
            running,
            kept: AtomicUsize::new(0),
            pumps,
        });
        self.table().push_back(Arc::clone(&process));
        self.starts.send_replace(Instant::now());
        tokio::spawn(Arc::clone(self).supervise(process, exit, end, drained));
        Ok(v1::ExecReply { process: id, pid })
    }

    /// Starts again what a process was, in a folder that may be gone meanwhile. On the runtime's own thread, as `exec`.
    pub(crate) fn again(self: &Arc<Self>, request: v1::AgainRequest) -> Result<v1::ExecReply, ProcessError> {
        let mut asked = self.get(&request.process)?.asked.clone();
        if asked.pty.is_some() && request.pty.is_some() {
            asked.pty = request.pty;
        }
        let first = asked.cwd.clone();
        let there = |cwd: &Bytes| {
            let path = std::path::Path::new(std::ffi::OsStr::from_bytes(cwd));
            path.is_absolute() && path.is_dir()
        };
        // Both may be gone; the workspace is not.
        asked.cwd = [request.cwd, first.clone()].into_iter().find(there).unwrap_or_default();
        self.begin(asked, first)
    }

    /// Waits for the end of one process, for the last of its output, and tells both.
    async fn supervise(
        self: Arc<Self>,
        process: Arc<Process>,
        exit: oneshot::Receiver<Ended>,
        end: watch::Sender<bool>,
        drained: Vec<oneshot::Receiver<()>>,
    ) {
        // The reaper lives as long as the program.
        let Ok(Ended { code, signal }) = exit.await else { return };
        end.send_replace(true);
        for pump in drained {
            // An aborted pump has nothing more to bring.
            let _ = pump.await;
        }
        let kept = process.output.end(code, signal);
        process.kept.store(kept, Ordering::Relaxed);
        self.forget_beyond(ENDED_HISTORY);
    }

    /// The process of that id.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Process>, ProcessError> {
        let found = self.table().iter().find(|process| process.id == id).cloned();
        found.ok_or_else(|| ProcessError::Unknown(id.chars().take(64).collect()))
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<v1::Process> {
        self.table().iter().map(|process| process.describe()).collect()
    }

    /// Drops the history of an ended process.
    pub(crate) fn forget(&self, id: &str) -> Result<(), ProcessError> {
        let process = self.get(id)?;
        if process.is_running() {
            return Err(ProcessError::Running(process.id.clone()));
        }
        self.table().retain(|other| other.id != id);
        Ok(())
    }

    /// Signals a process, its foreground or its tree. Returns how many groups or processes were signalled.
    pub(crate) async fn signal(
        &self,
        id: &str,
        number: i32,
        scope: v1::signal_request::Scope,
    ) -> Result<u32, ProcessError> {
        let process = self.get(id)?;
        let signal = Signal::from_named_raw(number).ok_or(ProcessError::BadSignal(number))?;
        Ok(match scope {
            v1::signal_request::Scope::Foreground => signal::foreground(&process, signal),
            v1::signal_request::Scope::Tree => signal::tree(&process, signal).await,
            v1::signal_request::Scope::Process => signal::single(&process, signal),
        })
    }

    /// Signals any process by its number, alone or with all that descends from it. Returns how many were signalled.
    pub(crate) async fn kill(&self, request: v1::KillRequest) -> Result<u32, ProcessError> {
        let signal = Signal::from_named_raw(request.signal).ok_or(ProcessError::BadSignal(request.signal))?;
        let root = i32::try_from(request.pid).ok().and_then(procfs::stat);
        let root = root.filter(|stat| !stat.zombie && (request.born == 0 || stat.born == request.born));
        let root = root.ok_or(ProcessError::Gone(request.pid))?;
        if signal::is_ours(root.pid) {
            return Err(ProcessError::Ours(request.pid));
        }
        let started =
            self.table().iter().find(|p| p.is_running() && p.pid.as_raw_nonzero().get() == root.pid).cloned();
        let signalled = match started {
            Some(process) if request.tree => signal::tree(&process, signal).await,
            _ if request.tree => signal::below(&root, signal).await,
            _ => u32::from(signal::exactly(&root, signal)),
        };
        if signalled == 0 && procfs::stat(root.pid).is_some_and(|now| now.born == root.born && !now.zombie) {
            return Err(ProcessError::NotAllowed(request.pid));
        }
        Ok(signalled)
    }

    /// The Exec process that `pid` descends from: by parent or session, or by the id it carries.
    pub(crate) fn owner(&self, pid: i32) -> Option<String> {
        // The newest first, and an ended one only by a session whose leader's number nobody has taken over.
        let by_pid = |pid: i32, alive: bool| {
            let table = self.table();
            let found = table.iter().rev().find(|process| process.pid.as_raw_nonzero().get() == pid);
            found.filter(|process| process.is_running() == alive).map(|process| process.id.clone())
        };
        let mut next = pid;
        // Deeper than any real tree; a bound, since the tree changes while it is walked.
        for _ in 0..64 {
            let Some(stat) = procfs::stat(next) else { break };
            if let Some(id) = by_pid(stat.session, procfs::stat(stat.session).is_some()) {
                return Some(id);
            }
            if stat.parent <= 1 {
                break;
            }
            next = stat.parent;
        }
        procfs::carried_process(pid).filter(|id| self.get(id).is_ok())
    }

    /// Ends all processes in an orderly way: TERM, a short grace, KILL.
    pub(crate) async fn shut_down(&self) {
        let processes: Vec<_> = self.table().iter().cloned().collect();
        for process in &processes {
            signal::tree(process, Signal::TERM).await;
            // A stopped process takes TERM only when it is continued.
            signal::tree(process, Signal::CONT).await;
            // Shells at a prompt ignore TERM; a terminal that goes away they understand.
            let leader = process.pid.as_raw_nonzero().get();
            if process.is_running() && procfs::ignores(leader, Signal::TERM.as_raw()) {
                signal::single(process, Signal::HUP);
            }
        }
        let deadline = Instant::now() + SHUTDOWN_GRACE;
        while Instant::now() < deadline
            && processes.iter().any(|process| signal::living(process).next().is_some())
        {
            tokio::time::sleep(SHUTDOWN_ROUND).await;
        }
        for process in &processes {
            signal::tree(process, Signal::KILL).await;
        }
        // Killed and not collected they would outlive the agent as zombies.
        self.reaper.reap();
    }

    /// Ends all processes, and then whatever else runs in the container, whoever started it and however it hides. Returns
    /// how many live on.
    pub(crate) async fn end_all(&self) -> u32 {
        self.shut_down().await;
        signal::everybody().await
    }

    fn make_room(&self) -> Result<(), ProcessError> {
        let mut table = self.table();
        while table.len() >= PROCESSES {
            let oldest =
                table.iter().position(|process| !process.is_running()).ok_or(ProcessError::TooMany)?;
            table.remove(oldest);
        }
        Ok(())
    }

    fn forget_beyond(&self, bytes: usize) {
        let mut table = self.table();
        let mut kept: usize = table.iter().map(|process| process.kept.load(Ordering::Relaxed)).sum();
        while kept > bytes {
            let Some(oldest) = table.iter().position(|process| process.kept.load(Ordering::Relaxed) > 0)
            else {
                return;
            };
            kept -= table.remove(oldest).map_or(0, |process| process.kept.load(Ordering::Relaxed));
        }
    }

    fn table(&self) -> MutexGuard<'_, VecDeque<Arc<Process>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
