//! A real shell of this machine: typed to, resized, ended, flooding, closed with all it runs.
#![cfg(unix)]

use anyhow::{Context, Result, bail, ensure};
use slipway_host_shell::{Exit, HostShell, HostShellError, Options, Output, PIECE, PIECES, Size, open};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(30);
const SIZE: Size = Size { columns: 80, rows: 24 };

struct Shell {
    host: HostShell,
    output: mpsc::Receiver<Output>,
    seen: Vec<u8>,
    /// What stood before what was read for last.
    read: Vec<u8>,
}

impl Shell {
    fn open(argv: &[&str]) -> Result<Self> {
        let argv = argv.iter().map(Into::into).collect();
        let without = vec!["CARGO_MANIFEST_DIR".into()];
        let (host, output) = open(&Options { argv, folder: Some("/".into()), without }, SIZE)?;
        Ok(Self { host, output, seen: Vec::new(), read: Vec::new() })
    }

    async fn next(&mut self) -> Result<Output> {
        tokio::time::timeout(LONG, self.output.recv()).await?.context("the output ended without an exit")
    }

    async fn reads(&mut self, wanted: &str) -> Result<()> {
        loop {
            let found = self.seen.windows(wanted.len()).position(|part| part == wanted.as_bytes());
            if let Some(at) = found {
                self.read = self.seen.drain(..at + wanted.len()).take(at).collect();
                return Ok(());
            }
            match self.next().await.with_context(|| {
                format!("waiting for {wanted:?} after {:?}", String::from_utf8_lossy(&self.seen))
            })? {
                Output::Bytes(bytes) => self.seen.extend_from_slice(&bytes),
                Output::Exit(exit) => bail!("{exit:?} before {wanted:?}"),
            }
        }
    }

    /// The number between a word and a full stop.
    async fn number(&mut self, after: &str) -> Result<String> {
        self.reads(after).await?;
        self.reads(".").await?;
        let found = String::from_utf8(self.read.clone())?;
        ensure!(found.chars().all(|c| c.is_ascii_digit()) && !found.is_empty(), "{found:?} is no number");
        Ok(found)
    }

    async fn types(&self, text: &str) -> Result<()> {
        Ok(tokio::time::timeout(LONG, self.host.write(text.to_owned().into())).await??)
    }

    async fn exits(&mut self) -> Result<Exit> {
        loop {
            match self.next().await? {
                Output::Bytes(bytes) => self.seen.extend_from_slice(&bytes),
                Output::Exit(exit) => return Ok(exit),
            }
        }
    }
}

async fn until(what: &str, mut level: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !level() {
        ensure!(begun.elapsed() < LONG, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Not a zombie either.
fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn it_answers_knows_its_size_and_ends_with_its_code() -> Result<()> {
    let mut shell = Shell::open(&["/bin/sh"])?;
    shell.types("echo here-$((1 + 1)); stty size; pwd; echo \"[$CARGO_MANIFEST_DIR][$TERM]\"\n").await?;
    shell.reads("here-2").await?;
    shell.reads("24 80").await?;
    shell.reads("[][xterm-256color]").await?;
    shell.host.resize(Size { columns: 132, rows: 43 })?;
    shell.types("stty size\n").await?;
    shell.reads("43 132").await?;
    for size in [Size { columns: 0, rows: 1 }, Size { columns: 1, rows: 1001 }] {
        ensure!(matches!(shell.host.resize(size), Err(HostShellError::Size)));
    }
    shell.types("exit 7\n").await?;
    assert_eq!(shell.exits().await?, Exit { code: Some(7), signal: None });
    tokio::time::timeout(LONG, shell.host.ended()).await?;
    ensure!(matches!(shell.host.resize(SIZE), Err(HostShellError::Ended)));
    ensure!(shell.output.recv().await.is_none(), "something follows the exit");
    ensure!(matches!(shell.host.write("x".into()).await, Err(HostShellError::Ended)));
    Ok(())
}

#[tokio::test]
async fn a_signal_and_the_last_words_are_told() -> Result<()> {
    let mut shell = Shell::open(&["/bin/sh", "-c", "seq 1 20000; echo last words; kill -9 $$"])?;
    assert_eq!(shell.exits().await?, Exit { code: None, signal: Some(9) });
    let text = String::from_utf8(std::mem::take(&mut shell.seen))?;
    ensure!(
        text.starts_with("1\r\n2\r\n") && text.ends_with("\r\n20000\r\nlast words\r\n"),
        "{} bytes",
        text.len()
    );
    Ok(())
}

#[tokio::test]
async fn what_the_shell_leaves_behind_does_not_hide_its_end() -> Result<()> {
    let mut shell = Shell::open(&["/bin/sh", "-c", "trap '' HUP; sleep 300 & echo left=$!.; exit 3"])?;
    let left = shell.number("left=").await?;
    assert_eq!(shell.exits().await?.code, Some(3));
    ensure!(std::process::Command::new("kill").args(["-9", &left]).status()?.success(), "it had ended");
    Ok(())
}

#[tokio::test]
async fn a_flood_waits_for_who_reads_and_nothing_of_it_is_lost() -> Result<()> {
    let mut shell = Shell::open(&["/bin/sh", "-c", "seq 1 2000000"])?;
    // Full: the reader stands, and with it the program.
    until("the queue to fill", || shell.output.len() == PIECES).await?;
    ensure!(shell.output.max_capacity() * PIECE <= 1 << 20, "more than a MiB may wait");
    let (mut bytes, mut sum, mut number) = (0_usize, 0_u64, 0_u64);
    loop {
        match shell.next().await? {
            Output::Bytes(piece) => {
                ensure!(piece.len() <= PIECE);
                bytes += piece.len();
                for byte in piece {
                    match byte {
                        b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
                        b'\n' => (sum, number) = (sum + number, 0),
                        _ => {}
                    }
                }
            }
            Output::Exit(exit) => {
                assert_eq!(exit.code, Some(0));
                break;
            }
        }
    }
    assert_eq!((bytes, sum), (16_888_896, 2_000_001_000_000));
    Ok(())
}

#[tokio::test]
async fn dropping_it_ends_the_shell_and_what_runs_in_front_also_when_both_do_not_listen() -> Result<()> {
    for stubborn in ["", "trap '' HUP TERM INT;"] {
        // With job control what runs in front is a process group of its own.
        let front = format!("{stubborn} echo front=\\$\\$.; while :; do sleep 1; done");
        let line = format!("set -m; {stubborn} echo shell=$$.; sh -c \"{front}\"; :");
        let mut shell = Shell::open(&["/bin/sh", "-c", &line])?;
        let leader = shell.number("shell=").await?;
        let front = shell.number("front=").await?;
        ensure!(leader != front && alive(&leader) && alive(&front), "{leader} and {front}");
        let ended = shell.host.ended();
        drop(shell);
        tokio::time::timeout(LONG, ended).await?;
        until("the shell and what it ran to be gone", || !alive(&leader) && !alive(&front)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_stands_on_the_line_is_not_run_by_closing() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("slipway-host-shell-{}", std::process::id()));
    let shell = Shell::open(&["/bin/sh"])?;
    // No line end: it is not to be run.
    shell.types(&format!("touch {}", folder.display())).await?;
    let ended = shell.host.ended();
    drop(shell);
    tokio::time::timeout(LONG, ended).await?;
    ensure!(!folder.exists(), "closing pressed Enter");
    Ok(())
}
