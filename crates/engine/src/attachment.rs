//! Attaching to a process: its output as frames from an offset on, its input the other way. Flow control goes through:
//! who does not take frames holds the process back (lossless), or gets a gap.

use bytes::Bytes;
use slipway_agent_api::v1::{
    Acknowledging, AttachOpen, AttachReply, AttachRequest, Stream, TakenRequest, WindowSize as AgentSize,
    attach_reply::Event, attach_request::Part,
};
use slipway_wire::{Code, Frame, FrameKind, Problem, ProcessRef, WindowSize};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    agent_link::{AgentLink, agent_problem},
    deploy::exit_view,
    workspace::Activity,
};

/// Frames on their way to a reader. With the agent's chunks of at most 256 KiB this bounds what a slow one can hold.
const FRAMES: usize = 16;
/// Input on its way to the agent, in chunks.
const INPUTS: usize = 64;
/// Largest piece of input sent at once, bytes.
const MOST_INPUT: usize = 64 * 1024;

/// An attached process.
pub struct Attachment {
    /// Its output. The last frame is [`FrameKind::Exit`], unless the connection broke: then attach again at the offset
    /// reached.
    pub output: mpsc::Receiver<Frame<Bytes>>,
    /// Its input.
    pub input: AttachInput,
    /// Where an acknowledging reader says how far it is.
    pub taken: Taken,
}

/// What an acknowledging reader has taken. A call beside the stream: it must not wait behind input nobody reads.
pub struct Taken {
    link: AgentLink,
    process: String,
    reader: u64,
}

impl Taken {
    /// All output before `offset` has been taken; so many bytes may come beyond it. An agent of an earlier Slipway does
    /// not know it and sends what the connection has room for.
    pub async fn tell(&mut self, offset: u64, window: u64) -> Result<(), Problem> {
        let request = TakenRequest { process: self.process.clone(), reader: self.reader, offset, window };
        match self.link.client.taken(request).await {
            Err(status) if status.code() != tonic::Code::Unimplemented => {
                Err(agent_problem("acknowledging output", &status))
            }
            _ => Ok(()),
        }
    }
}

/// The input of an attached process. Cheap to clone.
#[derive(Clone)]
pub struct AttachInput {
    requests: mpsc::Sender<AttachRequest>,
    used: Activity,
}

impl AttachInput {
    async fn part(&self, part: Part) -> Result<(), Problem> {
        let over = |_| Problem::new(Code::WrongState, "The program has ended or is no longer connected.");
        self.requests.send(AttachRequest { part: Some(part) }).await.map_err(over)
    }

    /// Sends bytes to its standard input. Waits while the program does not read.
    pub async fn send(&self, mut bytes: Bytes) -> Result<(), Problem> {
        self.used.note();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MOST_INPUT));
            self.part(Part::Input(piece)).await?;
        }
        Ok(())
    }

    /// Changes the size of its terminal.
    pub async fn resize(&self, size: WindowSize) -> Result<(), Problem> {
        self.part(Part::Resize(agent_size(size)?)).await
    }

    /// Ends its standard input.
    pub async fn end(&self) -> Result<(), Problem> {
        self.part(Part::EndOfInput(true)).await
    }
}

/// A size the agent takes, checked.
pub(crate) fn agent_size(size: WindowSize) -> Result<AgentSize, Problem> {
    let fits = |n: u16| (1..=1000).contains(&n);
    if !fits(size.columns) || !fits(size.rows) {
        return Err(Problem::new(Code::Invalid, "A terminal has 1 to 1,000 columns and rows."));
    }
    Ok(AgentSize { columns: size.columns.into(), rows: size.rows.into() })
}

/// Names readers to agents. An agent whose owner was killed may still hold a reader of the same name for a moment, of a
/// connection that is gone: what is taken here then frees that one too.
static READERS: AtomicU64 = AtomicU64::new(1);

/// Attaches through a workspace's agent.
pub(crate) async fn attach(
    link: AgentLink,
    process: &ProcessRef,
    offset: u64,
    lossless: bool,
    window: Option<u64>,
    used: Activity,
) -> Result<(Attachment, impl Future<Output = ()> + Send + use<>), Problem> {
    let (requests, inbox) = mpsc::channel(INPUTS);
    let input = AttachInput { requests, used };
    let reader = READERS.fetch_add(1, Ordering::Relaxed);
    let open = AttachOpen {
        process: process.process.to_string(),
        offset,
        lossless,
        acknowledging: window.map(|window| Acknowledging { reader, window }),
    };
    input.part(Part::Open(open)).await?;
    let taken = Taken { link: link.clone(), process: process.process.to_string(), reader };
    let replies = link.client.clone().attach(ReceiverStream::new(inbox)).await;
    let mut replies = replies.map_err(|s| agent_problem("attaching to a program", &s))?.into_inner();
    let (frames, output) = mpsc::channel(FRAMES);
    let pump = async move {
        loop {
            let reply = tokio::select! {
                () = frames.closed() => return,
                reply = replies.message() => reply,
            };
            // A broken connection ends the frames without an exit; the reader knows where it was.
            let Ok(Some(reply)) = reply else { return };
            let Some(frame) = frame(reply) else { continue };
            let last = frame.kind == FrameKind::Exit;
            if frames.send(frame).await.is_err() || last {
                return;
            }
        }
    };
    Ok((Attachment { output, input, taken }, pump))
}

fn frame(reply: AttachReply) -> Option<Frame<Bytes>> {
    Some(match reply.event? {
        Event::Output(output) => {
            let kind = match output.stream() {
                Stream::Terminal => FrameKind::Terminal,
                Stream::Stdout => FrameKind::Stdout,
                Stream::Stderr => FrameKind::Stderr,
            };
            Frame { kind, offset: output.offset, payload: output.data }
        }
        Event::Gap(gap) => Frame {
            kind: FrameKind::Gap,
            offset: gap.to,
            payload: Bytes::copy_from_slice(&gap.from.to_le_bytes()),
        },
        Event::Exit(exit) => {
            let frame = Frame::exit(&exit_view(&exit), exit.bytes);
            Frame { kind: frame.kind, offset: frame.offset, payload: frame.payload.into() }
        }
    })
}
