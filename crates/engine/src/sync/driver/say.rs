//! The sentences of a sync's trouble and what they mean for it, and how a conflict's copy is marked.

use slipway_wire::{Code, Problem};

use super::End;

pub(super) fn lost() -> Problem {
    Problem::new(Code::AgentLost, "The workspace does not answer.")
        .hint("The sync goes on by itself when it does; nothing is lost meanwhile.")
}

pub(super) fn deploying() -> Problem {
    Problem::new(Code::WrongState, "The workspace is being deployed.")
        .hint("The sync goes on by itself then.")
}

pub(super) fn emptied(which: &str, place: &str) -> Problem {
    Problem::new(Code::WrongState, format!("{which} is empty all at once; nothing was removed on the other side."))
        .hint(format!("If it was lost, start the sync again: nothing is then taken for removed {place}. If it is meant, empty the other side too."))
}

/// What a problem means for a sync.
pub(super) fn ended(problem: impl Into<Problem>) -> End {
    let problem = problem.into();
    match problem.code {
        Code::Limit | Code::Invalid => End::Halt(problem),
        _ => End::Wait(problem),
    }
}

/// `YYYYMMDD-HHMMSS` in UTC.
pub(super) fn stamp(now_ms: u64) -> String {
    let seconds = now_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-compatible low-level date algorithms": days since 1970 to a civil date.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Whose version was kept beside: seven characters, as Syncthing's short device ids, made of the workspace's id.
pub(super) fn who(workspace: &str) -> String {
    use sha2::Digest as _;
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = sha2::Sha256::digest(workspace);
    hash.iter().take(7).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_syncthing_does() {
        for (ms, text) in [
            (0, "19700101-000000"),
            (951_782_400_000, "20000229-000000"),
            (1_709_251_199_999, "20240229-235959"),
            (1_795_284_240_000, "20261121-180400"),
        ] {
            assert_eq!(stamp(ms), text);
        }
        assert_eq!(who("shop-a1").len(), 7);
    }
}
