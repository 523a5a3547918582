//! Bytes between a byte stream (a TCP connection, a tunnel) and the two directions of a gRPC call. Each direction ends on
//! its own; an error ends both.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use slipway_agent_api::{MAX_CHUNK, v1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tonic::{Status, Streaming};

/// A request message that may carry bytes.
pub(crate) trait Carrier {
    /// The bytes, or nothing when the message is of another kind.
    fn into_data(self) -> Option<Bytes>;
}

impl Carrier for v1::DialRequest {
    fn into_data(self) -> Option<Bytes> {
        match self.part? {
            v1::dial_request::Part::Data(data) => Some(data),
            v1::dial_request::Part::Open(_) => None,
        }
    }
}

impl Carrier for v1::EgressAnswerRequest {
    fn into_data(self) -> Option<Bytes> {
        match self.part? {
            v1::egress_answer_request::Part::Data(data) => Some(data),
            v1::egress_answer_request::Part::Verdict(_) => None,
        }
    }
}

/// Writes what comes in to `target` and then its end. An error means that the call was cut or the target is gone.
pub(crate) async fn inward<C: Carrier>(
    calls: &mut Streaming<C>,
    target: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    while let Some(message) = calls.message().await.map_err(io::Error::other)? {
        let Some(mut data) = message.into_data() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a second opening message"));
        };
        target.write_all_buf(&mut data).await?;
    }
    target.shutdown().await
}

/// What `source` brings, in chunks of at most [`MAX_CHUNK`], until its end. A read error ends it with UNAVAILABLE.
pub(crate) fn outward<R>(source: R) -> impl Stream<Item = Result<Bytes, Status>> + Send
where
    R: AsyncRead + Unpin + Send,
{
    futures_util::stream::unfold(Some((source, BytesMut::new())), async |state| {
        let (mut source, mut buffer) = state?;
        // One allocation serves many small reads; a full one is handed over whole.
        if buffer.capacity() - buffer.len() < MAX_CHUNK / 8 {
            buffer = BytesMut::with_capacity(MAX_CHUNK);
        }
        match source.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => {
                let data = buffer.split().freeze();
                Some((Ok(data), Some((source, buffer))))
            }
            Err(error) => Some((Err(Status::unavailable(format!("the connection broke: {error}"))), None)),
        }
    })
}
