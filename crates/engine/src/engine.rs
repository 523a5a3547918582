//! Opening and closing the engine, and the streams that are not commands.

use slipway_wire::{
    Code, EventBody, FileEntry, FileRef, Level, Problem, ProcessRef, WorkspaceId, WorkspaceState,
};
use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agent_stream::StreamKey,
    attachment::{self, Attachment},
    config::Config,
    deploy::{self, UnpackSummary},
    docker::Agents,
    docker_watch::DockerWatch,
    egress::{AddressPolicy, Dialer, Policy},
    events::{Bus, EventStream},
    files::{self, ByteStream, Transfer, Upload},
    pool::{self, Pool},
    preview::Gateway,
    routes::EngineRoutes,
    settings::SettingsFile,
    shared::{Registry, Shared},
    store::{self, Store},
    workspace::{Driver, Handle, Origin, message},
};

/// Slipway's engine. A cheap handle: all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// The gateway port of last time, so that a URL goes on working after a restart.
const GATEWAY_PORT: &str = "gateway-port";

impl Engine {
    /// Opens the engine on a data directory the caller has locked. Docker need not be there: it is looked for in the
    /// background. Fails when the data directory cannot be used or an agent's file is missing.
    pub async fn open(config: Config) -> Result<Self, Problem> {
        let instance = store::instance_id(&config.data_dir)?;
        let stream_key = StreamKey::new(store::secret(&config.data_dir)?);
        let temporary = config.data_dir.join("tmp");
        prepare_temporary(&temporary)?;
        crate::snapshot::clean(&config.data_dir);
        let (store, damaged) = Store::open(&config.data_dir)?;
        let (settings, settings_problem) = SettingsFile::open(config.settings_file.clone());
        let settings = Arc::new(settings);
        let agents = Agents::load(&instance, &config.agents, config.certificates.clone())?;
        let bus = Bus::new(config.clock.clone());
        let tracker = TaskTracker::new();
        let cancel = CancellationToken::new();
        let registry = Arc::new(Registry::default());
        let routes = Arc::new(EngineRoutes { registry: registry.clone(), shared: OnceLock::new() });
        let gateway = gateway(&config, &store, &routes, &tracker, &cancel).await?;
        let now = settings.get();
        let policy = Policy::new(&now.allow_hosts, now.ask_hosts)?;
        let pool = Pool::new(store.meta(pool::DEMAND)?.as_deref());
        let dialer = Dialer::new(AddressPolicy::new(&config.trusted_networks)?, config.proxy.as_deref())?;
        let shared = Arc::new(Shared {
            instance,
            stream_key,
            bus,
            store,
            settings,
            docker: DockerWatch::new(),
            agents,
            gateway: Arc::new(gateway),
            policy,
            dialer,
            registry,
            pool,
            reaping: tokio::sync::Semaphore::new(8),
            deleting: tokio::sync::Semaphore::new(2),
            leftover: tokio::sync::Notify::new(),
            tracker,
            cancel,
            resources: crate::resources::Resources::default(),
            snapshots: crate::snapshot::Snapshots::default(),
            syncs: crate::sync::Syncs::default(),
            metrics: crate::metrics::Metrics::default(),
            logs: crate::logs::Logs::new(&config.data_dir),
            watches: files::FileWatches::default(),
            egress: Mutex::new(BTreeMap::new()),
            config,
        });
        // Set once, here; nobody else can have.
        let _ = routes.shared.set(Arc::downgrade(&shared));
        let engine = Self { shared };
        if let Some(aside) = damaged {
            tracing::error!(%aside, "the database was damaged and has been set aside");
            let mut said =
                message(Level::Warning, "Slipway's database was damaged and a new one has been begun.");
            said.hint = Some(
                "Workspaces whose containers are still there come back by themselves, without their settings and messages."
                    .to_owned(),
            );
            said.detail = Some(format!("The old one is kept as {aside}."));
            engine.shared.bus.publish(None, EventBody::Message(said));
        }
        if let Some(problem) = settings_problem {
            tracing::warn!(%problem, "settings");
            let mut said = message(Level::Warning, problem.message);
            said.hint = problem.hint;
            said.detail = problem.detail;
            engine.shared.bus.publish(None, EventBody::Message(said));
        }
        engine.begin()?;
        Ok(engine)
    }

    /// Brings back the workspaces the store knows and begins to look for Docker.
    fn begin(&self) -> Result<(), Problem> {
        let shared = &self.shared;
        for record in shared.store.live()? {
            Driver::spawn(shared, record, Origin::Found);
        }
        let watch = shared.docker.clone().run(
            shared.config.docker.clone(),
            shared.instance.clone(),
            shared.settings.clone(),
            shared.bus.clone(),
            shared.config.clock.clone(),
            shared.cancel.clone(),
        );
        shared.tracker.spawn(watch);
        crate::sync::resume(shared)?;
        let sweeper = crate::sweep::run(Arc::downgrade(shared), shared.docker.clone(), shared.cancel.clone());
        shared.tracker.spawn(sweeper);
        let keeper = pool::run(Arc::downgrade(shared), shared.docker.watch(), shared.cancel.clone());
        shared.tracker.spawn(keeper);
        Ok(())
    }

    /// Events after `since`, then each as it comes; `None`: only new ones.
    pub fn events(&self, since: Option<u64>) -> EventStream {
        self.shared.bus.listen(since)
    }

    /// Where previews are served.
    pub fn gateway(&self) -> SocketAddr {
        self.shared.gateway.addr()
    }

    /// Workspaces that are neither stopped, terminated nor deleted.
    pub fn active(&self) -> usize {
        let active = |h: &Handle| {
            !matches!(
                h.view().state,
                WorkspaceState::Stopped | WorkspaceState::Terminated | WorkspaceState::Deleted
            )
        };
        self.shared.registry.all().iter().filter(|h| active(h)).count()
    }

    /// Calls the command `name` with a JSON body and gives its JSON reply; what fails is counted.
    pub async fn dispatch(&self, name: &str, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let reply = slipway_wire::dispatch(self, name, body).await;
        reply.inspect_err(|problem| self.shared.metrics.problem(problem))
    }

    /// Figures about Slipway itself, as text of the type [`crate::METRICS_TYPE`].
    pub fn metrics(&self) -> Result<String, Problem> {
        crate::metrics::text(&self.shared)
    }

    pub(crate) fn handle(&self, id: &WorkspaceId) -> Result<Handle, Problem> {
        self.shared.registry.get(id).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("There is no workspace {id}."))
                .hint("`slipway ps` lists what there is.")
        })
    }

    /// Attaches to a process from an output offset on. With `lossless`, a reader that is slow holds the process back;
    /// without, it gets a gap.
    pub async fn attach(
        &self,
        process: &ProcessRef,
        offset: u64,
        lossless: bool,
    ) -> Result<Attachment, Problem> {
        self.attach_with(process, offset, lossless, None).await
    }

    /// Attaches as a reader that loses nothing and says what it has taken ([`crate::Taken`]): at most `window` bytes,
    /// and what it allows later, are on their way to it. So an interrupt is seen soon although it reads slowly.
    pub async fn attach_acknowledging(
        &self,
        process: &ProcessRef,
        offset: u64,
        window: u64,
    ) -> Result<Attachment, Problem> {
        self.attach_with(process, offset, true, Some(window)).await
    }

    async fn attach_with(
        &self,
        process: &ProcessRef,
        offset: u64,
        lossless: bool,
        window: Option<u64>,
    ) -> Result<Attachment, Problem> {
        let handle = self.handle(&process.id)?;
        let used = handle.activity().clone();
        let (attachment, pump) =
            attachment::attach(handle.agent()?, process, offset, lossless, window, used).await?;
        let cancel = self.shared.cancel.clone();
        self.shared.tracker.spawn(async move { cancel.run_until_cancelled(pump).await });
        Ok(attachment)
    }

    /// A file's bytes from an offset on.
    pub async fn read_file(&self, file: &FileRef, offset: u64) -> Result<ByteStream, Problem> {
        files::read(self.handle(&file.id)?.agent()?.client, &file.path, offset).await
    }

    /// Writes a file of exactly `size` bytes, whole or not at all, making missing parents. `mode`: permission bits, those
    /// of the file it replaces without.
    pub async fn write_file(
        &self,
        file: &FileRef,
        mode: Option<u32>,
        size: u64,
        bytes: ByteStream,
    ) -> Result<FileEntry, Problem> {
        self.upload(file, Upload { mode, size, ..Upload::default() }, bytes).await
    }

    /// Writes a file whole, or goes on with an upload that was cut: `bytes` brings what comes after the offset.
    pub async fn upload(
        &self,
        file: &FileRef,
        upload: Upload,
        bytes: ByteStream,
    ) -> Result<FileEntry, Problem> {
        files::write(self.handle(&file.id)?.agent()?.client, &file.path, upload, bytes).await
    }

    /// Sends what of an open file comes after the upload's offset. A large one goes faster than as a stream.
    pub async fn send_file(
        &self,
        file: &FileRef,
        upload: Upload,
        from: File,
        transfer: Arc<Transfer>,
    ) -> Result<FileEntry, Problem> {
        let (docker, link) = (self.shared.docker.current()?, self.handle(&file.id)?.agent()?);
        files::send(&docker, &link, &file.path, upload, from, transfer).await
    }

    /// Fills an open file from the offset to `end` with what the workspace's has there. What was filled when it is cut
    /// may have holes: see [`crate::arrived`].
    pub async fn fetch_file(
        &self,
        file: &FileRef,
        offset: u64,
        end: u64,
        into: File,
        transfer: Arc<Transfer>,
    ) -> Result<(), Problem> {
        let (docker, link) = (self.shared.docker.current()?, self.handle(&file.id)?.agent()?);
        files::fetch(&docker, &link, &file.path, (offset, end), into, transfer).await
    }

    /// Everything below a directory as one stream, to be read by [`crate::tree::Reader`].
    pub async fn read_tree(&self, folder: &FileRef) -> Result<ByteStream, Problem> {
        files::read_tree(self.handle(&folder.id)?.agent()?.client, &folder.path).await
    }

    /// Makes files of such a stream below a directory, all or none. Gives how many, and their bytes.
    pub async fn write_tree(&self, folder: &FileRef, bytes: ByteStream) -> Result<(u64, u64), Problem> {
        files::write_tree(self.handle(&folder.id)?.agent()?.client, &folder.path, bytes).await
    }

    /// Unpacks all of a zip of exactly `size` bytes below `root`, after the same checks as a drop's.
    pub async fn unpack(
        &self,
        id: &WorkspaceId,
        root: &str,
        size: u64,
        zip: ByteStream,
    ) -> Result<UnpackSummary, Problem> {
        let link = self.handle(id)?.agent()?;
        let root = files::path_bytes(root)?;
        let limits = deploy::intake_limits(&self.shared.settings.get().intake)?;
        if size > limits.archive_bytes {
            let text = format!("The zip has {size} bytes, and at most {} are taken.", limits.archive_bytes);
            return Err(Problem::new(Code::Refused, text)
                .hint("Copy its parts, or raise the setting intake.archive_bytes.")
                .detail("zip-too-large"));
        }
        deploy::unpack(link.client, (root, deploy::Take::Whole), size, &limits, zip, |_, _| ()).await
    }

    /// Ends in order within `deadline`: no new work, containers stopped unless `keep`, tasks ended.
    pub async fn shutdown(&self, deadline: Duration, keep: bool) {
        let work = async {
            if !keep {
                let stops = self.shared.registry.all().into_iter().map(|handle| async move {
                    let running = matches!(
                        handle.view().state,
                        WorkspaceState::Running
                            | WorkspaceState::Creating
                            | WorkspaceState::Failed
                            | WorkspaceState::Paused
                    );
                    if running && let Err(problem) = handle.ask(crate::workspace::Request::Stop).await {
                        tracing::warn!(%problem, "a workspace could not be stopped at the end");
                    }
                });
                futures_util::future::join_all(stops).await;
            }
            self.shared.cancel.cancel();
            self.shared.tracker.close();
            self.shared.tracker.wait().await;
        };
        if tokio::time::timeout(deadline, work).await.is_err() {
            tracing::warn!("the engine did not end in time; the next start puts right what is left");
            self.shared.cancel.cancel();
        }
    }
}

/// Uploaded archives that a crash left are removed at the next start.
fn prepare_temporary(temporary: &std::path::Path) -> Result<(), Problem> {
    let trouble = |e: std::io::Error| {
        Problem::new(Code::Storage, "Slipway's data folder cannot be written.")
            .hint(
                "See that it belongs to you, is not read-only and has room; SLIPWAY_DATA_DIR names another.",
            )
            .detail(e.to_string())
    };
    match std::fs::remove_dir_all(temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(trouble(e)),
        _ => {}
    }
    std::fs::create_dir_all(temporary).map_err(trouble)
}

async fn gateway(
    config: &Config,
    store: &Store,
    routes: &Arc<EngineRoutes>,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<Gateway, Problem> {
    let trouble = |e: std::io::Error| {
        Problem::new(Code::Internal, "No loopback port could be opened for previews.")
            .hint("See that the port is free, or leave the choice to Slipway.")
            .detail(e.to_string())
    };
    let before = store.meta(GATEWAY_PORT)?.and_then(|text| text.parse().ok());
    let gateway = match config.gateway_port {
        Some(port) => {
            Gateway::bind(Some(port), routes.clone(), tracker, cancel.clone()).await.map_err(trouble)?
        }
        None => match Gateway::bind(before, routes.clone(), tracker, cancel.clone()).await {
            Ok(gateway) => gateway,
            // Taken by somebody else meanwhile: any other will do.
            Err(_) => Gateway::bind(None, routes.clone(), tracker, cancel.clone()).await.map_err(trouble)?,
        },
    };
    store.set_meta(GATEWAY_PORT, &gateway.addr().port().to_string())?;
    Ok(gateway)
}
