//! Carrying: steps of a plan, done. Into the workspace on one stream to its agent; out of it by handles that follow no
//! link. A step is done only where what is there is what the plan saw, and whole or not at all.

use bytes::Bytes;
use slipway_agent_api::{
    MAX_CHUNK,
    v1::{
        SyncApplyReply, SyncApplyRequest, SyncChange, SyncFetchRequest, SyncOpen, sync_apply_reply,
        sync_apply_request::Part, sync_change, sync_fetch_request,
    },
};
use slipway_mirror::{Draft, Folder, Found, Manner, Node, Refused};
use slipway_wire::{Code, Problem};
use std::{fs::File, io::Read as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    books::Step,
    there::There,
    tune::{AHEAD, FETCH},
};

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

fn broke(error: &tokio::task::JoinError) -> Problem {
    Problem::new(Code::Internal, format!("The sync's work on this machine's files broke: {error}."))
}

/// Makes the workspace's side as this one is. One outcome a step.
pub(super) async fn send(there: &There, folder: Folder, steps: Vec<Step>) -> Result<Vec<Outcome>, Problem> {
    let (parts, stream) = mpsc::channel(AHEAD);
    let count = steps.len();
    let open = SyncOpen { root: there.root(), tag: there.tag.clone() };
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

/// Makes this side as the workspace's is. One outcome a step.
pub(super) async fn fetch(there: &There, folder: Folder, steps: Vec<Step>) -> Result<Vec<Outcome>, Problem> {
    let is_file = |step: &Step| matches!(step.to.as_ref().map(|seen| &seen.node), Some(Node::File { .. }));
    let files: Vec<usize> = (0..steps.len()).filter(|&n| is_file(&steps[n])).collect();
    let place = folder.clone();
    let (steps, mut outcomes) = tokio::task::spawn_blocking(move || {
        let outcomes: Vec<Outcome> = steps.iter().map(|step| plain(&place, step)).collect();
        (steps, outcomes)
    })
    .await
    .map_err(|e| broke(&e))?;
    for batch in files.chunks(FETCH) {
        let wanted: Vec<Step> = batch.iter().map(|&n| steps[n].clone()).collect();
        let done = contents(there, folder.clone(), wanted).await?;
        for (&n, outcome) in batch.iter().zip(done) {
            outcomes[n] = outcome;
        }
    }
    Ok(outcomes)
}

/// Steps without content. Of a file nothing is done yet.
fn plain(folder: &Folder, step: &Step) -> Outcome {
    let manner = Manner { careful: true, aside: None };
    let done = match (&step.to, &step.expected) {
        (None, Some(expected)) => folder.remove(&step.path, expected),
        (None, None) => Ok(()),
        (Some(seen), expected) => match &seen.found {
            Found::Folder => folder.make(&step.path, expected.as_ref(), &manner),
            Found::Link { target } => folder.link(&step.path, target, expected.as_ref(), &manner),
            Found::File { .. } => return Outcome::Changed,
        },
    };
    match done {
        Ok(()) => Outcome::Done(step.to.as_ref().map(|seen| seen.found.clone())),
        Err(refused) => refused.into(),
    }
}

/// One piece of a file that comes.
struct Piece {
    index: usize,
    data: Bytes,
    last: bool,
    broken: bool,
}

async fn contents(there: &There, folder: Folder, steps: Vec<Step>) -> Result<Vec<Outcome>, Problem> {
    let files = steps.iter().filter_map(|step| {
        let expected = step.to.as_ref().map(|seen| (&seen.found).into());
        Some(sync_fetch_request::File {
            path: Bytes::copy_from_slice(step.path.as_bytes()),
            expected: Some(expected?),
        })
    });
    let request = SyncFetchRequest { root: there.root(), files: files.collect() };
    let mut client = there.client.clone();
    let mut stream = client.sync_fetch(request).await.map_err(|s| there.failed(&s))?.into_inner();
    let (pieces, queue) = mpsc::channel(AHEAD);
    let writer = tokio::task::spawn_blocking(move || write(&folder, &steps, queue));
    loop {
        match stream.message().await.map_err(|s| there.failed(&s))? {
            None => break,
            Some(reply) => {
                let (data, last, broken) = (reply.data, reply.last, reply.broken);
                let piece = Piece { index: reply.index as usize, data, last, broken };
                if pieces.send(piece).await.is_err() {
                    break;
                }
            }
        }
    }
    drop(pieces);
    writer.await.map_err(|e| broke(&e))
}

/// Writes the files as they come, in order. What does not come is not there.
fn write(folder: &Folder, steps: &[Step], mut queue: mpsc::Receiver<Piece>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = steps.iter().map(|_| Outcome::Changed).collect();
    let mut open: Option<(usize, Result<Draft, Outcome>)> = None;
    while let Some(piece) = queue.blocking_recv() {
        let Some(step) = steps.get(piece.index) else { break };
        let (_, mut draft) = match open.take() {
            Some((index, draft)) if index == piece.index => (index, draft),
            _ => (piece.index, folder.begin(&step.path).map_err(Outcome::from)),
        };
        if let Ok(file) = &mut draft
            && let Err(why) = append(file, step, &piece)
        {
            draft = Err(why);
        }
        if !piece.last {
            open = Some((piece.index, draft));
            continue;
        }
        outcomes[piece.index] = match draft {
            Ok(_) if piece.broken => Outcome::Changed,
            Ok(draft) => settle(draft, step),
            Err(why) => why,
        };
    }
    outcomes
}

fn append(draft: &mut Draft, step: &Step, piece: &Piece) -> Result<(), Outcome> {
    let size = match step.to.as_ref().map(|seen| &seen.found) {
        Some(Found::File { stamp, .. }) => stamp.size,
        _ => 0,
    };
    if draft.written() + piece.data.len() as u64 > size {
        return Err(Outcome::Failed("the workspace sent more than it said".to_owned()));
    }
    draft.write(&piece.data).map_err(|error| Outcome::Failed(error.to_string()))
}

fn settle(draft: Draft, step: &Step) -> Outcome {
    let Some(Node::File { digest, executable }) = step.to.as_ref().map(|seen| &seen.node) else {
        return Outcome::Changed;
    };
    // Not what its scan said: it has changed since, or its agent lies.
    if draft.digest() != *digest {
        return Outcome::Changed;
    }
    let manner = Manner { careful: true, aside: None };
    match draft.finish(step.expected.as_ref(), *executable, &manner) {
        Ok((found, _)) => Outcome::Done(Some(found)),
        Err(refused) => refused.into(),
    }
}
