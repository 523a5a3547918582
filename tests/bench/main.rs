//! Figures, each beside its rival or its limit, measured in one run: `./dev bench [NAME]`. Prints, judges nothing, and
//! asserts nothing about time; a figure that cannot be measured is an error.

mod bare;
mod by_hand;
mod deploys;
mod figures;
mod files;
mod listing;
mod lives;
mod pool;
mod resident;
mod sync;
mod terminals;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str()));
    figures::machine();
    if chosen("deploy") {
        deploys::run().await?;
    }
    if chosen("pool") {
        pool::run().await?;
    }
    if chosen("leases") {
        lives::leases().await?;
    }
    if chosen("adoption") {
        lives::adoption().await?;
    }
    if chosen("listing") {
        listing::run().await?;
    }
    if chosen("terminal") {
        terminals::run().await?;
    }
    // Before those that remove files by the ten thousand: the file system may be slower for a minute after that.
    if chosen("sync") {
        sync::run().await?;
    }
    if chosen("large-file") {
        files::run(files::Kind::Large).await?;
    }
    if chosen("files") {
        files::run(files::Kind::Many).await?;
    }
    if chosen("idle") {
        resident::run().await?;
    }
    Ok(())
}
