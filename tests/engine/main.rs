//! The engine against the real Docker daemon and the real agent. One module per subject; what they share is in
//! `harness` here and in `slipway_tests`.

mod arranged;
mod bad_projects;
mod bad_zips;
mod containment;
mod crash;
mod deploy;
mod egress_node;
mod faults;
mod files;
mod files_watch;
mod harness;
mod health;
mod idle;
mod leases;
mod logs;
mod lost_answers;
mod outages;
mod pauses;
mod pool;
mod processes;
mod pulls;
mod puppet;
mod reaping;
mod resources;
mod shell;
mod snapshot_crash;
mod snapshot_files;
mod snapshot_forgeries;
mod snapshots;
mod storage;
mod sync;
mod sync_faults;
mod sync_hostile;
mod terminal;
mod victim;
