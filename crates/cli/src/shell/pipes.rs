//! Without a terminal: bytes pass both ways as they are, standard error apart from standard output, and signals go to
//! the program. Reading, writing and signals wait for nothing but their own end, so that none blocks another.

use super::{cut, exit_of};
use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
};
use bytes::BytesMut;
use slipway_http::AttachInput;
use slipway_wire::{Api as _, FrameKind, ProcessRef, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CHUNK: usize = 64 * 1024;

pub(crate) async fn run(session: &Session, process: &ProcessRef) -> Result<Code, Failure> {
    let (mut output, input) = session.client.attach(process, 0, true, true).await?;
    let feeding = tokio::spawn(feed(input));
    let signals = tokio::spawn(pass_signals(session.clone(), process.clone())?);
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    let ended = loop {
        let frame = match output.next().await {
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
            FrameKind::Exit => break exit_of(&frame.payload).map(Code::of_process),
        };
        if let Err(error) = written {
            break Err(error.into());
        }
    };
    // Standard input may never end; leaving ends it.
    feeding.abort();
    signals.abort();
    ended
}

async fn write<W: tokio::io::AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
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
            let signal = Signal {
                id: process.id.clone(),
                process: process.process.clone(),
                signal: number,
                tree: true,
            };
            if let Err(problem) = session.api.process_signal(signal).await {
                tracing::debug!(%problem, "the signal did not arrive");
            }
        }
    })
}

#[cfg(not(unix))]
fn pass_signals(session: Session, process: ProcessRef) -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut presses = crate::interrupts::Interrupts::listen()?;
    Ok(async move {
        loop {
            presses.next().await;
            let signal =
                Signal { id: process.id.clone(), process: process.process.clone(), signal: 2, tree: true };
            if let Err(problem) = session.api.process_signal(signal).await {
                tracing::debug!(%problem, "the signal did not arrive");
            }
        }
    })
}
