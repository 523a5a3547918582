//! No WebKit process outlives the app, however it ends. WebKit's processes are started deep inside GTK and survive a
//! killed parent, so a shell waits on a pipe whose write end only the app has: when the pipe closes, it ends the WebKit
//! processes that carry this run's mark, and nothing else.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
};

/// A shell and not this program: linked against WebKit, a second one of these would cost 22 MB.
const SCRIPT: &str = include_str!("leftovers.sh");

/// The pipe's write end. The watcher acts when it closes, so it lives as long as the app.
#[must_use = "the watcher acts as soon as this is dropped"]
pub(crate) struct Watcher {
    _pipe: ChildStdin,
}

/// Starts the watcher for processes that carry `mark`.
pub(crate) fn start(mark: &str) -> io::Result<Watcher> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "slipway-watch", mark])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl+C in a terminal goes to the app's group; the watcher must outlive it.
        .process_group(0)
        .spawn()?;
    let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the watcher has no standard input"))?;
    Ok(Watcher { _pipe: pipe })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_mark;
    use std::{
        fs,
        path::Path,
        time::{Duration, Instant},
    };

    /// A real process under a name, from a copy of `sleep`.
    fn sleeper(folder: &Path, name: &str, mark: &str) -> io::Result<std::process::Child> {
        let program = folder.join(name);
        fs::copy("/bin/sleep", &program)?;
        Command::new(program).arg("30").env(run_mark::VARIABLE, mark).spawn()
    }

    #[test]
    fn only_webkit_processes_of_this_run_are_ended() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut ours = sleeper(folder.path(), "WebKitWebProcess", "mine")?;
        let mut browser = sleeper(folder.path(), "browser", "mine")?;
        let mut other = sleeper(folder.path(), "WebKitNetworkProcess", "mine-not")?;
        drop(start("mine")?);
        let begun = Instant::now();
        while ours.try_wait()?.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the marked WebKit process lives on");
            std::thread::yield_now();
        }
        let spared = (browser.try_wait()?, other.try_wait()?);
        browser.kill()?;
        other.kill()?;
        assert_eq!(spared, (None, None));
        browser.wait()?;
        other.wait()?;
        Ok(())
    }
}
