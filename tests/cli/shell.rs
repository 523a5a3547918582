//! `slipway shell`: exit codes, bytes that pass as they are, and a real terminal.

use crate::house::{House, LONG};
use anyhow::{Context as _, Result};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    sync::mpsc,
    time::Instant,
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
    let pty = native_pty_system().openpty(PtySize { rows: 31, cols: 97, pixel_width: 0, pixel_height: 0 })?;
    let before = pty.master.get_termios().context("termios")?;
    let mut command = CommandBuilder::new(slipway_tests::built("SLIPWAY_CLI", "slipway")?);
    command.args(["shell", &id]);
    command.env("SLIPWAY_DATA_DIR", house.data());
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command)?;
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
    let keys = RefCell::new(pty.master.take_writer()?);
    let mut seen = String::new();
    let mut answered = 0;
    let mut expect = |wanted: &str| -> Result<()> {
        let deadline = Instant::now() + LONG;
        while !seen.contains(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            let more = output.recv_timeout(left);
            let more = more.with_context(|| format!("waited for {wanted:?}, saw {seen:?}"))?;
            seen.push_str(&String::from_utf8_lossy(&more));
            // A shell asks where the cursor is, and a terminal answers.
            while seen.matches("\x1b[6n").count() > answered {
                keys.borrow_mut().write_all(b"\x1b[1;1R")?;
                answered += 1;
            }
        }
        Ok(())
    };
    let press = |bytes: &[u8]| keys.borrow_mut().write_all(bytes);
    // What is typed before the prompt is dropped by the shell itself.
    expect("$ ")?;
    // The echo holds the sum's text, only the program its result.
    press(b"echo size=$(stty size) $((40+2))\n")?;
    expect("size=31 97 42")?;
    pty.master.resize(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 })?;
    press(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo resized-$((1+1))\n")?;
    expect("resized-2")?;
    // Ctrl-C ends the program inside, not the session.
    press(b"sh -c 'echo asleep-$((1+2)); exec sleep 1000'\n")?;
    expect("asleep-3")?;
    press(b"\x03")?;
    press(b"echo alive-$((2+2)); exit 5\n")?;
    expect("alive-4")?;
    assert_eq!(child.wait()?.exit_code(), 5);
    let after = pty.master.get_termios().context("termios")?;
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    Ok(())
}
