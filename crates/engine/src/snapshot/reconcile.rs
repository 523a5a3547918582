//! Comparing rows of snapshots with images, as the sweep does with containers. Takes no input.

use slipway_wire::{Problem, SnapshotId};

use super::{Seed, SnapshotRecord, Stand, free_name, mark, publish};
use crate::{
    docker::{Docker, SNAPSHOT_PATIENCE},
    shared::Shared,
};

/// Puts right what a crash, a lost database or somebody else left. What is under way is left to whoever does it.
pub(crate) async fn reconcile(shared: &Shared, docker: &Docker) -> Result<(), Problem> {
    // Rows first: what is made meanwhile is then in the list of images and known by its row when it is looked up.
    let rows = shared.store.snapshots()?;
    let (tagged, untagged) = docker.snapshots(&shared.instance).await?;
    for record in rows {
        compare(shared, docker, &record.id, &untagged).await?;
    }
    for id in tagged {
        if !shared.snapshots.is_busy(&id) && !shared.store.snapshot_known(&id)? {
            adopt(shared, docker, id).await?;
        }
    }
    Ok(())
}

async fn compare(
    shared: &Shared,
    docker: &Docker,
    id: &SnapshotId,
    untagged: &[(SnapshotId, String)],
) -> Result<(), Problem> {
    if shared.snapshots.is_busy(id) {
        return Ok(());
    }
    let image = docker.snapshot(&mark(shared, id)).await?;
    // The row as it is now: nothing is waited for between here and writing it.
    let record = shared.store.snapshot(id)?.filter(|_| !shared.snapshots.is_busy(id));
    let Some(mut record) = record else { return Ok(()) };
    if image.is_some() {
        shared.snapshots.found(id);
    }
    match (record.stand, image) {
        (Stand::Ready, Some(_)) | (Stand::Gone, None) => return Ok(()),
        (Stand::Making | Stand::Gone, Some(image)) => {
            tracing::info!(snapshot = %id, "a snapshot's image is there after all");
            record.stand = Stand::Ready;
            record.bytes = image.bytes;
        }
        (Stand::Ready, None) => {
            tracing::warn!(snapshot = %id, "a snapshot's image was removed by something else");
            record.stand = Stand::Gone;
        }
        // The daemon may still be making what a killed owner asked it for, and only the row has its environment.
        (Stand::Making, None) if !is_given_up(shared, &record) => return Ok(()),
        (Stand::Making, None) | (Stand::Removing, _) => {
            return forget(shared, docker, &record, untagged).await;
        }
    }
    shared.store.snapshot_save(&record)?;
    publish(shared, id);
    Ok(())
}

/// Whether the daemon has had all the time it may take to make it.
fn is_given_up(shared: &Shared, record: &SnapshotRecord) -> bool {
    let now = shared.config.clock.now_ms();
    let seen = shared.snapshots.missing_since(&record.id, now);
    // An imported one says when it was taken, elsewhere.
    let begun = if record.seed.imported { seen } else { seen.min(record.seed.created_at_ms) };
    u128::from(now.saturating_sub(begun)) >= SNAPSHOT_PATIENCE.as_millis()
}

async fn forget(
    shared: &Shared,
    docker: &Docker,
    record: &SnapshotRecord,
    untagged: &[(SnapshotId, String)],
) -> Result<(), Problem> {
    // An image without a tag is only ours when its row says that it was never finished: somebody may have built upon a
    // snapshot, and what is built inherits its labels.
    let unfinished = untagged.iter().filter(|(id, _)| *id == record.id && record.bytes == 0);
    for (id, image) in unfinished {
        if docker.remove_image(image).await? {
            tracing::info!(snapshot = %id, image, "removed what was left of a snapshot");
        }
    }
    docker.remove_snapshot(&mark(shared, &record.id)).await?;
    shared.store.snapshot_remove(&record.id)?;
    shared.snapshots.found(&record.id);
    publish(shared, &record.id);
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
