//! Figures about Slipway itself in Prometheus' text form. Whoever does something counts it here with one call; what is a
//! state and no event is looked up when somebody reads. No label ever holds a workspace's id, a host or anything else
//! that a project could multiply.

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric, Registry, Unit},
};
use slipway_wire::{Code, EgressVerdict, PhaseName, Problem, WorkspaceState};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::shared::Shared;

/// The media type of what [`crate::Engine::metrics`] gives.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Seconds = Gauge<f64, AtomicU64>;
type Whole = Gauge<i64, AtomicI64>;

const STATES: [(WorkspaceState, &str); 7] = [
    (WorkspaceState::Creating, "creating"),
    (WorkspaceState::Running, "running"),
    (WorkspaceState::Failed, "failed"),
    (WorkspaceState::Paused, "paused"),
    (WorkspaceState::Stopped, "stopped"),
    (WorkspaceState::Terminated, "terminated"),
    (WorkspaceState::Deleted, "deleted"),
];

/// All of them.
pub(crate) struct Metrics {
    // States, set when somebody reads.
    workspaces: Family<One, Whole>,
    nearest_lease: Seconds,
    leases: Whole,
    own_memory: Whole,
    host_available: Whole,
    pool: Whole,
    snapshots: Whole,
    // Events.
    reaper_lag: Histogram,
    sweeps: Family<One, Counter>,
    sweep_seconds: Histogram,
    phases: Family<Two, Histogram>,
    problems: Family<[(&'static str, String); 1], Counter>,
    gateway: Family<One, Counter>,
    egress: Family<One, Counter>,
    received: Counter,
    sent: Counter,
    claims: Family<One, Counter>,
    registry: Mutex<Registry>,
}

/// Registers what it gives.
fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// The same, with what it is measured in, which ends its name.
fn measured<M: Metric + Clone>(registry: &mut Registry, name: &str, unit: Unit, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("slipway");
        let all = &mut registry;
        Self {
            workspaces: add(all, "workspaces", "Workspaces by state", Family::default()),
            leases: add(all, "leases", "Workspaces whose lease has an end", Gauge::default()),
            nearest_lease: measured(
                all,
                "lease_remaining",
                Unit::Seconds,
                "Until the nearest end of a lease; negative when it is overdue, NaN when there is none",
                Gauge::default(),
            ),
            reaper_lag: measured(
                all,
                "reaper_lag",
                Unit::Seconds,
                "Between the end of a lease and the end of all programs of its workspace",
                seconds(),
            ),
            sweeps: add(
                all,
                "sweeps",
                "Comparisons of what Docker holds with what is intended, by result",
                Family::default(),
            ),
            sweep_seconds: measured(all, "sweep", Unit::Seconds, "What one took", seconds()),
            phases: measured(
                all,
                "deploy_phase",
                Unit::Seconds,
                "Phases of deploys by result",
                Family::new_with_constructor(seconds),
            ),
            problems: add(
                all,
                "problems",
                "Problems that commands and workspaces ended with, by code",
                Family::default(),
            ),
            gateway: add(
                all,
                "gateway_requests",
                "Requests to previews by class of answer",
                Family::default(),
            ),
            egress: add(
                all,
                "egress_connections",
                "Outgoing connections of workspaces by ruling",
                Family::default(),
            ),
            received: measured(
                all,
                "workspace_received",
                Unit::Bytes,
                "Bytes that came into workspaces",
                Counter::default(),
            ),
            sent: measured(
                all,
                "workspace_sent",
                Unit::Bytes,
                "Bytes that went out of workspaces",
                Counter::default(),
            ),
            own_memory: measured(
                all,
                "process_resident_memory",
                Unit::Bytes,
                "Memory of this process; 0 where it is not known",
                Gauge::default(),
            ),
            host_available: measured(
                all,
                "host_memory_available",
                Unit::Bytes,
                "Memory of this machine for new programs; 0 where it is not known",
                Gauge::default(),
            ),
            pool: add(all, "pool_members", "Containers that wait for a deploy", Gauge::default()),
            snapshots: add(all, "snapshots", "Snapshots that are kept", Gauge::default()),
            claims: add(
                all,
                "pool_claims",
                "Deploys that found a warm container, and those that did not",
                Family::default(),
            ),
            registry: Mutex::new(registry),
        }
    }
}

impl Metrics {
    /// A phase of a deploy is over: `done` or `failed`.
    pub(crate) fn phase(&self, name: PhaseName, done: bool, took: Duration) {
        let labels = [("phase", name.word()), ("result", if done { "done" } else { "failed" })];
        self.phases.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A deploy asked the warm pool for a container.
    pub(crate) fn claimed(&self, found: bool) {
        self.claims.get_or_create(&[("result", if found { "warm" } else { "missed" })]).inc();
    }

    /// A command or a workspace ended with a problem.
    pub(crate) fn problem(&self, problem: &Problem) {
        self.problems.get_or_create(&[("code", code_word(problem.code))]).inc();
    }

    /// The gateway answered a request.
    pub(crate) fn answered(&self, status: u16) {
        let class = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.gateway.get_or_create(&[("status", class)]).inc();
    }

    /// An outgoing connection was ruled on.
    pub(crate) fn ruled(&self, verdict: EgressVerdict) {
        let ruling = match verdict {
            EgressVerdict::Asked => "asked",
            EgressVerdict::Allowed => "allowed",
            EgressVerdict::Blocked => "blocked",
        };
        self.egress.get_or_create(&[("ruling", ruling)]).inc();
    }

    /// What exists was compared with what is intended.
    pub(crate) fn swept(&self, well: bool, took: Duration) {
        self.sweeps.get_or_create(&[("result", if well { "done" } else { "failed" })]).inc();
        self.sweep_seconds.observe(took.as_secs_f64());
    }

    /// All programs of a workspace were ended at the end of its lease, this long after it.
    pub(crate) fn expired(&self, late: Duration) {
        self.reaper_lag.observe(late.as_secs_f64());
    }
}

/// Everything as text, states as they are now.
pub(crate) fn text(shared: &Shared) -> Result<String, Problem> {
    let metrics = &shared.metrics;
    let views: Vec<_> = shared.registry.all().iter().map(crate::workspace::Handle::view).collect();
    for (state, word) in STATES {
        let count = views.iter().filter(|view| view.state == state).count();
        metrics.workspaces.get_or_create(&[("state", word)]).set(count as i64);
    }
    let ends = views.iter().filter(|view| {
        !matches!(view.state, WorkspaceState::Stopped | WorkspaceState::Terminated | WorkspaceState::Deleted)
    });
    let ends: Vec<u64> = ends.filter_map(|view| view.lease.expires_at_ms).collect();
    let now_ms = shared.config.clock.now_ms() as f64;
    metrics.leases.set(ends.len() as i64);
    metrics.nearest_lease.set(ends.iter().min().map_or(f64::NAN, |end| (*end as f64 - now_ms) / 1000.0));
    let host = shared.config.host.as_ref();
    metrics.own_memory.set(host.own_memory().unwrap_or(0).cast_signed());
    metrics.host_available.set(host.memory().map_or(0, |memory| memory.available).cast_signed());
    metrics.pool.set(crate::pool::waiting(shared) as i64);
    metrics.snapshots.set(shared.store.snapshot_count()?.cast_signed());
    let (received, sent) = shared.resources.traffic();
    metrics.received.inner().store(received, Ordering::Relaxed);
    metrics.sent.inner().store(sent, Ordering::Relaxed);
    let mut out = String::new();
    let registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
    encode(&mut out, &registry)
        .map_err(|e| Problem::new(Code::Internal, format!("The metrics could not be written: {e}.")))?;
    Ok(out)
}

/// As the wire spells it.
fn code_word(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        // A code is a word on the wire; were that to change, its name in the code still tells it apart.
        _ => format!("{code:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_under_bounded_labels() {
        let metrics = Metrics::default();
        metrics.phase(PhaseName::Install, true, Duration::from_millis(300));
        metrics.phase(PhaseName::Install, false, Duration::from_secs(3));
        metrics.problem(&Problem::new(Code::InstallFailed, "npm ci ended"));
        metrics.answered(204);
        metrics.answered(999);
        metrics.ruled(EgressVerdict::Blocked);
        metrics.swept(true, Duration::from_millis(5));
        metrics.expired(Duration::from_millis(20));
        metrics.claimed(true);
        let mut text = String::new();
        encode(&mut text, &metrics.registry.lock().unwrap()).unwrap();
        for line in [
            "slipway_deploy_phase_seconds_count{phase=\"install\",result=\"failed\"} 1",
            "slipway_problems_total{code=\"install-failed\"} 1",
            "slipway_gateway_requests_total{status=\"2xx\"} 1",
            "slipway_gateway_requests_total{status=\"5xx\"} 1",
            "slipway_egress_connections_total{ruling=\"blocked\"} 1",
            "slipway_sweeps_total{result=\"done\"} 1",
            "slipway_reaper_lag_seconds_count 1",
            "slipway_pool_claims_total{result=\"warm\"} 1",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
