//! Sending the raw zip to the agent, which unpacks it inside the container with the same checks.

use bytes::Bytes;
use futures_util::StreamExt;
use slipway_agent_api::{
    MAX_CHUNK,
    v1::{UnpackLimits, UnpackOpen, UnpackRequest, unpack_reply::Event, unpack_request::Part},
};
use slipway_intake::Limits;
use slipway_wire::{Code, Problem};
use std::fs::File;
use tokio::io::AsyncReadExt;

use crate::{
    agent_link::{AgentClient, agent_problem},
    files::{ByteStream, Failure, Owned, pieces},
};

/// What was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackSummary {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Chunks of a file from its beginning, up to `size` bytes.
pub(super) fn chunks(file: &File, size: u64) -> Result<ByteStream, Problem> {
    let failed = |e: std::io::Error| {
        Problem::new(Code::Refused, format!("The zip could not be read to its end: {e}."))
            .hint("Drop it again.")
    };
    let mut file = file.try_clone().map_err(failed)?;
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    let reader = tokio::fs::File::from_std(file).take(size);
    let chunks = tokio_util::io::ReaderStream::with_capacity(reader, MAX_CHUNK);
    Ok(Box::pin(chunks.map(move |chunk| chunk.map_err(failed))))
}

/// What of a zip is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// A project: from within the folder it was packed in, without what is made anew.
    Project,
    /// All there is.
    Whole,
}

/// Sends a zip to `root`, telling bytes written and in all.
pub(crate) async fn unpack(
    mut client: AgentClient,
    (root, take): (Bytes, Take),
    size: u64,
    limits: &Limits,
    zip: ByteStream,
    mut tell: impl FnMut(u64, u64) + Send,
) -> Result<UnpackSummary, Problem> {
    let open = UnpackOpen {
        root,
        archive_bytes: size,
        limits: Some(UnpackLimits {
            archive_bytes: limits.archive_bytes,
            produced_bytes: limits.produced_bytes,
            file_bytes: limits.file_bytes,
            entries: limits.entries,
            ratio: limits.ratio,
            depth: limits.depth,
            path_bytes: limits.path_bytes,
            manifest_bytes: limits.manifest_bytes,
        }),
        whole: take == Take::Whole,
    };
    let failure = Failure::default();
    let data = pieces(zip, failure.clone()).map(|data| UnpackRequest { part: Some(Part::Data(data)) });
    let first = futures_util::stream::iter([UnpackRequest { part: Some(Part::Open(open)) }]);
    let result = follow(client.unpack(Owned::new(first.chain(data))).await, take, &mut tell).await;
    if let Some(problem) = failure.take() {
        return Err(problem);
    }
    result
}

async fn follow(
    reply: Result<tonic::Response<tonic::Streaming<slipway_agent_api::v1::UnpackReply>>, tonic::Status>,
    take: Take,
    tell: &mut (impl FnMut(u64, u64) + Send),
) -> Result<UnpackSummary, Problem> {
    let doing = "unpacking the files";
    let mut events = reply.map_err(|s| agent_problem(doing, &s))?.into_inner();
    while let Some(reply) = events.message().await.map_err(|s| agent_problem(doing, &s))? {
        match reply.event {
            Some(Event::Progress(p)) => tell(p.bytes.min(p.total_bytes), p.total_bytes),
            Some(Event::Done(done)) if take == Take::Whole && !done.whole => {
                let text = "The workspace's agent is of an older Slipway: it unpacked the zip as a project, \
                    without its outermost folder and what is installed anew.";
                return Err(
                    Problem::new(Code::WrongState, text).hint("Deploy the workspace again and copy then.")
                );
            }
            Some(Event::Done(done)) => return Ok(UnpackSummary { files: done.files, bytes: done.bytes }),
            Some(Event::Refused(refused)) => {
                let code: String = refused.code.chars().filter(char::is_ascii_graphic).take(40).collect();
                let plain =
                    |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(300).collect() };
                let words = plain(&refused.message);
                // Trouble with the container's disk is not the zip's fault.
                let (kind, text) = if code == "io" {
                    (Code::Storage, format!("The files could not be unpacked: {words}."))
                } else {
                    (Code::Refused, format!("The zip was refused: {words}."))
                };
                return Err(Problem::new(kind, text).hint(plain(&refused.hint)).detail(code));
            }
            None => {}
        }
    }
    Err(Problem::new(Code::AgentLost, "The container stopped answering while the files went in.")
        .hint("Deploy it again."))
}
