//! The engine behind the window. The window opens first; the engine is opened meanwhile, and calls that need it wait,
//! not for ever. Being the owner of the data directory is `slipway-http`'s business.

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use slipway_wire::{Code, Event, Frame, Problem, ProcessRef};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// Longest a call waits for the engine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the bridge needs of the engine.
pub(crate) trait Product: Send + Sync {
    /// Executes a command of the table.
    fn dispatch(&self, name: String, body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Problem>>;
    /// Everything that changes, from an event number on.
    fn events(&self, since: Option<u64>) -> BoxStream<'static, Event>;
    /// The output of a process from an offset on, and its input.
    fn attach(&self, process: ProcessRef, offset: u64) -> BoxFuture<'_, Result<Attached, Problem>>;
    /// The gateway's port on this machine.
    fn gateway(&self) -> u16;
    /// Ends everything in order.
    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, ()>;
}

/// An attached process.
pub(crate) struct Attached {
    /// What it writes.
    pub(crate) output: mpsc::Receiver<Frame<Bytes>>,
    /// What it reads.
    pub(crate) input: Box<dyn Input>,
}

/// Where input goes.
pub(crate) trait Input: Send + Sync {
    /// Sends bytes; waits while the process does not read.
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), Problem>>;
}

#[derive(Clone)]
enum State {
    Opening,
    Open(Arc<dyn Product>),
    Failed(Problem),
}

/// The engine, once it is open.
pub(crate) struct Owner(watch::Sender<State>);

impl Default for Owner {
    fn default() -> Self {
        Self(watch::Sender::new(State::Opening))
    }
}

impl Owner {
    /// Says what came of opening it.
    pub(crate) fn set(&self, outcome: Result<Arc<dyn Product>, Problem>) {
        self.0.send_replace(outcome.map_or_else(State::Failed, State::Open));
    }

    /// The engine, as soon as it is open, or why it is not.
    pub(crate) async fn product(&self) -> Result<Arc<dyn Product>, Problem> {
        let mut state = self.0.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Opening));
        let late = || {
            Problem::new(Code::OwnerBusy, "Slipway's engine did not open in time.")
                .hint("Close Slipway, look whether another one is running, and start it again.")
        };
        let settled =
            tokio::time::timeout(PATIENCE, settled).await.map_err(|_| late())?.map_err(|_| late())?;
        match &*settled {
            State::Open(product) => Ok(product.clone()),
            State::Failed(problem) => Err(problem.clone()),
            State::Opening => Err(late()),
        }
    }

    /// The engine, if it is open now.
    pub(crate) fn open(&self) -> Option<Arc<dyn Product>> {
        match &*self.0.borrow() {
            State::Open(product) => Some(product.clone()),
            _ => None,
        }
    }
}
