//! A desktop of the test's own: an X server without a screen, a window manager, a session bus. All end with the value.

use anyhow::{Context, Result};
use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::wait_until;

/// The display.
pub struct Display {
    name: String,
    bus: String,
    _programs: Vec<Child>,
}

async fn first_line(child: &mut Child, what: &str) -> Result<String> {
    let output = child.stdout.take().context("no standard output")?;
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(20), BufReader::new(output).read_line(&mut line))
        .await
        .with_context(|| format!("{what} said nothing"))??;
    anyhow::ensure!(!line.trim().is_empty(), "{what} ended at once");
    Ok(line.trim().to_owned())
}

impl Display {
    /// Starts one, 1600 by 1000.
    pub async fn start() -> Result<Self> {
        // It begins anew when its last client goes, and throws out one that comes in that moment: the window manager, while
        // it is looked for.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting Xvfb")?;
        let name = format!(":{}", first_line(&mut server, "Xvfb").await?);
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting dbus-daemon")?;
        let address = first_line(&mut bus, "dbus-daemon").await?;
        let manager = Command::new("openbox")
            .env("DISPLAY", &name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting openbox")?;
        let display = Self { name, bus: address, _programs: vec![server, bus, manager] };
        wait_until("the window manager", Duration::from_secs(20), async || {
            let root = display.run("xprop", &["-root", "_NET_SUPPORTING_WM_CHECK"]).await?;
            Ok(String::from_utf8_lossy(&root.stdout).contains("window id").then_some(()))
        })
        .await?;
        Ok(display)
    }

    /// Gives a command this display and bus, and takes away the person's own.
    pub fn dress(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.name)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env_remove("WAYLAND_DISPLAY");
    }

    /// Runs a program on it and waits for its end.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program);
        self.dress(&mut command);
        command.args(arguments).output().await.with_context(|| format!("running {program}"))
    }

    /// A program on it that goes on.
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new(program);
        self.dress(&mut command);
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {program}"))
    }

    /// The mouse and keyboard.
    pub async fn xdotool(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run("xdotool", arguments).await?;
        anyhow::ensure!(
            output.status.success(),
            "xdotool {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// What is on it, as a PNG file.
    pub async fn photograph(&self, to: &Path) -> Result<()> {
        let path = to.to_str().context("a path that is not text")?;
        let output = self.run("import", &["-window", "root", path]).await?;
        anyhow::ensure!(output.status.success(), "no picture: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Where the content of the window with this title begins, in pixels of the screen.
    pub async fn window_at(&self, title: &str) -> Result<(i32, i32)> {
        let found = self.xdotool(&["search", "--onlyvisible", "--name", title]).await?;
        let window = found.lines().last().context("no such window")?.to_owned();
        // xdotool's own figure has the frame twice.
        let output = self.run("xwininfo", &["-id", &window]).await?;
        let said = String::from_utf8(output.stdout)?;
        let figure = |name: &str| -> Result<i32> {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
            Ok(line.context("no such figure")?.trim().parse()?)
        };
        Ok((figure("Absolute upper-left X:")?, figure("Absolute upper-left Y:")?))
    }

    /// Drags a file from a small window of another program onto a place of the screen, by the mouse.
    pub async fn drag_file(&self, file: &Path, to: (i32, i32)) -> Result<()> {
        const FROM: (i32, i32) = (1560, 960);
        let script = crate::root()?.join("tests/e2e/drag_source.py");
        let script = script.to_str().context("a path that is not text")?;
        let file = file.to_str().context("a path that is not text")?;
        let (x, y) = (FROM.0.to_string(), FROM.1.to_string());
        let mut source = self.spawn("/usr/bin/python3", &[script, &x, &y, file])?;
        anyhow::ensure!(
            first_line(&mut source, "the drag source").await? == "ready",
            "the drag source is lost"
        );
        let step = async |x: i32, y: i32| self.xdotool(&["mousemove", &x.to_string(), &y.to_string()]).await;
        step(FROM.0 + 15, FROM.1 + 15).await?;
        self.xdotool(&["mousedown", "1"]).await?;
        // A way of several steps, as the toolkit begins a drag only after some; no pauses, as a quick hand makes none.
        for n in 1..=12 {
            let along = |from: i32, to: i32| from + (to - from) * n / 12;
            step(along(FROM.0 + 15, to.0), along(FROM.1 + 15, to.1)).await?;
        }
        self.xdotool(&["mouseup", "1"]).await?;
        let ended = tokio::time::timeout(Duration::from_secs(10), source.wait()).await;
        let status = ended.context("the drag did not end")??;
        anyhow::ensure!(status.success(), "the drop was not taken");
        Ok(())
    }
}
