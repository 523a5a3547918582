//! Comparing rows of snapshots with images, as the sweep does with containers. Takes no input.

use slipway_wire::{Problem, SnapshotId};

use super::{Seed, SnapshotRecord, Stand, free_name, mark, publish};
use crate::{docker::Docker, shared::Shared};

/// Puts right what a crash, a lost database or somebody else left. What is under way is left to whoever does it.
pub(crate) async fn reconcile(shared: &Shared, docker: &Docker) -> Result<(), Problem> {
    // Rows first: what is made meanwhile is then in the list of images and known by its row when it is looked up.
    for record in shared.store.snapshots()? {
        if !shared.snapshots.is_busy(&record.id) {
            compare(shared, docker, record).await?;
        }
    }
    let (tagged, untagged) = docker.snapshots(&shared.instance).await?;
    for id in tagged {
        if !shared.snapshots.is_busy(&id) && !shared.store.snapshot_known(&id)? {
            adopt(shared, docker, id).await?;
        }
    }
    for image in untagged {
        // An image has no tag for a moment while it is made.
        if shared.snapshots.idle() && docker.remove_image(&image).await? {
            tracing::info!(image, "removed what was left of a snapshot");
        }
    }
    Ok(())
}

async fn compare(shared: &Shared, docker: &Docker, mut record: SnapshotRecord) -> Result<(), Problem> {
    let id = record.id.clone();
    if record.stand == Stand::Removing {
        docker.remove_snapshot(&mark(shared, &id)).await?;
        shared.store.snapshot_remove(&id)?;
        publish(shared, &id);
        return Ok(());
    }
    let image = docker.snapshot(&mark(shared, &id)).await?;
    if image.is_some() {
        shared.snapshots.found(&id);
    }
    match (record.stand, image) {
        (Stand::Ready, Some(_)) | (Stand::Gone, None) | (Stand::Removing, _) => return Ok(()),
        (Stand::Making | Stand::Gone, Some(image)) => {
            tracing::info!(snapshot = %id, "a snapshot's image is there after all");
            record.stand = Stand::Ready;
            record.bytes = image.bytes;
        }
        (Stand::Ready, None) => {
            tracing::warn!(snapshot = %id, "a snapshot's image was removed by something else");
            record.stand = Stand::Gone;
        }
        // The daemon may still be making what a killed owner asked it for: the next look decides.
        (Stand::Making, None) if !shared.snapshots.missing_again(&id) => return Ok(()),
        (Stand::Making, None) => {
            shared.store.snapshot_remove(&id)?;
            publish(shared, &id);
            return Ok(());
        }
    }
    shared.store.snapshot_save(&record)?;
    publish(shared, &id);
    Ok(())
}

/// An image with all our labels and our tag, and no row: the row was lost.
async fn adopt(shared: &Shared, docker: &Docker, id: SnapshotId) -> Result<(), Problem> {
    let Some(image) = docker.snapshot(&mark(shared, &id)).await? else { return Ok(()) };
    let mut seed = match Seed::read(&image.seed) {
        Ok(seed) => seed,
        Err(problem) => {
            tracing::warn!(snapshot = %id, %problem, "an image says it is a snapshot of ours; it is left as it is");
            return Ok(());
        }
    };
    tracing::info!(snapshot = %id, "adopting a snapshot the database does not know");
    seed.name = free_name(shared, &seed.name)?;
    let record = SnapshotRecord {
        id: id.clone(),
        stand: Stand::Ready,
        seed,
        bytes: image.bytes,
        env: std::collections::BTreeMap::new(),
        check: None,
    };
    if shared.store.snapshot_add(&record)? {
        publish(shared, &id);
    }
    Ok(())
}
