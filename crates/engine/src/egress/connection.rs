//! One outgoing connection from announcement to end: ruling, dialling, relaying, counting. In: what the agent says the
//! program wants (hostile). Out: an answer to the agent and entries for people.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use slipway_agent_api::v1::{
    EgressAnswerReply, EgressAnswerRequest, EgressConnection, EgressVerdict as AgentVerdict,
    agent_client::AgentClient, egress_answer_request::Part,
};
use slipway_wire::{EgressEntry, EgressVerdict, WorkspaceId};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{DialError, Dialer, Host, Policy, Sink, dialer::Socket, policy::Ruling};
use crate::config::Clock;

/// How long the agent may take to acknowledge an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Shortest time between two entries about the same connection's bytes.
const REPORT: Duration = Duration::from_millis(500);
/// Chunks on their way to the agent before the socket is no longer read.
const QUEUE: usize = 4;
/// What is read at once, at most and at least, bytes.
const CHUNK: usize = 128 * 1024;
const LEAST: usize = 16 * 1024;
/// Longest text of the agent's that is repeated to people, characters.
const SHOWN: usize = 253;

/// What all connections of a workspace share.
pub(super) struct Shared {
    pub(super) workspace: WorkspaceId,
    pub(super) client: AgentClient<Channel>,
    pub(super) policy: Policy,
    pub(super) dialer: Dialer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Sink,
}

/// A connection some program wants.
pub(super) struct Connection {
    shared: Arc<Shared>,
    /// The agent's name for it.
    id: String,
    host: Option<Host>,
    port: Option<u16>,
    entry: EgressEntry,
    begun: Instant,
}

#[derive(Default)]
struct Counted {
    sent: AtomicU64,
    received: AtomicU64,
    changed: Notify,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the agent: {0}")]
    Agent(#[from] tonic::Status),
    #[error("the agent did not take the answer in time")]
    Silent,
    #[error("the socket: {0}")]
    Socket(#[from] io::Error),
}

impl Connection {
    /// `serial` must not repeat within the call of `serve`; the agent's own id is not trusted to be unique.
    pub(super) fn new(shared: Arc<Shared>, announced: EgressConnection, serial: u64) -> Self {
        let at_ms = shared.clock.now_ms();
        let port = u16::try_from(announced.port).ok().filter(|port| *port != 0);
        let host = Host::parse(&announced.host);
        let shown = host.as_ref().map_or_else(
            || announced.host.chars().take(SHOWN).filter(|c| !c.is_control()).collect(),
            ToString::to_string,
        );
        let entry = EgressEntry {
            id: format!("{at_ms:x}-{serial:x}"),
            at_ms,
            host: shown,
            port: port.unwrap_or(0),
            verdict: EgressVerdict::Blocked,
            reason: String::new(),
            sent: 0,
            received: 0,
            elapsed_ms: None,
        };
        Self { shared, id: announced.id, host, port, entry, begun: Instant::now() }
    }

    /// Rules, dials and relays until either side ends it.
    pub(super) async fn run(mut self) {
        let (Some(host), Some(port)) = (self.host.clone(), self.port) else {
            return self.refuse_as("not a host name").await;
        };
        if let Err(why) = self.shared.dialer.check(&host) {
            return self.refuse_as(why).await;
        }
        let ruling = match self.shared.policy.rule(&self.shared.workspace, &host, port) {
            Ruling::Ask(question) => {
                if question.first {
                    self.tell(EgressVerdict::Asked, "not on the allowlist");
                }
                question.answer().await
            }
            ruling => ruling,
        };
        match ruling {
            Ruling::Allow(why) => self.open(&host, port, why).await,
            Ruling::Block(why) => self.refuse_as(why).await,
            // A question answers with a verdict; were that ever to change, blocking is the safe reading.
            Ruling::Ask(_) => self.refuse_as("nobody answered").await,
        }
    }

    /// Tells the program and the person no.
    pub(super) async fn refuse_as(mut self, why: &str) {
        self.end(EgressVerdict::Blocked, why);
        self.refuse(format!("Slipway blocked {}: {why}.", self.entry.host)).await;
    }

    async fn open(mut self, host: &Host, port: u16, why: &'static str) {
        match self.shared.dialer.connect(host, port).await {
            Ok(socket) => {
                self.tell(EgressVerdict::Allowed, why);
                self.relay(socket).await;
            }
            Err(DialError::Forbidden(kind)) => self.refuse_as(&format!("it resolves to a {kind}")).await,
            Err(failed @ DialError::Failed(_)) => {
                let reason = failed.to_string();
                self.end(EgressVerdict::Allowed, &reason);
                self.refuse(format!("Slipway {reason} ({}).", self.entry.host)).await;
            }
        }
    }

    fn tell(&mut self, verdict: EgressVerdict, reason: &str) {
        self.entry.verdict = verdict;
        reason.clone_into(&mut self.entry.reason);
        (self.shared.sink)(self.entry.clone());
    }

    fn end(&mut self, verdict: EgressVerdict, reason: &str) {
        self.entry.elapsed_ms = Some(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.tell(verdict, reason);
    }

    /// A program that went away meanwhile leaves nobody to refuse: the agent then answers with an error, which is fine.
    async fn refuse(&self, reason: String) {
        let answering = async {
            let verdict = verdict(&self.id, false, reason);
            let replies = self.shared.client.clone().egress_answer(tokio_stream::once(verdict)).await?;
            match replies.into_inner().message().await? {
                None => Ok(()),
                Some(_) => Err(tonic::Status::internal("bytes after a refusal")),
            }
        };
        match timeout(ANSWER, answering).await {
            Ok(Ok(())) => {}
            Ok(Err(status)) => {
                tracing::debug!(workspace = %self.shared.workspace, %status, "a refusal went unheard");
            }
            Err(_) => {
                tracing::warn!(workspace = %self.shared.workspace, "the agent did not take a refusal in time");
            }
        }
    }

    async fn relay(mut self, socket: Box<dyn Socket>) {
        let counted = Counted::default();
        let outcome = {
            let relaying = relay(&self.shared.client, &self.id, socket, &counted);
            tokio::pin!(relaying);
            loop {
                tokio::select! {
                    outcome = &mut relaying => break outcome,
                    () = counted.changed.notified() => {}
                }
                counted.read_into(&mut self.entry);
                (self.shared.sink)(self.entry.clone());
                // The next entry waits; the bytes do not.
                if let Ok(outcome) = timeout(REPORT, &mut relaying).await {
                    break outcome;
                }
            }
        };
        if let Err(failed) = outcome {
            tracing::debug!(workspace = %self.shared.workspace, host = %self.entry.host, %failed, "connection cut");
        }
        counted.read_into(&mut self.entry);
        let reason = std::mem::take(&mut self.entry.reason);
        self.end(EgressVerdict::Allowed, &reason);
    }
}

impl Counted {
    fn add(&self, to: &AtomicU64, bytes: usize) {
        to.fetch_add(bytes as u64, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn read_into(&self, entry: &mut EgressEntry) {
        entry.sent = self.sent.load(Ordering::Relaxed);
        entry.received = self.received.load(Ordering::Relaxed);
    }
}

fn verdict(id: &str, allowed: bool, reason: String) -> EgressAnswerRequest {
    let verdict = AgentVerdict { id: id.to_owned(), allowed, reason };
    EgressAnswerRequest { part: Some(Part::Verdict(verdict)) }
}

/// Copies both ways until both directions ended or either failed. Each direction's end is passed on as such.
async fn relay(
    client: &AgentClient<Channel>,
    id: &str,
    socket: Box<dyn Socket>,
    counted: &Counted,
) -> Result<(), RelayError> {
    let (to_agent, requests) = mpsc::channel(QUEUE);
    // The channel is new and has room, and its receiver lives until the call below.
    to_agent.send(verdict(id, true, String::new())).await.map_err(|_| RelayError::Silent)?;
    let mut client = client.clone();
    let replies = timeout(ANSWER, client.egress_answer(ReceiverStream::new(requests)))
        .await
        .map_err(|_| RelayError::Silent)??
        .into_inner();
    let (read, write) = tokio::io::split(socket);
    tokio::try_join!(inward(read, to_agent, counted), outward(replies, write, counted))?;
    Ok(())
}

async fn inward(
    mut socket: ReadHalf<Box<dyn Socket>>,
    to_agent: mpsc::Sender<EgressAnswerRequest>,
    counted: &Counted,
) -> Result<(), RelayError> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < LEAST {
            buffer.reserve(CHUNK);
        }
        let read = tokio::select! {
            read = socket.read_buf(&mut buffer) => read?,
            // The program hung up: what the host still sends has nowhere to go.
            () = to_agent.closed() => 0,
        };
        if read == 0 {
            return Ok(());
        }
        let data: Bytes = buffer.split().freeze();
        if to_agent.send(EgressAnswerRequest { part: Some(Part::Data(data)) }).await.is_err() {
            // The agent ended the call: the other direction learns why.
            return Ok(());
        }
        counted.add(&counted.received, read);
    }
}

async fn outward(
    mut replies: Streaming<EgressAnswerReply>,
    mut socket: WriteHalf<Box<dyn Socket>>,
    counted: &Counted,
) -> Result<(), RelayError> {
    while let Some(EgressAnswerReply { data }) = replies.message().await? {
        socket.write_all(&data).await?;
        counted.add(&counted.sent, data.len());
    }
    Ok(socket.shutdown().await?)
}
