//! How a command ends: exit codes, and how a failure is worded on a terminal and as JSON.

use crate::{line::Line, out, text};
use slipway_wire::Problem;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(u8);

impl Code {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const FAILED: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);
    pub(crate) const NO_ENGINE: Self = Self(3);
    pub(crate) const REFUSED: Self = Self(4);
    pub(crate) const PROJECT_FAILED: Self = Self(5);
    pub(crate) const NOT_FOUND: Self = Self(6);
    /// As timeout(1) says it.
    pub(crate) const TIMED_OUT: Self = Self(124);
    /// As a shell says it of a command.
    pub(crate) const COMMAND_NOT_FOUND: Self = Self(127);
    pub(crate) const INTERRUPTED: Self = Self(130);
    /// Somebody stopped reading what we print: as a shell shows SIGPIPE.
    pub(crate) const PIPE_CLOSED: Self = Self(141);

    /// As a shell shows the end by a signal.
    pub(crate) fn of_signal(signal: i32) -> Self {
        Self(u8::try_from(128 + signal).unwrap_or(255))
    }

    /// The code of a process in a container.
    pub(crate) fn of_process(exit: slipway_wire::ProcessExit) -> Self {
        match (exit.code, exit.signal) {
            (_, Some(signal)) => Self::of_signal(signal),
            (Some(code), None) => Self((code & 0xff) as u8),
            (None, None) => Self::FAILED,
        }
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code.0.into()
    }
}

impl From<&Problem> for Code {
    fn from(problem: &Problem) -> Self {
        use slipway_wire::Code as Why;
        match problem.code {
            Why::DockerAbsent | Why::DockerDenied | Why::DockerLost => Self::NO_ENGINE,
            Why::Refused | Why::NoProject => Self::REFUSED,
            Why::InstallFailed | Why::BuildFailed | Why::StartFailed | Why::NeverListened => {
                Self::PROJECT_FAILED
            }
            Why::NotFound => Self::NOT_FOUND,
            Why::Cancelled => Self::INTERRUPTED,
            _ => Self::FAILED,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong; said by [`Failure::report`].
    Problem(Problem),
    /// The command line is wrong in a way that the parser cannot see.
    Usage(String),
    /// Everything has been said.
    Said(Code),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Says what went wrong and gives the exit code.
    pub(crate) fn report(self, json: bool) -> Code {
        let (code, problem) = match self {
            Self::Said(code) => return code,
            Self::Usage(text) => (Code::USAGE, Problem::new(slipway_wire::Code::Invalid, text)),
            Self::Problem(problem) => (Code::from(&problem), problem),
        };
        if json {
            // When nobody reads, the exit code still tells.
            let _ = Line::from(&problem).print();
        } else {
            explain(&problem);
        }
        code
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Said(Code::PIPE_CLOSED);
        }
        Self::Problem(Problem::new(
            slipway_wire::Code::Storage,
            format!("Reading or writing failed: {error}."),
        ))
    }
}

/// Words a problem for people, on standard error.
pub(crate) fn explain(problem: &Problem) {
    let paint = text::Paint::stderr();
    out::note(&format!("{} {}", paint.red("error:"), text::clean(&problem.message)));
    if let Some(detail) = &problem.detail {
        for line in text::last_lines(detail, 20) {
            out::note(&format!("  {} {}", paint.dim("│"), text::clean(line)));
        }
    }
    if let Some(hint) = &problem.hint {
        out::note(&format!("{} {}", paint.bold("next:"), text::clean(hint)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_wire::{Code as Why, ProcessExit};

    #[test]
    fn a_process_hands_on_its_code() {
        for (exit, expected) in [
            (ProcessExit { code: Some(0), signal: None }, 0),
            (ProcessExit { code: Some(7), signal: None }, 7),
            (ProcessExit { code: None, signal: Some(9) }, 137),
            (ProcessExit { code: None, signal: Some(15) }, 143),
        ] {
            assert_eq!(i32::from(Code::of_process(exit)), expected, "{exit:?}");
        }
    }

    #[test]
    fn problems_have_the_documented_codes() {
        for (why, expected) in [
            (Why::DockerAbsent, 3),
            (Why::DockerDenied, 3),
            (Why::Refused, 4),
            (Why::NoProject, 4),
            (Why::InstallFailed, 5),
            (Why::NeverListened, 5),
            (Why::NotFound, 6),
            (Why::Cancelled, 130),
            (Why::Internal, 1),
        ] {
            assert_eq!(i32::from(Code::from(&Problem::new(why, ""))), expected, "{why:?}");
        }
    }
}
