//! `slipway stats`, `limits`, `metrics`, and `deploy --force`.

use crate::house::{House, text_of};
use anyhow::{Context as _, Result};
use serde_json::Value;

#[test]
fn stats_are_shown_as_a_table_and_as_json() -> Result<()> {
    let house = House::new()?;
    assert!(house.run(&["stats"])?.err.contains("No workspace runs"));
    let ready =
        house.deploy(&slipway_tests::project::sample("node-hello")?, &["--name", "walk", "--force"])?;
    let id = text_of(&ready, "id")?;
    let table = house.ok(&["stats"])?;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].starts_with("ID") && rows[1].starts_with(&id), "{table}");
    let listed: Vec<Value> = serde_json::from_str(&house.ok(&["stats", "walk", "--json"])?)?;
    let one = listed.first().context("a row")?;
    assert_eq!(one["id"], id.as_str());
    assert!(one["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{one}");
    assert_eq!(one["memory_limit"], 2_u64 << 30);
    assert!(house.ok(&["stats", "walk", "--history"])?.starts_with("UNTIL"));
    let minutes: Vec<Value> = serde_json::from_str(&house.ok(&["stats", "walk", "--history", "--json"])?)?;
    assert!(minutes.iter().all(|minute| minute["cpu_max_percent"].is_number()), "{minutes:?}");
    house.ok(&["stop", "walk"])?;
    let stopped: Vec<Value> = serde_json::from_str(&house.ok(&["stats", "walk", "--json"])?)?;
    assert!(stopped.first().context("a row")?["cpu_percent"].is_null());
    assert_eq!(house.run(&["stats", "none"])?.code, 6);
    Ok(())
}

#[test]
fn limits_are_shown_and_changed() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    assert!(house.ok(&["limits", &id])?.contains("memory  2048 MiB"));
    assert!(house.ok(&["limits", &id, "--memory", "1g", "--cpus", "1.5"])?.contains("cpus    1.5"));
    let limits: Value = serde_json::from_str(&house.ok(&["limits", &id, "--pids", "512", "--json"])?)?;
    assert_eq!(limits, serde_json::json!({"memory_mb": 1024, "cpus": 1.5, "pids": 512}));
    assert_eq!(house.run(&["limits", &id, "--memory", "1m"])?.code, 1);
    assert_eq!(house.run(&["limits", &id, "--memory", "lots"])?.code, 2);
    Ok(())
}

#[test]
fn metrics_are_printed_as_prometheus_reads_them() -> Result<()> {
    let house = House::new()?;
    let text = house.ok(&["metrics"])?;
    assert!(text.starts_with("# HELP slipway_") && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("slipway_workspaces{state=\"running\"} 0"), "{text}");
    Ok(())
}
