//! Slipway's product core: workspaces over a Docker engine. Skins parse, call and render; everything that happens,
//! happens here. The engine never prints and never reads the environment, the home directory or the wall clock: all of
//! that is handed in by [`Config`].

mod agent_link;
mod agent_stream;
mod api;
mod attachment;
mod backoff;
mod config;
mod deploy;
mod docker;
mod docker_watch;
pub mod egress;
mod engine;
mod events;
mod files;
mod host;
mod logs;
mod metrics;
mod pool;
pub mod preview;
mod processes;
mod resources;
mod routes;
mod settings;
mod shared;
mod snapshot;
mod store;
mod sweep;
#[cfg(unix)]
mod sync;
#[cfg(not(unix))]
#[path = "sync/elsewhere.rs"]
mod sync;
mod terminals;
mod traffic;
mod workspace;

pub use attachment::{AttachInput, Attachment, Taken};
pub use config::{AgentBinary, Certificates, Clock, Config, DockerHints, SystemClock};
pub use deploy::UnpackSummary;
pub use engine::Engine;
pub use events::EventStream;
pub use files::{ByteStream, Odd, Packed, Transfer, Upload, Zipped, mode, pack, received, unreadable};
pub use host::{Host, HostMemory, SystemHost};
pub use metrics::METRICS_TYPE;
pub use slipway_agent_api::{lane::arrived, tree};
pub use slipway_mirror::safe_target;
