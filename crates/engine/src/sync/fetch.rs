//! Carrying out of the workspace: contents from its agent, written here by handles that follow no link. Files get their
//! places when they are whole, some at a time, with a note before and after.

use bytes::Bytes;
use slipway_agent_api::v1::{SyncFetchRequest, sync_fetch_request};
use slipway_mirror::{Draft, Folder, Found, Manner, Node};
use slipway_wire::Problem;
use tokio::sync::mpsc;

use super::{
    books::Step,
    carry::{Outcome, broke},
    intent::{Notes, Stage},
    there::There,
    tune::{AHEAD, FETCH, WHOLE},
};

/// Makes this side as the workspace's is. One outcome a step.
pub(super) async fn fetch(
    there: &There,
    folder: Folder,
    steps: Vec<Step>,
    notes: &Notes,
) -> Result<Vec<Outcome>, Problem> {
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
        let done = contents(there, folder.clone(), wanted, notes.clone()).await?;
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

async fn contents(
    there: &There,
    folder: Folder,
    steps: Vec<Step>,
    notes: Notes,
) -> Result<Vec<Outcome>, Problem> {
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
    let writer = tokio::task::spawn_blocking(move || write(&folder, &steps, queue, &notes));
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
    writer.await.map_err(|e| broke(&e))?
}

/// Writes the files as they come, in order, and puts them in place some at a time. What does not come is not there.
fn write(
    folder: &Folder,
    steps: &[Step],
    mut queue: mpsc::Receiver<Piece>,
    notes: &Notes,
) -> Result<Vec<Outcome>, Problem> {
    let mut outcomes: Vec<Outcome> = steps.iter().map(|_| Outcome::Changed).collect();
    let mut open: Option<(usize, Result<Draft, Outcome>)> = None;
    let mut whole: Vec<(usize, Draft)> = Vec::new();
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
        match draft {
            // Not what its scan said: it has changed since, or its agent lies.
            Ok(draft) if piece.broken || !is_wanted(&draft, step) => drop(draft),
            Ok(draft) => whole.push((piece.index, draft)),
            Err(why) => outcomes[piece.index] = why,
        }
        if whole.len() == WHOLE {
            place(steps, &mut whole, notes, &mut outcomes)?;
        }
    }
    place(steps, &mut whole, notes, &mut outcomes)?;
    Ok(outcomes)
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

fn is_wanted(draft: &Draft, step: &Step) -> bool {
    matches!(step.to.as_ref().map(|seen| &seen.node), Some(Node::File { digest, .. }) if draft.digest() == *digest)
}

/// Gives drafts that are whole their places. What is written down before and after lets a later owner tell a file that was
/// removed from one that never had its place.
fn place(
    steps: &[Step],
    whole: &mut Vec<(usize, Draft)>,
    notes: &Notes,
    outcomes: &mut [Outcome],
) -> Result<(), Problem> {
    if whole.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = whole.iter().map(|(index, draft)| (&steps[*index].path, draft)).collect();
    notes.placing(&named)?;
    let manner = Manner { careful: true, aside: None };
    let mut stages = Vec::new();
    for (index, draft) in whole.iter_mut() {
        let step = &steps[*index];
        let wanted = step.to.as_ref().map(|seen| &seen.node);
        let executable = matches!(wanted, Some(Node::File { executable: true, .. }));
        let (outcome, stage) = match draft.finish(step.expected.as_ref(), executable, &manner) {
            Ok((found, _)) => (Outcome::Done(Some(found)), Stage::Placed),
            Err(refused) => (refused.into(), Stage::Meant),
        };
        outcomes[*index] = outcome;
        stages.push((step.path.clone(), stage));
    }
    // Refused ones are dropped when that is written down: that they are gone would say else that they came.
    match notes.settled(&stages) {
        Ok(()) => whole.clear(),
        Err(problem) => {
            whole.drain(..).for_each(|(_, draft)| draft.leave());
            return Err(problem);
        }
    }
    Ok(())
}
