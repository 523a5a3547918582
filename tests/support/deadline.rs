//! Waiting for a level, never for a time.

use anyhow::{Context, Result};
use std::{
    future::Future,
    time::{Duration, Instant},
};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives a value, and says what was awaited when `deadline` has passed. An error
/// from `look` counts as "not yet"; the last one is told at the end.
pub async fn wait_until<T, L, F>(what: &str, deadline: Duration, mut look: L) -> Result<T>
where
    L: FnMut() -> F,
    F: Future<Output = Result<Option<T>>>,
{
    let begun = Instant::now();
    loop {
        let last = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if begun.elapsed() >= deadline {
            let error = last.unwrap_or_else(|| anyhow::anyhow!("it did not happen"));
            return Err(error).with_context(|| format!("waited {deadline:?} for {what}"));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
