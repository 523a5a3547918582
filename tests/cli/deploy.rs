//! `slipway deploy`: from a zip or folder to an answering page, and every way it can fail with its exit code.

use crate::house::{House, finish, lines, page, text_of, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use slipway_tests::project;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn zip(house: &House, name: &str, entries: &[(&str, &str)]) -> Result<PathBuf> {
    let path = house.temp.path().join(name);
    project::zip_of(&path, entries)?;
    Ok(path)
}

/// A deploy that must fail: its exit code and last line.
fn fails(house: &House, source: &Path) -> Result<(i32, Value)> {
    let ran = house.run(&["deploy", source.to_str().context("text")?, "--json"])?;
    let last = lines(&ran.text()?)?.pop().with_context(|| format!("{ran:?}"))?;
    ensure!(last["event"] == "error", "{last}");
    ensure!(last["message"].as_str().is_some_and(|message| !message.is_empty()), "{last}");
    Ok((ran.code, last))
}

#[test]
fn a_zip_becomes_a_page_that_answers() -> Result<()> {
    let house = House::new()?;
    let zip = project::zip_sample("node-hello", house.temp.path())?;
    let text = house.ok(&["deploy", zip.to_str().context("text")?, "--json", "--name", "Hello there"])?;
    let lines = lines(&text)?;
    let ready = lines.last().context("a last line")?;
    assert_eq!(ready["event"], "ready", "{ready}");
    assert!(ready["elapsed_ms"].as_u64().is_some_and(|ms| ms > 0), "{ready}");
    assert!(
        lines
            .iter()
            .any(|line| line["event"] == "phase" && line["name"] == "upload" && line["state"] == "done")
    );
    assert!(lines.iter().all(|line| line["event"].is_string()));

    let id = text_of(ready, "id")?;
    assert!(!page(&text_of(ready, "url")?)?.is_empty());
    let row = house.listed(&id)?.context("it is listed")?;
    let fields: Vec<&str> = row.as_object().context("an object")?.keys().map(String::as_str).collect();
    assert_eq!(fields, ["expires_at", "health", "id", "image", "name", "remaining_s", "state", "url"]);
    assert_eq!(
        (&row["name"], &row["state"], &row["url"]),
        (&"Hello there".into(), &"running".into(), &ready["url"])
    );
    let ends = text_of(&row, "expires_at")?;
    assert!(ends.len() == 20 && ends.ends_with('Z'), "{ends}");

    let status: Value = serde_json::from_str(&house.ok(&["status", &id, "--json"])?)?;
    assert_eq!(status["state"], "running");
    Ok(())
}

#[test]
fn a_hostile_zip_is_refused_and_makes_nothing() -> Result<()> {
    let house = House::new()?;
    let zip = zip(&house, "hostile.zip", &[("index.html", "hi"), ("../../evil", "evil")])?;
    let (code, last) = fails(&house, &zip)?;
    assert_eq!((code, &last["code"]), (4, &"refused".into()), "{last}");
    assert!(text_of(&last, "message")?.contains("evil"), "{last}");
    assert_eq!(house.ok(&["ps", "--json"])?.trim(), "[]");
    Ok(())
}

#[test]
fn broken_zips_are_refused_in_words() -> Result<()> {
    let house = House::new()?;
    let good = project::zip_sample("node-hello", house.temp.path())?;
    let bytes = fs::read(&good)?;
    for (name, content) in
        [("empty.zip", &b""[..]), ("text.zip", b"not a zip"), ("cut.zip", &bytes[..bytes.len() / 2])]
    {
        let path = house.temp.path().join(name);
        fs::write(&path, content)?;
        let (code, last) = fails(&house, &path)?;
        assert_eq!(code, 4, "{name}: {last}");
    }
    Ok(())
}

#[test]
fn a_folder_without_a_project_says_so() -> Result<()> {
    let house = House::new()?;
    let folder = house.temp.path().join("papers");
    fs::create_dir(&folder)?;
    fs::write(folder.join("letter.txt"), "Dear reader")?;
    let (code, last) = fails(&house, &folder)?;
    assert_eq!((code, &last["code"]), (4, &"no-project".into()), "{last}");
    let dry = house.run(&["deploy", folder.to_str().context("text")?, "--dry-run"])?;
    assert_eq!(dry.code, 4, "{dry:?}");
    Ok(())
}

#[test]
fn a_path_that_is_not_there_is_not_found() -> Result<()> {
    let house = House::new()?;
    let (code, last) = fails(&house, &house.temp.path().join("absent.zip"))?;
    assert_eq!((code, &last["code"]), (6, &"not-found".into()), "{last}");
    Ok(())
}

#[test]
fn a_program_that_ends_at_once_fails_with_its_last_words() -> Result<()> {
    let house = House::new()?;
    let package = r#"{"name":"broken","scripts":{"start":"node broken.js"}}"#;
    let source = zip(
        &house,
        "broken.zip",
        &[
            ("package.json", package),
            (
                "broken.js",
                "require('http').createServer(() => {}); console.error('out of luck'); process.exit(3)",
            ),
        ],
    )?;
    let ran = house.run(&["deploy", source.to_str().context("text")?])?;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("out of luck"), "{ran:?}");
    Ok(())
}

#[test]
fn a_dry_run_says_how_and_makes_nothing() -> Result<()> {
    let house = House::new()?;
    let sample = project::sample("node-hello")?;
    let said = house.ok(&["deploy", sample.to_str().context("text")?, "--dry-run"])?;
    assert!(said.contains("node server.js"), "{said}");
    assert_eq!(house.ok(&["ps", "--all", "--json"])?.trim(), "[]");
    Ok(())
}

#[test]
fn the_environment_reaches_the_program_and_no_label() -> Result<()> {
    let house = House::new()?;
    let package = r#"{"name":"env","scripts":{"start":"node s.js"}}"#;
    let server = "require('http').createServer((q, r) => r.end(process.env.GREETING + ',' + process.env.OTHER)).listen(3000)";
    let source = zip(&house, "env.zip", &[("package.json", package), ("s.js", server)])?;
    let file = house.temp.path().join("vars");
    fs::write(&file, "# a comment\nGREETING=file\nOTHER='from a file'\n")?;
    let more = ["--env", "GREETING=canary-7c1", "--env-file", file.to_str().context("text")?];
    let ready = house.deploy(&source, &more)?;
    assert_eq!(page(&text_of(&ready, "url")?)?.trim(), "canary-7c1,from a file");
    let instance = slipway_tests::containers::instance(&house.data())?;
    let filter = format!("label=slipway.instance={instance}");
    let ids = Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output()?;
    let ids = String::from_utf8(ids.stdout)?;
    assert!(!ids.trim().is_empty());
    let inspected = Command::new("docker").arg("inspect").args(ids.split_whitespace()).output()?;
    assert!(!String::from_utf8_lossy(&inspected.stdout).contains("canary-7c1"));
    let log = fs::read_to_string(house.data().join("slipway.log"))?;
    assert!(!log.contains("canary-7c1"), "{log}");
    Ok(())
}

#[test]
fn an_interrupted_deploy_is_cancelled() -> Result<()> {
    let house = House::new()?;
    let package = r#"{"name":"silent","scripts":{"start":"node s.js"}}"#;
    let source = zip(
        &house,
        "silent.zip",
        &[
            ("package.json", package),
            ("s.js", "require('http').createServer(() => {}); setInterval(() => {}, 1000)"),
        ],
    )?;
    let mut command = house.command(&["deploy", source.to_str().context("text")?, "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().context("a pipe")?);
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        ensure!(out.read_line(&mut line)? > 0, "it ended before its program started: {seen}");
        let value: Value = serde_json::from_str(&line)?;
        seen.push_str(&line);
        if value["name"] == "ready" && value["state"] == "running" {
            break;
        }
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    let mut last = String::new();
    for line in out.lines() {
        last = line?;
    }
    let ran = finish(child, b"")?;
    assert_eq!(ran.code, 130, "{ran:?} {last}");
    let last: Value = serde_json::from_str(&last)?;
    assert_eq!(last["code"], "cancelled", "{last}");
    Ok(())
}

#[test]
fn a_second_deploy_goes_on_beside_the_first() -> Result<()> {
    let house = House::new()?;
    let sample = project::sample("node-hello")?;
    let sample = sample.to_str().context("text")?;
    let start = || {
        let mut command = house.command(&["deploy", sample, "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let (first, second) = (start()?, start()?);
    let mut urls = Vec::new();
    for child in [first, second] {
        let ran = finish(child, b"")?;
        ensure!(ran.code == 0, "{ran:?}");
        let ready = lines(&ran.text()?)?.pop().context("a last line")?;
        urls.push(text_of(&ready, "url")?);
    }
    assert_ne!(urls[0], urls[1]);
    for url in urls {
        page(&url)?;
    }
    Ok(())
}

#[test]
fn a_detached_deploy_gets_there_by_itself() -> Result<()> {
    let house = House::new()?;
    let sample = project::sample("node-hello")?;
    let id = house.ok(&["deploy", sample.to_str().context("text")?, "--detach"])?;
    let id = id.trim();
    wait_for("the workspace to run", || Ok(house.listed(id)?.filter(|row| row["state"] == "running")))?;
    Ok(())
}
