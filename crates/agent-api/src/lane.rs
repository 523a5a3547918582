//! What goes over a lane: a program that `docker exec` runs beside the one connection, and that carries a large file's
//! bytes and nothing else. A file goes in stripes over several of them, whichever is free taking the next. Numbers are
//! big-endian.

use std::fs::File;
use std::io;

/// The argument that has the agent's program be a lane: what comes on its standard input goes into a file, each stripe
/// after its head, and at the end of it the number of bytes written comes out.
pub const INTO: &str = "into";
/// The other way: heads come in, and each is answered by the bytes of its stripe.
pub const OUT_OF: &str = "out-of";

/// What a lane says before anything else: it has the file, and its container can be paused again.
pub const READY: u8 = b'!';

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

#[cfg(test)]
mod tests {
    use super::*;

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
