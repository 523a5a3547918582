//! With a terminal: this one becomes raw, the program has a PTY of the same size, and whatever happens this one is as
//! it was afterwards. When another process takes over as owner the session goes on where it was.

use super::{cut, exit_of};
use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
};
use bytes::{Bytes, BytesMut};
use slipway_http::{AttachInput, AttachOutput};
use slipway_wire::{Api as _, Code as Why, FrameKind, Problem, ProcessRef, Resize, WindowSize};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, sleep},
};

const CHUNK: usize = 16 * 1024;
/// Chunks of typing that may wait for the program.
const QUEUE: usize = 64;
/// How long the owner may be away.
const PATIENCE: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_millis(50);

pub(crate) async fn run(session: &Session, process: &ProcessRef, size: WindowSize) -> Result<Code, Failure> {
    let raw = raw::Raw::enter()?;
    let ended = carry(session, process, size).await;
    raw.leave(ended.is_ok());
    ended
}

async fn carry(session: &Session, process: &ProcessRef, mut size: WindowSize) -> Result<Code, Failure> {
    let mut signals = raw::Signals::listen()?;
    let (typed, mut keys) = mpsc::channel(QUEUE);
    tokio::spawn(read_keys(typed));
    let (mut output, input) = session.client.attach(process, 0, true, true).await?;
    let mut hands = spawn_input(input);
    let mut stdout = tokio::io::stdout();
    let mut offset = 0;
    loop {
        tokio::select! {
            frame = output.next() => match frame {
                Some(Ok(frame)) => match frame.kind {
                    FrameKind::Terminal | FrameKind::Stdout | FrameKind::Stderr => {
                        stdout.write_all(&frame.payload).await?;
                        stdout.flush().await?;
                        offset = frame.offset + frame.payload.len() as u64;
                    }
                    FrameKind::Gap => offset = frame.offset,
                    FrameKind::Exit => return Ok(Code::of_process(exit_of(&frame.payload)?)),
                },
                Some(Err(problem)) => {
                    let (again, input) = reattach(session, process, offset, problem).await?;
                    output = again;
                    hands = spawn_input(input);
                }
                None => return Err(cut()),
            },
            // The queue to the program is full: typing waits, output and signals do not.
            Some(bytes) = keys.recv(), if hands.capacity() > 0 => {
                if hands.try_send(bytes).is_err() {
                    tracing::debug!("a key was pressed while the connection broke");
                }
            }
            signal = signals.next() => match signal {
                raw::Happened::Resized => {
                    let now = raw::size()?;
                    if now != size {
                        size = now;
                        resize(session, process, size).await;
                    }
                }
                raw::Happened::Ended(code) => return Err(Failure::Said(code)),
            },
        }
    }
}

async fn resize(session: &Session, process: &ProcessRef, size: WindowSize) {
    let request = Resize { id: process.id.clone(), process: process.process.clone(), size };
    if let Err(problem) = session.api.process_resize(request).await {
        tracing::debug!(%problem, "the program was not told the window's size");
    }
}

/// The owner went away, for the app took over, say, or the link to the container broke. The program and its PTY live
/// in the container; a new owner needs a moment to find them.
async fn reattach(
    session: &Session,
    process: &ProcessRef,
    offset: u64,
    lost: Problem,
) -> Result<(AttachOutput, AttachInput), Failure> {
    tracing::debug!(problem = %lost, "attaching again");
    let deadline = Instant::now() + PATIENCE;
    loop {
        match session.client.attach(process, offset, true, true).await {
            Ok(attached) => return Ok(attached),
            Err(_) if Instant::now() < deadline => sleep(BETWEEN).await,
            Err(problem) if problem.code == Why::OwnerBusy => return Err(lost.into()),
            Err(problem) => return Err(problem.into()),
        }
    }
}

fn spawn_input(mut input: AttachInput) -> mpsc::Sender<Bytes> {
    let (sender, mut queue) = mpsc::channel::<Bytes>(QUEUE);
    tokio::spawn(async move {
        while let Some(bytes) = queue.recv().await {
            if let Err(problem) = input.send(bytes).await {
                tracing::debug!(%problem, "the program takes no more input");
                break;
            }
        }
    });
    sender
}

async fn read_keys(typed: mpsc::Sender<Bytes>) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        match stdin.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {
                if typed.send(buffer.split().freeze()).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                out::note(&format!("slipway: the terminal cannot be read: {error}.\r"));
                return;
            }
        }
    }
}

pub(crate) use raw::size;

#[cfg(unix)]
mod raw {
    use crate::exit::Code;
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
    use slipway_wire::WindowSize;
    use std::io::{self, Write as _};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Ends what a program may have left switched on: mouse reports, bracketed paste, a hidden cursor, colours, the
    /// other screen.
    const CALM: &[u8] =
        b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m\r\n";

    /// This terminal while it is raw. Dropping it restores it, also when unwinding.
    pub(super) struct Raw(Termios);

    impl Raw {
        pub(super) fn enter() -> io::Result<Self> {
            let before = tcgetattr(rustix::stdio::stdin())?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &raw)?;
            Ok(Self(before))
        }

        /// `tidy`: the program ended by itself and left the terminal as it wanted it.
        pub(super) fn leave(self, tidy: bool) {
            if !tidy {
                let mut out = io::stdout().lock();
                // A terminal that is gone needs no calming.
                let _ = out.write_all(CALM).and_then(|()| out.flush());
            }
            drop(self);
        }
    }

    impl Drop for Raw {
        fn drop(&mut self) {
            // A terminal that is gone cannot be restored, and nobody is there to be told.
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.0);
        }
    }

    /// The size of this terminal, within the bounds of the wire.
    pub(crate) fn size() -> io::Result<WindowSize> {
        let size = tcgetwinsize(rustix::stdio::stdout())?;
        let sane = |n: u16, otherwise| if n == 0 { otherwise } else { n.min(1000) };
        Ok(WindowSize { columns: sane(size.ws_col, 80), rows: sane(size.ws_row, 24) })
    }

    pub(super) enum Happened {
        Resized,
        Ended(Code),
    }

    pub(super) struct Signals {
        resized: Signal,
        terminated: Signal,
        hung_up: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                resized: signal(SignalKind::window_change())?,
                terminated: signal(SignalKind::terminate())?,
                hung_up: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Happened {
            tokio::select! {
                _ = self.resized.recv() => Happened::Resized,
                _ = self.terminated.recv() => Happened::Ended(Code::of_signal(15)),
                _ = self.hung_up.recv() => Happened::Ended(Code::of_signal(1)),
            }
        }
    }
}

#[cfg(not(unix))]
mod raw {
    use crate::exit::Code;
    use slipway_wire::WindowSize;
    use std::io;

    /// Windows consoles are left in their usual, line by line, mode.
    pub(super) struct Raw;

    impl Raw {
        #[expect(clippy::unnecessary_wraps, reason = "the other platforms' can fail")]
        pub(super) fn enter() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) fn leave(self, _tidy: bool) {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other platforms' can fail")]
    pub(crate) fn size() -> io::Result<WindowSize> {
        Ok(WindowSize { columns: 80, rows: 24 })
    }

    #[expect(dead_code, reason = "there is no such signal here")]
    pub(super) enum Happened {
        Resized,
        Ended(Code),
    }

    pub(super) struct Signals;

    impl Signals {
        #[expect(clippy::unnecessary_wraps, reason = "the other platforms' can fail")]
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> Happened {
            std::future::pending().await
        }
    }
}
