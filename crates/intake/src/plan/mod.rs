//! From a checked listing to ranked run plans: what to install, build and start, and why. Data first: each language has
//! a detector, each framework a row in a table. Comes in: bounded reads of manifests. Nothing is run or guessed twice.

mod manager;
mod node;
mod node_package;
mod node_range;
mod node_tables;
mod procfile;
mod project;
mod pyproject;
mod python;
mod python_deps;
mod python_source;
mod python_tables;
mod rank;
mod slipway_file;
mod slipway_toml;
mod static_site;
mod types;
mod unknown;

use std::io::{Read, Seek};

pub use types::{Evidence, ImageChoice, Language, NamedStep, RunPlan, Start, Step};
pub use unknown::describe_unknown;

use crate::archive::ZipSource;
use crate::listing::Listing;
use crate::refusal::Refusal;

/// What detection may ask of a project: what is there, and the beginning of a file.
pub trait ProjectFiles {
    /// Everything in the project, checked.
    fn listing(&self) -> &Listing;
    /// The first `max` bytes of the regular file at `path`, `None` if there is none.
    fn read(&mut self, path: &str, max: u64) -> Result<Option<Vec<u8>>, Refusal>;
}

impl<R: Read + Seek> ProjectFiles for ZipSource<R> {
    fn listing(&self) -> &Listing {
        Self::listing(self)
    }

    fn read(&mut self, path: &str, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let max = max.min(self.limits().manifest_bytes);
        Self::read(self, path, max)
    }
}

/// Every way to run the project that is recognised, best first; at most 16. Empty if none is: say so with
/// [`describe_unknown`] and offer a shell. Refuses a `slipway.toml` that cannot be understood, and a project whose only
/// manifest cannot be.
pub fn plans(files: &mut dyn ProjectFiles) -> Result<Vec<RunPlan>, Refusal> {
    rank::plans(files)
}
