//! A tree out of a container becomes one zip, written as it comes: to a file that appears when it is whole, or to
//! standard output. Nothing of it is made here, so no name can do harm but to whoever unpacks it: those are checked too.

use super::{
    download::unwritable,
    pipe::Bar,
    place::{NewFile, Place},
    sink::{Notes, Sink},
};
use crate::exit::Failure;
use slipway_http::{safe_target, tree::Kind};
use slipway_wire::{Code as Why, Problem, shown_name};
use std::{
    ffi::OsStr,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};
use zip::{
    CompressionMethod, ZipWriter,
    result::ZipError,
    write::{SimpleFileOptions, StreamWriter},
};

/// From this announced size on an entry has room for sizes beyond 4 GiB.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);
/// Written at once.
const BUFFER: usize = 256 * 1024;

pub(super) struct Zipped {
    zip: ZipWriter<StreamWriter<BufWriter<File>>>,
    file: Option<NewFile>,
    in_file: bool,
    notes: Notes,
}

impl Zipped {
    pub(super) fn stream(target: File, bar: Bar) -> Self {
        let zip = ZipWriter::new_stream(BufWriter::with_capacity(BUFFER, target));
        Self { zip, file: None, in_file: false, notes: Notes::new(bar) }
    }

    pub(super) fn file(parent: &Path, name: &OsStr, bar: Bar) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| unwritable(&parent.join(name), &e);
        let file = Place::open(parent).and_then(|place| place.begin(name)).map_err(failed)?;
        let handle = file.handle().map_err(failed)?;
        Ok(Self { file: Some(file), ..Self::stream(handle, bar) })
    }

    /// The name in the zip: text. What is not is escaped, and said.
    fn name(&mut self, path: &[u8]) -> String {
        if let Ok(name) = std::str::from_utf8(path) {
            return name.to_owned();
        }
        let name = shown_name(path);
        self.notes.bar().note(&format!("{name} is called so in the zip: its own name is no text."));
        name
    }
}

impl Sink for Zipped {
    fn entry(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<(), Failure> {
        self.in_file = false;
        if path.split(|byte| *byte == b'/').any(|part| part.len() > 255) {
            self.notes.left_out(path, "its name is too long");
            return Ok(());
        }
        let depth = path.split(|byte| *byte == b'/').count() - 1;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .unix_permissions(mode);
        match kind {
            Kind::Directory => {
                let name = self.name(path);
                self.zip.add_directory(name, options).map_err(failed)
            }
            Kind::File(size) => {
                let name = self.name(path);
                self.in_file = true;
                self.zip.start_file(name, options.large_file(size >= LARGE)).map_err(failed)
            }
            Kind::Symlink(target) if safe_target(&target, depth) => {
                let Ok(target) = std::str::from_utf8(&target) else {
                    self.notes.left_out(path, "a link to a name that is no text");
                    return Ok(());
                };
                let name = self.name(path);
                self.zip.add_symlink(name, target, options).map_err(failed)
            }
            Kind::Symlink(_) => {
                self.notes.left_out(path, "a link out of the folder");
                Ok(())
            }
            Kind::Other => {
                self.notes.left_out(path, "not a file, folder or link");
                Ok(())
            }
        }
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.in_file { Ok(self.zip.write_all(data)?) } else { Ok(()) }
    }

    fn finish(self) -> Result<(), Failure> {
        let mut stream = self.zip.finish().map_err(failed)?.into_inner();
        stream.flush()?;
        if let Some(file) = self.file {
            file.finish(0o644)?;
        }
        Ok(())
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }
}

fn failed(error: ZipError) -> Failure {
    match error {
        ZipError::Io(error) => error.into(),
        error => Problem::new(Why::Storage, format!("The zip cannot be written: {error}.")).into(),
    }
}
