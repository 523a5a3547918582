//! A tree out of a container becomes one zip: a file that appears when it is whole, or standard output.

use super::{
    download::unwritable,
    pipe::Bar,
    place::{NewFile, Place},
    sink::{Notes, Sink},
};
use crate::exit::Failure;
use slipway_http::{Odd, tree::Kind};
use std::{ffi::OsStr, fs::File, path::Path};

pub(super) struct Zipped {
    zip: slipway_http::Zipped<File>,
    file: Option<NewFile>,
    notes: Notes,
}

impl Zipped {
    pub(super) fn stream(target: File, bar: Bar) -> Self {
        Self { zip: slipway_http::Zipped::new(target), file: None, notes: Notes::new(bar) }
    }

    pub(super) fn file(parent: &Path, name: &OsStr, bar: Bar) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| unwritable(&parent.join(name), &e);
        let file = Place::open(parent).and_then(|place| place.begin(name)).map_err(failed)?;
        let handle = file.handle().map_err(failed)?;
        Ok(Self { file: Some(file), ..Self::stream(handle, bar) })
    }
}

impl Sink for Zipped {
    fn entry(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<(), Failure> {
        match self.zip.entry(path, kind, mode)? {
            None => {}
            Some(Odd::LeftOut(why)) => self.notes.left_out(path, why),
            Some(Odd::Named(name)) => {
                self.notes.bar().note(&format!("{name} is called so in the zip: its own name is no text."));
            }
        }
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        Ok(self.zip.data(data)?)
    }

    fn finish(self) -> Result<(), Failure> {
        self.zip.finish()?;
        if let Some(file) = self.file {
            file.finish(0o644)?;
        }
        Ok(())
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }
}
