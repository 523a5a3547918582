//! The host guard: whether this machine has room for one more workspace. Figures in, a problem or none out.

use slipway_wire::{Code, Problem};

use crate::{host::HostMemory, workspace::bytes};

/// Memory used beyond which nothing new is begun, percent.
const MOST_MEMORY_PERCENT: f64 = 90.0;
/// Free disk of the Docker engine below which nothing new is begun, bytes.
const LEAST_DISK: u64 = 2_000_000_000;

/// Refuses a new workspace when there is too little memory or disk. What is not known does not refuse.
pub(super) fn check(memory: Option<HostMemory>, free_disk: Option<u64>) -> Result<(), Problem> {
    const FORCED: &str = "or make it all the same with `slipway deploy --force`.";
    if let Some(memory) = memory.filter(|memory| memory.used_percent() > MOST_MEMORY_PERCENT) {
        let text = format!(
            "This machine has {} of {} memory left, and no new workspace is begun with more than {MOST_MEMORY_PERCENT:.0} % used.",
            bytes(memory.available),
            bytes(memory.total),
        );
        let hint = format!("Stop a workspace or close a program, {FORCED}");
        return Err(Problem::new(Code::Limit, text).hint(hint).forceable());
    }
    if let Some(free) = free_disk.filter(|free| *free < LEAST_DISK) {
        let text = format!(
            "The Docker engine's disk has {} left, and no new workspace is begun with less than {}.",
            bytes(free),
            bytes(LEAST_DISK),
        );
        let hint = format!(
            "Free some space (`docker system df` shows what uses it, `slipway rm` removes workspaces), {FORCED}"
        );
        return Err(Problem::new(Code::DiskFull, text).hint(hint).forceable());
    }
    Ok(())
}

/// Refuses what would leave too little disk. What is not known does not refuse.
pub(super) fn check_disk(free_disk: Option<u64>, wanted: u64, command: &str) -> Result<(), Problem> {
    let Some(free) = free_disk.filter(|free| *free < LEAST_DISK.saturating_add(wanted)) else {
        return Ok(());
    };
    let text = format!(
        "The Docker engine's disk has {} left; {} must stay free, and this needs {} more.",
        bytes(free),
        bytes(LEAST_DISK),
        bytes(wanted),
    );
    let hint = format!(
        "Free some space (`docker system df` shows what uses it, `slipway rm` and `slipway snapshot rm` remove \
         Slipway's own), or go on all the same with `{command} --force`."
    );
    Err(Problem::new(Code::DiskFull, text).hint(hint).forceable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fill_the_disk_is_refused() {
        assert!(check_disk(None, u64::MAX, "x").is_ok());
        assert!(check_disk(Some(3_000_000_000), 1_000_000_000, "x").is_ok());
        let refused = check_disk(Some(3_000_000_000), 1_000_000_001, "slipway x").unwrap_err();
        assert_eq!(refused.code, Code::DiskFull);
        assert!(refused.forceable && refused.hint.unwrap().contains("slipway x --force"));
        assert!(check_disk(Some(u64::MAX), u64::MAX, "x").is_ok());
        assert!(check_disk(Some(0), 0, "x").is_err());
    }

    #[test]
    fn a_machine_without_room_refuses_and_says_the_figures() {
        const GB: u64 = 1_000_000_000;
        let memory = |available: u64| Some(HostMemory { total: 10 * GB, available });
        for (memory, disk, refused) in [
            (memory(GB), Some(2 * GB), None),
            (None, None, None),
            (memory(GB - 1), None, Some((Code::Limit, "1.0 GB of 10 GB"))),
            (memory(0), Some(0), Some((Code::Limit, "0 B of 10 GB"))),
            (memory(5 * GB), Some(2 * GB - 1), Some((Code::DiskFull, "2.0 GB left"))),
            (None, Some(GB / 2), Some((Code::DiskFull, "500 MB left"))),
        ] {
            match (check(memory, disk), refused) {
                (Ok(()), None) => {}
                (Err(problem), Some((code, words))) => {
                    assert_eq!(problem.code, code);
                    assert!(problem.message.contains(words), "{problem}");
                    assert!(problem.forceable && problem.hint.unwrap().contains("--force"));
                }
                (got, wanted) => panic!("{memory:?} {disk:?}: {got:?}, wanted {wanted:?}"),
            }
        }
    }
}
