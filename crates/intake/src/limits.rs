//! How much one archive or folder may hold. The numbers are settings; a setting outside sane bounds is refused here.
//! Limits are judged twice: on what headers declare (before anything is written) and on the bytes really produced.

use serde::{Deserialize, Serialize};

/// Produced bytes below which the compression ratio is not judged: small text compresses very well.
pub(crate) const RATIO_FLOOR: u64 = 64 << 20;
/// The longest single file or folder name, in bytes, that Linux file systems take.
pub(crate) const NAME_BYTES: usize = 255;

/// Bounds on one import. All fields are inclusive maxima.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the archive file itself. Default 2 GiB.
    pub archive_bytes: u64,
    /// Bytes of all files together once unpacked. Default 4 GiB.
    pub produced_bytes: u64,
    /// Bytes of one file once unpacked. Default 2 GiB.
    pub file_bytes: u64,
    /// Entries (files, folders, symbolic links), those skipped included. Default 200,000.
    pub entries: u64,
    /// Produced bytes per compressed byte, for one file and for the whole. Judged above 64 MiB produced. Default 200.
    pub ratio: u64,
    /// Folders inside folders. Default 64.
    pub depth: u32,
    /// Bytes of one path. Default 1024.
    pub path_bytes: u32,
    /// Bytes read of one manifest (`package.json`, `pyproject.toml`, …). Default 1 MiB.
    pub manifest_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 2 << 30,
            produced_bytes: 4 << 30,
            file_bytes: 2 << 30,
            entries: 200_000,
            ratio: 200,
            depth: 64,
            path_bytes: 1024,
            manifest_bytes: 1 << 20,
        }
    }
}

/// A limit set outside the range in which Slipway works.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit {field} is {value}; it must be between {min} and {max}")]
pub struct InvalidLimit {
    /// The setting's name, as in [`Limits`].
    pub field: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The smallest value taken.
    pub min: u64,
    /// The largest value taken.
    pub max: u64,
}

impl Limits {
    /// The same limits, if every one is in its range; the first that is not, otherwise. `path_bytes` above 4095 would
    /// pass Linux's own `PATH_MAX`, and `depth` holds one open folder per level, hence their ceilings.
    pub fn validated(self) -> Result<Self, InvalidLimit> {
        const TIB: u64 = 1 << 40;
        let ranges = [
            ("archive_bytes", self.archive_bytes, 1, TIB),
            ("produced_bytes", self.produced_bytes, 1, TIB),
            ("file_bytes", self.file_bytes, 1, TIB),
            ("entries", self.entries, 1, 2_000_000),
            ("ratio", self.ratio, 1, 2_000),
            ("depth", u64::from(self.depth), 1, 256),
            ("path_bytes", u64::from(self.path_bytes), 16, 4_000),
            ("manifest_bytes", self.manifest_bytes, 1 << 10, 64 << 20),
        ];
        for (field, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(InvalidLimit { field, value, min, max });
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Limits::default().validated(), Ok(Limits::default()));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let fault = Limits { depth: 0, ..Limits::default() }.validated().expect_err("too small");
        assert_eq!(fault.to_string(), "the limit depth is 0; it must be between 1 and 256");
    }

    #[test]
    fn a_partial_setting_keeps_the_other_defaults() {
        let limits: Limits = toml::from_str("entries = 10").expect("a setting");
        assert_eq!(limits, Limits { entries: 10, ..Limits::default() });
    }
}
