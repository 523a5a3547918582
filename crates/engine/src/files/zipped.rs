//! A tree out of a container as one zip, written as it comes. Nothing of it is made here, so no name can do harm but to
//! whoever unpacks it: those are checked too.

use slipway_agent_api::tree::Kind;
use slipway_mirror::safe_target;
use slipway_wire::{Code, Problem, shown_name};
use std::io::{BufWriter, Write};
use zip::{
    CompressionMethod, ZipWriter,
    result::ZipError,
    write::{SimpleFileOptions, StreamWriter},
};

/// From this announced size on an entry has room for sizes beyond 4 GiB.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);
/// Written at once.
const BUFFER: usize = 256 * 1024;

/// What is not as the tree has it.
#[derive(Debug)]
pub enum Odd {
    /// It is called otherwise in the zip: its own name is no text.
    Named(String),
    /// It is not in the zip.
    LeftOut(&'static str),
}

/// A zip being written.
pub struct Zipped<W: Write> {
    zip: ZipWriter<StreamWriter<BufWriter<W>>>,
    in_file: bool,
}

impl<W: Write> Zipped<W> {
    /// Begins one; it needs no seeking.
    pub fn new(target: W) -> Self {
        Self { zip: ZipWriter::new_stream(BufWriter::with_capacity(BUFFER, target)), in_file: false }
    }

    /// The next entry, in the order of the tree. Says what is odd about it.
    pub fn entry(&mut self, path: &[u8], kind: Kind, mode: u32) -> Result<Option<Odd>, Problem> {
        self.in_file = false;
        if path.split(|byte| *byte == b'/').any(|part| part.len() > 255) {
            return Ok(Some(Odd::LeftOut("its name is too long")));
        }
        let depth = path.split(|byte| *byte == b'/').count() - 1;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .unix_permissions(mode);
        let (name, odd) = match std::str::from_utf8(path) {
            Ok(name) => (name.to_owned(), None),
            Err(_) => (shown_name(path), Some(Odd::Named(shown_name(path)))),
        };
        let put = match kind {
            Kind::Directory => self.zip.add_directory(name, options),
            Kind::File(size) => {
                self.in_file = true;
                self.zip.start_file(name, options.large_file(size >= LARGE))
            }
            Kind::Symlink(target) if safe_target(&target, depth) => {
                let Ok(target) = std::str::from_utf8(&target) else {
                    return Ok(Some(Odd::LeftOut("a link to a name that is no text")));
                };
                self.zip.add_symlink(name, target, options)
            }
            Kind::Symlink(_) => return Ok(Some(Odd::LeftOut("a link out of the folder"))),
            Kind::Other => return Ok(Some(Odd::LeftOut("not a file, folder or link"))),
        };
        put.map(|()| odd).map_err(|error| failed(&error))
    }

    /// More of the file named last; of one that was left out too.
    pub fn data(&mut self, data: &[u8]) -> Result<(), Problem> {
        if self.in_file { self.zip.write_all(data).map_err(|error| failed(&error.into())) } else { Ok(()) }
    }

    /// The end of it: without, it is no zip.
    pub fn finish(self) -> Result<(), Problem> {
        let mut stream = self.zip.finish().map_err(|error| failed(&error))?.into_inner();
        stream.flush().map_err(|error| failed(&error.into()))
    }
}

fn failed(error: &ZipError) -> Problem {
    Problem::new(Code::Storage, format!("The zip cannot be written: {error}."))
}
