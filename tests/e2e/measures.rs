//! What the app costs with a page in its preview: memory of every process it has, and the processor while nobody does
//! anything.

use anyhow::{Result, ensure};
use slipway_tests::{app::App, process, project};
use std::time::{Duration, Instant};

use crate::hand::{SOON, wait_until_ready};

const MEMORY: u64 = 400_000_000;
const IDLE_SHARE: f64 = 0.005;

/// How long idleness is watched: a minute, as the bar has it, when the long tests run; else long enough to see a spin.
fn watched() -> Duration {
    if std::env::var_os("SLIPWAY_STRESS").is_some() {
        Duration::from_mins(1)
    } else {
        Duration::from_secs(15)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_with_its_preview_is_small_and_idle() -> Result<()> {
    let folder = project::sample("static")?;
    App::run("measures", &[&folder], async |app| {
        wait_until_ready(app, Duration::from_mins(1)).await?;
        app.preview_shows("The sky is open", SOON).await?;
        // The sample's own sky twinkles; an empty page does not.
        app.script("document.body.innerHTML = '<p>still</p>'; for (let n = 0; n < 9999; n++) cancelAnimationFrame(n)")
            .await?;
        let family = process::family(app.pid()?);
        let memory = process::proportional_memory(&family)?;
        for one in &family {
            let own = process::proportional_memory(std::slice::from_ref(one))?;
            println!("{:>7} kB {}", own / 1024, one.name);
        }
        println!("memory of {} processes: {} MB", family.len(), memory / 1_000_000);
        ensure!(memory < MEMORY, "{} MB are over the bound", memory / 1_000_000);

        // Just after a page was shown the engines still tidy up.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (before, begun) = (process::processor_time(&process::family(app.pid()?)), Instant::now());
        tokio::time::sleep(watched()).await;
        let used = process::processor_time(&process::family(app.pid()?)).saturating_sub(before);
        let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("processor while idle: {:.2} % of one core", share * 100.0);
        ensure!(share < IDLE_SHARE, "{:.2} % of a core while nobody does anything", share * 100.0);
        Ok(())
    })
    .await
}
