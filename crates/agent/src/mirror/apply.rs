//! Changes: one thread takes them in order off a bounded channel and answers each.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::Stream;
use slipway_agent_api::v1::sync_apply_reply::Outcome;
use slipway_agent_api::v1::sync_apply_request::Part;
use slipway_agent_api::v1::sync_change::{File as NewFile, To};
use slipway_agent_api::v1::{SyncApplyReply, SyncApplyRequest, SyncChange};
use slipway_mirror::{Draft, Folder, Found, Manner, Refused, RelPath};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::carried::{Batch, Carried, made};
use super::{folder, words};

/// Messages on their way to the thread: at most as many chunks in memory.
const AHEAD: usize = 16;

type Replies = mpsc::Sender<Result<SyncApplyReply, Status>>;

/// Begins a stream of changes.
pub(super) fn apply(
    mut calls: Streaming<SyncApplyRequest>,
    carried: Carried,
) -> impl Stream<Item = Result<SyncApplyReply, Status>> + use<> {
    let (replies, stream) = mpsc::channel(64);
    tokio::spawn(async move {
        let (parts, queue) = mpsc::channel(AHEAD);
        let told = replies.clone();
        let work = tokio::task::spawn_blocking(move || {
            if let Err(status) = run(queue, &carried, &told) {
                // Nobody to tell when the caller is gone.
                let _ = told.blocking_send(Err(status));
            }
        });
        loop {
            match calls.message().await {
                Ok(Some(SyncApplyRequest { part: Some(part) })) => {
                    if parts.send(part).await.is_err() {
                        break;
                    }
                }
                Ok(Some(SyncApplyRequest { part: None })) => {}
                // The end, or a cut: an unfinished file is dropped with the channel.
                Ok(None) | Err(_) => break,
            }
        }
        drop(parts);
        // The thread's own end; it cannot fail but by a panic, which has been told on standard error.
        let _ = work.await;
    });
    ReceiverStream::new(stream)
}

fn run(mut queue: mpsc::Receiver<Part>, carried: &Carried, replies: &Replies) -> Result<(), Status> {
    let Some(Part::Open(open)) = queue.blocking_recv() else {
        return Err(Status::invalid_argument("changes begin with their folder"));
    };
    let folder = folder(&open.root, &open.tag)?;
    let batch = carried.begin(&open.tag, open.batch);
    let mut applier = Applier { folder, batch, index: 0, open: None };
    while let Some(part) = queue.blocking_recv() {
        let reply = match part {
            Part::Open(_) => return Err(Status::invalid_argument("a folder was named twice")),
            Part::Change(change) => applier.change(change)?,
            Part::Data(data) => applier.data(&data)?,
            Part::Withdrawn(_) => applier.withdrawn()?,
        };
        if let Some(reply) = reply
            && replies.blocking_send(Ok(reply)).is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// A file whose content is coming.
struct Coming {
    path: Bytes,
    file: NewFile,
    draft: Draft,
    expected: Option<Found>,
    manner: Manner,
}

struct Applier {
    folder: Folder,
    /// What was done, for a caller that does not live to hear it.
    batch: Arc<Mutex<Batch>>,
    index: u64,
    open: Option<State>,
}

enum State {
    Writing(Box<Coming>),
    /// It failed; what still comes of it is passed over: so many bytes.
    Failed(u64, SyncApplyReply),
}

impl Applier {
    fn change(&mut self, change: SyncChange) -> Result<Option<SyncApplyReply>, Status> {
        if self.open.is_some() {
            return Err(Status::invalid_argument("a change came before the last file was whole"));
        }
        let raw = change.path;
        let path = words::path(&raw)?;
        let expected = change.expected.map(words::expected).transpose()?;
        let aside = (!change.aside.is_empty()).then(|| change.aside.to_vec());
        if aside.as_ref().is_some_and(|name| RelPath::root().join(name).is_err()) || path.is_root() {
            return Err(Status::invalid_argument("a change needs plain names"));
        }
        let manner = Manner { careful: false, aside };
        let done = match change.to {
            None => return Err(Status::invalid_argument("a change says what is to be there")),
            Some(To::File(file)) => return self.begin(&path, raw, file, expected, manner),
            Some(To::Folder(_)) => self.folder.make(&path, expected.as_ref(), &manner),
            Some(To::Link(target)) => self.folder.link(&path, &target, expected.as_ref(), &manner),
            Some(To::Removed(_)) => {
                expected.as_ref().map_or(Ok(()), |expected| self.folder.remove(&path, expected))
            }
        };
        let now = self.folder.look(&path).ok().flatten();
        if done.is_ok() {
            made(&self.batch, &raw);
        }
        Ok(Some(self.reply(done.map(|()| now))))
    }

    fn begin(
        &mut self,
        path: &RelPath,
        raw: Bytes,
        mut file: NewFile,
        expected: Option<Found>,
        manner: Manner,
    ) -> Result<Option<SyncApplyReply>, Status> {
        let data = std::mem::take(&mut file.data);
        let state = match self.folder.begin(path) {
            Ok(draft) => State::Writing(Box::new(Coming { path: raw, file, draft, expected, manner })),
            Err(refused) => {
                let size = file.size;
                State::Failed(size, self.reply(Err(refused)))
            }
        };
        self.open = Some(state);
        self.data(&data)
    }

    fn data(&mut self, data: &[u8]) -> Result<Option<SyncApplyReply>, Status> {
        match self.open.take() {
            None => Err(Status::invalid_argument("bytes came that belong to no file")),
            Some(State::Failed(left, reply)) => {
                let left = left.checked_sub(data.len() as u64).ok_or_else(too_much)?;
                if left == 0 {
                    return Ok(Some(reply));
                }
                self.open = Some(State::Failed(left, reply));
                Ok(None)
            }
            Some(State::Writing(mut coming)) => {
                let size = coming.file.size;
                if let Err(error) = coming.draft.write(data) {
                    let left = size.saturating_sub(coming.draft.written());
                    let reply = self.reply(Err(Refused::Io(error)));
                    return if left == 0 {
                        Ok(Some(reply))
                    } else {
                        self.open = Some(State::Failed(left, reply));
                        Ok(None)
                    };
                }
                if coming.draft.written() > size {
                    return Err(too_much());
                }
                if coming.draft.written() < size {
                    self.open = Some(State::Writing(coming));
                    return Ok(None);
                }
                let Coming { path, file, mut draft, expected, manner } = *coming;
                let done = draft.finish(expected.as_ref(), file.executable, &manner);
                if done.is_ok() {
                    made(&self.batch, &path);
                }
                Ok(Some(self.reply(done.map(|(found, _)| Some(found)))))
            }
        }
    }

    fn withdrawn(&mut self) -> Result<Option<SyncApplyReply>, Status> {
        let mut reply = match self.open.take() {
            None => return Err(Status::invalid_argument("no file was on its way")),
            Some(State::Failed(_, reply)) => reply,
            Some(State::Writing(_)) => self.reply(Ok(None)),
        };
        reply.set_outcome(Outcome::Withdrawn);
        Ok(Some(reply))
    }

    fn reply(&mut self, done: Result<Option<Found>, Refused>) -> SyncApplyReply {
        let (outcome, now, why) = match done {
            Ok(now) => (Outcome::Done, now, String::new()),
            Err(Refused::Changed) => (Outcome::Changed, None, String::new()),
            Err(Refused::NotEmpty) => (Outcome::NotEmpty, None, String::new()),
            Err(Refused::Io(error)) => (Outcome::Failed, None, error.to_string()),
        };
        let reply = SyncApplyReply {
            index: self.index,
            outcome: outcome.into(),
            now: now.as_ref().map(Into::into),
            why,
        };
        self.index += 1;
        reply
    }
}

fn too_much() -> Status {
    Status::invalid_argument("more bytes came than were announced")
}
