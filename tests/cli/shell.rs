//! `slipway shell`: exit codes, bytes that pass as they are, and a real terminal.

use crate::house::{House, LONG, wait_for};
use anyhow::{Context as _, Result};
use portable_pty::{Child, CommandBuilder, PtyPair, PtySize, native_pty_system};
use std::{
    io::{Read as _, Write},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

/// Bytes with every value and no pattern that a line discipline or a decoder would leave alone.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[test]
fn the_exit_code_and_both_outputs_are_the_commands_own() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let ran = house.run(&["shell", &id, "--", "sh", "-c", "echo out; echo err >&2; exit 7"])?;
    assert_eq!((ran.code, ran.text()?.as_str(), ran.err.as_str()), (7, "out\n", "err\n"));
    let killed = house.run(&["shell", &id, "--", "sh", "-c", "kill -9 $$"])?;
    assert_eq!(killed.code, 137, "{killed:?}");
    let absent = house.run(&["shell", &id, "--", "no-such-program"])?;
    assert_eq!(absent.code, 127, "{absent:?}");
    assert!(absent.err.to_lowercase().contains("no-such-program"), "{absent:?}");
    assert_eq!(house.run(&["shell", "nothing-here", "--", "true"])?.code, 6);
    Ok(())
}

#[test]
fn five_megabytes_of_noise_come_back_as_they_went() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let sent = noise(5_000_000);
    let ran = house.run_with(&["shell", &id, "--", "cat"], &sent)?;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out == sent, "{} bytes came back", ran.out.len());
    Ok(())
}

#[test]
fn a_flood_arrives_whole() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let ran = house.run(&["shell", &id, "--", "head", "-c", "60000000", "/dev/zero"])?;
    assert_eq!((ran.code, ran.out.len()), (0, 60_000_000), "{}", ran.err);
    Ok(())
}

#[test]
fn input_that_nobody_reads_does_not_hold_the_end_up() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let ran = house
        .run_with(&["shell", &id, "--", "sh", "-c", "head -c 1 > /dev/null; exit 4"], &noise(8_000_000))?;
    assert_eq!(ran.code, 4, "{ran:?}");
    Ok(())
}

#[test]
fn a_terminal_has_its_size_follows_it_and_is_restored() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let mut terminal = Terminal::shell(&house, &id)?;
    // The echo holds the sum's text, only the program its result.
    terminal.press(b"echo size=$(stty size) $((40+2))\n")?;
    terminal.expect("size=31 97 42")?;
    terminal.pty.master.resize(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 })?;
    terminal.press(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo resized-$((1+1))\n")?;
    terminal.expect("resized-2")?;
    // Ctrl-C ends the program inside, not the session.
    terminal.press(b"sh -c 'echo asleep-$((1+2)); exec sleep 1000'\n")?;
    terminal.expect("asleep-3")?;
    terminal.press(b"\x03")?;
    terminal.press(b"echo alive-$((2+2)); exit 5\n")?;
    terminal.expect("alive-4")?;
    assert_eq!(terminal.child.wait()?.exit_code(), 5);
    assert_eq!(terminal.before, format!("{:?}", terminal.pty.master.get_termios().context("termios")?));
    Ok(())
}

#[test]
fn a_terminal_goes_on_when_the_owner_is_killed_and_another_comes() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let mut terminal = Terminal::shell(&house, &id)?;
    terminal.press(b"kept=yes; echo begun-$((1+1))\n")?;
    terminal.expect("begun-2")?;
    let pid = house.owner_pid()?;
    Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    wait_for("another owner", || {
        house.ok(&["ps"])?;
        Ok((house.owner_pid()? != pid).then_some(()))
    })?;
    // What is typed while nobody owns the folder may be lost; so it is typed until it is answered.
    wait_for("the same shell to answer", || {
        terminal.press(b"\necho kept=$kept-$((2+1))\n")?;
        Ok(terminal.expect_within("kept=yes-3", Duration::from_secs(1)).ok())
    })?;
    terminal.press(b"\nexit 4\n")?;
    assert_eq!(terminal.child.wait()?.exit_code(), 4);
    Ok(())
}

/// `slipway shell` in a terminal of its own.
struct Terminal {
    pty: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: mpsc::Receiver<Vec<u8>>,
    seen: String,
    answered: usize,
    /// How the terminal was set before.
    before: String,
}

impl Terminal {
    /// Up to the prompt: what is typed before it is dropped by the shell itself.
    fn shell(house: &House, id: &str) -> Result<Self> {
        let pty =
            native_pty_system().openpty(PtySize { rows: 31, cols: 97, pixel_width: 0, pixel_height: 0 })?;
        let before = format!("{:?}", pty.master.get_termios().context("termios")?);
        let mut command = CommandBuilder::new(slipway_tests::built("SLIPWAY_CLI", "slipway")?);
        command.args(["shell", id]);
        command.env("SLIPWAY_DATA_DIR", house.data());
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command)?;
        let mut reader = pty.master.try_clone_reader()?;
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pty.master.take_writer()?;
        let mut terminal = Self { pty, child, keys, output, seen: String::new(), answered: 0, before };
        terminal.expect("$ ")?;
        Ok(terminal)
    }

    fn press(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.keys.write_all(bytes)?)
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        self.expect_within(wanted, LONG)
    }

    fn expect_within(&mut self, wanted: &str, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while !self.seen.contains(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            let more = self.output.recv_timeout(left);
            let more = more.with_context(|| format!("waited for {wanted:?}, saw {:?}", self.seen))?;
            self.seen.push_str(&String::from_utf8_lossy(&more));
            // A shell asks where the cursor is, and a terminal answers.
            while self.seen.matches("\x1b[6n").count() > self.answered {
                self.keys.write_all(b"\x1b[1;1R")?;
                self.answered += 1;
            }
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed again.
        let _ = self.child.kill();
    }
}
