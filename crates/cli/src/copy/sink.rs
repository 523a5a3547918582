//! A tree out of a container, handed record by record to whoever keeps it: a folder here, or a zip.

use super::pipe::{Bar, drain};
use crate::{exit::Failure, text};
use bytes::Bytes;
use futures_util::Stream;
use slipway_http::tree::{Broken, Kind, Reader, Record};
use slipway_wire::{Code as Why, Problem, shown_name};

/// What keeps a tree. Paths are checked to lead down by plain names; everything else is the container's word.
pub(super) trait Sink {
    fn entry(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<(), Failure>;
    /// Content of the file named last; of a file that was left out too.
    fn data(&mut self, data: &[u8]) -> Result<(), Failure>;
    /// All of it came.
    fn finish(self) -> Result<(), Failure>;
    fn notes(&mut self) -> &mut Notes;
}

/// What was left out, told as it happens and not without end: a container could make a million files of no use.
pub(super) struct Notes {
    bar: Bar,
    told: u64,
}

impl Notes {
    const MOST: u64 = 50;

    pub(super) fn new(bar: Bar) -> Self {
        Self { bar, told: 0 }
    }

    pub(super) fn left_out(&mut self, path: &[u8], why: &str) {
        self.told += 1;
        match self.told {
            0..=Self::MOST => {
                let path = shown_name(path);
                self.bar.note(&format!("Left out: {} ({})", text::clean(&path), text::clean(why)));
            }
            told if told == Self::MOST + 1 => self.bar.note("More was left out."),
            _ => {}
        }
    }

    pub(super) fn bar(&self) -> &Bar {
        &self.bar
    }
}

/// Reads the stream to its end on a thread of its own.
pub(super) async fn receive<T: Sink + 'static>(
    bytes: impl Stream<Item = Result<Bytes, Problem>>,
    make: impl FnOnce(Bar) -> Result<T, Failure> + Send + 'static,
) -> Result<(), Failure> {
    let bar = Bar::new(None);
    let theirs = bar.clone();
    let received = drain(
        bytes,
        move || Ok((Reader::default(), make(theirs)?)),
        |(reader, sink), chunk| {
            reader.feed(&chunk);
            while let Some(record) = reader.pull().map_err(broken)? {
                hand(sink, record)?;
            }
            Ok(())
        },
        |(reader, sink), whole| {
            if !whole {
                return Ok(());
            }
            reader.finish().map_err(broken)?;
            sink.finish()
        },
    )
    .await;
    bar.done();
    received
}

fn hand<T: Sink>(sink: &mut T, record: Record) -> Result<(), Failure> {
    match record {
        Record::Entry { path, kind, mode } => sink.entry(&path, kind, mode),
        Record::Data(data) => {
            sink.notes().bar().add(data.len());
            sink.data(&data)
        }
        Record::Missing { path, why } => {
            sink.notes().left_out(&path, &why);
            Ok(())
        }
        Record::End => Ok(()),
    }
}

fn broken(broken: Broken) -> Failure {
    let (code, hint) = match broken {
        Broken::TooLarge => (Why::Limit, "Copy a part of it; what was copied stays."),
        Broken::Cut => (Why::AgentLost, "Try again; the workspace may have been stopped."),
        _ => (Why::Refused, "The workspace sends what no honest one does; what was copied before stays."),
    };
    Problem::new(code, format!("The copying ended: {broken}.")).hint(hint).into()
}
