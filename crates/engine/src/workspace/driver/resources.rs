//! What a workspace may use: limits changed while it runs, and what happens when it has filled its disk.

use slipway_agent_api::v1::UsageRequest;
use slipway_wire::{Code, Level, LimitsRequest, PhaseName, Problem, WorkspaceState};
use std::time::Duration;
use tokio::sync::mpsc;

use super::{
    super::{Update, bytes, message},
    Driver,
};

const MIB: u64 = 1 << 20;
/// An agent that does not answer by then does not keep a limit from being changed.
const PATIENCE: Duration = Duration::from_secs(2);

impl Driver {
    /// Changes what the container may use, at once, and keeps it for every later start.
    pub(super) async fn limit(&mut self, request: &LimitsRequest) -> Result<(), Problem> {
        let changed = self.record.limits.with(request)?;
        if changed == self.record.limits {
            return Ok(());
        }
        let limits = changed.in_force(self.record.view.preset);
        if let Some(memory_mb) = request.memory_mb {
            self.fits(memory_mb).await?;
        }
        if let Some(container) = self.record.container.clone() {
            self.shared.docker.current()?.limit(&container, limits).await?;
        }
        self.record.limits = changed;
        self.changed();
        let cpus = limits.cpus.map(|cpus| format!(", {cpus} cores")).unwrap_or_default();
        let text = format!("It may use **{} MiB** memory{cpus}, {} processes", limits.memory_mb, limits.pids);
        self.say(message(Level::Info, text));
        Ok(())
    }

    /// A limit below what is used would end programs, or be refused by the kernel.
    async fn fits(&self, memory_mb: u64) -> Result<(), Problem> {
        let link = self.link.borrow().clone().filter(|link| !link.is_closed());
        let Some(mut link) = link else { return Ok(()) };
        let asked = tokio::time::timeout(PATIENCE, link.client.usage(UsageRequest {})).await;
        let Ok(Ok(reply)) = asked else { return Ok(()) };
        let used = reply.into_inner().memory_bytes;
        if used > memory_mb * MIB {
            let text = format!("It uses {} MiB now, which is more than {memory_mb} MiB.", used / MIB);
            return Err(
                Problem::new(Code::WrongState, text).hint("Stop it first, or give it more than it uses.")
            );
        }
        Ok(())
    }

    /// Ends its program because it has written all it may; with `everything`, its container too.
    pub(super) async fn disk_full(
        &mut self,
        written: u64,
        limit: u64,
        everything: bool,
        told: &mut mpsc::Receiver<(u64, Update)>,
    ) -> Result<(), Problem> {
        if !matches!(
            self.record.view.state,
            WorkspaceState::Creating | WorkspaceState::Running | WorkspaceState::Failed
        ) {
            return Ok(());
        }
        let what = if everything { "it was stopped" } else { "its program was stopped" };
        let text = format!("Its files take {} and it may write {}: {what}.", bytes(written), bytes(limit));
        let id = &self.record.view.id;
        let problem = Problem::new(Code::DiskFull, text).hint(format!(
            "Delete what it wrote (`slipway shell {id}`) and start it again, or raise the limit first: `slipway settings set disk_limit_mb {}`.",
            limit / MIB * 2
        ));
        self.end_job(told).await;
        if everything {
            self.say_problem(&problem);
            return self.halt(Some(problem)).await;
        }
        self.end_plan().await;
        self.failed(PhaseName::Start, problem);
        Ok(())
    }
}
