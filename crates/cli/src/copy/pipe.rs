//! Between files, which block, and connections, which do not: a thread of its own on the files' side and a short queue.
//! And how far a copying is, on a terminal.

use crate::exit::Failure;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use slipway_wire::{Code as Why, Problem};
use std::{
    io::{IsTerminal as _, Read},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Read at once.
const CHUNK: usize = 256 * 1024;
/// Chunks, or batches of them, between the two sides.
const QUEUE: usize = 8;
/// Chunks of a batch.
const TOGETHER: usize = 4;

/// How far a copying is; shown on a terminal only.
#[derive(Clone)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Of so many bytes, if that is known.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr_with_hz(8));
        let shape = if bytes.is_some() {
            "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        } else {
            "{bytes}, {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(shape) {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    pub(super) fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
        self.0.reset_eta();
    }

    /// So far; unlike `at`, this much was carried now.
    pub(super) fn to(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    pub(super) fn done(&self) {
        self.0.finish_and_clear();
    }

    /// A line for people that does not get mixed up with the bar.
    pub(super) fn note(&self, text: &str) {
        self.0.suspend(|| crate::out::note(text));
    }
}

/// Hands what comes to `take` on a thread of its own, made there by `make`, and at the end to `end`. When the stream breaks off, `end` is told so
/// and the stream's problem is the result.
pub(super) async fn drain<T, S>(
    source: S,
    make: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    take: impl Fn(&mut T, Bytes) -> Result<(), Failure> + Send + 'static,
    end: impl FnOnce(T, bool) -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure>
where
    S: Stream<Item = Result<Bytes, Problem>>,
{
    let (sender, mut batches) = mpsc::channel::<Result<Vec<Bytes>, ()>>(QUEUE);
    let worker = tokio::task::spawn_blocking(move || {
        let mut sink = make()?;
        let mut whole = true;
        while let Some(batch) = batches.blocking_recv() {
            match batch {
                Ok(batch) => batch.into_iter().try_for_each(|chunk| take(&mut sink, chunk))?,
                Err(()) => whole = false,
            }
        }
        end(sink, whole)
    });
    // What is there at once goes over at once: the two sides wake each other less often than there are chunks.
    let mut source = pin!(source.ready_chunks(TOGETHER));
    let mut broken = None;
    while let Some(ready) = source.next().await {
        let mut batch = Vec::with_capacity(ready.len());
        for chunk in ready {
            match chunk {
                Ok(chunk) => batch.push(chunk),
                Err(problem) => {
                    broken = Some(problem);
                    break;
                }
            }
        }
        // Without a receiver the thread has failed; it says why.
        if sender.send(Ok(batch)).await.is_err() || broken.is_some() {
            break;
        }
    }
    if broken.is_some() {
        // The thread may have failed too, before.
        let _ = sender.send(Err(())).await;
    }
    drop(sender);
    let done = worker.await.map_err(|e| internal(&e))?;
    match broken {
        Some(problem) => Err(problem.into()),
        None => done,
    }
}

/// Why a producer broke off, for whoever was fed from it: the connection says only that it did.
#[derive(Clone, Default)]
pub(super) struct Broke(Arc<Mutex<Option<Failure>>>);

/// What `work` sends from a thread of its own, as a stream. Look at the failure first when the stream's taker fails.
pub(super) fn produce(
    work: impl FnOnce(&mut dyn FnMut(Bytes) -> bool) -> Result<(), Failure> + Send + 'static,
) -> (impl Stream<Item = Result<Bytes, Problem>> + Send + 'static, Broke) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let failure = Broke::default();
    let kept = failure.clone();
    tokio::task::spawn_blocking(move || {
        // False: nobody takes any more, so there is no use in going on.
        let mut send = |bytes: Bytes| sender.blocking_send(Ok(bytes)).is_ok();
        if let Err(failure) = work(&mut send) {
            *kept.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            let broken = Problem::new(Why::Storage, "What is copied could not be read.");
            // The taker may be gone.
            let _ = sender.blocking_send(Err(broken));
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (chunks, failure)
}

impl Broke {
    /// The producer's failure, in its own words.
    pub(super) fn because(&self, problem: &Problem) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.clone().into());
    }

    /// The producer's failure, if it failed; else what the taker says.
    pub(super) fn over<T>(self, taken: Result<T, Problem>) -> Result<T, Failure> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(taken?),
        }
    }
}

/// A file's bytes from where it stands.
pub(super) fn read(
    mut file: impl Read + Send + 'static,
    bar: Bar,
) -> (impl Stream<Item = Result<Bytes, Problem>> + Send + 'static, Broke) {
    produce(move |send| {
        loop {
            let mut chunk = BytesMut::zeroed(CHUNK);
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            bar.add(length);
            if length == 0 || !send(chunk.freeze()) {
                return Ok(());
            }
        }
    })
}

pub(super) fn internal(error: &tokio::task::JoinError) -> Problem {
    Problem::new(Why::Internal, format!("The copying broke off: {error}."))
}
