//! Whole directories in and out as one stream (`slipway_agent_api::tree`). The bytes pass through: whoever makes files of
//! them, the agent inside or the command line here, reads them as hostile.

use bytes::Bytes;
use futures_util::StreamExt as _;
use slipway_agent_api::v1::{
    ReadTreeRequest, WriteTreeOpen, WriteTreeReply, WriteTreeRequest, write_tree_request::Part,
};
use slipway_wire::{Code, Problem};

use super::{ByteStream, Failure, Owned, path_bytes, pieces};
use crate::agent_link::{AgentClient, agent_problem};

/// Everything below a directory.
pub(crate) async fn read_tree(mut client: AgentClient, path: &str) -> Result<ByteStream, Problem> {
    let doing = format!("reading {path}");
    let request = ReadTreeRequest { path: path_bytes(path)? };
    let stream = client.read_tree(request).await.map_err(|s| explained(&doing, &s))?.into_inner();
    Ok(Box::pin(stream.map(move |part| part.map(|p| p.data).map_err(|s| agent_problem(&doing, &s)))))
}

/// Makes files of a stream below `root`, all or none. Gives how many, and their bytes.
pub(crate) async fn write_tree(
    mut client: AgentClient,
    root: &str,
    bytes: ByteStream,
) -> Result<(u64, u64), Problem> {
    let open = WriteTreeOpen { root: path_bytes(root)? };
    let failure = Failure::default();
    let data =
        pieces(bytes, failure.clone()).map(|data: Bytes| WriteTreeRequest { part: Some(Part::Data(data)) });
    let first = futures_util::stream::iter([WriteTreeRequest { part: Some(Part::Open(open)) }]);
    let reply = client.write_tree(Owned::new(first.chain(data))).await;
    if let Some(problem) = failure.take() {
        return Err(problem);
    }
    let reply = reply.map_err(|s| explained(&format!("writing below {root}"), &s))?;
    let WriteTreeReply { files, bytes } = reply.into_inner();
    Ok((files, bytes))
}

fn explained(doing: &str, status: &tonic::Status) -> Problem {
    if status.code() == tonic::Code::Unimplemented {
        return older("copy folders this way");
    }
    agent_problem(doing, status)
}

/// A container from before something was taught to its agent.
pub(super) fn older(what: &str) -> Problem {
    Problem::new(Code::WrongState, format!("The container was made by an older Slipway and cannot {what}."))
        .hint("Deploy the project again.")
}
