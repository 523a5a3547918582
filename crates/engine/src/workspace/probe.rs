//! Asking a program in a container whether it is well: a connection to its port through the agent, a request where the
//! project says which, or the image's own check. Bounded in time and in what is read; none of it counts as use.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use slipway_agent_api::v1::{ExecRequest, ForgetRequest, SignalRequest, signal_request::Scope};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    agent_link::AgentLink,
    deploy::{HEALTH_TAG, output},
    preview::{DialError, DialStream},
};

/// How long a program may take to accept and, where it is asked something, to begin its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of an answer is read.
const ANSWER: usize = 256;

/// The image's own check, bounded. Kept with the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageCheck {
    pub(crate) argv: Vec<String>,
    pub(crate) interval_s: u64,
    pub(crate) timeout_s: u64,
    pub(crate) retries: u32,
    /// Failures so soon after the start do not count, seconds.
    pub(crate) start_s: u64,
}

impl ImageCheck {
    /// A check as Docker has it: `test` begins with `CMD` or `CMD-SHELL`; times are nanoseconds, 0 for the default.
    pub(crate) fn new(
        test: &[String],
        interval: i64,
        timeout: i64,
        retries: i64,
        start: i64,
    ) -> Option<Self> {
        let argv = match test.split_first() {
            Some((kind, words)) if kind == "CMD" && !words.is_empty() => words.to_vec(),
            Some((kind, [line])) if kind == "CMD-SHELL" => {
                vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
            }
            _ => return None,
        };
        if argv.len() > 64 || argv.iter().map(String::len).sum::<usize>() > 4096 {
            return None;
        }
        let seconds = |ns: i64, default: u64, least: u64, most: u64| match u64::try_from(ns) {
            Ok(ns @ 1..) => ns.div_ceil(1_000_000_000).clamp(least, most),
            _ => default,
        };
        Some(Self {
            argv,
            interval_s: seconds(interval, 30, 5, 3600),
            timeout_s: seconds(timeout, 30, 1, 30),
            retries: u32::try_from(retries).ok().filter(|n| *n > 0).unwrap_or(3).min(10),
            start_s: seconds(start, 0, 0, 3600),
        })
    }
}

/// Whether a port accepts connections and, with a path, answers a request for it with success.
pub(super) async fn port(link: &AgentLink, port: u16, path: Option<&str>) -> Result<(), String> {
    let asked = async {
        let mut stream = DialStream::open(&link.client, port).await.map_err(|error| match error {
            DialError::Refused => format!("port {port} refuses connections"),
            DialError::Lost(why) => format!("port {port} cannot be reached: {why}"),
        })?;
        let Some(path) = path else { return Ok(()) };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: slipway-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        let broken = |e: std::io::Error| format!("GET {path} on port {port} was not answered: {e}");
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut answer = Vec::with_capacity(ANSWER);
        while answer.len() < ANSWER && !answer.contains(&b'\n') {
            if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
                break;
            }
        }
        verdict(&answer, path, port)
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(format!("port {port} does not answer in time")))
}

/// What the first line of an answer says.
fn verdict(answer: &[u8], path: &str, port: u16) -> Result<(), String> {
    let status = std::str::from_utf8(answer.get(..12).unwrap_or_default()).ok().and_then(|line| {
        let (version, status) = line.split_once(' ')?;
        version.starts_with("HTTP/1.").then(|| status.parse::<u16>().ok())?
    });
    match status {
        Some(200..400) => Ok(()),
        Some(status) => Err(format!("GET {path} on port {port} answered {status}")),
        None => Err(format!("port {port} does not speak HTTP")),
    }
}

/// Runs the image's own check. The failure: why, and what it printed.
pub(super) async fn image(link: &AgentLink, check: &ImageCheck, root: &str) -> Result<(), (String, String)> {
    let request = ExecRequest {
        argv: check.argv.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect(),
        cwd: Bytes::copy_from_slice(root.as_bytes()),
        env: Vec::new(),
        pty: None,
        name: "health".to_owned(),
        stdin: false,
        tag: HEALTH_TAG.to_owned(),
        history: 0,
    };
    let mut client = link.client.clone();
    let started = client.exec(request).await;
    let process = started
        .map_err(|status| ("the image's check could not be run".to_owned(), status.message().to_owned()))?
        .into_inner()
        .process;
    let ended = timeout(Duration::from_secs(check.timeout_s), output(link, &process)).await;
    if ended.is_err() {
        let kill = SignalRequest { process: process.clone(), signal: 9, scope: Scope::Tree.into() };
        let killed = client.signal(kill).await;
        tracing::debug!(ok = killed.is_ok(), "a check that took too long was ended");
        // Its end must be there before it can be forgotten.
        let waited = timeout(PATIENCE, output(link, &process)).await;
        tracing::trace!(ok = waited.is_ok(), "it ended");
    }
    let forgotten = client.forget(ForgetRequest { process }).await;
    if let Err(status) = forgotten {
        tracing::debug!(%status, "a check's output stays with the agent");
    }
    match ended {
        Err(_) => Err((format!("the image's check took longer than {} s", check.timeout_s), String::new())),
        Ok(Err(problem)) => Err(("the image's check could not be followed".to_owned(), problem.message)),
        Ok(Ok((exit, _))) if exit.code == Some(0) => Ok(()),
        Ok(Ok((exit, said))) => {
            let how =
                exit.code.map_or_else(|| "was ended".to_owned(), |code| format!("ended with code {code}"));
            Err((format!("the image's check {how}"), said.chars().take(4000).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_and_redirects_are_well() {
        for (answer, well) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.0 302 Found\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n", false),
            ("HTTP/1.1 503 \r\n", false),
            ("HTTP/1.1 20", false),
            ("SSH-2.0-OpenSSH\r\n", false),
            ("", false),
        ] {
            assert_eq!(verdict(answer.as_bytes(), "/health", 80).is_ok(), well, "{answer:?}");
        }
        assert!(
            verdict(b"HTTP/1.1 503 x", "/up", 80).unwrap_err().contains("GET /up on port 80 answered 503")
        );
    }

    #[test]
    fn an_images_check_is_bounded() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let check = ImageCheck::new(&words(&["CMD-SHELL", "curl -f x"]), 0, 0, 0, 0).unwrap();
        assert_eq!(check.argv, ["/bin/sh", "-c", "curl -f x"]);
        assert_eq!((check.interval_s, check.timeout_s, check.retries, check.start_s), (30, 30, 3, 0));
        let hasty = ImageCheck::new(&words(&["CMD", "true"]), 1, i64::MAX, 99, -1).unwrap();
        assert_eq!((hasty.interval_s, hasty.timeout_s, hasty.retries), (5, 30, 10));
        for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"], &["OTHER", "x"]] {
            assert_eq!(ImageCheck::new(&words(none), 0, 0, 0, 0), None, "{none:?}");
        }
        assert_eq!(ImageCheck::new(&words(&["CMD", &"x".repeat(5000)]), 0, 0, 0, 0), None);
    }
}
