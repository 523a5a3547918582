//! Outgoing connections of a workspace: the agent announces each one, the policy rules on it, the dialer resolves and
//! connects, bytes are relayed and counted. In: announcements (hostile) and a person's rules. Out: `EgressEntry`s and
//! connections to checked addresses only. Nothing here knows Docker, the store or the skins.

mod address;
mod connection;
mod dialer;
mod host;
mod policy;
mod proxy;

pub use address::AddressPolicy;
pub use dialer::{DialError, Dialer, Resolver, Resolving, SystemResolver};
pub use host::{Host, Pattern};
pub use policy::Policy;

use std::sync::Arc;

use slipway_agent_api::v1::{EgressRequest, agent_client::AgentClient};
use slipway_wire::{Code, EgressEntry, Problem, WorkspaceId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::config::Clock;
use connection::{Connection, Shared};

/// Where entries go: called in order for one connection, from any task, and must not block.
pub type Sink = Arc<dyn Fn(EgressEntry) + Send + Sync>;

/// Connections one workspace may have open or be waiting for, refused ones not counted.
const OPEN: usize = 256;

/// Refusals that may be on their way besides. Past it, announcements wait in the agent.
const REFUSING: usize = 64;

/// Largest message taken from an agent, bytes.
const MESSAGE: usize = 1 << 20;

/// Answers the outgoing connections of one live workspace until `cancel`, then drops those that are open.
///
/// Fails with [`Code::AgentLost`] when the agent ends the stream or cannot be reached; the caller decides whether to
/// call again.
pub async fn serve(
    workspace: WorkspaceId,
    client: AgentClient<Channel>,
    policy: Policy,
    dialer: Dialer,
    clock: Arc<dyn Clock>,
    sink: Sink,
    cancel: CancellationToken,
) -> Result<(), Problem> {
    let mut client = client.max_decoding_message_size(MESSAGE);
    let mut announced = tokio::select! {
        () = cancel.cancelled() => return Ok(()),
        stream = client.egress(EgressRequest {}) => stream.map_err(|status| lost(&status))?.into_inner(),
    };
    let shared = Arc::new(Shared { workspace, client, policy, dialer, clock, sink });
    let mut serial = 0_u64;
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            Some(ended) = open.join_next() => {
                if let Err(failed) = ended {
                    tracing::error!(workspace = %shared.workspace, %failed, "an outgoing connection's task failed");
                }
            }
            next = announced.message(), if open.len() < OPEN + REFUSING => {
                let Some(announcement) = next.map_err(|status| lost(&status))? else {
                    return Err(Problem::new(Code::AgentLost, "The container stopped announcing connections."));
                };
                serial += 1;
                let connection = Connection::new(Arc::clone(&shared), announcement, serial);
                if open.len() < OPEN {
                    open.spawn(connection.run());
                } else {
                    open.spawn(connection.refuse_as("too many open connections"));
                }
            }
        }
    }
}

fn lost(status: &tonic::Status) -> Problem {
    Problem::new(Code::AgentLost, "The container's outgoing connections cannot be answered.").detail(format!(
        "{:?}: {}",
        status.code(),
        status.message()
    ))
}
