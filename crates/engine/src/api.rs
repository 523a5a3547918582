//! The commands table, executed. Each command checks what it is given and hands it to the one who knows.

use slipway_wire::{
    Api, ArrangeTerminals, Code, DeployRequest, DigestFile, DirectoryListing, EgressEntry, EgressRule,
    EngineStatus, Event, EventBody, FileChanges, FileDigest, FileEntry, FileRef, FileText, Inspection,
    KillRequest, Killed, LeaseRequest, Level, Limits, LimitsRequest, LiveSync, LogPage, LogQuery, Mkdir,
    Nothing, OpenProcess, PhaseName, PhaseState, PoolStatus, Problem, Process, ProcessRef, ProcessTree,
    RedeployRequest, RemoveFile, RemovedFile, RenameFile, Resize, RestartPolicyRequest, RestartProcess,
    Settings, Signal, Snapshot, SnapshotCreate, SnapshotEdit, SnapshotExport, SnapshotFile, SnapshotImport,
    SnapshotRef, SnapshotStart, Source, Stats, StatsRequest, SyncPreview, SyncRef, SyncStart, TerminalLayout,
    TreeRequest, Usage, WatchFiles, Workspace, WorkspaceId, WorkspacePage, WorkspaceQuery, WorkspaceRef,
    WorkspaceRename, WorkspaceState, WriteText,
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use crate::{
    agent_link::AgentLink,
    deploy::{Intake, check_env, check_root, inspect, plan_view},
    docker::check_image_name,
    engine::Engine,
    files, processes, resources, snapshot, sync, terminals,
    workspace::{Driver, Origin, Record, Request, lease, message, name, waiting},
};

/// Workspaces one owner drives.
const MOST_WORKSPACES: usize = 1000;

impl Engine {
    async fn inspected(&self, source: Source) -> Result<Intake, Problem> {
        let limits = self.shared.settings.get().intake;
        let samples = self.shared.config.samples_dir.clone();
        let temporary = self.shared.config.data_dir.join("tmp");
        tokio::task::spawn_blocking(move || inspect(&source, &limits, samples.as_deref(), &temporary))
            .await
            .map_err(|e| Problem::new(Code::Internal, format!("The check of the files broke: {e}.")))?
    }

    async fn ask(&self, id: &WorkspaceId, request: Request) -> Result<Workspace, Problem> {
        // Just after the start: an answer about Docker is a moment away.
        self.shared.docker.first_look().await;
        self.handle(id)?.ask(request).await
    }

    /// Says now what could only fail later: too many, no Docker, no room unless forced.
    async fn room_for_one_more(&self, force: bool) -> Result<(), Problem> {
        if self.shared.registry.all().len() >= MOST_WORKSPACES {
            let text = format!("There are {MOST_WORKSPACES} workspaces already.");
            return Err(Problem::new(Code::Limit, text).hint("Delete some first."));
        }
        self.shared.docker.first_look().await;
        let docker = self.shared.docker.current()?;
        if force { Ok(()) } else { resources::room_for_one_more(&self.shared, &docker).await }
    }

    fn link(&self, id: &WorkspaceId) -> Result<AgentLink, Problem> {
        self.handle(id)?.agent()
    }

    /// What a request and the settings make of a new workspace.
    fn new_record(
        &self,
        request: &DeployRequest,
        intake: &Intake,
        began: Instant,
    ) -> Result<Record, Problem> {
        let settings = self.shared.settings.get();
        check_env(&request.env)?;
        let run_plan = choose_plan(intake, request.plan.as_deref())?;
        let title = request.name.as_deref().or(run_plan.as_ref().and_then(|plan| plan.name.as_deref()));
        let name = match title {
            Some(name) => name::check(name)?,
            None => intake.name.clone(),
        };
        let id = name::new_id(&name, |id| {
            self.shared.registry.get(id).is_some() || self.shared.store.deleted(id).is_ok_and(|r| r.is_some())
        })?;
        let image = match (&request.image, &run_plan) {
            (Some(image), _) => image.clone(),
            (None, Some(plan)) => plan.image.reference.clone(),
            (None, None) => "node:24-alpine".to_owned(),
        };
        check_image_name(&image)?;
        let root = check_root(request.root.as_deref())?;
        let now_ms = self.shared.config.clock.now_ms();
        let lease = lease::begin(now_ms, request.duration_s.unwrap_or(settings.duration_s))?;
        let mut phases = PhaseName::ALL.map(waiting);
        phases[0].state = PhaseState::Done;
        phases[0].elapsed_ms = Some(began.elapsed().as_millis() as u64);
        let view = Workspace {
            plan: run_plan.as_ref().map(|plan| plan_view(plan, Some(&image))),
            id,
            name,
            state: WorkspaceState::Creating,
            image,
            phases: phases.to_vec(),
            ready_ms: None,
            problem: None,
            url: None,
            ports: Vec::new(),
            lease,
            root,
            created_at_ms: now_ms,
            preset: request.preset.unwrap_or(settings.preset),
            network: request.network.unwrap_or(settings.network),
            health: slipway_wire::Health::default(),
            restart: request.restart.unwrap_or_default(),
            snapshot: None,
            folder: intake.folder.clone(),
        };
        Ok(Record { run_plan, env: request.env.clone(), ..Record::new(view) })
    }
}

fn choose_plan(intake: &Intake, wanted: Option<&str>) -> Result<Option<slipway_intake::RunPlan>, Problem> {
    let Some(wanted) = wanted else { return Ok(intake.plans.first().cloned()) };
    let found = intake.plans.iter().find(|plan| plan.id == wanted).cloned();
    found.map(Some).ok_or_else(|| {
        let known: Vec<&str> = intake.plans.iter().map(|plan| plan.id.as_str()).collect();
        let hint = if known.is_empty() {
            "No plan fits this project.".to_owned()
        } else {
            format!("There is: {}.", known.join(", "))
        };
        Problem::new(Code::NotFound, format!("This project has no plan {wanted:?}.")).hint(hint)
    })
}

impl Api for Engine {
    async fn engine_status(&self, _: Nothing) -> Result<EngineStatus, Problem> {
        Ok(self.shared.docker.first_look().await)
    }

    async fn engine_retry(&self, _: Nothing) -> Result<EngineStatus, Problem> {
        Ok(self.shared.docker.retry().await)
    }

    async fn settings_get(&self, _: Nothing) -> Result<Settings, Problem> {
        Ok(self.shared.settings.get())
    }

    async fn pool_status(&self, _: Nothing) -> Result<PoolStatus, Problem> {
        Ok(self.shared.pool.status(&self.shared))
    }

    async fn settings_set(&self, settings: Settings) -> Result<Settings, Problem> {
        // Checks the patterns too; put back when the rest is refused.
        let before = self.shared.settings.get();
        self.shared
            .policy
            .set_global(&settings.allow_hosts, settings.ask_hosts)
            .map_err(|problem| problem.field("allow_hosts"))?;
        match self.shared.settings.set(settings) {
            Ok(settings) => {
                if settings.docker_host != before.docker_host {
                    self.shared.docker.settings_changed();
                }
                self.shared.pool.look_again();
                self.shared.bus.publish(None, EventBody::Settings(Box::new(settings.clone())));
                Ok(settings)
            }
            Err(problem) => {
                self.shared.policy.set_global(&before.allow_hosts, before.ask_hosts)?;
                Err(problem)
            }
        }
    }

    async fn intake_inspect(&self, source: Source) -> Result<Inspection, Problem> {
        let intake = self.inspected(source).await?;
        let plans = intake.plans.iter().map(|plan| plan_view(plan, None)).collect::<Vec<_>>();
        let unknown = plans.is_empty().then_some(intake.unknown);
        Ok(Inspection { files: intake.files, bytes: intake.bytes, plans, unknown })
    }

    async fn workspace_deploy(&self, request: DeployRequest) -> Result<Workspace, Problem> {
        let began = Instant::now();
        let intake = Arc::new(self.inspected(request.source.clone()).await?);
        if let Some(id) = &request.replace {
            return self.ask(id, Request::Replace(intake)).await;
        }
        self.room_for_one_more(request.force).await?;
        let record = self.new_record(&request, &intake, began)?;
        let view = record.view.clone();
        self.shared.metrics.phase(PhaseName::Check, true, began.elapsed());
        // The intention is on disk before anything exists.
        self.shared.store.save(&record)?;
        Driver::spawn(&self.shared, record, Origin::Deploy { intake, began });
        Ok(view)
    }

    async fn workspace_redeploy(&self, request: RedeployRequest) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Redeploy { from: request.from, command: request.command }).await
    }

    async fn workspace_list(&self, _: Nothing) -> Result<Vec<Workspace>, Problem> {
        let mut all: Vec<Workspace> =
            self.shared.registry.all().iter().map(crate::workspace::Handle::view).collect();
        all.sort_by(|a, b| b.created_at_ms.cmp(&a.created_at_ms).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    async fn workspace_status(&self, request: WorkspaceRef) -> Result<Workspace, Problem> {
        match self.handle(&request.id) {
            Ok(handle) => Ok(handle.view()),
            Err(unknown) => self.shared.store.deleted(&request.id)?.map(|record| record.view).ok_or(unknown),
        }
    }

    async fn workspace_stop(&self, request: WorkspaceRef) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Stop).await
    }

    async fn workspace_start(&self, request: WorkspaceRef) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Start).await
    }

    async fn workspace_cancel(&self, request: WorkspaceRef) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Cancel).await
    }

    async fn workspace_remove(&self, request: WorkspaceRef) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Remove).await
    }

    async fn workspace_rename(&self, request: WorkspaceRename) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Rename(name::check(&request.name)?)).await
    }

    async fn workspace_lease(&self, request: LeaseRequest) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::Lease(request.change)).await
    }

    async fn workspace_restart_policy(&self, request: RestartPolicyRequest) -> Result<Workspace, Problem> {
        self.ask(&request.id, Request::RestartPolicy(request.policy)).await
    }

    async fn workspace_query(&self, query: WorkspaceQuery) -> Result<WorkspacePage, Problem> {
        self.shared.store.query(&query, self.shared.config.clock.now_ms())
    }

    async fn workspace_usage(&self, request: WorkspaceRef) -> Result<Usage, Problem> {
        let link = self.link(&request.id)?;
        resources::usage(&self.shared, &request.id, &link).await
    }

    async fn workspace_stats(&self, request: StatsRequest) -> Result<Stats, Problem> {
        let link = self.handle(&request.id)?.link();
        resources::stats(&self.shared, &request, link.as_ref()).await
    }

    async fn workspace_limits(&self, request: LimitsRequest) -> Result<Limits, Problem> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let id = request.id.clone();
        self.ask(&id, Request::Limits(request, tell)).await?;
        told.await.map_err(|_| Problem::new(Code::Internal, "The limits were changed and not told."))
    }

    async fn workspace_messages(&self, request: WorkspaceRef) -> Result<Vec<Event>, Problem> {
        self.shared.store.messages(&request.id)
    }

    async fn workspace_logs(&self, query: LogQuery) -> Result<LogPage, Problem> {
        crate::logs::page(&self.shared, query).await
    }

    async fn process_list(&self, request: WorkspaceRef) -> Result<Vec<Process>, Problem> {
        processes::list(&self.handle(&request.id)?, &request.id).await
    }

    async fn process_open(&self, request: OpenProcess) -> Result<Process, Problem> {
        check_env(&request.env)?;
        let history = self.shared.settings.get().terminal_history_mb << 20;
        let process = processes::open(&self.handle(&request.id)?, &request, history).await?;
        self.shared.bus.publish(Some(&request.id), EventBody::Process(process.clone()));
        Ok(process)
    }

    async fn process_detach(&self, request: OpenProcess) -> Result<Process, Problem> {
        check_env(&request.env)?;
        let handle = self.handle(&request.id)?;
        let process = processes::detach(&handle, &request).await?;
        self.shared.keep_log(&handle.agent()?, &crate::deploy::followed(&process));
        self.shared.bus.publish(Some(&request.id), EventBody::Process(process.clone()));
        Ok(process)
    }

    async fn process_restart(&self, request: RestartProcess) -> Result<Process, Problem> {
        let handle = self.handle(&request.id)?;
        let (process, alone) = processes::restart(&handle, &request).await?;
        if alone {
            self.shared.keep_log(&handle.agent()?, &crate::deploy::followed(&process));
        }
        self.shared.bus.publish(Some(&request.id), EventBody::Process(process.clone()));
        Ok(process)
    }

    async fn terminal_layout(&self, request: WorkspaceRef) -> Result<TerminalLayout, Problem> {
        self.handle(&request.id)?;
        self.shared.store.terminals(&request.id)
    }

    async fn terminal_arrange(&self, request: ArrangeTerminals) -> Result<TerminalLayout, Problem> {
        self.handle(&request.id)?;
        terminals::arrange(&self.shared, request)
    }

    async fn process_tree(&self, request: TreeRequest) -> Result<ProcessTree, Problem> {
        processes::tree(&self.link(&request.id)?, &request).await
    }

    async fn process_kill(&self, request: KillRequest) -> Result<Killed, Problem> {
        processes::kill(&self.link(&request.id)?, &request).await
    }

    async fn process_resize(&self, request: Resize) -> Result<Nothing, Problem> {
        processes::resize(&self.link(&request.id)?, &request).await
    }

    async fn process_signal(&self, request: Signal) -> Result<Nothing, Problem> {
        processes::signal(&self.link(&request.id)?, &request).await
    }

    async fn process_close(&self, request: ProcessRef) -> Result<Nothing, Problem> {
        processes::close(&self.link(&request.id)?, &request).await
    }

    async fn file_list(&self, request: FileRef) -> Result<DirectoryListing, Problem> {
        files::list(self.link(&request.id)?.client, &request.path).await
    }

    async fn file_stat(&self, request: FileRef) -> Result<FileEntry, Problem> {
        files::stat(self.link(&request.id)?.client, &request.path).await
    }

    async fn file_read(&self, request: FileRef) -> Result<FileText, Problem> {
        files::read_text(self.link(&request.id)?.client, &request.path).await
    }

    async fn file_write(&self, request: WriteText) -> Result<FileEntry, Problem> {
        let link = self.link(&request.id)?;
        let text = bytes::Bytes::from(request.text);
        let size = text.len() as u64;
        let once = futures_util::stream::once(std::future::ready(Ok(text)));
        let upload =
            files::Upload { size, if_modified_ms: request.if_modified_ms, ..files::Upload::default() };
        files::write(link.client, &request.path, upload, Box::pin(once)).await
    }

    async fn file_remove(&self, request: RemoveFile) -> Result<RemovedFile, Problem> {
        let client = self.link(&request.id)?.client;
        if request.keep == Some(true) {
            let now_ms = self.shared.config.clock.now_ms();
            return Ok(RemovedFile { kept: Some(files::put_aside(client, &request.path, now_ms).await?) });
        }
        files::remove(client, &request.path, request.recursive).await?;
        Ok(RemovedFile::default())
    }

    async fn file_rename(&self, request: RenameFile) -> Result<Nothing, Problem> {
        files::rename(self.link(&request.id)?.client, &request.from, &request.to).await?;
        Ok(Nothing {})
    }

    async fn file_mkdir(&self, request: Mkdir) -> Result<Nothing, Problem> {
        files::mkdir(self.link(&request.id)?.client, &request.path).await?;
        Ok(Nothing {})
    }

    async fn file_digest(&self, request: DigestFile) -> Result<FileDigest, Problem> {
        files::digest(self.link(&request.id)?.client, &request).await
    }

    async fn file_watch(&self, request: WatchFiles) -> Result<FileChanges, Problem> {
        files::changes(&self.shared, &self.handle(&request.id)?, request).await
    }

    async fn snapshot_create(&self, request: SnapshotCreate) -> Result<Snapshot, Problem> {
        let handle = self.handle(&request.workspace)?;
        snapshot::create(&self.shared, &handle, request).await
    }

    async fn snapshot_list(&self, _: Nothing) -> Result<Vec<Snapshot>, Problem> {
        snapshot::list(&self.shared)
    }

    async fn snapshot_status(&self, request: SnapshotRef) -> Result<Snapshot, Problem> {
        snapshot::status(&self.shared, &request.id)
    }

    async fn snapshot_edit(&self, request: SnapshotEdit) -> Result<Snapshot, Problem> {
        snapshot::edit(&self.shared, &request)
    }

    async fn snapshot_start(&self, request: SnapshotStart) -> Result<Workspace, Problem> {
        let began = Instant::now();
        self.room_for_one_more(request.force).await?;
        snapshot::begin(&self.shared, &request, began)
    }

    async fn snapshot_export(&self, request: SnapshotExport) -> Result<SnapshotFile, Problem> {
        snapshot::export(&self.shared, request).await
    }

    async fn snapshot_import(&self, request: SnapshotImport) -> Result<Snapshot, Problem> {
        snapshot::import(&self.shared, request).await
    }

    async fn snapshot_cancel(&self, request: SnapshotRef) -> Result<Nothing, Problem> {
        self.shared.snapshots.cancel(&request.id)?;
        Ok(Nothing {})
    }

    async fn snapshot_remove(&self, request: SnapshotRef) -> Result<Nothing, Problem> {
        snapshot::remove(&self.shared, &request.id).await?;
        Ok(Nothing {})
    }

    async fn sync_start(&self, request: SyncStart) -> Result<LiveSync, Problem> {
        let handle = self.handle(&request.workspace)?;
        sync::start(&self.shared, &handle, request).await
    }

    async fn sync_list(&self, _: Nothing) -> Result<Vec<LiveSync>, Problem> {
        Ok(self.shared.syncs.list())
    }

    async fn sync_status(&self, request: SyncRef) -> Result<LiveSync, Problem> {
        self.shared.syncs.status(&request.id)
    }

    async fn sync_stop(&self, request: SyncRef) -> Result<LiveSync, Problem> {
        sync::stop(&self.shared, &request.id).await
    }

    async fn sync_preview(&self, request: SyncStart) -> Result<SyncPreview, Problem> {
        let handle = self.handle(&request.workspace)?;
        sync::preview(&self.shared, &handle, request).await
    }

    async fn network_list(&self, request: WorkspaceRef) -> Result<Vec<EgressEntry>, Problem> {
        self.handle(&request.id)?;
        let all = self.shared.egress.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(&request.id).map(|entries| entries.iter().cloned().collect()).unwrap_or_default())
    }

    async fn network_decide(&self, rule: EgressRule) -> Result<Nothing, Problem> {
        self.handle(&rule.id)?;
        self.shared.policy.decide(&rule.id, &rule)?;
        let host = crate::workspace::sentence(&rule.host);
        let text = match (rule.allow, rule.once) {
            (true, true) => format!("**{host}** may be reached once"),
            (true, false) => format!("**{host}** may be reached by this workspace"),
            (false, _) => format!("**{host}** is blocked for this workspace"),
        };
        self.shared.say(&rule.id, message(Level::Info, text));
        Ok(Nothing {})
    }
}
