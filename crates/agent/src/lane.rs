//! `lane`: what `docker exec -i` runs beside the one connection for a large file. It has the file it was told of, its own
//! standard streams, and nothing of the agent's. Form and order of what goes over them: `lane.rs` of the contract.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use slipway_agent_api::lane::{HEAD, READY, Stripe};

use crate::stdio;

/// Moved at once, bytes. Of more the kernel makes larger pieces of memory, which a virtual machine may have to be given
/// first: on one such, writes of 1 MiB took up to ten times as long as these.
const PIECE: usize = 256 * 1024;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From standard input into the file, which is there.
    Into,
    /// From the file to standard output.
    OutOf,
}

/// Carries stripes until standard input ends.
pub(crate) fn run(way: Way, path: &Path) -> io::Result<()> {
    let file = open(way, path)?;
    let (mut input, mut output) =
        (stdio::file(rustix::stdio::stdin())?, stdio::file(rustix::stdio::stdout())?);
    output.write_all(&[READY])?;
    carry(way, &file, &mut input, &mut output)
}

fn open(way: Way, path: &Path) -> io::Result<File> {
    // Opening a pipe without NONBLOCK would wait for its other end.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    // What is on its way is never a link; what is read may be reached over one, as by `Read`.
    let flags = if way == Way::Into { flags | OFlags::NOFOLLOW } else { flags };
    let file = OpenOptions::new()
        .read(way == Way::OutOf)
        .write(way == Way::Into)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

fn carry(way: Way, file: &File, input: &mut impl io::Read, output: &mut File) -> io::Result<()> {
    let (mut buffer, mut carried) = (vec![0; PIECE], 0);
    while let Some(stripe) = next(input)? {
        match way {
            Way::Into => fill(file, stripe, input, &mut buffer)?,
            Way::OutOf => pour(file, stripe, output, &mut buffer)?,
        }
        carried += stripe.length;
    }
    match way {
        Way::Into => output.write_all(&carried.to_be_bytes()),
        Way::OutOf => Ok(()),
    }
}

/// The next stripe asked for; none when input ends before one.
fn next(input: &mut impl io::Read) -> io::Result<Option<Stripe>> {
    let mut head = Vec::with_capacity(HEAD);
    input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    match head.first_chunk() {
        Some(head) => Ok(Some(Stripe::of(*head))),
        None if head.is_empty() => Ok(None),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn fill(file: &File, stripe: Stripe, input: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<()> {
    let Stripe { mut offset, length: mut left } = stripe;
    while left > 0 {
        let most = left.min(buffer.len() as u64) as usize;
        let read = match input.read(&mut buffer[..most]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        file.write_all_at(&buffer[..read], offset)?;
        offset += read as u64;
        left -= read as u64;
    }
    Ok(())
}

/// Inside the kernel, where the file system can.
fn pour(file: &File, stripe: Stripe, output: &mut File, buffer: &mut [u8]) -> io::Result<()> {
    let Stripe { mut offset, length } = stripe;
    let end = offset.saturating_add(length);
    while offset < end {
        let most = (end - offset).min(PIECE as u64) as usize;
        match rustix::fs::sendfile(&*output, file, Some(&mut offset), most) {
            Ok(0) => return Err(shorter()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::NOSYS) => return copy(file, offset, end, output, buffer),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy(file: &File, mut offset: u64, end: u64, output: &mut File, buffer: &mut [u8]) -> io::Result<()> {
    while offset < end {
        let most = (end - offset).min(buffer.len() as u64) as usize;
        let read = match file.read_at(&mut buffer[..most], offset) {
            Ok(0) => return Err(shorter()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        output.write_all(&buffer[..read])?;
        offset += read as u64;
    }
    Ok(())
}

fn shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    fn stripe(offset: u64, length: u64, content: &[u8]) -> Vec<u8> {
        [&Stripe { offset, length }.head()[..], content].concat()
    }

    /// What a lane with this input says, and whether it ends well.
    fn carried(way: Way, path: &Path, input: &[u8]) -> (Vec<u8>, bool) {
        let (mut near, far) = io::pipe().unwrap();
        let mut output = File::from(OwnedFd::from(far));
        let ended = carry(way, &open(way, path).unwrap(), &mut &input[..], &mut output);
        drop(output);
        let mut said = Vec::new();
        near.read_to_end(&mut said).unwrap();
        (said, ended.is_ok())
    }

    #[test]
    fn stripes_go_where_their_heads_say() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let input = [stripe(4, 3, b"efg"), stripe(0, 0, b""), stripe(0, 4, b"abcd")].concat();
        assert_eq!(carried(Way::Into, file.path(), &input), (7_u64.to_be_bytes().to_vec(), true));
        let heads = [stripe(5, 2, b""), stripe(0, 5, b"")].concat();
        assert_eq!(carried(Way::OutOf, file.path(), &heads), (b"fgabcde".to_vec(), true));
    }

    #[test]
    fn a_file_that_the_kernel_does_not_pour_is_copied() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abcdefg").unwrap();
        let (mut near, far) = io::pipe().unwrap();
        let mut output = File::from(OwnedFd::from(far));
        let source = open(Way::OutOf, file.path()).unwrap();
        copy(&source, 2, 6, &mut output, &mut [0; 3]).unwrap();
        copy(&source, 2, 8, &mut output, &mut [0; 3]).unwrap_err();
        drop(output);
        let mut said = String::new();
        near.read_to_string(&mut said).unwrap();
        assert_eq!(said, "cdefcdefg");
    }

    #[test]
    fn what_is_cut_is_not_said_to_be_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for input in [stripe(0, 4, b"abc"), stripe(0, 4, b"")[..7].to_vec()] {
            assert_eq!(carried(Way::Into, file.path(), &input), (Vec::new(), false));
        }
        assert_eq!(carried(Way::OutOf, file.path(), &stripe(0, 100, b"")), (b"abc".to_vec(), false));
    }

    #[test]
    fn only_a_regular_file_is_carried() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open(Way::OutOf, &link).is_ok());
        assert!(open(Way::Into, &link).is_err());
        assert!(open(Way::OutOf, folder.path()).is_err());
        assert!(open(Way::OutOf, Path::new("/dev/null")).is_err());
        assert!(open(Way::Into, &folder.path().join("missing")).is_err());
    }
}
