//! A file on its way: written whole under a name of ours beside its place, then put there in one step. A reader sees the
//! old file or the new one, never half of either.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, Mode, RenameFlags};
use rustix::io::Errno;

use crate::folder::{Manner, Refused, look, rename_to_nothing};
use crate::node::{Digest, Found, Hasher};

/// Dropped unfinished, it leaves nothing.
pub struct Draft {
    parent: OwnedFd,
    name: Vec<u8>,
    staged: String,
    swapped: String,
    file: File,
    hasher: Hasher,
    written: u64,
    settled: bool,
}

impl Draft {
    pub(crate) fn new(parent: OwnedFd, name: Vec<u8>, staged: String, swapped: String, file: File) -> Self {
        Self { parent, name, staged, swapped, file, hasher: Hasher::default(), written: 0, settled: false }
    }

    /// Takes more of the content.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// The digest of what was taken so far.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The names of ours it has until it has its place: while neither is beside that place any more, it got there.
    pub fn names(&self) -> [&str; 2] {
        [&self.staged, &self.swapped]
    }

    /// Ends it without removing what it wrote: a later scan does.
    pub fn leave(mut self) {
        self.settled = true;
    }

    /// Gives the file its mode and its place, where `expected` must still be. Says what is there now and its digest. What is
    /// refused still lies under a name of ours, until the draft is dropped.
    pub fn finish(
        &mut self,
        expected: Option<&Found>,
        executable: bool,
        manner: &Manner,
    ) -> Result<(Found, Digest), Refused> {
        let there = look(self.parent.as_fd(), &self.name)?;
        if there.as_ref() != expected {
            return Err(Refused::Changed);
        }
        self.set_mode(there.as_ref(), executable)?;
        match &there {
            None => rename_to_nothing(self.parent.as_fd(), self.staged.as_bytes(), &self.name)?,
            Some(Found::Folder) => {
                match &manner.aside {
                    Some(aside) => rename_to_nothing(self.parent.as_fd(), &self.name, aside)?,
                    None => rustix::fs::unlinkat(&self.parent, &*self.name, AtFlags::REMOVEDIR)?,
                }
                rename_to_nothing(self.parent.as_fd(), self.staged.as_bytes(), &self.name)?;
            }
            Some(there) if manner.careful || manner.aside.is_some() => self.swap(there, manner)?,
            Some(_) => rustix::fs::renameat(&self.parent, &*self.staged, &self.parent, &*self.name)?,
        }
        self.settled = true;
        let found = look(self.parent.as_fd(), &self.name)?.ok_or(Refused::Changed)?;
        Ok((found, std::mem::take(&mut self.hasher).finish()))
    }

    /// The mode of what it replaces, read by whoever may read that; only who may run it is ours to say.
    fn set_mode(&self, there: Option<&Found>, executable: bool) -> Result<(), Refused> {
        let before = match there {
            Some(Found::File { .. }) => {
                let stat = rustix::fs::statat(&self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW)?;
                stat.st_mode & 0o666
            }
            _ => 0o644,
        };
        // Whoever may read it may run it.
        let run = if executable { (before & 0o444) >> 2 | 0o100 } else { 0 };
        Ok(rustix::fs::fchmod(&self.file, Mode::from_raw_mode(before | run | 0o600))?)
    }

    /// Changes places with what is there, and looks at what came out: not what was expected, and it goes back.
    fn swap(&mut self, there: &Found, manner: &Manner) -> Result<(), Refused> {
        let parent = self.parent.as_fd();
        // Under this name it is not swept after a crash: from here on it may hold somebody's work.
        rename_to_nothing(parent, self.staged.as_bytes(), self.swapped.as_bytes())?;
        self.staged.clone_from(&self.swapped);
        // The place is named first: whoever watches it hears last that something came there.
        let exchange = |from: &[u8], to: &[u8]| {
            rustix::fs::renameat_with(parent, from, parent, to, RenameFlags::EXCHANGE)
        };
        match exchange(&self.name, self.swapped.as_bytes()) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                if let Some(aside) = &manner.aside {
                    rename_to_nothing(parent, &self.name, aside)?;
                    return rename_to_nothing(parent, self.swapped.as_bytes(), &self.name);
                }
                return Ok(rustix::fs::renameat(parent, self.swapped.as_bytes(), parent, &*self.name)?);
            }
            Err(errno) => return Err(errno.into()),
        }
        // From here the name of ours holds the other one's file, not ours to drop unseen.
        self.settled = true;
        let out = look(parent, self.swapped.as_bytes())?;
        if !out.is_some_and(|out| out.is_still(there)) {
            exchange(&self.name, self.swapped.as_bytes())?;
            self.settled = false;
            return Err(Refused::Changed);
        }
        match &manner.aside {
            Some(aside) => rename_to_nothing(parent, self.swapped.as_bytes(), aside),
            None => Ok(rustix::fs::unlinkat(parent, &*self.swapped, AtFlags::empty())?),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.settled {
            // It may be gone already.
            let _ = rustix::fs::unlinkat(&self.parent, &*self.staged, AtFlags::empty());
        }
    }
}
