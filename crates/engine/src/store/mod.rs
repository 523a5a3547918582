//! What is *intended*, kept in `SQLite`: workspaces and their messages. (What *exists* is said by Docker's labels.)
//! Every call is one short transaction; nothing here knows what the records mean.

mod listing;
mod schema;
mod snapshots;
mod sync_intents;
mod syncs;
mod terminals;
mod usage;

use rusqlite::{Connection, OptionalExtension, params};
use slipway_wire::{Code, Event, Problem, WorkspaceId, WorkspacePage, WorkspaceQuery};
use std::{
    fs, io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::workspace::Record;

/// Messages kept per workspace.
const MESSAGES: i64 = 500;
/// Messages kept of a deleted one.
const LAST_WORDS: i64 = 50;

/// The database.
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

fn storage(doing: &'static str) -> impl Fn(rusqlite::Error) -> Problem {
    move |e| {
        let full = matches!(e.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        let code = if full { Code::DiskFull } else { Code::Storage };
        let what =
            if full { "The disk with Slipway's data is full" } else { "Slipway's data cannot be used" };
        Problem::new(code, format!("{what} ({doing})."))
            .hint("Free some space and see that Slipway's data folder belongs to you; `slipway doctor` shows where it is.")
            .detail(e.to_string())
    }
}

impl Store {
    /// Opens or makes the database. A damaged one is set aside, not deleted, and a new one begun; gives its new name
    /// then.
    pub(crate) fn open(data_dir: &Path) -> Result<(Self, Option<String>), Problem> {
        let path = data_dir.join("slipway.db");
        match Self::try_open(&path) {
            Ok(store) => Ok((store, None)),
            Err(e)
                if matches!(
                    e.sqlite_error_code(),
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
                ) =>
            {
                let aside = data_dir.join("slipway.db.damaged");
                for suffix in ["", "-wal", "-shm"] {
                    let from = data_dir.join(format!("slipway.db{suffix}"));
                    match fs::rename(&from, format!("{}{suffix}", aside.display())) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => {
                            return Err(Problem::new(
                                Code::Storage,
                                "Slipway's damaged database cannot be set aside.",
                            )
                            .hint("See that Slipway's data folder belongs to you.")
                            .detail(e.to_string()));
                        }
                        _ => {}
                    }
                }
                let store = Self::try_open(&path).map_err(storage("opening the database"))?;
                Ok((store, Some(aside.display().to_string())))
            }
            Err(e) => Err(storage("opening the database")(e)),
        }
    }

    fn try_open(path: &Path) -> Result<Self, rusqlite::Error> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        schema::bring_up_to_date(&mut connection)?;
        // Claims that a crash cut short: the sweep finds their containers.
        connection.execute("DELETE FROM pool WHERE claimed_by IS NOT NULL", [])?;
        connection.execute_batch(usage::SCHEMA)?;
        connection.execute_batch(snapshots::SCHEMA)?;
        connection.execute_batch(syncs::SCHEMA)?;
        connection.execute_batch(terminals::SCHEMA)?;
        connection.execute_batch(sync_intents::SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic cannot leave SQLite half-written: every change is a transaction.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a workspace's record.
    pub(crate) fn save(&self, record: &Record) -> Result<(), Problem> {
        let text = serde_json::to_string(record)
            .map_err(|e| Problem::new(Code::Internal, format!("A workspace could not be written: {e}.")))?;
        let view = &record.view;
        let deleted = view.state == slipway_wire::WorkspaceState::Deleted;
        let mut connection = self.connection();
        let saved = connection.transaction().and_then(|change| {
            change
                .prepare_cached(
                    "INSERT INTO workspace (id, deleted, created_at_ms, record) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET deleted = ?2, record = ?4",
                )?
                .execute(params![view.id.as_str(), deleted, view.created_at_ms.cast_signed(), text])?;
            listing::put(&change, record)?;
            if deleted {
                listing::forget_old(&change, record.deleted_at_ms.unwrap_or(0), view.id.as_str())?;
            }
            change.commit()
        });
        saved.map_err(storage("saving a workspace"))
    }

    /// A page of what is known, deleted ones included where they are asked for.
    pub(crate) fn query(&self, query: &WorkspaceQuery, now_ms: u64) -> Result<WorkspacePage, Problem> {
        let asked = listing::Asked::check(query)?;
        listing::page(&self.connection(), &asked, now_ms).map_err(storage("listing workspaces"))
    }

    /// Every workspace that is not deleted, oldest first. A record that cannot be read is skipped and told.
    pub(crate) fn live(&self) -> Result<Vec<Record>, Problem> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT id, record FROM workspace WHERE deleted = 0 ORDER BY created_at_ms")
            .map_err(storage("reading workspaces"))?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(storage("reading workspaces"))?;
        let mut records = Vec::new();
        for row in rows {
            let (id, text) = row.map_err(storage("reading workspaces"))?;
            match serde_json::from_str(&text) {
                Ok(record) => records.push(record),
                Err(e) => {
                    tracing::error!(%id, error = %e, "a workspace's record cannot be read; it is left as it is");
                }
            }
        }
        Ok(records)
    }

    /// A deleted workspace that is still remembered.
    pub(crate) fn deleted(&self, id: &WorkspaceId) -> Result<Option<Record>, Problem> {
        let text: Option<String> = self
            .connection()
            .query_row("SELECT record FROM workspace WHERE id = ?1 AND deleted = 1", [id.as_str()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(storage("reading a workspace"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps a message of a workspace.
    pub(crate) fn add_message(&self, workspace: &WorkspaceId, event: &Event) -> Result<(), Problem> {
        let text = serde_json::to_string(event)
            .map_err(|e| Problem::new(Code::Internal, format!("A message could not be written: {e}.")))?;
        let connection = self.connection();
        connection
            .execute(
                "INSERT INTO message (workspace, seq, at_ms, event) VALUES (?1, ?2, ?3, ?4)",
                params![workspace.as_str(), event.seq.cast_signed(), event.at_ms.cast_signed(), text],
            )
            .map_err(storage("saving a message"))?;
        connection
            .execute(
                "DELETE FROM message WHERE workspace = ?1 AND rowid <=
                 (SELECT max(rowid) FROM message WHERE workspace = ?1) - ?2",
                params![workspace.as_str(), MESSAGES * 4],
            )
            .map_err(storage("saving a message"))?;
        Ok(())
    }

    /// Writes that a member of the warm pool is about to be made.
    pub(crate) fn pool_add(&self, member: &WorkspaceId, key: &str) -> Result<(), Problem> {
        let add = "INSERT INTO pool (member, key) VALUES (?1, ?2)";
        self.connection().execute(add, params![member.as_str(), key]).map_err(storage("filling the pool"))?;
        Ok(())
    }

    /// Gives a member to a workspace. False: it was given before, or there is none.
    pub(crate) fn pool_claim(&self, member: &WorkspaceId, workspace: &WorkspaceId) -> Result<bool, Problem> {
        let swap = "UPDATE pool SET claimed_by = ?2 WHERE member = ?1 AND claimed_by IS NULL";
        let changed = self
            .connection()
            .execute(swap, [member.as_str(), workspace.as_str()])
            .map_err(storage("claiming a container"))?;
        Ok(changed == 1)
    }

    /// Forgets a member.
    pub(crate) fn pool_remove(&self, member: &WorkspaceId) -> Result<(), Problem> {
        self.connection()
            .execute("DELETE FROM pool WHERE member = ?1", [member.as_str()])
            .map_err(storage("emptying the pool"))?;
        Ok(())
    }

    /// Forgets the claim of a workspace whose own row names the container by now.
    pub(crate) fn pool_settled(&self, workspace: &WorkspaceId) -> Result<(), Problem> {
        self.connection()
            .execute("DELETE FROM pool WHERE claimed_by = ?1", [workspace.as_str()])
            .map_err(storage("claiming a container"))?;
        Ok(())
    }

    /// Whether a member is known, claimed or not.
    pub(crate) fn pool_has(&self, member: &WorkspaceId) -> Result<bool, Problem> {
        let known: Option<i64> = self
            .connection()
            .query_row("SELECT 1 FROM pool WHERE member = ?1", [member.as_str()], |row| row.get(0))
            .optional()
            .map_err(storage("reading the pool"))?;
        Ok(known.is_some())
    }

    /// The workspace whose row names this container, if one does that is not deleted.
    pub(crate) fn holder(&self, container: &str) -> Result<Option<WorkspaceId>, Problem> {
        let id: Option<String> = self
            .connection()
            .query_row(
                "SELECT id FROM workspace WHERE deleted = 0 AND record ->> 'container' = ?1",
                [container],
                |row| row.get(0),
            )
            .optional()
            .map_err(storage("looking for a container"))?;
        id.map(|id| id.parse()).transpose()
    }

    /// Members nobody claimed, with their keys.
    pub(crate) fn pool_free(&self) -> Result<Vec<(WorkspaceId, String)>, Problem> {
        let connection = self.connection();
        let reading = storage("reading the pool");
        let mut statement =
            connection.prepare("SELECT member, key FROM pool WHERE claimed_by IS NULL").map_err(&reading)?;
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).map_err(&reading)?;
        let mut free = Vec::new();
        for row in rows {
            let (member, key) = row.map_err(&reading)?;
            free.push((member.parse()?, key));
        }
        Ok(free)
    }

    /// The latest messages of a workspace, oldest first.
    pub(crate) fn messages(&self, workspace: &WorkspaceId) -> Result<Vec<Event>, Problem> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT event FROM (SELECT rowid, event FROM message WHERE workspace = ?1 ORDER BY rowid DESC LIMIT ?2)
                 ORDER BY rowid",
            )
            .map_err(storage("reading messages"))?;
        let rows = statement
            .query_map(params![workspace.as_str(), MESSAGES], |row| row.get::<_, String>(0))
            .map_err(storage("reading messages"))?;
        let texts: Result<Vec<String>, _> = rows.collect();
        let texts = texts.map_err(storage("reading messages"))?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// A small value of our own.
    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>, Problem> {
        self.connection()
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(storage("reading the database"))
    }

    /// Keeps a small value of our own.
    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Result<(), Problem> {
        self.connection()
            .execute(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                [key, value],
            )
            .map(|_| ())
            .map_err(storage("writing the database"))
    }
}

/// The identity of a data directory, made once. A file of its own, so that a lost database does not lose it: the
/// containers it labels are found again.
pub(crate) fn instance_id(data_dir: &Path) -> Result<String, Problem> {
    let known = |bytes: &[u8]| {
        let text = str::from_utf8(bytes).ok()?;
        let good = text.len() == 16 && text.chars().all(|c| c.is_ascii_alphanumeric());
        good.then(|| text.to_owned())
    };
    let id = || {
        std::iter::repeat_with(|| if fastrand::bool() { fastrand::lowercase() } else { fastrand::digit(10) })
            .take(16)
            .collect()
    };
    kept(data_dir, "instance", known, || Ok(id()))
}

/// The data directory's secret: 32 random bytes, made once and kept in a file that only its owner reads.
///
/// # Errors
///
/// The directory cannot be used, or there is no randomness.
pub(crate) fn secret(data_dir: &Path) -> Result<[u8; 32], Problem> {
    let make = || {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map(|()| secret).map_err(io::Error::other)
    };
    kept(data_dir, "secret", |bytes| bytes.try_into().ok(), make)
}

/// What a small file of the data directory holds. Where there is none, or one that is not `known`, it is made.
fn kept<T: AsRef<[u8]>>(
    data_dir: &Path,
    name: &str,
    known: impl Fn(&[u8]) -> Option<T>,
    make: impl Fn() -> io::Result<T>,
) -> Result<T, Problem> {
    let path = data_dir.join(name);
    let written = || {
        let value = make()?;
        // Read by nobody else, and there whole or not at all.
        let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
        io::Write::write_all(&mut file, value.as_ref())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(value)
    };
    let found = match fs::read(&path) {
        Ok(bytes) => known(&bytes).map_or_else(written, Ok),
        Err(e) if e.kind() == io::ErrorKind::NotFound => written(),
        Err(e) => Err(e),
    };
    found.map_err(|e| {
        Problem::new(Code::Storage, format!("Slipway's data folder {} cannot be used.", data_dir.display()))
            .hint(
                "See that it belongs to you, is not read-only and has room; SLIPWAY_DATA_DIR names another.",
            )
            .detail(e.to_string())
    })
}

#[cfg(test)]
mod tests;
