//! A data folder of a test's own and the command line on it. Whatever a test leaves behind is removed when it ends, by
//! the folder's own instance label.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Long enough for a busy machine with two cores; a test that gets there has failed.
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// A data folder and the program.
pub(crate) struct House {
    pub(crate) temp: tempfile::TempDir,
    program: PathBuf,
}

impl House {
    pub(crate) fn new() -> Result<Self> {
        let temp = tempfile::tempdir()?;
        slipway_tests::containers::identify(&temp.path().join("data"))?;
        Ok(Self { temp, program: slipway_tests::built("SLIPWAY_CLI", "slipway")? })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    /// A command that is not started yet. Its standard input is empty.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("SLIPWAY_DATA_DIR", self.data())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ran> {
        finish(self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?, b"")
    }

    /// Runs a command with something on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Result<Ran> {
        let mut command = self.command(arguments);
        finish(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?, input)
    }

    /// Runs a command that must end with 0 and gives what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ran = self.run(arguments)?;
        ensure!(ran.code == 0, "slipway {} ended with {ran:?}", arguments.join(" "));
        ran.text()
    }

    /// Deploys and gives the last line, which must be `ready`.
    pub(crate) fn deploy(&self, source: &Path, more: &[&str]) -> Result<Value> {
        let source = source.to_str().context("a path that is not text")?;
        let text = self.ok(&[&["deploy", source, "--json"], more].concat())?;
        let last = lines(&text)?.pop().context("a deploy prints lines")?;
        ensure!(last["event"] == "ready", "the deploy ended with {last}");
        Ok(last)
    }

    /// Deploys the smallest sample and gives its id.
    pub(crate) fn hello(&self) -> Result<String> {
        text_of(&self.deploy(&slipway_tests::project::sample("node-hello")?, &[])?, "id")
    }

    /// What `ps --json` says of a workspace.
    pub(crate) fn listed(&self, id: &str) -> Result<Option<Value>> {
        let all: Vec<Value> = serde_json::from_str(&self.ok(&["ps", "--all", "--json"])?)?;
        Ok(all.into_iter().find(|one| one["id"] == id))
    }

    /// What the owner says of itself; an error when none answers.
    pub(crate) fn owner(&self) -> Result<Value> {
        let socket = self.data().join("owner.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        Ok(serde_json::from_str(body)?)
    }

    pub(crate) fn owner_pid(&self) -> Result<u32> {
        Ok(u32::try_from(self.owner()?["pid"].as_u64().context("a pid")?)?)
    }
}

#[expect(clippy::print_stderr, reason = "nobody else would learn of it")]
impl Drop for House {
    fn drop(&mut self) {
        if self.owner().is_ok()
            && let Err(error) = self.command(&["serve", "--stop"]).output()
        {
            eprintln!("the owner was not stopped: {error}");
        }
        if let Err(error) = self.remove_containers() {
            eprintln!("containers may be left: {error:#}");
        }
    }
}

impl House {
    fn remove_containers(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(slipway_tests::containers::remove_all(&self.data()))
    }
}

/// How a command ended and what it printed.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> Result<String> {
        Ok(String::from_utf8(self.out.clone())?)
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = String::from_utf8_lossy(&self.out[..self.out.len().min(4000)]);
        write!(f, "code {}, out {out:?}, err {:?}", self.code, self.err)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        Self { code, out: output.stdout, err: String::from_utf8_lossy(&output.stderr).into_owned() }
    }
}

/// Feeds a command and waits for its end, at most [`LONG`]: a command that hangs is ended and told.
pub(crate) fn finish(mut child: Child, input: &[u8]) -> Result<Ran> {
    let stdin = child.stdin.take();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || -> std::io::Result<()> {
        stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input))
    });
    let pid = child.id();
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LONG) else {
        Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
        bail!("a command did not end: {:?}", Ran::from(ended.recv()??));
    };
    let output = output?;
    // A command may end without reading all it could have.
    let fed = feeding.join().map_err(|_| anyhow::anyhow!("feeding panicked"))?;
    if let Err(error) = fed {
        ensure!(error.kind() == std::io::ErrorKind::BrokenPipe, "{error}");
    }
    Ok(output.into())
}

/// A text as JSON lines.
pub(crate) fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("{line:?}"))).collect()
}

/// A field that must be text.
pub(crate) fn text_of(value: &Value, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("{field} in {value}"))?.to_owned())
}

/// Looks again and again until `look` gives a value; says what was awaited when [`LONG`] has passed.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if begun.elapsed() >= LONG {
            return Err(last.unwrap_or_else(|| anyhow::anyhow!("it did not happen")))
                .with_context(|| format!("waited for {what}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One HTTP request to this machine's loopback, whatever the name in the address; the status and the body.
pub(crate) fn request(url: &str, headers: &[(&str, &str)]) -> Result<(u16, String)> {
    let rest = url.strip_prefix("http://").context("an http address")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port: u16 = host.rsplit(':').next().context("a port")?.parse()?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut head = vec![format!("GET /{path} HTTP/1.1")];
    for (name, value) in [("host", host), ("connection", "close")] {
        if !headers.iter().any(|(given, _)| *given == name) {
            head.push(format!("{name}: {value}"));
        }
    }
    head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    stream.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// The page of a workspace, once it answers with 200.
pub(crate) fn page(url: &str) -> Result<String> {
    wait_for("the page to answer", || {
        let (status, body) = request(url, &[])?;
        Ok((status == 200).then_some(body))
    })
}
