//! What the app costs with a page in its preview: memory of every process it has, and the processor while nobody does
//! anything.

use anyhow::{Result, ensure};
use slipway_tests::{app::App, process};
use std::time::{Duration, Instant};

use crate::hand::{SOON, wait_until_ready};

const MEMORY: u64 = 400_000_000;
const IDLE_SHARE: f64 = 0.005;

/// The long tests hold the figures to their bars. Otherwise they are printed: what else the machine does is not the
/// app's fault.
fn strict() -> bool {
    std::env::var_os("SLIPWAY_STRESS").is_some()
}

/// How long idleness is watched: a minute, as the bar has it, when the long tests run; else long enough to see a spin.
fn watched() -> Duration {
    if strict() { Duration::from_mins(1) } else { Duration::from_secs(15) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_with_its_preview_is_small_and_idle() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("index.html"),
        "<!doctype html><title>Still</title><h1>Nothing moves here</h1>",
    )?;
    App::run("measures", &[folder.path()], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("Nothing moves here", SOON).await?;
        let family = process::family(app.pid()?);
        let memory = process::proportional_memory(&family)?;
        for one in &family {
            let own = process::proportional_memory(std::slice::from_ref(one))?;
            println!("{:>7} kB {}", own / 1024, one.name);
        }
        println!("memory of {} processes: {} MB", family.len(), memory / 1_000_000);
        ensure!(!strict() || memory < MEMORY, "{} MB are over the bound", memory / 1_000_000);

        // Just after a page was shown the engines still tidy up.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (before, begun) = (process::family(app.pid()?), Instant::now());
        tokio::time::sleep(watched()).await;
        let after = process::family(app.pid()?);
        for one in &after {
            let own = |list: &[process::Process]| {
                let same: Vec<_> = list.iter().filter(|p| p.pid == one.pid).cloned().collect();
                process::processor_time(&same)
            };
            println!("{:>7} ms {}", (own(&after).saturating_sub(own(&before))).as_millis(), one.name);
        }
        let used = process::processor_time(&after).saturating_sub(process::processor_time(&before));
        let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("processor while idle: {:.2} % of one core", share * 100.0);
        ensure!(
            !strict() || share < IDLE_SHARE,
            "{:.2} % of a core while nobody does anything",
            share * 100.0
        );
        Ok(())
    })
    .await
}
