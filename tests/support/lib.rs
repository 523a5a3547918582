//! What the tests share: waiting with a deadline, projects as zips, what Docker holds of ours, and the app under a
//! display of its own. Nothing here knows what a test wants to prove.

pub mod app;
pub mod clock;
pub mod containers;
pub mod deadline;
pub mod display;
pub mod engine;
pub mod fixtures;
pub mod private_engine;
pub mod process;
pub mod project;
pub mod registry;
pub mod small_disk;
pub mod socket_proxy;

pub use deadline::wait_until;

use anyhow::{Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The checkout.
pub fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests lie in the checkout")?.to_owned())
}

/// A program built from this checkout: `variable` says where, or it lies where this test's own folder is.
pub fn built(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(given) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(given.into());
    }
    let own = env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("a test program lies in deps")?;
    let program = folder.join(name);
    anyhow::ensure!(
        program.is_file(),
        "{} is not built: `./dev test` builds it, or set {variable}",
        program.display()
    );
    Ok(program)
}
