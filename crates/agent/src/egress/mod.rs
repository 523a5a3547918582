//! Outgoing connections: programs in the container reach the proxy here, each attempt is announced to the engine, and
//! the engine's answer decides. The gate keeps who waits for what; the proxy speaks the programs' protocols.

mod http;
mod proxy;
mod socks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{Stream, StreamExt as _};
use slipway_agent_api::MAX_CHUNK;
use slipway_agent_api::v1::{
    EgressAnswerReply, EgressAnswerRequest, EgressConnection, EgressVerdict, egress_answer_request,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

pub(crate) use self::proxy::{bind, serve};
use crate::relay;

/// Connections asked about or open at one time.
const CONNECTIONS: usize = 512;

/// Announcements that may wait for the engine to read them; those of programs that gave up still count.
const ANNOUNCEMENTS: usize = 2 * CONNECTIONS;

/// How long an answer may take: a person may be asked.
const ANSWER: Duration = Duration::from_mins(1);

/// Why a program is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("Slipway is not connected")]
    NotConnected,
    #[error("too many outgoing connections are open (512): close some and try again")]
    TooMany,
    #[error("nobody decided about it within a minute")]
    Unanswered,
    #[error("{0}")]
    Refused(String),
}

/// Who answers, and who waits for an answer.
pub(crate) struct Gate {
    state: Mutex<State>,
    slots: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    caller: Option<Caller>,
    calls: u64,
    connections: u64,
    waiting: HashMap<String, Waiting>,
}

struct Caller {
    call: u64,
    announce: mpsc::Sender<EgressConnection>,
}

struct Waiting {
    announcement: EgressConnection,
    answer: oneshot::Sender<Result<Call, Denied>>,
}

/// The two directions of an allowed connection's call.
struct Call {
    calls: Streaming<EgressAnswerRequest>,
    replies: mpsc::Sender<Result<EgressAnswerReply, Status>>,
}

/// An allowed connection.
pub(crate) struct Tunnel {
    call: Call,
    _slot: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate nobody answers at yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), slots: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the returned stream's reader the one who answers; an older one's stream ends. It is told first of all that
    /// wait already.
    pub(crate) fn announcements(
        self: &Arc<Self>,
    ) -> impl Stream<Item = Result<EgressConnection, Status>> + use<> {
        let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
        let mut state = self.state();
        for waiting in state.waiting.values() {
            // There is room: fewer wait than the channel holds.
            let _ = announce.try_send(waiting.announcement.clone());
        }
        state.calls += 1;
        let call = state.calls;
        state.caller = Some(Caller { call, announce });
        drop(state);
        let leaving = Leaving { gate: Arc::clone(self), call };
        ReceiverStream::new(announced).map(move |connection| {
            let _ends_with_the_stream = &leaving;
            Ok(connection)
        })
    }

    /// Takes the engine's verdict and, if it allows, the bytes that follow it.
    pub(crate) fn answer(
        &self,
        verdict: &EgressVerdict,
        calls: Streaming<EgressAnswerRequest>,
    ) -> Result<impl Stream<Item = Result<EgressAnswerReply, Status>> + use<>, Status> {
        let gone = || Status::not_found("that connection is not waiting any more: the program gave up");
        let waiting = self.state().waiting.remove(&verdict.id).ok_or_else(gone)?;
        let (replies, stream) = mpsc::channel(2);
        let answer = if verdict.allowed {
            Ok(Call { calls, replies })
        } else {
            let reason: String = verdict.reason.chars().filter(|c| !c.is_control()).take(500).collect();
            Err(Denied::Refused(reason))
        };
        waiting.answer.send(answer).map_err(|_| gone())?;
        Ok(ReceiverStream::new(stream))
    }

    /// Announces a connection and waits for the answer. Dropping the future withdraws the question.
    pub(crate) async fn ask(self: &Arc<Self>, host: &str, port: u16, tunnel: bool) -> Result<Tunnel, Denied> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Denied::TooMany)?;
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut state = self.state();
            state.connections += 1;
            let id = state.connections.to_string();
            let announcement =
                EgressConnection { id: id.clone(), host: host.to_owned(), port: port.into(), tunnel };
            let caller = state.caller.as_ref().ok_or(Denied::NotConnected)?;
            caller.announce.try_send(announcement.clone()).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Denied::TooMany,
                mpsc::error::TrySendError::Closed(_) => Denied::NotConnected,
            })?;
            state.waiting.insert(id.clone(), Waiting { announcement, answer });
            id
        };
        let _withdraw = Withdraw { gate: self, id };
        match tokio::time::timeout(ANSWER, answered).await {
            Ok(Ok(Ok(call))) => Ok(Tunnel { call, _slot: slot }),
            Ok(Ok(Err(denied))) => Err(denied),
            Ok(Err(_dropped)) => Err(Denied::NotConnected),
            Err(_elapsed) => Err(Denied::Unanswered),
        }
    }
}

/// Takes a question back when whoever asked it is gone.
struct Withdraw<'a> {
    gate: &'a Gate,
    id: String,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.gate.state().waiting.remove(&self.id);
    }
}

/// When the one who answers leaves and nobody has taken over, all who wait are told at once.
struct Leaving {
    gate: Arc<Gate>,
    call: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.caller.as_ref().is_some_and(|caller| caller.call == self.call) {
            state.caller = None;
            state.waiting.clear();
        }
    }
}

impl Tunnel {
    /// Carries bytes between the program and the engine until both directions have ended or one has broken.
    pub(crate) async fn carry(self, program: impl AsyncRead + AsyncWrite + Unpin) {
        let Call { mut calls, replies } = self.call;
        let (mut from, mut to) = tokio::io::split(program);
        let outward = async {
            let ended = upload(&mut from, &replies).await;
            if ended.is_err() {
                // The engine must not take a broken connection for a finished one. It may be gone itself.
                let _ = replies.send(Err(Status::aborted("the program's connection broke"))).await;
            }
            // Ends the direction; the other may go on.
            drop(replies);
            ended
        };
        // Why it broke is known to both ends already.
        let _ = tokio::try_join!(outward, relay::inward(&mut calls, &mut to));
    }
}

async fn upload(
    from: &mut (impl AsyncRead + Unpin),
    replies: &mpsc::Sender<Result<EgressAnswerReply, Status>>,
) -> std::io::Result<()> {
    let broken = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < MAX_CHUNK / 16 {
            buffer.reserve(MAX_CHUNK / 4);
        }
        let length = tokio::select! {
            length = from.read_buf(&mut buffer) => length?,
            () = replies.closed() => return Err(broken()),
        };
        if length == 0 {
            return Ok(());
        }
        let data = buffer.split().freeze();
        replies.send(Ok(EgressAnswerReply { data })).await.map_err(|_| broken())?;
    }
}

/// The opening message of an answer.
pub(crate) async fn verdict(calls: &mut Streaming<EgressAnswerRequest>) -> Result<EgressVerdict, Status> {
    match calls.message().await?.and_then(|message| message.part) {
        Some(egress_answer_request::Part::Verdict(verdict)) => Ok(verdict),
        _ => Err(Status::invalid_argument("an answer begins with its verdict")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_caller_nobody_waits() {
        let gate = Gate::new();
        assert!(matches!(gate.ask("example.org", 443, true).await, Err(Denied::NotConnected)));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_frees_all_who_wait() {
        let gate = Gate::new();
        let mut announcements = Box::pin(gate.announcements());
        let asking = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.ask("example.org", 443, true).await.err() }
        });
        let announced = announcements.next().await.expect("an announcement").expect("no error");
        assert_eq!((announced.host.as_str(), announced.port, announced.tunnel), ("example.org", 443, true));
        drop(announcements);
        assert_eq!(asking.await.expect("no panic"), Some(Denied::NotConnected));
    }

    #[tokio::test]
    async fn a_new_caller_hears_of_those_that_wait_and_ends_the_old_one() {
        let gate = Gate::new();
        let mut old = Box::pin(gate.announcements());
        let asking = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.ask("example.org", 80, false).await.err() }
        });
        let first = old.next().await.expect("an announcement").expect("no error");
        let mut new = Box::pin(gate.announcements());
        assert!(old.next().await.is_none());
        drop(old);
        assert_eq!(new.next().await.expect("an announcement").expect("no error"), first);
        drop(new);
        assert_eq!(asking.await.expect("no panic"), Some(Denied::NotConnected));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_given_up_and_forgotten() {
        let gate = Gate::new();
        let _announcements = Box::pin(gate.announcements());
        assert!(matches!(gate.ask("example.org", 80, false).await, Err(Denied::Unanswered)));
        assert!(gate.state().waiting.is_empty());
        assert_eq!(gate.slots.available_permits(), CONNECTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_bound_are_refused_at_once() {
        let gate = Gate::new();
        let _announcements = Box::pin(gate.announcements());
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { gate.ask("example.org", 80, false).await.err() })
            })
            .collect();
        while gate.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(gate.ask("example.org", 80, false).await, Err(Denied::TooMany)));
        for question in asking {
            assert_eq!(question.await.expect("no panic"), Some(Denied::Unanswered));
        }
    }
}
