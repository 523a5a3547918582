//! Large files, side by side over lanes: programs of the agent that `docker exec` runs beside the one connection. What
//! Docker needs for carrying a stream is mostly waiting, one process for the next, so two streams take about
//! four fifths of the time of one; and what carries nothing but a file needs no frames and no messages around its bytes.
//! Where a lane's file can be opened on this side (`direct`) the lane only holds it, and one is enough.

use futures_util::future::{try_join, try_join_all};
use slipway_agent_api::{
    AGENT_PATH,
    lane::{self, PIECE, READY, READY_AT_HAND, Stripe},
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
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    absent,
    handed::{Transfer, cancelled, cannot_read, cannot_write},
};
use crate::{
    agent_link::{AgentLink, agent_problem},
    docker::{Blocking, Docker, Hangup},
};

/// From this size on a file is worth the start of its lanes, bytes.
pub(super) const WORTH: u64 = 64 * 1024 * 1024;
/// Lanes of a file. A third gains nothing on two processors.
const LANES: usize = 2;
/// What a lane takes at a time, bytes.
const STRIPE: u64 = 8 * 1024 * 1024;
/// Stripes a lane is asked for ahead, so that it does not wait for the next question.
const AHEAD: usize = 2;
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
    transfer: Arc<Transfer>,
) -> Result<Result<FileInfo, tonic::Status>, Problem> {
    let stripes = Arc::new(Stripes::new(open.offset, open.size));
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
    let work = {
        let transfer = Arc::clone(&transfer);
        move |lane: &mut Lane| into(lane, &stripes, &file, &transfer)
    };
    let carried = carry(road, lane::INTO, &place, work);
    if let Err(Failed { problem, spoilt }) = transfer.unless_cancelled(carried).await {
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
    transfer: Arc<Transfer>,
) -> Result<(), Problem> {
    let stripes = Arc::new(Stripes::new(offset, end));
    let work = move |lane: &mut Lane| out_of(lane, &stripes, &file, &transfer);
    carry(road, lane::OUT_OF, path, work).await.map_err(|failed| failed.problem)
}

fn into(lane: &mut Lane, stripes: &Stripes, file: &File, transfer: &Transfer) -> Result<(), Failed> {
    if let Some(there) = lane.file.take() {
        copied(lane, file, &there, stripes, transfer).map_err(|broken| match broken {
            Broken::Read(error) => cannot_read(&error).into(),
            Broken::Write(error) => lane.refused(&error.to_string()),
            Broken::Ended => cancelled().into(),
        })?;
        return lane.finish(0);
    }
    let mut sent = 0;
    while let Some(stripe) = stripes.take() {
        lane.say(&stripe.head())?;
        if let Err(error) = lane::pour(file, stripe, &mut lane.stream, |bytes| transfer.add(bytes)) {
            let streams = lane::is_streams(&error);
            return Err(if streams { lane.lost(error.to_string()) } else { cannot_read(&error).into() });
        }
        sent += stripe.length;
    }
    lane.finish(sent)
}

fn out_of(lane: &mut Lane, stripes: &Stripes, file: &File, transfer: &Transfer) -> Result<(), Failed> {
    if let Some(there) = lane.file.take() {
        return copied(lane, &there, file, stripes, transfer).map_err(|broken| match broken {
            Broken::Read(error) => lane.refused(&error.to_string()),
            Broken::Write(error) => cannot_write(&error).into(),
            Broken::Ended => cancelled().into(),
        });
    }
    let (mut asked, mut piece) = (VecDeque::new(), vec![0; PIECE]);
    loop {
        while asked.len() < AHEAD
            && let Some(stripe) = stripes.take()
        {
            lane.say(&stripe.head())?;
            asked.push_back(stripe);
        }
        let Some(Stripe { offset: mut at, length: mut left }) = asked.pop_front() else { return Ok(()) };
        while left > 0 {
            // What there is, not what there could be: more comes while this is written.
            let most = left.min(PIECE as u64) as usize;
            let length = lane.hear(&mut piece[..most])?;
            file.write_all_at(&piece[..length], at).map_err(|e| cannot_write(&e))?;
            let length = length as u64;
            at += length;
            left -= length;
            transfer.add(length);
            // Whoever sends goes first: then there is more at once, and what finds something is not to be woken.
            thread::yield_now();
        }
    }
}

/// Why no more is copied.
enum Broken {
    Read(io::Error),
    Write(io::Error),
    /// Nobody waits for it any more.
    Ended,
}

/// Copies stripes from file to file.
fn copied(
    lane: &Lane,
    from: &File,
    into: &File,
    stripes: &Stripes,
    transfer: &Transfer,
) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    while let Some(Stripe { mut offset, length }) = stripes.take() {
        let end = offset + length;
        while offset < end {
            if lane.ended.is_cancelled() {
                return Err(Broken::Ended);
            }
            let most = (end - offset).min(PIECE as u64) as usize;
            let read = match from.read_at(&mut piece[..most], offset) {
                Ok(0) => return Err(Broken::Read(lane::shorter())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(Broken::Read)?,
            };
            into.write_all_at(&piece[..read], offset).map_err(Broken::Write)?;
            offset += read as u64;
            transfer.add(read as u64);
        }
    }
    Ok(())
}

/// Does the work over one lane where its file is at hand, else over as many as help.
async fn carry(
    road: Road<'_>,
    way: &str,
    path: &[u8],
    work: impl FnOnce(&mut Lane) -> Result<(), Failed> + Clone + Send + 'static,
) -> Result<(), Failed> {
    let first = start(road, way, path).await?;
    let more = if first.lane.file.is_some() { 0 } else { LANES - 1 };
    let others = (0..more).map(|_| {
        let work = work.clone();
        async move { ride(road, start(road, way, path).await?, work).await }
    });
    try_join(ride(road, first, work.clone()), try_join_all(others)).await.map(drop)
}

/// A lane that has begun. Let go of, it ends, whatever thread is at work with it.
struct Begun {
    lane: Lane,
    ends: (Hangup, DropGuard),
}

/// Starts a lane.
async fn start(road: Road<'_>, way: &str, path: &[u8]) -> Result<Begun, Failed> {
    let Road { docker, link, doing } = road;
    let digits = path.iter().fold(String::with_capacity(path.len() * 2), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    // Until it runs, nobody pauses the container.
    let starting = link.starting().await;
    let argv = [AGENT_PATH, "lane", way, &digits];
    let duplex = docker.exec(&link.container, &argv).await?;
    #[cfg(target_os = "linux")]
    let exec = duplex.exec();
    let unusable = |e: io::Error| agent_problem(doing, &tonic::Status::unavailable(e.to_string()));
    let stream = duplex.into_blocking().map_err(unusable)?;
    let ended = CancellationToken::new();
    let ends = (stream.hangup().map_err(unusable)?, ended.clone().drop_guard());
    let mut lane = Lane { stream, file: None, ended, doing: doing.to_owned() };
    let (mut lane, at_hand) = aside(move || lane.begin().map(|at_hand| (lane, at_hand))).await??;
    drop(starting);
    #[cfg(target_os = "linux")]
    if let Some(exec) = exec.filter(|_| at_hand) {
        lane.file = direct(docker, &exec, way, &argv).await?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = at_hand;
    Ok(Begun { lane, ends })
}

/// A lane's file, where this machine and its user have a way to it; most have none, and lose nothing but time.
#[cfg(target_os = "linux")]
async fn direct(docker: &Docker, exec: &str, way: &str, argv: &[&str]) -> Result<Option<File>, Problem> {
    use super::direct::{Access, open};
    let access = if way == lane::INTO { Access::Write } else { Access::Read };
    let Some(pid) = docker.exec_pid(exec).await? else { return Ok(None) };
    let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
    let opened = aside(move || {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        open(pid, &argv, access)
    });
    Ok(opened.await?.inspect_err(|error| tracing::debug!(%error, "a large file goes through Docker")).ok())
}

/// Does a lane's work, which may wait, on a thread beside. Who stops waiting for it ends both.
async fn ride(
    road: Road<'_>,
    Begun { mut lane, ends }: Begun,
    work: impl FnOnce(&mut Lane) -> Result<(), Failed> + Send + 'static,
) -> Result<(), Failed> {
    let Road { link, doing, .. } = road;
    let _ends_with_this = ends;
    tokio::select! {
        done = aside(move || work(&mut lane)) => done?,
        // Of a container that has ended, Docker may leave a stream that nobody reads open for minutes.
        () = link.closed() => Err(agent_problem(doing, &tonic::Status::unavailable("the connection ended")).into()),
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = spawn_blocking(work).await;
    done.map_err(|e| Problem::new(Code::Internal, format!("The copying broke off: {e}.")))
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

struct Lane {
    stream: Blocking,
    /// Its file, where that can be opened on this side.
    file: Option<File>,
    /// Nobody waits for it any more.
    ended: CancellationToken,
    doing: String,
}

impl Lane {
    /// Waits until it has the file, and hears whether it has it where others can find it.
    fn begin(&mut self) -> Result<bool, Failed> {
        let mut ready = [0];
        let heard = self.stream.wait_for(Some(START)).and_then(|()| self.stream.read_exact(&mut ready));
        match heard.and_then(|()| self.stream.wait_for(None)) {
            Ok(()) if matches!(ready, [READY | READY_AT_HAND]) => Ok(ready == [READY_AT_HAND]),
            Ok(()) => Err(self.lost("it is no lane".to_owned())),
            Err(error) => Err(self.lost(match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    format!("no answer in {} s", START.as_secs())
                }
                _ => error.to_string(),
            })),
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let said = self.stream.write_all(bytes);
        said.map_err(|error| self.lost(error.to_string()))
    }

    /// What comes next: something, or why nothing does.
    fn hear(&mut self, into: &mut [u8]) -> Result<usize, Failed> {
        match self.stream.read(into) {
            Ok(0) => Err(self.lost("it ended".to_owned())),
            Ok(length) => Ok(length),
            Err(error) => Err(self.lost(error.to_string())),
        }
    }

    /// Says that no more comes, and hears that so many bytes are written.
    fn finish(&mut self, sent: u64) -> Result<(), Failed> {
        let mut written = [0; 8];
        let ended = self.stream.end_input().and_then(|()| self.stream.read_exact(&mut written));
        if let Err(error) = ended {
            return Err(self.lost(error.to_string()));
        }
        if written == sent.to_be_bytes() {
            return Ok(());
        }
        Err(self.lost("it has not written what it was given".to_owned()))
    }

    /// Why it failed: in its own words if it has any.
    fn lost(&mut self, detail: String) -> Failed {
        // What it says on standard error comes along with what else it said; that is over soon, or of no interest.
        let (until, mut rest) = (Instant::now() + LAST_WORDS, vec![0; PIECE]);
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            && self.stream.wait_for(Some(left)).is_ok()
            && matches!(self.stream.read(&mut rest), Ok(1..))
        {}
        let said = self.stream.errors().said();
        let Some(words) = said.strip_prefix("slipway-agent: ").filter(|words| !words.is_empty()) else {
            let detail = if said.is_empty() { detail } else { said };
            return agent_problem(&self.doing, &tonic::Status::unavailable(detail)).into();
        };
        self.refused(words)
    }

    /// The container refuses the file.
    fn refused(&self, words: &str) -> Failed {
        let full = ["(os error 28)", "(os error 122)", "(os error 27)"];
        let status = if full.iter().any(|no_room| words.contains(no_room)) {
            tonic::Status::resource_exhausted(words)
        } else {
            tonic::Status::failed_precondition(words)
        };
        Failed { problem: agent_problem(&self.doing, &status), spoilt: true }
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
