//! `slipway exec`, `top` and `kill`: codes handed on, streams apart, times kept, trees shown and ended.

use crate::house::{House, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};

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
fn an_input_that_cannot_be_read_and_an_output_that_nobody_takes_hold_nothing_up() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    // A folder can be opened, and every read of it fails.
    let ran = house.command(&["exec", &id, "--", "cat"]).stdin(std::fs::File::open("/tmp")?).output()?;
    let err = String::from_utf8(ran.stderr)?;
    assert!(ran.status.success() && ran.stdout.is_empty(), "{err}");
    assert_eq!(err.matches("cannot be read").count(), 1, "{err}");
    // Held open and never read.
    let mut stuck = house
        .command(&["exec", &id, "--timeout", "1s", "--", "yes", "4831"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let code = wait_for("the time limit", || Ok(stuck.try_wait()?))?.code();
    assert_eq!(code, Some(124));
    wait_for("it to be gone", || Ok(listed(&house, &id, "yes 4831")?.is_empty().then_some(())))?;
    Ok(())
}

#[test]
fn a_third_interrupt_ends_a_command_that_ignores_them() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let line = "trap 'echo caught' INT; echo begun; while :; do sleep 0.1; done";
    let mut child = house
        .command(&["exec", &id, "--", "sh", "-c", line])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let mut words = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut said = |wanted: &str| -> Result<()> {
        ensure!(words.next().context("a line")?? == wanted);
        Ok(())
    };
    let pid = child.id().to_string();
    said("begun")?;
    for last in [false, false, true] {
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status()?;
        ensure!(sent.success());
        if !last {
            said("caught")?;
        }
    }
    let code = wait_for("the end", || Ok(child.try_wait()?))?.code();
    assert_eq!(code, Some(130));
    wait_for("it to be gone", || Ok(listed(&house, &id, "echo caught")?.is_empty().then_some(())))?;
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
