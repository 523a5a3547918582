//! A workspace: one driver task owns its state; everybody else sends requests or watches.

mod activity;
mod driver;
mod handle;
mod health;
pub(crate) mod lease;
pub(crate) mod name;
mod ports;
mod probe;
mod record;
mod restart;
mod say;
mod timeline;
mod update;
mod vitals;

pub(crate) use activity::Activity;
pub(crate) use driver::{Driver, Origin, waiting};
pub(crate) use handle::{Handle, Request};
pub(crate) use probe::ImageCheck;
pub(crate) use record::Record;
pub(crate) use say::{bytes, message, sentence, took};
pub(crate) use update::{PhaseChange, Update, Updates};
