//! The owner's log: a file of bounded size, rotated by renaming, of this user alone. What is logged is decided where
//! it happens; nothing here knows a secret.

use crate::paths::{Places, storage};
use slipway_wire::Problem;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// A log file's size, and how many older ones are kept.
const MAX_SIZE: u64 = 5 * 1024 * 1024;
const KEPT: usize = 2;
/// How much of the log's end a failure shows.
const RECENT: u64 = 4 * 1024;

/// Sends this process's tracing to the log. `filter` is in `tracing`'s own language (`SLIPWAY_LOG`), `info` without.
pub fn start(places: &Places, filter: Option<&str>) -> Result<(), Problem> {
    let log = Rotating::open(&places.log, MAX_SIZE).map_err(|e| storage(&places.log, "open", &e))?;
    let filter = filter.map_or_else(|| EnvFilter::new("info"), EnvFilter::new);
    tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(log).init();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "panicked");
        before(panic);
    }));
    Ok(())
}

/// The last lines of the log; empty when there is none.
pub fn recent(places: &Places) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(&places.log)?;
        let from = file.metadata()?.len().saturating_sub(RECENT);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(RECENT).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // The first line may be cut.
        let whole = if from > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        Ok(whole.trim_end().to_owned())
    };
    read().unwrap_or_default()
}

struct Rotating {
    path: PathBuf,
    max: u64,
    open: Mutex<(File, u64)>,
}

impl Rotating {
    fn open(path: &Path, max: u64) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), max, open: Mutex::new((file, size)) })
    }

    fn older(&self, n: usize) -> PathBuf {
        if n == 0 { self.path.clone() } else { self.path.with_extension(format!("log.{n}")) }
    }

    fn rotate(&self) -> io::Result<File> {
        for n in (0..KEPT).rev() {
            match fs::rename(self.older(n), self.older(n + 1)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        append(&self.path)
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// One line's way to the file.
struct Line<'a>(&'a Rotating);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1 > 0 && open.1 + bytes.len() as u64 > self.0.max {
            *open = (self.0.rotate()?, 0);
        }
        open.0.write_all(bytes)?;
        open.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Rotating {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_outgrows_its_bound() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("slipway.log");
        let log = Rotating::open(&path, 100).unwrap();
        for n in 0..100 {
            writeln!(Line(&log), "line {n:04}").unwrap();
        }
        let mut sizes = Vec::new();
        for entry in fs::read_dir(temp.path()).unwrap() {
            sizes.push(entry.unwrap().metadata().unwrap().len());
        }
        assert_eq!(sizes.len(), 1 + KEPT);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        assert!(fs::read_to_string(&path).unwrap().contains("line 0099"));
    }

    #[test]
    fn an_existing_log_is_continued() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("slipway.log");
        fs::write(&path, "before\n").unwrap();
        let log = Rotating::open(&path, 100).unwrap();
        writeln!(Line(&log), "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }
}
