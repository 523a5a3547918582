//! `slipway logs`: found by time, level, name and pattern; followed over a change of the owner; exported; read after the
//! workspace is gone.

use crate::house::{House, LONG, lines, text_of, wait_for};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

/// A server that prints lines of every level, and `tick N` for each page asked for.
const APP: &str = "let n = 0; require('http').createServer((q, r) => { console.log('tick ' + n++); r.end('ok') }).listen(3000, '127.0.0.1', \
    () => { console.log('\\x1b[31mERROR red\\x1b[0m\\x1b]0;title\\x07'); console.log('WARN careful'); console.log('listening') })";

fn deployed(house: &House) -> Result<(String, String)> {
    let zip = house.temp.path().join("app.zip");
    slipway_tests::project::zip_of(&zip, &[("server.js", APP)])?;
    let ready = house.deploy(&zip, &[])?;
    let id = text_of(&ready, "id")?;
    wait_for("the first lines", || Ok(house.ok(&["logs", &id])?.contains("listening").then_some(())))?;
    Ok((id, text_of(&ready, "url")?))
}

#[test]
fn what_a_program_printed_is_found_and_exported_and_outlives_it() -> Result<()> {
    let house = House::new()?;
    let (id, _) = deployed(&house)?;
    assert_eq!(house.ok(&["logs", &id])?, "ERROR red\nWARN careful\nlistening\n");
    assert_eq!(house.ok(&["logs", &id, "--level", "warn"])?, "ERROR red\nWARN careful\n");
    assert_eq!(house.ok(&["logs", &id, "--grep", "^list", "--since", "1h"])?, "listening\n");
    assert_eq!(house.ok(&["logs", &id, "-n", "1", "--process", "node"])?, "listening\n");
    let none = house.run(&["logs", &id, "--grep", "nothing like it"])?;
    assert_eq!((none.code, none.out.len(), none.err.len()), (1, 0, 0), "{none:?}");
    assert_eq!(house.ok(&["logs", &id, "--until", "1h"])?, "");
    assert_eq!(house.run(&["logs", &id, "--process", "none"])?.code, 6);
    assert_eq!(house.run(&["logs", &id, "--grep", "("])?.code, 1);
    assert_eq!(house.run(&["logs", "nothing-here"])?.code, 6);
    assert_eq!(house.run(&["logs", &id, "--since", "whenever"])?.code, 2);
    let dated = house.ok(&["logs", &id, "--timestamps", "--level", "error"])?;
    assert!(dated.starts_with("20") && dated.ends_with("Z ERROR red\n"), "{dated:?}");
    let json: Vec<Value> = lines(&house.ok(&["logs", &id, "--json"])?)?;
    assert_eq!((&json[0]["seq"], &json[0]["stream"]), (&1.into(), &"slipway".into()));
    let red = json.iter().find(|line| line["message"] == "ERROR red").context("the red line")?;
    assert_eq!(
        (&red["level"], &red["coloured"]),
        (&"error".into(), &"\u{1b}[31mERROR red\u{1b}[0m\u{1b}[0m".into())
    );

    let file = house.temp.path().join("out.log");
    let path = file.to_str().context("text")?;
    house.ok(&["logs", &id, "--export", path])?;
    assert_eq!(fs::read_to_string(&file)?, "ERROR red\nWARN careful\nlistening\n");
    let refused = house.run(&["logs", &id, "--export", "/nowhere/out.log"])?;
    assert!(refused.code == 1 && refused.err.contains("/nowhere"), "{refused:?}");
    house.ok(&["rm", &id, "--yes"])?;
    assert_eq!(house.ok(&["logs", &id])?, "ERROR red\nWARN careful\nlistening\n");
    Ok(())
}

#[test]
fn following_goes_on_when_the_owner_is_killed_and_ends_with_the_workspace() -> Result<()> {
    let house = House::new()?;
    let (id, _) = deployed(&house)?;
    let mut follower =
        house.command(&["logs", &id, "--follow", "--tail", "1"]).stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(follower.stdout.take().context("its output")?);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(line)
    };
    assert_eq!(line()?, "listening\n");
    let ask = "require('http').get('http://127.0.0.1:3000', r => r.resume())";
    house.ok(&["shell", &id, "--", "node", "-e", ask])?;
    assert_eq!(line()?, "tick 0\n");
    let pid = house.owner_pid()?;
    Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    let began = Instant::now();
    wait_for("another owner, which the follower starts", || {
        anyhow::ensure!(began.elapsed() < LONG);
        Ok(house.owner_pid().ok().filter(|now| *now != pid))
    })?;
    wait_for("the workspace to answer", || {
        Ok(house.run(&["shell", &id, "--", "node", "-e", ask])?.code.eq(&0).then_some(()))
    })?;
    assert_eq!(line()?, "tick 1\n");
    house.ok(&["stop", &id])?;
    assert_eq!(follower.wait()?.code(), Some(0));
    Ok(())
}
