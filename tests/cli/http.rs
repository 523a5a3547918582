//! `slipway serve --listen`: who may speak to the loopback address, and who may not. Containment cases 23 to 25.

use crate::house::{House, request, wait_for};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

struct Listening {
    owner: Child,
    url: String,
    token: String,
}

fn listen(house: &House) -> Result<Listening> {
    let mut command = house.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut owner = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let said = BufReader::new(owner.stderr.take().context("a pipe")?);
    let mut url = None;
    for line in said.lines() {
        let line = line?;
        if let Some(address) = line.strip_prefix("Listening at ") {
            url = Some(address.to_owned());
        }
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    let token = fs::read_to_string(house.data().join("http-token"))?;
    let mode = fs::metadata(house.data().join("http-token"))?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    Ok(Listening { owner, url: url.context("it says where")?, token })
}

#[test]
fn only_the_right_host_origin_and_token_get_in() -> Result<()> {
    let house = House::new()?;
    let mut listening = listen(&house)?;
    let bearer = format!("Bearer {}", listening.token);
    let health = format!("{}/v1/health", listening.url);
    let token = ("authorization", bearer.as_str());
    let status = |headers: &[(&str, &str)]| -> Result<u16> { Ok(request(&health, headers)?.0) };
    assert_eq!(status(&[token])?, 200);
    assert_eq!(status(&[])?, 401);
    assert_eq!(status(&[("authorization", "Bearer wrong")])?, 401);
    assert_eq!(status(&[token, ("host", "evil.example")])?, 421);
    assert_eq!(status(&[token, ("origin", "https://evil.example")])?, 403);
    assert_eq!(status(&[token, ("origin", "null")])?, 403);
    assert_eq!(status(&[token, ("origin", &listening.url)])?, 200);

    let metrics = format!("{}/metrics", listening.url);
    assert_eq!(request(&metrics, &[])?.0, 401);
    let (status, body) = request(&metrics, &[token])?;
    assert!(status == 200 && body.contains("slipway_workspaces"), "{status} {body}");
    let queried = format!("{metrics}?token={}", listening.token);
    assert_eq!(request(&queried, &[])?.0, 401, "the query is for sockets only");

    // A page's WebSocket to a terminal: the origin is checked before anything is looked up.
    let attach = format!("{}/v1/attach?id=a&process=b&token={}", listening.url, listening.token);
    let upgrade = [
        ("connection", "Upgrade, close"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let foreign = [&upgrade[..], &[("origin", "https://evil.example")]].concat();
    assert_eq!(request(&attach, &foreign)?.0, 403);
    assert_eq!(request(&attach, &upgrade)?.0, 404, "past the guard, there is no such workspace");

    let handed = format!("{}/v1/files/handed?id=a&path=b&size=1&into=true", listening.url);
    assert_eq!(request(&handed, &[token])?.0, 404, "a file is handed over where descriptors go");

    house.ok(&["serve", "--stop"])?;
    assert!(listening.owner.wait()?.success());
    assert!(!house.data().join("http-token").exists());
    Ok(())
}

#[test]
fn an_address_that_others_could_reach_is_refused() -> Result<()> {
    let house = House::new()?;
    let ran = house.run(&["serve", "--listen", "0.0.0.0:0"])?;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("other machines"), "{ran:?}");
    Ok(())
}

#[test]
fn a_second_server_is_told_and_the_first_goes_on() -> Result<()> {
    let house = House::new()?;
    let mut listening = listen(&house)?;
    let second = house.run(&["serve"])?;
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("Another Slipway"), "{second:?}");
    wait_for("the first to answer", || house.owner().map(Some))?;
    house.ok(&["serve", "--stop"])?;
    assert!(listening.owner.wait()?.success());
    Ok(())
}
