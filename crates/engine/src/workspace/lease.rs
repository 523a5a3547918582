//! What a lease is and how it changes: arithmetic on times, without a container or a clock. Whoever calls hands in what
//! time it is.

use slipway_wire::{Code, Lease, LeaseChange, Problem};

/// Shortest and longest duration, seconds.
const SHORTEST_S: u64 = 60;
const LONGEST_S: u64 = 30 * 24 * 3600;

/// Checks how long a workspace is to live. `None`: it is kept.
pub(crate) fn check_duration(seconds: u64) -> Result<u64, Problem> {
    if (SHORTEST_S..=LONGEST_S).contains(&seconds) {
        return Ok(seconds);
    }
    Err(Problem::new(Code::Invalid, format!("A workspace lives 1 minute to 30 days, not {}.", span(seconds)))
        .hint("For example `30m`, `2h` or `7d`; `keep` gives it no end."))
}

/// A lease that begins now. 0: kept.
pub(crate) fn begin(now_ms: u64, seconds: u64) -> Result<Lease, Problem> {
    if seconds == 0 {
        return Ok(Lease::default());
    }
    let seconds = check_duration(seconds)?;
    Ok(Lease {
        expires_at_ms: Some(now_ms.saturating_add(seconds * 1000)),
        duration_s: Some(seconds),
        ..Lease::default()
    })
}

/// A lease after a change of its end. One whose clock stands still goes on standing still. Pausing, resuming and expiring
/// are more than arithmetic and change nothing here.
pub(crate) fn change(lease: Lease, change: LeaseChange, now_ms: u64) -> Result<Lease, Problem> {
    let paused = lease.remaining_ms.is_some();
    let left_ms = lease.remaining_ms.or_else(|| lease.expires_at_ms.map(|end| end.saturating_sub(now_ms)));
    let (left_ms, duration_s) = match change {
        LeaseChange::Keep => return Ok(Lease::default()),
        LeaseChange::Set { seconds } => {
            let seconds = check_duration(seconds)?;
            (seconds * 1000, seconds)
        }
        LeaseChange::Extend { seconds } => {
            if !(1..=LONGEST_S).contains(&seconds) {
                return Err(Problem::new(Code::Invalid, "A lease is extended by 1 second to 30 days.")
                    .hint("For example by `15m` or `2h`."));
            }
            let left_ms = left_ms.unwrap_or(0) + seconds * 1000;
            if left_ms > LONGEST_S * 1000 {
                return Err(Problem::new(Code::Limit, "A lease ends at most 30 days from now.")
                    .hint("Keep the workspace instead."));
            }
            (left_ms, lease.duration_s.unwrap_or(0) + seconds)
        }
        LeaseChange::Pause | LeaseChange::Resume | LeaseChange::Expire => return Ok(lease),
    };
    let changed = Lease { duration_s: Some(duration_s), ..Lease::default() };
    Ok(if paused {
        Lease { remaining_ms: Some(left_ms), ..changed }
    } else {
        Lease { expires_at_ms: Some(now_ms.saturating_add(left_ms)), ..changed }
    })
}

/// Its clock stands still from now on.
pub(crate) fn hold(lease: Lease, now_ms: u64) -> Lease {
    let remaining_ms = lease.expires_at_ms.map(|end| end.saturating_sub(now_ms)).or(lease.remaining_ms);
    Lease { expires_at_ms: None, remaining_ms, ..lease }
}

/// Its clock goes on with what was left.
pub(crate) fn go_on(lease: Lease, now_ms: u64) -> Lease {
    let expires_at_ms = lease.remaining_ms.map(|left| now_ms.saturating_add(left)).or(lease.expires_at_ms);
    Lease { expires_at_ms, remaining_ms: None, ..lease }
}

/// The wall clock was set by so much: what is left stays what it was.
pub(crate) fn shift(lease: Lease, by_ms: i64) -> Lease {
    let moved = |at: Option<u64>| at.map(|at| at.saturating_add_signed(by_ms));
    Lease { expires_at_ms: moved(lease.expires_at_ms), deleted_at_ms: moved(lease.deleted_at_ms), ..lease }
}

/// Nobody was there to see the wall clock being set back: no lease has more left than it was ever given.
pub(crate) fn clamp(lease: Lease, now_ms: u64) -> Lease {
    let longest_ms = lease.duration_s.unwrap_or(LONGEST_S).min(LONGEST_S) * 1000;
    let latest = now_ms.saturating_add(longest_ms);
    Lease { expires_at_ms: lease.expires_at_ms.map(|end| end.min(latest)), ..lease }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..172_800 => format!("{} min", seconds / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const HOUR: u64 = 3600;

    #[test]
    fn a_duration_is_a_minute_to_thirty_days() {
        for (seconds, fine) in
            [(0, false), (59, false), (60, true), (LONGEST_S, true), (LONGEST_S + 1, false)]
        {
            let checked = check_duration(seconds);
            assert_eq!(checked.is_ok(), fine, "{seconds}");
            if let Err(problem) = checked {
                assert!(problem.message.contains("1 minute to 30 days"), "{problem}");
                assert!(problem.hint.is_some());
            }
        }
        assert_eq!(begin(NOW, 0).unwrap(), Lease::default());
        assert_eq!(check_duration(u64::MAX).unwrap_err().code, Code::Invalid);
    }

    #[test]
    fn a_lease_is_extended_shortened_and_dropped() {
        let lease = begin(NOW, HOUR).unwrap();
        let later = NOW + 600_000;
        let extended = change(lease, LeaseChange::Extend { seconds: 900 }, later).unwrap();
        assert_eq!(extended.expires_at_ms, Some(NOW + (HOUR + 900) * 1000));
        let shorter = change(extended, LeaseChange::Set { seconds: 60 }, later).unwrap();
        assert_eq!((shorter.expires_at_ms, shorter.duration_s), (Some(later + 60_000), Some(60)));
        assert_eq!(change(shorter, LeaseChange::Keep, later).unwrap(), Lease::default());
        let over = change(lease, LeaseChange::Extend { seconds: LONGEST_S }, later).unwrap_err();
        assert_eq!(over.code, Code::Limit);
        // After its end: from now on.
        let late = NOW + 2 * HOUR * 1000;
        let back = change(lease, LeaseChange::Extend { seconds: 60 }, late).unwrap();
        assert_eq!(back.expires_at_ms, Some(late + 60_000));
    }

    #[test]
    fn what_is_left_stands_still_while_it_is_held() {
        let held = hold(begin(NOW, HOUR).unwrap(), NOW + 1_000_000);
        assert_eq!((held.expires_at_ms, held.remaining_ms), (None, Some(HOUR * 1000 - 1_000_000)));
        assert_eq!(hold(held, NOW + 9_000_000), held, "held twice is held once");
        let more = change(held, LeaseChange::Extend { seconds: 100 }, NOW + 5_000_000).unwrap();
        assert_eq!((more.expires_at_ms, more.remaining_ms), (None, Some(HOUR * 1000 - 900_000)));
        let on = go_on(held, NOW + 50_000_000);
        assert_eq!(
            (on.expires_at_ms, on.remaining_ms),
            (Some(NOW + 50_000_000 + HOUR * 1000 - 1_000_000), None)
        );
        assert_eq!(go_on(hold(Lease::default(), NOW), NOW), Lease::default(), "kept stays kept");
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_of_what_is_left() {
        let lease = begin(NOW, HOUR).unwrap();
        assert_eq!(shift(lease, -7_200_000).expires_at_ms, Some(NOW + HOUR * 1000 - 7_200_000));
        // Set back by a day while nobody looked.
        assert_eq!(clamp(lease, NOW - 86_400_000).expires_at_ms, Some(NOW - 86_400_000 + HOUR * 1000));
        assert_eq!(clamp(lease, NOW + 60_000), lease);
    }
}
