//! Large files, side by side over lanes: programs of the agent that `docker exec` runs beside the one connection. What
//! Docker needs for carrying a stream is mostly waiting, one process for the next, so two streams take about
//! four fifths of the time of one; and what carries nothing but a file needs no frames and no messages around its bytes.

use futures_util::future::try_join_all;
use slipway_agent_api::{
    AGENT_PATH,
    lane::{self, Stripe},
    v1::{
        FileInfo, WriteByLanesReply, WriteByLanesRequest, WriteOpen, write_by_lanes_reply,
        write_by_lanes_request::Part,
    },
};
use slipway_wire::{Code, Problem};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    absent,
    handed::{Transfer, cannot_read, cannot_write},
};
use crate::{
    agent_link::{AgentLink, agent_problem},
    docker::{Docker, Duplex},
};

/// From this size on a file is worth the start of its lanes, bytes.
pub(super) const WORTH: u64 = 64 * 1024 * 1024;
/// Lanes of a file. A third gains nothing on two processors.
const LANES: usize = 2;
/// What a lane takes at a time, bytes.
const STRIPE: u64 = 8 * 1024 * 1024;
/// Stripes a lane is asked for ahead, so that it does not wait for the next question.
const AHEAD: usize = 2;
/// Read or written at once here, bytes. Of more the kernel makes larger pieces of memory, which a virtual machine may have
/// to be given first: on one such, writes of 1 MiB took up to ten times as long as these.
const PIECE: usize = 256 * 1024;
/// A lane that has not begun by then does not.
const START: Duration = Duration::from_secs(15);
/// What a lane that failed has said is there by then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The stripes of a file, each taken once.
struct Stripes {
    next: AtomicU64,
    end: u64,
}

impl Stripes {
    fn new(offset: u64, end: u64) -> Self {
        Self { next: AtomicU64::new(offset), end }
    }

    fn take(&self) -> Option<Stripe> {
        let offset = self.next.fetch_add(STRIPE, Ordering::Relaxed);
        (offset < self.end).then(|| Stripe { offset, length: STRIPE.min(self.end - offset) })
    }
}

/// Where lanes lead, and what is being done there, for those who are told that it failed.
#[derive(Clone, Copy)]
pub(super) struct Road<'a> {
    pub(super) docker: &'a Docker,
    pub(super) link: &'a AgentLink,
    pub(super) doing: &'a str,
}

/// Writes what of a file comes after the opening's offset: all of it or nothing, as any write.
pub(super) async fn send(
    road: Road<'_>,
    open: WriteOpen,
    file: Arc<File>,
    transfer: &Transfer,
) -> Result<Result<FileInfo, tonic::Status>, Problem> {
    let stripes = Stripes::new(open.offset, open.size);
    let (say, requests) = mpsc::channel(2);
    let part = |part| WriteByLanesRequest { part: Some(part) };
    // There is room for all that is ever said, and whoever does not listen any more says why below.
    let _ = say.try_send(part(Part::Open(open)));
    let mut replies = match road.link.client.clone().write_by_lanes(ReceiverStream::new(requests)).await {
        Ok(replies) => replies.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    let place = match replies.message().await {
        Ok(Some(WriteByLanesReply { part: Some(write_by_lanes_reply::Part::Path(place)) })) => place,
        Ok(_) => return Err(absent(road.doing)),
        Err(status) => return Ok(Err(status)),
    };
    let lanes = (0..LANES).map(|_| into(road, &place, &stripes, &file, transfer));
    if let Err(Failed { problem, spoilt }) = transfer.unless_cancelled(try_join_all(lanes)).await {
        if spoilt {
            let _ = say.try_send(part(Part::Arrived(false)));
        }
        drop(say);
        // The agent's end of it says that what was not to be kept is gone.
        let _ = timeout(LAST_WORDS, replies.message()).await;
        return Err(problem);
    }
    let _ = say.try_send(part(Part::Arrived(true)));
    match replies.message().await {
        Ok(Some(WriteByLanesReply { part: Some(write_by_lanes_reply::Part::Written(info)) })) => Ok(Ok(info)),
        Ok(_) => Err(absent(road.doing)),
        Err(status) => Ok(Err(status)),
    }
}

/// Fills a file here with what the container's has between two offsets.
pub(super) async fn fetch(
    road: Road<'_>,
    path: &[u8],
    (offset, end): (u64, u64),
    file: Arc<File>,
    transfer: &Transfer,
) -> Result<(), Problem> {
    let stripes = Stripes::new(offset, end);
    let lanes = (0..LANES).map(|_| out_of(road, path, &stripes, &file, transfer));
    try_join_all(lanes).await.map(drop).map_err(|failed| failed.problem)
}

async fn into(
    road: Road<'_>,
    place: &[u8],
    stripes: &Stripes,
    file: &Arc<File>,
    transfer: &Transfer,
) -> Result<(), Failed> {
    let mut lane = Lane::start(road, lane::INTO, place).await?;
    let (mut sent, mut spare) = (0_u64, Vec::new());
    while let Some(stripe) = stripes.take() {
        lane.say(&stripe.head()).await?;
        let (mut at, end) = (stripe.offset, stripe.offset + stripe.length);
        let mut reading = Some(read(file, at, end, Vec::new()));
        while let Some(piece) = reading.take() {
            let piece = done(piece).await?.map_err(|e| cannot_read(&e))?;
            at += piece.len() as u64;
            // The next is read while this one goes.
            reading = (at < end).then(|| read(file, at, end, std::mem::take(&mut spare)));
            lane.say(&piece).await?;
            transfer.add(piece.len() as u64);
            spare = piece;
        }
        sent += stripe.length;
    }
    lane.finish(sent).await
}

async fn out_of(
    road: Road<'_>,
    path: &[u8],
    stripes: &Stripes,
    file: &Arc<File>,
    transfer: &Transfer,
) -> Result<(), Failed> {
    let mut lane = Lane::start(road, lane::OUT_OF, path).await?;
    let mut asked = VecDeque::new();
    let (mut writing, mut spare) = (None, Vec::new());
    loop {
        while asked.len() < AHEAD
            && let Some(stripe) = stripes.take()
        {
            lane.say(&stripe.head()).await?;
            asked.push_back(stripe);
        }
        let Some(Stripe { offset: mut at, length: mut left }) = asked.pop_front() else { break };
        while left > 0 {
            let length = left.min(PIECE as u64) as usize;
            let mut piece = std::mem::take(&mut spare);
            lane.hear(&mut piece, length).await?;
            // This one comes while the one before is written.
            if let Some(before) = writing.replace(write(file, at, piece)) {
                spare = done(before).await?.map_err(|e| cannot_write(&e))?;
            }
            at += length as u64;
            left -= length as u64;
            transfer.add(length as u64);
        }
    }
    if let Some(last) = writing {
        done(last).await?.map_err(|e| cannot_write(&e))?;
    }
    Ok(())
}

type Working = JoinHandle<io::Result<Vec<u8>>>;

/// Reads the next piece of a stripe into memory that was used before.
fn read(file: &Arc<File>, at: u64, end: u64, mut piece: Vec<u8>) -> Working {
    let file = Arc::clone(file);
    spawn_blocking(move || {
        piece.resize((end - at).min(PIECE as u64) as usize, 0);
        file.read_exact_at(&mut piece, at)?;
        Ok(piece)
    })
}

fn write(file: &Arc<File>, at: u64, mut piece: Vec<u8>) -> Working {
    let file = Arc::clone(file);
    spawn_blocking(move || {
        file.write_all_at(&piece, at)?;
        piece.clear();
        Ok(piece)
    })
}

async fn done(working: Working) -> Result<io::Result<Vec<u8>>, Problem> {
    working.await.map_err(|e| Problem::new(Code::Internal, format!("The copying broke off: {e}.")))
}

/// Why a lane ended early.
struct Failed {
    problem: Problem,
    /// The container refuses the file: what came of it is of no use.
    spoilt: bool,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { problem, spoilt: false }
    }
}

struct Lane<'a> {
    stream: Duplex,
    doing: &'a str,
}

impl<'a> Lane<'a> {
    async fn start(road: Road<'a>, way: &str, path: &[u8]) -> Result<Self, Failed> {
        let Road { docker, link, doing } = road;
        let digits = path.iter().fold(String::with_capacity(path.len() * 2), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        // Until it runs, nobody pauses the container.
        let starting = link.starting().await;
        let stream = docker.exec(&link.container, &[AGENT_PATH, "lane", way, &digits]).await?;
        let mut lane = Self { stream, doing };
        let mut ready = Vec::with_capacity(1);
        match timeout(START, lane.hear(&mut ready, 1)).await {
            Ok(heard) => heard?,
            Err(_) => return Err(lane.lost(format!("no answer in {} s", START.as_secs())).await),
        }
        drop(starting);
        if ready != [lane::READY] {
            return Err(lane.lost("it is no lane".to_owned()).await);
        }
        Ok(lane)
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        match self.stream.write_all(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.lost(error.to_string()).await),
        }
    }

    /// Exactly so many bytes, into memory that has none.
    async fn hear(&mut self, into: &mut Vec<u8>, length: usize) -> Result<(), Failed> {
        into.reserve_exact(length);
        while into.len() < length {
            let left = (length - into.len()) as u64;
            match (&mut self.stream).take(left).read_buf(into).await {
                Ok(0) => return Err(self.lost("it ended".to_owned()).await),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error.to_string()).await),
            }
        }
        Ok(())
    }

    /// Says that no more comes, and hears that so many bytes are written.
    async fn finish(mut self, sent: u64) -> Result<(), Failed> {
        if let Err(error) = self.stream.shutdown().await {
            return Err(self.lost(error.to_string()).await);
        }
        let mut written = Vec::new();
        self.hear(&mut written, 8).await?;
        if written == sent.to_be_bytes() {
            return Ok(());
        }
        Err(self.lost("it has not written what it was given".to_owned()).await)
    }

    /// Why it failed: in its own words if it has any.
    async fn lost(&mut self, detail: String) -> Failed {
        let errors = self.stream.errors();
        let mut rest = Vec::new();
        // What it says on standard error comes along with what else it said; that is over soon, or of no interest.
        let _ = timeout(LAST_WORDS, (&mut self.stream).take(PIECE as u64).read_to_end(&mut rest)).await;
        let said = errors.said();
        let Some(words) = said.strip_prefix("slipway-agent: ").filter(|words| !words.is_empty()) else {
            let detail = if said.is_empty() { detail } else { said };
            return agent_problem(self.doing, &tonic::Status::unavailable(detail)).into();
        };
        let full = ["(os error 28)", "(os error 122)", "(os error 27)"];
        let status = if full.iter().any(|no_room| words.contains(no_room)) {
            tonic::Status::resource_exhausted(words)
        } else {
            tonic::Status::failed_precondition(words)
        };
        Failed { problem: agent_problem(self.doing, &status), spoilt: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_one_stripe() {
        for (offset, end) in [(0, 3 * STRIPE + 1), (7, STRIPE), (STRIPE - 1, STRIPE), (5, 5)] {
            let stripes = Stripes::new(offset, end);
            let mut at = offset;
            while let Some(stripe) = stripes.take() {
                assert_eq!(stripe.offset, at);
                assert!((1..=STRIPE).contains(&stripe.length));
                at += stripe.length;
            }
            assert_eq!(at, end);
            assert_eq!(stripes.take(), None);
        }
    }
}
