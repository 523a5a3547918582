//! What containers may use: the presets, what a person changed of them, and changing it while the container runs. And
//! what a container has written, and where the engine writes it.

use bollard::{models::ContainerUpdateBody, query_parameters::InspectContainerOptions};
use serde::{Deserialize, Serialize};
use slipway_wire::{Code, Limits, LimitsRequest, Preset, Problem};
use std::{path::Path, time::Duration};

use super::{Docker, is_missing, problem, status_of};

const MIB: u64 = 1 << 20;
/// Bounds of what can be asked for.
const MEMORY_MB: std::ops::RangeInclusive<u64> = 64..=1024 * 1024;
const PIDS: std::ops::RangeInclusive<u64> = 32..=32_768;
const LEAST_CPUS: f64 = 0.1;
const MOST_CPUS: f64 = 1024.0;
/// The engine walks over everything a container has written.
const MEASURING: Duration = Duration::from_mins(2);

/// What a person changed of a preset, kept with the workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// MiB.
    pub(crate) memory_mb: Option<u64>,
    /// Thousandths of a core.
    pub(crate) cpu_millis: Option<u64>,
    pub(crate) pids: Option<u64>,
}

impl Changed {
    /// With what a request asks for, checked.
    pub(crate) fn with(self, request: &LimitsRequest) -> Result<Self, Problem> {
        let wrong = |text: String| Err(Problem::new(Code::Invalid, text));
        let mut changed = self;
        if let Some(memory_mb) = request.memory_mb {
            if !MEMORY_MB.contains(&memory_mb) {
                return wrong(format!("A workspace has 64 MiB to 1 TiB of memory, not {memory_mb} MiB."));
            }
            changed.memory_mb = Some(memory_mb);
        }
        if let Some(cpus) = request.cpus {
            if !(LEAST_CPUS..=MOST_CPUS).contains(&cpus) {
                return wrong(format!("A workspace has {LEAST_CPUS} cores or more, not {cpus}."));
            }
            changed.cpu_millis = Some((cpus * 1000.0).round() as u64);
        }
        if let Some(pids) = request.pids {
            if !PIDS.contains(&pids) {
                return wrong(format!("A workspace has 32 to 32,768 processes and threads, not {pids}."));
            }
            changed.pids = Some(pids);
        }
        Ok(changed)
    }

    /// Within the bounds, wherever it comes from.
    pub(crate) fn checked(self) -> Result<Self, Problem> {
        let millis = (LEAST_CPUS * 1000.0) as u64..=(MOST_CPUS * 1000.0) as u64;
        let within = self.memory_mb.is_none_or(|mb| MEMORY_MB.contains(&mb))
            && self.cpu_millis.is_none_or(|cpu| millis.contains(&cpu))
            && self.pids.is_none_or(|pids| PIDS.contains(&pids));
        if within { Ok(self) } else { Err(Problem::new(Code::Invalid, "The limits are out of bounds.")) }
    }

    /// What is in force, on top of a preset.
    pub(crate) fn in_force(self, preset: Preset) -> Limits {
        let shape = shape(preset);
        let millis = self.cpu_millis.or(shape.cpu_millis);
        Limits {
            memory_mb: self.memory_mb.unwrap_or(shape.memory_mb),
            cpus: millis.map(|millis| millis as f64 / 1000.0),
            pids: self.pids.unwrap_or(shape.pids),
        }
    }
}

/// What a preset stands for.
pub(super) struct Shape {
    memory_mb: u64,
    pub(super) shares: i64,
    cpu_millis: Option<u64>,
    pids: u64,
}

pub(super) fn shape(preset: Preset) -> Shape {
    match preset {
        Preset::Small => Shape { memory_mb: 512, shares: 512, cpu_millis: None, pids: 512 },
        Preset::Medium => Shape { memory_mb: 2048, shares: 1024, cpu_millis: None, pids: 1024 },
        Preset::Large => Shape { memory_mb: 4096, shares: 1024, cpu_millis: Some(2000), pids: 2048 },
    }
}

/// Limits in Docker's units: bytes, billionths of a core, processes.
pub(super) fn native(limits: Limits) -> (i64, Option<i64>, i64) {
    let nano = limits.cpus.map(|cpus| (cpus * 1e9).round() as i64);
    ((limits.memory_mb * MIB).cast_signed(), nano, limits.pids.cast_signed())
}

impl Docker {
    /// Changes what a container may use, whether it runs or not. Docker keeps it over restarts of the container.
    pub(crate) async fn limit(&self, container: &str, limits: Limits) -> Result<(), Problem> {
        let (memory, nano_cpus, pids) = native(limits);
        let body = ContainerUpdateBody {
            memory: Some(memory),
            // Equal to memory: no swap on top.
            memory_swap: Some(memory),
            nano_cpus,
            pids_limit: Some(pids),
            ..Default::default()
        };
        match self.api.update_container(container, body).await {
            Ok(()) => Ok(()),
            Err(e) if status_of(&e) == Some(400) => {
                Err(Problem::new(Code::Invalid, "The Docker engine cannot give that much.")
                    .hint("Ask for no more cores than its machine has; `docker info` says how many.")
                    .detail(super::bounded(&e.to_string())))
            }
            Err(e) => Err(problem("changing what the container may use", &e)),
        }
    }

    /// Bytes a container has written on top of its image, wherever they lie. `None`: the engine does not say.
    ///
    /// Asked of the engine and not of the agent: it counts exactly the container's own layer, no program in it can lie to
    /// it, and it works for one that does not answer. It costs the engine a walk over that layer (a `node_modules` of
    /// 30,000 files: some 0.1 s), so it is asked seldom.
    pub(crate) async fn written(&self, container: &str) -> Result<Option<u64>, Problem> {
        let options = InspectContainerOptions { size: true };
        let asked = self.api.inspect_container(container, Some(options));
        match tokio::time::timeout(MEASURING, asked).await {
            Err(_) => Ok(None),
            Ok(Err(e)) if is_missing(&e) => Ok(None),
            Ok(Err(e)) => Err(problem("measuring what the container has written", &e)),
            Ok(Ok(found)) => Ok(found.size_rw.and_then(|bytes| u64::try_from(bytes).ok())),
        }
    }

    /// Whether the engine is reached without a network, and so runs on this machine or in a virtual machine on it.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// Where the engine keeps containers, in its own file system. Asked once.
    pub(crate) async fn root_dir(&self) -> Option<&Path> {
        let asked = self.root_dir.get_or_init(|| async {
            match self.api.info().await {
                Ok(info) => info.docker_root_dir.filter(|dir| dir.starts_with('/')).map(Into::into),
                Err(error) => {
                    tracing::debug!(%error, "the Docker engine does not say where it keeps containers");
                    None
                }
            }
        });
        asked.await.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(memory_mb: Option<u64>, cpus: Option<f64>, pids: Option<u64>) -> LimitsRequest {
        LimitsRequest { id: "a".parse().unwrap(), memory_mb, cpus, pids }
    }

    #[test]
    fn what_is_absent_stays_as_it_is() {
        let first = Changed::default().with(&request(Some(1024), None, None)).unwrap();
        let both = first.with(&request(None, Some(1.5), None)).unwrap();
        let limits = both.in_force(Preset::Medium);
        assert_eq!(limits, Limits { memory_mb: 1024, cpus: Some(1.5), pids: 1024 });
        assert_eq!(native(limits), (1 << 30, Some(1_500_000_000), 1024));
        assert_eq!(Changed::default().in_force(Preset::Large).cpus, Some(2.0));
        assert_eq!(Changed::default().in_force(Preset::Small).cpus, None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            request(Some(63), None, None),
            request(Some(u64::MAX), None, None),
            request(None, Some(0.0), None),
            request(None, Some(-1.0), None),
            request(None, Some(f64::NAN), None),
            request(None, Some(f64::INFINITY), None),
            request(None, None, Some(31)),
            request(None, None, Some(32_769)),
        ] {
            assert_eq!(Changed::default().with(&wrong).unwrap_err().code, Code::Invalid, "{wrong:?}");
        }
    }
}
