//! What goes over a lane: a program that `docker exec` runs beside the one connection, and that carries a large file's
//! bytes and nothing else. A file goes in stripes over several of them, whichever is free taking the next. Numbers are
//! big-endian.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::{fd::AsFd, unix::fs::FileExt as _};

/// The argument that has the agent's program be a lane: what comes on its standard input goes into a file, each stripe
/// after its head, and at the end of it the number of bytes written comes out.
pub const INTO: &str = "into";
/// The other way: heads come in, and each is answered by the bytes of its stripe.
pub const OUT_OF: &str = "out-of";

/// What a lane says before anything else: it has the file, and its container can be paused again.
pub const READY: u8 = b'!';
/// The same, and in its process the file has the number [`FILE`]: who may look into the process needs nothing else of it.
pub const READY_AT_HAND: u8 = b'@';
/// The number after those of the standard streams.
pub const FILE: i32 = 3;

/// Moved at once, bytes. Of more the kernel makes larger pieces of memory, which a virtual machine may have to be given
/// first: on one such, writes of 1 MiB took up to ten times as long as these.
pub const PIECE: usize = 256 * 1024;

/// Length of [`Stripe::head`], bytes.
pub const HEAD: usize = 16;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// Where it begins, bytes.
    pub offset: u64,
    /// Its length, bytes.
    pub length: u64,
}

impl Stripe {
    /// What goes before it.
    #[must_use]
    pub fn head(self) -> [u8; HEAD] {
        (u128::from(self.offset) << 64 | u128::from(self.length)).to_be_bytes()
    }

    /// The stripe a head tells of.
    #[must_use]
    pub fn of(head: [u8; HEAD]) -> Self {
        let both = u128::from_be_bytes(head);
        // The upper and the lower half.
        Self { offset: (both >> 64) as u64, length: both as u64 }
    }
}

/// How much of a file that was cut on its way is there from its beginning on: stripes arrive side by side and leave holes
/// behind them. A file system that knows of no holes tells all of it, so what is there is still to be compared.
///
/// # Errors
/// The file cannot be looked at.
pub fn arrived(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    #[cfg(unix)]
    {
        // The last block before a hole may have been written to its middle only, and reads as zeros from there on.
        const BLOCK: u64 = 4096;
        let here = rustix::fs::tell(file)?;
        let hole = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(0));
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(here))?;
        if let Ok(hole) = hole
            && hole < length
        {
            return Ok((hole / BLOCK).saturating_sub(1) * BLOCK);
        }
    }
    Ok(length)
}

/// Writes a stripe of a file to a stream, inside the kernel where it can; `moved` hears of each piece, bytes.
///
/// # Errors
/// The stream's are of the kinds that [`is_streams`] tells from the file's.
#[cfg(unix)]
pub fn pour(
    file: &File,
    stripe: Stripe,
    stream: &mut (impl io::Write + AsFd),
    mut moved: impl FnMut(u64),
) -> io::Result<()> {
    let Stripe { mut offset, length } = stripe;
    let end = offset.saturating_add(length);
    #[cfg(target_os = "linux")]
    while offset < end {
        let (before, most) = (offset, (end - offset).min(PIECE as u64) as usize);
        match rustix::fs::sendfile(&*stream, file, Some(&mut offset), most) {
            Ok(0) => return Err(shorter()),
            Ok(_) => moved(offset - before),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => break,
            Err(error) => return Err(error.into()),
        }
    }
    copy(file, &mut offset, end, stream, moved)
}

#[cfg(unix)]
fn copy(
    file: &File,
    offset: &mut u64,
    end: u64,
    stream: &mut impl io::Write,
    mut moved: impl FnMut(u64),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while *offset < end {
        buffer.resize((end - *offset).min(PIECE as u64) as usize, 0);
        let read = match file.read_at(&mut buffer, *offset) {
            Ok(0) => return Err(shorter()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        stream.write_all(&buffer[..read])?;
        *offset += read as u64;
        moved(read as u64);
    }
    Ok(())
}

/// What is wrong with a file that ends before its stripe does.
#[must_use]
pub fn shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")
}

/// Whether what [`pour`] failed with is that nobody reads the stream any more.
#[must_use]
pub fn is_streams(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, WriteZero};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | WriteZero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_stripe_is_poured_or_copied_and_a_file_that_ends_early_is_an_error() {
        use std::io::{Read as _, Write as _};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdefg").unwrap();
        let (mut near, mut far) = io::pipe().unwrap();
        let mut told = 0;
        pour(&file, Stripe { offset: 1, length: 3 }, &mut far, |moved| told += moved).unwrap();
        copy(&file, &mut 4, 6, &mut far, |moved| told += moved).unwrap();
        for ended in [
            pour(&file, Stripe { offset: 5, length: 9 }, &mut far, drop),
            copy(&file, &mut 5, 14, &mut far, drop),
        ] {
            let error = ended.unwrap_err();
            assert!(error.kind() == io::ErrorKind::UnexpectedEof && !is_streams(&error), "{error}");
        }
        drop(far);
        let mut said = String::new();
        near.read_to_string(&mut said).unwrap();
        assert_eq!((said.as_str(), told), ("bcdeffgfg", 5));
        let (near, mut far) = io::pipe().unwrap();
        drop(near);
        assert!(is_streams(&pour(&file, Stripe { offset: 0, length: 3 }, &mut far, drop).unwrap_err()));
        assert!(is_streams(&copy(&file, &mut 0, 3, &mut far, drop).unwrap_err()));
    }

    #[test]
    fn a_head_tells_its_stripe() {
        for stripe in [
            Stripe { offset: 0, length: 0 },
            Stripe { offset: 7, length: u64::MAX },
            Stripe { offset: u64::MAX, length: 1 },
        ] {
            assert_eq!(Stripe::of(stripe.head()), stripe);
        }
        assert_eq!(Stripe { offset: 1, length: 2 }.head(), *b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02");
    }

    #[cfg(unix)]
    #[test]
    fn what_comes_after_a_hole_has_not_arrived() {
        use std::io::{Seek as _, SeekFrom};
        use std::os::unix::fs::FileExt as _;
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(arrived(&file).unwrap(), 0);
        file.write_all_at(&vec![1; 70_000], 0).unwrap();
        assert_eq!(arrived(&file).unwrap(), 70_000);
        file.write_all_at(&[1; 10], 1 << 20).unwrap();
        file.seek(SeekFrom::Start(5)).unwrap();
        assert_eq!(arrived(&file).unwrap(), 70_000 / 4096 * 4096);
        assert_eq!(file.stream_position().unwrap(), 5);
    }
}
