//! From a request to a running child: checks the request, builds the command and its terminal or pipes, starts it.
//! Knows nothing of histories and readers.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions};
use slipway_agent_api::WORKSPACE;
use slipway_agent_api::v1::{ExecRequest, Stream, WindowSize};
use tokio::io::unix::AsyncFd;

use super::environment;
use super::input::{Input, winsize};

/// Bounds of one request: the kernel takes 128 KiB in one string, and a message 1 MiB.
const ARGUMENTS: usize = 4096;
const ARGUMENT_BYTES: usize = 128 * 1024 - 1;
const NAME_BYTES: usize = 256;
const TAG_BYTES: usize = 1024;

/// What children's `oom_score_adj` becomes: the kernel then ends them before PID 1.
const CHILD_OOM_SCORE: &str = "500";

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}")]
    Invalid(String),
    #[error("this image has no shell (looked for bash, zsh, ash and sh on PATH): name a program to run")]
    NoShell,
    #[error("{program}: no such program, or the interpreter it names is missing")]
    NoProgram { program: String },
    #[error("{program}: not allowed to run it: is it executable?")]
    NotAllowed { program: String },
    #[error("{cwd}: no such directory to run in")]
    NoDirectory { cwd: String },
    #[error("the container has reached its limit of processes or memory: end some and try again")]
    NoRoom,
    #[error("{program}: cannot be started: {source}")]
    Failed { program: String, source: io::Error },
}

/// A child that runs, and the ends of what it is connected to.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) argv: Vec<OsString>,
    pub(super) cwd: PathBuf,
    pub(super) input: Input,
    pub(super) sources: Vec<(Stream, Source)>,
}

/// Starts what `request` says, with `id` in its environment.
pub(super) fn start(request: &ExecRequest, id: &str) -> Result<Started, StartError> {
    check(request)?;
    let path = search_path(request);
    let argv = arguments(request, &path)?;
    let cwd = directory(request)?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(&cwd);
    environment::set(&mut command, request, id);
    let (input, sources) = match request.pty {
        Some(size) => terminal(&mut command, size),
        None => Ok(pipes(&mut command, request.stdin)),
    }
    .map_err(|source| StartError::Failed { program: argv[0].to_string_lossy().into_owned(), source })?;
    crate::sys::in_own_session(&mut command, request.pty.is_some());
    let mut child = command.spawn().map_err(|error| refused(&argv[0], error))?;
    // The command holds the child's ends of the terminal; open here they would hide its end.
    drop(command);
    let pid = Pid::from_child(&child);
    // Best effort: without it the kernel chooses by size, and PID 1 is the smallest.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), CHILD_OOM_SCORE);
    let connected = match input {
        Some(input) => Ok((input, sources)),
        None => connect_pipes(&mut child),
    };
    match connected {
        Ok((input, sources)) => Ok(Started { pid, argv, cwd, input, sources }),
        Err(source) => {
            // Nobody could ever read or stop it. It is gone already if this fails.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            Err(StartError::Failed { program: argv[0].to_string_lossy().into_owned(), source })
        }
    }
}

/// The first shell on PATH, as the image names it.
pub(crate) fn shell(path: &OsStr) -> Option<PathBuf> {
    ["bash", "zsh", "ash", "sh"].iter().find_map(|name| {
        std::env::split_paths(path)
            .map(|directory| directory.join(name))
            .find(|candidate| is_program(candidate))
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn check(request: &ExecRequest) -> Result<(), StartError> {
    let invalid = |what: &str| Err(StartError::Invalid(what.to_owned()));
    if request.argv.len() > ARGUMENTS || request.env.len() > ARGUMENTS {
        return invalid("too many arguments or environment variables");
    }
    let variables = request.env.iter().map(|variable| variable.name.len() + variable.value.len() + 1);
    if request.argv.iter().map(bytes::Bytes::len).chain(variables).any(|length| length > ARGUMENT_BYTES) {
        return invalid("an argument or environment variable is longer than 128 KiB");
    }
    if request.argv.iter().any(|argument| argument.contains(&0)) || request.cwd.contains(&0) {
        return invalid("an argument or the directory holds a NUL byte");
    }
    let bad_name = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    if request.env.iter().any(|variable| bad_name(&variable.name) || variable.value.contains('\0')) {
        return invalid("an environment variable has an invalid name or holds a NUL byte");
    }
    if request.name.len() > NAME_BYTES || request.tag.len() > TAG_BYTES {
        return invalid("the name is longer than 256 bytes or the tag longer than 1 KiB");
    }
    if request.argv.first().is_some_and(bytes::Bytes::is_empty) {
        return invalid("the program's name is empty");
    }
    Ok(())
}

fn search_path(request: &ExecRequest) -> OsString {
    let asked = request.env.iter().rev().find(|variable| variable.name == "PATH");
    asked.map_or_else(environment::own_path, |variable| OsString::from(&variable.value))
}

fn arguments(request: &ExecRequest, path: &OsStr) -> Result<Vec<OsString>, StartError> {
    if request.argv.is_empty() {
        let shell = shell(path).ok_or(StartError::NoShell)?;
        return Ok(vec![shell.into_os_string(), "-l".into()]);
    }
    Ok(request.argv.iter().map(|argument| OsString::from_vec(argument.to_vec())).collect())
}

fn directory(request: &ExecRequest) -> Result<PathBuf, StartError> {
    if request.cwd.is_empty() {
        let workspace = Path::new(WORKSPACE);
        return Ok(if workspace.is_dir() { workspace.to_owned() } else { "/".into() });
    }
    let cwd = Path::new(OsStr::from_bytes(&request.cwd));
    if !cwd.is_absolute() {
        return Err(StartError::Invalid(format!("{}: the directory must be absolute", cwd.display())));
    }
    if !cwd.is_dir() {
        return Err(StartError::NoDirectory { cwd: cwd.display().to_string() });
    }
    Ok(cwd.to_owned())
}

/// Where a pump reads.
pub(super) type Source = Arc<AsyncFd<OwnedFd>>;
type Ends = (Option<Input>, Vec<(Stream, Source)>);

fn terminal(command: &mut Command, size: WindowSize) -> io::Result<Ends> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let controller = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&controller)?;
    rustix::pty::unlockpt(&controller)?;
    // Kernels that do not know the call have the name instead.
    let by_name = |_| {
        let name = rustix::pty::ptsname(&controller, Vec::new())?;
        rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, rustix::fs::Mode::empty())
    };
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags).or_else(by_name)?;
    let mut modes = rustix::termios::tcgetattr(&terminal)?;
    // Erasing a character removes all of its bytes.
    modes.input_modes |= InputModes::IUTF8;
    rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    rustix::termios::tcsetwinsize(&controller, winsize(size))?;
    let controller = Arc::new(watched(controller)?);
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    Ok((Some(Input::Terminal(Arc::clone(&controller))), vec![(Stream::Terminal, controller)]))
}

fn pipes(command: &mut Command, stdin: bool) -> Ends {
    let input = if stdin { Stdio::piped() } else { Stdio::null() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    (None, Vec::new())
}

fn connect_pipes(child: &mut std::process::Child) -> io::Result<(Input, Vec<(Stream, Source)>)> {
    let input = match child.stdin.take() {
        Some(pipe) => Input::Pipe(Mutex::new(Some(Arc::new(watched(pipe.into())?)))),
        None => Input::None,
    };
    let mut sources = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        sources.push((Stream::Stdout, Arc::new(watched(pipe.into())?)));
    }
    if let Some(pipe) = child.stderr.take() {
        sources.push((Stream::Stderr, Arc::new(watched(pipe.into())?)));
    }
    Ok((input, sources))
}

fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
    crate::sys::watch(fd)
}

fn refused(program: &OsStr, error: io::Error) -> StartError {
    let program = program.to_string_lossy().into_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StartError::NoProgram { program },
        io::ErrorKind::PermissionDenied => StartError::NotAllowed { program },
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => StartError::NoRoom,
        io::ErrorKind::ArgumentListTooLong => {
            StartError::Invalid(format!("{program}: arguments and environment together are too long"))
        }
        _ => StartError::Failed { program, source: error },
    }
}
