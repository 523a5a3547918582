//! The deploy job: the phases from an image to a started program, told to the driver as they happen. It decides
//! nothing about the workspace's state, and what it has made when it ends is known to the driver.

use slipway_agent_api::{
    AGENT_PATH,
    v1::{SignalRequest, signal_request::Scope},
};
use slipway_intake::{RunPlan, Start, Step};
use slipway_wire::{Code, Level, MessageAction, PhaseName, Problem, Process, ProcessId, ProcessRole};
use std::{sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Intake, run,
    run::{Command, Ended},
    upload,
};
use crate::{
    agent_link::AgentLink,
    docker::{Changed, ContainerSpec, Docker, Labels, Prepared},
    pool::{Key, Kind},
    shared::Shared,
    snapshot,
    workspace::{PhaseChange, Record, Update, Updates, bytes, message, sentence, took},
};

/// Where the agent serves static files; the next free port when it is taken.
const STATIC_PORT: u16 = 8080;

/// What package managers say when a lockfile does not fit its manifest. Only then is the plan's fallback right: any
/// other failure would only fail twice.
const LOCKFILE_BEHIND: [&str; 5] = [
    "npm ci",
    "ERR_PNPM_OUTDATED_LOCKFILE",
    "YN0028",
    "lockfile needs to be updated",
    "lockfile had changes",
];

/// One run through the phases.
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) updates: Updates,
    pub(crate) cancel: CancellationToken,
    /// The workspace as it was when the job began.
    pub(crate) record: Record,
    /// The container's agent, when the container runs already.
    pub(crate) link: Option<AgentLink>,
    /// New files to send.
    pub(crate) intake: Option<Arc<Intake>>,
    /// The first phase to run.
    pub(crate) from: PhaseName,
    /// Its container was claimed from the pool, by this job.
    pub(crate) warm: bool,
}

type Failed = (PhaseName, Problem);

fn at<T>(phase: PhaseName, result: Result<T, Problem>) -> Result<T, Failed> {
    result.map_err(|problem| (phase, problem))
}

impl Job {
    /// Runs to the end and tells how it went as the last update.
    pub(crate) async fn run(mut self) {
        let result = self.phases().await;
        if self.warm {
            self.name();
        }
        self.updates.tell(Update::Ended(result)).await;
    }

    /// Gives a container of the pool the name of its workspace, in nobody's way: only a lost database ever needs it. What
    /// Docker does not do now, or a crash kept from being asked, the sweep does.
    fn name(&self) {
        let (Some(container), Ok(docker)) = (self.record.container.clone(), self.docker()) else { return };
        let (shared, id) = (self.shared.clone(), self.record.view.id.clone());
        self.shared.tracker.spawn(async move {
            if let Err(problem) = docker.rename(&container, &shared.instance, &id).await {
                tracing::warn!(workspace = %id, %problem, "its container is named later");
                shared.leftover.notify_one();
            }
        });
    }

    async fn phases(&mut self) -> Result<(), Failed> {
        let link = match (self.link.clone(), self.record.container.clone()) {
            (Some(link), _) => link,
            (None, Some(container)) => self.resume(&container).await?,
            (None, None) => {
                let image = self.image().await?;
                self.claim(&image).await?
            }
        };
        if let Some(intake) = self.intake.clone() {
            self.upload(&link, &intake).await?;
        }
        let Some(plan) = self.record.run_plan.clone() else {
            let text = self
                .intake
                .as_ref()
                .map_or_else(|| "Nothing here looks like a project.".to_owned(), |i| i.unknown.clone());
            let problem = Problem::new(Code::NoProject, text)
                .hint("Open a shell and look around, or add a slipway.toml that says how to start it.");
            return Err((PhaseName::Start, problem));
        };
        if self.from <= PhaseName::Install {
            self.install(&link, &plan).await?;
        }
        if self.from <= PhaseName::Build {
            self.build(&link, &plan).await?;
        }
        self.start(&link, &plan).await
    }

    async fn begin(&self, phase: PhaseName, detail: Option<String>, command: Option<String>) {
        self.updates.tell(Update::Phase(phase, PhaseChange::Begin { detail, command })).await;
    }

    async fn done(&self, phase: PhaseName, detail: Option<String>) {
        self.updates.tell(Update::Phase(phase, PhaseChange::Done { detail })).await;
    }

    async fn skip(&self, phase: PhaseName) {
        self.updates.tell(Update::Phase(phase, PhaseChange::Skip)).await;
    }

    /// Something to tell progress with, of which the latest is enough.
    fn progress(&self, phase: PhaseName) -> impl Fn(Option<String>, u64, u64) + Send + 'static {
        let updates = self.updates.clone();
        move |detail, done, total| {
            updates.tell_if_room(Update::Phase(phase, PhaseChange::Progress { detail, done, total }));
        }
    }

    /// Waits for `work`, or gives up when the deploy is cancelled. Only for work that leaves nothing behind when it is
    /// dropped.
    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        self.cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(cancelled()))
    }

    fn docker(&self) -> Result<Docker, Problem> {
        self.shared.docker.current()
    }

    async fn image(&self) -> Result<Prepared, Failed> {
        let phase = PhaseName::Image;
        if let Some(id) = &self.record.view.snapshot {
            self.begin(phase, Some("Looking for the snapshot".to_owned()), None).await;
            let (prepared, detail) = at(phase, snapshot::image(&self.shared, id).await)?;
            self.done(phase, detail).await;
            return Ok(prepared);
        }
        let name = self.record.view.image.clone();
        self.begin(phase, Some(format!("Looking for {name}")), None).await;
        let docker = at(phase, self.docker())?;
        let kind = self.kind();
        let (base, ()) = tokio::join!(docker.image(&name), self.shared.pool.wake(&kind));
        let base = if let Some(base) = at(phase, base)? {
            base
        } else {
            self.begin(phase, Some(format!("Pulling {name}")), None).await;
            let tell = self.progress(phase);
            let pulled = name.clone();
            let pull = docker.pull(&name, move |p| {
                let detail = format!("Pulling {pulled}: layer {} of {}", p.layers_done, p.layers);
                tell(Some(detail), p.done, p.total);
            });
            at(phase, self.unless_cancelled(pull).await)?;
            let missing =
                || Problem::new(Code::ImageNotFound, format!("{name} was pulled and is not there."));
            at(phase, at(phase, docker.image(&name).await)?.ok_or_else(missing))?
        };
        self.updates.tell(Update::ImageCheck(base.check.clone())).await;
        let trust = self.shared.agents.trust(self.shared.settings.get().trust_host_certificates);
        let prepared = at(phase, docker.prepare(&self.shared.agents, &name, &base, trust).await)?;
        self.done(phase, prepared.fresh.then(|| format!("Prepared {name} for the first time"))).await;
        Ok(prepared)
    }

    fn kind(&self) -> Kind {
        let view = &self.record.view;
        Kind { image: view.image.clone(), preset: view.preset, network: view.network }
    }

    async fn claim(&mut self, image: &Prepared) -> Result<AgentLink, Failed> {
        let phase = PhaseName::Claim;
        self.begin(phase, None, None).await;
        let view = &self.record.view;
        let key = Key::new(self.kind(), image);
        let warm = if view.snapshot.is_some() {
            None
        } else {
            at(phase, self.shared.pool.claim(&self.shared, &key, &view.root, &view.id).await)?
        };
        if let Some((container, link)) = warm {
            self.updates.tell(Update::Container(container.clone())).await;
            self.record.container = Some(container);
            self.warm = true;
            self.updates.tell(Update::Link(link.clone())).await;
            self.done(phase, Some("A warm one was ready".to_owned())).await;
            return Ok(link);
        }
        let spec = ContainerSpec {
            labels: Labels {
                instance: self.shared.instance.clone(),
                workspace: Some(view.id.clone()),
                role: "workspace",
            },
            image: image.image.clone(),
            preset: view.preset,
            limits: self.record.limits,
            network: view.network,
            root: view.root.clone(),
            trust: image.trust,
            snapshot: view.snapshot.is_some(),
        };
        if self.cancel.is_cancelled() {
            return Err((phase, cancelled()));
        }
        let docker = at(phase, self.docker())?;
        let container = at(phase, docker.create(&spec).await)?;
        // Known to the driver before anything else can go wrong.
        self.updates.tell(Update::Container(container.clone())).await;
        self.record.container = Some(container.clone());
        let link = at(phase, AgentLink::start(&docker, &container, &self.shared.stream_key).await)?;
        self.updates.tell(Update::Link(link.clone())).await;
        self.done(phase, None).await;
        Ok(link)
    }

    /// Starts and connects a container that is there.
    async fn resume(&self, container: &str) -> Result<AgentLink, Failed> {
        let phase = PhaseName::Claim;
        self.begin(phase, Some("Starting the container again".to_owned()), None).await;
        let docker = at(phase, self.docker())?;
        // Docker starts nothing that is frozen.
        at(phase, docker.unpause(container).await)?;
        if self.record.limits != Changed::default() {
            // Docker keeps them; but what is intended has the last word.
            let limits = self.record.limits.in_force(self.record.view.preset);
            at(phase, docker.limit(container, limits).await)?;
        }
        let link = at(phase, AgentLink::start(&docker, container, &self.shared.stream_key).await)?;
        self.updates.tell(Update::Link(link.clone())).await;
        self.done(phase, None).await;
        Ok(link)
    }

    async fn upload(&self, link: &AgentLink, intake: &Intake) -> Result<(), Failed> {
        let phase = PhaseName::Upload;
        let detail = format!("{} files, {}", intake.files, bytes(intake.bytes));
        self.begin(phase, Some(detail.clone()), None).await;
        let began = Instant::now();
        let chunks = at(phase, upload::chunks(&intake.file, intake.size))?;
        let root = self.record.view.root.clone();
        let (tell, shown) = (self.progress(phase), detail.clone());
        let tell = move |done, total| tell(Some(shown.clone()), done, total);
        let to = (root.clone().into(), upload::Take::Project);
        let work = upload::unpack(link.client.clone(), to, intake.size, &intake.limits, chunks, tell);
        let summary = at(phase, self.unless_cancelled(work).await)?;
        self.updates.tell(Update::Uploaded).await;
        self.done(phase, Some(detail.clone())).await;
        let files = if summary.files == 1 { "1 file".to_owned() } else { format!("{} files", summary.files) };
        let text = format!("Unpacked **{files}** ({}) into `{}`", bytes(summary.bytes), sentence(&root));
        let mut said = message(Level::Ok, text);
        said.aside = Some(took(began.elapsed()));
        self.updates.tell(Update::Say(said)).await;
        if let Some(plan) = &self.record.run_plan {
            let mut said = message(Level::Ok, format!("This is a **{}** project", sentence(&plan.title)));
            said.detail = Some(plan.why.clone());
            said.actions = vec![MessageAction::ShowPlan];
            self.updates.tell(Update::Say(said)).await;
            // A project's own word grants it nothing: a person decides.
            for host in plan.network_allow.iter().take(20) {
                let text = format!("The project asks to reach **{}**", sentence(host));
                let mut said = message(Level::Ask, text);
                said.actions = vec![MessageAction::DecideHost { host: host.clone() }];
                self.updates.tell(Update::Say(said)).await;
            }
        }
        Ok(())
    }

    fn command(&self, name: &str, role: ProcessRole, plan: &RunPlan, step: &Step) -> Command {
        let argv = match &step.shell {
            Some(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            None => step.argv.clone(),
        };
        let mut cwd = self.record.view.root.clone();
        for part in [plan.workdir.as_str(), step.cwd.as_deref().unwrap_or_default()] {
            if !part.is_empty() {
                cwd = format!("{}/{part}", cwd.trim_end_matches('/'));
            }
        }
        let mut env = plan.env.clone();
        env.extend(self.record.env.clone());
        Command { name: name.to_owned(), role, argv, cwd, env, shown: step.display() }
    }

    /// Runs a command of a phase to its end.
    async fn to_its_end(
        &self,
        phase: PhaseName,
        link: &AgentLink,
        command: &Command,
    ) -> Result<Ended, Problem> {
        let mut process = self.launch(phase, link, command).await?;
        let program = run::followed(&process);
        let follow = run::follow(&self.shared, link, &program);
        tokio::select! {
            ended = follow => {
                let ended = ended?;
                if let Some(kills) = ended.memory_kills {
                    self.shared.resources.meter(&self.record.view.id).kills_told(kills);
                }
                process.exit = Some(ended.exit);
                self.updates.tell(Update::Process(process)).await;
                Ok(ended)
            }
            () = self.cancel.cancelled() => {
                stop_process(link, &process.id).await?;
                Err(cancelled())
            }
        }
    }

    /// Starts a command and tells of it.
    async fn launch(
        &self,
        phase: PhaseName,
        link: &AgentLink,
        command: &Command,
    ) -> Result<Process, Problem> {
        let process = run::start(link, &self.record.view.id, command).await?;
        self.updates.tell(Update::Phase(phase, PhaseChange::Process(process.id.clone()))).await;
        self.updates.tell(Update::Process(process.clone())).await;
        Ok(process)
    }

    async fn install(&self, link: &AgentLink, plan: &RunPlan) -> Result<(), Failed> {
        let phase = PhaseName::Install;
        let Some(step) = &plan.install else {
            self.skip(phase).await;
            return Ok(());
        };
        self.begin(phase, None, Some(step.display())).await;
        let command = self.command("install", ProcessRole::Install, plan, step);
        let mut ended = at(phase, self.to_its_end(phase, link, &command).await)?;
        let mut used = step;
        if ended.exit.code != Some(0)
            && let Some(fallback) = &plan.fallback_install
            && LOCKFILE_BEHIND.iter().any(|words| ended.tail.contains(words))
        {
            let text = format!(
                "The lockfile does not fit the manifest: running `{}` instead of `{}`",
                sentence(&fallback.display()),
                sentence(&step.display())
            );
            self.updates.tell(Update::Say(message(Level::Warning, text))).await;
            self.begin(phase, None, Some(fallback.display())).await;
            let command = self.command("install", ProcessRole::Install, plan, fallback);
            ended = at(phase, self.to_its_end(phase, link, &command).await)?;
            used = fallback;
        }
        if ended.exit.code != Some(0) {
            let text = format!("`{}` {}.", sentence(&used.display()), ended.how());
            let problem =
                Problem::new(Code::InstallFailed, text).hint(ended.hint(&self.record)).detail(ended.tail);
            return Err((phase, problem));
        }
        if used != step {
            self.updates.tell(Update::Installed(used.display())).await;
        }
        self.done(phase, None).await;
        Ok(())
    }

    async fn build(&self, link: &AgentLink, plan: &RunPlan) -> Result<(), Failed> {
        let phase = PhaseName::Build;
        let Some(step) = &plan.build else {
            self.skip(phase).await;
            return Ok(());
        };
        self.begin(phase, None, Some(step.display())).await;
        let command = self.command("build", ProcessRole::Build, plan, step);
        let ended = at(phase, self.to_its_end(phase, link, &command).await)?;
        if ended.exit.code != Some(0) {
            let text = format!("`{}` {}.", sentence(&step.display()), ended.how());
            let problem =
                Problem::new(Code::BuildFailed, text).hint(ended.hint(&self.record)).detail(ended.tail);
            return Err((phase, problem));
        }
        self.done(phase, None).await;
        Ok(())
    }

    async fn start(&self, link: &AgentLink, plan: &RunPlan) -> Result<(), Failed> {
        let phase = PhaseName::Start;
        let (command, shown) = match &plan.start {
            Start::Command(step) => {
                (self.command(&app_name(plan), ProcessRole::App, plan, step), step.display())
            }
            Start::Static { dir, spa } => {
                let mut argv = vec![AGENT_PATH.to_owned(), "static".to_owned(), "--root".to_owned()];
                argv.push(if dir.is_empty() { ".".to_owned() } else { dir.clone() });
                argv.extend(["--port".to_owned(), plan.port.unwrap_or(STATIC_PORT).to_string()]);
                if *spa {
                    argv.push("--spa".to_owned());
                }
                let mut command = self.command("site", ProcessRole::App, plan, &Step::argv(argv));
                let shown = format!("serve {}", if dir.is_empty() { "the project's folder" } else { dir });
                command.shown.clone_from(&shown);
                (command, shown)
            }
        };
        if self.cancel.is_cancelled() {
            return Err((phase, cancelled()));
        }
        self.begin(phase, None, Some(shown)).await;
        let process = at(phase, self.launch(phase, link, &command).await)?;
        // The driver follows the program from here on; Ready is for the socket table to say.
        self.updates.tell(Update::App(process)).await;
        for extra in &plan.processes {
            let command = self.command(&extra.name, ProcessRole::App, plan, &extra.step);
            let process = at(phase, run::start(link, &self.record.view.id, &command).await)?;
            self.shared.keep_log(link, &run::followed(&process));
            self.updates.tell(Update::Process(process)).await;
        }
        self.done(phase, None).await;
        Ok(())
    }
}

/// The tab's name: `dev` for `npm run dev`, the program's own name otherwise.
fn app_name(plan: &RunPlan) -> String {
    let Start::Command(step) = &plan.start else { return "site".to_owned() };
    let words: Vec<&str> = step.argv.iter().map(String::as_str).collect();
    let name = match words.as_slice() {
        [_, "run", script, ..] => script,
        [_, "start", ..] => "start",
        [program, ..] => program.rsplit('/').next().unwrap_or(program),
        [] => "app",
    };
    name.chars().filter(|c| !c.is_control()).take(24).collect()
}

/// Somebody cancelled it.
pub(crate) fn cancelled() -> Problem {
    Problem::new(Code::Cancelled, "The deploy was cancelled.")
        .hint("What is there already stays for a look; retry when you like.")
}

/// Ends a process and all it started: politely, and after three seconds not.
pub(crate) async fn stop_process(link: &AgentLink, process: &ProcessId) -> Result<(), Problem> {
    const TERM: i32 = 15;
    end_process(link, process, TERM).await
}

/// Ends a process as closing its window does. A shell at its prompt ignores TERM.
pub(crate) async fn hang_up(link: &AgentLink, process: &ProcessId) -> Result<(), Problem> {
    const HUP: i32 = 1;
    end_process(link, process, HUP).await
}

async fn end_process(link: &AgentLink, process: &ProcessId, polite: i32) -> Result<(), Problem> {
    const KILL: i32 = 9;
    let signal = |signal| SignalRequest { process: process.to_string(), signal, scope: Scope::Tree.into() };
    let sent = link.client.clone().signal(signal(polite)).await;
    let gone =
        |s: &tonic::Status| matches!(s.code(), tonic::Code::NotFound | tonic::Code::FailedPrecondition);
    match sent {
        Err(status) if gone(&status) => return Ok(()),
        Err(status) => return Err(crate::agent_link::agent_problem("ending a program", &status)),
        Ok(_) => {}
    }
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(3), run::exit_of(link, process.as_str())).await;
    if ended.is_ok() {
        return Ok(());
    }
    match link.client.clone().signal(signal(KILL)).await {
        Err(status) if !gone(&status) => Err(crate::agent_link::agent_problem("ending a program", &status)),
        _ => Ok(()),
    }
}
