//! Without a terminal: bytes pass both ways as they are, standard error apart from standard output, and signals go to
//! the program. Reading, writing and signals wait for nothing but their own end, so that none blocks another.

use super::{cut, exit_of};
use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
    text::OutputFilter,
};
use bytes::BytesMut;
use slipway_http::{AttachInput, AttachOutput};
use slipway_wire::{Api as _, FrameKind, ProcessRef, Signal};
use std::{
    io::IsTerminal as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CHUNK: usize = 64 * 1024;

/// Between the polite end of what takes too long and the other one; also how long a signal may be on its way.
const GRACE: Duration = Duration::from_secs(2);
/// So many Ctrl-C end the command, whatever its program makes of them.
const PRESSES: u32 = 3;

/// Carries a process's bytes to its end, or ends it and all it started after `limit`. What reaches a terminal of ours
/// is text and colours only.
pub(crate) async fn run(
    session: &Session,
    process: &ProcessRef,
    limit: Option<Duration>,
) -> Result<Code, Failure> {
    let (output, input) = session.client.attach(process, 0, true, true).await?;
    let feeding = tokio::spawn(feed(input));
    let signals = pass_signals(session, process)?;
    let struck = AtomicBool::new(false);
    // Side by side: neither a reader of ours that takes nothing nor an agent that does not answer stops the clock.
    let ended = tokio::select! {
        ended = carry(output) => ended,
        code = clock(session, process, limit, &struck) => Ok(code),
        () = signals => {
            out::note("slipway: interrupted; the program is ended.");
            Ok(Code::INTERRUPTED)
        }
    };
    // Standard input may never end; leaving ends it.
    feeding.abort();
    if !struck.load(Ordering::Relaxed) {
        return ended;
    }
    // It may have gone and left children that ignored the polite end.
    signal_to(session, process, 9).await;
    out::note("slipway: it took longer than --timeout allows and was ended.");
    ended.map(|_| Code::TIMED_OUT)
}

/// Output to its end.
async fn carry(mut output: AttachOutput) -> Result<Code, Failure> {
    let filter = |terminal: bool| terminal.then(OutputFilter::default);
    let mut stdout = (tokio::io::stdout(), filter(std::io::stdout().is_terminal()));
    let mut stderr = (tokio::io::stderr(), filter(std::io::stderr().is_terminal()));
    while let Some(frame) = output.next().await {
        let frame = frame?;
        match frame.kind {
            FrameKind::Stdout | FrameKind::Terminal => write(&mut stdout, &frame.payload).await?,
            FrameKind::Stderr => write(&mut stderr, &frame.payload).await?,
            FrameKind::Gap => out::note("slipway: some output is missing here."),
            FrameKind::Exit => return exit_of(&frame.payload).map(Code::of_process),
        }
    }
    Err(cut())
}

/// A time limit: asked to end when it is over, killed after the grace, given up when even that brings no end.
async fn clock(
    session: &Session,
    process: &ProcessRef,
    limit: Option<Duration>,
    struck: &AtomicBool,
) -> Code {
    let Some(limit) = limit else { return std::future::pending().await };
    tokio::time::sleep(limit).await;
    struck.store(true, Ordering::Relaxed);
    for number in [15, 9] {
        tokio::join!(signal_to(session, process, number), tokio::time::sleep(GRACE));
    }
    Code::TIMED_OUT
}

/// Sends a signal to a process and all it started. Gives up when nobody answers.
async fn signal_to(session: &Session, process: &ProcessRef, number: i32) {
    let signal =
        Signal { id: process.id.clone(), process: process.process.clone(), signal: number, tree: true };
    match tokio::time::timeout(GRACE, session.api.process_signal(signal)).await {
        Ok(Ok(_)) => {}
        Ok(Err(problem)) => tracing::debug!(%problem, "the signal did not arrive"),
        Err(_) => tracing::debug!("nobody says that the signal arrived"),
    }
}

async fn write<W: tokio::io::AsyncWrite + Unpin>(
    to: &mut (W, Option<OutputFilter>),
    bytes: &[u8],
) -> std::io::Result<()> {
    match &mut to.1 {
        Some(filter) => to.0.write_all(&filter.pass(bytes)).await?,
        None => to.0.write_all(bytes).await?,
    }
    to.0.flush().await
}

/// Standard input to the program, then its end.
async fn feed(mut input: AttachInput) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK);
        let sent = match stdin.read_buf(&mut buffer).await {
            Ok(0) => return end(input).await,
            Ok(_) => input.send(buffer.split().freeze()).await,
            Err(error) => {
                // A folder, or a disk that fails: it would fail again.
                out::note(&format!("slipway: standard input cannot be read: {error}."));
                return end(input).await;
            }
        };
        if let Err(problem) = sent {
            tracing::debug!(%problem, "the program takes no more input");
            return std::future::pending().await;
        }
    }
}

/// Nothing more is read. Kept for ever: dropping it would close the connection that the output comes by.
async fn end(mut input: AttachInput) {
    if let Err(problem) = input.end().await {
        tracing::debug!(%problem, "the program was gone before its input ended");
    }
    std::future::pending::<()>().await;
}

/// Interrupt, terminate, hang up and quit reach the program, in their order; its end ends this command. So do several
/// Ctrl-C, which are counted also while a signal is on its way.
fn pass_signals<'a>(
    session: &'a Session,
    process: &'a ProcessRef,
) -> std::io::Result<impl Future<Output = ()> + Send + 'a> {
    let mut listening = Listening::new()?;
    let (pass, mut passed) = tokio::sync::mpsc::channel(8);
    let counting = async move {
        let mut presses = 0;
        while presses < PRESSES {
            let number = listening.next().await;
            presses += u32::from(number == 2);
            // More of them while nobody answers tell nothing new.
            let _ = pass.try_send(number);
        }
    };
    let passing = async move {
        while let Some(number) = passed.recv().await {
            signal_to(session, process, number).await;
        }
        std::future::pending::<()>().await;
    };
    Ok(async move {
        tokio::select! {
            () = counting => {}
            () = passing => {}
        }
    })
}

/// The signals that are passed on.
#[cfg(unix)]
struct Listening([(i32, tokio::signal::unix::Signal); 4]);

#[cfg(unix)]
impl Listening {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            (2, signal(SignalKind::interrupt())?),
            (15, signal(SignalKind::terminate())?),
            (1, signal(SignalKind::hangup())?),
            (3, signal(SignalKind::quit())?),
        ]))
    }

    async fn next(&mut self) -> i32 {
        let [interrupt, terminate, hangup, quit] = &mut self.0;
        tokio::select! {
            _ = interrupt.1.recv() => interrupt.0,
            _ = terminate.1.recv() => terminate.0,
            _ = hangup.1.recv() => hangup.0,
            _ = quit.1.recv() => quit.0,
        }
    }
}

#[cfg(not(unix))]
struct Listening(crate::interrupts::Interrupts);

#[cfg(not(unix))]
impl Listening {
    fn new() -> std::io::Result<Self> {
        crate::interrupts::Interrupts::listen().map(Self)
    }

    async fn next(&mut self) -> i32 {
        self.0.next().await;
        2
    }
}
