//! Which containers to keep warm: how many, and of which kind, from what was deployed lately. Pure; clocks and counts
//! come in.

use serde::{Deserialize, Serialize};
use slipway_wire::{NetworkProfile, Preset};
use std::collections::VecDeque;

/// Deploys remembered.
const REMEMBERED: usize = 50;
/// A deploy older than this says nothing about the next one, milliseconds.
const FORGOTTEN_MS: u64 = 7 * 24 * 3600 * 1000;
/// Deploys this recent are a demand that goes on, milliseconds.
const RECENT_MS: u64 = 15 * 60 * 1000;

/// What a deploy asks of a container, as far as it is known before its files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kind {
    /// The base image, by name.
    pub(crate) image: String,
    pub(crate) preset: Preset,
    pub(crate) network: NetworkProfile,
}

/// What was deployed lately, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Demand {
    deploys: VecDeque<(Kind, u64)>,
}

impl Demand {
    /// Remembers a deploy.
    pub(crate) fn note(&mut self, kind: Kind, now_ms: u64) {
        if self.deploys.len() == REMEMBERED {
            self.deploys.pop_front();
        }
        self.deploys.push_back((kind, now_ms));
    }

    /// How many to keep of each kind, at most `size` in all: one for the next deploy, and one more for each that came
    /// lately. Kinds share them as their deploys do (D'Hondt); of equals, the one deployed last comes first.
    pub(crate) fn share(&self, size: usize, now_ms: u64) -> Vec<(Kind, usize)> {
        let within = |at: u64, most: u64| now_ms.saturating_sub(at) < most;
        let lately = self.deploys.iter().filter(|(_, at)| within(*at, RECENT_MS)).count();
        let mut kinds: Vec<(&Kind, usize, usize)> = Vec::new();
        for (kind, _) in self.deploys.iter().rev().filter(|(_, at)| within(*at, FORGOTTEN_MS)) {
            match kinds.iter_mut().find(|(known, ..)| *known == kind) {
                Some((_, deploys, _)) => *deploys += 1,
                None => kinds.push((kind, 1, 0)),
            }
        }
        for _ in 0..size.min(1 + lately) {
            // The first of the greatest: `max_by_key` would give the last.
            let next = kinds.iter_mut().rev().max_by(|a, b| (a.1 * (b.2 + 1)).cmp(&(b.1 * (a.2 + 1))));
            let Some((_, _, given)) = next else { break };
            *given += 1;
        }
        kinds
            .into_iter()
            .filter(|(_, _, given)| *given > 0)
            .map(|(kind, _, given)| (kind.clone(), given))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = FORGOTTEN_MS * 2;
    const HOUR: u64 = 3600 * 1000;

    fn kind(image: &str) -> Kind {
        Kind { image: image.into(), preset: Preset::Medium, network: NetworkProfile::Strict }
    }

    fn shared(deploys: &[(&str, u64)], size: usize) -> Vec<(String, usize)> {
        let mut demand = Demand::default();
        for (image, ago) in deploys {
            demand.note(kind(image), NOW - ago);
        }
        demand.share(size, NOW).into_iter().map(|(kind, n)| (kind.image, n)).collect()
    }

    #[test]
    fn nothing_is_kept_before_the_first_deploy_or_when_it_is_switched_off() {
        assert_eq!(shared(&[], 10), []);
        assert_eq!(shared(&[("node", 0)], 0), []);
        assert_eq!(shared(&[("node", FORGOTTEN_MS)], 10), []);
    }

    #[test]
    fn one_waits_for_the_next_deploy_and_more_for_a_demand_that_goes_on() {
        assert_eq!(shared(&[("node", HOUR)], 10), [("node".to_owned(), 1)]);
        assert_eq!(shared(&[("node", 2), ("node", 1), ("node", 0)], 10), [("node".to_owned(), 4)]);
        assert_eq!(shared(&[("node", 2), ("node", 1), ("node", 0)], 2), [("node".to_owned(), 2)]);
    }

    #[test]
    fn kinds_share_as_their_deploys_do_and_the_latest_comes_first() {
        let both = [("python", HOUR), ("node", HOUR)];
        assert_eq!(shared(&both, 10), [("node".to_owned(), 1)]);
        let lately = [("node", 5), ("node", 4), ("node", 3), ("python", 2)];
        assert_eq!(shared(&lately, 4), [("python".to_owned(), 1), ("node".to_owned(), 3)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut demand = Demand::default();
        for n in 0..200 {
            demand.note(kind(&format!("image-{n}")), NOW);
        }
        assert_eq!(demand.deploys.len(), REMEMBERED);
    }
}
