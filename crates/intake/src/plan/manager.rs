//! Which package manager a Node project uses, and its commands. npm comes with the image; the others are run through
//! `npx` at a fixed version, since corepack is no longer part of Node and a global install would need root.

use super::project::View;
use super::types::{Evidence, Step};
use crate::refusal::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Npm,
    Pnpm,
    YarnClassic,
    YarnBerry,
    Bun,
}

/// The manager and how it was recognised.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) kind: Kind,
    /// The words before the manager's own arguments.
    program: Vec<String>,
    locked: bool,
    pub(super) evidence: Option<Evidence>,
}

/// Lockfiles, most telling first: a stray `package-lock.json` beside another lockfile is the commoner accident.
const LOCKFILES: &[(&str, Kind)] = &[
    ("pnpm-lock.yaml", Kind::Pnpm),
    ("yarn.lock", Kind::YarnClassic),
    ("bun.lock", Kind::Bun),
    ("bun.lockb", Kind::Bun),
    ("package-lock.json", Kind::Npm),
    ("npm-shrinkwrap.json", Kind::Npm),
];

/// The version used when the project names none.
const PNPM: &str = "10";
const YARN_CLASSIC: &str = "1.22.22";
const YARN_BERRY: &str = "4";
const BUN: &str = "1";

impl Manager {
    /// By the `packageManager` field, else by the lockfile, else npm.
    pub(super) fn choose(view: &mut View<'_, '_>, field: Option<&str>) -> Result<Self, Refusal> {
        let lock = LOCKFILES.iter().find(|(file, _)| view.has(file));
        if let Some((kind, version)) = field.and_then(parse_field) {
            let fact = format!("packageManager is {}", field.unwrap_or_default());
            let evidence = Some(view.evidence("package.json", fact));
            let locked = LOCKFILES.iter().any(|(file, of)| same_family(*of, kind) && view.has(file));
            return Ok(Self::new(kind, &version, locked, evidence));
        }
        let Some(&(file, kind)) = lock else { return Ok(Self::npm()) };
        let start = view.peek(file, 512)?.unwrap_or_default();
        let (kind, version) = match kind {
            Kind::YarnClassic if view.has(".yarnrc.yml") || start.contains("__metadata:") => {
                (Kind::YarnBerry, YARN_BERRY)
            }
            Kind::YarnClassic => (Kind::YarnClassic, YARN_CLASSIC),
            Kind::Pnpm => (Kind::Pnpm, pnpm_for_lock(&start)),
            Kind::Bun => (Kind::Bun, BUN),
            other => (other, ""),
        };
        let evidence = Some(view.evidence(file, format!("lockfile of {}", kind.title())));
        Ok(Self::new(kind, version, true, evidence))
    }

    /// What comes with the image, for projects that install nothing.
    pub(super) fn npm() -> Self {
        Self::new(Kind::Npm, "", false, None)
    }

    fn new(kind: Kind, version: &str, locked: bool, evidence: Option<Evidence>) -> Self {
        let package = match kind {
            Kind::Npm => return Self { kind, program: vec!["npm".into()], locked, evidence },
            Kind::Pnpm => "pnpm",
            Kind::YarnClassic => "yarn",
            Kind::YarnBerry => "@yarnpkg/cli-dist",
            Kind::Bun => "bun",
        };
        let program = vec!["npx".into(), "--yes".into(), format!("{package}@{version}")];
        Self { kind, program, locked, evidence }
    }

    fn step(&self, arguments: &[&str]) -> Step {
        Step::argv(self.program.iter().cloned().chain(arguments.iter().map(|&argument| argument.to_owned())))
    }

    /// The install that trusts the lockfile, if there is one, and what to try when that fails.
    pub(super) fn install(&self) -> (Step, Option<Step>) {
        let (strict, loose): (&[&str], &[&str]) = match self.kind {
            Kind::Npm => (&["ci"], &["install"]),
            Kind::Pnpm => (&["install", "--frozen-lockfile"], &["install", "--no-frozen-lockfile"]),
            Kind::YarnClassic => {
                (&["install", "--frozen-lockfile", "--non-interactive"], &["install", "--non-interactive"])
            }
            Kind::YarnBerry => (&["install", "--immutable"], &["install", "--no-immutable"]),
            Kind::Bun => (&["install", "--frozen-lockfile"], &["install"]),
        };
        if self.locked { (self.step(strict), Some(self.step(loose))) } else { (self.step(loose), None) }
    }

    pub(super) fn run(&self, script: &str) -> Step {
        self.step(&["run", script])
    }

    /// Runs a program of an installed package.
    pub(super) fn exec(&self, program: &[&str]) -> Step {
        let (before, first): (&[&str], _) = match self.kind {
            Kind::Npm => return Step::argv(["npx", "--no-install"].iter().chain(program).copied()),
            Kind::Pnpm => (&["exec"], program),
            Kind::YarnClassic | Kind::YarnBerry => (&["run"], program),
            Kind::Bun => (&["x"], program),
        };
        self.step(&[before, first].concat())
    }
}

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic => "Yarn 1",
            Self::YarnBerry => "Yarn",
            Self::Bun => "Bun",
        }
    }
}

fn same_family(one: Kind, two: Kind) -> bool {
    let yarn = |kind| matches!(kind, Kind::YarnClassic | Kind::YarnBerry);
    one == two || yarn(one) && yarn(two)
}

/// `pnpm@9.1.0+sha512.…` as corepack defines it. The version must be one: it becomes part of a command.
fn parse_field(field: &str) -> Option<(Kind, String)> {
    let (name, version) = field.split_once('@')?;
    let version = version.split('+').next()?;
    let number =
        |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (release, pre) =
        version.split_once('-').map_or((version, None), |(release, pre)| (release, Some(pre)));
    let pre_is_plain = pre.is_none_or(|pre| {
        pre.len() <= 32 && pre.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    });
    if release.split('.').count() > 3 || !release.split('.').all(number) || !pre_is_plain {
        return None;
    }
    let kind = match name {
        "npm" => Kind::Npm,
        "pnpm" => Kind::Pnpm,
        "yarn" if release.starts_with("1.") || release == "1" => Kind::YarnClassic,
        "yarn" => Kind::YarnBerry,
        "bun" => Kind::Bun,
        _ => return None,
    };
    Some((kind, version.to_owned()))
}

/// The pnpm that reads a lockfile. Source: pnpm.io, "lockfileVersion" in the release notes of 7, 8 and 9.
fn pnpm_for_lock(start: &str) -> &'static str {
    let version = start.lines().find_map(|line| line.strip_prefix("lockfileVersion:")).unwrap_or_default();
    match version.trim().trim_matches(['\'', '"']) {
        version if version.starts_with("5.") => "7",
        version if version.starts_with("6.") => "8",
        _ => PNPM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_versions_enter_a_command() {
        assert_eq!(parse_field("pnpm@9.1.0+sha512.ab"), Some((Kind::Pnpm, "9.1.0".into())));
        assert_eq!(parse_field("yarn@1.22.19"), Some((Kind::YarnClassic, "1.22.19".into())));
        assert_eq!(parse_field("yarn@4.5.0-rc.1"), Some((Kind::YarnBerry, "4.5.0-rc.1".into())));
        for field in [
            "pnpm",
            "pnpm@",
            "pnpm@latest",
            "pnpm@file:../x",
            "pnpm@1;rm -rf /",
            "evil@1.0.0",
            "pnpm@1.2.3.4",
        ] {
            assert_eq!(parse_field(field), None, "for {field:?}");
        }
    }

    #[test]
    fn the_lockfile_version_chooses_the_pnpm() {
        assert_eq!(pnpm_for_lock("lockfileVersion: 5.4\n"), "7");
        assert_eq!(pnpm_for_lock("lockfileVersion: '6.0'\n"), "8");
        assert_eq!(pnpm_for_lock("lockfileVersion: '9.0'\n"), "10");
    }
}
