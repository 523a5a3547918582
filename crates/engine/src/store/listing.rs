//! The narrow rows that listings are made of: writing them beside the records, reading them a page at a time, and
//! forgetting the oldest of the deleted. What is asked comes from outside and is checked here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, Row, params, params_from_iter, types::Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use slipway_wire::{
    Code, Problem, WorkspacePage, WorkspaceQuery, WorkspaceRow, WorkspaceSort, WorkspaceState,
};

use super::LAST_WORDS;
use crate::workspace::Record;

/// Deleted workspaces are remembered so long, milliseconds, and at most so many.
const REMEMBERED_MS: i64 = 30 * 24 * 3600 * 1000;
const TOMBSTONES: i64 = 10_000;
/// Rows of a page.
const USUAL: u32 = 100;
const MOST: u32 = 1000;
/// Sorts what has no end last.
const NO_END: i64 = i64::MAX;

/// A word of the wire as the table has it.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn value<T: DeserializeOwned>(word: String) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word)).ok()
}

/// The order of a life.
fn life(state: WorkspaceState) -> i64 {
    match state {
        WorkspaceState::Creating => 0,
        WorkspaceState::Running => 1,
        WorkspaceState::Paused => 2,
        WorkspaceState::Failed => 3,
        WorkspaceState::Stopped => 4,
        WorkspaceState::Terminated => 5,
        WorkspaceState::Deleted => 6,
    }
}

/// Writes a workspace's row.
pub(super) fn put(connection: &Connection, record: &Record) -> Result<(), rusqlite::Error> {
    let view = &record.view;
    let gone = matches!(view.state, WorkspaceState::Deleted | WorkspaceState::Terminated);
    let end = view.lease.expires_at_ms.filter(|_| !gone);
    let deleted_at = if view.state == WorkspaceState::Deleted {
        Some(record.deleted_at_ms.unwrap_or(view.created_at_ms))
    } else {
        view.lease.deleted_at_ms
    };
    let signed = |at: Option<u64>| at.map(u64::cast_signed);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO listing (id, name, state, life, health, image, url, why, created_at_ms,
                expires_at_ms, remaining_ms, deleted_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            view.id.as_str(),
            view.name,
            word(&view.state),
            life(view.state),
            word(&view.health.state),
            view.image,
            view.url,
            view.problem.as_ref().map(|problem| problem.message.as_str()),
            view.created_at_ms.cast_signed(),
            signed(end).unwrap_or(NO_END),
            signed(view.lease.remaining_ms),
            signed(deleted_at),
        ])
        .map(|_| ())
}

/// Forgets what was deleted too long ago, and most of what `just_deleted` was told.
pub(super) fn forget_old(
    connection: &Connection,
    now_ms: u64,
    just_deleted: &str,
) -> Result<(), rusqlite::Error> {
    connection.execute(
        "DELETE FROM message WHERE workspace = ?1 AND rowid NOT IN
         (SELECT rowid FROM message WHERE workspace = ?1 ORDER BY rowid DESC LIMIT ?2)",
        params![just_deleted, LAST_WORDS],
    )?;
    let old: Vec<String> = connection
        .prepare_cached(
            "SELECT id FROM listing WHERE state = 'deleted' AND deleted_at_ms < max(?1, coalesce(
                (SELECT deleted_at_ms FROM listing WHERE state = 'deleted'
                 ORDER BY deleted_at_ms DESC LIMIT 1 OFFSET ?2), 0))",
        )?
        .query_map(params![now_ms.cast_signed() - REMEMBERED_MS, TOMBSTONES - 1], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in old {
        for forget in [
            "DELETE FROM message WHERE workspace = ?1",
            "DELETE FROM workspace WHERE id = ?1",
            "DELETE FROM listing WHERE id = ?1",
        ] {
            connection.prepare_cached(forget)?.execute([&id])?;
        }
    }
    Ok(())
}

/// Where a page ended: the value it was sorted by, and the id that tells equals apart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Mark {
    Number(i64, String),
    Text(String, String),
}

/// A query that was checked.
pub(super) struct Asked<'a> {
    query: &'a WorkspaceQuery,
    limit: u32,
    after: Option<Mark>,
}

impl<'a> Asked<'a> {
    pub(super) fn check(query: &'a WorkspaceQuery) -> Result<Self, Problem> {
        let limit = if query.limit == 0 { USUAL } else { query.limit };
        if limit > MOST {
            return Err(Problem::new(Code::Invalid, format!("A page has 1 to {MOST} rows, not {limit}."))
                .hint("Ask for less, and for the next page with the cursor it gives."));
        }
        if query.text.as_ref().is_some_and(|text| text.chars().count() > 200) {
            return Err(Problem::new(Code::Invalid, "A text to look for has at most 200 characters."));
        }
        let after = query.cursor.as_deref().map(|cursor| {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() <= 1024)?;
            let mark = serde_json::from_slice(&bytes).ok()?;
            let by_text = query.sort == WorkspaceSort::Name;
            (matches!(mark, Mark::Text(..)) == by_text).then_some(mark)
        });
        if matches!(after, Some(None)) {
            return Err(Problem::new(Code::Invalid, "That is no cursor of this listing.")
                .hint("Begin without one; each page says where the next begins."));
        }
        Ok(Self { query, limit, after: after.flatten() })
    }

    fn key(&self) -> &'static str {
        match self.query.sort {
            WorkspaceSort::Created => "created_at_ms",
            WorkspaceSort::Name => "name COLLATE NOCASE",
            WorkspaceSort::State => "life",
            WorkspaceSort::Expires => "expires_at_ms",
        }
    }

    /// The condition and its values, without the cursor.
    fn filter(&self) -> (String, Vec<Value>) {
        let mut parts = vec!["1".to_owned()];
        let mut values = Vec::new();
        match self.query.state {
            Some(state) => {
                parts.push("life = ?".to_owned());
                values.push(Value::Integer(life(state)));
            }
            None if !self.query.deleted => parts.push(format!("life < {}", life(WorkspaceState::Deleted))),
            None => {}
        }
        if let Some(text) = self.query.text.as_deref().filter(|text| !text.is_empty()) {
            let mut pattern = String::from("%");
            for c in text.chars() {
                if matches!(c, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
            pattern.push('%');
            parts.push(
                "(name LIKE ? ESCAPE '\\' OR id LIKE ? ESCAPE '\\' OR image LIKE ? ESCAPE '\\')".to_owned(),
            );
            values.extend(std::iter::repeat_n(Value::Text(pattern), 3));
        }
        (parts.join(" AND "), values)
    }
}

/// Reads a page.
pub(super) fn page(
    connection: &Connection,
    asked: &Asked<'_>,
    now_ms: u64,
) -> Result<WorkspacePage, rusqlite::Error> {
    let (filter, mut values) = asked.filter();
    let total: i64 = connection
        .prepare_cached(&format!("SELECT count(*) FROM listing WHERE {filter}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let key = asked.key();
    let (beyond, order) = if asked.query.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut after = String::new();
    if let Some(mark) = &asked.after {
        after = format!(" AND ({key}, id) {beyond} (?, ?)");
        let (value, id) = match mark {
            Mark::Number(value, id) => (Value::Integer(*value), id),
            Mark::Text(value, id) => (Value::Text(value.clone()), id),
        };
        values.extend([value, Value::Text(id.clone())]);
    }
    let sql = format!(
        "SELECT id, name, state, health, image, url, why, created_at_ms, expires_at_ms, remaining_ms, deleted_at_ms, life
         FROM listing WHERE {filter}{after} ORDER BY {key} {order}, id {order} LIMIT {}",
        asked.limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(&values))?;
    let mut rows = Vec::with_capacity(asked.limit as usize);
    let mut last = None;
    let mut more = false;
    while let Some(row) = found.next()? {
        if rows.len() == asked.limit as usize {
            more = true;
            break;
        }
        last = Some(mark(row, asked.query.sort)?);
        rows.extend(shown(row, now_ms)?);
    }
    let next = last.filter(|_| more).and_then(|mark| serde_json::to_vec(&mark).ok());
    Ok(WorkspacePage {
        rows,
        next: next.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        total: u64::try_from(total).unwrap_or(0),
    })
}

fn mark(row: &Row<'_>, sort: WorkspaceSort) -> Result<Mark, rusqlite::Error> {
    let id = row.get(0)?;
    Ok(match sort {
        WorkspaceSort::Created => Mark::Number(row.get(7)?, id),
        WorkspaceSort::Name => Mark::Text(row.get(1)?, id),
        WorkspaceSort::State => Mark::Number(row.get(11)?, id),
        WorkspaceSort::Expires => Mark::Number(row.get(8)?, id),
    })
}

/// A row as it is shown; `None` for one that another version wrote and this one cannot read.
fn shown(row: &Row<'_>, now_ms: u64) -> Result<Option<WorkspaceRow>, rusqlite::Error> {
    let id: String = row.get(0)?;
    let (Ok(id), Some(state)) = (id.parse(), value(row.get(2)?)) else { return Ok(None) };
    let unsigned = |at: Option<i64>| at.and_then(|at| u64::try_from(at).ok());
    let expires_at_ms = unsigned(Some(row.get(8)?).filter(|at| *at != NO_END));
    let held = unsigned(row.get(9)?);
    Ok(Some(WorkspaceRow {
        id,
        name: row.get(1)?,
        state,
        health: value(row.get(3)?).unwrap_or_default(),
        image: row.get(4)?,
        url: row.get(5)?,
        why: row.get(6)?,
        created_at_ms: unsigned(row.get(7)?).unwrap_or(0),
        expires_at_ms,
        remaining_ms: held.or_else(|| expires_at_ms.map(|end| end.saturating_sub(now_ms))),
        deleted_at_ms: unsigned(row.get(10)?),
    }))
}
