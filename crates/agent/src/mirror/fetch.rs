//! Contents: files of a list one after the other, each only while it is what the caller expects.

use std::fs::File;
use std::io::Read as _;

use bytes::Bytes;
use futures_util::Stream;
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::v1::{SyncFetchReply, SyncFetchRequest};
use slipway_mirror::{Folder, Found, RelPath};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{folder, words};

/// Begins to send.
pub(crate) fn fetch(
    request: SyncFetchRequest,
) -> Result<impl Stream<Item = Result<SyncFetchReply, Status>> + use<>, Status> {
    let folder = folder(&request.root, "fetch")?;
    let mut files = Vec::with_capacity(request.files.len().min(1000));
    for file in request.files {
        let expected = file.expected.map(words::expected).transpose()?;
        files.push((words::path(&file.path)?, expected));
    }
    let (replies, stream) = mpsc::channel(8);
    tokio::task::spawn_blocking(move || {
        for (index, (path, expected)) in files.iter().enumerate() {
            let mut send = |data: Bytes, last: bool, broken: bool| {
                let reply = SyncFetchReply { index: index as u64, data, last, broken };
                replies.blocking_send(Ok(reply)).is_ok()
            };
            let Some(whole) = one(&folder, path, expected.as_ref(), &mut send) else { return };
            if !send(Bytes::new(), true, !whole) {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// Whether all of the file was sent and it was the expected one; none when nobody takes it.
fn one(
    folder: &Folder,
    path: &RelPath,
    expected: Option<&Found>,
    send: &mut dyn FnMut(Bytes, bool, bool) -> bool,
) -> Option<bool> {
    let Ok((mut file, found)) = folder.read(path) else { return Some(false) };
    let Found::File { stamp, .. } = found else { return Some(false) };
    if Some(&found) != expected {
        return Some(false);
    }
    let mut left = stamp.size;
    while left > 0 {
        let Some(data) = chunk(&mut file, left) else { return Some(false) };
        left -= data.len() as u64;
        if !send(data, false, false) {
            return None;
        }
    }
    Some(Folder::read_still(&file).is_ok_and(|now| now == found))
}

fn chunk(file: &mut File, left: u64) -> Option<Bytes> {
    let mut data = vec![0; MAX_CHUNK.min(left.try_into().unwrap_or(MAX_CHUNK))];
    let mut filled = 0;
    while filled < data.len() {
        match file.read(&mut data[filled..]) {
            Ok(0) | Err(_) => return None,
            Ok(count) => filled += count,
        }
    }
    Some(data.into())
}
