//! The client's event stream: reads lines, notices a dead connection by its missing heartbeats, connects again with
//! the last number seen. A new owner counts anew, so after one the caller gets a gap and reads the state again.

use crate::{
    client::{UnixClient, broken, full},
    events::{HEARTBEAT, OWNER_HEADER},
};
use bytes::{Buf as _, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use slipway_wire::{Event, EventBody, Problem};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A line: one event, which holds at most one workspace with its phases.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// How long an owner may be away: another one may be taking over.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Events of an owner, numbered.
#[derive(Debug)]
pub struct Events {
    client: UnixClient,
    body: Option<Incoming>,
    buffer: BytesMut,
    last: Option<u64>,
    owner: String,
}

impl Events {
    pub(crate) async fn open(client: UnixClient, since: Option<u64>) -> Result<Self, Problem> {
        let (body, owner) = connect(&client, since).await?;
        Ok(Self { client, body: Some(body), buffer: BytesMut::new(), last: since, owner })
    }

    /// The next event. May be dropped while waiting; nothing is lost. A problem when no owner has answered for ten
    /// seconds; another call tries again.
    pub async fn next(&mut self) -> Result<Event, Problem> {
        loop {
            while let Some(line) = take_line(&mut self.buffer) {
                if line.is_empty() {
                    continue;
                }
                let event: Event =
                    serde_json::from_slice(&line).map_err(|e| broken("The event stream", &e))?;
                self.last = Some(event.seq);
                return Ok(event);
            }
            let Some(body) = &mut self.body else {
                if let Some(gap) = self.reconnect().await? {
                    return Ok(gap);
                }
                continue;
            };
            match timeout(HEARTBEAT * 3, body.frame()).await {
                Ok(Some(Ok(frame))) if self.buffer.len() <= MAX_LINE => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                // Ended, broken, silent for too long, or a line without an end.
                _ => {
                    self.body = None;
                    self.buffer.clear();
                }
            }
        }
    }

    async fn reconnect(&mut self) -> Result<Option<Event>, Problem> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match connect(&self.client, self.last).await {
                Ok((body, owner)) if owner == self.owner => {
                    self.body = Some(body);
                    return Ok(None);
                }
                Ok(_) => {
                    // Another owner: its numbers say nothing about what was missed.
                    let (body, owner) = connect(&self.client, None).await?;
                    self.body = Some(body);
                    self.owner = owner;
                    self.last = None;
                    return Ok(Some(Event { seq: 0, at_ms: 0, workspace: None, body: EventBody::Gap }));
                }
                Err(problem) if Instant::now() >= deadline => return Err(problem),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

async fn connect(client: &UnixClient, since: Option<u64>) -> Result<(Incoming, String), Problem> {
    let target = since.map_or_else(|| "/v1/events".to_owned(), |since| format!("/v1/events?since={since}"));
    let reply = client.request(Method::GET, &target, full(Vec::new())).await?;
    let owner = reply.headers().get(OWNER_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let owner = owner.to_owned();
    Ok((reply.into_body(), owner))
}

fn take_line(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let line = buffer.split_to(end);
    buffer.advance(1);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_and_in_order() {
        let mut buffer = BytesMut::from(&b"one\n\ntwo\npart"[..]);
        assert_eq!(take_line(&mut buffer).as_deref(), Some(&b"one"[..]));
        assert_eq!(take_line(&mut buffer).as_deref(), Some(&b""[..]));
        assert_eq!(take_line(&mut buffer).as_deref(), Some(&b"two"[..]));
        assert_eq!(take_line(&mut buffer), None);
        assert_eq!(&buffer[..], b"part");
    }
}
