//! What comes over a connection, which does not block, on its way to what does: a file, a zip.

use bytes::Bytes;
use futures_util::StreamExt as _;
use slipway_wire::{Code, Problem};
use tokio::sync::{mpsc, oneshot};

use super::ByteStream;

/// Pieces between the two.
pub(super) const QUEUE: usize = 8;

/// Hands what comes to `take` on a thread of its own, and at the end, if all of it came, to `end`.
///
/// # Errors
///
/// The first of the stream, of `take` or of `end`.
pub async fn received<T: Send + 'static, R: Send + 'static>(
    mut bytes: ByteStream,
    mut sink: T,
    mut take: impl FnMut(&mut T, Bytes) -> Result<(), Problem> + Send + 'static,
    end: impl FnOnce(T) -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    let (send, mut pieces) = mpsc::channel::<Bytes>(QUEUE);
    let (whole, is_whole) = oneshot::channel::<()>();
    let worker = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            take(&mut sink, piece)?;
        }
        // The stream broke off, and its own problem is the one to tell.
        if is_whole.blocking_recv().is_err() {
            return Ok(None);
        }
        end(sink).map(Some)
    });
    let mut broke = None;
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => {
                // Without a receiver the thread has failed; it says why.
                if send.send(piece).await.is_err() {
                    break;
                }
            }
            Err(problem) => {
                broke = Some(problem);
                break;
            }
        }
    }
    match broke {
        Some(_) => drop(whole),
        // It may have failed by now.
        None => drop(whole.send(())),
    }
    drop(send);
    let done =
        worker.await.map_err(|e| Problem::new(Code::Internal, format!("The copying broke off: {e}.")))?;
    match (done?, broke) {
        (Some(done), _) => Ok(done),
        (None, Some(problem)) => Err(problem),
        (None, None) => Err(Problem::new(Code::Internal, "The copying broke off.")),
    }
}
