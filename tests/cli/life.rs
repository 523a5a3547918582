//! `slipway stop`, `start`, `rm`, `logs`, `lease`, `settings`, `doctor` on a workspace that runs.

use crate::house::{House, lines, page, text_of};
use anyhow::{Context as _, Result};
use serde_json::Value;

#[test]
fn a_workspace_stops_starts_and_goes() -> Result<()> {
    let house = House::new()?;
    let ready = house.deploy(&slipway_tests::project::sample("node-hello")?, &["--name", "walk"])?;
    let (id, url) = (text_of(&ready, "id")?, text_of(&ready, "url")?);
    page(&url)?;
    house.ok(&["shell", "walk", "--", "sh", "-c", "echo kept > kept.txt"])?;

    assert_eq!(house.ok(&["stop", "walk"])?.trim(), id);
    assert_eq!(house.listed(&id)?.context("listed")?["state"], "stopped");
    let again = lines(&house.ok(&["start", &id, "--json"])?)?.pop().context("a last line")?;
    assert_eq!((&again["event"], &again["id"]), (&"ready".into(), &id.as_str().into()), "{again}");
    page(&text_of(&again, "url")?)?;
    assert_eq!(house.ok(&["shell", &id, "--", "cat", "kept.txt"])?, "kept\n");

    assert_eq!(house.ok(&["rm", &id, "--yes"])?.trim(), id);
    assert!(house.listed(&id)?.is_none_or(|row| row["state"] == "deleted"));
    assert_eq!(house.run(&["stop", "walk"])?.code, 6);
    Ok(())
}

#[test]
fn a_lease_is_shown_extended_and_dropped() -> Result<()> {
    let house = House::new()?;
    let ready = house.deploy(&slipway_tests::project::sample("node-hello")?, &["--duration", "30m"])?;
    let id = text_of(&ready, "id")?;
    let ends =
        |house: &House| -> Result<String> { text_of(&house.listed(&id)?.context("listed")?, "expires_at") };
    let first = ends(&house)?;
    house.ok(&["lease", &id, "extend", "1h"])?;
    assert!(ends(&house)? > first);
    assert_eq!(house.ok(&["lease", &id, "keep"])?.trim(), "kept");
    assert!(house.listed(&id)?.context("listed")?["expires_at"].is_null());
    // The workspace may stand after the verb, too.
    house.ok(&["lease", "set", &id, "2h"])?;
    let paused: Value = serde_json::from_str(&house.ok(&["lease", "pause", &id, "--json"])?)?;
    assert_eq!((&paused["state"], &paused["paused"]), (&"paused".into(), &true.into()), "{paused}");
    assert!(paused["remaining_s"].as_u64().is_some_and(|left| (7000..=7200).contains(&left)), "{paused}");
    let listed = house.ok(&["ps", "--state", "paused", "-q"])?;
    assert_eq!(listed.trim(), id);
    house.ok(&["lease", "resume", &id])?;
    assert_eq!(house.run(&["lease", "set", &id, "30s"])?.code, 1);
    assert_eq!(house.ok(&["restart-policy", &id, "on-failure"])?.trim(), "on-failure");
    let ended: Value = serde_json::from_str(&house.ok(&["lease", "expire", &id, "--json"])?)?;
    assert_eq!(ended["state"], "stopped", "{ended}");
    assert!(ended["deleted_at"].is_string(), "{ended}");
    Ok(())
}

#[test]
fn settings_are_kept() -> Result<()> {
    let house = House::new()?;
    assert_eq!(house.ok(&["settings", "get", "preset"])?.trim(), "medium");
    house.ok(&["settings", "set", "preset", "large"])?;
    house.ok(&["serve", "--stop"])?;
    assert_eq!(house.ok(&["settings", "get", "preset"])?.trim(), "large");
    assert_eq!(house.run(&["settings", "set", "preset", "gigantic"])?.code, 2);
    // One that has no value until it is set, and can be given up again.
    assert_eq!(house.ok(&["settings", "get", "pool_size"])?.trim(), "null");
    house.ok(&["settings", "set", "pool_size", "0"])?;
    assert_eq!(house.ok(&["settings", "get", "pool_size"])?.trim(), "0");
    house.ok(&["settings", "set", "pool_size", "null"])?;
    assert_eq!(house.ok(&["settings", "get", "pool_size"])?.trim(), "null");
    assert_eq!(house.run(&["settings", "get", "no.such"])?.code, 2);
    Ok(())
}

#[test]
fn doctor_finds_this_machine_fit() -> Result<()> {
    let house = House::new()?;
    let checks: Vec<Value> = serde_json::from_str(&house.ok(&["doctor", "--json"])?)?;
    for name in ["slipway", "data", "owner", "docker", "agent"] {
        let check = checks.iter().find(|check| check["name"] == name).with_context(|| name.to_owned())?;
        assert_eq!(check["verdict"], "ok", "{check}");
    }
    Ok(())
}

#[test]
fn doctor_without_docker_says_where_it_looked() -> Result<()> {
    let house = House::new()?;
    let absent = house.temp.path().join("no.sock");
    let mut command = house.command(&["doctor"]);
    let output = command.env("DOCKER_HOST", format!("unix://{}", absent.display())).output()?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("no.sock"), "{output:?}");
    Ok(())
}

#[test]
fn wrong_command_lines_end_with_two_and_help_is_there() -> Result<()> {
    let house = House::new()?;
    assert_eq!(house.run(&[])?.code, 2);
    assert_eq!(house.run(&["deploy"])?.code, 2);
    assert_eq!(house.run(&["cp", "a", "b"])?.code, 2);
    assert!(house.ok(&["--help"])?.contains("Exit codes"));
    assert!(house.ok(&["completions", "bash"])?.contains("_slipway"));
    assert!(house.ok(&["man"])?.contains(".TH slipway"));
    assert!(house.owner().is_err(), "none of this needs an owner");
    Ok(())
}
