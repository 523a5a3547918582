//! The real app, driven by WebDriver. WebKit gives one window handle per webview, so a test looks into the interface
//! and into the preview. What a run leaves is removed, by its own instance label; what it looked like when a test
//! failed is kept.

use anyhow::{Context, Result};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WindowHandle};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{built, containers, display::Display, wait_until};

/// The app, its display and its data directory.
pub struct App {
    /// Where it shows.
    pub display: Display,
    /// Finds and clicks. Looks into one webview at a time.
    pub client: Client,
    /// A folder for the test's own files, gone afterwards.
    pub scratch: TempDir,
    driver: Child,
    ui: WindowHandle,
    variables: Vec<(String, String)>,
}

/// Where pictures and logs of failed tests are kept.
pub fn failures() -> Result<PathBuf> {
    let folder = crate::root()?.join("target/e2e-failures");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Environment of an app under test, beside the display's.
pub fn environment(command: &mut Command, scratch: &Path) -> Result<()> {
    let runtime = scratch.join("runtime");
    fs::create_dir_all(&runtime)?;
    containers::identify(&scratch.join("data"))?;
    command
        .env("SLIPWAY_DATA_DIR", scratch.join("data"))
        .env("XDG_RUNTIME_DIR", runtime)
        .env("SLIPWAY_TEST", "1")
        // What a machine without a language says, where the most goes wrong.
        .env("LC_ALL", "C")
        .env("SLIPWAY_LOG", std::env::var("SLIPWAY_LOG").unwrap_or_else(|_| "info".into()));
    Ok(())
}

/// How long a start took, by the app's own word, in milliseconds since its `main`.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// When the first pixels of the interface stood in the window.
    pub painted_ms: u64,
    /// When the interface would have answered a click.
    pub interactive_ms: u64,
}

/// Starts the app as a person does, with no driver, and ends it in order once it can be used.
pub async fn launch(display: &Display, scratch: &Path) -> Result<Launch> {
    let mut command = Command::new(built("SLIPWAY_APP", "slipway-desktop")?);
    display.dress(&mut command);
    environment(&mut command, scratch)?;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let said = async {
        let mut painted_ms = None;
        while let Some(line) = lines.next_line().await? {
            let figure = |name: &str| line.strip_prefix(name)?.strip_suffix(" ms")?.parse::<u64>().ok();
            painted_ms = painted_ms.or(figure("painted after "));
            if let Some(interactive_ms) = figure("interactive after ") {
                let painted_ms = painted_ms.context("the app did not say when it painted")?;
                return Ok(Launch { painted_ms, interactive_ms });
            }
        }
        anyhow::bail!("the app ended before it could be used")
    };
    let launch = tokio::time::timeout(Duration::from_secs(30), said).await.context("starting")??;
    let pid = child.id().context("the app runs")?.to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status().await?;
    anyhow::ensure!(status.success(), "the app had ended by itself");
    tokio::time::timeout(Duration::from_secs(30), child.wait()).await.context("the app's end")??;
    Ok(launch)
}

impl App {
    /// Runs a test in a fresh app that was started with `open`. Whatever comes of it, the app ends and its containers
    /// go; when it fails, a picture and the log stay.
    pub async fn run(name: &str, open: &[&Path], test: impl AsyncFnOnce(&App) -> Result<()>) -> Result<()> {
        Self::run_with(name, open, &[], async |app| test(app).await).await
    }

    /// The same with more in the app's environment, for a test that starts the app again.
    pub async fn run_with(
        name: &str,
        open: &[&Path],
        variables: &[(&str, &str)],
        test: impl AsyncFnOnce(&mut App) -> Result<()>,
    ) -> Result<()> {
        let scratch = tempfile::Builder::new().prefix("slipway-e2e-").tempdir()?;
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let data = scratch.path().join("data");
        let log = scratch.path().join("app.log");
        let mut app = match Self::start(scratch, open, variables).await {
            Ok(app) => app,
            Err(error) => return Err(error.context("the app did not start")),
        };
        let outcome = test(&mut app).await;
        if outcome.is_err() {
            let folder = failures()?;
            app.display.photograph(&folder.join(format!("{name}.png"))).await?;
            fs::copy(&log, folder.join(format!("{name}.log")))?;
            // Present unless the app ended before it could write one.
            let own = fs::read(data.join("slipway.log")).unwrap_or_default();
            fs::write(folder.join(format!("{name}.slipway.log")), own)?;
        }
        let (_scratch, ended) = app.end().await;
        let removed = containers::remove_all(&data).await;
        outcome.with_context(|| format!("see target/e2e-failures/{name}.png and .log"))?;
        ended?;
        removed
    }

    async fn start(scratch: TempDir, open: &[&Path], variables: Vec<(String, String)>) -> Result<Self> {
        let display = Display::start().await?;
        let (driver, client) = drive(&display, scratch.path(), open, &variables).await?;
        let ui = client.window().await?;
        let app = Self { display, client, scratch, driver, ui, variables };
        app.wait_for("#app > *").await.context("the interface did not come up")?;
        Ok(app)
    }

    /// Ends the app by a signal, in its own order or not, and starts it again on the same display and data.
    pub async fn restart(&mut self, signal: &str) -> Result<()> {
        end_app(&self.driver, signal).await?;
        self.driver.kill().await.context("ending WebDriver")?;
        let (driver, client) = drive(&self.display, self.scratch.path(), &[], &self.variables).await?;
        (self.driver, self.client) = (driver, client);
        self.ui = self.client.window().await?;
        self.wait_for("#app > *").await.context("the interface did not come up again")?;
        Ok(())
    }

    /// Where Slipway keeps its things in this run.
    pub fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// The app's own process.
    pub fn pid(&self) -> Result<u32> {
        app_under(&self.driver)
    }

    /// Looks into the interface.
    pub async fn ui(&self) -> Result<&Client> {
        self.client.switch_to_window(self.ui.clone()).await?;
        Ok(&self.client)
    }

    /// Looks into the preview, once there is one.
    pub async fn preview(&self) -> Result<&Client> {
        let other = wait_until("the preview's webview", Duration::from_secs(10), async || {
            Ok(self.client.windows().await?.into_iter().find(|window| *window != self.ui))
        })
        .await?;
        self.client.switch_to_window(other).await?;
        Ok(&self.client)
    }

    /// Runs JavaScript in the webview looked into: the body of a function.
    pub async fn script(&self, body: &str) -> Result<Value> {
        Ok(self.client.execute(body, Vec::new()).await?)
    }

    /// Runs JavaScript that calls the last of its `arguments` when it is done.
    pub async fn script_async(&self, body: &str) -> Result<Value> {
        Ok(self.client.execute_async(body, Vec::new()).await?)
    }

    /// The first element, as soon as there is one.
    pub async fn wait_for(&self, css: &str) -> Result<Element> {
        wait_until(css, Duration::from_secs(20), async || {
            Ok(Some(self.client.find(Locator::Css(css)).await?))
        })
        .await
    }

    /// Waits until the preview's text contains `text`.
    pub async fn preview_shows(&self, text: &str, deadline: Duration) -> Result<()> {
        wait_until(&format!("{text:?} in the preview"), deadline, async || {
            let client = self.preview().await?;
            let shown =
                client.execute("return document.body ? document.body.innerText : ''", Vec::new()).await?;
            let shown = shown.as_str().unwrap_or_default();
            anyhow::ensure!(
                shown.contains(text),
                "it shows {:?}",
                shown.chars().take(300).collect::<String>()
            );
            Ok(Some(()))
        })
        .await
    }

    /// Waits until the interface's text contains `text`.
    pub async fn ui_shows(&self, text: &str, deadline: Duration) -> Result<()> {
        wait_until(&format!("{text:?} in the interface"), deadline, async || {
            let client = self.ui().await?;
            let shown = client.execute("return document.body.innerText", Vec::new()).await?;
            let shown = shown.as_str().unwrap_or_default();
            anyhow::ensure!(
                shown.contains(text),
                "it shows {:?}",
                shown.chars().take(600).collect::<String>()
            );
            Ok(Some(()))
        })
        .await
    }

    /// Drops a file on the interface, by the mouse, at CSS pixels of its content.
    pub async fn drop_file(&self, file: &Path, x: i32, y: i32) -> Result<()> {
        let (left, top) = self.display.window_at("^Slipway").await?;
        self.display.drag_file(file, (left + x, top + y)).await
    }

    /// Ends the app as a system does, then the driver, which would kill it. The data directory stays for what is left
    /// to do.
    async fn end(self) -> (TempDir, Result<()>) {
        let Self { scratch, mut driver, display, .. } = self;
        let ended = end_app(&driver, "-TERM").await;
        let killed = driver.kill().await.context("ending WebDriver");
        drop(display);
        (scratch, ended.and(killed))
    }
}

/// Ends the app under a driver and waits until it is gone.
async fn end_app(driver: &Child, signal: &str) -> Result<()> {
    let pid = app_under(driver)?;
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().await?;
    anyhow::ensure!(status.success(), "the app had ended by itself");
    wait_until("the app's end", Duration::from_mins(1), async || {
        Ok((!Path::new(&format!("/proc/{pid}")).exists() || app_under(driver).is_err()).then_some(()))
    })
    .await
}

/// Starts a driver and, by a session of it, the app.
async fn drive(
    display: &Display,
    scratch: &Path,
    open: &[&Path],
    variables: &[(String, String)],
) -> Result<(Child, Client)> {
    let log = File::options().create(true).append(true).open(scratch.join("app.log"))?;
    let port = free_port()?;
    let mut driver = Command::new("WebKitWebDriver");
    display.dress(&mut driver);
    environment(&mut driver, scratch)?;
    let driver = driver
        .arg(format!("--port={port}"))
        .envs(variables.iter().cloned())
        .env("TAURI_WEBVIEW_AUTOMATION", "true")
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting WebKitWebDriver")?;
    let program = built("SLIPWAY_APP", "slipway-desktop")?;
    let capabilities = json!({ "webkitgtk:browserOptions": { "binary": program, "args": open } });
    let Value::Object(capabilities) = capabilities else { anyhow::bail!("an object is an object") };
    let address = format!("http://127.0.0.1:{port}");
    let client = wait_until("a WebDriver session", Duration::from_mins(1), async || {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        Ok(Some(builder.capabilities(capabilities.clone()).connect(&address).await?))
    })
    .await?;
    Ok((driver, client))
}

fn app_under(driver: &Child) -> Result<u32> {
    let driver = driver.id().context("WebDriver has ended")?;
    let family = crate::process::family(driver);
    let app = family.iter().find(|p| "slipway-desktop".starts_with(&p.name) && p.pid != driver);
    Ok(app.context("the app is not under WebDriver")?.pid)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
