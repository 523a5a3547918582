//! A day of figures per workspace: one row a minute, replaced when a clock that was set back comes by again.

use rusqlite::params;
use slipway_wire::{Problem, Sample, WorkspaceId};

use super::{Store, storage};

/// Rows kept per workspace: 24 hours.
const KEPT: i64 = 24 * 60;
const MINUTE_MS: u64 = 60_000;

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS usage_minute (
        workspace TEXT NOT NULL,
        minute INTEGER NOT NULL,
        sample TEXT NOT NULL,
        PRIMARY KEY (workspace, minute)
    ) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Keeps a minute of a workspace and drops what is older than a day, also of workspaces that are gone.
    pub(crate) fn add_usage(&self, workspace: &WorkspaceId, sample: &Sample) -> Result<(), Problem> {
        let doing = storage("saving figures");
        let text = serde_json::to_string(sample).map_err(|e| {
            Problem::new(slipway_wire::Code::Internal, format!("A figure could not be written: {e}."))
        })?;
        let minute = (sample.at_ms / MINUTE_MS).cast_signed();
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(&doing)?;
        transaction
            .execute(
                "INSERT INTO usage_minute VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET sample = ?3",
                params![workspace.as_str(), minute, text],
            )
            .map_err(&doing)?;
        transaction
            .execute(
                "DELETE FROM usage_minute WHERE workspace = ?1 AND minute <= ?2",
                params![workspace.as_str(), minute - KEPT],
            )
            .map_err(&doing)?;
        // Of a clock that was set back, the future that no longer comes.
        transaction
            .execute(
                "DELETE FROM usage_minute WHERE workspace = ?1 AND minute > ?2",
                params![workspace.as_str(), minute + KEPT],
            )
            .map_err(&doing)?;
        transaction.commit().map_err(&doing)
    }

    /// The minutes of a workspace that ended at `from_ms` or later, oldest first.
    pub(crate) fn usage_since(&self, workspace: &WorkspaceId, from_ms: u64) -> Result<Vec<Sample>, Problem> {
        let doing = storage("reading figures");
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT sample FROM usage_minute WHERE workspace = ?1 AND minute >= ?2 ORDER BY minute LIMIT ?3",
            )
            .map_err(&doing)?;
        let from = (from_ms / MINUTE_MS).cast_signed();
        let rows = statement
            .query_map(params![workspace.as_str(), from, KEPT], |row| row.get::<_, String>(0))
            .map_err(&doing)?;
        let texts: Result<Vec<String>, _> = rows.collect();
        // A row of another version that cannot be read is a minute that is missing.
        Ok(texts.map_err(&doing)?.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Drops the figures of a workspace.
    pub(crate) fn forget_usage(&self, workspace: &WorkspaceId) -> Result<(), Problem> {
        self.connection()
            .execute("DELETE FROM usage_minute WHERE workspace = ?1", [workspace.as_str()])
            .map(|_| ())
            .map_err(storage("forgetting figures"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: u64) -> Sample {
        Sample {
            at_ms: minute * MINUTE_MS,
            span_ms: MINUTE_MS,
            cpu_percent: 1.5,
            cpu_max_percent: 99.0,
            memory_bytes: minute,
            memory_max_bytes: minute,
            processes: 1,
            received_bytes: 0,
            sent_bytes: 0,
            disk_bytes: None,
        }
    }

    #[test]
    fn a_day_is_kept_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let (shop, docs) = ("shop".parse().unwrap(), "docs".parse().unwrap());
        for minute in 1..=1500 {
            store.add_usage(&shop, &sample(minute)).unwrap();
        }
        store.add_usage(&docs, &sample(1)).unwrap();
        let kept = store.usage_since(&shop, 0).unwrap();
        assert_eq!((kept.len(), kept[0].memory_bytes, kept[1439].memory_bytes), (1440, 61, 1500));
        assert_eq!(kept[0], sample(61));
        assert_eq!(store.usage_since(&shop, 1499 * MINUTE_MS).unwrap().len(), 2);
        store.forget_usage(&shop).unwrap();
        assert!(store.usage_since(&shop, 0).unwrap().is_empty());
        assert_eq!(store.usage_since(&docs, 0).unwrap().len(), 1);
    }

    #[test]
    fn a_clock_set_far_back_drops_the_future() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let shop = "shop".parse().unwrap();
        store.add_usage(&shop, &sample(9000)).unwrap();
        store.add_usage(&shop, &sample(9000)).unwrap();
        store.add_usage(&shop, &sample(100)).unwrap();
        assert_eq!(store.usage_since(&shop, 0).unwrap(), [sample(100)]);
    }
}
