//! A file system that a test can fill to the last byte.

use anyhow::Result;
use std::{fs, path::Path, process::Command};

/// A small file system of a test's own, unmounted when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Needs the right to mount; `None` without it.
    pub fn mount(size: &str) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "slipway-test"])
            .arg(folder.path())
            .output()?;
        Ok(mounted.status.success().then_some(Self(folder)))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it to the last byte; gives the file that does.
    pub fn fill(&self) -> Result<std::path::PathBuf> {
        let path = self.0.path().join("ballast");
        let mut ballast = fs::File::create(&path)?;
        loop {
            match std::io::Write::write_all(&mut ballast, &[7; 4096]) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::StorageFull => return Ok(path),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a file may still be open for a moment.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.path().display());
    }
}
