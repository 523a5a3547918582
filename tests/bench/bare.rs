//! What this machine itself takes for what Slipway's ways are made of: a terminal without anything between, a process
//! woken and heard again. Read beside the figures, in the same run: machines differ severalfold in both.

use super::figures::Samples;
use anyhow::{Result, ensure};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A command in a terminal that is read here, until `enough` says so of what has come.
pub(crate) fn terminal(arguments: &[&str], mut enough: impl FnMut(&[u8]) -> bool) -> Result<Duration> {
    let pair = native_pty_system().openpty(PtySize::default())?;
    let mut program = CommandBuilder::new("sh");
    program.args(arguments);
    let mut reader = pair.master.try_clone_reader()?;
    let began = Instant::now();
    let mut child = pair.slave.spawn_command(program)?;
    drop(pair.slave);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer)?;
        ensure!(read > 0, "it ended too early");
        if enough(&buffer[..read]) {
            break;
        }
    }
    let took = began.elapsed();
    // Closing its terminal ends a shell that waits; what has ended already is not sorry.
    drop((reader, pair.master));
    child.wait()?;
    Ok(took)
}

/// A byte to another process and back, as often as asked, each after so long a rest.
pub(crate) fn round_trips(count: usize, rest: Duration) -> Result<Samples> {
    let mut other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut to), Some(mut from)) = (other.stdin.take(), other.stdout.take()) else {
        anyhow::bail!("cat has no pipes");
    };
    let mut samples = Samples::new();
    let mut byte = [b'x'];
    for _ in 0..count {
        std::thread::sleep(rest);
        let began = Instant::now();
        to.write_all(&byte)?;
        from.read_exact(&mut byte)?;
        samples.add(began.elapsed());
    }
    drop(to);
    other.wait()?;
    Ok(samples)
}
