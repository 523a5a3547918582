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
use slipway_http::AttachInput;
use slipway_wire::{Api as _, FrameKind, ProcessRef, Signal};
use std::{io::IsTerminal as _, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

const CHUNK: usize = 64 * 1024;

/// Between the polite end of what takes too long and the other one.
const GRACE: Duration = Duration::from_secs(2);

/// Carries a process's bytes to its end, or ends it and all it started after `limit`. `filtered`: what reaches a
/// terminal of ours is text and colours only.
pub(crate) async fn run(
    session: &Session,
    process: &ProcessRef,
    limit: Option<Duration>,
    filtered: bool,
) -> Result<Code, Failure> {
    let (mut output, input) = session.client.attach(process, 0, true, true).await?;
    let feeding = tokio::spawn(feed(input));
    let signals = tokio::spawn(pass_signals(session.clone(), process.clone())?);
    let mut clock = Clock::new(limit);
    let filter = |terminal: bool| (filtered && terminal).then(OutputFilter::default);
    let mut stdout = (tokio::io::stdout(), filter(std::io::stdout().is_terminal()));
    let mut stderr = (tokio::io::stderr(), filter(std::io::stderr().is_terminal()));
    let ended = loop {
        let frame = tokio::select! {
            frame = output.next() => frame,
            () = tokio::time::sleep_until(clock.next) => {
                if let Some(code) = clock.strike(session, process).await {
                    break Ok(code);
                }
                continue;
            }
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(problem)) => break Err(problem.into()),
            None => break Err(cut()),
        };
        let written = match frame.kind {
            FrameKind::Stdout | FrameKind::Terminal => write(&mut stdout, &frame.payload).await,
            FrameKind::Stderr => write(&mut stderr, &frame.payload).await,
            FrameKind::Gap => {
                out::note("slipway: some output is missing here.");
                Ok(())
            }
            FrameKind::Exit if clock.struck() => break Ok(Code::TIMED_OUT),
            FrameKind::Exit => break exit_of(&frame.payload).map(Code::of_process),
        };
        if let Err(error) = written {
            break Err(error.into());
        }
    };
    if clock.struck() {
        // It may have gone and left children that ignored the polite end.
        clock.kill(session, process).await;
        out::note("slipway: it took longer than --timeout allows and was ended.");
    }
    // Standard input may never end; leaving ends it.
    feeding.abort();
    signals.abort();
    ended
}

/// A time limit: asked to end when it is over, killed after the grace, given up when even that brings no end.
struct Clock {
    next: Instant,
    strikes: u8,
}

impl Clock {
    fn new(limit: Option<Duration>) -> Self {
        // Without one: as good as never.
        let limit = limit.unwrap_or(Duration::from_hours(24 * 365));
        Self { next: Instant::now() + limit, strikes: 0 }
    }

    fn struck(&self) -> bool {
        self.strikes > 0
    }

    async fn strike(&mut self, session: &Session, process: &ProcessRef) -> Option<Code> {
        self.strikes += 1;
        self.next = Instant::now() + GRACE;
        match self.strikes {
            1 => signal_to(session, process, 15).await,
            2 => self.kill(session, process).await,
            _ => return Some(Code::TIMED_OUT),
        }
        None
    }

    async fn kill(&self, session: &Session, process: &ProcessRef) {
        signal_to(session, process, 9).await;
    }
}

async fn signal_to(session: &Session, process: &ProcessRef, number: i32) {
    let signal =
        Signal { id: process.id.clone(), process: process.process.clone(), signal: number, tree: true };
    if let Err(problem) = session.api.process_signal(signal).await {
        tracing::debug!(%problem, "the signal did not arrive");
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
            Ok(0) => {
                let ended = input.end().await;
                if let Err(problem) = ended {
                    tracing::debug!(%problem, "the program was gone before its input ended");
                }
                // Dropping it would close the connection that the output comes by.
                return std::future::pending().await;
            }
            Ok(_) => input.send(buffer.split().freeze()).await,
            Err(error) => {
                out::note(&format!("slipway: standard input cannot be read: {error}."));
                input.end().await
            }
        };
        if let Err(problem) = sent {
            tracing::debug!(%problem, "the program takes no more input");
            return std::future::pending().await;
        }
    }
}

/// Interrupt, terminate, hang up and quit reach the program; its end ends this command.
#[cfg(unix)]
fn pass_signals(session: Session, process: ProcessRef) -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(async move {
        loop {
            let number = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hangup.recv() => 1,
                _ = quit.recv() => 3,
            };
            signal_to(&session, &process, number).await;
        }
    })
}

#[cfg(not(unix))]
fn pass_signals(session: Session, process: ProcessRef) -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut presses = crate::interrupts::Interrupts::listen()?;
    Ok(async move {
        loop {
            presses.next().await;
            signal_to(&session, &process, 2).await;
        }
    })
}
