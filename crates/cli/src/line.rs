//! The lines of `--json`: one object each, `event` first. Scripts rely on `ready` and `error` having exactly these
//! fields.

use crate::out;
use serde::Serialize;
use slipway_wire::{
    Code, Inspection, Level, Message, Phase, PhaseName, PhaseState, Problem, Workspace, WorkspaceId,
};

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Line<'a> {
    /// The engine took the deploy on.
    Accepted { id: &'a WorkspaceId, name: &'a str },
    /// A phase began, went on or ended.
    Phase {
        name: PhaseName,
        state: PhaseState,
        elapsed_ms: Option<u64>,
        detail: Option<&'a str>,
        command: Option<&'a str>,
        done: Option<u64>,
        total: Option<u64>,
    },
    /// The engine says something.
    Message { level: Level, text: &'a str, aside: Option<&'a str>, hint: Option<&'a str> },
    /// What a dry run found.
    Inspection { inspection: &'a Inspection },
    /// The last line of a deploy that went well.
    Ready { id: &'a WorkspaceId, url: Option<&'a str>, elapsed_ms: u64 },
    /// The last line of whatever did not.
    Error { code: Code, message: &'a str, hint: Option<&'a str> },
}

impl Line<'_> {
    /// Prints it.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        out::line(&serde_json::to_string(self)?)
    }
}

impl<'a> From<&'a Phase> for Line<'a> {
    fn from(phase: &'a Phase) -> Self {
        Self::Phase {
            name: phase.name,
            state: phase.state,
            elapsed_ms: phase.elapsed_ms,
            detail: phase.detail.as_deref(),
            command: phase.command.as_deref(),
            done: phase.done,
            total: phase.total,
        }
    }
}

impl<'a> From<&'a Message> for Line<'a> {
    fn from(message: &'a Message) -> Self {
        Self::Message {
            level: message.level,
            text: &message.text,
            aside: message.aside.as_deref(),
            hint: message.hint.as_deref(),
        }
    }
}

impl<'a> From<&'a Problem> for Line<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self::Error { code: problem.code, message: &problem.message, hint: problem.hint.as_deref() }
    }
}

impl<'a> From<&'a Workspace> for Line<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        Self::Accepted { id: &workspace.id, name: &workspace.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_have_exactly_the_promised_fields() {
        let id: WorkspaceId = "shop-a1".parse().unwrap();
        let ready = Line::Ready { id: &id, url: Some("http://3000-shop-a1.localhost:1/"), elapsed_ms: 7 };
        assert_eq!(
            serde_json::to_string(&ready).unwrap(),
            r#"{"event":"ready","id":"shop-a1","url":"http://3000-shop-a1.localhost:1/","elapsed_ms":7}"#
        );
        let problem = Problem::new(Code::InstallFailed, "npm ci failed.").detail("npm ERR!");
        assert_eq!(
            serde_json::to_string(&Line::from(&problem)).unwrap(),
            r#"{"event":"error","code":"install-failed","message":"npm ci failed.","hint":null}"#
        );
    }
}
