//! Events as lines of JSON. A blank line every fifteen seconds says that the connection lives; a client that fell
//! behind gets a gap event from the engine, never a growing queue here.

use crate::server::Shared;
use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, stream};
use http::header;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a silent stream shows that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// The owner whose event numbers these are.
pub(crate) const OWNER_HEADER: &str = "slipway-owner";

#[derive(Deserialize)]
pub(crate) struct Since {
    /// The last event seen; only new ones without it.
    since: Option<u64>,
}

pub(crate) async fn follow(State(shared): State<Arc<Shared>>, Query(query): Query<Since>) -> Response {
    // Subscribed before the answer's head leaves: whatever happens after the caller reads it, the caller sees.
    let events = shared.engine.events(query.since);
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let counted = shared.count();
    let closing = shared.closing.clone();
    let lines = lines(events, beat).take_until(closing.cancelled_owned()).map(move |line| {
        let _ = &counted;
        Ok::<_, Infallible>(line)
    });
    let head = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (head, [(OWNER_HEADER, shared.instance.clone())], Body::from_stream(lines)).into_response()
}

fn lines<E: Stream<Item = slipway_wire::Event> + Unpin>(
    events: E,
    beat: Interval,
) -> impl Stream<Item = Bytes> {
    stream::unfold((events, beat), |(mut events, mut beat)| async move {
        let line = tokio::select! {
            biased;
            event = events.next() => match serde_json::to_vec(&event?) {
                Ok(mut line) => {
                    line.push(b'\n');
                    Bytes::from(line)
                }
                Err(error) => {
                    tracing::error!(%error, "an event could not be written");
                    return None;
                }
            },
            _ = beat.tick() => Bytes::from_static(b"\n"),
        };
        beat.reset();
        Some((line, (events, beat)))
    })
}
