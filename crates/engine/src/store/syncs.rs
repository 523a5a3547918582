//! Rows of live syncs, and what both sides of each were last known to hold, a row a path. Only what changed is written,
//! in one transaction with what it belongs to.

use rusqlite::{OptionalExtension, params};
use slipway_mirror::{Node, RelPath};
use slipway_wire::{Code, Problem, SyncId, WorkspaceId};
use std::collections::BTreeMap;

use super::{Store, storage, sync_intents};
use crate::sync::{Agreed, Intents, SyncRecord};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sync (
        id TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS sync_path (
        sync TEXT NOT NULL,
        path BLOB NOT NULL,
        agreed BLOB NOT NULL,
        PRIMARY KEY (sync, path)
    ) STRICT, WITHOUT ROWID;
";

/// One byte says what it is; a digest or a target follows.
pub(super) fn encoded(agreed: &Agreed) -> Vec<u8> {
    match agreed {
        Agreed::Kept => b"k".to_vec(),
        Agreed::Same(Node::Folder) => b"d".to_vec(),
        Agreed::Same(Node::File { digest, executable }) => {
            [if *executable { b"x" } else { b"f" }, &digest[..]].concat()
        }
        Agreed::Same(Node::Link { target }) => [b"l", &target[..]].concat(),
    }
}

pub(super) fn decoded(bytes: &[u8]) -> Option<Agreed> {
    let (kind, rest) = bytes.split_first()?;
    Some(match kind {
        b'k' => Agreed::Kept,
        b'd' => Agreed::Same(Node::Folder),
        b'x' | b'f' => Agreed::Same(Node::File { digest: rest.try_into().ok()?, executable: *kind == b'x' }),
        b'l' => Agreed::Same(Node::Link { target: rest.to_vec() }),
        _ => return None,
    })
}

impl Store {
    /// Writes a sync's row.
    pub(crate) fn sync_save(&self, record: &SyncRecord) -> Result<(), Problem> {
        let text = serde_json::to_string(record)
            .map_err(|e| Problem::new(Code::Internal, format!("A sync could not be written: {e}.")))?;
        let save = "INSERT INTO sync VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET record = ?3";
        let row = params![record.id.as_str(), record.workspace.as_str(), text];
        self.connection().execute(save, row).map(drop).map_err(storage("saving a sync"))
    }

    /// One sync's row. One that cannot be read is as none: its folders are compared anew.
    pub(crate) fn sync(&self, id: &SyncId) -> Result<Option<SyncRecord>, Problem> {
        let find = "SELECT record FROM sync WHERE id = ?1";
        let text: Option<String> = self
            .connection()
            .query_row(find, [id.as_str()], |row| row.get(0))
            .optional()
            .map_err(storage("reading a sync"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Every sync that is under way.
    pub(crate) fn syncs_under_way(&self) -> Result<Vec<SyncRecord>, Problem> {
        let doing = storage("reading syncs");
        let connection = self.connection();
        let mut all = connection.prepare("SELECT record FROM sync ORDER BY id").map_err(&doing)?;
        let texts = all.query_map([], |row| row.get::<_, String>(0)).map_err(&doing)?;
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(&doing)?;
        let records = texts.iter().filter_map(|text| serde_json::from_str::<SyncRecord>(text).ok());
        Ok(records.filter(|record| record.under_way).collect())
    }

    /// What both sides of a sync were last known to hold.
    pub(crate) fn sync_agreed(&self, id: &SyncId) -> Result<BTreeMap<RelPath, Agreed>, Problem> {
        let doing = storage("reading a sync");
        let connection = self.connection();
        let mut all =
            connection.prepare("SELECT path, agreed FROM sync_path WHERE sync = ?1").map_err(&doing)?;
        let rows = all
            .query_map([id.as_str()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .map_err(&doing)?;
        let mut agreed = BTreeMap::new();
        for row in rows {
            let (path, bytes) = row.map_err(&doing)?;
            if let (Ok(path), Some(one)) = (RelPath::new(&path), decoded(&bytes)) {
                agreed.insert(path, one);
            }
        }
        Ok(agreed)
    }

    /// Writes what has newly been agreed on (none: nothing is there any more), and what is carried next.
    pub(crate) fn sync_agree(
        &self,
        id: &SyncId,
        changes: &BTreeMap<RelPath, Option<Agreed>>,
        next: &Intents,
    ) -> Result<(), Problem> {
        let doing = storage("saving a sync");
        let mut connection = self.connection();
        let change = connection.transaction().map_err(&doing)?;
        {
            let put = "INSERT INTO sync_path VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET agreed = ?3";
            let mut put = change.prepare_cached(put).map_err(&doing)?;
            let drop = "DELETE FROM sync_path WHERE sync = ?1 AND path = ?2";
            let mut drop = change.prepare_cached(drop).map_err(&doing)?;
            for (path, agreed) in changes {
                let done = match agreed {
                    Some(agreed) => put.execute(params![id.as_str(), path.as_bytes(), encoded(agreed)]),
                    None => drop.execute(params![id.as_str(), path.as_bytes()]),
                };
                done.map_err(&doing)?;
            }
        }
        sync_intents::replace(&change, id, next).map_err(&doing)?;
        change.commit().map_err(&doing)
    }

    /// Forgets what both sides of a sync held.
    pub(crate) fn sync_disagree(&self, id: &SyncId) -> Result<(), Problem> {
        let doing = storage("saving a sync");
        let mut connection = self.connection();
        let change = connection.transaction().map_err(&doing)?;
        for table in ["sync_path", "sync_intent"] {
            let drop = format!("DELETE FROM {table} WHERE sync = ?1");
            change.execute(&drop, [id.as_str()]).map_err(&doing)?;
        }
        change.commit().map_err(&doing)
    }

    /// Forgets the syncs of a workspace.
    pub(crate) fn forget_syncs(&self, workspace: &WorkspaceId) -> Result<(), Problem> {
        let doing = storage("deleting syncs");
        let mut connection = self.connection();
        let change = connection.transaction().map_err(&doing)?;
        for table in ["sync_path", "sync_intent"] {
            let rows =
                format!("DELETE FROM {table} WHERE sync IN (SELECT id FROM sync WHERE workspace = ?1)");
            change.execute(&rows, [workspace.as_str()]).map_err(&doing)?;
        }
        change.execute("DELETE FROM sync WHERE workspace = ?1", [workspace.as_str()]).map_err(&doing)?;
        change.commit().map_err(&doing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_on_is_read_back_as_it_was() {
        for agreed in [
            Agreed::Kept,
            Agreed::Same(Node::Folder),
            Agreed::Same(Node::File { digest: [7; 32], executable: true }),
            Agreed::Same(Node::File { digest: [8; 32], executable: false }),
            Agreed::Same(Node::Link { target: b"../\xff".to_vec() }),
        ] {
            assert_eq!(decoded(&encoded(&agreed)), Some(agreed));
        }
        assert_eq!(decoded(b"fshort"), None);
    }
}
