//! `slipway sync`: followed until Ctrl-C, once, planned, in the background over an owner's death, listed and ended.

use crate::house::{House, finish, lines, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

fn project(house: &House) -> Result<PathBuf> {
    let dir = house.temp.path().join("site");
    fs::create_dir_all(dir.join("sub"))?;
    fs::write(dir.join("a.txt"), "a")?;
    fs::write(dir.join("sub/b.txt"), "b")?;
    fs::write(dir.join(".gitignore"), "*.log\n")?;
    fs::write(dir.join("no.log"), "no")?;
    Ok(dir)
}

#[test]
fn a_sync_is_followed_until_it_is_interrupted() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let dir = project(&house)?;
    let text = dir.to_str().context("text")?;
    let target = format!("{id}:site");
    let mut command = house.command(&["sync", text, &target, "--both", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let mut until = |wanted: &dyn Fn(&Value) -> bool| -> Result<Vec<Value>> {
        let mut seen = Vec::new();
        loop {
            let line = out.next().with_context(|| format!("it ended after {seen:?}"))??;
            seen.push(serde_json::from_str(&line)?);
            if seen.last().is_some_and(wanted) {
                return Ok(seen);
            }
        }
    };
    let first = until(&|line| line["state"] == "watching")?;
    let written: Vec<&str> = first.iter().filter_map(|line| line["path"].as_str()).collect();
    assert_eq!(written, [".gitignore", "a.txt", "sub", "sub/b.txt"], "{first:?}");
    fs::write(dir.join("a.txt"), "saved")?;
    until(&|line| line["path"] == "a.txt" && line["to"] == "workspace" && line["act"] == "written")?;
    assert_eq!(house.ok(&["exec", &id, "--", "cat", "site/a.txt"])?, "saved");
    house.ok(&["exec", &id, "--", "sh", "-c", "echo there > site/c.txt; rm site/sub/b.txt"])?;
    until(&|line| line["path"] == "c.txt" && line["to"] == "here")?;
    wait_for("both changes to be here", || {
        let here = fs::read_to_string(dir.join("c.txt")).is_ok_and(|text| text == "there\n");
        Ok((here && !dir.join("sub/b.txt").exists()).then_some(()))
    })?;

    let listed: Vec<Value> = serde_json::from_str(&house.ok(&["sync", "--list", "--json"])?)?;
    assert_eq!((listed.len(), &listed[0]["both"]), (1, &Value::Bool(true)), "{listed:?}");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    until(&|line| line["state"] == "stopped")?;
    let ran = finish(child, b"")?;
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(house.run(&["sync", "--list"])?.err.contains("Nothing is kept in sync"));
    Ok(())
}

#[test]
fn a_sync_in_the_background_outlives_its_owner_until_it_is_ended() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let dir = project(&house)?;
    let text = dir.to_str().context("text")?;
    let target = format!("{id}:/workspace/site");
    let planned = lines(&house.ok(&["sync", text, &target, "--dry-run", "--json"])?)?;
    assert_eq!(planned.iter().filter(|line| line["act"] == "written").count(), 4, "{planned:?}");
    assert!(house.run(&["exec", &id, "--", "ls", "site"])?.code != 0, "a dry run does nothing");
    let sync = house.ok(&["sync", text, &target, "--detach"])?;
    Command::new("kill").args(["-KILL", &house.owner_pid()?.to_string()]).status()?;
    fs::write(dir.join("late.txt"), "saved while nobody owned it")?;
    wait_for("the next owner to go on", || {
        let ran = house.run(&["exec", &id, "--", "cat", "site/late.txt"])?;
        ensure!(ran.code == 0, "{ran:?}");
        Ok((ran.text()? == "saved while nobody owned it").then_some(()))
    })?;
    let table = house.ok(&["sync", "--list"])?;
    assert!(table.contains(sync.trim()) && table.contains(text), "{table}");
    house.ok(&["sync", "--stop", text])?;
    assert_eq!(house.run(&["sync", "--stop", text])?.code, 6);
    Ok(())
}

#[test]
fn once_makes_both_alike_and_what_must_not_be_synced_is_refused() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let dir = project(&house)?;
    let text = dir.to_str().context("text")?;
    let target = format!("{id}:site");
    let ran = house.run(&["sync", text, &target, "--once"])?;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.text()?.contains("→ a.txt") && ran.err.contains("4 went in"), "{ran:?}");
    fs::remove_file(dir.join("a.txt"))?;
    let again = house.run(&["sync", text, &target, "--once"])?;
    assert!(again.code == 0 && again.text()? == "→ a.txt removed\n", "{again:?}");
    let nothing = house.run(&["sync", text, &target, "--dry-run"])?;
    assert!(nothing.code == 0 && nothing.out.is_empty(), "{nothing:?}");

    let home = std::env::var("HOME")?;
    let data = house.data();
    for refused in ["/", home.as_str(), data.to_str().context("text")?, "/no/such/folder"] {
        let ran = house.run(&["sync", refused, &id])?;
        assert!(ran.code != 0 && ran.err.contains("error:") && ran.err.contains("next:"), "{ran:?}");
    }
    assert_eq!(house.run(&["sync", text])?.code, 2);
    assert_eq!(house.run(&["sync", text, "no-such-workspace"])?.code, 6);
    Ok(())
}
