//! How far a long piece of work has come. Only counts: the caller keeps the time and decides how often to show it.

/// Counts after some files were handled; totals are what the headers declare, and are never exceeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files finished.
    pub files: u64,
    /// Bytes written (unpack) or read (pack).
    pub bytes: u64,
    /// Files in all.
    pub total_files: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl Progress {
    /// Files between two reports, so that a flood of tiny files does not become a flood of messages.
    const FILES: u64 = 64;
    /// Bytes between two reports.
    const BYTES: u64 = 1 << 20;

    /// Whether enough has happened since `last` to report again.
    pub(crate) fn is_worth_telling(&self, last: &Self) -> bool {
        self.files - last.files >= Self::FILES || self.bytes - last.bytes >= Self::BYTES
    }
}
