// Made by `cargo xtask types` from crates/wire. Do not edit.

/**
 * The request or reply of a command that needs none.
 */
export type Nothing = Record<symbol, never>;

/**
 * A workspace: lower-case letters, digits and inner hyphens, at most 40 characters, so that it fits a DNS label
 * with a port before it (`5173-shop-demo-k3f9`).
 */
export type WorkspaceId = string;

/**
 * A process in a workspace, as the agent names it.
 */
export type ProcessId = string;

/**
 * What somebody may branch on. A code exists only if a skin, a script or a test does.
 */
export type Code = "docker-absent" | "docker-denied" | "docker-lost" | "image-not-found" | "image-unreachable" | "image-denied" | "disk-full" | "refused" | "no-project" | "install-failed" | "build-failed" | "start-failed" | "never-listened" | "agent-lost" | "not-found" | "already-exists" | "invalid" | "wrong-state" | "limit" | "cancelled" | "owner-busy" | "storage" | "internal";

/**
 * A problem: what happened, and what to do next.
 */
export type Problem = { 
/**
 * For programs.
 */
code: Code, 
/**
 * One plain sentence saying what happened.
 */
message: string, 
/**
 * One plain sentence saying what to do next.
 */
hint?: string, 
/**
 * Raw text for the curious: an engine's answer, the last lines of output. Bounded by whoever made it.
 */
detail?: string, 
/**
 * The same request with `force` would be carried out.
 */
forceable?: boolean, 
/**
 * The setting that is wrong, by its name on the wire.
 */
field?: string, };

/**
 * Whether an engine answers.
 */
export type EngineState = "looking" | "connected" | "absent";

/**
 * A place that was tried.
 */
export type LookedAt = { 
/**
 * Where it comes from, for people: `DOCKER_HOST`, `Docker context "desktop-linux"`, `Colima`.
 */
origin: string, 
/**
 * Its address, such as `unix:///var/run/docker.sock`.
 */
endpoint: string, 
/**
 * What came of it.
 */
outcome: string, };

/**
 * Something to know about an engine that works: an old version with a known hole, say.
 */
export type Warning = { 
/**
 * What it is.
 */
message: string, 
/**
 * What to do about it.
 */
hint: string, 
/**
 * The workspace it is about, if it is about one.
 */
workspace?: WorkspaceId, };

/**
 * The Docker engine as Slipway sees it.
 */
export type EngineStatus = { 
/**
 * Whether one answers.
 */
state: EngineState, 
/**
 * Its address, once one answers.
 */
endpoint: string | null, 
/**
 * What it calls itself: `Docker Engine`, `Podman Engine`.
 */
product: string | null, 
/**
 * Its version, `29.1.0`.
 */
version: string | null, 
/**
 * Operating system and architecture of the containers: `linux/amd64`.
 */
platform: string | null, 
/**
 * Every place tried in the last look.
 */
looked_at: Array<LookedAt>, 
/**
 * Why none answers.
 */
problem: Problem | null, 
/**
 * Known weaknesses of the one that does.
 */
warnings: Array<Warning>, };

/**
 * Where the files come from.
 */
export type Source = { "kind": "path", 
/**
 * The path.
 */
path: string, } | { "kind": "sample", 
/**
 * The sample's folder name.
 */
name: string, };

/**
 * What to deploy and how.
 */
export type DeployRequest = { 
/**
 * The zip, folder or sample.
 */
source: Source, 
/**
 * A name for people; the file's own name without it.
 */
name?: string, 
/**
 * A base image instead of the plan's.
 */
image?: string, 
/**
 * Added to the environment of every process.
 */
env: { [key in string]: string }, 
/**
 * Seconds until it is stopped; 0 keeps it. The setting decides without it.
 */
duration_s?: number, 
/**
 * The id of one of the plans `intake.inspect` gave, instead of the best.
 */
plan?: string, 
/**
 * Where the files go in the container, absolute; `/workspace` without it.
 */
root?: string, 
/**
 * Memory and CPU.
 */
preset?: Preset, 
/**
 * What the container may reach.
 */
network?: NetworkProfile, 
/**
 * Whether its program is started again when it ends; never without it.
 */
restart?: RestartPolicy, 
/**
 * Replace the files of this workspace and run its plan again instead of making a new one.
 */
replace?: WorkspaceId, 
/**
 * Make it although this machine is short of memory or disk.
 */
force?: boolean, };

/**
 * Run a plan again.
 */
export type RedeployRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The first phase to run: `install`, `build` or `start`.
 */
from: PhaseName, 
/**
 * Another command for that phase, as a shell line.
 */
command?: string, };

/**
 * What a zip or folder holds and how it could be run.
 */
export type Inspection = { 
/**
 * Files that would be written.
 */
files: number, 
/**
 * Their size in bytes.
 */
bytes: number, 
/**
 * Ways to run it, best first. Empty: nothing recognised.
 */
plans: Array<Plan>, 
/**
 * A sentence for people when there is no plan.
 */
unknown: string | null, };

/**
 * One way to run a project.
 */
export type Plan = { 
/**
 * Stable within one project: `node-vite`.
 */
id: string, 
/**
 * For people: `Vite · React`.
 */
title: string, 
/**
 * The base image.
 */
image: string, 
/**
 * The commands, in order.
 */
steps: Array<PlanStep>, 
/**
 * Why this plan, in one sentence.
 */
why: string, 
/**
 * The facts it rests on, `package.json: a "dev" script`.
 */
evidence: Array<string>, };

/**
 * One command of a plan.
 */
export type PlanStep = { 
/**
 * The phase it belongs to.
 */
phase: PhaseName, 
/**
 * The command as a person would type it.
 */
command: string, };

/**
 * The phases of a deploy, in order.
 */
export type PhaseName = "check" | "image" | "claim" | "upload" | "install" | "build" | "start" | "ready";

/**
 * How a phase stands.
 */
export type PhaseState = "waiting" | "running" | "done" | "skipped" | "failed";

/**
 * One phase of a deploy.
 */
export type Phase = { 
/**
 * Which.
 */
name: PhaseName, 
/**
 * How it stands.
 */
state: PhaseState, 
/**
 * Milliseconds it took, or has taken so far.
 */
elapsed_ms: number | null, 
/**
 * What it is doing, for people: `Pulling node:24-alpine`.
 */
detail: string | null, 
/**
 * Progress in units of `total` (bytes for uploads and pulls).
 */
done: number | null, 
/**
 * What `done` counts up to.
 */
total: number | null, 
/**
 * The command that runs or ran.
 */
command: string | null, 
/**
 * The process whose transcript tells the rest.
 */
process: ProcessId | null, 
/**
 * Why it failed.
 */
problem: Problem | null, };

/**
 * One change.
 */
export type Event = { 
/**
 * Counts up by one within the life of an owner.
 */
seq: number, 
/**
 * Unix time in milliseconds.
 */
at_ms: number, 
/**
 * The workspace it is about, if one.
 */
workspace: WorkspaceId | null, 
/**
 * What changed.
 */
body: EventBody, };

/**
 * What changed.
 */
export type EventBody = { "kind": "gap" } | { "kind": "engine", "value": EngineStatus } | { "kind": "workspace", "value": Workspace } | { "kind": "removed" } | { "kind": "message", "value": Message } | { "kind": "egress", "value": EgressEntry } | { "kind": "process", "value": Process } | { "kind": "terminals", "value": TerminalLayout } | { "kind": "settings", "value": Settings } | { "kind": "snapshot", "value": Snapshot } | { "kind": "snapshot-removed", "value": SnapshotId } | { "kind": "sync", "value": LiveSync };

/**
 * How much a message matters.
 */
export type Level = "ok" | "info" | "ask" | "warning" | "error";

/**
 * A human sentence.
 */
export type Message = { 
/**
 * How much it matters.
 */
level: Level, 
/**
 * The sentence. `**bold**` and `` `code` `` are the only markup.
 */
text: string, 
/**
 * A short aside: `18 ms`.
 */
aside: string | null, 
/**
 * What to do next.
 */
hint: string | null, 
/**
 * More, shown on request.
 */
detail: string | null, 
/**
 * What can be done about it with one click.
 */
actions: Array<MessageAction>, };

/**
 * What can be done about a message with one click.
 */
export type MessageAction = { "kind": "decide-host", 
/**
 * The host.
 */
host: string, } | { "kind": "show-plan" } | { "kind": "extend" } | { "kind": "show-process", 
/**
 * The process.
 */
process: ProcessId, };

/**
 * A path in a workspace.
 */
export type FileRef = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path in the container.
 */
path: string, };

/**
 * What an entry is.
 */
export type FileKind = "file" | "directory" | "symlink" | "other";

/**
 * One entry.
 */
export type FileEntry = { 
/**
 * The last part of its path.
 */
name: string, 
/**
 * What it is.
 */
kind: FileKind, 
/**
 * Bytes.
 */
size: number, 
/**
 * Unix permission bits.
 */
mode: number, 
/**
 * Unix time in milliseconds of its last change.
 */
modified_ms: number, 
/**
 * Where a symlink points.
 */
target: string | null, };

/**
 * An entry of a directory, as the directory tells of it; `file.stat` tells the rest.
 */
export type DirectoryEntry = { 
/**
 * The last part of its path.
 */
name: string, 
/**
 * What it is.
 */
kind: FileKind, 
/**
 * Where a symlink points.
 */
target?: string | null, };

/**
 * A directory's entries: directories first, then by name.
 */
export type DirectoryListing = { 
/**
 * The entries, at most 100,000.
 */
entries: Array<DirectoryEntry>, 
/**
 * Entries beyond the bound were left out.
 */
truncated: boolean, 
/**
 * The names of directories a watching does not look into, such as `node_modules`.
 */
folded: Array<string>, };

/**
 * A text file.
 */
export type FileText = { 
/**
 * Its content; absent when it is not UTF-8 text.
 */
text: string | null, 
/**
 * What is known of it.
 */
entry: FileEntry, };

/**
 * Write a text file whole.
 */
export type WriteText = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path in the container.
 */
path: string, 
/**
 * The new content.
 */
text: string, 
/**
 * Refuse when the file's last change is not this.
 */
if_modified_ms?: number, };

/**
 * Remove a path.
 */
export type RemoveFile = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path in the container.
 */
path: string, 
/**
 * Also a directory with all it holds.
 */
recursive: boolean, 
/**
 * Put it aside instead, so that a rename brings it back; what is not brought back is to be removed in turn.
 */
keep?: boolean, };

/**
 * What was removed.
 */
export type RemovedFile = { 
/**
 * Where it lies aside, alone in a directory; absent when it is gone.
 */
kept?: string, };

/**
 * Move a path.
 */
export type RenameFile = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * What to move.
 */
from: string, 
/**
 * Where to.
 */
to: string, };

/**
 * Make a directory.
 */
export type Mkdir = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path in the container.
 */
path: string, };

/**
 * What was decided about a connection.
 */
export type EgressVerdict = "asked" | "allowed" | "blocked";

/**
 * One outgoing connection.
 */
export type EgressEntry = { 
/**
 * Unique within the workspace.
 */
id: string, 
/**
 * Unix time in milliseconds when it was tried.
 */
at_ms: number, 
/**
 * The host asked for.
 */
host: string, 
/**
 * The port asked for.
 */
port: number, 
/**
 * What was decided.
 */
verdict: EgressVerdict, 
/**
 * Why: `package registry`, `private address`, `not on the allowlist`.
 */
reason: string, 
/**
 * Bytes sent out so far.
 */
sent: number, 
/**
 * Bytes received so far.
 */
received: number, 
/**
 * Milliseconds it lasted; absent while open.
 */
elapsed_ms: number | null, };

/**
 * A decision about a host.
 */
export type EgressRule = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The host, or `*.example.org` for all below it.
 */
host: string, 
/**
 * Let it through.
 */
allow: boolean, 
/**
 * For the next connection only.
 */
once: boolean, };

/**
 * What a process is for.
 */
export type ProcessRole = "install" | "build" | "app" | "terminal" | "exec";

/**
 * Columns and rows.
 */
export type WindowSize = { 
/**
 * 1 to 1,000.
 */
columns: number, 
/**
 * 1 to 1,000.
 */
rows: number, };

/**
 * How a process ended.
 */
export type ProcessExit = { 
/**
 * Its exit code, when it ended by itself.
 */
code: number | null, 
/**
 * The signal that ended it.
 */
signal: number | null, };

/**
 * A process.
 */
export type Process = { 
/**
 * Its id within the workspace.
 */
id: ProcessId, 
/**
 * The workspace.
 */
workspace: WorkspaceId, 
/**
 * A short name: `dev`, `install`, `sh`.
 */
name: string, 
/**
 * What it is for.
 */
role: ProcessRole, 
/**
 * The command as a person would type it.
 */
command: string, 
/**
 * It has a terminal.
 */
terminal: boolean, 
/**
 * Bytes it wrote so far.
 */
bytes: number, 
/**
 * How it ended; absent while it runs.
 */
exit: ProcessExit | null, };

/**
 * A process in a workspace.
 */
export type ProcessRef = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The process.
 */
process: ProcessId, };

/**
 * Start a process.
 */
export type OpenProcess = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The command; empty for the image's shell.
 */
argv: Array<string>, 
/**
 * Where it starts; the project's folder without it.
 */
cwd?: string, 
/**
 * Added to its environment.
 */
env: { [key in string]: string }, 
/**
 * A terminal of this size; without it pipes.
 */
terminal?: WindowSize, 
/**
 * With pipes: standard input comes from whoever attaches.
 */
stdin: boolean, 
/**
 * A short name for people.
 */
name?: string, };

/**
 * Change a terminal's size.
 */
export type Resize = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The process.
 */
process: ProcessId, 
/**
 * The new size.
 */
size: WindowSize, };

/**
 * Send a signal.
 */
export type Signal = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The process.
 */
process: ProcessId, 
/**
 * Its number, 1 to 64.
 */
signal: number, 
/**
 * The process and everything it started.
 */
tree: boolean, };

/**
 * The colours.
 */
export type Theme = "system" | "light" | "dark";

/**
 * Bounds on what a zip or folder may hold.
 */
export type IntakeLimits = { 
/**
 * Size of the archive itself, bytes.
 */
archive_bytes: number, 
/**
 * Bytes written in all.
 */
produced_bytes: number, 
/**
 * Bytes of one file.
 */
file_bytes: number, 
/**
 * Files, directories and links.
 */
entries: number, 
/**
 * Bytes written per byte of archive.
 */
ratio: number, 
/**
 * Directories inside one another.
 */
depth: number, 
/**
 * Bytes of one path.
 */
path_bytes: number, };

/**
 * Everything a person can set.
 */
export type Settings = { 
/**
 * The Docker engine's address; empty: find it.
 */
docker_host: string, 
/**
 * Seconds a new workspace lives; 0 keeps it.
 */
duration_s: number, 
/**
 * Seconds a stopped workspace is kept after its lease ended.
 */
grace_s: number, 
/**
 * Minutes without typing, requests and computing after which a workspace is stopped; 0: never for that.
 */
idle_stop_min: number, 
/**
 * Memory and CPU of a new workspace.
 */
preset: Preset, 
/**
 * What a new workspace may reach.
 */
network: NetworkProfile, 
/**
 * Hosts every workspace may reach; `*.example.org` for all below it.
 */
allow_hosts: Array<string>, 
/**
 * Whether an unknown host is asked about (true) or blocked at once.
 */
ask_hosts: boolean, 
/**
 * Give containers the certificates this machine trusts.
 */
trust_host_certificates: boolean, 
/**
 * Seconds a program may take to listen.
 */
listen_timeout_s: number, 
/**
 * MiB a workspace may write in its container before its program is stopped; 0: no limit.
 */
disk_limit_mb: number, 
/**
 * MiB of a workspace's log kept on this machine; the oldest lines go first.
 */
log_limit_mb: number, 
/**
 * Bounds on zips and folders.
 */
intake: IntakeLimits, 
/**
 * Containers kept warm at most, so that a deploy need not wait for one; 0: none. Without it: 2, and 10 under
 * `slipway serve`.
 */
pool_size: number | null, 
/**
 * Workspaces go on when the window is closed.
 */
keep_on_close: boolean, 
/**
 * The colours.
 */
theme: Theme, 
/**
 * MiB kept of a terminal's latest output in its container, beside its first MiB: what is there to read again.
 */
terminal_history_mb: number, 
/**
 * Terminal font size, pixels.
 */
terminal_font_px: number, };

/**
 * The life of a workspace.
 *
 * ```text
 *            deploy                    ready           pause
 *  (none) ----------> creating ------------------> running <--> paused
 *                        |  \                        |   ^  resume  | stop
 *                 failure|   \cancel, failure        |stop\         |
 *                        v    v                      v     \        v
 *                     terminated  failed ---------> stopped (start, redeploy)
 *                        |          |  stop            |
 *                        +----------+------------------+----> deleted
 * ```
 */
export type WorkspaceState = "creating" | "running" | "paused" | "failed" | "stopped" | "terminated" | "deleted";

/**
 * Memory and CPU.
 */
export type Preset = "small" | "medium" | "large";

/**
 * What a container may reach.
 */
export type NetworkProfile = "strict" | "open";

/**
 * A port the workspace listens on.
 */
export type Port = { 
/**
 * Its number.
 */
port: number, 
/**
 * Bound to the container's own loopback only. That is fine here.
 */
loopback: boolean, 
/**
 * Where it can be seen on this machine.
 */
url: string, };

/**
 * How long it lives.
 */
export type Lease = { 
/**
 * Unix time in milliseconds when it is stopped; absent: kept, or its clock stands still.
 */
expires_at_ms: number | null, 
/**
 * Seconds it was given in all; absent: kept.
 */
duration_s: number | null, 
/**
 * Milliseconds it had left when its clock was stopped; absent: the clock runs, or it is kept.
 */
remaining_ms?: number, 
/**
 * Unix time in milliseconds when it is deleted: its lease has ended, and until then it can be brought back.
 */
deleted_at_ms?: number, };

/**
 * How a workspace is.
 */
export type HealthState = "none" | "starting" | "healthy" | "degraded" | "unhealthy" | "crashed";

/**
 * How a workspace is, and why.
 */
export type Health = { 
/**
 * In a word.
 */
state: HealthState, 
/**
 * Unix time in milliseconds since when.
 */
since_ms: number, 
/**
 * In a sentence: `port 3000 refuses connections`.
 */
why: string | null, 
/**
 * The last lines of a program that crashed, or of the image's own check that failed.
 */
output: string | null, 
/**
 * How often the program was started again by itself.
 */
restarts: number, };

/**
 * Whether a program that ends is started again.
 */
export type RestartPolicy = "never" | "on-failure" | "always";

/**
 * Another restart policy.
 */
export type RestartPolicyRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * From now on.
 */
policy: RestartPolicy, };

/**
 * What a listing is sorted by.
 */
export type WorkspaceSort = "created" | "name" | "state" | "expires";

/**
 * Which workspaces, in which order.
 */
export type WorkspaceQuery = { 
/**
 * Only those in this state.
 */
state?: WorkspaceState, 
/**
 * Only those with this in their name, id or image, without regard to case; at most 200 characters.
 */
text?: string, 
/**
 * The order.
 */
sort: WorkspaceSort, 
/**
 * The other way round.
 */
descending: boolean, 
/**
 * Rows of a page, 1 to 1,000; 0: 100.
 */
limit: number, 
/**
 * Where the page begins: `next` of the page before, with everything else the same.
 */
cursor?: string, 
/**
 * Also those that were deleted; they are remembered for 30 days, 10,000 at most.
 */
deleted: boolean, };

/**
 * A workspace in a listing.
 */
export type WorkspaceRow = { 
/**
 * Its id.
 */
id: WorkspaceId, 
/**
 * Its name.
 */
name: string, 
/**
 * Where it stands.
 */
state: WorkspaceState, 
/**
 * How it is.
 */
health: HealthState, 
/**
 * The base image.
 */
image: string, 
/**
 * Where its page is, while it listens.
 */
url: string | null, 
/**
 * Why it failed or ended, in a sentence.
 */
why: string | null, 
/**
 * Unix time in milliseconds.
 */
created_at_ms: number, 
/**
 * Unix time in milliseconds when its lease ends; absent: kept, paused or gone.
 */
expires_at_ms: number | null, 
/**
 * Milliseconds that are left of its lease; absent: kept or gone.
 */
remaining_ms: number | null, 
/**
 * Unix time in milliseconds when it was deleted, or, in its grace, will be.
 */
deleted_at_ms: number | null, };

/**
 * A page of a listing.
 */
export type WorkspacePage = { 
/**
 * The rows.
 */
rows: Array<WorkspaceRow>, 
/**
 * Where the next page begins; absent: this is the last.
 */
next: string | null, 
/**
 * How many there are on all pages.
 */
total: number, };

/**
 * A workspace.
 */
export type Workspace = { 
/**
 * Its id, part of its URLs.
 */
id: WorkspaceId, 
/**
 * Its name, for people.
 */
name: string, 
/**
 * Where it stands.
 */
state: WorkspaceState, 
/**
 * The base image.
 */
image: string, 
/**
 * The plan it runs, once known.
 */
plan: Plan | null, 
/**
 * The deploy, phase by phase.
 */
phases: Array<Phase>, 
/**
 * Milliseconds from the drop to the first answer; absent until then.
 */
ready_ms: number | null, 
/**
 * Why it failed or ended.
 */
problem: Problem | null, 
/**
 * Where its page is, once it listens.
 */
url: string | null, 
/**
 * Everything it listens on.
 */
ports: Array<Port>, 
/**
 * How long it lives.
 */
lease: Lease, 
/**
 * Where its files are in the container.
 */
root: string, 
/**
 * Unix time in milliseconds.
 */
created_at_ms: number, 
/**
 * Memory and CPU.
 */
preset: Preset, 
/**
 * What it may reach.
 */
network: NetworkProfile, 
/**
 * How it is.
 */
health: Health, 
/**
 * Whether its program is started again when it ends.
 */
restart: RestartPolicy, 
/**
 * The snapshot it was started from.
 */
snapshot?: SnapshotId, 
/**
 * The folder of this machine its files were last taken from, absolute: what a sync would keep in step with it.
 */
folder?: string, };

/**
 * A workspace by id, or by the unambiguous beginning of an id, or by name.
 */
export type WorkspaceRef = { 
/**
 * The workspace.
 */
id: WorkspaceId, };

/**
 * Another name.
 */
export type WorkspaceRename = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * 1 to 80 characters.
 */
name: string, };

/**
 * Another lease.
 */
export type LeaseRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * What to do with it.
 */
change: LeaseChange, };

/**
 * What to do with a lease.
 */
export type LeaseChange = { "kind": "extend", 
/**
 * 1 second to 30 days.
 */
seconds: number, } | { "kind": "set", 
/**
 * 1 minute to 30 days.
 */
seconds: number, } | { "kind": "keep" } | { "kind": "pause" } | { "kind": "resume" } | { "kind": "expire" };

/**
 * What a workspace uses, now.
 */
export type Usage = { 
/**
 * CPU over the last interval, percent of one core.
 */
cpu_percent: number, 
/**
 * Bytes of memory.
 */
memory_bytes: number, 
/**
 * Bytes of memory it may use; absent: no limit.
 */
memory_limit: number | null, 
/**
 * Processes and threads.
 */
processes: number, 
/**
 * Processes ended because memory ran out.
 */
out_of_memory_kills: number, };

/**
 * How fine a history is asked for.
 */
export type StatsResolution = "seconds" | "minutes";

/**
 * Asks for what a workspace uses. Asking again within five seconds is watching: it is then measured once a second for as long.
 */
export type StatsRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * How far back, seconds, at most 86,400; a minute without it, nothing but the present with 0.
 */
since_s?: number, 
/**
 * How fine; without it, `seconds` up to 15 minutes back and `minutes` beyond.
 */
resolution?: StatsResolution, };

/**
 * What was used in a span of time.
 */
export type Sample = { 
/**
 * Unix time in milliseconds at the end of the span.
 */
at_ms: number, 
/**
 * The span, milliseconds.
 */
span_ms: number, 
/**
 * CPU, percent of one core, on average.
 */
cpu_percent: number, 
/**
 * The highest reading in the span, percent of one core.
 */
cpu_max_percent: number, 
/**
 * Memory, bytes, on average.
 */
memory_bytes: number, 
/**
 * The highest reading in the span, bytes.
 */
memory_max_bytes: number, 
/**
 * Processes and threads, at most.
 */
processes: number, 
/**
 * Bytes that came in during the span: answers from outside, and requests to its page.
 */
received_bytes: number, 
/**
 * Bytes that went out during the span: requests to the outside, and answers of its page.
 */
sent_bytes: number, 
/**
 * Bytes it has written in its container, as last measured; absent until then.
 */
disk_bytes: number | null, };

/**
 * What a workspace uses now and used before.
 */
export type Stats = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The latest reading; absent when it does not run.
 */
now: Sample | null, 
/**
 * Bytes of memory it may use; absent: no limit, or not known now.
 */
memory_limit: number | null, 
/**
 * Processes and threads it may have; absent: no limit, or not known now.
 */
processes_limit: number | null, 
/**
 * Bytes it may write in its container; absent: no limit.
 */
disk_limit: number | null, 
/**
 * Bytes that came in since this owner began.
 */
received_total: number, 
/**
 * Bytes that went out since this owner began.
 */
sent_total: number, 
/**
 * Processes ended because memory ran out, since the container started.
 */
out_of_memory_kills: number, 
/**
 * What was asked for, oldest first.
 */
samples: Array<Sample>, };

/**
 * A container that waits.
 */
export type PoolMember = { 
/**
 * Its own id, which is also its label `slipway.workspace`.
 */
id: WorkspaceId, 
/**
 * The base image.
 */
image: string, 
/**
 * Its limits.
 */
preset: Preset, 
/**
 * What it may reach.
 */
network: NetworkProfile, 
/**
 * When it was made, Unix time in milliseconds.
 */
made_at_ms: number, };

/**
 * The pool as it stands.
 */
export type PoolStatus = { 
/**
 * Most members at one time; how many there are follows what was deployed lately.
 */
size: number, 
/**
 * Those that wait now.
 */
members: Array<PoolMember>, 
/**
 * Deploys that found one ready, since this engine began.
 */
claimed: number, 
/**
 * Deploys that did not.
 */
missed: number, };

/**
 * Changes what a workspace may use, at once and for good. What is absent stays as it is.
 */
export type LimitsRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Memory in MiB: 64 to 1,048,576.
 */
memory_mb?: number, 
/**
 * Cores: 0.1 to as many as the engine has.
 */
cpus?: number, 
/**
 * Processes and threads: 32 to 32,768.
 */
pids?: number, };

/**
 * What a workspace may use.
 */
export type Limits = { 
/**
 * Memory in MiB.
 */
memory_mb: number, 
/**
 * Cores; absent: a share of all.
 */
cpus: number | null, 
/**
 * Processes and threads.
 */
pids: number, };

/**
 * A snapshot: the same alphabet as a workspace's.
 */
export type SnapshotId = string;

/**
 * Where a snapshot stands.
 */
export type SnapshotState = "making" | "ready" | "gone";

/**
 * What is under way with a snapshot.
 */
export type SnapshotWork = "take" | "export" | "check" | "import";

/**
 * How far it is.
 */
export type SnapshotProgress = { 
/**
 * What is under way.
 */
work: SnapshotWork, 
/**
 * Bytes done.
 */
done: number, 
/**
 * Bytes in all, about; absent: not known.
 */
total: number | null, 
/**
 * The file, for exports and imports.
 */
path: string | null, };

/**
 * A snapshot.
 */
export type Snapshot = { 
/**
 * Its id.
 */
id: SnapshotId, 
/**
 * Its name, for people; no two have the same.
 */
name: string, 
/**
 * What a person wrote about it; may be empty.
 */
note: string, 
/**
 * Where it stands.
 */
state: SnapshotState, 
/**
 * What is under way with it, and how far that is.
 */
progress: SnapshotProgress | null, 
/**
 * Unix time in milliseconds when it was taken; for an imported one, where it was taken.
 */
created_at_ms: number, 
/**
 * It came from a file.
 */
imported: boolean, 
/**
 * The workspace it was taken of, which may be gone; absent for an imported one.
 */
workspace: WorkspaceId | null, 
/**
 * What that workspace was called.
 */
workspace_name: string, 
/**
 * The base image of that workspace.
 */
image: string, 
/**
 * How it is started.
 */
plan: Plan | null, 
/**
 * Where the project's files are in it.
 */
root: string, 
/**
 * Where it will probably listen.
 */
port: number | null, 
/**
 * Memory and CPU it is started with.
 */
preset: Preset, 
/**
 * What it may reach when it is started.
 */
network: NetworkProfile, 
/**
 * Size of the image in bytes, parts it shares with others included; 0: not known.
 */
bytes: number, 
/**
 * The workspaces that were started from it and are still there. It cannot be deleted before them.
 */
used_by: Array<WorkspaceId>, };

/**
 * A snapshot by id.
 */
export type SnapshotRef = { 
/**
 * The snapshot.
 */
id: SnapshotId, };

/**
 * Take a snapshot.
 */
export type SnapshotCreate = { 
/**
 * Of this workspace: running, paused or stopped.
 */
workspace: WorkspaceId, 
/**
 * 1 to 80 characters; the workspace's name, perhaps with a number, without it.
 */
name?: string, 
/**
 * At most 2,000 characters.
 */
note: string, 
/**
 * Take it although the Docker engine's disk is nearly full.
 */
force?: boolean, };

/**
 * Another name or note.
 */
export type SnapshotEdit = { 
/**
 * The snapshot.
 */
id: SnapshotId, 
/**
 * 1 to 80 characters; as it is without it.
 */
name?: string, 
/**
 * At most 2,000 characters; as it is without it.
 */
note?: string, };

/**
 * Start a workspace from a snapshot. What is absent is as it was in the workspace it was taken of.
 */
export type SnapshotStart = { 
/**
 * The snapshot.
 */
id: SnapshotId, 
/**
 * The new workspace's name; the snapshot's without it.
 */
name?: string, 
/**
 * Seconds until it is stopped; 0 keeps it. The setting decides without it.
 */
duration_s?: number, 
/**
 * Added to the environment of every process.
 */
env: { [key in string]: string }, 
/**
 * Memory and CPU.
 */
preset?: Preset, 
/**
 * What the container may reach; strict without it for one that was imported.
 */
network?: NetworkProfile, 
/**
 * Whether its program is started again when it ends.
 */
restart?: RestartPolicy, 
/**
 * Make it although this machine is short of memory or disk.
 */
force?: boolean, };

/**
 * Write a snapshot to a file.
 */
export type SnapshotExport = { 
/**
 * The snapshot.
 */
id: SnapshotId, 
/**
 * The file on this machine, absolute; its folder must be there.
 */
path: string, 
/**
 * Replace a file of that name.
 */
overwrite?: boolean, };

/**
 * What an export wrote.
 */
export type SnapshotFile = { 
/**
 * The file.
 */
path: string, 
/**
 * Its size.
 */
bytes: number, };

/**
 * Read a snapshot from a file.
 */
export type SnapshotImport = { 
/**
 * The file on this machine, absolute.
 */
path: string, 
/**
 * Another name than the file says; a number is added to a name that is taken.
 */
name?: string, 
/**
 * Read it although the Docker engine's disk is nearly full.
 */
force?: boolean, };

/**
 * A sync: the same alphabet as a workspace's.
 */
export type SyncId = string;

/**
 * Where a sync stands.
 */
export type SyncState = "scanning" | "syncing" | "watching" | "waiting" | "halted" | "stopped";

/**
 * What happened to a path.
 */
export type SyncAct = "written" | "removed" | "conflict" | "left-out";

/**
 * One change.
 */
export type SyncChange = { 
/**
 * Counts up by one within the life of an owner.
 */
seq: number, 
/**
 * Unix time in milliseconds.
 */
at_ms: number, 
/**
 * The path below the folder, as people see it.
 */
path: string, 
/**
 * It went into the workspace; else out of it.
 */
inward: boolean, 
/**
 * What happened.
 */
act: SyncAct, 
/**
 * The other name of a conflict, or why it was left out.
 */
detail: string | null, };

/**
 * A sync.
 */
export type LiveSync = { 
/**
 * Its id: the same for the same folder, workspace and place in it.
 */
id: SyncId, 
/**
 * The workspace.
 */
workspace: WorkspaceId, 
/**
 * The folder of this machine, absolute.
 */
dir: string, 
/**
 * The folder in the workspace, absolute.
 */
root: string, 
/**
 * Changes in the workspace come here too.
 */
both: boolean, 
/**
 * Where it stands.
 */
state: SyncState, 
/**
 * Files, folders and links that are the same on both sides.
 */
entries: number, 
/**
 * Changes that went into the workspace since the owner began with it.
 */
sent: number, 
/**
 * Changes that came out of it.
 */
received: number, 
/**
 * Versions kept beside the others.
 */
conflicts: number, 
/**
 * Changes that have not arrived yet.
 */
waiting: number, 
/**
 * Paths that cannot be synced now, at most 100, with the reason.
 */
left_out: Array<SyncChange>, 
/**
 * The latest changes, oldest first, at most 200.
 */
recent: Array<SyncChange>, 
/**
 * Why it waits or is halted.
 */
problem: Problem | null, };

/**
 * Which folders to keep alike.
 */
export type SyncStart = { 
/**
 * The workspace.
 */
workspace: WorkspaceId, 
/**
 * The folder of this machine, absolute.
 */
dir: string, 
/**
 * The folder in the workspace, absolute; absent: the project's.
 */
root: string | null, 
/**
 * Changes in the workspace come here too.
 */
both: boolean, 
/**
 * Stop when both are alike for the first time.
 */
once: boolean, };

/**
 * A sync by id.
 */
export type SyncRef = { 
/**
 * The sync.
 */
id: SyncId, };

/**
 * What a sync would do first.
 */
export type SyncPreview = { 
/**
 * At most 1,000 changes, in the order in which they would be made.
 */
changes: Array<SyncChange>, 
/**
 * Changes in all.
 */
total: number, };

/**
 * A tab a person moved, named or worked in.
 */
export type TerminalTab = { 
/**
 * Its process.
 */
process: ProcessId, 
/**
 * The name it was given, at most 40 characters; absent: the process's own.
 */
name: string | null, 
/**
 * The folder its shell was in last, absolute, at most 4,096 bytes: there it begins again.
 */
folder: string | null, };

/**
 * How a workspace's terminals stand.
 */
export type TerminalLayout = { 
/**
 * In the order of the tabs, at most 256. Processes that are not named here stand after these, as they came.
 */
tabs: Array<TerminalTab>, 
/**
 * The tab in the first half.
 */
front: ProcessId | null, 
/**
 * The tab in the second half, where there are two.
 */
beside: ProcessId | null, 
/**
 * The second half was used last.
 */
second: boolean, 
/**
 * Width of the first half in percent, 15 to 85.
 */
share: number | null, 
/**
 * Type size in pixels, 8 to 32; absent: the setting.
 */
font_px: number | null, };

/**
 * Keep how a workspace's terminals stand.
 */
export type ArrangeTerminals = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * All of it: what is absent is forgotten.
 */
layout: TerminalLayout, };

/**
 * Start again what a process was.
 */
export type RestartProcess = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * A terminal or a program a person ran, running or ended. It stays as it is.
 */
process: ProcessId, 
/**
 * Where it starts, if that folder is still there; else where it was started first.
 */
folder?: string, 
/**
 * The size of its terminal, if it has one; 80 by 24 without it.
 */
terminal?: WindowSize, };

/**
 * Ask for a container's processes.
 */
export type TreeRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Over how long processor time is measured, milliseconds, at most 5,000; half a second without it.
 */
sample_ms?: number, };

/**
 * A process of a container, whoever started it.
 */
export type ContainerProcess = { 
/**
 * Its number in the container.
 */
pid: number, 
/**
 * Its parent's number; 0 for the first.
 */
parent: number, 
/**
 * Its user's name, or number where it has none.
 */
user: string, 
/**
 * The kernel's letter: R running, S asleep, D waiting for a device, T stopped, Z ended.
 */
state: string, 
/**
 * Of one processor, over the sample.
 */
cpu_percent: number, 
/**
 * Processor time used since it began, milliseconds.
 */
cpu_ms: number, 
/**
 * Memory it holds, bytes.
 */
memory_bytes: number, 
/**
 * Threads.
 */
threads: number, 
/**
 * How long ago it began, milliseconds.
 */
age_ms: number, 
/**
 * TCP ports it listens on.
 */
ports: Array<number>, 
/**
 * Its short name.
 */
name: string, 
/**
 * What it was started with, arguments parted by spaces, control characters escaped; at most 1,000 characters.
 */
command: string, 
/**
 * The process with a transcript that it descends from.
 */
process?: ProcessId, 
/**
 * With `pid` this names the process for good, also when its number is given to another.
 */
born: number, };

/**
 * The processes of a container, ascending by number.
 */
export type ProcessTree = { 
/**
 * At most 4,096.
 */
processes: Array<ContainerProcess>, 
/**
 * There are more.
 */
cut: boolean, };

/**
 * Signal a process by its number.
 */
export type KillRequest = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * The process; never the first one, which keeps the workspace running.
 */
pid: number, 
/**
 * The signal's number, 1 to 64.
 */
signal: number, 
/**
 * With all that descends from it; KILL goes on until none is left.
 */
tree: boolean, 
/**
 * Refuse when the number is another process's by now.
 */
born?: number, };

/**
 * What came of a signal.
 */
export type Killed = { 
/**
 * Processes that were signalled.
 */
signalled: number, };

/**
 * How much a line matters, as far as its text tells. A line that does not tell is `info`.
 */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/**
 * Where a line came from.
 */
export type LogStream = "terminal" | "stdout" | "stderr" | "slipway";

/**
 * One line.
 */
export type LogRecord = { 
/**
 * Counts up by one within a workspace, over restarts of Slipway too.
 */
seq: number, 
/**
 * When Slipway read it, Unix time in milliseconds.
 */
at_ms: number, 
/**
 * How much it matters.
 */
level: LogLevel, 
/**
 * The program's short name: `dev`, `install`, `worker`.
 */
process: string, 
/**
 * The program's id within the workspace.
 */
process_id: ProcessId, 
/**
 * Where it came from.
 */
stream: LogStream, 
/**
 * The line without colours and control characters, at most 16 KiB.
 */
message: string, 
/**
 * The same with its colours (SGR sequences and nothing else), when it has any.
 */
coloured?: string, 
/**
 * The line was longer: its rest is not kept.
 */
cut?: boolean, 
/**
 * So many bytes of the program's output are missing here.
 */
missing_bytes?: number, };

/**
 * Ask for a part of a workspace's log, oldest first.
 */
export type LogQuery = { 
/**
 * The workspace; one that was deleted lately will do.
 */
id: WorkspaceId, 
/**
 * Only lines numbered higher; a client that reconnects names `next` of its last page.
 */
after?: number, 
/**
 * Only lines numbered lower; with `tail` what is just before a line.
 */
before?: number, 
/**
 * The last so many lines that fit, at most 10,000, in place of the first ones after `after`.
 */
tail?: number, 
/**
 * Not older, Unix time in milliseconds.
 */
since_ms?: number, 
/**
 * Not newer, Unix time in milliseconds.
 */
until_ms?: number, 
/**
 * Of this level or above.
 */
level?: LogLevel, 
/**
 * Only this program, by name or id.
 */
process?: string, 
/**
 * Only lines in which this regular expression is found, at most 1,000 bytes.
 */
grep?: string, 
/**
 * Lines wanted, 1 to 10,000; 1,000 without it. A page also ends after a megabyte.
 */
limit?: number, 
/**
 * When nothing is there yet, wait so long for it, milliseconds, at most 10,000.
 */
wait_ms?: number, };

/**
 * Lines that are no longer kept, or never were.
 */
export type LogGap = { 
/**
 * The first number that is missing.
 */
from: number, 
/**
 * The first number that is there again.
 */
to: number, };

/**
 * A part of a workspace's log.
 */
export type LogPage = { 
/**
 * The lines that fit the question.
 */
records: Array<LogRecord>, 
/**
 * The number looked at last: ask again with `after` set to it.
 */
next: number, 
/**
 * Lines after `after` that the cap on disk has dropped.
 */
gap?: LogGap, 
/**
 * There is more to look at right now. With `tail`: older lines may fit that were not looked for.
 */
more: boolean, 
/**
 * More may come: the workspace has not ended.
 */
live: boolean, };

/**
 * Ask for the digest of a file, or of what arrived of one.
 */
export type DigestFile = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path in the container.
 */
path: string, 
/**
 * Of so many bytes from the beginning; of all without it.
 */
length?: number, 
/**
 * Not the file but what arrived of it by an upload that was cut and can go on.
 */
partial: boolean, };

/**
 * What is there of a file.
 */
export type FileDigest = { 
/**
 * Bytes that are there.
 */
size: number, 
/**
 * Bytes that were digested: fewer than asked for when fewer are there.
 */
digested: number, 
/**
 * Their SHA-256, 64 hexadecimal digits.
 */
sha256: string, };

/**
 * Ask what changes below a directory. Who asks watches; the watching ends a minute after nobody does.
 */
export type WatchFiles = { 
/**
 * The workspace.
 */
id: WorkspaceId, 
/**
 * Absolute path of a directory in the container; the project's folder without it.
 */
path?: string, 
/**
 * What the last answer called `next`; without it only what changes from now on is told.
 */
after?: string, 
/**
 * When nothing has changed yet, wait so long for it, milliseconds, at most 10,000.
 */
wait_ms?: number, };

/**
 * What became of a path. Several changes in a row are one, with what is there at the end.
 */
export type FileChange = { 
/**
 * Absolute path in the container.
 */
path: string, 
/**
 * What is there now; without it the path is gone, with all that was below it.
 */
entry?: FileEntry, };

/**
 * What changed below a directory. Directories such as `node_modules` are not looked into: what changes in one is told
 * as a change of itself, unless the watching begins there.
 */
export type FileChanges = { 
/**
 * The changes, oldest first, at most 1,000; there may be more right now.
 */
changes: Array<FileChange>, 
/**
 * Ask again with `after` set to it.
 */
next: string, 
/**
 * What changed before this answer is not known, as at the beginning: look at everything anew. What changes after is told.
 */
rescan: boolean, 
/**
 * Directories whose changes are not seen, because a limit of the machine was reached or they may not be read. At most 100.
 */
unwatched: Array<string>, };

/** Every command: what it takes and what it gives. */
export type Commands = {
  /** The Docker engine: which one, its version, or why none answers. */
  "engine.status": [Nothing, EngineStatus];
  /** Looks for a Docker engine again now instead of at the next turn. */
  "engine.retry": [Nothing, EngineStatus];
  /** Everything a person can set. */
  "settings.get": [Nothing, Settings];
  /** The containers kept warm, and how often one was ready. */
  "pool.status": [Nothing, PoolStatus];
  /** Replaces the settings after checking each of them. */
  "settings.set": [Settings, Settings];
  /** Checks a zip or folder and says how it would be run, changing nothing. */
  "intake.inspect": [Source, Inspection];
  /** Makes a workspace of a zip or folder and starts deploying it. Returns at once; events tell the rest. */
  "workspace.deploy": [DeployRequest, Workspace];
  /** Runs the plan of a workspace again, from a phase on, perhaps with other commands. */
  "workspace.redeploy": [RedeployRequest, Workspace];
  /** Every workspace there is, newest first. */
  "workspace.list": [Nothing, Array<Workspace>];
  /** Workspaces, also deleted ones, filtered and sorted, a page at a time. */
  "workspace.query": [WorkspaceQuery, WorkspacePage];
  /** One workspace, also one that was deleted lately. */
  "workspace.status": [WorkspaceRef, Workspace];
  /** Stops a workspace; its files are kept. */
  "workspace.stop": [WorkspaceRef, Workspace];
  /** Starts a stopped workspace and runs its plan's start command again. */
  "workspace.start": [WorkspaceRef, Workspace];
  /** Stops a deploy that is under way; what is there stays for a look. */
  "workspace.cancel": [WorkspaceRef, Workspace];
  /** Deletes a workspace and everything in it. */
  "workspace.remove": [WorkspaceRef, Workspace];
  /** Gives a workspace another name; its id and URLs stay. */
  "workspace.rename": [WorkspaceRename, Workspace];
  /** Changes how long a workspace lives: more or less, paused and resumed, kept, ended now. */
  "workspace.lease": [LeaseRequest, Workspace];
  /** Says whether a workspace's program is started again when it ends. */
  "workspace.restart-policy": [RestartPolicyRequest, Workspace];
  /** CPU, memory and processes, now. */
  "workspace.usage": [WorkspaceRef, Usage];
  /** What a workspace uses, and used before. Who asks watches: it is then measured once a second. */
  "workspace.stats": [StatsRequest, Stats];
  /** Changes what a workspace may use while it runs, and says what it may use now. */
  "workspace.limits": [LimitsRequest, Limits];
  /** The messages of a workspace, oldest first. */
  "workspace.messages": [WorkspaceRef, Array<Event>];
  /** What a workspace's programs printed, line by line, also of one deleted lately; may wait for what is not there yet. */
  "workspace.logs": [LogQuery, LogPage];
  /** The processes of a workspace that have a transcript: phases, programs and terminals. */
  "process.list": [WorkspaceRef, Array<Process>];
  /** Starts a process: a terminal, or a program with pipes. Output comes by attaching. */
  "process.open": [OpenProcess, Process];
  /** Starts again what a process was, as a new one: its command and the environment it was started with. */
  "process.restart": [RestartProcess, Process];
  /** Starts a program that goes on by itself; what it prints goes to the workspace's log. */
  "process.detach": [OpenProcess, Process];
  /** Changes the window size of a terminal. */
  "process.resize": [Resize, Nothing];
  /** Sends a signal to a process, its foreground group or its tree. */
  "process.signal": [Signal, Nothing];
  /** Every process of the container, also those that no transcript belongs to. */
  "process.tree": [TreeRequest, ProcessTree];
  /** Signals any process of the container by its number, alone or with all that descends from it. */
  "process.kill": [KillRequest, Killed];
  /** Ends a process and drops its transcript. */
  "process.close": [ProcessRef, Nothing];
  /** How the terminals of a workspace stand: order, names, halves, type size. */
  "terminal.layout": [WorkspaceRef, TerminalLayout];
  /** Keeps how the terminals of a workspace stand, for every window and the next start. */
  "terminal.arrange": [ArrangeTerminals, TerminalLayout];
  /** The entries of a directory. */
  "file.list": [FileRef, DirectoryListing];
  /** What is known of a path without reading it. */
  "file.stat": [FileRef, FileEntry];
  /** A text file of at most 4 MiB. */
  "file.read": [FileRef, FileText];
  /** Writes a text file whole, refusing when it changed underneath. */
  "file.write": [WriteText, FileEntry];
  /** Removes a file or a directory with all it holds. */
  "file.remove": [RemoveFile, RemovedFile];
  /** Moves or renames. */
  "file.rename": [RenameFile, Nothing];
  /** Makes a directory and its missing parents. */
  "file.mkdir": [Mkdir, Nothing];
  /** The digest of a file, or of what arrived of one by an upload that was cut. */
  "file.digest": [DigestFile, FileDigest];
  /** What changed below a directory since last asked; may wait for a change. */
  "file.watch": [WatchFiles, FileChanges];
  /** Takes a snapshot of a workspace's files and answers when it is there. Ends when the asker goes away. */
  "snapshot.create": [SnapshotCreate, Snapshot];
  /** Every snapshot, newest first. */
  "snapshot.list": [Nothing, Array<Snapshot>];
  /** One snapshot. */
  "snapshot.status": [SnapshotRef, Snapshot];
  /** Gives a snapshot another name or note. */
  "snapshot.edit": [SnapshotEdit, Snapshot];
  /** Makes a workspace of a snapshot and starts its program. Returns at once; events tell the rest. */
  "snapshot.start": [SnapshotStart, Workspace];
  /** Writes a snapshot to one file and answers when it is there. Ends when the asker goes away. */
  "snapshot.export": [SnapshotExport, SnapshotFile];
  /** Reads a snapshot from a file, after checking all of it, and answers when it is there. Ends when the asker goes away. */
  "snapshot.import": [SnapshotImport, Snapshot];
  /** Cancels what is under way with a snapshot; nothing is left of it. */
  "snapshot.cancel": [SnapshotRef, Nothing];
  /** Deletes a snapshot that no workspace uses. */
  "snapshot.remove": [SnapshotRef, Nothing];
  /** Keeps a folder of this machine and one of a workspace alike, from now on and after restarts, until it is stopped. */
  "sync.start": [SyncStart, LiveSync];
  /** Every sync that is under way. */
  "sync.list": [Nothing, Array<LiveSync>];
  /** One sync that is under way, or was in this owner's life. */
  "sync.status": [SyncRef, LiveSync];
  /** Ends a sync. Both folders stay as they are. */
  "sync.stop": [SyncRef, LiveSync];
  /** Says what a sync would do first, changing nothing. */
  "sync.preview": [SyncStart, SyncPreview];
  /** Every outgoing connection the workspace tried lately, newest last. */
  "network.list": [WorkspaceRef, Array<EgressEntry>];
  /** Allows or blocks a host for a workspace. */
  "network.decide": [EgressRule, Nothing];
};
