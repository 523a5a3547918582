//! A program's standard input and output as a byte stream both ways: a container's own, attached before it starts, or
//! those of a `docker exec -i`. The agent speaks HTTP/2 over it.
//!
//! Never with a TTY: bollard guesses the framing from the first byte and loses data when a terminal's output begins
//! with 0, 1 or 2.

use bollard::{
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::AttachContainerOptions,
};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use slipway_wire::{Code, Problem};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{sleep, timeout},
};

use super::{Docker, problem};

/// Read at most this many bytes of the daemon's stream at once.
const CAPACITY: usize = 256 * 1024;
/// What a short program of ours ends in, with room for a machine under load.
const SHORT: Duration = Duration::from_secs(15);
/// Between looks whether it has ended.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(50);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Standard input and output of a program in a container.
pub(crate) struct Duplex {
    output: Output,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    rest: Bytes,
    /// What the program said on standard error, bounded; the reason when it ends early.
    errors: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Duplex {
    fn new(output: Output, input: Pin<Box<dyn AsyncWrite + Send>>) -> Self {
        Self { output, input, rest: Bytes::new(), errors: std::sync::Arc::default() }
    }

    /// A handle on what the program says on standard error.
    pub(crate) fn errors(&self) -> std::sync::Arc<std::sync::Mutex<String>> {
        self.errors.clone()
    }
}

impl Docker {
    /// The standard input and output of a container's first program. To be asked for before it starts: what was said
    /// before is lost.
    pub(crate) async fn attach(&self, container: &str) -> Result<Duplex, Problem> {
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        let doing = "connecting to the container";
        let attached =
            self.api.attach_container(container, Some(options)).await.map_err(|e| problem(doing, &e))?;
        Ok(Duplex::new(attached.output, attached.input))
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
        let options = StartExecOptions { detach: false, tty: false, output_capacity: Some(CAPACITY) };
        match self.api.start_exec(&made.id, Some(options)).await.map_err(|e| problem(doing, &e))? {
            StartExecResults::Attached { output, input } => Ok(Duplex::new(output, input)),
            StartExecResults::Detached => {
                Err(Problem::new(Code::Internal, "Docker detached from a program it was asked to attach to."))
            }
        }
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
        loop {
            if self.rest.has_remaining() {
                let take = self.rest.remaining().min(buf.remaining());
                buf.put_slice(&self.rest.split_to(take));
                return Poll::Ready(Ok(()));
            }
            match self.output.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(io::Error::other(e))),
                Poll::Ready(Some(Ok(LogOutput::StdOut { message }))) => self.rest = message,
                Poll::Ready(Some(Ok(LogOutput::StdErr { message }))) => {
                    if let Ok(mut errors) = self.errors.lock()
                        && errors.len() < 4096
                    {
                        errors.push_str(&String::from_utf8_lossy(&message));
                    }
                }
                Poll::Ready(Some(Ok(_))) => {}
            }
        }
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(cx)
    }
}
