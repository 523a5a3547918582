//! Deploying: what a zip or folder holds, and the phases that bring it to life.

mod intake;
mod job;
mod run;
mod upload;
mod wishes;

pub(crate) use intake::{Intake, inspect, intake_limits, plan_view};
pub(crate) use job::{Job, cancelled, hang_up, stop_process};
pub(crate) use run::{
    Ended, HEALTH_TAG, Printed, app_tag, exit_view, followed, how_ended, output, role_of, watch_app,
};
pub use upload::UnpackSummary;
pub(crate) use upload::{Take, unpack};
pub(crate) use wishes::{check_env, check_root};
