//! How a workspace is, judged from what was observed: heartbeats, probes of its port, the image's own check, its
//! program's end. Observations in, a judgement out; nothing here asks anybody.

use slipway_wire::{Health, HealthState, WorkspaceState};

/// Heartbeats missed in a row that mean something.
const MISSED: u32 = 2;
/// Failed probes in a row that mean something.
const FAILED: u32 = 3;

/// One kind of question: how often in a row it was answered badly, and what was said last.
#[derive(Clone, Debug, Default)]
struct Answers {
    ever_well: bool,
    badly: u32,
    why: Option<String>,
}

impl Answers {
    fn take(&mut self, answer: Result<(), String>) {
        match answer {
            Ok(()) => *self = Self { ever_well: true, ..Self::default() },
            Err(why) => {
                self.badly = self.badly.saturating_add(1);
                self.why = Some(why);
            }
        }
    }
}

/// What was observed of a workspace since its program was started.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    missed: u32,
    port: Answers,
    check: Answers,
    check_output: Option<String>,
    /// How often the image's check may fail in a row.
    check_retries: u32,
    crashed: Option<(String, Option<String>)>,
}

impl Observed {
    /// The agent answered, or did not. True: it has just missed one too many.
    pub(super) fn beat(&mut self, answered: bool) -> bool {
        self.missed = if answered { 0 } else { self.missed.saturating_add(1) };
        self.missed == MISSED
    }

    /// What came of a probe of the port.
    pub(super) fn probed(&mut self, answer: Result<(), String>) {
        self.port.take(answer);
    }

    /// What came of the image's own check.
    pub(super) fn checked(&mut self, answer: Result<(), (String, String)>, retries: u32) {
        self.check_retries = retries;
        self.check_output = answer.as_ref().err().map(|(_, output)| output.clone());
        self.check.take(answer.map_err(|(why, _)| why));
    }

    /// The program ended by itself, saying this last.
    pub(super) fn crashed(&mut self, why: String, output: String) {
        self.crashed = Some((why, Some(output).filter(|text| !text.is_empty())));
    }

    /// What all of it means for a workspace in this state.
    pub(super) fn judge(&self, state: WorkspaceState) -> (HealthState, Option<String>, Option<String>) {
        let plain = |state| (state, None, None);
        match (state, &self.crashed) {
            (WorkspaceState::Creating | WorkspaceState::Failed, Some((why, output))) => {
                (HealthState::Crashed, Some(why.clone()), output.clone())
            }
            (WorkspaceState::Creating, None) => plain(HealthState::Starting),
            (WorkspaceState::Running, _) => self.judge_running(),
            _ => plain(HealthState::None),
        }
    }

    fn judge_running(&self) -> (HealthState, Option<String>, Option<String>) {
        if self.missed >= MISSED {
            return (HealthState::Degraded, Some("the container does not answer".to_owned()), None);
        }
        if self.port.badly >= FAILED {
            return (HealthState::Unhealthy, self.port.why.clone(), None);
        }
        if self.check.badly > 0 && self.check.badly >= self.check_retries {
            return (HealthState::Unhealthy, self.check.why.clone(), self.check_output.clone());
        }
        if self.port.ever_well || self.check.ever_well {
            return (HealthState::Healthy, None, None);
        }
        let asked = self.port.badly > 0 || self.check.badly > 0;
        (if asked { HealthState::Starting } else { HealthState::None }, None, None)
    }
}

/// The health shown before, brought up to date. True: it changed.
pub(super) fn update(
    shown: &mut Health,
    judged: (HealthState, Option<String>, Option<String>),
    now_ms: u64,
) -> bool {
    let (state, why, output) = judged;
    let since_ms = if shown.state == state { shown.since_ms } else { now_ms };
    let next = Health { state, since_ms, why, output, restarts: shown.restarts };
    let changed = *shown != next;
    *shown = next;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(observed: &Observed, of: WorkspaceState) -> HealthState {
        observed.judge(of).0
    }

    #[test]
    fn a_workspace_is_as_it_answers() {
        use WorkspaceState::{Creating, Failed, Paused, Running, Stopped};
        let mut seen = Observed::default();
        assert_eq!(state(&seen, Creating), HealthState::Starting);
        assert_eq!(state(&seen, Running), HealthState::None, "nothing was asked");
        seen.probed(Ok(()));
        assert_eq!(state(&seen, Running), HealthState::Healthy);
        for expected in [HealthState::Healthy, HealthState::Healthy, HealthState::Unhealthy] {
            seen.probed(Err("port 80 refuses connections".into()));
            assert_eq!(state(&seen, Running), expected);
        }
        assert!(seen.judge(Running).1.unwrap().contains("port 80"));
        seen.probed(Ok(()));
        assert_eq!(state(&seen, Running), HealthState::Healthy, "well again at once");
        assert!(!seen.beat(false) && seen.beat(false) && !seen.beat(false), "told once");
        assert_eq!(state(&seen, Running), HealthState::Degraded);
        seen.beat(true);
        assert_eq!(state(&seen, Running), HealthState::Healthy);
        seen.checked(Err(("it says 1".into(), "out".into())), 2);
        assert_eq!(state(&seen, Running), HealthState::Healthy);
        seen.checked(Err(("it says 1".into(), "out".into())), 2);
        assert_eq!(
            seen.judge(Running),
            (HealthState::Unhealthy, Some("it says 1".into()), Some("out".into()))
        );
        seen.crashed("ended with code 1".into(), String::new());
        assert_eq!(
            (state(&seen, Creating), state(&seen, Failed)),
            (HealthState::Crashed, HealthState::Crashed)
        );
        assert_eq!((state(&seen, Stopped), state(&seen, Paused)), (HealthState::None, HealthState::None));
    }

    #[test]
    fn since_when_is_kept_while_it_stays() {
        let mut shown = Health { restarts: 2, ..Health::default() };
        assert!(update(&mut shown, (HealthState::Healthy, None, None), 5));
        assert!(!update(&mut shown, (HealthState::Healthy, None, None), 9));
        assert_eq!((shown.since_ms, shown.restarts), (5, 2));
    }
}
