//! The frame that carries terminal and program output to a client: one byte of kind, eight bytes of offset (little
//! endian), then the payload. The same over a WebSocket and over a Tauri channel.

use serde::{Deserialize, Serialize};

use crate::ProcessExit;

/// Largest frame accepted, in bytes: an agent chunk and the header, with room.
pub const MAX_FRAME: usize = 1024 * 1024;

const HEADER: usize = 9;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum FrameKind {
    /// Bytes of a terminal.
    Terminal = 0,
    /// Bytes of standard output.
    Stdout = 1,
    /// Bytes of standard error.
    Stderr = 2,
    /// Bytes up to `offset` are no longer kept; the payload is the offset they began at (eight bytes).
    Gap = 3,
    /// The process ended; the payload is a [`ProcessExit`] as JSON, `offset` all bytes it ever wrote.
    Exit = 4,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<B> {
    /// What it carries.
    pub kind: FrameKind,
    /// Where the payload begins in all output of the process.
    pub offset: u64,
    /// The bytes.
    pub payload: B,
}

/// A frame that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header.
    #[error("a frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// Longer than [`MAX_FRAME`].
    #[error("a frame of {0} bytes is over the bound")]
    Long(usize),
    /// An unknown kind.
    #[error("frames of kind {0} are unknown")]
    Kind(u8),
}

impl<B: AsRef<[u8]>> Frame<B> {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload.as_ref();
        let mut out = Vec::with_capacity(HEADER + payload.len());
        out.push(self.kind as u8);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(payload);
        out
    }
}

impl Frame<Vec<u8>> {
    /// The last frame of a process.
    pub fn exit(exit: &ProcessExit, offset: u64) -> Self {
        // A struct of three numbers always serialises; an empty payload would still be a readable frame.
        Self { kind: FrameKind::Exit, offset, payload: serde_json::to_vec(exit).unwrap_or_default() }
    }
}

impl<'a> Frame<&'a [u8]> {
    /// Reads a frame without copying its payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Long(bytes.len()));
        }
        let Some((&[kind, ref offset @ ..], payload)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(FrameError::Short(bytes.len()));
        };
        let kind = match kind {
            0 => FrameKind::Terminal,
            1 => FrameKind::Stdout,
            2 => FrameKind::Stderr,
            3 => FrameKind::Gap,
            4 => FrameKind::Exit,
            other => return Err(FrameError::Kind(other)),
        };
        Ok(Self { kind, offset: u64::from_le_bytes(*offset), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let frame = Frame { kind: FrameKind::Stderr, offset: u64::MAX - 7, payload: &b"\x00\x01text"[..] };
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }

    #[test]
    fn broken_frames_are_named() {
        assert_eq!(Frame::decode(&[0; 8]), Err(FrameError::Short(8)));
        assert_eq!(Frame::decode(&[9; 9]), Err(FrameError::Kind(9)));
        assert_eq!(Frame::decode(&vec![0; MAX_FRAME + 1]), Err(FrameError::Long(MAX_FRAME + 1)));
    }
}
