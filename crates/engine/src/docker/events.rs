//! What happens to our containers, as the daemon tells it. Told events only make somebody look sooner: what is done
//! about a container is decided by looking at it.

use bollard::{models::EventMessage, query_parameters::EventsOptions};
use futures_util::{Stream, StreamExt};
use slipway_wire::Problem;
use std::collections::HashMap;

use super::{Docker, container::INSTANCE, problem};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    /// The container, by Docker's id.
    pub(crate) container: String,
    pub(crate) what: Happening,
    /// By the daemon's clock, Unix time in nanoseconds.
    pub(crate) at_ns: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// It is there now, or has another name: whether somebody intends that is to be seen.
    Made,
    Started,
    /// It ended, was paused or let go on.
    Changed,
    /// It is there no more.
    Gone,
}

/// Docker's words for what we want to be told.
const WANTED: [(&str, Happening); 7] = [
    ("create", Happening::Made),
    ("rename", Happening::Made),
    ("start", Happening::Started),
    ("die", Happening::Changed),
    ("destroy", Happening::Gone),
    ("pause", Happening::Changed),
    ("unpause", Happening::Changed),
];

impl Docker {
    /// What happens to our containers, and what happened since a moment of the daemon's clock, as far as it remembers
    /// (256 events). So what happens while this call is on its way is not missed. Ends when the daemon does.
    pub(crate) fn happenings(
        &self,
        instance: &str,
        since_ns: i64,
    ) -> impl Stream<Item = Result<Happened, Problem>> + Send + use<> {
        let options = EventsOptions {
            since: Some(moment(since_ns)),
            filters: Some(HashMap::from([
                ("type".to_owned(), vec!["container".to_owned()]),
                ("event".to_owned(), WANTED.iter().map(|(word, _)| (*word).to_owned()).collect()),
                ("label".to_owned(), vec![format!("{INSTANCE}={instance}")]),
            ])),
            ..Default::default()
        };
        self.api.events(Some(options)).filter_map(|event| async {
            match event {
                Ok(event) => happened(event).map(Ok),
                Err(e) => Some(Err(problem("watching the Docker engine", &e))),
            }
        })
    }
}

fn happened(event: EventMessage) -> Option<Happened> {
    let action = event.action?;
    let (_, what) = WANTED.iter().find(|(word, _)| *word == action)?;
    Some(Happened { container: event.actor?.id?, what: *what, at_ns: event.time_nano })
}

/// As the events API wants it: it does not read dates.
fn moment(ns: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    format!("{}.{:09}", ns.div_euclid(SECOND), ns.rem_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_with_nine_digits() {
        assert_eq!(moment(1_700_000_000_000_000_007), "1700000000.000000007");
        assert_eq!(moment(0), "0.000000000");
    }

    #[test]
    fn events_that_nobody_asked_for_are_left_out() {
        let event = |action: &str| EventMessage {
            action: Some(action.to_owned()),
            actor: Some(bollard::models::EventActor { id: Some("c".into()), attributes: None }),
            time_nano: Some(7),
            ..EventMessage::default()
        };
        let made = Happened { container: "c".into(), what: Happening::Made, at_ns: Some(7) };
        assert_eq!(happened(event("rename")), Some(made));
        assert_eq!(happened(event("exec_create: /bin/sh")), None);
        assert_eq!(happened(EventMessage { actor: None, ..event("start") }), None);
    }
}
