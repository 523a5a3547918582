//! A program's standard input and output as a byte stream both ways: a container's own, attached before it starts, or
//! those of a `docker exec -i`. The agent speaks HTTP/2 over it.
//!
//! Over the daemon's own socket where it has one (`hijack`), else over what bollard speaks. Never with a TTY: bollard
//! guesses the framing from the first byte and loses data when a terminal's output begins with 0, 1 or 2.

use bollard::{
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::AttachContainerOptions,
};
use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use slipway_wire::{Code, Problem};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{sleep, timeout},
};

#[cfg(unix)]
use super::hijack::{Blocking, Hijacked, hijack};
use super::{Docker, problem};

/// Read at most this many bytes of the daemon's stream at once.
const CAPACITY: usize = 256 * 1024;
/// What is kept of a program's standard error, bytes.
const MOST_SAID: usize = 4096;
/// What a short program of ours ends in, with room for a machine under load.
const SHORT: Duration = Duration::from_secs(15);
/// Between looks whether it has ended.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(50);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Standard input and output of a program in a container.
pub(crate) struct Duplex {
    streams: Streams,
    errors: Errors,
    /// Of the `docker exec`, if it is one's.
    exec: Option<String>,
}

enum Streams {
    #[cfg(unix)]
    Own(Hijacked),
    /// Over whatever bollard speaks: ssh, TLS, a named pipe.
    Lent { output: Output, input: Pin<Box<dyn AsyncWrite + Send>>, rest: Bytes },
}

/// What a program says on standard error, bounded: the reason when it ends early. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Errors(Arc<Mutex<String>>);

impl Errors {
    pub(super) fn add(&self, said: &[u8]) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() < MOST_SAID {
            text.push_str(&String::from_utf8_lossy(&said[..said.len().min(MOST_SAID)]));
        }
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned()
    }
}

impl Duplex {
    fn new(streams: Streams) -> Self {
        Self { streams, errors: Errors::default(), exec: None }
    }

    fn of(exec: String, streams: Streams) -> Self {
        Self { exec: Some(exec), ..Self::new(streams) }
    }

    /// A handle on what the program says on standard error.
    pub(crate) fn errors(&self) -> Errors {
        self.errors.clone()
    }

    /// Docker's name for the `docker exec` that runs the program, if one does.
    #[cfg(target_os = "linux")]
    pub(crate) fn exec(&self) -> Option<String> {
        self.exec.clone()
    }

    /// The same for a thread that may wait: what goes over the daemon's own socket.
    #[cfg(unix)]
    pub(crate) fn into_blocking(self) -> io::Result<Blocking> {
        match self.streams {
            Streams::Own(own) => own.into_blocking(self.errors),
            Streams::Lent { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Docker {
    /// The standard input and output of a container's first program. To be asked for before it starts: what was said
    /// before is lost.
    pub(crate) async fn attach(&self, container: &str) -> Result<Duplex, Problem> {
        let doing = "connecting to the container";
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            let target = format!("/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1");
            let own = hijack(socket, &target, Vec::new()).await.map_err(|e| problem(doing, &e))?;
            return Ok(Duplex::new(Streams::Own(own)));
        }
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        let attached =
            self.api.attach_container(container, Some(options)).await.map_err(|e| problem(doing, &e))?;
        Ok(Duplex::new(Streams::lent(attached.output, attached.input)))
    }

    /// Runs `argv` in a container and gives its standard input and output.
    pub(crate) async fn exec(&self, container: &str, argv: &[&str]) -> Result<Duplex, Problem> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            cmd: Some(argv.iter().map(|&a| a.to_owned()).collect()),
            ..Default::default()
        };
        let doing = "connecting to the container";
        let made = self.api.create_exec(container, config).await.map_err(|e| problem(doing, &e))?;
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            let start = br#"{"Detach":false,"Tty":false}"#.to_vec();
            let own = hijack(socket, &format!("/exec/{}/start", made.id), start).await;
            return Ok(Duplex::of(made.id, Streams::Own(own.map_err(|e| problem(doing, &e))?)));
        }
        let options = StartExecOptions { detach: false, tty: false, output_capacity: Some(CAPACITY) };
        match self.api.start_exec(&made.id, Some(options)).await.map_err(|e| problem(doing, &e))? {
            StartExecResults::Attached { output, input } => {
                Ok(Duplex::of(made.id, Streams::lent(output, input)))
            }
            StartExecResults::Detached => {
                Err(Problem::new(Code::Internal, "Docker detached from a program it was asked to attach to."))
            }
        }
    }

    /// The number of a running `docker exec`'s program among the processes of the machine Docker runs on.
    #[cfg(target_os = "linux")]
    pub(crate) async fn exec_pid(&self, exec: &str) -> Result<Option<u32>, Problem> {
        let seen = self.api.inspect_exec(exec).await.map_err(|e| problem("looking at a program", &e))?;
        Ok(seen.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0))
    }

    /// Runs a short program of ours in a container as its root, to its end. It has the container's capabilities.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub(crate) async fn run_as_root(&self, container: &str, argv: &[&str]) -> Result<(), Problem> {
        let doing = "preparing the container";
        let failed = |how: String| {
            Problem::new(Code::Internal, format!("`{}` failed in the container: {how}.", argv.join(" ")))
                .hint("Deploy the project again.")
        };
        let config = ExecConfig {
            user: Some("0:0".to_owned()),
            cmd: Some(argv.iter().map(|&a| a.to_owned()).collect()),
            ..Default::default()
        };
        let made = self.api.create_exec(container, config).await.map_err(|e| problem(doing, &e))?;
        let options = StartExecOptions { detach: true, ..Default::default() };
        self.api.start_exec(&made.id, Some(options)).await.map_err(|e| problem(doing, &e))?;
        // Its streams would tell the end too, but not through everything that lies between us and a daemon.
        let ended = async {
            let mut pause = FIRST_LOOK;
            loop {
                let seen = self.api.inspect_exec(&made.id).await.map_err(|e| problem(doing, &e))?;
                if let Some(code) = seen.exit_code.filter(|_| seen.running != Some(true)) {
                    return Ok(code);
                }
                sleep(pause).await;
                pause = (pause * 2).min(LAST_LOOK);
            }
        };
        match timeout(SHORT, ended).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(code)) => Err(failed(format!("it ended with code {code}"))),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(failed(format!("it did not end in {} s", SHORT.as_secs()))),
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { streams, errors, .. } = &mut *self;
        let (output, rest) = match streams {
            #[cfg(unix)]
            Streams::Own(own) => return own.poll_read(cx, buf, errors),
            Streams::Lent { output, rest, .. } => (output, rest),
        };
        loop {
            if rest.has_remaining() {
                let take = rest.remaining().min(buf.remaining());
                buf.put_slice(&rest.split_to(take));
                return Poll::Ready(Ok(()));
            }
            match output.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(io::Error::other(e))),
                Poll::Ready(Some(Ok(LogOutput::StdOut { message }))) => *rest = message,
                Poll::Ready(Some(Ok(LogOutput::StdErr { message }))) => errors.add(&message),
                Poll::Ready(Some(Ok(_))) => {}
            }
        }
    }
}

impl Streams {
    fn lent(output: Output, input: Pin<Box<dyn AsyncWrite + Send>>) -> Self {
        Self::Lent { output, input, rest: Bytes::new() }
    }

    fn input(&mut self) -> Pin<&mut (dyn AsyncWrite + Send)> {
        match self {
            #[cfg(unix)]
            Self::Own(own) => own.input(),
            Self::Lent { input, .. } => input.as_mut(),
        }
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.streams.input().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.streams.input().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.streams {
            #[cfg(unix)]
            Streams::Own(_) => true,
            Streams::Lent { input, .. } => input.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams.input().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams.input().poll_shutdown(cx)
    }
}
