//! One shell and its three threads.

use bytes::Bytes;
use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, native_pty_system};
use std::{
    io::{Read, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{HostShellError, Options, Output, PIECE, PIECES, Size, WAITING_INPUT, system};

/// From being asked to end to being killed.
const GRACE: Duration = Duration::from_secs(1);
/// After the exit, for the rest of the output: what was left behind may hold the terminal open.
const REST: Duration = Duration::from_secs(2);

type Written = oneshot::Sender<()>;

/// A shell that runs, or ran. Dropping it ends it.
pub struct HostShell {
    control: Arc<Control>,
    input: mpsc::Sender<(Bytes, Written)>,
}

impl std::fmt::Debug for HostShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostShell").finish_non_exhaustive()
    }
}

/// What the threads share.
struct Control {
    /// The terminal's end here; gone when the shell is over.
    master: Mutex<Option<Box<dyn MasterPty + Send>>>,
    /// Names the shell only while it has not been collected, so that no other process is ever hit.
    target: Mutex<Option<system::Target>>,
    /// The shell has ended.
    over: watch::Sender<bool>,
    ends: Mutex<Ends>,
    ended_now: Condvar,
}

/// What has come to its end.
#[derive(Default)]
struct Ends {
    shell: bool,
    output: bool,
}

impl Control {
    fn note(&self, end: impl FnOnce(&mut Ends)) {
        end(&mut lock(&self.ends));
        self.ended_now.notify_all();
    }

    /// Waits for an end, not for ever.
    fn wait(&self, patience: Duration, end: impl Fn(&Ends) -> bool) {
        let ends = lock(&self.ends);
        drop(self.ended_now.wait_timeout_while(ends, patience, |ends| !end(ends)));
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Everything behind these locks is whole after each statement.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: impl std::fmt::Display) -> HostShellError {
    HostShellError::Start(error.to_string())
}

/// Starts a shell. What it prints comes out of the receiver, its end last.
pub fn open(options: &Options, size: Size) -> Result<(HostShell, mpsc::Receiver<Output>), HostShellError> {
    let PtyPair { slave, master } = native_pty_system().openpty(size.checked()?).map_err(failed)?;
    let mut child = slave.spawn_command(command(options)).map_err(failed)?;
    let ends = master.try_clone_reader().and_then(|reader| Ok((reader, master.take_writer()?)));
    let (reader, writer) = match ends {
        Ok(ends) => ends,
        Err(error) => {
            // Nobody could ever read it. Gone already when this fails.
            let _ = child.kill();
            return Err(failed(error));
        }
    };
    // On Windows a slave that goes early breaks writing; elsewhere one that stays hides the end of the output.
    let slave = system::keep(slave);
    let control = Arc::new(Control {
        target: Mutex::new(Some(system::Target::of(&*child))),
        master: Mutex::new(Some(master)),
        over: watch::Sender::new(false),
        ends: Mutex::default(),
        ended_now: Condvar::new(),
    });
    let (to_shell, typed) = mpsc::channel(WAITING_INPUT);
    let (printed, output) = mpsc::channel(PIECES);
    let (answers, last) = (to_shell.downgrade(), printed.clone());
    let (reads, waits) = (Arc::clone(&control), Arc::clone(&control));
    let (over, told_over) = std::sync::mpsc::sync_channel(0);
    spawn("reads", move || read(reader, &printed, &answers, &reads))?;
    spawn("writes", move || write(writer, typed, &told_over))?;
    spawn("waits", move || wait(child, slave, &last, &waits, over))?;
    Ok((HostShell { control, input: to_shell }, output))
}

fn spawn(does: &str, work: impl FnOnce() + Send + 'static) -> Result<(), HostShellError> {
    thread::Builder::new().name(format!("host-shell-{does}")).spawn(work).map(drop).map_err(failed)
}

fn command(options: &Options) -> CommandBuilder {
    let mut command = match options.argv.as_slice() {
        [] => CommandBuilder::new_default_prog(),
        argv => CommandBuilder::from_argv(argv.to_vec()),
    };
    for name in &options.without {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    if let Some(folder) = options.folder.as_ref().filter(|folder| folder.is_dir()) {
        command.cwd(folder);
    }
    command
}

/// Reads until the end. A receiver that is full stops it, and the terminal's own buffer then stops the program.
fn read(
    mut reader: Box<dyn Read + Send>,
    printed: &mpsc::Sender<Output>,
    answers: &mpsc::WeakSender<(Bytes, Written)>,
    control: &Control,
) {
    let mut questions = system::Questions::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let bytes = match reader.read(&mut buffer) {
            // The terminal is gone, whichever way that is said.
            Ok(0) | Err(_) => break,
            Ok(n) => Bytes::copy_from_slice(&buffer[..n]),
        };
        let (bytes, answer) = questions.answered(bytes);
        if let (Some(answer), Some(typed)) = (answer, answers.upgrade()) {
            // Full: a person has typed 64 pieces into a terminal that has not started; it can wait for one more.
            let _ = typed.blocking_send((answer, oneshot::channel().0));
        }
        if !bytes.is_empty() && printed.blocking_send(Output::Bytes(bytes)).is_err() {
            break;
        }
    }
    control.note(|ends| ends.output = true);
}

/// Writes what is typed. The writer is let go of only when the shell is over: it then types a line end, which would run
/// what stands on the line.
fn write(
    mut writer: Box<dyn Write + Send>,
    mut typed: mpsc::Receiver<(Bytes, Written)>,
    over: &Receiver<()>,
) {
    while let Some((bytes, written)) = typed.blocking_recv() {
        if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
            break;
        }
        // Nobody waits for an answer of ours.
        let _ = written.send(());
    }
    drop(typed);
    // Nothing is ever sent: this returns when the other end is dropped.
    let _ = over.recv();
}

/// Waits for the end of the shell, then for the rest of its output, and tells how it ended. What the shell left behind may
/// hold the terminal open; then the reader stays with it, and what it still prints goes nowhere.
fn wait(
    mut child: Box<dyn Child + Send + Sync>,
    slave: system::Kept,
    last: &mpsc::Sender<Output>,
    control: &Control,
    over: SyncSender<()>,
) {
    system::ended(&*child);
    // From here on its number may become another's.
    *lock(&control.target) = None;
    let exit = system::collect(&mut *child);
    let master = lock(&control.master).take();
    drop(over);
    control.over.send_replace(true);
    control.note(|ends| ends.shell = true);
    // Elsewhere than on Unix this does not return before everything was read.
    let closing = thread::Builder::new().name("host-shell-closes".to_owned()).spawn(move || {
        drop(slave);
        drop(master);
    });
    control.wait(REST, |ends| ends.output);
    // Where no thread could be started, both went with the closure.
    drop(closing);
    // Nobody listens any more when this fails.
    let _ = last.blocking_send(Output::Exit(exit));
}

impl HostShell {
    /// Types bytes, in the order of the calls; true to its word when they were written.
    pub async fn write(&self, bytes: Bytes) -> Result<(), HostShellError> {
        // A terminal takes what is typed also when nobody is left to read it.
        if *self.control.over.borrow() {
            return Err(HostShellError::Ended);
        }
        let (written, told) = oneshot::channel();
        self.input.try_send((bytes, written)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => HostShellError::Full,
            mpsc::error::TrySendError::Closed(_) => HostShellError::Ended,
        })?;
        told.await.map_err(|_| HostShellError::Ended)
    }

    /// Gives its terminal another size.
    pub fn resize(&self, size: Size) -> Result<(), HostShellError> {
        let size = size.checked()?;
        let master = lock(&self.control.master);
        let master = master.as_ref().ok_or(HostShellError::Ended)?;
        master.resize(size).map_err(|e| HostShellError::Resize(e.to_string()))
    }

    /// Resolves when the shell has ended.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut over = self.control.over.subscribe();
        async move {
            // An error says that the control is gone, which it is only after the end.
            let _ = over.wait_for(|over| *over).await;
        }
    }
}

impl Drop for HostShell {
    fn drop(&mut self) {
        let control = Arc::clone(&self.control);
        let foreground = || system::foreground(lock(&control.master).as_deref());
        if let Some(target) = lock(&control.target).as_mut() {
            target.hang_up(foreground());
        }
        let ends = move || {
            control.wait(GRACE, |ends| ends.shell);
            if let Some(target) = lock(&control.target).as_mut() {
                target.kill(system::foreground(lock(&control.master).as_deref()));
            }
        };
        // Without a thread to wait in, the terminal's end must do: it hangs up with it.
        let _ = thread::Builder::new().name("host-shell-ends".to_owned()).spawn(ends);
    }
}
