//! What a workspace uses over time, and what it may use. Plain data; who measures and who limits is the engine.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::WorkspaceId;

/// How fine a history is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum StatsResolution {
    /// Every reading of the last 15 minutes: one a second while somebody asks, one in 15 seconds otherwise.
    Seconds,
    /// One row a minute for the last 24 hours.
    Minutes,
}

/// Asks for what a workspace uses. Asking again within five seconds is watching: it is then measured once a second for as long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct StatsRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// How far back, seconds, at most 86,400; a minute without it, nothing but the present with 0.
    #[serde(default)]
    #[ts(optional)]
    pub since_s: Option<u64>,
    /// How fine; without it, `seconds` up to 15 minutes back and `minutes` beyond.
    #[serde(default)]
    #[ts(optional)]
    pub resolution: Option<StatsResolution>,
}

/// What was used in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Sample {
    /// Unix time in milliseconds at the end of the span.
    pub at_ms: u64,
    /// The span, milliseconds.
    pub span_ms: u64,
    /// CPU, percent of one core, on average.
    pub cpu_percent: f64,
    /// The highest reading in the span, percent of one core.
    pub cpu_max_percent: f64,
    /// Memory, bytes, on average.
    pub memory_bytes: u64,
    /// The highest reading in the span, bytes.
    pub memory_max_bytes: u64,
    /// Processes and threads, at most.
    pub processes: u32,
    /// Bytes that came in during the span: answers from outside, and requests to its page.
    pub received_bytes: u64,
    /// Bytes that went out during the span: requests to the outside, and answers of its page.
    pub sent_bytes: u64,
    /// Bytes it has written in its container, as last measured; absent until then.
    pub disk_bytes: Option<u64>,
}

/// What a workspace uses now and used before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Stats {
    /// The workspace.
    pub id: WorkspaceId,
    /// The latest reading; absent when it does not run.
    pub now: Option<Sample>,
    /// Bytes of memory it may use; absent: no limit, or not known now.
    pub memory_limit: Option<u64>,
    /// Processes and threads it may have; absent: no limit, or not known now.
    pub processes_limit: Option<u32>,
    /// Bytes it may write in its container; absent: no limit.
    pub disk_limit: Option<u64>,
    /// Bytes that came in since this owner began.
    pub received_total: u64,
    /// Bytes that went out since this owner began.
    pub sent_total: u64,
    /// Processes ended because memory ran out, since the container started.
    pub out_of_memory_kills: u64,
    /// What was asked for, oldest first.
    pub samples: Vec<Sample>,
}

/// Changes what a workspace may use, at once and for good. What is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct LimitsRequest {
    /// The workspace.
    pub id: WorkspaceId,
    /// Memory in MiB: 64 to 1,048,576.
    #[serde(default)]
    #[ts(optional)]
    pub memory_mb: Option<u64>,
    /// Cores: 0.1 to as many as the engine has.
    #[serde(default)]
    #[ts(optional)]
    pub cpus: Option<f64>,
    /// Processes and threads: 32 to 32,768.
    #[serde(default)]
    #[ts(optional)]
    pub pids: Option<u64>,
}

/// What a workspace may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Limits {
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Cores; absent: a share of all.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: u64,
}
