//! Registry logins, as the Docker command line keeps them: `auths` in `config.json`, or a credential helper.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

const HUB: &str = "https://index.docker.io/v1/";
const MOST_CONFIG: u64 = 1024 * 1024;
const MOST_ANSWER: usize = 64 * 1024;

#[derive(Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: HashMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Auth {
    auth: Option<String>,
    identitytoken: Option<String>,
}

/// What a credential helper answers.
#[derive(Deserialize)]
struct HelperAnswer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// The login for an image's registry, if this user has one. Trouble with the config means no login, not no pull:
/// most images are public, and the registry's own refusal tells the rest.
pub(super) async fn for_image(config_dir: Option<&Path>, image: &str) -> Option<DockerCredentials> {
    let path = config_dir?.join("config.json");
    if tokio::fs::metadata(&path).await.ok()?.len() > MOST_CONFIG {
        return None;
    }
    let text = tokio::fs::read(&path).await.ok()?;
    let config: ConfigFile = match serde_json::from_slice(&text) {
        Ok(config) => config,
        Err(e) => {
            tracing::warn!(path = %path.display(), error = %e, "the Docker config cannot be read; pulling without a login");
            return None;
        }
    };
    let registry = registry(image);
    if let Some(helper) = config.helpers.get(registry).or(config.store.as_ref())
        && let Some(found) = ask(helper, registry).await
    {
        return Some(found);
    }
    let auth = config.auths.get(registry)?;
    let (username, password) = auth.auth.as_deref().and_then(decode).unzip();
    Some(DockerCredentials {
        username,
        password,
        identitytoken: auth.identitytoken.clone(),
        serveraddress: Some(registry.to_owned()),
        ..Default::default()
    })
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The registry's key in the config: a host, or the Hub's historic address.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => {
            if host == "docker.io" {
                HUB
            } else {
                host
            }
        }
        _ => HUB,
    }
}

async fn ask(helper: &str, registry: &str) -> Option<DockerCredentials> {
    if helper.is_empty() || !helper.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return None;
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(registry.as_bytes()).await.ok()?;
    drop(stdin);
    let output = timeout(Duration::from_secs(10), child.wait_with_output()).await.ok()?.ok()?;
    if !output.status.success() || output.stdout.len() > MOST_ANSWER {
        return None;
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout).ok()?;
    let serveraddress = Some(registry.to_owned());
    Some(if answer.username == "<token>" {
        DockerCredentials { identitytoken: Some(answer.secret), serveraddress, ..Default::default() }
    } else {
        DockerCredentials {
            username: Some(answer.username),
            password: Some(answer.secret),
            serveraddress,
            ..Default::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_read_from_the_name() {
        assert_eq!(registry("node:24"), HUB);
        assert_eq!(registry("library/node"), HUB);
        assert_eq!(registry("docker.io/library/node"), HUB);
        assert_eq!(registry("ghcr.io/a/b:1"), "ghcr.io");
        assert_eq!(registry("localhost/x"), "localhost");
        assert_eq!(registry("host:5000/x"), "host:5000");
    }

    #[tokio::test]
    async fn a_login_is_read_from_auths() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), r#"{"auths":{"ghcr.io":{"auth":"dTpwOnc="}}}"#)
            .unwrap();
        let found = for_image(Some(dir.path()), "ghcr.io/a/b").await.unwrap();
        assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("u"), Some("p:w")));
        assert_eq!(for_image(Some(dir.path()), "node").await, None);
    }
}
