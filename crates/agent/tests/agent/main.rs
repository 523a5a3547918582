//! The real agent as a child process, driven through its contract by the generated client. Only what needs no container
//! is tested here; the engine's tests meet the agent in real ones.

mod cpu;
mod egress;
mod files;
mod leftovers;
mod network;
mod processes;
mod support;
mod watch;
mod website;
