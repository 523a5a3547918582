//! The tables, and bringing an older database up to date. Each step is one transaction that ends with the number it
//! leads to, so a crash in the middle leaves the older one whole.

use rusqlite::Connection;

/// What a new database begins with; an old one has it already.
const FIRST: &str = "
    CREATE TABLE IF NOT EXISTS workspace (
        id TEXT PRIMARY KEY,
        deleted INTEGER NOT NULL DEFAULT 0,
        created_at_ms INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS message (
        workspace TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_by_workspace ON message (workspace, at_ms);
    CREATE TABLE IF NOT EXISTS pool (
        member TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        claimed_by TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
";

/// What a listing shows, filters and sorts by, apart from the records: those are kilobytes each, these rows are narrow,
/// and ten thousand of them are read in milliseconds. Text states sort by `life`; a lease without an end sorts last.
const LISTING: &str = "
    CREATE TABLE listing (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        life INTEGER NOT NULL,
        health TEXT NOT NULL,
        image TEXT NOT NULL,
        url TEXT,
        why TEXT,
        created_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL,
        remaining_ms INTEGER,
        deleted_at_ms INTEGER
    ) STRICT;
    CREATE INDEX listing_by_created ON listing (created_at_ms, id);
    CREATE INDEX listing_by_name ON listing (name COLLATE NOCASE, id);
    CREATE INDEX listing_by_life ON listing (life, id);
    CREATE INDEX listing_by_expires ON listing (expires_at_ms, id);
    CREATE INDEX listing_by_deleted ON listing (deleted_at_ms) WHERE state = 'deleted';
    PRAGMA user_version = 2;
";

/// Makes the tables, or what is missing of them.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version >= 2 {
        return Ok(());
    }
    let change = connection.transaction()?;
    change.execute_batch(FIRST)?;
    change.execute_batch(LISTING)?;
    let records: Vec<String> = {
        let mut all = change.prepare("SELECT record FROM workspace")?;
        all.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for text in records {
        // One that cannot be read is left as it is, as everywhere.
        if let Ok(record) = serde_json::from_str(&text) {
            super::listing::put(&change, &record)?;
        }
    }
    change.commit()
}
