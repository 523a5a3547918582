//! A workspace: one driver task owns its state; everybody else sends requests or watches.

mod driver;
mod handle;
pub(crate) mod name;
mod ports;
mod record;
mod say;
mod update;

pub(crate) use driver::{Driver, Origin, waiting};
pub(crate) use handle::{Handle, Request};
pub(crate) use record::Record;
pub(crate) use say::{bytes, message, sentence, took};
pub(crate) use update::{PhaseChange, Update, Updates};
