//! Freezing a container and letting it go on. Its processes notice nothing but that time has passed.

use super::{Docker, is_missing, problem, status_of};
use slipway_wire::Problem;

impl Docker {
    /// Freezes everything in a container. One that is frozen already is fine.
    pub(crate) async fn pause(&self, container: &str) -> Result<(), Problem> {
        match self.api.pause_container(container).await {
            Err(e) if status_of(&e) == Some(409) && e.to_string().contains("already paused") => Ok(()),
            Err(e) => Err(problem("pausing the container", &e)),
            Ok(()) => Ok(()),
        }
    }

    /// Lets a container go on. One that is not frozen, or gone, is fine.
    pub(crate) async fn unpause(&self, container: &str) -> Result<(), Problem> {
        match self.api.unpause_container(container).await {
            Err(e) if is_missing(&e) => Ok(()),
            Err(e) if e.to_string().contains("is not paused") || e.to_string().contains("not running") => {
                Ok(())
            }
            Err(e) => Err(problem("resuming the container", &e)),
            Ok(()) => Ok(()),
        }
    }
}
