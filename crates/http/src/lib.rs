//! Slipway's commands for other processes: over a Unix socket that only its user can reach (a named pipe on Windows),
//! and over loopback TCP when switched on. Also: who owns a data folder, and how a client finds or starts the owner.
//! No product state and no decision about it lives here; nothing here prints.

mod attach;
mod client;
mod environment;
mod events;
mod files;
mod guard;
#[cfg(unix)]
mod handed;
mod local;
mod log;
mod owner;
mod paths;
mod server;
mod start;
mod stream;
mod trust;

pub use client::{AttachInput, AttachOutput, UnixClient};
pub use environment::{Environment, agent_file};
pub use log::{recent as recent_log, start as start_log};
pub use owner::{Ending, Options, Owner, Role, own, take_over};
pub use paths::Places;
pub use server::Health;
pub use slipway_engine::{Odd, Packed, Upload, Zipped, arrived, mode, pack, safe_target, tree, unreadable};
pub use start::{Answer, READY, answer, connect, connect_or_start};
pub use stream::Events;
