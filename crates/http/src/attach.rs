//! A process's output and input over one WebSocket. Down: frames of `slipway-wire`. Up: bytes as binary messages,
//! `{"resize":{..}}` and `{"end_of_input":true}` as text. Whoever reads slowly slows the process down; nothing queues.

use crate::server::{Failure, Shared};
use axum::{
    extract::{
        Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use serde::{Deserialize, Serialize};
use slipway_engine::{AttachInput, Attachment};
use slipway_wire::{Api as _, Code, FrameKind, Problem, ProcessId, ProcessRef, WindowSize, WorkspaceId};
use std::sync::Arc;

/// The largest message a client may send.
pub(crate) const MAX_INPUT: usize = 256 * 1024;
/// WebSocket close codes: normal, going away, internal.
const CLOSE_NORMAL: u16 = 1000;
const CLOSE_AWAY: u16 = 1001;
const CLOSE_FAILED: u16 = 1011;

#[derive(Deserialize)]
pub(crate) struct AttachQuery {
    id: WorkspaceId,
    process: ProcessId,
    #[serde(default)]
    offset: u64,
    /// Slow the process down rather than leave a gap.
    #[serde(default)]
    lossless: u8,
    /// The process ends with this connection: its caller is all it was started for.
    #[serde(default)]
    owned: u8,
}

/// What a client says besides bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Control {
    Resize(WindowSize),
    EndOfInput(bool),
}

pub(crate) async fn attach(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<AttachQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let process = ProcessRef { id: query.id, process: query.process };
    let attachment = shared.engine.attach(&process, query.offset, query.lossless != 0).await?;
    let owned = query.owned != 0;
    let shared = Arc::clone(&shared);
    Ok(upgrade.max_message_size(MAX_INPUT).max_frame_size(MAX_INPUT).write_buffer_size(0).on_upgrade(
        move |socket| async move {
            let tasks = shared.tasks.clone();
            // Tracked, so that the owner's end waits for it.
            let carried = tasks.track_future(carry(Arc::clone(&shared), socket, attachment));
            if carried.await == Ended::Left && owned {
                close(&shared, process).await;
            }
        },
    ))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The process, the link to it or the owner ended, and the client was told.
    Told,
    /// The client left first.
    Left,
}

async fn carry(shared: Arc<Shared>, socket: WebSocket, attachment: Attachment) -> Ended {
    let _counted = shared.count();
    let (mut sink, source) = socket.split();
    let Attachment { mut output, input, .. } = attachment;
    let down = async {
        while let Some(frame) = output.recv().await {
            let last = frame.kind == FrameKind::Exit;
            if sink.send(Message::Binary(frame.encode().into())).await.is_err() {
                return Ended::Left;
            }
            if last {
                bye(&mut sink, CLOSE_NORMAL, "the process ended").await;
                return Ended::Told;
            }
        }
        // The link to the container broke, not the client: it may attach again.
        bye(&mut sink, CLOSE_FAILED, "the process's output ended without its exit").await;
        Ended::Told
    };
    let ended = tokio::select! {
        ended = down => Some(ended),
        () = up(source, input) => Some(Ended::Left),
        () = shared.closing.cancelled() => None,
    };
    if let Some(ended) = ended {
        return ended;
    }
    bye(&mut sink, CLOSE_AWAY, "Slipway's owner ends").await;
    Ended::Told
}

/// Carries input until the client leaves.
async fn up(mut source: SplitStream<WebSocket>, input: AttachInput) {
    while let Some(Ok(message)) = source.next().await {
        let done = match message {
            Message::Binary(bytes) => input.send(bytes).await,
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(Control::Resize(size)) => input.resize(size).await,
                Ok(Control::EndOfInput(true)) => input.end().await,
                Ok(Control::EndOfInput(false)) => Ok(()),
                Err(error) => {
                    tracing::debug!(%error, "a control message could not be read");
                    return;
                }
            },
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        };
        if let Err(problem) = done {
            // Input to a process that has ended is no failure: its exit follows on the other side.
            tracing::debug!(%problem, "input was not taken");
        }
    }
}

async fn bye(sink: &mut SplitSink<WebSocket, Message>, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    if sink.send(Message::Close(Some(frame))).await.is_err() {
        tracing::debug!("the client left before it was told why");
    }
}

async fn close(shared: &Shared, process: ProcessRef) {
    match shared.engine.process_close(process).await {
        Ok(_) | Err(Problem { code: Code::NotFound, .. }) => {}
        Err(problem) => tracing::warn!(%problem, "a process outlives the client it was started for"),
    }
}
