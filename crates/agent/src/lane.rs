//! `lane`: what `docker exec -i` runs beside the one connection for a large file. It has the file it was told of, its own
//! standard streams, and nothing of the agent's. Form and order of what goes over them: `lane.rs` of the contract.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use slipway_agent_api::lane::{FILE, HEAD, PIECE, READY, READY_AT_HAND, Stripe, pour};

use crate::stdio;

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
    // It is, unless whoever runs this has left more open than the standard streams.
    let ready = if file.as_raw_fd() == FILE { READY_AT_HAND } else { READY };
    output.write_all(&[ready])?;
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

fn carry(way: Way, file: &File, input: &mut File, output: &mut File) -> io::Result<()> {
    let (mut drain, mut carried) = (Drain::new()?, 0);
    while let Some(stripe) = next(input)? {
        match way {
            Way::Into => drain.fill(file, stripe, input)?,
            Way::OutOf => pour(file, stripe, output, drop)?,
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

/// From a pipe into a file. What lies in the pipe goes over into one of our own first, and while that is emptied the
/// pipe fills again: its pages are written as they are.
struct Drain {
    out: PipeReader,
    into: PipeWriter,
}

impl Drain {
    fn new() -> io::Result<Self> {
        let (out, into) = io::pipe()?;
        // An administrator may have lowered the limit; it works with any size.
        let _ = rustix::pipe::fcntl_setpipe_size(&into, PIECE);
        Ok(Self { out, into })
    }

    fn fill(&mut self, file: &File, stripe: Stripe, input: &mut File) -> io::Result<()> {
        let Stripe { mut offset, length: mut left } = stripe;
        while left > 0 {
            let most = left.min(PIECE as u64) as usize;
            let moved = match splice(&*input, None, &self.into, None, most, SpliceFlags::empty()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::INTR) => continue,
                Err(Errno::INVAL | Errno::NOSYS) => return copy(input, file, offset, left),
                moved => moved? as u64,
            };
            self.empty(file, offset, moved)?;
            offset += moved;
            left -= moved;
        }
        Ok(())
    }

    fn empty(&mut self, file: &File, mut offset: u64, length: u64) -> io::Result<()> {
        let end = offset + length;
        while offset < end {
            let left = (end - offset) as usize;
            match splice(&self.out, None, file, Some(&mut offset), left, SpliceFlags::empty()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::NOSYS) => return copy(&mut self.out, file, offset, left as u64),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Where the kernel does not do it.
fn copy(input: &mut impl io::Read, file: &File, mut offset: u64, mut left: u64) -> io::Result<()> {
    let mut buffer = vec![0; left.min(PIECE as u64) as usize];
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    fn stripe(offset: u64, length: u64, content: &[u8]) -> Vec<u8> {
        [&Stripe { offset, length }.head()[..], content].concat()
    }

    /// What a lane with this input, at most as much as a pipe holds, says, and whether it ends well.
    fn carried(way: Way, path: &Path, input: &[u8]) -> (Vec<u8>, bool) {
        let (take, mut give) = io::pipe().unwrap();
        give.write_all(input).unwrap();
        drop(give);
        let (mut near, far) = io::pipe().unwrap();
        let (mut input, mut output) = (File::from(OwnedFd::from(take)), File::from(OwnedFd::from(far)));
        let ended = carry(way, &open(way, path).unwrap(), &mut input, &mut output);
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
    fn what_the_kernel_does_not_move_is_copied() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let fill = |input: OwnedFd, append: bool| {
            let file = OpenOptions::new().write(true).append(append).open(path.path()).unwrap();
            let stripe = Stripe { offset: 0, length: 3 };
            Drain::new().unwrap().fill(&file, stripe, &mut input.into()).unwrap();
        };
        // Nothing is spliced out of datagrams, nor into a file that only grows.
        let (near, far) = UnixDatagram::pair().unwrap();
        far.send(b"abc").unwrap();
        fill(near.into(), false);
        let (take, mut give) = io::pipe().unwrap();
        give.write_all(b"def").unwrap();
        fill(take.into(), true);
        assert_eq!(std::fs::read(path.path()).unwrap(), b"abcdef");
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
