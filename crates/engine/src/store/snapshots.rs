//! Rows of snapshots. A name is a snapshot's own; the database keeps it so.

use rusqlite::{OptionalExtension, params};
use slipway_wire::{Code, Problem, SnapshotId};

use super::{Store, storage};
use crate::snapshot::SnapshotRecord;

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS snapshot (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_at_ms INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
";

fn text_of(record: &SnapshotRecord) -> Result<String, Problem> {
    serde_json::to_string(record)
        .map_err(|e| Problem::new(Code::Internal, format!("A snapshot's row could not be written: {e}.")))
}

/// False: the database refused it for a name or an id that is taken.
fn unless_taken(done: Result<usize, rusqlite::Error>) -> Result<bool, Problem> {
    match done {
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => Ok(false),
        other => other.map(|_| true).map_err(storage("saving a snapshot")),
    }
}

impl Store {
    /// Writes a new row. False: its name or id is taken.
    pub(crate) fn snapshot_add(&self, record: &SnapshotRecord) -> Result<bool, Problem> {
        let add = "INSERT INTO snapshot (id, name, created_at_ms, record) VALUES (?1, ?2, ?3, ?4)";
        let seed = &record.seed;
        let row = params![record.id.as_str(), seed.name, seed.created_at_ms.cast_signed(), text_of(record)?];
        unless_taken(self.connection().execute(add, row))
    }

    /// Writes a row that is there anew; one that is gone stays gone. False: the name is taken.
    pub(crate) fn snapshot_save(&self, record: &SnapshotRecord) -> Result<bool, Problem> {
        let save = "UPDATE snapshot SET name = ?2, record = ?3 WHERE id = ?1";
        let row = params![record.id.as_str(), record.seed.name, text_of(record)?];
        unless_taken(self.connection().execute(save, row))
    }

    /// Forgets a snapshot.
    pub(crate) fn snapshot_remove(&self, id: &SnapshotId) -> Result<(), Problem> {
        let done = self.connection().execute("DELETE FROM snapshot WHERE id = ?1", [id.as_str()]);
        done.map(|_| ()).map_err(storage("deleting a snapshot"))
    }

    /// One snapshot.
    pub(crate) fn snapshot(&self, id: &SnapshotId) -> Result<Option<SnapshotRecord>, Problem> {
        let doing = storage("reading a snapshot");
        let find = "SELECT record FROM snapshot WHERE id = ?1";
        let text: Option<String> =
            self.connection().query_row(find, [id.as_str()], |row| row.get(0)).optional().map_err(doing)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|e| {
                Problem::new(Code::Storage, format!("The row of the snapshot {id} cannot be read."))
                    .hint("A newer Slipway may have written it; use that one.")
                    .detail(e.to_string())
            })
        })
        .transpose()
    }

    /// Every snapshot, newest first. A row that cannot be read is skipped and told.
    pub(crate) fn snapshots(&self) -> Result<Vec<SnapshotRecord>, Problem> {
        let doing = storage("reading snapshots");
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT id, record FROM snapshot ORDER BY created_at_ms DESC, id")
            .map_err(&doing)?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(&doing)?;
        let mut all = Vec::new();
        for row in rows {
            let (id, text) = row.map_err(&doing)?;
            match serde_json::from_str(&text) {
                Ok(record) => all.push(record),
                Err(e) => {
                    tracing::error!(%id, error = %e, "a snapshot's row cannot be read; it is left as it is");
                }
            }
        }
        Ok(all)
    }

    /// Whether there is a row, readable or not.
    pub(crate) fn snapshot_known(&self, id: &SnapshotId) -> Result<bool, Problem> {
        let find = "SELECT 1 FROM snapshot WHERE id = ?1";
        let known = self.connection().query_row(find, [id.as_str()], |_| Ok(())).optional();
        known.map(|known| known.is_some()).map_err(storage("reading a snapshot"))
    }

    /// Whether a name is taken.
    pub(crate) fn snapshot_named(&self, name: &str) -> Result<bool, Problem> {
        let find = "SELECT 1 FROM snapshot WHERE name = ?1";
        let known = self.connection().query_row(find, [name], |_| Ok(())).optional();
        known.map(|known| known.is_some()).map_err(storage("reading a snapshot"))
    }

    /// How many there are.
    pub(crate) fn snapshot_count(&self) -> Result<u64, Problem> {
        let count =
            self.connection().query_row("SELECT count(*) FROM snapshot", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(storage("counting snapshots"))
    }
}
