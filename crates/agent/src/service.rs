//! The contract's calls, each handed to the room that knows how. Only translation lives here: requests in, statuses and
//! streams out.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use slipway_agent_api::v1::agent_server::Agent;
use slipway_agent_api::v1::{self, attach_reply, attach_request, dial_request};
use slipway_agent_api::{MAX_CHUNK, PROTOCOL};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::{Request, Response, Status, Streaming};

use crate::egress::Gate;
use crate::process::{Event, Process, ProcessError, Processes, Reader, StartError};
use crate::stdio::Link;
use crate::unpack::Unpacker;
use crate::{dial, egress, files, hosts, mirror, ports, relay, usage};

/// What all calls share.
pub(crate) struct Service {
    boot_id: String,
    processes: Arc<Processes>,
    unpacker: Unpacker,
    watches: files::Watches,
    leftovers: files::Leftovers,
    mirrors: mirror::Mirrors,
    gate: Arc<Gate>,
    /// Where the outgoing proxy listens; 0 when it does not.
    egress_port: u16,
    /// Told when the engine wants the end.
    end: Arc<Notify>,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Reply<T> = Result<Response<T>, Status>;

impl Service {
    /// The service of one agent.
    pub(crate) fn new(
        boot_id: String,
        processes: Arc<Processes>,
        gate: Arc<Gate>,
        egress_port: u16,
        end: Arc<Notify>,
    ) -> Self {
        let leftovers = files::Leftovers::default();
        Self {
            boot_id,
            processes,
            unpacker: Unpacker::new(leftovers.clone()),
            watches: files::Watches::new(),
            leftovers,
            mirrors: mirror::Mirrors::default(),
            gate,
            egress_port,
            end,
        }
    }
}

#[tonic::async_trait]
impl Agent for Service {
    async fn hello(&self, _: Request<v1::HelloRequest>) -> Reply<v1::HelloReply> {
        let shell = crate::process::shell(&crate::process::own_path());
        Ok(Response::new(v1::HelloReply {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot_id.clone(),
            max_chunk: MAX_CHUNK as u64,
            uid: rustix::process::getuid().as_raw(),
            shell: shell.map(|shell| shell.display().to_string()).unwrap_or_default(),
            egress_port: self.egress_port.into(),
            lanes: true,
            nameless: hosts::nameless(std::path::Path::new(hosts::PATH)),
        }))
    }

    type UnpackStream = Replies<v1::UnpackReply>;
    async fn unpack(&self, request: Request<Streaming<v1::UnpackRequest>>) -> Reply<Self::UnpackStream> {
        Ok(Response::new(Box::pin(self.unpacker.unpack(request.into_inner()))))
    }

    async fn exec(&self, request: Request<v1::ExecRequest>) -> Reply<v1::ExecReply> {
        Ok(Response::new(self.processes.exec(request.into_inner())?))
    }

    async fn again(&self, request: Request<v1::AgainRequest>) -> Reply<v1::ExecReply> {
        Ok(Response::new(self.processes.again(request.into_inner())?))
    }

    type AttachStream = Replies<v1::AttachReply>;
    async fn attach(&self, request: Request<Streaming<v1::AttachRequest>>) -> Reply<Self::AttachStream> {
        let link = request.extensions().get::<Arc<Link>>().cloned();
        let mut calls = request.into_inner();
        let Some(attach_request::Part::Open(open)) = calls.message().await?.and_then(|message| message.part)
        else {
            return Err(Status::invalid_argument("an attachment begins with the process and an offset"));
        };
        let process = self.processes.get(&open.process)?;
        let reader = process.output.reader(open.offset, open.lossless, open.acknowledging, link);
        let input = Input(tokio::spawn(feed(calls, process)).abort_handle());
        let events = futures_util::stream::unfold(Some((reader, input)), async |state| {
            let (mut reader, input) = state?;
            let (reply, last) = next(&mut reader).await;
            Some((Ok(reply), (!last).then_some((reader, input))))
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn taken(&self, request: Request<v1::TakenRequest>) -> Reply<v1::TakenReply> {
        let request = request.into_inner();
        self.processes.get(&request.process)?.output.taken(request.reader, request.offset, request.window);
        Ok(Response::new(v1::TakenReply {}))
    }

    async fn signal(&self, request: Request<v1::SignalRequest>) -> Reply<v1::SignalReply> {
        let request = request.into_inner();
        let scope = request.scope();
        let signalled = self.processes.signal(&request.process, request.signal, scope).await?;
        Ok(Response::new(v1::SignalReply { signalled }))
    }

    async fn resize(&self, request: Request<v1::ResizeRequest>) -> Reply<v1::ResizeReply> {
        let request = request.into_inner();
        let size = request.size.ok_or_else(|| Status::invalid_argument("a size is missing"))?;
        let process = self.processes.get(&request.process)?;
        process
            .input
            .resize(size)
            .map_err(|e| Status::failed_precondition(format!("the size cannot be changed: {e}")))?;
        Ok(Response::new(v1::ResizeReply {}))
    }

    async fn processes(&self, _: Request<v1::ProcessesRequest>) -> Reply<v1::ProcessesReply> {
        Ok(Response::new(v1::ProcessesReply { processes: self.processes.list() }))
    }

    async fn tree(&self, request: Request<v1::TreeRequest>) -> Reply<v1::TreeReply> {
        let sample = std::time::Duration::from_millis(request.into_inner().sample_ms.into());
        let everyone = crate::process::everyone(Arc::clone(&self.processes), sample).await;
        everyone
            .map(Response::new)
            .map_err(|e| Status::internal(format!("processes could not be listed: {e}")))
    }

    async fn kill(&self, request: Request<v1::KillRequest>) -> Reply<v1::KillReply> {
        Ok(Response::new(v1::KillReply { signalled: self.processes.kill(request.into_inner()).await? }))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Reply<v1::ForgetReply> {
        self.processes.forget(&request.into_inner().process)?;
        Ok(Response::new(v1::ForgetReply {}))
    }

    type DialStream = Replies<v1::DialReply>;
    async fn dial(&self, request: Request<Streaming<v1::DialRequest>>) -> Reply<Self::DialStream> {
        let mut calls = request.into_inner();
        let Some(dial_request::Part::Open(open)) = calls.message().await?.and_then(|message| message.part)
        else {
            return Err(Status::invalid_argument("a connection begins with its port"));
        };
        let stream = dial::connect(open.port, self.egress_port).await?;
        let (from, mut to) = stream.into_split();
        // Goes on by itself after the server has closed its side, until the caller has closed or dropped its own.
        tokio::spawn(async move { relay::inward(&mut calls, &mut to).await });
        let connected = futures_util::stream::once(async { Ok(v1::DialReply::default()) });
        let data = relay::outward(from).map(|data| data.map(|data| v1::DialReply { data }));
        Ok(Response::new(Box::pin(connected.chain(data))))
    }

    type PortsStream = Replies<v1::PortEvent>;
    async fn ports(&self, _: Request<v1::PortsRequest>) -> Reply<Self::PortsStream> {
        Ok(Response::new(Box::pin(ports::watch(Arc::clone(&self.processes), self.egress_port))))
    }

    type EgressStream = Replies<v1::EgressConnection>;
    async fn egress(&self, _: Request<v1::EgressRequest>) -> Reply<Self::EgressStream> {
        Ok(Response::new(Box::pin(self.gate.announcements())))
    }

    type EgressAnswerStream = Replies<v1::EgressAnswerReply>;
    async fn egress_answer(
        &self,
        request: Request<Streaming<v1::EgressAnswerRequest>>,
    ) -> Reply<Self::EgressAnswerStream> {
        let mut calls = request.into_inner();
        let verdict = egress::verdict(&mut calls).await?;
        Ok(Response::new(Box::pin(self.gate.answer(&verdict, calls)?)))
    }

    async fn stat(&self, request: Request<v1::StatRequest>) -> Reply<v1::StatReply> {
        let request = request.into_inner();
        let info = files::stat(files::absolute(&request.path)?, request.follow).await?;
        Ok(Response::new(v1::StatReply { info: Some(info) }))
    }

    type ReadStream = Replies<v1::ReadReply>;
    async fn read(&self, request: Request<v1::ReadRequest>) -> Reply<Self::ReadStream> {
        Ok(Response::new(Box::pin(files::read(request.into_inner()).await?)))
    }

    async fn write(&self, request: Request<Streaming<v1::WriteRequest>>) -> Reply<v1::WriteReply> {
        let info = files::write(&self.leftovers, request.into_inner()).await?;
        Ok(Response::new(v1::WriteReply { info: Some(info) }))
    }

    type WriteByLanesStream = Replies<v1::WriteByLanesReply>;
    async fn write_by_lanes(
        &self,
        request: Request<Streaming<v1::WriteByLanesRequest>>,
    ) -> Reply<Self::WriteByLanesStream> {
        Ok(Response::new(Box::pin(files::write_by_lanes(&self.leftovers, request.into_inner()).await?)))
    }

    async fn digest(&self, request: Request<v1::DigestRequest>) -> Reply<v1::DigestReply> {
        Ok(Response::new(files::digest(request.into_inner()).await?))
    }

    type ReadTreeStream = Replies<v1::ReadReply>;
    async fn read_tree(&self, request: Request<v1::ReadTreeRequest>) -> Reply<Self::ReadTreeStream> {
        let root = files::absolute(&request.into_inner().path)?;
        Ok(Response::new(Box::pin(files::read_tree(root).await?)))
    }

    async fn write_tree(
        &self,
        request: Request<Streaming<v1::WriteTreeRequest>>,
    ) -> Reply<v1::WriteTreeReply> {
        Ok(Response::new(files::write_tree(&self.leftovers, request.into_inner()).await?))
    }

    type ListStream = Replies<v1::ListReply>;
    async fn list(&self, request: Request<v1::ListRequest>) -> Reply<Self::ListStream> {
        let path = files::absolute(&request.into_inner().path)?;
        Ok(Response::new(Box::pin(files::list(path).await?)))
    }

    async fn remove(&self, request: Request<v1::RemoveRequest>) -> Reply<v1::RemoveReply> {
        let request = request.into_inner();
        files::remove(files::absolute(&request.path)?, request.recursive).await?;
        Ok(Response::new(v1::RemoveReply {}))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Reply<v1::RenameReply> {
        let request = request.into_inner();
        files::rename(files::absolute(&request.from)?, files::absolute(&request.to)?, request.replace)
            .await?;
        Ok(Response::new(v1::RenameReply {}))
    }

    async fn mkdir(&self, request: Request<v1::MkdirRequest>) -> Reply<v1::MkdirReply> {
        let request = request.into_inner();
        files::make(files::absolute(&request.path)?, request.parents).await?;
        Ok(Response::new(v1::MkdirReply {}))
    }

    async fn shut_down(&self, request: Request<v1::ShutDownRequest>) -> Reply<v1::ShutDownReply> {
        let left = if request.into_inner().programs_only {
            self.processes.end_all().await
        } else {
            self.end.notify_one();
            0
        };
        Ok(Response::new(v1::ShutDownReply { left }))
    }

    type WatchStream = Replies<v1::WatchReply>;
    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        Ok(Response::new(Box::pin(self.watches.begin(request.into_inner()).await?)))
    }

    type SyncScanStream = Replies<v1::SyncScanReply>;
    async fn sync_scan(&self, request: Request<v1::SyncScanRequest>) -> Reply<Self::SyncScanStream> {
        Ok(Response::new(Box::pin(self.mirrors.scan(request.into_inner())?)))
    }

    type SyncApplyStream = Replies<v1::SyncApplyReply>;
    async fn sync_apply(
        &self,
        request: Request<Streaming<v1::SyncApplyRequest>>,
    ) -> Reply<Self::SyncApplyStream> {
        Ok(Response::new(Box::pin(self.mirrors.apply(request.into_inner()))))
    }

    type SyncFetchStream = Replies<v1::SyncFetchReply>;
    async fn sync_fetch(&self, request: Request<v1::SyncFetchRequest>) -> Reply<Self::SyncFetchStream> {
        Ok(Response::new(Box::pin(mirror::fetch(request.into_inner())?)))
    }

    async fn usage(&self, _: Request<v1::UsageRequest>) -> Reply<v1::UsageReply> {
        Ok(Response::new(usage::read()))
    }
}

/// The task that feeds a process its input ends with the attachment it belongs to.
struct Input(AbortHandle);

impl Drop for Input {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The next event of an attachment, and whether it is the last.
async fn next(reader: &mut Reader) -> (v1::AttachReply, bool) {
    let (event, last) = match reader.next().await {
        Event::Data { offset, stream, data } => {
            (attach_reply::Event::Output(v1::Output { offset, stream: stream.into(), data }), false)
        }
        Event::Gap { from, to } => (attach_reply::Event::Gap(v1::Gap { from, to }), false),
        Event::Exit(exit) => (attach_reply::Event::Exit(exit), true),
    };
    (v1::AttachReply { event: Some(event) }, last)
}

/// Hands input, sizes and the end of input to a process until the caller has no more. Nobody can be told of a failure
/// here, and none is news: the process has closed its input or ended, and the output side tells which.
async fn feed(mut calls: Streaming<v1::AttachRequest>, process: Arc<Process>) {
    while let Ok(Some(message)) = calls.message().await {
        let done = match message.part {
            Some(attach_request::Part::Input(data)) => process.input.write(&data).await,
            Some(attach_request::Part::Resize(size)) => process.input.resize(size),
            Some(attach_request::Part::EndOfInput(true)) => process.input.end().await,
            Some(attach_request::Part::EndOfInput(false) | attach_request::Part::Open(_)) | None => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

impl From<ProcessError> for Status {
    fn from(error: ProcessError) -> Self {
        let message = error.to_string();
        match error {
            ProcessError::Start(start) => match start {
                StartError::Invalid(_) => Self::invalid_argument(message),
                StartError::NoShell => Self::failed_precondition(message),
                StartError::NoProgram { .. } | StartError::NoDirectory { .. } => Self::not_found(message),
                StartError::NotAllowed { .. } => Self::permission_denied(message),
                StartError::NoRoom => Self::resource_exhausted(message),
                StartError::Failed { .. } => Self::unknown(message),
            },
            ProcessError::TooMany => Self::resource_exhausted(message),
            ProcessError::Unknown(_) | ProcessError::Gone(_) => Self::not_found(message),
            ProcessError::Running(_) => Self::failed_precondition(message),
            ProcessError::BadSignal(_) => Self::invalid_argument(message),
            ProcessError::Ours(_) | ProcessError::NotAllowed(_) => Self::permission_denied(message),
        }
    }
}
