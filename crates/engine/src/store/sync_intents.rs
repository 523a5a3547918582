//! Rows of what syncs are about to carry: gone as soon as what came of it is written down.

use rusqlite::{Transaction, params};
use slipway_mirror::RelPath;
use slipway_wire::{Problem, SyncId};

use super::{
    Store, storage,
    syncs::{decoded, encoded},
};
use crate::sync::{Agreed, Intent, Intents, Stage};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sync_intent (
        sync TEXT NOT NULL,
        path BLOB NOT NULL,
        batch INTEGER NOT NULL,
        inward INTEGER NOT NULL,
        wanted BLOB,
        placed INTEGER NOT NULL DEFAULT 0,
        draft TEXT,
        swapped TEXT,
        PRIMARY KEY (sync, path)
    ) STRICT, WITHOUT ROWID;
";

/// Puts these in the place of all the sync had.
pub(super) fn replace(
    change: &Transaction<'_>,
    id: &SyncId,
    intents: &Intents,
) -> Result<(), rusqlite::Error> {
    change.prepare_cached("DELETE FROM sync_intent WHERE sync = ?1")?.execute([id.as_str()])?;
    let put = "INSERT INTO sync_intent (sync, path, batch, inward, wanted) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut put = change.prepare_cached(put)?;
    for (path, intent) in intents {
        let wanted = intent.wanted.clone().map(|node| encoded(&Agreed::Same(node)));
        put.execute(params![id.as_str(), path.as_bytes(), intent.batch, intent.inward, wanted])?;
    }
    Ok(())
}

impl Store {
    /// What a sync was about to carry. A row that cannot be read is as none: what it speaks of comes again.
    pub(crate) fn sync_intents(&self, id: &SyncId) -> Result<Intents, Problem> {
        let doing = storage("reading a sync");
        let connection = self.connection();
        let all =
            "SELECT path, batch, inward, wanted, placed, draft, swapped FROM sync_intent WHERE sync = ?1";
        let mut all = connection.prepare_cached(all).map_err(&doing)?;
        let rows = all
            .query_map([id.as_str()], |row| {
                let (path, wanted): (Vec<u8>, Option<Vec<u8>>) = (row.get(0)?, row.get(3)?);
                let stage = match (row.get(4)?, row.get(5)?, row.get(6)?) {
                    (true, _, _) => Stage::Placed,
                    (false, Some(draft), Some(swapped)) => Stage::Placing([draft, swapped]),
                    _ => Stage::Meant,
                };
                let wanted = match wanted.as_deref().map(decoded) {
                    None => None,
                    Some(Some(Agreed::Same(node))) => Some(node),
                    Some(_) => return Ok(None),
                };
                let intent = Intent { batch: row.get(1)?, inward: row.get(2)?, wanted, stage };
                Ok(RelPath::new(&path).ok().map(|path| (path, intent)))
            })
            .map_err(&doing)?;
        let mut intents = Intents::new();
        for row in rows {
            intents.extend(row.map_err(&doing)?);
        }
        Ok(intents)
    }

    /// Writes how far some of what comes out of the workspace is.
    pub(crate) fn sync_stages(&self, id: &SyncId, stages: &[(RelPath, Stage)]) -> Result<(), Problem> {
        let doing = storage("saving a sync");
        let mut connection = self.connection();
        let change = connection.transaction().map_err(&doing)?;
        {
            let put =
                "UPDATE sync_intent SET placed = ?3, draft = ?4, swapped = ?5 WHERE sync = ?1 AND path = ?2";
            let mut put = change.prepare_cached(put).map_err(&doing)?;
            for (path, stage) in stages {
                let (placed, [draft, swapped]) = match stage {
                    Stage::Meant => (false, [None, None]),
                    Stage::Placing([draft, swapped]) => (false, [Some(draft), Some(swapped)]),
                    Stage::Placed => (true, [None, None]),
                };
                put.execute(params![id.as_str(), path.as_bytes(), placed, draft, swapped]).map_err(&doing)?;
            }
        }
        change.commit().map_err(&doing)
    }
}
