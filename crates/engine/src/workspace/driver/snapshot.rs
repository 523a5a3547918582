//! Having a snapshot taken: the driver waits for it, so that nothing else happens to the container meanwhile, and that
//! Docker's own pause and resume around it are not taken for somebody else's.

use slipway_wire::{Code, Level, Problem};
use std::time::Instant;

use super::{
    super::{message, sentence, took},
    Driver,
};
use crate::snapshot::{self, Order, Seed};

impl Driver {
    /// Takes a snapshot of a running, paused or stopped workspace.
    pub(super) async fn snapshot(&mut self, order: Order) -> Result<(), Problem> {
        self.not_while_deploying()?;
        let Some(container) = self.record.container.clone() else { return Err(snapshot::no_container()) };
        if !self.record.uploaded {
            return Err(Problem::new(Code::WrongState, "Its files never all arrived.")
                .hint("Deploy the project again."));
        }
        let docker = self.shared.docker.current()?;
        let seed = Seed::of(&self.record, order.name.clone(), order.note.clone(), self.now_ms());
        let (env, check) = (self.record.env.clone(), self.record.check.clone());
        let began = Instant::now();
        let taking = Box::pin(snapshot::take(&self.shared, &docker, &container, &order, seed, env, check));
        // At the end of the engine the next start looks what came of it.
        let ended =
            || Err(Problem::new(Code::Cancelled, "Slipway is ending; the next start looks what came of it."));
        self.shared.cancel.run_until_cancelled(taking).await.unwrap_or_else(ended)?;
        let mut said = message(Level::Ok, format!("Took the snapshot **{}**", sentence(&order.name)));
        said.aside = Some(took(began.elapsed()));
        self.say(said);
        Ok(())
    }
}
