//! `slipway exec`, `top` and `kill`: codes handed on, streams apart, times kept, trees shown and ended.

use crate::house::{House, wait_for};
use anyhow::{Context as _, Result};
use serde_json::Value;

/// The processes whose command holds these words.
fn listed(house: &House, id: &str, words: &str) -> Result<Vec<Value>> {
    let tree: Value = serde_json::from_str(&house.ok(&["top", id, "--json"])?)?;
    let all = tree["processes"].as_array().context("a list")?;
    let holds = |p: &&Value| p["command"].as_str().is_some_and(|command| command.contains(words));
    Ok(all.iter().filter(holds).cloned().collect())
}

#[test]
fn a_command_has_its_streams_its_place_and_its_code() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let line = "cat; echo err >&2; pwd; echo $WORD; tty >&2; exit 9";
    let ran = house
        .run_with(&["exec", &id, "--cwd", "/tmp", "--env", "WORD=a b=c", "--", "sh", "-c", line], b"in\n")?;
    assert_eq!((ran.code, ran.text()?.as_str()), (9, "in\n/tmp\na b=c\n"), "{ran:?}");
    assert_eq!(ran.err, "err\nnot a tty\n");
    assert_eq!(house.run(&["exec", &id, "--", "no-such-program"])?.code, 127);
    assert_eq!(house.run(&["exec", &id, "--", "sh", "-c", "kill -9 $$"])?.code, 137);
    assert_eq!(house.run(&["exec", "nothing-here", "--", "true"])?.code, 6);
    assert_eq!(house.run(&["exec", &id])?.code, 2);
    let noise: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n ^ (n >> 7)).to_le_bytes()).collect();
    let back = house.run_with(&["exec", &id, "--", "cat"], &noise)?;
    assert!(back.code == 0 && back.out == noise, "{} bytes came back, {}", back.out.len(), back.err);
    Ok(())
}

#[test]
fn a_time_limit_ends_all_that_was_started() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    // One that goes when it is asked to, one that does not, and a child that left its session.
    let polite = house.run(&["exec", &id, "--timeout", "1s", "--", "sh", "-c", "echo begun; sleep 4811"])?;
    assert_eq!((polite.code, polite.text()?.as_str()), (124, "begun\n"), "{polite:?}");
    assert!(polite.err.contains("--timeout"), "{polite:?}");
    let line =
        "trap '' TERM; setsid sleep 4812 & (trap '' TERM; sleep 4813; sleep 4813) & sleep 4814; sleep 4814";
    assert_eq!(house.run(&["exec", &id, "--timeout", "1s", "--", "sh", "-c", line])?.code, 124);
    wait_for("nothing of them to be left", || {
        Ok(listed(&house, &id, "sleep 481")?.is_empty().then_some(()))
    })?;
    assert_eq!(house.run(&["exec", &id, "--timeout", "1m", "--", "sh", "-c", "exit 3"])?.code, 3);
    Ok(())
}

#[test]
fn processes_are_shown_as_a_tree_left_alone_and_ended() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let process = house.ok(&[
        "exec",
        &id,
        "--detach",
        "--",
        "sh",
        "-c",
        "echo from aside; sleep 4821 & sleep 4822; :",
    ])?;
    assert!(!process.trim().is_empty());
    wait_for("its output in the log", || {
        Ok(house.ok(&["logs", &id, "--process", process.trim()]).ok().filter(|text| text == "from aside\n"))
    })?;
    let shell = listed(&house, &id, "sleep 4821 & sleep 4822")?.pop().context("the shell")?;
    assert_eq!(shell["process"], process.trim());
    let text = house.ok(&["top", &id])?;
    let child = text.lines().find(|line| line.ends_with("└ sleep 4821")).context("a child below it")?;
    assert!(text.starts_with("PID") && text.contains("3000"), "{text}");
    assert!(text.find(&format!("{}  ", shell["pid"])) < text.find(child), "{text}");
    let pid = shell["pid"].to_string();
    assert_eq!(house.run(&["kill", &id, "1"])?.code, 1);
    assert_eq!(house.run(&["kill", &id, "4000000"])?.code, 6);
    assert_eq!(house.run(&["kill", &id, &pid, "--signal", "NONE"])?.code, 2);
    assert_eq!(
        house.ok(&["kill", &id, &pid, "--tree", "--signal", "KILL"])?.trim(),
        format!("{pid}: 3 signalled")
    );
    wait_for("it to be gone", || Ok(listed(&house, &id, "sleep 482")?.is_empty().then_some(())))?;
    wait_for("its end in the log", || {
        let log = house.ok(&["logs", &id, "--process", process.trim(), "--json"])?;
        Ok(log.contains("signal 9").then_some(()))
    })?;
    Ok(())
}
