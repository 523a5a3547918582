//! Carrying into the workspace: steps of a plan on one stream to its agent, and what came of each. A step is done only where
//! what is there is what the plan saw, and whole or not at all. The other way is in `fetch`.

use bytes::Bytes;
use slipway_agent_api::{
    MAX_CHUNK,
    v1::{
        SyncApplyReply, SyncApplyRequest, SyncChange, SyncOpen, sync_apply_reply, sync_apply_request::Part,
        sync_change,
    },
};
use slipway_mirror::{Folder, Found, Refused};
use slipway_wire::{Code, Problem};
use std::{fs::File, io::Read as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{books::Step, there::There, tune::AHEAD};

/// What came of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done; this is there now.
    Done(Option<Found>),
    /// One of the sides is not what the plan saw.
    Changed,
    /// A folder holds something that nobody planned for.
    NotEmpty,
    /// It cannot be done.
    Failed(String),
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Changed => Self::Changed,
            Refused::NotEmpty => Self::NotEmpty,
            Refused::Io(error) => Self::Failed(error.to_string()),
        }
    }
}

pub(super) fn broke(error: &tokio::task::JoinError) -> Problem {
    Problem::new(Code::Internal, format!("The sync's work on this machine's files broke: {error}."))
}

/// Makes the workspace's side as this one is. One outcome a step.
pub(super) async fn send(
    there: &There,
    folder: Folder,
    steps: Vec<Step>,
    batch: u32,
) -> Result<Vec<Outcome>, Problem> {
    let (parts, stream) = mpsc::channel(AHEAD);
    let count = steps.len();
    let open = SyncOpen { root: there.root(), tag: there.tag.clone(), batch };
    let reader = tokio::task::spawn_blocking(move || read(&folder, steps, open, &parts));
    let mut client = there.client.clone();
    let mut replies =
        client.sync_apply(ReceiverStream::new(stream)).await.map_err(|s| there.failed(&s))?.into_inner();
    let mut answers: Vec<Option<SyncApplyReply>> = Vec::new();
    while let Some(reply) = replies.message().await.map_err(|s| there.failed(&s))? {
        let index = reply.index as usize;
        if index >= count {
            return Err(there.failed(&tonic::Status::internal("an answer to nothing")));
        }
        if answers.len() <= index {
            answers.resize(index + 1, None);
        }
        answers[index] = Some(reply);
    }
    drop(replies);
    let begun = reader.await.map_err(|e| broke(&e))?;
    let mut outcomes: Vec<Outcome> = std::iter::repeat_with(|| Outcome::Changed).take(count).collect();
    for (index, step) in begun.into_iter().enumerate() {
        outcomes[step] = match answers.get_mut(index).and_then(Option::take) {
            Some(reply) => outcome(reply),
            None => return Err(there.failed(&tonic::Status::unavailable("not everything was answered"))),
        };
    }
    Ok(outcomes)
}

fn outcome(reply: SyncApplyReply) -> Outcome {
    use sync_apply_reply::Outcome as Told;
    match reply.outcome() {
        Told::Done => Outcome::Done(reply.now.and_then(Found::told)),
        Told::Changed | Told::Withdrawn => Outcome::Changed,
        Told::NotEmpty => Outcome::NotEmpty,
        Told::Failed => Outcome::Failed(reply.why),
    }
}

/// Puts the steps on the stream. Says which were begun, in order; the others have changed here meanwhile.
fn read(
    folder: &Folder,
    steps: Vec<Step>,
    open: SyncOpen,
    parts: &mpsc::Sender<SyncApplyRequest>,
) -> Vec<usize> {
    let put = |part| parts.blocking_send(SyncApplyRequest { part: Some(part) }).is_ok();
    let mut begun = Vec::new();
    if !put(Part::Open(open)) {
        return begun;
    }
    for (number, step) in steps.into_iter().enumerate() {
        let to = match &step.to {
            None => sync_change::To::Removed(true),
            Some(seen) => match &seen.found {
                Found::Folder => sync_change::To::Folder(true),
                Found::Link { target } => sync_change::To::Link(Bytes::copy_from_slice(target)),
                Found::File { .. } => {
                    match read_file(folder, &step, &put) {
                        Read::Sent => begun.push(number),
                        Read::Changed => {}
                        Read::Nobody => return begun,
                    }
                    continue;
                }
            },
        };
        begun.push(number);
        if !put(Part::Change(change(&step, to))) {
            return begun;
        }
    }
    begun
}

fn change(step: &Step, to: sync_change::To) -> SyncChange {
    SyncChange {
        path: Bytes::copy_from_slice(step.path.as_bytes()),
        expected: step.expected.as_ref().map(Into::into),
        to: Some(to),
        aside: step.aside.clone().unwrap_or_default().into(),
    }
}

enum Read {
    Sent,
    Changed,
    Nobody,
}

fn read_file(folder: &Folder, step: &Step, put: &dyn Fn(Part) -> bool) -> Read {
    let planned = step.to.as_ref().map(|seen| &seen.found);
    let Ok((mut file, found)) = folder.read(&step.path) else { return Read::Changed };
    if Some(&found) != planned {
        return Read::Changed;
    }
    let Found::File { stamp, executable } = &found else { return Read::Changed };
    let still = |file: &File| Folder::read_still(file).is_ok_and(|now| now == found);
    let Some(data) = chunk(&mut file, stamp.size) else { return Read::Changed };
    let mut left = stamp.size - data.len() as u64;
    // A small file is looked at again before anything of it is sent.
    if left == 0 && !still(&file) {
        return Read::Changed;
    }
    let new = sync_change::File { size: stamp.size, executable: *executable, data };
    if !put(Part::Change(change(step, sync_change::To::File(new)))) {
        return Read::Nobody;
    }
    while left > 0 {
        let Some(data) = chunk(&mut file, left) else { return withdraw(put) };
        left -= data.len() as u64;
        // Before the last of it: with that the file has its place.
        if left == 0 && !still(&file) {
            return withdraw(put);
        }
        if !put(Part::Data(data)) {
            return Read::Nobody;
        }
    }
    Read::Sent
}

fn withdraw(put: &dyn Fn(Part) -> bool) -> Read {
    if put(Part::Withdrawn(true)) { Read::Sent } else { Read::Nobody }
}

fn chunk(file: &mut File, left: u64) -> Option<Bytes> {
    let mut data = vec![0; MAX_CHUNK.min(left.try_into().unwrap_or(MAX_CHUNK))];
    file.read_exact(&mut data).ok()?;
    Some(data.into())
}
