//! The one table of commands. Every skin expands it: the engine implements [`Api`], a transport gives it by
//! [`Client`], and [`dispatch`] turns a name and JSON into a call. A command without an adapter does not compile.
use std::future::Future;

use crate::*;

/// A command's name and the TypeScript names of what it takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct CommandInfo {
    /// As it is called over a wire: `workspace.list`.
    pub name: &'static str,
    /// The TypeScript type of the request.
    pub request: fn(&ts_rs::Config) -> String,
    /// The TypeScript type of the reply.
    pub reply: fn(&ts_rs::Config) -> String,
    /// What it does.
    pub doc: &'static str,
}

/// Carries a command to whoever executes it, as JSON both ways.
pub trait Transport: Send + Sync {
    /// Sends `body` to the command `name` and waits for its reply.
    fn call(
        &self,
        name: &'static str,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Problem>> + Send;
}

/// Every command, over some transport.
#[derive(Clone, Debug)]
pub struct Client<T>(pub T);

fn decode<T: serde::de::DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|e| Problem::new(Code::Invalid, format!("{what} could not be read: {e}.")))
}

fn encode<T: serde::Serialize>(what: &str, value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value)
        .map_err(|e| Problem::new(Code::Internal, format!("{what} could not be written: {e}.")))
}

macro_rules! commands {
    ($( #[doc = $doc:literal] $name:literal $method:ident($request:ty) -> $reply:ty; )*) => {
        /// Every command Slipway understands. The engine implements it; so does [`Client`] over any transport.
        pub trait Api: Send + Sync {
            $( #[doc = $doc] fn $method(&self, request: $request) -> impl Future<Output = Result<$reply, Problem>> + Send; )*
        }

        impl<T: Transport> Api for Client<T> {
            $( async fn $method(&self, request: $request) -> Result<$reply, Problem> {
                let body = encode(concat!("The request of ", $name), &request)?;
                decode(concat!("The reply of ", $name), &self.0.call($name, body).await?)
            } )*
        }

        /// Calls the command `name` with a JSON body and gives its JSON reply.
        pub async fn dispatch<A: Api>(api: &A, name: &str, body: &[u8]) -> Result<Vec<u8>, Problem> {
            match name {
                $( $name => {
                    let request = decode(concat!("The request of ", $name), body)?;
                    encode(concat!("The reply of ", $name), &api.$method(request).await?)
                } )*
                _ => Err(Problem::new(Code::NotFound, format!("There is no command {name:?}."))),
            }
        }

        /// The table itself, for documentation and bindings.
        pub const COMMANDS: &[CommandInfo] = &[
            $( CommandInfo {
                name: $name,
                request: <$request as ts_rs::TS>::name,
                reply: <$reply as ts_rs::TS>::name,
                doc: $doc,
            }, )*
        ];
    };
}

commands! {
    /// The Docker engine: which one, its version, or why none answers.
    "engine.status" engine_status(Nothing) -> EngineStatus;
    /// Looks for a Docker engine again now instead of at the next turn.
    "engine.retry" engine_retry(Nothing) -> EngineStatus;
    /// Everything a person can set.
    "settings.get" settings_get(Nothing) -> Settings;
    /// The containers kept warm, and how often one was ready.
    "pool.status" pool_status(Nothing) -> PoolStatus;
    /// Replaces the settings after checking each of them.
    "settings.set" settings_set(Settings) -> Settings;

    /// Checks a zip or folder and says how it would be run, changing nothing.
    "intake.inspect" intake_inspect(Source) -> Inspection;
    /// Makes a workspace of a zip or folder and starts deploying it. Returns at once; events tell the rest.
    "workspace.deploy" workspace_deploy(DeployRequest) -> Workspace;
    /// Runs the plan of a workspace again, from a phase on, perhaps with other commands.
    "workspace.redeploy" workspace_redeploy(RedeployRequest) -> Workspace;
    /// Every workspace there is, newest first.
    "workspace.list" workspace_list(Nothing) -> Vec<Workspace>;
    /// Workspaces, also deleted ones, filtered and sorted, a page at a time.
    "workspace.query" workspace_query(WorkspaceQuery) -> WorkspacePage;
    /// One workspace, also one that was deleted lately.
    "workspace.status" workspace_status(WorkspaceRef) -> Workspace;
    /// Stops a workspace; its files are kept.
    "workspace.stop" workspace_stop(WorkspaceRef) -> Workspace;
    /// Starts a stopped workspace and runs its plan's start command again.
    "workspace.start" workspace_start(WorkspaceRef) -> Workspace;
    /// Stops a deploy that is under way; what is there stays for a look.
    "workspace.cancel" workspace_cancel(WorkspaceRef) -> Workspace;
    /// Deletes a workspace and everything in it.
    "workspace.remove" workspace_remove(WorkspaceRef) -> Workspace;
    /// Gives a workspace another name; its id and URLs stay.
    "workspace.rename" workspace_rename(WorkspaceRename) -> Workspace;
    /// Changes how long a workspace lives: more or less, paused and resumed, kept, ended now.
    "workspace.lease" workspace_lease(LeaseRequest) -> Workspace;
    /// Says whether a workspace's program is started again when it ends.
    "workspace.restart-policy" workspace_restart_policy(RestartPolicyRequest) -> Workspace;
    /// CPU, memory and processes, now.
    "workspace.usage" workspace_usage(WorkspaceRef) -> Usage;
    /// What a workspace uses, and used before. Who asks watches: it is then measured once a second.
    "workspace.stats" workspace_stats(StatsRequest) -> Stats;
    /// Changes what a workspace may use while it runs, and says what it may use now.
    "workspace.limits" workspace_limits(LimitsRequest) -> Limits;
    /// The messages of a workspace, oldest first.
    "workspace.messages" workspace_messages(WorkspaceRef) -> Vec<Event>;

    /// What a workspace's programs printed, line by line, also of one deleted lately; may wait for what is not there yet.
    "workspace.logs" workspace_logs(LogQuery) -> LogPage;

    /// The processes of a workspace that have a transcript: phases, programs and terminals.
    "process.list" process_list(WorkspaceRef) -> Vec<Process>;
    /// Starts a process: a terminal, or a program with pipes. Output comes by attaching.
    "process.open" process_open(OpenProcess) -> Process;
    /// Starts a program that goes on by itself; what it prints goes to the workspace's log.
    "process.detach" process_detach(OpenProcess) -> Process;
    /// Changes the window size of a terminal.
    "process.resize" process_resize(Resize) -> Nothing;
    /// Sends a signal to a process, its foreground group or its tree.
    "process.signal" process_signal(Signal) -> Nothing;
    /// Every process of the container, also those that no transcript belongs to.
    "process.tree" process_tree(TreeRequest) -> ProcessTree;
    /// Signals any process of the container by its number, alone or with all that descends from it.
    "process.kill" process_kill(KillRequest) -> Killed;
    /// Ends a process and drops its transcript.
    "process.close" process_close(ProcessRef) -> Nothing;

    /// The entries of a directory.
    "file.list" file_list(FileRef) -> DirectoryListing;
    /// What is known of a path without reading it.
    "file.stat" file_stat(FileRef) -> FileEntry;
    /// A text file of at most 4 MiB.
    "file.read" file_read(FileRef) -> FileText;
    /// Writes a text file whole, refusing when it changed underneath.
    "file.write" file_write(WriteText) -> FileEntry;
    /// Removes a file or a directory with all it holds.
    "file.remove" file_remove(RemoveFile) -> RemovedFile;
    /// Moves or renames.
    "file.rename" file_rename(RenameFile) -> Nothing;
    /// Makes a directory and its missing parents.
    "file.mkdir" file_mkdir(Mkdir) -> Nothing;
    /// The digest of a file, or of what arrived of one by an upload that was cut.
    "file.digest" file_digest(DigestFile) -> FileDigest;
    /// What changed below a directory since last asked; may wait for a change.
    "file.watch" file_watch(WatchFiles) -> FileChanges;

    /// Takes a snapshot of a workspace's files and answers when it is there. Ends when the asker goes away.
    "snapshot.create" snapshot_create(SnapshotCreate) -> Snapshot;
    /// Every snapshot, newest first.
    "snapshot.list" snapshot_list(Nothing) -> Vec<Snapshot>;
    /// One snapshot.
    "snapshot.status" snapshot_status(SnapshotRef) -> Snapshot;
    /// Gives a snapshot another name or note.
    "snapshot.edit" snapshot_edit(SnapshotEdit) -> Snapshot;
    /// Makes a workspace of a snapshot and starts its program. Returns at once; events tell the rest.
    "snapshot.start" snapshot_start(SnapshotStart) -> Workspace;
    /// Writes a snapshot to one file and answers when it is there. Ends when the asker goes away.
    "snapshot.export" snapshot_export(SnapshotExport) -> SnapshotFile;
    /// Reads a snapshot from a file, after checking all of it, and answers when it is there. Ends when the asker goes away.
    "snapshot.import" snapshot_import(SnapshotImport) -> Snapshot;
    /// Cancels what is under way with a snapshot; nothing is left of it.
    "snapshot.cancel" snapshot_cancel(SnapshotRef) -> Nothing;
    /// Deletes a snapshot that no workspace uses.
    "snapshot.remove" snapshot_remove(SnapshotRef) -> Nothing;

    /// Keeps a folder of this machine and one of a workspace alike, from now on and after restarts, until it is stopped.
    "sync.start" sync_start(SyncStart) -> LiveSync;
    /// Every sync that is under way.
    "sync.list" sync_list(Nothing) -> Vec<LiveSync>;
    /// One sync that is under way, or was in this owner's life.
    "sync.status" sync_status(SyncRef) -> LiveSync;
    /// Ends a sync. Both folders stay as they are.
    "sync.stop" sync_stop(SyncRef) -> LiveSync;
    /// Says what a sync would do first, changing nothing.
    "sync.preview" sync_preview(SyncStart) -> SyncPreview;

    /// Every outgoing connection the workspace tried lately, newest last.
    "network.list" network_list(WorkspaceRef) -> Vec<EgressEntry>;
    /// Allows or blocks a host for a workspace.
    "network.decide" network_decide(EgressRule) -> Nothing;
}
