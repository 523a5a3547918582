//! The owner of a data folder: started when needed, exactly one, gone when idle, replaced after it was killed.

use crate::house::{House, finish, page, text_of, wait_for};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

fn alive(pid: u32) -> bool {
    // A zombie has ended; its parent has only not looked yet.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

#[test]
fn the_first_command_starts_one_and_the_next_uses_it() -> Result<()> {
    let house = House::new()?;
    assert!(house.owner().is_err());
    house.ok(&["ps"])?;
    let first = house.owner()?;
    assert_eq!(first["role"], "background");
    house.ok(&["ps"])?;
    assert_eq!(house.owner()?["instance"], first["instance"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(house.data().join("owner.sock"))?.permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    Ok(())
}

#[test]
fn of_many_commands_at_once_exactly_one_owner_comes() -> Result<()> {
    let house = House::new()?;
    let mut children = Vec::new();
    for _ in 0..8 {
        children
            .push(house.command(&["ps", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    for child in children {
        let ran = finish(child, b"")?;
        ensure!(ran.code == 0 && ran.text()?.trim() == "[]", "{ran:?}");
    }
    let entry = format!("SLIPWAY_DATA_DIR={}", house.data().display());
    let pid = house.owner_pid()?;
    wait_for("the others to be gone", || {
        let all = slipway_tests::process::with_environment(&entry);
        Ok((all.len() == 1 && all[0].pid == pid).then_some(()))
    })
}

#[test]
fn an_idle_owner_ends_and_takes_its_socket_along() -> Result<()> {
    let house = House::new()?;
    let mut command = house.command(&["serve", "--background", "--idle", "1s"]);
    let owner = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ran = finish(owner, b"")?;
    assert_eq!((ran.code, ran.text()?.as_str()), (0, "ready\n"), "{ran:?}");
    assert!(!house.data().join("owner.sock").exists());
    Ok(())
}

#[test]
fn an_owner_with_a_workspace_stays() -> Result<()> {
    let house = House::new()?;
    let mut command = house.command(&["serve", "--background", "--idle", "1s"]);
    let mut owner = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait_for("the owner", || house.owner().map(Some))?;
    let id = house.hello()?;
    let instance = house.owner()?["instance"].clone();
    // Longer than it waits when idle, by its own clock: a command's run.
    house.ok(&["shell", &id, "--", "sleep", "3"])?;
    assert_eq!(house.owner()?["instance"], instance);
    house.ok(&["rm", &id, "--yes"])?;
    assert!(owner.wait()?.success());
    Ok(())
}

#[test]
fn after_a_kill_the_next_command_finds_everything() -> Result<()> {
    let house = House::new()?;
    let ready = house.deploy(&slipway_tests::project::sample("node-hello")?, &[])?;
    let id = text_of(&ready, "id")?;
    page(&text_of(&ready, "url")?)?;
    let pid = house.owner_pid()?;
    Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    wait_for("the owner's end", || Ok((!alive(pid)).then_some(())))?;
    assert!(house.data().join("owner.sock").exists(), "a killed owner leaves its socket");

    let row = wait_for("the workspace to be adopted", || {
        Ok(house.listed(&id)?.filter(|row| row["state"] == "running" && row["url"].is_string()))
    })?;
    assert_ne!(house.owner_pid()?, pid);
    page(&text_of(&row, "url")?)?;
    assert_eq!(house.ok(&["shell", &id, "--", "echo", "alive"])?, "alive\n");
    Ok(())
}

#[test]
fn a_deploy_survives_the_end_of_its_command() -> Result<()> {
    let house = House::new()?;
    let sample = slipway_tests::project::sample("node-hello")?;
    let mut command = house.command(&["deploy", sample.to_str().context("text")?, "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut first = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.take().context("a pipe")?),
        &mut first,
    )?;
    let accepted: serde_json::Value = serde_json::from_str(&first)?;
    child.kill()?;
    child.wait()?;
    let id = text_of(&accepted, "id")?;
    wait_for("the workspace to run", || Ok(house.listed(&id)?.filter(|row| row["state"] == "running")))?;
    Ok(())
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() -> Result<()> {
    let house = House::new()?;
    fs::remove_dir_all(house.data())?;
    fs::write(house.data(), "a file stands here")?;
    let ran = house.run(&["ps"])?;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("data") && ran.err.contains("SLIPWAY_DATA_DIR"), "{ran:?}");
    Ok(())
}

#[test]
fn a_long_data_folder_works_all_the_same() -> Result<()> {
    let house = House::new()?;
    let long = house.temp.path().join("x".repeat(150));
    let run = |arguments: &[&str]| {
        let mut command = house.command(arguments);
        finish(
            command.env("SLIPWAY_DATA_DIR", &long).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?,
            b"",
        )
    };
    let ran = run(&["ps", "--json"])?;
    assert_eq!((ran.code, ran.text()?.trim()), (0, "[]"), "{ran:?}");
    assert!(!Path::new(&long).join("owner.sock").exists());
    assert_eq!(run(&["serve", "--stop"])?.code, 0);
    Ok(())
}
