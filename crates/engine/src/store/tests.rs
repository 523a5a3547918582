//! The store on real files: damage, an older schema, listings and what is forgotten.

use super::*;
use crate::sweep::adopted;
use slipway_wire::{WorkspaceRow, WorkspaceSort, WorkspaceState};

const NOW: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 3600 * 1000;

fn record(n: u64, state: WorkspaceState) -> Record {
    let mut record = adopted(NOW + n, format!("w-{n:05}").parse().unwrap(), "c".into());
    record.view.name = format!("{} {n}", if n.is_multiple_of(2) { "Shop" } else { "blog_50%" });
    record.view.state = state;
    record
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().0;
    (dir, store)
}

/// Every row of a query, a page at a time.
fn all(store: &Store, query: &WorkspaceQuery) -> Vec<WorkspaceRow> {
    let mut query = query.clone();
    let mut rows = Vec::new();
    loop {
        let page = store.query(&query, NOW).unwrap();
        assert!(page.rows.len() <= query.limit as usize);
        rows.extend(page.rows);
        query.cursor = page.next;
        if query.cursor.is_none() {
            assert_eq!(page.total, rows.len() as u64);
            return rows;
        }
    }
}

#[test]
fn a_damaged_database_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("slipway.db"), vec![7; 8192]).unwrap();
    let (store, aside) = Store::open(dir.path()).unwrap();
    assert!(store.live().unwrap().is_empty());
    assert_eq!(fs::read(aside.unwrap()).unwrap(), vec![7; 8192]);
}

#[test]
fn the_instance_keeps_its_identity() {
    let dir = tempfile::tempdir().unwrap();
    let first = instance_id(dir.path()).unwrap();
    assert_eq!(instance_id(dir.path()).unwrap(), first);
    fs::write(dir.path().join("instance"), "not ours!").unwrap();
    assert_ne!(instance_id(dir.path()).unwrap(), "not ours!");
}

#[test]
fn the_secret_is_made_once_and_is_nobody_elses() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = secret(dir.path()).unwrap();
    assert_eq!(secret(dir.path()).unwrap(), first);
    assert_ne!(secret(other.path()).unwrap(), first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(dir.path().join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::write(dir.path().join("secret"), "cut").unwrap();
    assert_ne!(secret(dir.path()).unwrap(), first, "one that is not whole is made anew");
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("slipway.db")).unwrap();
    old.execute_batch(
        "CREATE TABLE workspace (id TEXT PRIMARY KEY, deleted INTEGER NOT NULL DEFAULT 0,
             created_at_ms INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
         CREATE TABLE message (workspace TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
             event TEXT NOT NULL) STRICT;
         CREATE INDEX message_by_workspace ON message (workspace, at_ms);
         CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
         INSERT INTO meta VALUES ('gateway-port', '7420');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    // As the first version wrote it: without what came later.
    let mut written = serde_json::to_value(record(1, WorkspaceState::Stopped)).unwrap();
    for later in ["ran", "paused_from", "paused_outside", "restarting", "check", "deleted_at_ms"] {
        written.as_object_mut().unwrap().remove(later).unwrap();
    }
    for later in ["health", "restart"] {
        written["view"].as_object_mut().unwrap().remove(later).unwrap();
    }
    written["view"]["lease"] = serde_json::json!({ "expires_at_ms": NOW + 5000, "duration_s": 3600 });
    for (id, text) in [("w-00001", written.to_string()), ("w-broken", "{".to_owned())] {
        old.execute("INSERT INTO workspace VALUES (?1, 0, ?2, ?3)", params![id, NOW.cast_signed(), text])
            .unwrap();
    }
    drop(old);
    for _ in 0..2 {
        let store = Store::open(dir.path()).unwrap().0;
        assert_eq!(store.live().unwrap().len(), 1);
        assert_eq!(store.meta("gateway-port").unwrap().as_deref(), Some("7420"));
        let rows = all(&store, &WorkspaceQuery { limit: 10, ..WorkspaceQuery::default() });
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].state, rows[0].remaining_ms), (WorkspaceState::Stopped, Some(5000)));
    }
}

#[test]
fn pages_hold_every_row_once_in_every_order() {
    let (_dir, store) = store();
    let states = [WorkspaceState::Running, WorkspaceState::Stopped, WorkspaceState::Deleted];
    for n in 0..60 {
        let mut record = record(n, states[(n % 3) as usize]);
        record.deleted_at_ms = (n % 3 == 2).then_some(NOW);
        record.view.lease.expires_at_ms = (n % 4 != 0).then_some(NOW + 100_000 - n % 7);
        store.save(&record).unwrap();
    }
    for sort in [WorkspaceSort::Created, WorkspaceSort::Name, WorkspaceSort::State, WorkspaceSort::Expires] {
        for descending in [false, true] {
            let paged = WorkspaceQuery { sort, descending, limit: 7, ..WorkspaceQuery::default() };
            let rows = all(&store, &paged);
            let whole = all(&store, &WorkspaceQuery { limit: 1000, ..paged });
            assert_eq!(rows, whole, "{sort:?} {descending}");
            assert_eq!(rows.len(), 40);
            if sort == WorkspaceSort::Expires {
                let ends: Vec<u64> = rows.iter().map(|row| row.expires_at_ms.unwrap_or(u64::MAX)).collect();
                assert!(ends.is_sorted_by(|a, b| if descending { a >= b } else { a <= b }), "{ends:?}");
            }
        }
    }
}

#[test]
fn listings_are_filtered_and_what_is_asked_is_checked() {
    let (_dir, store) = store();
    for n in 0..10 {
        let state = if n < 3 { WorkspaceState::Running } else { WorkspaceState::Stopped };
        store.save(&record(n, state)).unwrap();
    }
    let count = |query: WorkspaceQuery| all(&store, &WorkspaceQuery { limit: 100, ..query }).len();
    let text = |text: &str| WorkspaceQuery { text: Some(text.into()), ..WorkspaceQuery::default() };
    assert_eq!(count(text("shop")), 5);
    assert_eq!(count(text("G_50%")), 5);
    assert_eq!(count(text("%")), 5, "a percent sign is itself");
    assert_eq!(count(text("w-00003")), 1);
    assert_eq!(count(text("' OR 1 --")), 0);
    let state = Some(WorkspaceState::Running);
    assert_eq!(count(WorkspaceQuery { state, ..text("shop") }), 2);
    for wrong in [
        WorkspaceQuery { limit: 1001, ..WorkspaceQuery::default() },
        WorkspaceQuery { cursor: Some("no".into()), ..WorkspaceQuery::default() },
        text(&"x".repeat(201)),
    ] {
        assert_eq!(store.query(&wrong, NOW).unwrap_err().code, Code::Invalid);
    }
    // A cursor of one order is none of another.
    let first = store.query(&WorkspaceQuery { limit: 1, ..WorkspaceQuery::default() }, NOW).unwrap();
    let other = WorkspaceQuery { sort: WorkspaceSort::Name, cursor: first.next, ..WorkspaceQuery::default() };
    assert_eq!(store.query(&other, NOW).unwrap_err().code, Code::Invalid);
}

#[test]
fn the_deleted_are_remembered_for_thirty_days() {
    let (_dir, store) = store();
    let deleted = |n: u64, at: u64| {
        let mut record = record(n, WorkspaceState::Deleted);
        record.deleted_at_ms = Some(at);
        store.save(&record).unwrap();
        record.view.id
    };
    let old = deleted(1, NOW - 31 * DAY);
    let event =
        Event { seq: 1, at_ms: NOW, workspace: Some(old.clone()), body: slipway_wire::EventBody::Removed };
    store.add_message(&old, &event).unwrap();
    let young = deleted(2, NOW - 29 * DAY);
    deleted(3, NOW);
    assert!(store.deleted(&old).unwrap().is_none());
    assert!(store.messages(&old).unwrap().is_empty());
    assert!(store.deleted(&young).unwrap().is_some());
    let remembered = WorkspaceQuery { deleted: true, limit: 10, ..WorkspaceQuery::default() };
    assert_eq!(all(&store, &remembered).len(), 2);
}
