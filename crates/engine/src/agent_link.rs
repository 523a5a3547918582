//! The one connection to a container's agent: gRPC over the container's own standard input and output, or over those of a
//! `docker exec` where the agent does not answer there (one of an older Slipway, or a lost secret). The agent is not
//! trusted: every call has a time limit or a cancellation, every message a bound.

use hyper_util::rt::TokioIo;
use slipway_agent_api::{
    AGENT_PATH, CONNECTION_WINDOW, MAX_FRAME, PROTOCOL, STREAM_WINDOW,
    v1::{HelloReply, HelloRequest, ShutDownRequest, agent_client::AgentClient as Generated},
};
use slipway_wire::{Code, Problem};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{OwnedRwLockWriteGuard, RwLock},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};

#[cfg(unix)]
use tokio::sync::OwnedRwLockReadGuard;

use crate::{
    agent_stream::{self, AgentStream, StreamKey},
    docker::{Docker, Duplex},
};

/// The generated client over our channel.
pub(crate) type AgentClient = Generated<Channel>;

/// An agent that has not answered its first call by then, or has not come up, is not well.
const HELLO: Duration = Duration::from_secs(15);
/// One that runs and has not answered a mark by then is asked for by `docker exec`. It answers at once, but many may be
/// asked in the same moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// One that is well answers at once; Docker has other means for one that is not.
const FAREWELL: Duration = Duration::from_secs(1);
/// It gives programs two seconds to end by themselves and three to be killed.
const LAST_WORDS: Duration = Duration::from_secs(6);
/// Largest message taken from an agent, bytes.
const MOST_MESSAGE: usize = 1024 * 1024;

/// A live connection.
#[derive(Clone)]
pub(crate) struct AgentLink {
    /// The client; cheap to clone.
    pub(crate) client: AgentClient,
    /// What the agent said of itself.
    pub(crate) hello: Arc<HelloReply>,
    /// The container it is in, by Docker's id.
    pub(crate) container: Arc<str>,
    closed: CancellationToken,
    /// Held by whoever starts a program in the container by `docker exec`, and alone by whoever pauses it: Docker's engine
    /// may hang for good on both at once.
    starts: Arc<RwLock<()>>,
}

impl AgentLink {
    /// Whether large files may go over lanes: the agent knows of them, and Docker's streams are read here without bollard.
    #[cfg(unix)]
    pub(crate) fn has_lanes(&self, docker: &Docker) -> bool {
        self.hello.lanes && docker.has_socket()
    }

    /// To be held while a program is started in the container.
    #[cfg(unix)]
    pub(crate) async fn starting(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.starts).read_owned().await
    }

    /// To be held while the container is paused.
    pub(crate) async fn pausing(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.starts).write_owned().await
    }

    /// Ends when the connection does.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Has the agent end every program of its container, and waits until none runs any more. False: no answer in time, or
    /// something is left that it may not or cannot end (another user's, one that hangs in the kernel): that ends with the
    /// container.
    pub(crate) async fn end_programs(&self) -> bool {
        let mut client = self.client.clone();
        let request = ShutDownRequest { programs_only: true };
        matches!(timeout(LAST_WORDS, client.shut_down(request)).await, Ok(Ok(reply)) if reply.get_ref().left == 0)
    }

    /// Asks the agent to end its container. False: it does not answer, or is of a Slipway that did not know of this.
    pub(crate) async fn shut_down(&self) -> bool {
        let mut client = self.client.clone();
        matches!(
            timeout(FAREWELL, client.shut_down(ShutDownRequest { programs_only: false })).await,
            Ok(Ok(_))
        )
    }

    /// Starts a container and connects to its agent; one that runs already is fine.
    pub(crate) async fn start(docker: &Docker, container: &str, key: &StreamKey) -> Result<Self, Problem> {
        let duplex = docker.attach(container).await?;
        docker.start(container).await?;
        Self::reach(docker, duplex, container, key, HELLO).await
    }

    /// Connects to the agent of a running container.
    pub(crate) async fn connect(docker: &Docker, container: &str, key: &StreamKey) -> Result<Self, Problem> {
        let duplex = docker.attach(container).await?;
        Self::reach(docker, duplex, container, key, PATIENCE).await
    }

    /// Over the container's own streams; where its agent does not answer there, by `docker exec`.
    async fn reach(
        docker: &Docker,
        duplex: Duplex,
        container: &str,
        key: &StreamKey,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let errors = duplex.errors();
        let unanswered = match AgentStream::begin(duplex, key, container, patience).await {
            Ok(stream) => return Self::begin(docker, container, stream).await,
            Err(problem) => problem,
        };
        tracing::info!(%container, problem = %unanswered, "its own streams do not answer");
        match docker.exec(container, &[AGENT_PATH, "connect"]).await {
            Ok(duplex) => Self::begin(docker, container, AgentStream::plain(duplex)).await,
            // The last words of an agent that has ended tell more than that nothing starts in its container.
            Err(problem) => match errors.said() {
                said if said.is_empty() => Err(problem),
                said => Err(unanswered.detail(said)),
            },
        }
    }

    async fn begin(docker: &Docker, container: &str, stream: AgentStream) -> Result<Self, Problem> {
        let link = Self::over(stream, container).await?;
        link.name(docker, container).await?;
        Ok(link)
    }

    /// Sees to it that the container knows where `localhost` is. Only root may say so: for this the agent's own program
    /// is root, without a capability, before the project's first one runs.
    async fn name(&self, docker: &Docker, container: &str) -> Result<(), Problem> {
        if !self.hello.nameless {
            return Ok(());
        }
        docker.run_as_root(container, &[AGENT_PATH, "hosts"]).await
    }

    async fn over(stream: AgentStream, container: &str) -> Result<Self, Problem> {
        let (errors, closed) = (stream.errors(), stream.closed());
        let lost = |what: &str, detail: String| {
            let said = errors.said();
            agent_stream::lost(what, if said.is_empty() { detail } else { said })
        };
        let channel = channel(stream).await.map_err(|e| lost("could not be reached", e.to_string()))?;
        let mut client = AgentClient::new(channel).max_decoding_message_size(MOST_MESSAGE);
        let hello = timeout(HELLO, client.hello(HelloRequest { protocol: PROTOCOL }))
            .await
            .map_err(|_| lost("did not answer", format!("no answer in {} s", HELLO.as_secs())))?
            .map_err(|e| lost("did not answer", e.to_string()))?
            .into_inner();
        if hello.protocol != PROTOCOL {
            return Err(Problem::new(
                Code::AgentLost,
                format!(
                    "The container was made by another Slipway (its agent speaks version {}).",
                    hello.protocol
                ),
            )
            .hint("Deploy the project again: the image is prepared anew by itself."));
        }
        Ok(Self {
            client,
            hello: Arc::new(hello),
            container: container.into(),
            closed,
            starts: Arc::default(),
        })
    }
}

async fn channel(stream: AgentStream) -> Result<Channel, tonic::transport::Error> {
    // One connection and no second: when it ends the whole link is made anew, by somebody who knows why.
    let once = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().ok().and_then(|mut slot| slot.take());
        std::future::ready(
            stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
        )
    });
    Endpoint::from_static("http://agent")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .buffer_size(1024)
        .connect_with_connector(connector)
        .await
}

/// What an agent's refusal means outside. Its text is foreign and bounded.
pub(crate) fn agent_problem(doing: &str, status: &tonic::Status) -> Problem {
    use tonic::Code as Grpc;
    let text: String = status.message().chars().filter(|c| !c.is_control()).take(500).collect();
    let code = match status.code() {
        Grpc::NotFound => Code::NotFound,
        Grpc::AlreadyExists => Code::AlreadyExists,
        Grpc::InvalidArgument | Grpc::OutOfRange => Code::Invalid,
        Grpc::FailedPrecondition | Grpc::Aborted | Grpc::PermissionDenied => Code::WrongState,
        Grpc::ResourceExhausted => Code::Limit,
        Grpc::Cancelled => Code::Cancelled,
        Grpc::Unavailable | Grpc::DeadlineExceeded | Grpc::Unknown => Code::AgentLost,
        _ => Code::Internal,
    };
    if code == Code::AgentLost {
        return Problem::new(code, format!("The workspace does not answer ({doing})."))
            .hint("It may have been stopped; start it again.")
            .detail(text);
    }
    if text.is_empty() {
        return Problem::new(code, format!("It did not work ({doing})."));
    }
    // The agent's sentences are written for people; only their first letter and end are ours. The name of a program
    // or file at the beginning stays as it is.
    let first = text.split(' ').next().unwrap_or_default();
    let mut sentence: String = if first.chars().all(|c| c.is_ascii_lowercase()) {
        text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).collect()
    } else {
        text
    };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    Problem::new(code, sentence)
}
