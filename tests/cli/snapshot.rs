//! `slipway snapshot`: from one workspace to another, by name, by file and by pipe.

use crate::house::{House, lines, page, text_of};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::process::{Command, Stdio};

#[test]
fn a_snapshot_is_taken_listed_started_and_deleted() -> Result<()> {
    let house = House::new()?;
    let ready = house.deploy(&slipway_tests::project::sample("node-hello")?, &["--name", "walk"])?;
    let id = text_of(&ready, "id")?;
    house.ok(&["shell", "walk", "--", "sh", "-c", "echo kept > kept.txt"])?;
    assert!(house.run(&["snapshot", "ls"])?.err.contains("No snapshots"));
    let taken =
        house.ok(&["snapshot", "create", "walk", "--name", "before", "--note", "a note", "--json"])?;
    let taken: Value = serde_json::from_str(&taken)?;
    assert_eq!((&taken["name"], &taken["workspace"]), (&"before".into(), &id.as_str().into()), "{taken}");
    let snapshot = text_of(&taken, "id")?;
    house.ok(&["shell", "walk", "--", "rm", "kept.txt"])?;

    let started =
        house.ok(&["snapshot", "start", "before", "--name", "again", "--duration", "30m", "--json"])?;
    let events = lines(&started)?;
    assert_eq!(events.first().context("a line")?["event"], "accepted");
    let again = events.last().context("a last line")?;
    assert_eq!(again["event"], "ready", "{again}");
    page(&text_of(again, "url")?)?;
    assert_eq!(house.ok(&["shell", "again", "--", "cat", "kept.txt"])?, "kept\n");

    let listed: Vec<Value> = serde_json::from_str(&house.ok(&["snapshot", "ls", "--json"])?)?;
    let row = listed.first().context("a row")?;
    assert_eq!((&row["id"], &row["used_by"][0]), (&snapshot.as_str().into(), &again["id"]), "{row}");
    let table = house.ok(&["snapshot", "ls", "--text", "note"])?;
    assert!(table.starts_with("ID") && table.lines().count() == 2, "{table}");
    assert!(house.ok(&["snapshot", "show", "before"])?.contains("a note"));
    let refused = house.run(&["snapshot", "rm", "before"])?;
    assert!(refused.code == 1 && refused.err.contains("still uses"), "{}", refused.err);
    house.ok(&["rm", "again", "--yes"])?;
    house.ok(&["snapshot", "edit", "before", "--name", "good"])?;
    assert_eq!(house.ok(&["snapshot", "rm", "good"])?.trim(), snapshot);
    assert_eq!(house.run(&["snapshot", "start", "good"])?.code, 6);
    assert_eq!(house.run(&["snapshot", "create", "nobody"])?.code, 6);
    assert_eq!(house.run(&["snapshot", "edit", "good"])?.code, 2);
    Ok(())
}

#[test]
fn a_snapshot_travels_by_file_and_by_pipe() -> Result<()> {
    let house = House::new()?;
    house.deploy(&slipway_tests::project::sample("node-hello")?, &["--name", "walk"])?;
    let id = house.ok(&["snapshot", "create", "walk"])?.trim().to_owned();
    house.ok(&["rm", "walk", "--yes"])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("walk.snapshot");
    let path = file.to_str().context("a path")?;
    assert_eq!(house.ok(&["snapshot", "export", &id, path])?.trim(), path);
    let there = house.run(&["snapshot", "export", &id, path])?;
    assert!(there.code == 1 && there.err.contains("--overwrite"), "{}", there.err);
    house.ok(&["snapshot", "export", &id, path, "--overwrite"])?;
    house.ok(&["snapshot", "rm", &id])?;
    let imported: Value =
        serde_json::from_str(&house.ok(&["snapshot", "import", path, "--name", "theirs", "--json"])?)?;
    assert_eq!(imported["name"], "theirs");
    let ready =
        lines(&house.ok(&["snapshot", "start", "theirs", "--json"])?)?.pop().context("a last line")?;
    page(&text_of(&ready, "url")?)?;

    // From one command into the other.
    let mut export = house.command(&["snapshot", "export", "theirs", "-"]);
    let mut export = export.stdout(Stdio::piped()).spawn()?;
    let mut import: Command = house.command(&["snapshot", "import", "-"]);
    let piped = import.stdin(export.stdout.take().context("its output")?).output()?;
    ensure!(export.wait()?.success() && piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    let listed: Vec<Value> =
        serde_json::from_str(&house.ok(&["snapshot", "ls", "--sort", "name", "--json"])?)?;
    let names: Vec<&str> = listed.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["theirs", "theirs 2"]);

    house.ok(&["rm", &text_of(&ready, "id")?, "--yes"])?;
    house.ok(&["snapshot", "rm", "theirs", "theirs 2"])?;

    std::fs::write(&file, "not a snapshot")?;
    let refused = house.run(&["snapshot", "import", path])?;
    assert!(refused.code == 4 && refused.err.contains("not a snapshot"), "{}", refused.err);
    assert_eq!(house.run(&["snapshot", "import", "/no/such/file"])?.code, 6);
    Ok(())
}
