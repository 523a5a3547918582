//! Files in and out of a workspace as raw bytes. The size is told beforehand and checked; a stream that stalls for a
//! minute is given up. Paths are the engine's to check: they name places in the container, never on this machine.

use crate::server::{Failure, Shared};
use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, stream};
use http::header;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use slipway_engine::{ByteStream, Upload};
use slipway_wire::{Code, FileEntry, FileRef, Problem, WorkspaceId};
use std::{sync::Arc, time::Duration};

/// A body that brings nothing for this long is given up.
const STALL: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
pub(crate) struct ReadQuery {
    id: WorkspaceId,
    path: String,
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize)]
pub(crate) struct WriteQuery {
    id: WorkspaceId,
    path: String,
    /// Permission bits, decimal.
    mode: Option<u32>,
    /// Of the whole file.
    size: u64,
    /// Bytes that arrived before, by an upload that was cut.
    #[serde(default)]
    offset: u64,
    /// What arrives stays for a day when this upload is cut.
    #[serde(default)]
    resumable: bool,
}

#[derive(Deserialize)]
pub(crate) struct UnpackQuery {
    id: WorkspaceId,
    root: String,
    size: u64,
}

/// What an unpacking wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unpacked {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<ReadQuery>,
) -> Result<Response, Failure> {
    let file = FileRef { id: query.id, path: query.path };
    let bytes = shared.engine.read_file(&file, query.offset).await?;
    let counted = shared.count();
    // A failure on the way cuts the chunked body short, which the client takes for what it is.
    let bytes = bytes.map(move |chunk| {
        let _ = &counted;
        chunk
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(bytes)).into_response())
}

pub(crate) async fn write(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Result<Json<FileEntry>, Failure> {
    let file = FileRef { id: query.id, path: query.path };
    let WriteQuery { mode, size, offset, resumable, .. } = query;
    let bytes = incoming(body, size.saturating_sub(offset));
    let upload = Upload { mode, size, offset, resumable, ..Upload::default() };
    Ok(Json(shared.engine.upload(&file, upload, bytes).await?))
}

pub(crate) async fn read_tree(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<ReadQuery>,
) -> Result<Response, Failure> {
    let folder = FileRef { id: query.id, path: query.path };
    let bytes = shared.engine.read_tree(&folder).await?;
    let counted = shared.count();
    let bytes = bytes.map(move |chunk| {
        let _ = &counted;
        chunk
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(bytes)).into_response())
}

/// The stream says itself when it is whole, so no size is told beforehand.
pub(crate) async fn write_tree(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<ReadQuery>,
    body: Body,
) -> Result<Json<Unpacked>, Failure> {
    let folder = FileRef { id: query.id, path: query.path };
    let (files, bytes) = shared.engine.write_tree(&folder, Box::pin(unsized_body(body))).await?;
    Ok(Json(Unpacked { files, bytes }))
}

pub(crate) async fn unpack(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<UnpackQuery>,
    body: Body,
) -> Result<Json<Unpacked>, Failure> {
    let bytes = incoming(body, query.size);
    let done = shared.engine.unpack(&query.id, &query.root, query.size, bytes).await?;
    Ok(Json(Unpacked { files: done.files, bytes: done.bytes }))
}

/// Exactly `size` bytes, or a problem as the last item.
fn incoming(body: Body, size: u64) -> ByteStream {
    Box::pin(exactly(body, size))
}

fn exactly(body: Body, size: u64) -> impl Stream<Item = Result<bytes::Bytes, Problem>> + Send {
    stream::unfold(Some((body, size)), |state| async move {
        let (mut body, left) = state?;
        match data(&mut body).await {
            Err(problem) => Some((Err(problem), None)),
            Ok(None) if left == 0 => None,
            Ok(None) => Some((Err(broken(&format!("{left} bytes are missing"))), None)),
            Ok(Some(data)) => match left.checked_sub(data.len() as u64) {
                Some(left) => Some((Ok(data), Some((body, left)))),
                None => Some((Err(broken("more came than was announced")), None)),
            },
        }
    })
}

fn unsized_body(body: Body) -> impl Stream<Item = Result<bytes::Bytes, Problem>> + Send {
    stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        match data(&mut body).await {
            Err(problem) => Some((Err(problem), None)),
            Ok(None) => None,
            Ok(Some(data)) => Some((Ok(data), Some(body))),
        }
    })
}

/// The next bytes of a body; none at its end.
async fn data(body: &mut Body) -> Result<Option<bytes::Bytes>, Problem> {
    loop {
        let frame = match tokio::time::timeout(STALL, body.frame()).await {
            Err(_) => return Err(broken("it stalled")),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(broken(&error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
}

fn broken(why: &str) -> Problem {
    Problem::new(Code::Invalid, format!("The upload broke off: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;

    async fn upload(bytes: &'static [u8], size: u64) -> Result<Vec<u8>, String> {
        let chunks: Vec<bytes::Bytes> =
            exactly(Body::from(bytes), size).try_collect().await.map_err(|p| p.to_string())?;
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn an_upload_brings_exactly_what_it_announced() {
        assert_eq!(upload(b"abc", 3).await, Ok(b"abc".to_vec()));
        assert_eq!(upload(b"", 0).await, Ok(Vec::new()));
        assert!(upload(b"abc", 4).await.unwrap_err().contains("1 bytes are missing"));
        assert!(upload(b"abc", 2).await.unwrap_err().contains("more came"));
    }
}
