//! Watching what a workspace listens on. The agent reads the socket table; nothing is guessed from output.

use slipway_agent_api::v1::{PortsRequest, port_event::Change};
use slipway_wire::{Port, WorkspaceId};
use tokio_util::sync::CancellationToken;

use super::update::{Update, Updates};
use crate::{agent_link::AgentLink, preview::Gateway};

/// Follows the agent's port stream until it or the link ends.
pub(super) async fn watch(
    mut link: AgentLink,
    workspace: WorkspaceId,
    gateway: std::sync::Arc<Gateway>,
    updates: Updates,
    cancel: CancellationToken,
) {
    let stream = link.client.ports(PortsRequest {}).await;
    let mut stream = match stream {
        Ok(stream) => stream.into_inner(),
        Err(status) => {
            tracing::warn!(%workspace, %status, "the agent does not tell its ports");
            return;
        }
    };
    loop {
        let event = tokio::select! {
            () = cancel.cancelled() => return,
            event = stream.message() => event,
        };
        let Ok(Some(event)) = event else { return };
        let Ok(port @ 1..) = u16::try_from(event.port) else { continue };
        match event.change() {
            Change::Opened => {
                let url = gateway.url(&workspace, port);
                let process = event.process.parse().ok();
                updates.tell(Update::PortOpened(Port { port, loopback: event.loopback, url }, process)).await;
            }
            Change::Closed => updates.tell(Update::PortClosed(port)).await,
            Change::Listed => {}
        }
    }
}
