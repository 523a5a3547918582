//! Unpack: raw archive bytes in, a checked project tree out. The archive is spooled to a file that has no name, so that
//! nothing is left behind however the call ends; the checks and the writing are the intake crate's.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use slipway_agent_api::v1::unpack_reply::Event;
use slipway_agent_api::v1::{
    Refused, UnpackDone, UnpackOpen, UnpackProgress, UnpackReply, UnpackRequest, unpack_request,
};
use slipway_intake::{Limits, Progress, Refusal, ZipSource};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::files;

/// Least time between two progress events.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// Unpackings at one time; each holds a thread.
const AT_ONCE: usize = 2;

/// Where archives are spooled and how many may be worked on.
pub(crate) struct Unpacker {
    slots: Arc<Semaphore>,
    leftovers: files::Leftovers,
}

type Replies = mpsc::Sender<Result<UnpackReply, Status>>;

impl Unpacker {
    pub(crate) fn new(leftovers: files::Leftovers) -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)), leftovers }
    }

    /// Begins one call. What follows is told on the returned stream.
    pub(crate) fn unpack(
        &self,
        calls: Streaming<UnpackRequest>,
    ) -> impl Stream<Item = Result<UnpackReply, Status>> + use<> {
        let (replies, stream) = mpsc::channel(4);
        let (slots, leftovers) = (Arc::clone(&self.slots), self.leftovers.clone());
        tokio::spawn(async move {
            let Ok(slot) = slots.acquire_owned().await else { return };
            if let Err(status) = run(calls, &replies, &leftovers, slot).await {
                // Nobody to tell when the caller is gone.
                let _ = replies.send(Err(status)).await;
            }
        });
        ReceiverStream::new(stream)
    }
}

async fn run(
    mut calls: Streaming<UnpackRequest>,
    replies: &Replies,
    leftovers: &files::Leftovers,
    slot: OwnedSemaphorePermit,
) -> Result<(), Status> {
    let Some(unpack_request::Part::Open(open)) = calls.message().await?.and_then(|message| message.part)
    else {
        return Err(Status::invalid_argument("an unpacking begins with its root and limits"));
    };
    let root = files::absolute(&open.root)?;
    let limits = limits(&open)?;
    if open.archive_bytes > limits.archive_bytes {
        return Err(Status::invalid_argument("the archive is larger than the limit sent with it"));
    }
    leftovers.clear_for(&root).await?;
    let spooled = spool(&mut calls, &root, open.archive_bytes).await?;
    let replies = replies.clone();
    files::blocking(move || {
        let last = match unpack(spooled, &root, &limits, open.whole, &replies) {
            Ok(done) => Event::Done(done),
            Err(refusal) => Event::Refused(Refused {
                code: refusal.code().to_owned(),
                message: refusal.to_string(),
                hint: refusal.hint().to_owned(),
            }),
        };
        // The caller may be gone; the work is done or undone all the same.
        let _ = replies.blocking_send(Ok(UnpackReply { event: Some(last) }));
        drop(slot);
        Ok(())
    })
    .await
}

fn limits(open: &UnpackOpen) -> Result<Limits, Status> {
    let Some(limits) = open.limits else { return Ok(Limits::default()) };
    let limits = Limits {
        archive_bytes: limits.archive_bytes,
        produced_bytes: limits.produced_bytes,
        file_bytes: limits.file_bytes,
        entries: limits.entries,
        ratio: limits.ratio,
        depth: limits.depth,
        path_bytes: limits.path_bytes,
        manifest_bytes: limits.manifest_bytes,
    };
    limits.validated().map_err(|invalid| Status::invalid_argument(invalid.to_string()))
}

/// Brings the whole archive into a nameless file.
async fn spool(calls: &mut Streaming<UnpackRequest>, root: &Path, expected: u64) -> Result<File, Status> {
    let places = spool_places(root);
    let mut file = files::blocking(move || nameless(&places)).await?;
    let mut received = 0;
    while let Some(message) = calls.message().await? {
        let Some(unpack_request::Part::Data(data)) = message.part else {
            return Err(Status::invalid_argument("an archive is followed by its bytes and nothing else"));
        };
        received += data.len() as u64;
        if received > expected {
            return Err(Status::invalid_argument("more bytes came than were announced"));
        }
        file = files::blocking(move || {
            file.write_all(&data).map_err(|error| files::status("the spooled archive", &error))?;
            Ok(file)
        })
        .await?;
    }
    if received != expected {
        return Err(Status::aborted(format!(
            "the archive was cut short: {received} of {expected} bytes arrived"
        )));
    }
    file.rewind().map_err(|error| files::status("the spooled archive", &error))?;
    Ok(file)
}

fn spool_places(root: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    home.into_iter()
        .chain([PathBuf::from("/tmp")])
        .chain(root.parent().map(Path::to_owned))
        .chain([root.to_owned()])
        .collect()
}

/// A file without a name in the first of `places` that takes one.
fn nameless(places: &[PathBuf]) -> Result<File, Status> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in places.iter().filter(|place| place.is_absolute()) {
        let path = place.join(files::temporary_name()?);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)
                    .map_err(|error| files::status(&path.display().to_string(), &error))?;
                return Ok(file);
            }
            Err(error) => last = error,
        }
    }
    Err(files::status("no folder for the archive (HOME, /tmp and the root were tried)", &last))
}

fn unpack(
    spooled: File,
    root: &Path,
    limits: &Limits,
    whole: bool,
    replies: &Replies,
) -> Result<UnpackDone, Refusal> {
    let mut source =
        if whole { ZipSource::open_whole(spooled, limits)? } else { ZipSource::open(spooled, limits)? };
    let stripped = source.listing().root.clone().unwrap_or_default();
    let mut told = Instant::now();
    let done = source.unpack(root, &mut |progress: Progress| {
        if replies.is_closed() {
            return ControlFlow::Break(());
        }
        if told.elapsed() < TELL_EVERY {
            return ControlFlow::Continue(());
        }
        told = Instant::now();
        let Progress { files, bytes, total_files, total_bytes } = progress;
        let event = Event::Progress(UnpackProgress { files, bytes, total_files, total_bytes });
        match replies.blocking_send(Ok(UnpackReply { event: Some(event) })) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_caller_is_gone) => ControlFlow::Break(()),
        }
    })?;
    Ok(UnpackDone { files: done.files, bytes: done.bytes, stripped, whole })
}
